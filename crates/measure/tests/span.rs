//! Span batches: the golden one of kona, and round trips.
//!
//! `vectors/every-type.span.hex` was written by `kona-protocol`, see `kona/`.
#![allow(clippy::unwrap_used)]

use std::{fs, path::PathBuf};

use alloy_primitives::hex;
use lockstep_measure::{GENESIS_TIME, Load, SpanError, decode_span, encode_span};
use lockstep_testkit::traffic::{self, Asset, Recipients, Traffic};

const SEED: u64 = 1;

fn vector(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors")).join(name)
}

fn load(traffic: &Traffic) -> Load {
    let mut load = Load::new(traffic.name);
    for block in &traffic.blocks {
        load.push_block(block.iter().map(|tx| tx.raw.clone()).collect()).unwrap();
    }
    load
}

/// A load as its text.
fn text(traffic: &Traffic) -> String {
    let block = |block: &Vec<traffic::SignedTx>| {
        let lines: String = block.iter().map(|tx| format!("{}\n", tx.raw)).collect();
        lines + "\n"
    };
    traffic.blocks.iter().map(block).collect()
}

#[test]
fn the_golden_load_is_the_traffic_of_every_type() {
    let (path, text) = (vector("every-type.hex"), text(&traffic::every_type(SEED)));
    if std::env::var_os("LOCKSTEP_BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap() == text,
        "LOCKSTEP_BLESS=1 writes it anew, then that of kona too"
    );
}

#[test]
fn every_type_is_encoded_as_kona_did() {
    let load = Load::read("every-type", fs::File::open(vector("every-type.hex")).unwrap()).unwrap();
    let encoded = encode_span(&load.channel(0, load.blocks()), GENESIS_TIME).unwrap();
    let golden = fs::read_to_string(vector("every-type.span.hex")).unwrap();
    assert_eq!(hex::encode(encoded), golden.trim());
}

#[test]
fn decoding_undoes_encoding() {
    for seed in 0..4 {
        let every = load(&traffic::every_type(seed));
        let transfers = load(&traffic::transfers(Asset::Erc20, Recipients::New, 230, seed));
        for load in [every, transfers] {
            let channel = load.channel(0, load.blocks());
            let encoded = encode_span(&channel, GENESIS_TIME).unwrap();
            let decoded = decode_span(&encoded, GENESIS_TIME, load.chain_id()).unwrap();
            assert_eq!(decoded, channel.blocks, "{}, seed {seed}", load.name);
        }
    }
}

#[test]
fn a_batch_that_was_cut_is_malformed() {
    let load = load(&traffic::every_type(SEED));
    let encoded = encode_span(&load.channel(0, load.blocks()), GENESIS_TIME).unwrap();
    for length in (0..encoded.len()).step_by(97) {
        let decoded = decode_span(&encoded[..length], GENESIS_TIME, load.chain_id());
        assert!(matches!(decoded, Err(SpanError::Malformed(_))), "{length}");
    }
}

#[test]
fn a_span_without_blocks_is_refused() {
    assert_eq!(encode_span(&Load::new("empty").channel(0, 0), GENESIS_TIME), Err(SpanError::Empty));
}
