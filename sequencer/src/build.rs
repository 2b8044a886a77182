//! Makes one block: execution, roots, header. Blocking; changes nothing outside.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::{consensus::transaction::SignerRecoverable, eips::Encodable2718, primitives::Address};
use lockstep_derive::L1Attributes;
use lockstep_executor::{
    Executor, Stats,
    rollup::{self, Done},
};
use lockstep_primitives::{BlockInputs, Eip1559Params, Header, SealedBlock, SystemConfig, predeploys};
use lockstep_state::{Staged, StateError, StateStore};
use lockstep_stf::{Rules, StfError};
use revm::database::BundleState;

/// A block and the state changes that it makes, nothing of it stored yet.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) sealed: SealedBlock,
    pub(crate) staged: Staged,
    /// What the block did to the state.
    pub(crate) changes: Arc<BundleState>,
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

/// What blocks are made with.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    pub(crate) state: StateStore,
    pub(crate) rules: Rules,
    pub(crate) executor: Arc<Executor>,
}

impl Maker {
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
        self.seal(done, started.elapsed())
    }

    /// Gives an executed block, which took `took`, its roots. The state must be that of its parent.
    pub(crate) fn seal(&self, done: Done, took: Duration) -> Result<Built, BuildError> {
        note_execution(&done.stats, took);
        let mut executed = done.executed;
        let changes = std::mem::take(&mut executed.bundle);
        let staged = self.state.stage(&changes)?;
        let message_passer = staged.storage_root(predeploys::L2_TO_L1_MESSAGE_PASSER)?;
        let sealed = executed.seal(staged.state_root(), message_passer);
        Ok(Built { sealed, staged, changes: Arc::new(changes) })
    }
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
