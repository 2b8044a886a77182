//! What precedes the users' transactions.

use std::fmt::Debug;

use alloy_consensus::{Header, Sealed};
use alloy_evm::EvmEnv;
use lockstep_primitives::BlockInputs;
use lockstep_stf::{BlockBuilder, Draft, Executed, PushError, Rules, StfError, WithHashes, evm_env};
use op_alloy_consensus::TxDeposit;
use revm::{DatabaseRef, database_interface::WrapDatabaseRef};

use super::Builder;
use crate::{Executor, Optimism};

/// A block up to its first user transaction, executed by `stf`.
///
/// The fee parameters of L1 are read here, once. `stf` reads the one that limits a block's data for every
/// transaction; both are equal because nobody but the L1 attributes depositor can write to `L1Block`.
#[derive(Debug)]
pub struct Prelude<D> {
    pub(super) vm: Optimism,
    pub(super) db: WithHashes<D>,
    pub(super) executed: Executed,
    pub(super) gas_used: u64,
}

impl<D: DatabaseRef + Debug> Prelude<D> {
    /// Starts the child of `parent` on the state `db` after it: system calls, then the L1 attributes and the deposits
    /// that lead `inputs.transactions`. Transactions of users in `inputs` are the caller's to push.
    ///
    /// # Errors
    /// Those of [`BlockBuilder::new`].
    pub fn new(db: D, rules: &Rules, parent: &Header, inputs: &BlockInputs) -> Result<Self, StfError> {
        let builder = BlockBuilder::with_access_list(WrapDatabaseRef(&db), rules, parent, inputs)?;
        let (vm, executed, gas_used) = end(builder, rules)?;
        Ok(Self { db: WithHashes::new(db, rules, &executed.draft.header), vm, executed, gas_used })
    }

    /// Starts a block with a given header: system calls, then `deposits`.
    ///
    /// # Errors
    /// Those of [`BlockBuilder::from_draft`]; [`StfError::Forced`] if a deposit does not fit.
    pub fn from_draft(
        db: D,
        rules: &Rules,
        draft: Draft,
        deposits: impl IntoIterator<Item = Sealed<TxDeposit>>,
    ) -> Result<Self, StfError> {
        let mut builder = BlockBuilder::from_draft(WrapDatabaseRef(&db), rules, draft)?;
        for (index, deposit) in deposits.into_iter().enumerate() {
            builder.force(deposit).map_err(|error| match error {
                PushError::Rejected(reason) => StfError::Forced { index, reason },
                PushError::Fatal(error) => error,
            })?;
        }
        let (vm, executed, gas_used) = end(builder, rules)?;
        Ok(Self { db: WithHashes::new(db, rules, &executed.draft.header), vm, executed, gas_used })
    }

    /// Goes on with the users' transactions.
    pub fn builder<'a>(&'a self, executor: &'a Executor) -> Builder<'a, D>
    where
        D: Sync,
    {
        Builder::new(self, executor)
    }
}

/// Ends the prelude; gives the environment that it leaves to the users' transactions, what it did, and its gas.
fn end<D: DatabaseRef + Debug>(
    mut builder: BlockBuilder<WrapDatabaseRef<&D>>,
    rules: &Rules,
) -> Result<(Optimism, Executed, u64), StfError> {
    let header = builder.header().clone();
    let EvmEnv { cfg_env, block_env } = evm_env(rules, &header);
    let vm = Optimism::new(cfg_env, block_env, builder.l1_block_info()?);
    let mut executed = builder.finish()?;
    // The block goes on: its gas is not known yet.
    let gas_used = std::mem::replace(&mut executed.draft.header, header).gas_used;
    Ok((vm, executed, gas_used))
}
