//! Whatever is encoded decodes to itself, with and without a history.
#![no_main]

use alloy_primitives::{Address, Bytes};
use libfuzzer_sys::{arbitrary::Arbitrary, fuzz_target};
use lockstep_codec::{BatchBlock, Channel, History, Options, decode, encode};
use lockstep_primitives::{BlockNumber, L1BlockNumber};

#[derive(Arbitrary, Debug)]
struct Input {
    before: Vec<(u8, Vec<u8>)>,
    blocks: Vec<(u32, u16, Vec<(u8, Vec<u8>)>)>,
}

fn address(byte: u8) -> Address {
    Address::repeat_byte(byte)
}

fuzz_target!(|input: Input| {
    let mut history = History::default();
    history.push(BlockNumber(6), input.before.into_iter().map(|(from, tx)| (address(from), tx.into())));
    let mut channel = Channel { first_number: BlockNumber(7), ..Channel::default() };
    let mut senders = Vec::new();
    let (mut timestamp, mut origin) = (0, 0);
    for (seconds, origins, transactions) in input.blocks {
        timestamp += u64::from(seconds);
        origin += u64::from(origins);
        senders.extend(transactions.iter().map(|(from, _)| address(*from)));
        let transactions = transactions.into_iter().map(|(_, tx)| Bytes::from(tx)).collect();
        let l1_origin_number = L1BlockNumber(origin);
        channel.blocks.push(BatchBlock { timestamp, l1_origin_number, transactions });
    }
    if let Ok(bytes) = encode(&channel, &senders, &history, Options { quality: 1 }) {
        assert_eq!(decode(&bytes, &history).as_ref(), Ok(&channel));
    }
});
