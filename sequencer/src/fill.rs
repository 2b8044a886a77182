//! Which of the pool's transactions the open block takes next. Pure.

use std::{collections::HashSet, sync::Arc};

use alloy::{
    consensus::Transaction,
    primitives::{Address, B256},
};
use lockstep_stf::Rejected;

use crate::{
    backpressure::DataLimits,
    pool::{Line, PoolTx},
};

/// Gas of the cheapest transaction: with less left, a block is full.
const MIN_TX_GAS: u64 = 21_000;
/// Transactions that did not fit after which a block counts as full.
const MAX_MISFITS: usize = 64;
/// Transactions that are executed at once.
const MAX_BATCH: usize = 512;

/// What a block taught about the pool.
#[derive(Debug, Default)]
pub(crate) struct Lessons {
    /// Transactions that can never be included, and why.
    pub(crate) invalid: Vec<(B256, String)>,
    /// Nonces that the pool was wrong about.
    pub(crate) nonces: Vec<(Address, u64)>,
}

/// A block on its way to being full.
#[derive(Debug)]
pub(crate) struct Filling {
    /// Transactions before this turn were looked at.
    turn: u64,
    /// Senders of whom a transaction was left out: those behind it cannot run in this block.
    failed: HashSet<Address>,
    /// Transactions that did not fit.
    misfits: usize,
    data: DataLimits,
    /// Bytes of transactions that the block still has room for.
    bytes_left: usize,
    lessons: Lessons,
}

impl Filling {
    pub(crate) fn new(data: DataLimits) -> Self {
        Self {
            turn: 0,
            failed: HashSet::new(),
            misfits: 0,
            data,
            bytes_left: data.block_bytes,
            lessons: Lessons::default(),
        }
    }

    /// The next transactions in order: as many as the block may have room for, judged by their gas limits, and one
    /// more, so that hardly any is executed in vain. Never more bytes than there is room for.
    pub(crate) fn next_batch(&mut self, line: &Line, gas_left: u64) -> Vec<Arc<PoolTx>> {
        let mut batch = Vec::new();
        if gas_left < MIN_TX_GAS {
            return batch;
        }
        let (mut gas, mut bytes) = (0_u64, 0);
        for (turn, tx) in line.from(self.turn) {
            if batch.len() == MAX_BATCH || gas > gas_left || self.misfits >= MAX_MISFITS {
                break;
            }
            self.turn = turn + 1;
            if self.failed.contains(&tx.sender) || self.is_too_large(tx, self.bytes_left - bytes) {
                continue;
            }
            bytes += tx.raw.len();
            gas = gas.saturating_add(tx.transaction.gas_limit());
            batch.push(tx.clone());
        }
        batch
    }

    /// `tx` is in the block.
    pub(crate) fn include(&mut self, tx: &PoolTx) {
        self.bytes_left = self.bytes_left.saturating_sub(tx.raw.len());
    }

    /// `tx` was left out; `alone`: of an otherwise empty block.
    pub(crate) fn learn(&mut self, tx: &PoolTx, rejected: &Rejected, alone: bool) {
        if !self.failed.insert(tx.sender) {
            return; // it stood in one batch with the one that failed, and says nothing more
        }
        match rejected {
            // Alone in a block and still too large: it never fits.
            Rejected::Gas { .. } | Rejected::DaFootprint { .. } if !alone => self.misfits += 1,
            Rejected::FeeTooLow => {}
            Rejected::NonceTooLow { state, .. } | Rejected::NonceTooHigh { state, .. } => {
                self.lessons.nonces.push((tx.sender, *state));
            }
            reason => self.lessons.invalid.push((tx.hash, reason.to_string())),
        }
    }

    /// The condition of `tx` is broken where it would stand.
    pub(crate) fn refuse(&mut self, tx: &PoolTx, reason: String) {
        if self.failed.insert(tx.sender) {
            self.lessons.invalid.push((tx.hash, reason));
        }
    }

    /// `tx` has to wait for the next block, and those behind it with it.
    pub(crate) fn postpone(&mut self, tx: &PoolTx) {
        self.failed.insert(tx.sender);
    }

    /// What was learned since the last call.
    pub(crate) fn take_lessons(&mut self) -> Lessons {
        std::mem::take(&mut self.lessons)
    }

    /// Whether `tx` has to wait for a block that may hold more, and those behind it with it.
    fn is_too_large(&mut self, tx: &PoolTx, bytes_left: usize) -> bool {
        let size = tx.raw.len();
        // What no block may hold now says nothing about how full this one is.
        let waits = size > self.data.tx_bytes.min(bytes_left);
        if waits {
            self.misfits += usize::from(size <= self.data.tx_bytes);
            self.failed.insert(tx.sender);
        }
        waits
    }
}
