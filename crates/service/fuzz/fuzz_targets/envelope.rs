//! Any bytes are requests or one error; what is not JSON is never a request, ids stand in the text as they are
//! given back, and every error can be written as JSON.
#![no_main]

use envelope::{Bounds, Entry, Incoming, Malformed, RequestId, error, read};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

// The file and not the crate: a server need not be built to fuzz a parser.
#[allow(dead_code)]
#[path = "../../src/envelope.rs"]
mod envelope;

const BOUNDS: Bounds = Bounds { depth: 64, batch: 100 };

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(text).is_ok()
}

fn check(entry: &Entry<'_>, text: &str) {
    let id = match entry {
        Entry::Call(id, call) => {
            assert!(!call.method.is_empty());
            assert!(call.params.is_none_or(|params| is_json(params.as_bytes()) && params != "null"));
            *id
        }
        Entry::Invalid(id) => *id,
        Entry::Notification(_) => return,
    };
    assert!(id == RequestId::NULL || text.contains(id.as_json()));
    assert!(is_json(error(id, -32600, text).as_bytes()));
}

fuzz_target!(|data: &[u8]| {
    match read(data, BOUNDS) {
        Ok(incoming) => {
            assert!(is_json(data));
            let text = std::str::from_utf8(data).expect("JSON is UTF-8");
            match incoming {
                Incoming::Single(entry) => check(&entry, text),
                Incoming::Batch(entries) => {
                    assert!((1..=100).contains(&entries.len()));
                    entries.iter().for_each(|entry| check(entry, text));
                }
            }
        }
        // What is JSON to a reader that makes values of it is JSON here.
        Err(Malformed::NotJson(_) | Malformed::NotUtf8(_)) => {
            assert!(serde_json::from_slice::<serde_json::Value>(data).is_err());
        }
        Err(malformed) => drop(malformed.to_string()),
    }
});
