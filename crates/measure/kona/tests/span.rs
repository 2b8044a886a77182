//! The span batches that we measure with are those of kona, byte for byte.
//!
//! `cargo test --manifest-path crates/measure/kona/Cargo.toml`. With `LOCKSTEP_BLESS=1` the golden span batch of the
//! workspace's own tests is written anew, by kona. Real transactions are compared where `LOCKSTEP_DATA` is set.

use std::{env, fs, path::Path};

use alloy_primitives::{Bytes, hex};
use alloy_rlp::Encodable;
use kona_protocol::{RawSpanBatch, SingleBatch, SpanBatch};
use lockstep_measure::{BLOCK_TIME, GENESIS_TIME, Load, encode_span};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors");

#[test]
fn every_type_is_encoded_as_kona_does() {
    let folder = Path::new(VECTORS);
    let load = Load::read("every-type", fs::File::open(folder.join("every-type.hex")).unwrap()).unwrap();
    let golden = folder.join("every-type.span.hex");
    let kona = kona(&load);
    if env::var_os("LOCKSTEP_BLESS").is_some() {
        fs::write(&golden, format!("{}\n", hex::encode(&kona))).unwrap();
    }
    assert_eq!(hex::encode(ours(&load)), hex::encode(&kona));
    assert_eq!(fs::read_to_string(golden).unwrap().trim(), hex::encode(&kona), "the golden span batch is another");
}

#[test]
fn real_transactions_are_encoded_as_kona_does() {
    let Some(data) = env::var_os("LOCKSTEP_DATA") else {
        return println!("real L2 transactions: left out, LOCKSTEP_DATA is not set");
    };
    for name in ["op-channel", "world"] {
        let path = Path::new(&data).join(format!("l2-transactions/{name}.hex.zst"));
        let load = Load::read(name, fs::File::open(path).unwrap()).unwrap();
        assert!(ours(&load) == kona(&load), "{name}");
    }
}

fn ours(load: &Load) -> Vec<u8> {
    encode_span(&load.channel(0, load.blocks()), GENESIS_TIME).unwrap()
}

/// The same channel through kona's encoder, its batch type in front.
fn kona(load: &Load) -> Vec<u8> {
    let channel = load.channel(0, load.blocks());
    let mut span = SpanBatch { genesis_timestamp: GENESIS_TIME, chain_id: load.chain_id(), ..SpanBatch::default() };
    for (index, block) in channel.blocks.iter().enumerate() {
        let batch = SingleBatch {
            parent_hash: channel.parent_hash,
            epoch_num: block.l1_origin_number.0,
            epoch_hash: channel.last_origin_hash,
            timestamp: block.timestamp,
            transactions: block.transactions.iter().map(networked).collect(),
        };
        span.append_singular_batch(batch, if index == 0 { 0 } else { 1 }).unwrap();
    }
    let mut out = vec![1];
    span.to_raw_span_batch().unwrap().encode(&mut out).unwrap();
    out
}

/// A transaction as kona's span batch reads it: typed ones as an RLP string.
fn networked(raw: &Bytes) -> Bytes {
    if raw[0] >= 0xc0 {
        return raw.clone();
    }
    let mut out = Vec::new();
    raw[..].encode(&mut out);
    out.into()
}

/// Kona's own way back gives the transactions that went in.
#[test]
fn what_we_encode_kona_decodes() {
    let load = Load::read("every-type", fs::File::open(Path::new(VECTORS).join("every-type.hex")).unwrap()).unwrap();
    let mut raw = RawSpanBatch::decode(&mut &ours(&load)[1..]).unwrap();
    let span = raw.derive(BLOCK_TIME, GENESIS_TIME, load.chain_id()).unwrap();
    let expected = load.channel(0, load.blocks()).blocks;
    assert_eq!(span.batches.len(), expected.len());
    for (found, expected) in span.batches.iter().zip(expected) {
        assert_eq!(found.timestamp, expected.timestamp);
        assert_eq!(found.epoch_num, expected.l1_origin_number.0);
        assert_eq!(found.transactions, expected.transactions);
    }
}
