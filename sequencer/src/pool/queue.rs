//! The transactions of one sender, by nonce.

use std::{collections::BTreeMap, sync::Arc};

use alloy::primitives::U256;

use super::PoolTx;

/// One sender's transactions. Those from the account's nonce on without a gap are *ready*, the rest *held*.
#[derive(Debug, Default)]
pub(super) struct SenderQueue {
    /// The account's nonce: what the next block expects.
    next: u64,
    /// First nonce that is not ready; `next..ready_end` are all pooled.
    ready_end: u64,
    by_nonce: BTreeMap<u64, (u64, Arc<PoolTx>)>, // with their arrival
    cost: U256,                                  // sum over `by_nonce`
}

/// A transaction and when it came.
pub(super) type Arrived = (u64, Arc<PoolTx>);

impl SenderQueue {
    pub(super) const fn new(next: u64) -> Self {
        Self { next, ready_end: next, by_nonce: BTreeMap::new(), cost: U256::ZERO }
    }

    pub(super) const fn next_nonce(&self) -> u64 {
        self.next
    }

    pub(super) const fn ready_end(&self) -> u64 {
        self.ready_end
    }

    pub(super) const fn ready_len(&self) -> u64 {
        self.ready_end - self.next
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

    pub(super) fn get(&self, nonce: u64) -> Option<&Arrived> {
        self.by_nonce.get(&nonce)
    }

    pub(super) fn ready(&self) -> impl Iterator<Item = &Arrived> {
        self.by_nonce.range(..self.ready_end).map(|(_, tx)| tx)
    }

    pub(super) fn held(&self) -> impl DoubleEndedIterator<Item = &Arrived> {
        self.by_nonce.range(self.ready_end..).map(|(_, tx)| tx)
    }

    /// Puts a transaction in its place and gives the one that stood there.
    pub(super) fn insert(&mut self, arrival: u64, tx: Arc<PoolTx>) -> Option<Arrived> {
        let nonce = tx.nonce;
        self.cost = self.cost.saturating_add(tx.cost);
        let old = self.by_nonce.insert(nonce, (arrival, tx));
        if let Some((_, old)) = &old {
            self.cost = self.cost.saturating_sub(old.cost);
        }
        self.extend_ready();
        old
    }

    /// Takes out one transaction; later ones are held until the gap is filled.
    pub(super) fn remove(&mut self, nonce: u64) -> Option<Arrived> {
        let removed = self.by_nonce.remove(&nonce)?;
        self.cost = self.cost.saturating_sub(removed.1.cost);
        self.ready_end = self.ready_end.min(nonce).max(self.next);
        Some(removed)
    }

    /// Follows the account's nonce, forwards after a block or back after a rewind; gives what it used up.
    pub(super) fn set_next(&mut self, next: u64) -> Vec<Arrived> {
        let rest = self.by_nonce.split_off(&next);
        let used: Vec<_> = std::mem::replace(&mut self.by_nonce, rest).into_values().collect();
        for (_, tx) in &used {
            self.cost = self.cost.saturating_sub(tx.cost);
        }
        let moved_back = next < self.next;
        self.next = next;
        self.ready_end = if moved_back { next } else { self.ready_end.max(next) };
        self.extend_ready();
        used
    }

    fn extend_ready(&mut self) {
        while self.by_nonce.contains_key(&self.ready_end) {
            self.ready_end += 1;
        }
    }
}
