//! Acknowledged transactions that wait for a block. Pure: no clock, database or task; callers store.
//!
//! Order: first come, first served. The next transaction is the one that arrived first among those whose
//! nonce is next for their sender; a replacement arrives anew. Fees decide who may enter, not who goes first,
//! so nobody can pay to stand in front of somebody else.
//!
//! What the open block holds is *taken*: it stays pooled until that block is sealed, and nothing can replace it.

mod line;
mod queue;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use alloy::primitives::{Address, B256, Bytes, U256};
use lockstep_primitives::OpTxEnvelope;

use crate::rpc::{Condition, PoolStatus, SubmitError};
pub(crate) use line::Line;
use queue::SenderQueue;

/// Percent that a replacement must offer above the fees that it replaces, as in geth.
const REPLACEMENT_BUMP_PERCENT: u128 = 10;

/// A transaction that passed admission.
#[derive(Clone, Debug)]
pub(crate) struct PoolTx {
    pub(crate) transaction: OpTxEnvelope,
    /// EIP-2718 bytes of `transaction`.
    pub(crate) raw: Bytes,
    pub(crate) sender: Address,
    pub(crate) hash: B256,
    pub(crate) nonce: u64,
    pub(crate) max_fee_per_gas: u128,
    pub(crate) max_priority_fee_per_gas: u128,
    /// Most wei that it can take from the sender, L1 fee included.
    pub(crate) cost: U256,
    /// What must hold where it is included.
    pub(crate) condition: Option<Arc<Condition>>,
}

/// Bounds of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolLimits {
    /// Transactions of one sender.
    pub(crate) per_sender: usize,
    /// Transactions of all senders.
    pub(crate) total: usize,
    /// EIP-2718 bytes of one transaction: what some block may hold.
    pub(crate) tx_bytes: usize,
}

/// What the state says about a sender.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountView {
    pub(crate) nonce: u64,
    pub(crate) balance: U256,
}

/// The waiting transactions.
#[derive(Debug)]
pub(crate) struct TxPool {
    limits: PoolLimits,
    senders: HashMap<Address, SenderQueue>,
    by_hash: HashMap<B256, (Address, u64)>,
    held: BTreeSet<(u64, Address, u64)>, // arrival, sender, nonce of everything behind a gap
    line: Line,
    next_arrival: u64,
}

impl TxPool {
    pub(crate) fn new(limits: PoolLimits) -> Self {
        Self {
            limits,
            senders: HashMap::new(),
            by_hash: HashMap::new(),
            held: BTreeSet::new(),
            line: Line::default(),
            next_arrival: 0,
        }
    }

    /// Whether `tx` may enter now.
    ///
    /// # Errors
    /// The first pool rule that it breaks.
    pub(crate) fn check(&self, tx: &PoolTx, account: AccountView) -> Result<(), SubmitError> {
        if self.by_hash.contains_key(&tx.hash) {
            return Err(SubmitError::AlreadyKnown);
        }
        if tx.raw.len() > self.limits.tx_bytes {
            return Err(SubmitError::Oversized { size: tx.raw.len(), limit: self.limits.tx_bytes });
        }
        let queue = self.senders.get(&tx.sender);
        // The pool hears of a block after the state store does: believe the one that knows more.
        let next = queue.map_or(account.nonce, |queue| queue.taken_end().max(account.nonce));
        if tx.nonce < next {
            return Err(SubmitError::NonceTooLow { next, tx: tx.nonce });
        }
        if tx.nonce - next >= self.limits.per_sender as u64 {
            return Err(SubmitError::NonceTooHigh { next, tx: tx.nonce });
        }
        let replaced = queue.and_then(|queue| queue.get(tx.nonce));
        if replaced.is_some_and(|old| !outbids(tx, old)) {
            return Err(SubmitError::ReplacementUnderpriced);
        }
        let others =
            queue.map_or(U256::ZERO, SenderQueue::cost) - replaced.map_or(U256::ZERO, |old| old.cost);
        let cost = others.saturating_add(tx.cost);
        if cost > account.balance {
            let (sender, balance) = (tx.sender, account.balance);
            return Err(SubmitError::InsufficientFunds { sender, balance, cost });
        }
        let grows = replaced.is_none();
        if grows && queue.is_some_and(|queue| queue.len() >= self.limits.per_sender) {
            return Err(SubmitError::PoolFull);
        }
        let ready = tx.nonce <= queue.map_or(account.nonce, SenderQueue::ready_end);
        if grows && self.by_hash.len() >= self.limits.total && !(ready && self.evictable(tx.sender).is_some())
        {
            return Err(SubmitError::PoolFull);
        }
        Ok(())
    }

    /// Lets `tx` in and gives the transactions that had to go: a replaced one, or one behind a gap.
    ///
    /// # Errors
    /// Those of [`Self::check`].
    pub(crate) fn insert(
        &mut self,
        tx: Arc<PoolTx>,
        account: AccountView,
    ) -> Result<Vec<Arc<PoolTx>>, SubmitError> {
        self.check(&tx, account)?;
        let mut gone = Vec::new();
        let replaces = self.senders.get(&tx.sender).is_some_and(|queue| queue.get(tx.nonce).is_some());
        if !replaces && self.by_hash.len() >= self.limits.total {
            gone.extend(self.evictable(tx.sender).and_then(|hash| self.remove(hash)));
        }
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        self.by_hash.insert(tx.hash, (tx.sender, tx.nonce));
        let sender = tx.sender;
        self.update(sender, account.nonce, |queue, line| {
            if account.nonce > queue.next_nonce() {
                gone.extend(queue.set_next(account.nonce, line));
            }
            gone.extend(queue.insert(arrival, tx, line));
        });
        for old in &gone {
            self.by_hash.remove(&old.hash);
        }
        Ok(gone)
    }

    /// Takes out one transaction, for a reason of the caller's.
    pub(crate) fn remove(&mut self, hash: B256) -> Option<Arc<PoolTx>> {
        let (sender, nonce) = self.by_hash.remove(&hash)?;
        let mut removed = None;
        self.update(sender, 0, |queue, line| removed = queue.remove(nonce, line));
        removed
    }

    /// Follows the nonce of `sender` after a block or a rewind; gives the transactions that it used up.
    pub(crate) fn set_nonce(&mut self, sender: Address, nonce: u64) -> Vec<Arc<PoolTx>> {
        if !self.senders.contains_key(&sender) {
            return Vec::new();
        }
        let mut used = Vec::new();
        self.update(sender, nonce, |queue, line| used = queue.set_next(nonce, line));
        for tx in &used {
            self.by_hash.remove(&tx.hash);
        }
        used
    }

    /// The open block is to hold the transaction, which was the first ready one of its sender: from here on nothing
    /// replaces it.
    pub(crate) fn take(&mut self, tx: &PoolTx) {
        if let Some(queue) = self.senders.get_mut(&tx.sender) {
            queue.take(tx.nonce, &mut self.line);
        }
    }

    /// Whether the open block holds `tx`, or is about to.
    pub(crate) fn is_taken(&self, tx: &PoolTx) -> bool {
        self.senders.get(&tx.sender).is_some_and(|queue| tx.nonce < queue.taken_end())
    }

    /// The open block is given up: what it held is ready again, in the old order.
    pub(crate) fn give_back(&mut self) {
        for queue in self.senders.values_mut() {
            queue.give_back_from(0, &mut self.line);
        }
    }

    /// The open block left `tx` out: it is ready again with those behind it, in the old order.
    pub(crate) fn give_back_from(&mut self, tx: &PoolTx) {
        if let Some(queue) = self.senders.get_mut(&tx.sender) {
            queue.give_back_from(tx.nonce, &mut self.line);
        }
    }

    /// Most wei that the open block's transactions of `sender` were allowed to take.
    pub(crate) fn taken_cost(&self, sender: &Address) -> U256 {
        self.senders.get(sender).map_or(U256::ZERO, SenderQueue::taken_cost)
    }

    /// Forgets every transaction.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.limits);
    }

    /// What a block may take, in order.
    pub(crate) const fn line(&self) -> &Line {
        &self.line
    }

    /// Whether a block would find anything to take.
    pub(crate) fn has_ready(&self) -> bool {
        !self.line.is_empty()
    }

    /// A transaction by hash.
    pub(crate) fn get(&self, hash: &B256) -> Option<&Arc<PoolTx>> {
        let (sender, nonce) = self.by_hash.get(hash)?;
        self.senders.get(sender)?.get(*nonce)
    }

    /// The nonce after the ready transactions of `sender`; `None` without any.
    pub(crate) fn pending_nonce(&self, sender: &Address) -> Option<u64> {
        self.senders.get(sender).filter(|queue| queue.has_ready()).map(SenderQueue::ready_end)
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let queued = self.held.len();
        PoolStatus { pending: self.by_hash.len() - queued, queued }
    }

    /// Everything, ready and held, by sender and nonce.
    pub(crate) fn content(&self) -> (Vec<Arc<PoolTx>>, Vec<Arc<PoolTx>>) {
        let mut queues: Vec<_> = self.senders.iter().collect();
        queues.sort_unstable_by_key(|(sender, _)| **sender);
        (
            queues.iter().flat_map(|(_, queue)| queue.ready().map(|entry| entry.tx.clone())).collect(),
            queues.iter().flat_map(|(_, queue)| queue.held().map(|entry| entry.tx.clone())).collect(),
        )
    }

    /// The youngest transaction behind a gap, or the last one of its sender if that is behind it; never one of
    /// `spared`, whose own newcomer needs the place.
    fn evictable(&self, spared: Address) -> Option<B256> {
        let (_, sender, _) = self.held.iter().rev().find(|(_, sender, _)| *sender != spared)?;
        let last = self.senders.get(sender)?.held().next_back()?;
        Some(last.tx.hash)
    }

    /// Changes one queue and keeps `held` and the set of senders in step.
    fn update(&mut self, sender: Address, nonce: u64, change: impl FnOnce(&mut SenderQueue, &mut Line)) {
        let queue = self.senders.entry(sender).or_insert_with(|| SenderQueue::new(nonce));
        let before: Vec<_> = queue.held().map(|entry| (entry.arrival, sender, entry.tx.nonce)).collect();
        change(queue, &mut self.line);
        for key in before {
            self.held.remove(&key);
        }
        self.held.extend(queue.held().map(|entry| (entry.arrival, sender, entry.tx.nonce)));
        if queue.is_empty() {
            self.senders.remove(&sender);
        }
    }
}

fn outbids(new: &PoolTx, old: &PoolTx) -> bool {
    let bumped = |fee: u128| {
        fee.saturating_add((fee / 100).saturating_mul(REPLACEMENT_BUMP_PERCENT))
            .saturating_add((fee % 100) * REPLACEMENT_BUMP_PERCENT / 100)
    };
    new.max_fee_per_gas > old.max_fee_per_gas
        && new.max_fee_per_gas >= bumped(old.max_fee_per_gas)
        && new.max_priority_fee_per_gas >= bumped(old.max_priority_fee_per_gas)
}
