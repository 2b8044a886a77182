//! Makes one block: execution, roots, header. Blocking; changes nothing outside.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::{
    consensus::{
        Transaction,
        transaction::{Recovered, SignerRecoverable},
    },
    eips::Encodable2718,
    primitives::{Address, B256},
};
use lockstep_derive::L1Attributes;
use lockstep_executor::{
    Executor, Stats,
    rollup::{self, Prelude},
};
use lockstep_primitives::{
    BlockInputs, Eip1559Params, Header, OpTxEnvelope, SealedBlock, SystemConfig, predeploys,
};
use lockstep_state::{Staged, StateError, StateStore};
use lockstep_stf::{Executed, Rejected, Rules, StfError};

use crate::{
    backpressure::DataLimits,
    pool::{PoolTx, ReadyTxs},
};

/// Gas of the cheapest transaction: with less left, a block is full.
const MIN_TX_GAS: u64 = 21_000;
/// Transactions that did not fit after which a block counts as full.
const MAX_MISFITS: usize = 64;
/// Transactions that are executed at once. Between two batches the clock is read.
const MAX_BATCH: usize = 256;

/// A block and the state changes that it makes, nothing of it stored yet.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) sealed: SealedBlock,
    pub(crate) staged: Staged,
}

/// What a block taught about the pool.
#[derive(Debug, Default)]
pub(crate) struct Lessons {
    /// Transactions that can never be included, and why.
    pub(crate) invalid: Vec<(B256, String)>,
    /// Nonces that the pool was wrong about.
    pub(crate) nonces: Vec<(Address, u64)>,
}

/// Why a block cannot be made. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("cannot execute the block")]
    Execute(#[from] StfError),
    #[error("cannot read or stage the state")]
    State(#[from] StateError),
    #[error("a stored block is malformed: {0}")]
    Malformed(&'static str),
}

/// Where a block ends, beside its gas limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// When no more transactions are begun.
    pub(crate) deadline: Instant,
    /// How much data it may hold.
    pub(crate) data: DataLimits,
}

/// What blocks are made with.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    pub(crate) state: StateStore,
    pub(crate) rules: Rules,
    pub(crate) executor: Arc<Executor>,
}

impl Maker {
    /// Fills a block with pooled transactions until it is full, or out of time.
    pub(crate) fn build(
        &self,
        parent: &Header,
        inputs: &BlockInputs,
        ready: ReadyTxs,
        bounds: Bounds,
    ) -> Result<(Built, Lessons), BuildError> {
        let started = Instant::now();
        let view = self.state.latest()?;
        let prelude = Prelude::new(view, &self.rules, parent, inputs)?;
        let mut builder = prelude.builder(&self.executor);
        let mut filling = Filling::new(ready, bounds.data);
        let forced = builder.transactions().len();
        while builder.gas_left() >= MIN_TX_GAS && !filling.is_done() && Instant::now() < bounds.deadline {
            let batch = filling.next_batch(builder.gas_left());
            if batch.is_empty() {
                break;
            }
            let mut alone = forced == 1 && builder.transactions().len() == forced;
            let results = builder.push_all(batch.iter().map(|tx| recovered(tx)).collect())?;
            for (tx, result) in batch.iter().zip(results) {
                match result {
                    Ok(()) => {
                        alone = false;
                        filling.bytes_left = filling.bytes_left.saturating_sub(tx.raw.len());
                    }
                    Err(rejected) => filling.learn(tx, rejected, alone),
                }
            }
        }
        let done = builder.finish()?;
        note_execution(&done.stats, started.elapsed());
        Ok((self.seal(done.executed)?, filling.lessons))
    }

    /// Executes a block whose inputs are given: one that Postgres holds, with its `senders`, or one that L1 defines.
    pub(crate) fn replay(
        &self,
        parent: &Header,
        inputs: &BlockInputs,
        senders: &[Address],
    ) -> Result<Built, BuildError> {
        let started = Instant::now();
        let view = self.state.latest()?;
        let done = rollup::execute(&self.executor, view, &self.rules, parent, inputs, |index, tx| {
            senders.get(index).copied().or_else(|| tx.recover_signer().ok())
        })?;
        note_execution(&done.stats, started.elapsed());
        self.seal(done.executed)
    }

    fn seal(&self, executed: Executed) -> Result<Built, BuildError> {
        let staged = self.state.stage(&executed.bundle)?;
        let message_passer = staged.storage_root(predeploys::L2_TO_L1_MESSAGE_PASSER)?;
        let sealed = executed.seal(staged.state_root(), message_passer);
        Ok(Built { sealed, staged })
    }
}

/// A block on its way to being full.
struct Filling {
    ready: ReadyTxs,
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
    fn new(ready: ReadyTxs, data: DataLimits) -> Self {
        Self {
            ready,
            failed: HashSet::new(),
            misfits: 0,
            data,
            bytes_left: data.block_bytes,
            lessons: Lessons::default(),
        }
    }

    const fn is_done(&self) -> bool {
        self.misfits >= MAX_MISFITS
    }

    /// The next transactions in order: as many as the block may have room for, judged by their gas limits, and one
    /// more, so that hardly any is executed in vain. Never more bytes than there is room for.
    fn next_batch(&mut self, gas_left: u64) -> Vec<Arc<PoolTx>> {
        let mut batch = Vec::new();
        let (mut gas, mut bytes) = (0_u64, 0);
        while batch.len() < MAX_BATCH && gas <= gas_left && !self.is_done() {
            let Some(tx) = self.ready.next() else { break };
            if self.failed.contains(&tx.sender) || self.is_too_large(&tx, self.bytes_left - bytes) {
                self.ready.skip_sender();
                continue;
            }
            bytes += tx.raw.len();
            gas = gas.saturating_add(tx.transaction.gas_limit());
            batch.push(tx);
        }
        batch
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

    /// `tx` was left out; `alone`: of an otherwise empty block.
    fn learn(&mut self, tx: &PoolTx, rejected: Rejected, alone: bool) {
        if !self.failed.insert(tx.sender) {
            return; // it stood in one batch with the one that failed, and says nothing more
        }
        match rejected {
            // Alone in a block and still too large: it never fits.
            Rejected::Gas { .. } | Rejected::DaFootprint { .. } if !alone => self.misfits += 1,
            Rejected::FeeTooLow => {}
            Rejected::NonceTooLow { state, .. } | Rejected::NonceTooHigh { state, .. } => {
                self.lessons.nonces.push((tx.sender, state));
            }
            reason => self.lessons.invalid.push((tx.hash, reason.to_string())),
        }
    }
}

fn recovered(tx: &PoolTx) -> Recovered<OpTxEnvelope> {
    Recovered::new_unchecked(tx.transaction.clone(), tx.sender)
}

fn note_execution(stats: &Stats, took: Duration) {
    metrics::histogram!("lockstep_sequencer_executor_seconds").record(took.as_secs_f64());
    for (name, count) in stats.counts() {
        metrics::counter!(format!("lockstep_sequencer_executor_{name}_total")).increment(count);
    }
}

/// The inputs that a sealed block was made from.
pub(crate) fn inputs_of(block: &SealedBlock) -> Result<BlockInputs, BuildError> {
    let header = &block.header;
    Ok(BlockInputs {
        number: block.block_ref().number,
        parent_hash: header.parent_hash,
        timestamp: header.timestamp,
        prev_randao: header.mix_hash,
        parent_beacon_block_root: header
            .parent_beacon_block_root
            .ok_or_else(|| BuildError::Malformed("no parent beacon block root"))?,
        fee_recipient: header.beneficiary,
        gas_limit: header.gas_limit,
        eip1559: eip1559(header)?,
        l1_origin: block.l1_origin,
        sequence_number: block.sequence_number,
        transactions: block.transactions.iter().map(|tx| tx.encoded_2718().into()).collect(),
    })
}

/// The configuration that a block ran under, as its header and its L1 attributes tell.
pub(crate) fn system_of(block: &SealedBlock) -> Result<SystemConfig, BuildError> {
    let attributes = block
        .transactions
        .first()
        .and_then(|tx| tx.as_deposit())
        .and_then(|deposit| L1Attributes::from_calldata(&deposit.input))
        .ok_or(BuildError::Malformed("no L1 attributes"))?;
    let eip1559 = eip1559(&block.header)?;
    Ok(SystemConfig {
        gas_limit: block.header.gas_limit,
        base_fee_scalar: attributes.base_fee_scalar,
        blob_base_fee_scalar: attributes.blob_base_fee_scalar,
        operator_fee_scalar: attributes.operator_fee_scalar,
        operator_fee_constant: attributes.operator_fee_constant,
        da_footprint_gas_scalar: attributes.da_footprint_gas_scalar,
        eip1559_denominator: eip1559.denominator,
        eip1559_elasticity: eip1559.elasticity,
        min_base_fee: eip1559.min_base_fee,
    })
}

fn eip1559(header: &Header) -> Result<Eip1559Params, BuildError> {
    Eip1559Params::from_extra_data(&header.extra_data)
        .ok_or(BuildError::Malformed("no fee parameters in extraData"))
}
