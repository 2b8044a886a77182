//! The lock table against the plainest model of it: every pair of transactions, compared.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use lockstep_locks::{LockId, LockTable, MAX_FAN, Mode, TxIndex};
use proptest::{collection::vec, prelude::*, sample::Index};

const LOCKS: u32 = 4;

/// What may happen to a table.
#[derive(Clone, Debug)]
enum Step {
    Ticket(BTreeMap<u32, Mode>),
    /// One of the unfinished transactions touches a lock.
    Escape(Index, u32, Mode),
    /// So many of the oldest finish.
    Finish(u32),
    Clear,
}

fn modes() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Shared), Just(Mode::Delta), Just(Mode::Exclusive)]
}

/// Runs of one mode give groups with many members.
fn tickets() -> impl Strategy<Value = Vec<Step>> {
    let locks = proptest::collection::btree_map(0..LOCKS, modes(), 0..3);
    prop_oneof![
        4 => locks.prop_map(|locks| vec![Step::Ticket(locks)]),
        1 => (0..LOCKS, modes(), 1..8usize)
            .prop_map(|(lock, mode, count)| vec![Step::Ticket(BTreeMap::from([(lock, mode)])); count]),
    ]
}

fn steps(finish: u32, count: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        16 => tickets(),
        8 => (any::<Index>(), 0..LOCKS, modes()).prop_map(|(who, lock, mode)| vec![Step::Escape(who, lock, mode)]),
        4 => (0..finish).prop_map(|count| vec![Step::Finish(count)]),
        1 => Just(vec![Step::Clear]),
    ];
    vec(step, 1..count).prop_map(|steps| steps.into_iter().flatten().collect())
}

/// A table, beside every place that was ever taken in it and every wait that it named.
#[derive(Default)]
struct Checked {
    table: LockTable,
    next: u32,
    done: u32,
    places: Vec<(u32, u32, Mode)>,
    /// By waiting transaction: whom it waits for.
    waits: BTreeMap<u32, Vec<u32>>,
}

impl Checked {
    fn new() -> Self {
        let mut table = LockTable::default();
        table.grow(LOCKS);
        Self { table, ..Self::default() }
    }

    /// The mode in which `tx` has the lock once it has it in `mode`, too.
    fn joined(&self, tx: u32, lock: u32, mode: Mode) -> Mode {
        let held = self.places.iter().filter(|place| (place.0, place.1) == (tx, lock));
        held.fold(mode, |mode, place| mode.join(place.2))
    }

    /// Unfinished older transactions that took this lock before, in a mode that conflicts.
    fn conflicts(&self, tx: u32, lock: u32, mode: Mode) -> Vec<u32> {
        let conflicting =
            |place: &&(u32, u32, Mode)| place.0 < tx && place.1 == lock && !mode.is_compatible(place.2);
        let mut found: Vec<_> = self.places.iter().filter(conflicting).map(|place| place.0).collect();
        found.retain(|older| *older >= self.done);
        found.sort_unstable();
        found.dedup();
        found
    }

    fn step(&mut self, step: &Step, exact: bool) {
        match step {
            Step::Ticket(locks) => {
                let tx = self.next;
                let ids: Vec<_> = locks.iter().map(|(lock, mode)| (LockId(*lock), *mode)).collect();
                let mut waits = Vec::new();
                self.table.ticket(TxIndex(tx), &ids, TxIndex(self.done), &mut waits);
                self.next += 1;
                let conflicts = locks.iter().map(|(lock, mode)| self.conflicts(tx, *lock, *mode));
                self.check(tx, &waits, conflicts.flatten().collect(), exact);
                self.places.extend(locks.iter().map(|(lock, mode)| (tx, *lock, *mode)));
            }
            Step::Escape(who, lock, mode) if self.done < self.next => {
                let tx = self.done + u32::try_from(who.index((self.next - self.done) as usize)).unwrap();
                let mut waits = Vec::new();
                self.table.escape(TxIndex(tx), LockId(*lock), *mode, TxIndex(self.done), &mut waits);
                let mode = self.joined(tx, *lock, *mode);
                self.check(tx, &waits, self.conflicts(tx, *lock, mode), true);
                self.places.push((tx, *lock, mode));
            }
            Step::Escape(..) => {}
            Step::Finish(count) => self.done = self.next.min(self.done + count),
            Step::Clear => {
                self.table.clear();
                *self = Self { table: std::mem::take(&mut self.table), ..Self::default() };
            }
        }
    }

    /// `waits` are unfinished, older, each once, and lead to every one of `conflicts`; if `exact`, they are some of them.
    fn check(&mut self, tx: u32, waits: &[TxIndex], conflicts: Vec<u32>, exact: bool) {
        self.waits.entry(tx).or_default().extend(waits.iter().map(|older| older.0));
        let reach = self.reach(tx);
        for (place, older) in waits.iter().enumerate() {
            assert!(older.0 < tx && older.0 >= self.done, "{tx} waits for {older}, done {}", self.done);
            assert!(!waits[..place].contains(older), "{tx} waits for {older} twice");
            assert!(!exact || conflicts.contains(&older.0), "{tx} waits for {older} without a conflict");
        }
        for older in conflicts {
            assert!(reach.contains(&older), "{tx} does not wait for {older}");
        }
    }

    /// Everything that `tx` waits for, directly or not.
    fn reach(&self, tx: u32) -> BTreeSet<u32> {
        let (mut reach, mut next) = (BTreeSet::new(), vec![tx]);
        while let Some(tx) = next.pop() {
            next.extend(self.waits.get(&tx).into_iter().flatten().filter(|older| reach.insert(**older)));
        }
        reach
    }
}

proptest! {
    /// Direct waits are conflicts and lead to all conflicts, so both have the same transitive closure. Fewer
    /// transactions than the fan limit are in flight.
    #[test]
    fn waits_and_conflicts_have_the_same_closure(steps in steps(6, 60)) {
        let mut checked = Checked::new();
        for step in &steps {
            while checked.next - checked.done >= u32::try_from(MAX_FAN).unwrap() {
                checked.step(&Step::Finish(1), true);
            }
            checked.step(step, true);
        }
    }

    /// However many are in flight, no conflict is missed.
    #[test]
    fn every_conflict_is_waited_for(steps in steps(3, 160)) {
        let mut checked = Checked::new();
        steps.iter().for_each(|step| checked.step(step, false));
    }

    /// Transactions that run in any order which respects the waits read and leave what they would one by one.
    #[test]
    fn every_order_that_respects_the_waits_gives_the_sequential_result(
        blocks in vec(tickets(), 1..60),
        priorities in vec(any::<u32>(), 480),
    ) {
        let txs: Vec<_> = blocks.into_iter().flatten().collect();
        let mut table = LockTable::default();
        table.grow(LOCKS);
        let mut waits = Vec::new();
        for (tx, step) in (0..).zip(&txs) {
            let Step::Ticket(locks) = step else { unreachable!("only tickets") };
            let ids: Vec<_> = locks.iter().map(|(lock, mode)| (LockId(*lock), *mode)).collect();
            let mut found = Vec::new();
            table.ticket(TxIndex(tx), &ids, TxIndex(0), &mut found);
            waits.push(found);
        }
        let mut left: Vec<usize> = (0..txs.len()).collect();
        let mut order = Vec::new();
        while !left.is_empty() {
            let ready = left.iter().filter(|tx| waits[**tx].iter().all(|older| order.contains(&(older.0 as usize))));
            let next = *ready.min_by_key(|tx| priorities[**tx]).expect("waits have no cycle");
            left.retain(|tx| *tx != next);
            order.push(next);
        }
        prop_assert_eq!(run(&txs, order), run(&txs, (0..txs.len()).collect()));
    }
}

/// What every transaction read, and the values at the end.
fn run(txs: &[Step], order: Vec<usize>) -> (BTreeMap<usize, Vec<u64>>, [u64; LOCKS as usize]) {
    let mut values = [1_u64; LOCKS as usize];
    let mut reads = BTreeMap::new();
    for tx in order {
        let Step::Ticket(locks) = &txs[tx] else { unreachable!("only tickets") };
        for (lock, mode) in locks {
            let value = &mut values[*lock as usize];
            match mode {
                Mode::Shared => reads.entry(tx).or_insert_with(Vec::new).push(*value),
                Mode::Delta => *value = value.wrapping_add(tx as u64),
                Mode::Exclusive => {
                    reads.entry(tx).or_insert_with(Vec::new).push(*value);
                    *value = value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(tx as u64);
                }
            }
        }
    }
    (reads, values)
}

/// A table with one lock; transactions take it in turn, in these modes. Gives whom each waits for.
fn queue(modes: impl IntoIterator<Item = Mode>) -> (LockTable, Vec<Vec<TxIndex>>) {
    let mut table = LockTable::default();
    table.grow(1);
    let waits = (0..).zip(modes).map(|(tx, mode)| {
        let mut waits = Vec::new();
        table.ticket(TxIndex(tx), &[(LockId(0), mode)], TxIndex(0), &mut waits);
        waits
    });
    let waits = waits.collect();
    (table, waits)
}

fn escape(table: &mut LockTable, tx: u32, mode: Mode) -> Vec<TxIndex> {
    let mut waits = Vec::new();
    table.escape(TxIndex(tx), LockId(0), mode, TxIndex(0), &mut waits);
    waits.sort_unstable();
    waits
}

fn txs<const N: usize>(txs: [u32; N]) -> Vec<TxIndex> {
    txs.map(TxIndex).to_vec()
}

use Mode::{Delta, Exclusive, Shared};

#[test]
fn readers_wait_for_the_writer_before_and_not_for_each_other() {
    let (_, waits) = queue([Exclusive, Shared, Shared]);
    assert_eq!(waits, [txs([]), txs([0]), txs([0])]);
}

#[test]
fn writer_waits_for_every_reader_since_the_last_writer() {
    let (_, mut waits) = queue([Exclusive, Shared, Shared, Exclusive]);
    waits[3].sort_unstable();
    assert_eq!(waits[3], txs([1, 2]));
}

#[test]
fn additions_commute_until_somebody_reads() {
    let (_, mut waits) = queue([Delta, Delta, Shared, Delta]);
    waits[2].sort_unstable();
    assert_eq!(waits, [txs([]), txs([]), txs([0, 1]), txs([2])]);
}

#[test]
fn a_chain_of_writers_waits_for_one_each() {
    let (_, waits) = queue([Exclusive; 100]);
    assert!(waits[1..].iter().zip(0..).all(|(waits, before)| *waits == [TxIndex(before)]));
}

#[test]
fn finished_transactions_are_not_waited_for() {
    let (mut table, _) = queue([Exclusive, Shared, Shared]);
    let mut waits = Vec::new();
    table.ticket(TxIndex(3), &[(LockId(0), Exclusive)], TxIndex(2), &mut waits);
    assert_eq!(waits, txs([2]));
    waits.clear();
    table.ticket(TxIndex(4), &[(LockId(0), Exclusive)], TxIndex(4), &mut waits);
    assert_eq!(waits, txs([]));
}

#[test]
fn one_wait_is_enough_for_two_locks() {
    let mut table = LockTable::default();
    table.grow(2);
    let both = [(LockId(0), Exclusive), (LockId(1), Exclusive)];
    let mut waits = Vec::new();
    table.ticket(TxIndex(0), &both, TxIndex(0), &mut waits);
    table.ticket(TxIndex(1), &both, TxIndex(0), &mut waits);
    assert_eq!(waits, txs([0]));
}

#[test]
fn escape_waits_for_older_holders_only() {
    let (mut table, _) = queue([Shared, Shared, Shared, Shared]);
    assert_eq!(escape(&mut table, 2, Exclusive), txs([0, 1]));
}

#[test]
fn later_tickets_wait_for_an_escape() {
    let (mut table, _) = queue([Shared, Shared, Shared]);
    escape(&mut table, 1, Exclusive);
    let mut waits = Vec::new();
    table.ticket(TxIndex(3), &[(LockId(0), Shared)], TxIndex(0), &mut waits);
    assert_eq!(waits, txs([1]));
}

#[test]
fn escapes_of_one_lock_form_a_chain() {
    let mut table = LockTable::default();
    table.grow(1);
    (0..100).for_each(|tx| table.ticket(TxIndex(tx), &[], TxIndex(0), &mut Vec::new()));
    let edges: usize = (0..100).map(|tx| escape(&mut table, tx, Exclusive).len()).sum();
    assert_eq!(edges, 99);
}

#[test]
fn an_escape_that_widens_a_held_lock_waits_for_its_fellows() {
    let (mut table, _) = queue([Shared, Delta, Delta, Delta]);
    assert_eq!(escape(&mut table, 3, Shared), txs([1, 2]), "a reader that added is exclusive");
    assert_eq!(escape(&mut table, 1, Shared), txs([0]));
}

#[test]
fn nothing_of_one_block_is_left_in_the_next() {
    let (mut table, _) = queue([Exclusive, Shared]);
    escape(&mut table, 1, Exclusive);
    table.clear();
    let mut waits = Vec::new();
    table.ticket(TxIndex(0), &[(LockId(0), Exclusive)], TxIndex(0), &mut waits);
    assert_eq!(waits, txs([]));
    assert_eq!(escape(&mut table, 0, Shared), txs([]));
}

/// Half a block reads a balance that the other half adds to: all pairs conflict.
#[test]
fn waits_grow_with_the_block_and_not_with_its_square() {
    let modes = [vec![Shared; 500], vec![Delta; 500], vec![Shared; 500]].concat();
    let (_, waits) = queue(modes);
    let edges: usize = waits.iter().map(Vec::len).sum();
    assert!(edges <= 4 * 500, "{edges} waits");
}
