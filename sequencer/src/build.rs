//! Makes one block: execution, roots, header. Blocking; changes nothing outside.

use std::time::Instant;

use alloy::{
    consensus::transaction::{Recovered, SignerRecoverable},
    eips::Encodable2718,
    primitives::{Address, B256},
};
use lockstep_derive::L1Attributes;
use lockstep_primitives::{BlockInputs, Eip1559Params, Header, SealedBlock, SystemConfig, predeploys};
use lockstep_state::{Staged, StateError, StateStore};
use lockstep_stf::{BlockBuilder, Executed, PushError, Rejected, Rules, StfError, execute_with};
use revm::database_interface::WrapDatabaseRef;

use crate::pool::ReadyTxs;

/// Gas of the cheapest transaction: with less left, a block is full.
const MIN_TX_GAS: u64 = 21_000;
/// Transactions that did not fit after which a block counts as full.
const MAX_MISFITS: usize = 64;

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

/// Fills a block with pooled transactions until it is full or `deadline` has passed.
pub(crate) fn build(
    state: &StateStore,
    rules: &Rules,
    parent: &Header,
    inputs: &BlockInputs,
    mut ready: ReadyTxs,
    deadline: Instant,
) -> Result<(Built, Lessons), BuildError> {
    let view = state.latest()?;
    let mut builder = BlockBuilder::new(WrapDatabaseRef(view), rules, parent, inputs)?;
    let mut lessons = Lessons::default();
    let mut misfits = 0;
    let forced = builder.transactions().len();
    while builder.gas_left() >= MIN_TX_GAS && misfits < MAX_MISFITS && Instant::now() < deadline {
        let Some(tx) = ready.next() else { break };
        let recovered = Recovered::new_unchecked(tx.transaction.clone(), tx.sender);
        let rejected = match builder.push(recovered) {
            Ok(_) => continue,
            Err(PushError::Rejected(rejected)) => rejected,
            Err(PushError::Fatal(error)) => return Err(error.into()),
        };
        ready.skip_sender();
        let empty = forced == 1 && builder.transactions().len() == forced;
        match rejected {
            // Alone in a block and still too large: it never fits.
            Rejected::Gas { .. } | Rejected::DaFootprint { .. } if !empty => misfits += 1,
            Rejected::FeeTooLow => {}
            Rejected::NonceTooLow { state, .. } | Rejected::NonceTooHigh { state, .. } => {
                lessons.nonces.push((tx.sender, state));
            }
            reason => lessons.invalid.push((tx.hash, reason.to_string())),
        }
    }
    Ok((seal(state, builder.finish()?)?, lessons))
}

/// Executes a block whose inputs are given: one that Postgres holds, with its `senders`, or one that L1 defines.
pub(crate) fn replay(
    state: &StateStore,
    rules: &Rules,
    parent: &Header,
    inputs: &BlockInputs,
    senders: &[Address],
) -> Result<Built, BuildError> {
    let view = state.latest()?;
    let executed = execute_with(WrapDatabaseRef(view), rules, parent, inputs, |index, tx| {
        senders.get(index).copied().or_else(|| tx.recover_signer().ok())
    })?;
    seal(state, executed)
}

fn seal(state: &StateStore, executed: Executed) -> Result<Built, BuildError> {
    let staged = state.stage(&executed.bundle)?;
    let message_passer = staged.storage_root(predeploys::L2_TO_L1_MESSAGE_PASSER)?;
    let sealed = executed.seal(staged.state_root(), message_passer);
    Ok(Built { sealed, staged })
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
