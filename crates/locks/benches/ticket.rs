//! What a ticket and an access set cost. Every figure is of a block of [`TXS`] transactions; divide by it.
//!
//! `cargo bench -p lockstep-locks`. Numbers belong beside machine, commit and command.

#![allow(clippy::unwrap_used, missing_docs)]

use alloy_primitives::{Address, U256, keccak256};
use divan::{Bencher, black_box, counter::ItemsCount};
use lockstep_locks::{AccessSet, Key, LockId, LockTable, Mode, TxIndex};

const TXS: u32 = 10_000;
/// Transactions between ticket and retirement.
const WINDOW: u32 = 512;

fn main() {
    divan::main();
}

/// Tickets for a block, and how many waits came out.
fn tickets(table: &mut LockTable, block: &[Vec<(LockId, Mode)>], waits: &mut Vec<TxIndex>) -> usize {
    let mut edges = 0;
    for (tx, locks) in (0..).zip(block) {
        waits.clear();
        table.ticket(TxIndex(tx), locks, TxIndex(u32::saturating_sub(tx, WINDOW)), waits);
        edges += waits.len();
    }
    table.clear();
    edges
}

fn bench(bencher: Bencher<'_, '_>, edges: usize, locks: impl Fn(u32) -> Vec<(u32, Mode)>) {
    let block: Vec<Vec<_>> =
        (0..TXS).map(|tx| locks(tx).into_iter().map(|(id, mode)| (LockId(id), mode)).collect()).collect();
    let (mut table, mut waits) = (LockTable::default(), Vec::new());
    table.grow(block.iter().flatten().map(|(id, _)| id.0 + 1).max().unwrap());
    assert_eq!(tickets(&mut table, &block, &mut waits), edges);
    bencher
        .counter(ItemsCount::new(TXS))
        .bench_local(|| tickets(&mut table, black_box(&block), black_box(&mut waits)));
}

#[divan::bench(name = "ticket/keys=3,conflicts=none")]
fn independent_transfers(bencher: Bencher<'_, '_>) {
    bench(bencher, 0, |tx| {
        vec![(3 * tx, Mode::Exclusive), (3 * tx + 1, Mode::Exclusive), (3 * tx + 2, Mode::Delta)]
    });
}

#[divan::bench(name = "ticket/keys=3,conflicts=nonce chain")]
fn nonce_chain(bencher: Bencher<'_, '_>) {
    let edges = TXS as usize - 1;
    bench(bencher, edges, |tx| vec![(0, Mode::Exclusive), (1, Mode::Delta), (2 + tx, Mode::Delta)]);
}

#[divan::bench(name = "ticket/keys=7,conflicts=none")]
fn independent_calls(bencher: Bencher<'_, '_>) {
    bench(bencher, 0, |tx| {
        let own = (0..5).map(|place| (2 + 5 * tx + place, Mode::Exclusive));
        [(0, Mode::Shared), (1, Mode::Shared)].into_iter().chain(own).collect()
    });
}

#[divan::bench(name = "ticket/keys=7,conflicts=one hot slot")]
fn one_hot_slot(bencher: Bencher<'_, '_>) {
    let edges = TXS as usize - 1;
    bench(bencher, edges, |tx| {
        let own = (0..4).map(|place| (3 + 4 * tx + place, Mode::Exclusive));
        [(0, Mode::Shared), (1, Mode::Shared), (2, Mode::Exclusive)].into_iter().chain(own).collect()
    });
}

#[divan::bench(name = "ticket/keys=1,conflicts=readers against adders")]
fn readers_against_adders(bencher: Bencher<'_, '_>) {
    let block = |tx: u32| vec![(0, if (tx / 256).is_multiple_of(2) { Mode::Shared } else { Mode::Delta })];
    let groups = (TXS / 256) as usize;
    bench(bencher, groups * 256 + (TXS as usize - 256 - groups), block);
}

#[divan::bench(name = "escape/one hot slot")]
fn escapes(bencher: Bencher<'_, '_>) {
    let (mut table, mut waits) = (LockTable::default(), Vec::new());
    table.grow(1);
    bencher.counter(ItemsCount::new(TXS)).bench_local(|| {
        for tx in 0..TXS {
            let done = TxIndex(tx.saturating_sub(WINDOW));
            waits.clear();
            table.ticket(TxIndex(tx), &[], done, &mut waits);
            table.escape(TxIndex(tx), LockId(0), Mode::Exclusive, done, &mut waits);
            assert!(waits.len() <= 1);
        }
        table.clear();
    });
}

/// Keys of a transfer, then slots of one contract as a template gives them.
fn keys(tx: u32, count: usize) -> Vec<(Key, Mode)> {
    let address = |n: u32| Address::from_word(keccak256(n.to_be_bytes()));
    let (from, to) = (address(tx), address(tx + 1_000_000));
    let ends = [
        (Key::Balance(from), Mode::Delta),
        (Key::Nonce(from), Mode::Exclusive),
        (Key::Balance(to), Mode::Delta),
        (Key::Code(to), Mode::Shared),
    ];
    let slots = (0..).map(|n: u32| {
        let slot = keccak256([tx.to_be_bytes(), n.to_be_bytes()].concat());
        (Key::Slot(address(1 << 30), U256::from_be_bytes(slot.0)), Mode::Exclusive)
    });
    ends.into_iter().chain(slots).take(count).collect()
}

#[divan::bench(name = "access set/keys", args = [4, 7, 20, 200])]
fn access_set(bencher: Bencher<'_, '_>, count: usize) {
    let block: Vec<_> = (0..1_000).map(|tx| keys(tx, count)).collect();
    let mut set = AccessSet::default();
    bencher.counter(ItemsCount::new(block.len())).bench_local(|| {
        for keys in black_box(&block) {
            set.clear();
            keys.iter().for_each(|(key, mode)| set.add(*key, *mode));
            assert_eq!(black_box(&set).len(), count);
        }
    });
}
