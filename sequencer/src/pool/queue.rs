//! The transactions of one sender, by nonce.

use std::{collections::BTreeMap, sync::Arc};

use alloy::primitives::U256;

use super::{PoolTx, line::Line};

/// One sender's transactions: those that the open block holds are *taken*, those that follow without a gap *ready*,
/// the rest *held*.
#[derive(Debug, Default)]
pub(super) struct SenderQueue {
    /// The account's nonce after the last sealed block.
    next: u64,
    /// First nonce that is not taken.
    taken_end: u64,
    /// First nonce that is not ready; `next..ready_end` are all pooled.
    ready_end: u64,
    /// First nonce without a turn; `next..turned_end` all have one.
    turned_end: u64,
    by_nonce: BTreeMap<u64, Entry>,
    cost: U256, // sum over `by_nonce`
}

/// A transaction, when it came, and its place in the line of those that are ready.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) arrival: u64,
    turn: u64,
    pub(super) tx: Arc<PoolTx>,
}

impl SenderQueue {
    pub(super) const fn new(next: u64) -> Self {
        Self {
            next,
            taken_end: next,
            ready_end: next,
            turned_end: next,
            by_nonce: BTreeMap::new(),
            cost: U256::ZERO,
        }
    }

    /// The account's nonce after the last sealed block.
    pub(super) const fn next_nonce(&self) -> u64 {
        self.next
    }

    /// The lowest nonce that may still be replaced.
    pub(super) const fn taken_end(&self) -> u64 {
        self.taken_end
    }

    pub(super) const fn ready_end(&self) -> u64 {
        self.ready_end
    }

    pub(super) const fn has_ready(&self) -> bool {
        self.ready_end > self.next
    }

    pub(super) fn len(&self) -> usize {
        self.by_nonce.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_nonce.is_empty()
    }

    /// Most that all transactions together can take from the balance.
    pub(super) const fn cost(&self) -> U256 {
        self.cost
    }

    /// Most that the taken ones were allowed to take.
    pub(super) fn taken_cost(&self) -> U256 {
        let taken = self.by_nonce.range(..self.taken_end);
        taken.fold(U256::ZERO, |sum, (_, entry)| sum.saturating_add(entry.tx.cost))
    }

    pub(super) fn get(&self, nonce: u64) -> Option<&Arc<PoolTx>> {
        self.by_nonce.get(&nonce).map(|entry| &entry.tx)
    }

    /// Taken and ready ones.
    pub(super) fn ready(&self) -> impl Iterator<Item = &Entry> {
        self.by_nonce.range(..self.ready_end).map(|(_, entry)| entry)
    }

    pub(super) fn held(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.by_nonce.range(self.ready_end..).map(|(_, entry)| entry)
    }

    /// Puts a transaction in its place and gives the one that stood there.
    pub(super) fn insert(&mut self, arrival: u64, tx: Arc<PoolTx>, line: &mut Line) -> Option<Arc<PoolTx>> {
        let nonce = tx.nonce;
        self.cost = self.cost.saturating_add(tx.cost);
        self.leave_from(nonce, line);
        let old = self.by_nonce.insert(nonce, Entry { arrival, turn: 0, tx }).map(|entry| entry.tx);
        if let Some(old) = &old {
            self.cost = self.cost.saturating_sub(old.cost);
        }
        self.line_up(line);
        old
    }

    /// Takes out one transaction; later ones are held until the gap is filled.
    pub(super) fn remove(&mut self, nonce: u64, line: &mut Line) -> Option<Arc<PoolTx>> {
        self.leave_from(nonce, line);
        let removed = self.by_nonce.remove(&nonce);
        if let Some(entry) = &removed {
            self.cost = self.cost.saturating_sub(entry.tx.cost);
            self.ready_end = self.ready_end.min(nonce).max(self.next);
            self.taken_end = self.taken_end.min(self.ready_end);
        }
        self.line_up(line);
        removed.map(|entry| entry.tx)
    }

    /// The open block is to hold the first ready transaction, which has `nonce`.
    pub(super) fn take(&mut self, nonce: u64, line: &mut Line) {
        if nonce == self.taken_end
            && nonce < self.ready_end
            && let Some(entry) = self.by_nonce.get(&nonce)
        {
            line.leave(entry.turn);
            self.taken_end += 1;
        }
    }

    /// The open block does not hold what was taken for it from `nonce` on: that is ready again, in its old place.
    pub(super) fn give_back_from(&mut self, nonce: u64, line: &mut Line) {
        let first = nonce.clamp(self.next, self.taken_end);
        for entry in self.by_nonce.range(first..self.taken_end).map(|(_, entry)| entry) {
            line.rejoin(entry.turn, entry.tx.clone());
        }
        self.taken_end = first;
    }

    /// Follows the account's nonce, forwards after a block or back after a rewind; gives what it used up.
    pub(super) fn set_next(&mut self, next: u64, line: &mut Line) -> Vec<Arc<PoolTx>> {
        let moved_back = next < self.next;
        if moved_back {
            self.leave_from(self.next, line);
        }
        let rest = self.by_nonce.split_off(&next);
        let used = std::mem::replace(&mut self.by_nonce, rest);
        for (nonce, entry) in &used {
            self.cost = self.cost.saturating_sub(entry.tx.cost);
            if (self.taken_end..self.turned_end).contains(nonce) {
                line.leave(entry.turn);
            }
        }
        self.next = next;
        for end in [&mut self.taken_end, &mut self.ready_end, &mut self.turned_end] {
            *end = if moved_back { next } else { next.max(*end) };
        }
        self.line_up(line);
        used.into_values().map(|entry| entry.tx).collect()
    }

    /// Takes the turns from `nonce` on away.
    fn leave_from(&mut self, nonce: u64, line: &mut Line) {
        let first = nonce.max(self.taken_end);
        for (_, entry) in self.by_nonce.range(first..self.turned_end.max(first)) {
            line.leave(entry.turn);
        }
        self.turned_end = self.turned_end.min(nonce.max(self.next));
        self.taken_end = self.taken_end.min(self.turned_end);
    }

    /// Gives a turn to everything that has become ready.
    fn line_up(&mut self, line: &mut Line) {
        while self.by_nonce.contains_key(&self.ready_end) {
            self.ready_end += 1;
        }
        for (_, entry) in self.by_nonce.range_mut(self.turned_end..self.ready_end.max(self.turned_end)) {
            entry.turn = line.join(entry.tx.clone());
        }
        self.turned_end = self.ready_end;
    }
}
