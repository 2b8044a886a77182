//! Channels as bytes: the format's promises to both sides.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs)]

use std::{fs, path::PathBuf};

mod common;

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use common::{Fields, call};
use lockstep_codec::{
    BatchBlock, Channel, ChannelHeader, DecodeError, EncodeError, History, MAX_BLOCKS, MAX_BODY_BYTES,
    MAX_CHANNEL_BYTES, MAX_TRANSACTIONS, Options, decode, decode_header, from_blobs, to_blobs,
};
use lockstep_primitives::{BlockNumber, L1BlockNumber};
use proptest::{collection::vec, prelude::*};

/// `version ++ parent_hash ++ tip_hash ++ last_origin_hash`.
const HEADER: usize = 97;

/// Encodes without history, fast.
fn encode(channel: &Channel) -> Result<Vec<u8>, EncodeError> {
    lockstep_codec::encode(channel, &[], &History::default(), Options { quality: 5 })
}

fn read(bytes: &[u8]) -> Result<Channel, DecodeError> {
    decode(bytes, &History::default())
}

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

/// A transfer of two ether and a call of `transfer(address,uint256)`; and bytes of no type.
fn three_blocks() -> Channel {
    let transfer = Fields { value: U256::from(2 * 10u64.pow(18)), ..Fields::default() }.dynamic_fee(1);
    let words = [U256::from_be_bytes(Address::repeat_byte(0x22).into_word().0), U256::from(10u64.pow(18))];
    let call = Fields {
        nonce: 1,
        gas_limit: 65_000,
        input: call([0xa9, 0x05, 0x9c, 0xbb], &words),
        ..Fields::default()
    };
    let (transfer, call) = (&transfer[..], &call.dynamic_fee(2)[..]);
    let blocks = vec![
        block(1_700_000_001, 19_000_000, &[transfer, call]),
        block(1_700_000_002, 19_000_000, &[]),
        block(1_700_000_014, 19_000_002, &[&[0xf8; 130], transfer]),
    ];
    channel(blocks)
}

fn one_empty_block() -> Channel {
    channel(vec![block(u64::MAX, u64::MAX, &[])])
}

/// `1000` as a varint, then what follows the hashes.
fn after_hashes(rest: &[u8]) -> Vec<u8> {
    [&[1][..], &[0xaa; 32], &[0xbb; 32], &[0xcc; 32], &[0xe8, 0x07], rest].concat()
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
        ("channel-v1-three-blocks.hex", three_blocks()),
        ("channel-v1-one-empty-block.hex", one_empty_block()),
    ] {
        assert_eq!(read(&golden(name, &encode(&channel).unwrap())), Ok(channel), "{name}");
    }
}

#[test]
fn golden_bytes_with_a_history_decode_to_their_channel() {
    let (history, senders) = history_of_three_blocks();
    let channel = Channel { first_number: BlockNumber(1_003), ..three_blocks() };
    let fresh = lockstep_codec::encode(&channel, &senders, &history, Options { quality: 5 }).unwrap();
    let golden = golden("channel-v1-after-three-blocks.hex", &fresh);
    assert_eq!(decode(&golden, &history), Ok(channel.clone()));
    let raw: usize = channel.blocks.iter().flat_map(|block| &block.transactions).map(|tx| tx.len()).sum();
    assert!(fresh.len() < encode(&channel).unwrap().len() - 40 && fresh.len() < raw);
}

/// The transactions of [`three_blocks`] that have a sender, and the senders of all.
fn history_of_three_blocks() -> (History, Vec<Address>) {
    let sender = Address::repeat_byte(0x33);
    let mut history = History::default();
    for (number, block) in (1_000..).zip(three_blocks().blocks) {
        let signed = block.transactions.into_iter().filter(|tx| tx[0] == 2);
        history.push(BlockNumber(number), signed.map(|tx| (sender, tx)));
    }
    (history, vec![sender; 4])
}

#[test]
fn golden_bytes_fill_the_golden_blob() {
    let bytes = golden("channel-v1-three-blocks.hex", &encode(&three_blocks()).unwrap());
    let [blob] = to_blobs(&bytes).unwrap().try_into().unwrap();
    let end = blob.iter().rposition(|byte| *byte != 0).unwrap();
    assert_eq!(blob[..=end], golden("blob-of-channel-v1-three-blocks.hex", &blob[..=end]));
    assert_eq!(from_blobs(&[blob]).unwrap(), bytes);
}

#[test]
fn what_the_history_knows_is_not_said_again() {
    let (history, senders) = history_of_three_blocks();
    let channel = three_blocks();
    let length = |senders: &[Address], history: &History| {
        let bytes = lockstep_codec::encode(&channel, senders, history, Options::default()).unwrap();
        assert_eq!(decode(&bytes, history).unwrap(), channel);
        bytes.len()
    };
    let (none, wrong) = (History::default(), vec![Address::repeat_byte(0x44); 4]);
    assert!(length(&senders, &history) < length(&senders, &none));
    // Wrong senders cost bytes and nothing else.
    assert!(length(&senders, &history) <= length(&wrong, &history));
}

#[test]
fn another_history_does_not_give_the_channel() {
    let (history, senders) = history_of_three_blocks();
    let bytes = lockstep_codec::encode(&three_blocks(), &senders, &history, Options::default()).unwrap();
    assert!(read(&bytes).is_err());
    let Channel { first_number, parent_hash, tip_hash, last_origin_hash, .. } = three_blocks();
    let header = ChannelHeader { first_number, parent_hash, tip_hash, last_origin_hash };
    assert_eq!(decode_header(&bytes), Ok(header));
}

#[test]
fn unknown_versions_are_refused() {
    let mut bytes = encode(&three_blocks()).unwrap();
    for version in [0, 2] {
        bytes[0] = version;
        assert_eq!(read(&bytes), Err(DecodeError::Version(version)));
        assert_eq!(decode_header(&bytes), Err(DecodeError::Version(version)));
    }
    assert_eq!(read(&[]), Err(DecodeError::Truncated("version")));
    assert_eq!(decode_header(&[1; 32]), Err(DecodeError::Truncated("parent_hash")));
}

#[test]
fn bytes_that_end_early_are_refused_everywhere() {
    let bytes = encode(&three_blocks()).unwrap();
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    let mut bytes = encode(&three_blocks()).unwrap();
    bytes.push(0);
    assert_eq!(read(&bytes), Err(DecodeError::Trailing(1)));
    // Nor may the coded part be longer than what a reader looks ahead.
    let mut bytes = encode(&one_empty_block()).unwrap();
    let coded = usize::from(bytes[HEADER + 3]);
    bytes[HEADER + 3] += 9;
    let end = HEADER + 10 + coded;
    bytes.splice(end..end, [7; 9]);
    assert!(matches!(read(&bytes), Err(DecodeError::Trailing(1..=9))));
}

#[test]
fn damage_that_decodes_is_found_by_the_checksum() {
    let bytes = encode(&three_blocks()).unwrap();
    let mut damaged = bytes.clone();
    let last = damaged.len() - 1; // of a signature
    damaged[last] ^= 1;
    assert_eq!(read(&damaged), Err(DecodeError::Checksum));
    let mut damaged = bytes;
    damaged[HEADER + 8] ^= 1;
    assert_eq!(read(&damaged), Err(DecodeError::Checksum));
}

#[test]
fn superfluous_bytes_in_lengths_are_refused() {
    assert_eq!(read(&after_hashes(&[0x81, 0])), Err(DecodeError::NotMinimal("block count")));
}

#[test]
fn lengths_without_content_are_refused() {
    assert_eq!(read(&after_hashes(&[0, 0, 0, 0, 0, 0, 0, 0])), Err(DecodeError::Empty));
    assert_eq!(read(&after_hashes(&[1, 5, 0, 0, 0, 0, 0, 0])), Err(DecodeError::Truncated("coded bytes")));
    assert_eq!(read(&after_hashes(&[1, 0, 5, 0, 0, 0, 0, 0])), Err(DecodeError::Truncated("packed bytes")));
    assert_eq!(read(&after_hashes(&[1, 0, 0, 5, 0, 0, 0, 0])), Err(DecodeError::Corrupt));
    assert_eq!(read(&after_hashes(&[1, 0, 1, 0, 0, 0, 0, 0, 0xff])), Err(DecodeError::Corrupt));
}

#[test]
fn blocks_that_are_only_announced_are_refused() {
    // Zeros are the likeliest content at first; there is an end to what none at all can stand for.
    let announced = after_hashes(&[0x80, 0x80, 0x04, 0, 0, 0, 0, 0, 0, 0]); // 65,536 blocks
    assert!(read(&announced).is_err());
}

#[test]
fn lengths_above_their_limits_are_refused_before_anything_is_read() {
    let blocks = after_hashes(&[0x81, 0x80, 0x04]); // 65,537
    let expected = DecodeError::TooMany { what: "block count", found: 65_537, limit: MAX_BLOCKS };
    assert_eq!(read(&blocks), Err(expected));
    let text = after_hashes(&[1, 0, 0, 0x81, 0x80, 0x80, 0x08]);
    let found = MAX_BODY_BYTES as u64 + 1;
    let expected = DecodeError::TooMany { what: "text length", found, limit: MAX_BODY_BYTES };
    assert_eq!(read(&text), Err(expected));
}

#[test]
fn a_bomb_is_refused_at_its_announced_length() {
    let bomb = channel(vec![block(5, 7, &[&vec![0; MAX_BODY_BYTES - 80]])]);
    let bytes = encode(&bomb).unwrap();
    assert!(bytes.len() < 1_000);
    assert_eq!(read(&bytes).unwrap(), bomb);
    let text = bytes.windows(4).position(|four| four == [0xb0, 0xff, 0xff, 0x07]).unwrap();
    let lying = [&bytes[..text], &[8], &bytes[text + 4..]].concat();
    assert_eq!(read(&lying), Err(DecodeError::Corrupt));
}

#[test]
fn more_bytes_than_a_channel_has_are_refused() {
    let bytes = vec![1; MAX_CHANNEL_BYTES + 1];
    assert_eq!(read(&bytes), Err(DecodeError::TooLong(MAX_CHANNEL_BYTES + 1)));
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
    assert!(matches!(encode(&large), Err(EncodeError::TooMany { what: "content length", .. })));
    let noise: Vec<u8> = (0..100_000u32).flat_map(|seed| keccak256(seed.to_be_bytes()).0).collect();
    let noise = channel(vec![block(5, 7, &[&noise])]);
    assert!(matches!(encode(&noise), Err(EncodeError::TooMany { what: "channel length", .. })));
}

#[test]
fn as_many_blocks_as_may_be_are_accepted() {
    let blocks = channel(vec![block(5, 7, &[]); MAX_BLOCKS]);
    let bytes = encode(&blocks).unwrap();
    assert!(bytes.len() < 300, "{}", bytes.len());
    assert_eq!(read(&bytes), Ok(blocks));
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
    fn decoding_undoes_encoding_of_any_bytes(channel in any_channel(), quality in 0..=11u8) {
        let bytes = lockstep_codec::encode(&channel, &[], &History::default(), Options { quality }).unwrap();
        prop_assert_eq!(read(&bytes), Ok(channel));
    }

    #[test]
    fn encoding_is_deterministic(channel in any_channel()) {
        prop_assert_eq!(encode(&channel).unwrap(), encode(&channel).unwrap());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
    }

    #[test]
    fn arbitrary_columns_never_panic(
        blocks in 1..40u8,
        coded in vec(any::<u8>(), 0..100),
        raw in vec(any::<u8>(), 0..2_000),
        text in vec(any::<u8>(), 0..300),
        history: bool,
    ) {
        let mut packed = Vec::new();
        let params = brotli::enc::BrotliEncoderParams { quality: 1, ..Default::default() };
        brotli::BrotliCompress(&mut &text[..], &mut packed, &params).unwrap();
        let mut bytes = after_hashes(&[blocks, coded.len() as u8]);
        for length in [packed.len(), text.len()] {
            bytes.extend([length as u8 | 0x80, (length >> 7) as u8].iter().take(if length < 128 { 0 } else { 2 }));
            bytes.extend((length < 128).then_some(length as u8));
        }
        bytes.extend([0; 4]);
        bytes.extend([coded, packed, raw].concat());
        let history = if history { history_of_three_blocks().0 } else { History::default() };
        let _ = decode(&bytes, &history);
    }

    #[test]
    fn flipped_bits_never_panic(channel in any_channel(), place: usize, flip in 1..=255u8) {
        let mut bytes = encode(&channel).unwrap();
        let place = place % bytes.len();
        bytes[place] ^= flip;
        let _ = read(&bytes);
    }
}
