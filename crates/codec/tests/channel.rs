//! Channels as bytes: the format's promises to both sides.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs)]

use std::{fs, path::PathBuf};

use alloy_primitives::{B256, Bytes, hex, keccak256};
use lockstep_codec::{
    BatchBlock, Channel, DecodeError, EncodeError, MAX_BLOCKS, MAX_BODY_BYTES, MAX_CHANNEL_BYTES,
    MAX_TRANSACTIONS, decode, encode, encode_with_quality, from_blobs, to_blobs,
};
use lockstep_primitives::{BlockNumber, L1BlockNumber};
use proptest::{collection::vec, prelude::*};

/// `version ++ parent_hash ++ tip_hash ++ last_origin_hash ++ body_length`.
const HEADER: usize = 101;

fn channel(blocks: Vec<BatchBlock>) -> Channel {
    Channel {
        first_number: BlockNumber(1_000),
        parent_hash: B256::repeat_byte(0xaa),
        tip_hash: B256::repeat_byte(0xbb),
        last_origin_hash: B256::repeat_byte(0xcc),
        blocks,
    }
}

fn block(timestamp: u64, origin: u64, transactions: &[&[u8]]) -> BatchBlock {
    let transactions = transactions.iter().map(|tx| Bytes::copy_from_slice(tx)).collect();
    BatchBlock { timestamp, l1_origin_number: L1BlockNumber(origin), transactions }
}

fn three_blocks() -> Channel {
    let transfer: &[u8] = &hex!("02f86c01808459682f008459682f00825208");
    let blocks = vec![
        block(1_700_000_001, 19_000_000, &[transfer, &[0x01; 40]]),
        block(1_700_000_002, 19_000_000, &[]),
        block(1_700_000_014, 19_000_002, &[&[0xf8; 130], transfer, transfer]),
    ];
    channel(blocks)
}

fn one_empty_block() -> Channel {
    channel(vec![block(u64::MAX, u64::MAX, &[])])
}

/// The bytes of a channel around any body, with its true length.
fn with_body(body: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 5, ..Default::default() };
    brotli::BrotliCompress(&mut &body[..], &mut compressed, &params).unwrap();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[0][..], &[0xaa; 32], &[0xbb; 32], &[0xcc; 32], &length, &compressed].concat()
}

/// `1000` as a varint, then the rest of a body.
fn body(rest: &[u8]) -> Vec<u8> {
    [&[0xe8, 0x07][..], rest].concat()
}

/// The golden bytes `name`. `LOCKSTEP_BLESS=1` writes `fresh` there first: a change of format, which
/// `docs/format.md` tells too.
fn golden(name: &str, fresh: &[u8]) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(name);
    if std::env::var_os("LOCKSTEP_BLESS").is_some() {
        fs::write(&path, hex::encode(fresh) + "\n").unwrap();
    }
    hex::decode(fs::read_to_string(path).unwrap().trim()).unwrap()
}

#[test]
fn golden_bytes_decode_to_their_channels() {
    for (name, channel) in [
        ("channel-v0-three-blocks.hex", three_blocks()),
        ("channel-v0-one-empty-block.hex", one_empty_block()),
    ] {
        assert_eq!(decode(&golden(name, &encode(&channel).unwrap())), Ok(channel));
    }
}

#[test]
fn golden_bytes_fill_the_golden_blob() {
    let bytes = golden("channel-v0-three-blocks.hex", &encode(&three_blocks()).unwrap());
    let [blob] = to_blobs(&bytes).unwrap().try_into().unwrap();
    let end = blob.iter().rposition(|byte| *byte != 0).unwrap();
    assert_eq!(blob[..=end], golden("blob-of-channel-v0-three-blocks.hex", &blob[..=end]));
    assert_eq!(from_blobs(&[blob]).unwrap(), bytes);
}

#[test]
fn the_body_is_what_the_document_says() {
    let columns = body(&[
        1,    // one block
        0x05, // timestamp
        0x07, // origin
        2,    // transactions
        1, 2, // their lengths
        0x11, 0x22, 0x33,
    ]);
    let expected = channel(vec![block(5, 7, &[&[0x11], &[0x22, 0x33]])]);
    assert_eq!(decode(&with_body(&columns)), Ok(expected));
}

#[test]
fn timestamps_and_origins_are_differences_after_the_first() {
    let columns = body(&[3, 5, 1, 0, 7, 0, 2, 0, 0, 0]);
    let expected = channel(vec![block(5, 7, &[]), block(6, 7, &[]), block(6, 9, &[])]);
    assert_eq!(decode(&with_body(&columns)), Ok(expected));
}

#[test]
fn unknown_versions_are_refused() {
    let mut bytes = encode(&three_blocks()).unwrap();
    bytes[0] = 1;
    assert_eq!(decode(&bytes), Err(DecodeError::Version(1)));
    assert_eq!(decode(&[]), Err(DecodeError::Truncated("version")));
}

#[test]
fn bytes_that_end_early_are_refused_everywhere() {
    let bytes = encode(&three_blocks()).unwrap();
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    let mut bytes = encode(&three_blocks()).unwrap();
    bytes.push(0);
    assert_eq!(decode(&bytes), Err(DecodeError::Trailing));
    assert_eq!(decode(&with_body(&body(&[1, 5, 7, 0, 0]))), Err(DecodeError::TrailingBody(1)));
}

#[test]
fn superfluous_bytes_in_integers_are_refused() {
    assert_eq!(decode(&with_body(&body(&[1, 0x85, 0, 7, 0]))), Err(DecodeError::NotMinimal("timestamp")));
}

#[test]
fn sums_above_64_bits_are_refused() {
    let mut columns = body(&[2]);
    columns.extend([0xff; 9]);
    columns.extend([0x01, 1, 7, 0, 0, 0]);
    assert_eq!(decode(&with_body(&columns)), Err(DecodeError::Overflow("timestamp")));
}

#[test]
fn counts_without_content_are_refused() {
    assert_eq!(decode(&with_body(&body(&[0]))), Err(DecodeError::Empty));
    assert_eq!(decode(&with_body(&body(&[9, 5]))), Err(DecodeError::Truncated("block count")));
    assert_eq!(decode(&with_body(&body(&[1, 5, 7, 3]))), Err(DecodeError::Truncated("transaction count")));
    assert_eq!(decode(&with_body(&body(&[1, 5, 7, 1, 9]))), Err(DecodeError::Truncated("transaction")));
}

#[test]
fn counts_above_their_limits_are_refused_before_anything_is_read() {
    let blocks = body(&[0x81, 0x80, 0x04]); // 65,537
    let expected = DecodeError::TooMany { what: "block count", found: 65_537, limit: MAX_BLOCKS };
    assert_eq!(decode(&with_body(&blocks)), Err(expected));
    let transactions = body(&[1, 5, 7, 0x81, 0x80, 0x10]); // 262,145
    let expected =
        DecodeError::TooMany { what: "transaction count", found: 262_145, limit: MAX_TRANSACTIONS };
    assert_eq!(decode(&with_body(&transactions)), Err(expected));
    let mut overflowing = body(&[2, 5, 0, 7, 0]);
    for _ in 0..2 {
        overflowing.extend([0xff; 9]);
        overflowing.push(1);
    }
    assert!(matches!(decode(&with_body(&overflowing)), Err(DecodeError::TooMany { found: u64::MAX, .. })));
}

#[test]
fn a_body_announced_too_long_is_refused_before_it_is_inflated() {
    let mut bytes = with_body(&body(&[1, 5, 7, 0]));
    let length = u32::try_from(MAX_BODY_BYTES + 1).unwrap();
    bytes[HEADER - 4..HEADER].copy_from_slice(&length.to_be_bytes());
    assert_eq!(decode(&bytes), Err(DecodeError::BodyTooLong(MAX_BODY_BYTES + 1)));
}

#[test]
fn a_body_of_another_length_than_announced_is_refused() {
    for change in [-1i32, 1] {
        let mut bytes = with_body(&body(&[1, 5, 7, 0]));
        let length = u32::try_from(6 + change).unwrap();
        bytes[HEADER - 4..HEADER].copy_from_slice(&length.to_be_bytes());
        assert_eq!(decode(&bytes), Err(DecodeError::BodyLength(length as usize)));
    }
}

#[test]
fn a_bomb_is_refused_at_its_announced_length() {
    let bomb = with_body(&vec![0; MAX_BODY_BYTES]);
    assert!(bomb.len() < MAX_BODY_BYTES / 100);
    assert!(decode(&bomb).is_err());
    let mut lying = bomb;
    lying[HEADER - 4..HEADER].copy_from_slice(&8u32.to_be_bytes());
    assert_eq!(decode(&lying), Err(DecodeError::BodyLength(8)));
}

#[test]
fn more_bytes_than_six_blobs_hold_are_refused() {
    let bytes = vec![0; MAX_CHANNEL_BYTES + 1];
    assert_eq!(decode(&bytes), Err(DecodeError::TooLong(MAX_CHANNEL_BYTES + 1)));
}

#[test]
fn channels_that_have_no_encoding_are_refused() {
    assert_eq!(encode(&channel(vec![])), Err(EncodeError::Empty));
    let back = channel(vec![block(5, 7, &[]), block(4, 7, &[])]);
    assert_eq!(encode(&back), Err(EncodeError::Backwards(1)));
    let back = channel(vec![block(5, 7, &[]), block(5, 6, &[])]);
    assert_eq!(encode(&back), Err(EncodeError::Backwards(1)));
    let many = channel(vec![block(5, 7, &[]); MAX_BLOCKS + 1]);
    assert!(matches!(encode(&many), Err(EncodeError::TooMany { what: "block count", .. })));
    let many = channel(vec![block(5, 7, &vec![&[1u8][..]; MAX_TRANSACTIONS + 1])]);
    assert!(matches!(encode(&many), Err(EncodeError::TooMany { what: "transaction count", .. })));
    let large = vec![1u8; MAX_BODY_BYTES];
    let large = channel(vec![block(5, 7, &[&large])]);
    assert!(matches!(encode(&large), Err(EncodeError::TooMany { what: "body length", .. })));
    let noise: Vec<u8> = (0..40_000u32).flat_map(|seed| keccak256(seed.to_be_bytes()).0).collect();
    let noise = channel(vec![block(5, 7, &[&noise])]);
    assert!(matches!(
        encode_with_quality(&noise, 1),
        Err(EncodeError::TooMany { what: "channel length", .. })
    ));
}

#[test]
fn the_largest_counts_are_accepted() {
    let blocks = channel(vec![block(5, 7, &[]); MAX_BLOCKS]);
    assert_eq!(decode(&encode_with_quality(&blocks, 1).unwrap()), Ok(blocks));
    let transactions = channel(vec![block(5, 7, &vec![&[1u8][..]; MAX_TRANSACTIONS])]);
    assert_eq!(decode(&encode_with_quality(&transactions, 1).unwrap()), Ok(transactions));
}

#[test]
fn last_number_counts_the_blocks() {
    assert_eq!(three_blocks().last_number(), BlockNumber(1_002));
    assert_eq!(three_blocks().last_origin_number(), Some(L1BlockNumber(19_000_002)));
}

fn any_channel() -> impl Strategy<Value = Channel> {
    let transaction = vec(any::<u8>(), 0..300).prop_map(Bytes::from);
    let block = (0..1u64 << 40, 0..1u64 << 40, vec(transaction, 0..6));
    let hashes: [BoxedStrategy<B256>; 3] =
        std::array::from_fn(|_| any::<[u8; 32]>().prop_map(B256::from).boxed());
    (any::<u64>(), hashes, vec(block, 1..20)).prop_map(
        |(number, [parent_hash, tip_hash, last_origin_hash], blocks)| {
            let (mut timestamp, mut origin) = (0, 0);
            let blocks = blocks.into_iter().map(|(seconds, origins, transactions)| {
                timestamp += seconds;
                origin += origins;
                BatchBlock { timestamp, l1_origin_number: L1BlockNumber(origin), transactions }
            });
            let blocks = blocks.collect();
            Channel { first_number: BlockNumber(number), parent_hash, tip_hash, last_origin_hash, blocks }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn decoding_undoes_encoding(channel in any_channel(), quality in 0..=11u8) {
        let bytes = encode_with_quality(&channel, quality).unwrap();
        prop_assert_eq!(decode(&bytes), Ok(channel));
    }

    #[test]
    fn encoding_is_deterministic(channel in any_channel()) {
        prop_assert_eq!(encode(&channel).unwrap(), encode(&channel).unwrap());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn arbitrary_bodies_never_panic(body in vec(any::<u8>(), 0..200)) {
        let _ = decode(&with_body(&body));
    }

    #[test]
    fn flipped_bits_never_panic(channel in any_channel(), place: usize, flip in 1..=255u8) {
        let mut bytes = encode_with_quality(&channel, 3).unwrap();
        let place = place % bytes.len();
        bytes[place] ^= flip;
        let _ = decode(&bytes);
    }
}
