//! Thousands of broken requests: each is answered, no connection is lost, and the process does not grow.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Fixture, KeptAlive, Socket, call, start};
use futures::SinkExt;
use jsonrpsee::types::ErrorObjectOwned;
use lockstep_service::{RpcLimits, code};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use serde_json::value::RawValue;
use tokio_tungstenite::tungstenite::Message;

const REQUESTS: u32 = 5_000;
const MOST_GROWTH_BYTES: usize = 64 << 20;

/// Values that parsers stumble over.
const ODD: [&str; 24] = [
    "null",
    "true",
    "-0",
    "1e999",
    "-1e-999",
    "0.1e+1",
    "01",
    "+1",
    "0x1",
    "NaN",
    "1e",
    "\"",
    "\"\\",
    "\"\\u12",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\u{7f}\u{0}\"",
    "{}",
    "[]",
    "{\"a\":",
    "[[[[",
    "}}",
    ",",
    "'single'",
];

struct Generator(TestRng);

impl Generator {
    fn new() -> Self {
        let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand_seed);
        println!("SEED={seed}");
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&u64::to_le_bytes(seed));
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.0.next_u64() % u64::try_from(limit).unwrap()).unwrap()
    }

    fn odd(&mut self) -> String {
        match self.below(8) {
            0 => "9".repeat(1 + self.below(5_000)),
            1 => "[".repeat(1 + self.below(5_000)),
            2 => "{\"a\":".repeat(1 + self.below(1_000)),
            _ => ODD[self.below(ODD.len())].to_owned(),
        }
    }

    /// A request whose fields may be odd, missing or doubled.
    fn request(&mut self) -> String {
        let plain = [r#""2.0""#, "1", r#""test_echo""#, "[1]"];
        let mut fields = Vec::new();
        for (name, plain) in ["jsonrpc", "id", "method", "params"].into_iter().zip(plain) {
            match self.below(6) {
                0 => {}
                1 => fields.push(format!("\"{name}\":{}", self.odd())),
                2 => fields.extend([format!("\"{name}\":{}", self.odd()), format!("\"{name}\":{plain}")]),
                _ => fields.push(format!("\"{name}\":{plain}")),
            }
        }
        format!("{{{}}}", fields.join(","))
    }

    fn text(&mut self) -> Vec<u8> {
        let mut text = match self.below(5) {
            0 => self.odd(),
            1 => {
                let requests: Vec<_> = (0..self.below(5)).map(|_| self.request()).collect();
                format!("[{}]", requests.join(","))
            }
            _ => self.request(),
        }
        .into_bytes();
        match self.below(6) {
            0 => text.truncate(self.below(text.len() + 1)),
            1 => (0..1 + self.below(4)).for_each(|_| self.corrupt(&mut text)),
            2 => text.extend_from_slice(b" trailing"),
            3 => text = (0..self.below(200)).map(|_| self.0.next_u32().to_le_bytes()[0]).collect(),
            _ => {}
        }
        text
    }

    fn corrupt(&mut self, text: &mut [u8]) {
        if !text.is_empty() {
            let at = self.below(text.len());
            text[at] = self.0.next_u32().to_le_bytes()[0];
        }
    }
}

fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(())
}

/// An answer whose id may be a number or a string that serde_json would not take: it comes back as it was sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer<'a> {
    jsonrpc: &'a str,
    #[serde(borrow, rename = "id")]
    _id: &'a RawValue,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>, // may be `null`
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

fn present<'de, D: Deserializer<'de>>(json: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(json).map(Some)
}

/// Fails unless `text` is an answer of JSON-RPC, or several.
fn check(text: &[u8], request: &[u8]) {
    let parsed = match text.first() {
        Some(b'[') => serde_json::from_slice(text),
        _ => serde_json::from_slice(text).map(|answer| vec![answer]),
    };
    let answers: Vec<Answer<'_>> =
        parsed.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(request)));
    assert!(!answers.is_empty());
    for answer in answers {
        assert_eq!(answer.jsonrpc, "2.0");
        match answer.error {
            Some(error) => {
                let error: ErrorObjectOwned = serde_json::from_str(error.get()).unwrap();
                assert!(answer.result.is_none() && error.code() != code::INTERNAL, "{error}");
            }
            None => assert!(answer.result.is_some(), "{}", String::from_utf8_lossy(text)),
        }
    }
}

/// Memory that this process holds, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

async fn still_answers(fixture: &Fixture) {
    let (status, answer) = common::post(&fixture.url, call("test_echo", &json!(["alive"])).to_string()).await;
    assert_eq!((status.as_u16(), &answer["result"]), (200, &json!("alive")));
}

#[tokio::test]
async fn broken_requests_on_one_http_connection_are_all_answered() {
    let fixture = start(RpcLimits::default()).await;
    let mut generator = Generator::new();
    let mut http = KeptAlive::open(&fixture).await;
    let mut warm = 0;
    for number in 0..REQUESTS {
        if number == REQUESTS / 5 {
            warm = resident();
        }
        let text = generator.text();
        let (status, answer) = http.post(&text).await.unwrap();
        assert_eq!(status, 200);
        if !answer.is_empty() {
            check(&answer, &text); // otherwise a notification
        }
    }
    let grown = resident().saturating_sub(warm);
    assert!(grown < MOST_GROWTH_BYTES, "{grown} bytes");
    still_answers(&fixture).await;
}

#[tokio::test]
async fn broken_messages_on_one_socket_are_all_answered() {
    let fixture = start(RpcLimits::default()).await;
    let mut generator = Generator::new();
    let mut socket = Socket::open(&fixture.url).await;
    for number in 0..REQUESTS {
        let text = generator.text();
        let message = match String::from_utf8(text.clone()) {
            Ok(text) => Message::text(text),
            Err(_) => Message::binary(text.clone()),
        };
        socket.0.send(message).await.unwrap();
        // Calls are answered in any order, and notifications not at all: this one is always answered.
        let marker = format!("marker {number}");
        socket.send(&json!({"jsonrpc": "2.0", "id": marker, "method": "test_submit"})).await;
        loop {
            let answer = socket.next_text().await.unwrap_or_else(|| panic!("closed after {text:?}"));
            check(answer.as_bytes(), &text);
            if answer.contains(&marker) {
                break;
            }
        }
    }
    still_answers(&fixture).await;
}
