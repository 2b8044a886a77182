//! Derivation, execution and storage in one: an L1 block goes in, the safe head moves.
//!
//! Synchronous and blocking; the driver calls it from a blocking thread.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::{
    consensus::transaction::SignerRecoverable,
    eips::eip2718::Encodable2718,
    primitives::{Address, B256, Bytes},
};
use lockstep_derive::{
    Checkpoint, Derivation, Derived, Dropped, HISTORY_BLOCKS, HISTORY_BYTES, HISTORY_TRANSACTIONS, History,
    L1Block, PushError, Step, block_ref,
};
use lockstep_executor::{Executor, Stats, rollup};
use lockstep_primitives::{
    BlockId, BlockNumber, Genesis, Header, L2BlockRef, OpTxEnvelope, RollupConfig, SealedBlock, predeploys,
};
use lockstep_state::{StateError, StateOptions, StateStore};
use lockstep_stf::{Rules, StfError};
use tracing::{error, info, warn};

use crate::{
    Claim, DerivedBlock, Mismatch, StoreError,
    store::{Progress, Store},
};

/// Why an L1 block cannot be processed.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// L1 reorganised below the machine.
    #[error(transparent)]
    Push(#[from] PushError),
    /// A derived block does not execute: a defect, or damaged state.
    #[error("derived block {number} does not execute")]
    Execution {
        /// Its number.
        number: BlockNumber,
        /// Why.
        #[source]
        source: StfError,
    },
    /// The state store failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// The database of derived blocks failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A checkpoint names a block that the database does not have.
    #[error("derived block {0} is missing; delete the data folder, it is rebuilt from L1")]
    Missing(BlockNumber),
    /// The state folder cannot be emptied.
    #[error("cannot empty {}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// What one L1 block did.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) derived: usize,
    pub(crate) forced: usize,
    pub(crate) dropped_transactions: usize,
    pub(crate) dropped_channels: usize,
    pub(crate) mismatches: usize,
}

/// What stays the same for the life of a machine.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) config: RollupConfig,
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) state_dir: PathBuf,
    pub(crate) state_options: StateOptions,
    pub(crate) executor: Arc<Executor>,
}

/// The verifier's own chain.
#[derive(Debug)]
pub(crate) struct Machine {
    setup: Setup,
    rules: Rules,
    store: Arc<Store>,
    state: Option<StateStore>, // none only while the folder is being emptied
    derivation: Derivation,
    safe: L2BlockRef,
    parent: Header,
    history: History,          // up to the safe head
    blocks: Vec<DerivedBlock>, // of the L1 block being processed
    mismatches: Vec<Mismatch>,
    dropped_channels: usize,
}

impl Machine {
    /// Opens the state at `setup.state_dir`; call [`Self::resume`] next.
    pub(crate) fn open(setup: Setup, store: Arc<Store>) -> Result<Self, MachineError> {
        let start = Checkpoint::genesis(&setup.config, &setup.genesis);
        let state = open_state(&setup)?;
        Ok(Self {
            rules: Rules::new(setup.config.chain.l2_chain_id),
            store,
            state: Some(state),
            derivation: Derivation::new(setup.config.clone(), &start),
            safe: start.safe_head,
            parent: setup.genesis.header.clone(),
            history: History::default(),
            blocks: Vec::new(),
            mismatches: Vec::new(),
            dropped_channels: 0,
            setup,
        })
    }

    /// Whether the state store has exactly the state after the checkpoint's safe head, or can go back to it.
    pub(crate) fn can_resume(&self, checkpoint: &Checkpoint) -> Result<bool, MachineError> {
        let header = self.header(checkpoint.safe_head.number)?;
        match self.state()?.at(checkpoint.safe_head.number) {
            Ok(view) => Ok(header.is_some_and(|header| header.state_root == view.state_root())),
            Err(StateError::OutsideHistory { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Goes back to `checkpoint`, which [`Self::can_resume`] accepted.
    pub(crate) fn resume(&mut self, checkpoint: &Checkpoint) -> Result<(), MachineError> {
        let number = checkpoint.safe_head.number;
        self.parent = self.header(number)?.ok_or(MachineError::Missing(number))?;
        self.state()?.rewind(number)?;
        self.state()?.flush()?;
        self.store.truncate(checkpoint)?;
        self.derivation = Derivation::new(self.setup.config.clone(), checkpoint);
        self.safe = checkpoint.safe_head;
        self.history = self.history_up_to(number)?;
        self.clear();
        Ok(())
    }

    /// Starts over from genesis with an empty state.
    pub(crate) fn restart(&mut self) -> Result<Checkpoint, MachineError> {
        warn!("no usable checkpoint: rebuilding the chain from its first L1 block");
        let start = Checkpoint::genesis(&self.setup.config, &self.setup.genesis);
        let path = self.setup.state_dir.clone();
        self.state = None;
        fs::remove_dir_all(&path).map_err(|source| MachineError::Folder { path, source })?;
        self.state = Some(open_state(&self.setup)?);
        self.resume(&start)?;
        Ok(start)
    }

    /// Takes the next L1 block; no report where it was context only, at or below the checkpoint.
    ///
    /// Everything is on disk afterwards if `durable`, else with the next durable call.
    pub(crate) fn process(&mut self, block: L1Block, durable: bool) -> Result<Option<Report>, MachineError> {
        self.derivation.push(block)?;
        let mut report = None;
        loop {
            match self.derivation.next(&self.safe, &self.history) {
                Step::Derived(derived) => self.execute(*derived)?,
                Step::Dropped(dropped) => self.note_dropped(&dropped),
                Step::Processed(checkpoint) => report = Some(self.record(checkpoint, durable)?),
                Step::NeedL1(_) => return Ok(report),
            }
        }
    }

    fn execute(&mut self, derived: Derived) -> Result<(), MachineError> {
        let Derived { inputs, l1_inclusion, forced, claimed_hash } = derived;
        let number = inputs.number;
        let state = self.state()?;
        let started = Instant::now();
        // The executor asks for senders on all its threads: recovery is most of what a plain transfer costs.
        let sender = |_, tx: &OpTxEnvelope| tx.recover_signer().ok();
        let executor = &self.setup.executor;
        let done = rollup::execute(executor, state.latest()?, &self.rules, &self.parent, &inputs, sender)
            .map_err(|source| MachineError::Execution { number, source })?;
        note_execution(&done.stats, started.elapsed());
        let mut executed = done.executed;
        let dropped = std::mem::take(&mut executed.dropped);
        let staged = state.stage(&executed.bundle)?;
        let withdrawals = staged.storage_root(predeploys::L2_TO_L1_MESSAGE_PASSER)?;
        let sealed = executed.seal(staged.state_root(), withdrawals);
        state.commit(staged, number, sealed.hash)?;

        for tx in &dropped {
            warn!(block = number.0, tx = %tx.hash, reason = ?tx.reason, "invalid transaction left out of a derived block");
        }
        if forced {
            info!(block = number.0, l1_origin = inputs.l1_origin.number, "L1 forced a block");
        }
        self.safe = block_ref(&inputs, sealed.hash);
        self.history.push(number, user_transactions(&sealed));
        self.parent = sealed.header.clone();
        self.compare_claim(number, l1_inclusion, claimed_hash);
        self.blocks.push(DerivedBlock {
            block: self.safe,
            header: sealed.header,
            inputs,
            l1_inclusion,
            forced,
            claimed_hash,
            dropped: dropped.iter().map(|tx| tx.index).collect(),
        });
        Ok(())
    }

    fn compare_claim(&mut self, number: BlockNumber, l1: BlockId, claimed: Option<B256>) {
        let derived = self.safe.hash;
        if let Some(claimed) = claimed.filter(|claimed| *claimed != derived) {
            error!(block = number.0, %claimed, %derived, l1 = l1.number, "the sequencer claims another block than L1 gives");
            self.mismatches.push(Mismatch {
                l1,
                number,
                claim: Claim::BlockHash,
                claimed,
                derived: Some(derived),
            });
        }
    }

    fn note_dropped(&mut self, dropped: &Dropped) {
        self.dropped_channels += 1;
        let Dropped { l1_inclusion, submission, derived, reason } = dropped;
        warn!(l1 = l1_inclusion.number, submission, derived, %reason, "channel left out");
    }

    fn record(&mut self, checkpoint: Checkpoint, durable: bool) -> Result<Report, MachineError> {
        if durable {
            // State first: the database must never be ahead of it.
            self.state()?.flush()?;
        }
        let progress =
            Progress { blocks: &self.blocks, mismatches: &self.mismatches, checkpoint: &checkpoint };
        self.store.record(&progress, durable)?;
        let report = Report {
            checkpoint,
            derived: self.blocks.len(),
            forced: self.blocks.iter().filter(|block| block.forced).count(),
            dropped_transactions: self.blocks.iter().map(|block| block.dropped.len()).sum(),
            dropped_channels: self.dropped_channels,
            mismatches: self.mismatches.len(),
        };
        self.clear();
        Ok(report)
    }

    fn clear(&mut self) {
        self.blocks.clear();
        self.mismatches.clear();
        self.dropped_channels = 0;
    }

    /// The chain's history up to block `last`, from the stored blocks; newest first, since most are beyond its limits.
    fn history_up_to(&self, last: BlockNumber) -> Result<History, MachineError> {
        let mut blocks = Vec::new();
        let (mut transactions, mut size_bytes) = (0, 0);
        let oldest = last.0.saturating_sub(HISTORY_BLOCKS - 1).max(1);
        for number in (oldest..=last.0).rev().map(BlockNumber) {
            if transactions >= HISTORY_TRANSACTIONS || size_bytes >= HISTORY_BYTES {
                break;
            }
            let block = self.store.block(number)?.ok_or(MachineError::Missing(number))?;
            let users: Vec<(Address, Bytes)> = block.user_transactions().collect();
            transactions += users.len();
            size_bytes += users.iter().map(|(_, tx)| tx.len()).sum::<usize>();
            blocks.push((number, users));
        }
        let mut history = History::default();
        for (number, users) in blocks.into_iter().rev() {
            history.push(number, users);
        }
        Ok(history)
    }

    fn header(&self, number: BlockNumber) -> Result<Option<Header>, MachineError> {
        if number == BlockNumber(0) {
            return Ok(Some(self.setup.genesis.header.clone()));
        }
        Ok(self.store.block(number)?.map(|block| block.header))
    }

    fn state(&self) -> Result<&StateStore, MachineError> {
        self.state.as_ref().ok_or(MachineError::State(StateError::Uninitialised))
    }
}

fn user_transactions(block: &SealedBlock) -> impl Iterator<Item = (Address, Bytes)> {
    let signed = block.transactions.iter().zip(&block.senders).filter(|(tx, _)| !tx.is_deposit());
    signed.map(|(tx, sender)| (*sender, tx.encoded_2718().into()))
}

fn note_execution(stats: &Stats, took: Duration) {
    metrics::histogram!("lockstep_verifier_executor_seconds").record(took.as_secs_f64());
    for (name, count) in stats.counts() {
        metrics::counter!(format!("lockstep_verifier_executor_{name}_total")).increment(count);
    }
}

fn open_state(setup: &Setup) -> Result<StateStore, MachineError> {
    let state = StateStore::open(&setup.state_dir, setup.state_options)?;
    if state.head()?.is_none() {
        state.init_genesis(&setup.genesis.alloc, setup.genesis.hash)?;
    }
    Ok(state)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
