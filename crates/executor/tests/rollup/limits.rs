//! The limits of a block are reached in the middle of it.

use alloy::primitives::{Address, Bytes, keccak256};
use lockstep_stf::Rejected;
use lockstep_testkit::l2::{call, encode, sign, user};

use crate::world::{RICH, assert_equal, block_of, contract, state};

/// What the L1 attributes may use; they use 21,000.
const ATTRIBUTES_GAS: u64 = 1_000_000;

#[test]
fn the_gas_limit_is_reached_and_smaller_transactions_still_fit() {
    let tx = |from: u8, nonce, gas_limit| {
        let mut tx = call(nonce, contract(2), 1); // halts, and so uses all its gas
        tx.gas_limit = gas_limit;
        encode(&sign(&user(from), tx))
    };
    let mut txs = Vec::new();
    for nonce in 0..3 {
        txs.extend((1..=RICH).map(|from| tx(from, nonce, if from % 2 == 1 { 60_000 } else { 300_000 })));
    }
    let block = assert_equal(&state(), &block_of(Vec::new(), txs, ATTRIBUTES_GAS + 50_000));
    let misfits = block.dropped.iter().filter(|dropped| matches!(dropped.reason, Rejected::Gas { .. }));
    let indices: Vec<_> = misfits.map(|dropped| dropped.index).collect();
    let first = indices[0];
    assert!(indices.windows(2).any(|pair| pair[1] > pair[0] + 1), "some between them fit: {indices:?}");
    assert!(block.transactions.len() > first, "and are in the block");
}

#[test]
fn the_footprint_is_reached_and_smaller_transactions_still_fit() {
    let tx = |from: u8, nonce, data: usize| {
        let mut tx = call(nonce, Address::repeat_byte(0x70), 1);
        (tx.input, tx.gas_limit) = (noise(data), 400_000);
        encode(&sign(&user(from), tx))
    };
    let sizes = [3_000, 10, 2_000, 3_000, 20, 30];
    let txs = sizes.iter().zip(1..).map(|(size, from)| tx(from, 0, *size)).collect();
    let block = assert_equal(&state(), &block_of(Vec::new(), txs, ATTRIBUTES_GAS + 1_400_000));
    let dropped: Vec<_> = block.dropped.iter().map(|dropped| dropped.index).collect();
    assert_eq!(dropped, [4], "{:?}", block.dropped);
    assert!(matches!(block.dropped[0].reason, Rejected::DaFootprint { .. }));
    assert_eq!(block.transactions.len(), 6);
}

/// Bytes that do not compress.
fn noise(length: usize) -> Bytes {
    (0..length.div_ceil(32)).flat_map(|i| keccak256(i.to_be_bytes()).0).take(length).collect()
}
