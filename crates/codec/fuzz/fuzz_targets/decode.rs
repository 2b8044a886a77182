//! Any bytes decode to a channel or to an error, as a channel and as a blob.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockstep_codec::{Blob, History, decode, from_blobs};

fuzz_target!(|data: &[u8]| {
    let _ = decode(data, &History::default());
    let mut blob = Blob::ZERO;
    let length = data.len().min(blob.len());
    blob[..length].copy_from_slice(&data[..length]);
    if let Ok(channel) = from_blobs(&[blob]) {
        let _ = decode(&channel, &History::default());
    }
});
