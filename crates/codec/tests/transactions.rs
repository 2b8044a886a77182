//! Transactions of every type and extreme come back as they were.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs)]

mod common;

use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use common::{Fields, call};
use lockstep_codec::{BatchBlock, Channel, Column, History, Options, column_bytes, decode, encode};
use lockstep_primitives::{BlockNumber, L1BlockNumber};
use proptest::{collection::vec, prelude::*};

fn channel(transactions: Vec<Bytes>) -> Channel {
    let block = BatchBlock { timestamp: 1_700_000_000, l1_origin_number: L1BlockNumber(9), transactions };
    Channel { first_number: BlockNumber(5), blocks: vec![block], ..Channel::default() }
}

/// Encodes, asserts that it comes back, and gives the length.
fn length(transactions: Vec<Bytes>, senders: &[Address]) -> usize {
    let (channel, history) = (channel(transactions), History::default());
    let bytes = encode(&channel, senders, &history, Options { quality: 5 }).unwrap();
    assert_eq!(decode(&bytes, &history).unwrap(), channel);
    bytes.len()
}

/// `count` senders in turn.
fn senders(count: usize, transactions: usize) -> Vec<Address> {
    (0..transactions).map(|n| Address::left_padding_from(&(n % count + 1).to_be_bytes())).collect()
}

fn authorization(seed: u8) -> SignedAuthorization {
    let authorization = Authorization {
        chain_id: U256::from(u64::from(seed) % 2 * 901),
        address: Address::repeat_byte(seed),
        nonce: u64::from(seed),
    };
    let number = |seed: u8| U256::from_be_bytes(keccak256([seed]).0) >> 1;
    SignedAuthorization::new_unchecked(authorization, seed % 2, number(seed), number(seed ^ 0xff))
}

fn access_list(entries: u64, keys: u64) -> AccessList {
    let entry = |n: u64| AccessListItem {
        address: Address::from_word(keccak256(n.to_be_bytes())),
        storage_keys: (0..keys).map(|key| B256::left_padding_from(&(n * key).to_be_bytes())).collect(),
    };
    AccessList((0..entries).map(entry).collect())
}

#[test]
fn every_type_comes_back() {
    let fields = Fields {
        input: call([0xa9, 5, 0x9c, 0xbb], &[U256::from(7), U256::from(10u64.pow(18))]),
        access_list: access_list(3, 4),
        authorizations: (1..5).map(authorization).collect(),
        ..Fields::default()
    };
    let transactions: Vec<Bytes> = (0..20).flat_map(|seed| fields.all(seed)).collect();
    let size_bytes = length(transactions.clone(), &senders(3, 100));
    let raw: usize = transactions.iter().map(|tx| tx.len()).sum();
    // 64 bytes of signature each, and four more of 64 in authorizations.
    let signatures = 20 * (5 + 4) * 64;
    assert!(size_bytes < signatures + 1_500, "{size_bytes} of {raw}");
}

#[test]
fn every_legal_extreme_comes_back() {
    let large: Bytes = (0..128 * 1024u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    let extremes = [
        Fields::default(),
        Fields { nonce: u64::MAX, gas_limit: u64::MAX, chain_id: u64::MAX, ..Fields::default() },
        Fields { nonce: 0, gas_limit: 0, chain_id: 0, tip: 0, max_fee: 0, ..Fields::default() },
        Fields { tip: u128::MAX, max_fee: u128::MAX, value: U256::MAX, ..Fields::default() },
        Fields { tip: u128::MAX, max_fee: 0, value: U256::MAX - U256::from(1), ..Fields::default() },
        Fields { tip: 5, max_fee: 4, value: U256::from(u128::MAX), ..Fields::default() },
        Fields { to: TxKind::Create, input: large.slice(..1_000), ..Fields::default() },
        Fields { to: TxKind::Create, ..Fields::default() },
        Fields { input: large, ..Fields::default() },
        Fields { input: vec![0; 128 * 1024].into(), ..Fields::default() },
        Fields { input: call([0; 4], &vec![U256::MAX; 4_095]), ..Fields::default() },
        Fields { access_list: access_list(300, 0), ..Fields::default() },
        Fields { access_list: access_list(1, 2_000), ..Fields::default() },
        Fields { access_list: access_list(60, 60), ..Fields::default() },
        Fields { authorizations: (0..=255).map(authorization).collect(), ..Fields::default() },
    ];
    for (number, fields) in extremes.iter().enumerate() {
        length(fields.all(number as u64), &senders(1, 5));
    }
    let all: Vec<Bytes> = (0..).zip(&extremes).flat_map(|(seed, fields)| fields.all(seed)).collect();
    let count = all.len();
    length(all, &senders(4, count));
}

#[test]
fn bytes_that_no_wallet_would_write_come_back() {
    let good = Fields::default().dynamic_fee(1).to_vec();
    let mut other = vec![
        vec![],
        vec![0x7e, 0xc0],
        vec![2],
        vec![2, 0xc0],
        vec![0xc0],
        vec![0xff; 40],
        [&good[..], &[0]].concat(),
        good[..good.len() - 1].to_vec(),
    ];
    // Every byte changed: high s, numbers with leading zeros, other lengths, other types.
    for place in 0..good.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[place] ^= flip;
            other.push(bytes);
        }
    }
    length(other.into_iter().map(Bytes::from).collect(), &[]);
}

#[test]
fn calls_inside_of_calls_come_back() {
    // aggregate((address,bytes)[]): two calls, one of them with calldata that no word explains.
    let transfer = call([0xa9, 5, 0x9c, 0xbb], &[U256::from(0xabc_def0_1234_u64), U256::from(77)]);
    let words = |numbers: &[usize]| numbers.iter().map(|n| U256::from(*n)).collect::<Vec<_>>();
    let mut input = call([0x25, 0x2d, 0xba, 0x42], &words(&[0x20, 2, 0x40, 0x120])).to_vec();
    for payload in [&transfer[..], b"not whole words, not a call either, just bytes"] {
        input.extend(call([0; 4], &words(&[0x1234, 0x40, payload.len()]))[4..].iter());
        input.extend(payload);
        input.resize(input.len() + (32 - payload.len() % 32) % 32, 0);
    }
    for end in [input.len(), input.len() - 1, input.len() - 20, 200, 133, 132, 131, 68, 5, 4, 3, 1] {
        let fields = Fields { input: input[..end].to_vec().into(), ..Fields::default() };
        length((0..3).map(|seed| fields.dynamic_fee(seed)).collect(), &[]);
    }
    // A length that promises more than there is, and one in whose padding something stands.
    for (place, byte) in [(input.len() - 1, 9), (4 + 31 + 32 * 5, 0xff)] {
        let mut input = input.clone();
        input[place] = byte;
        length(vec![Fields { input: input.into(), ..Fields::default() }.dynamic_fee(0)], &[]);
    }
}

#[test]
fn a_sender_in_its_own_calldata_is_told_once() {
    let own = Address::repeat_byte(0x77);
    let input = call([1, 2, 3, 4], &[U256::from_be_bytes(own.into_word().0)]);
    let transactions = |count: u64| {
        (0..count)
            .map(|seed| Fields { nonce: seed, input: input.clone(), ..Fields::default() }.dynamic_fee(seed))
    };
    let one = length(transactions(1).collect(), &[own]);
    let three = length(transactions(3).collect(), &[own; 3]);
    assert!(three < one + 2 * (64 + 8), "{one} {three}");
}

#[test]
fn recurring_transfers_cost_little_more_than_their_signatures() {
    let recipients: Vec<Address> =
        (0..40u64).map(|n| Address::from_word(keccak256(n.to_be_bytes()))).collect();
    let transfer = |n: usize| {
        let to = TxKind::Call(recipients[n * 7 % 40]);
        let value = U256::from((n as u64 % 13 + 1) * 10u64.pow(16));
        Fields { nonce: (n / 20) as u64, to, value, ..Fields::default() }.dynamic_fee(n as u64)
    };
    let size_bytes = length((0..1_000).map(transfer).collect(), &senders(20, 1_000));
    assert!(size_bytes < 1_000 * 67, "{size_bytes}");
}

#[test]
fn the_columns_add_up_to_the_channel() {
    let fields = Fields { input: vec![7; 100].into(), access_list: access_list(2, 2), ..Fields::default() };
    let channel = channel((0..50).map(|seed| fields.dynamic_fee(seed)).collect());
    let (senders, history, options) = (senders(5, 50), History::default(), Options::default());
    let columns = column_bytes(&channel, &senders, &history, options).unwrap();
    let size_bytes = encode(&channel, &senders, &history, options).unwrap().len() as f64;
    let sum: f64 = columns.values().sum();
    assert!((sum - size_bytes).abs() < 8.0, "{sum} {size_bytes}");
    assert!((columns[&Column::Signature] - 50.0 * 64.0).abs() < 1e-6);
}

fn any_u256() -> impl Strategy<Value = U256> {
    (any::<[u8; 32]>(), 0..=256usize, 0..20u32).prop_map(|(bytes, bits, zeros)| {
        let number = U256::from_be_bytes(bytes).checked_shr(256 - bits).unwrap_or_default();
        let power = U256::from(10).pow(U256::from(zeros));
        number / power * power
    })
}

fn any_input() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        vec(any::<u8>(), 0..80).prop_map(Bytes::from),
        (any::<u8>(), vec(prop_oneof![any_u256(), (0..400u64).prop_map(U256::from)], 0..12), 0..40usize)
            .prop_map(|(selector, words, cut)| {
                let data = call([selector % 3; 4], &words);
                data.slice(..data.len() - cut.min(data.len()))
            }),
    ]
}

fn any_fields() -> impl Strategy<Value = Fields> {
    let amounts = (any::<u64>(), 0..64u32, any::<u128>(), 0..128u32, any_u256());
    (amounts, 0..6u8, any_input(), 0..4u64, 0..3u64).prop_map(
        |((number, small, fee, short, value), to, input, entries, keys)| Fields {
            nonce: number >> small,
            gas_limit: (number >> small).rotate_left(7),
            chain_id: 901 + u64::from(small == 3),
            tip: fee >> short,
            max_fee: (fee >> short).saturating_add(u128::from(to)),
            to: if to == 0 { TxKind::Create } else { TxKind::Call(Address::repeat_byte(to)) },
            value,
            input,
            access_list: access_list(entries, keys),
            authorizations: (0..to).map(authorization).collect(),
        },
    )
}

fn any_transactions() -> impl Strategy<Value = Vec<Bytes>> {
    vec((any_fields(), 0..5usize, any::<u64>()), 0..30).prop_map(|list| {
        list.into_iter().map(|(fields, kind, seed)| fields.all(seed).swap_remove(kind)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn decoding_undoes_encoding(
        before in any_transactions(),
        transactions in any_transactions(),
        who in vec(0..6usize, 60),
    ) {
        let sender = |n: usize| Address::repeat_byte(who[n] as u8);
        let mut history = History::default();
        history.push(BlockNumber(4), (0..).map(sender).zip(before));
        let known: Vec<Address> = (0..transactions.len()).map(|n| sender(n + 30)).collect();
        let channel = channel(transactions);
        let bytes = encode(&channel, &known, &history, Options { quality: 3 }).unwrap();
        prop_assert_eq!(decode(&bytes, &history).unwrap(), channel);
    }
}
