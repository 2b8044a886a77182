//! A block, one batch of transactions at a time.

use std::fmt;

use alloy_consensus::{Header, transaction::Recovered};
use alloy_eips::Typed2718;
use alloy_evm::FromRecoveredTx;
use alloy_op_evm::OpTx;
use alloy_primitives::{Address, U256};
use lockstep_stf::{Draft, Executed, Rejected, StfError, WithHashes};
use op_alloy_consensus::{OpReceiptEnvelope, OpTxEnvelope};
use op_revm::{OpHaltReason, OpTransactionError};
use revm::{
    DatabaseRef,
    context::result::ExecutionResult,
    database::BundleState,
    state::{AccountInfo, bal::Bal},
};

use super::{Prelude, receipt::receipt, spread::spread};
use crate::{
    AccessSet, Block, Changes, Executor, Limits, Optimism, Outcome, Output, Rejected as Refused, Schedule,
    Stats, Vm, list::append,
};

/// An executed block, and how it went.
#[derive(Debug)]
pub struct Done {
    /// The block.
    pub executed: Executed,
    /// Counts.
    pub stats: Stats,
    /// When each of the users' transactions ran; with [`Options::record_schedule`](crate::Options).
    pub schedule: Option<Schedule>,
    /// What each of the users' transactions touched; with [`Options::record_access`](crate::Options).
    pub access: Option<Vec<AccessSet>>,
}

/// Builds one block out of batches of users' transactions.
///
/// What [`lockstep_stf::BlockBuilder`] does with the same transactions, this does: each is included with the same
/// receipt, or left out for the same reason.
pub struct Builder<'a, D> {
    executor: &'a Executor,
    vm: &'a Optimism,
    block: Block<'a, Optimism, WithHashes<D>>,
    draft: Draft,
    transactions: Vec<OpTxEnvelope>,
    senders: Vec<Address>,
    receipts: Vec<OpReceiptEnvelope>,
    gas_used: u64,
    footprint_used: u64,
    /// What the prelude touched.
    before: Option<Bal>,
    /// Transactions of the prelude.
    forced: u64,
}

impl<'a, D: DatabaseRef + Sync> Builder<'a, D> {
    pub(super) fn new(prelude: &'a Prelude<D>, executor: &'a Executor) -> Self {
        let Prelude { vm, db, executed, gas_used } = prelude;
        let Executed { bundle, draft, transactions, senders, receipts, access_list, .. } = executed;
        let limits = Limits {
            gas: draft.header.gas_limit.saturating_sub(*gas_used),
            footprint: draft.header.gas_limit, // deposits take none
        };
        let mut block = executor.block(vm, db, limits);
        block.apply(Changes::from_bundle(bundle));
        Self {
            executor,
            vm,
            block,
            draft: draft.clone(),
            transactions: transactions.clone(),
            senders: senders.clone(),
            receipts: receipts.clone(),
            gas_used: *gas_used,
            footprint_used: 0,
            before: access_list.clone().filter(|_| executor.options().record_access),
            forced: transactions.len() as u64,
        }
    }

    /// Executes `txs` in their order and includes those that are valid where they stand. For each one, in order:
    /// nothing, or why it is not in the block.
    ///
    /// # Errors
    /// [`StfError::Execution`] if the state fails; the block cannot go on.
    pub fn push_all(
        &mut self,
        txs: Vec<Recovered<OpTxEnvelope>>,
    ) -> Result<Vec<Result<(), Rejected>>, StfError> {
        let executor = self.executor;
        let runnable: Vec<_> = txs.iter().filter(|tx| is_for_users(tx.ty())).collect();
        let envs = spread(executor, &runnable, |_, tx| OpTx::from_recovered_tx(tx.inner(), tx.signer()).0);
        let outcomes = self.block.run(&envs, &[]).map_err(StfError::execution)?;
        let mut ran = envs.iter().zip(outcomes);
        let include = |tx: Recovered<OpTxEnvelope>| {
            if !is_for_users(tx.ty()) {
                return Err(Rejected::Type(tx.ty()));
            }
            let (env, outcome) = ran.next().expect("there is one outcome for each transaction that ran");
            let result = included(outcome)?;
            self.footprint_used = self.footprint_used.saturating_add(self.vm.footprint(env));
            self.gas_used += result.tx_gas_used();
            let (tx, sender) = tx.into_parts();
            self.receipts.push(receipt(tx.tx_type(), result, self.gas_used));
            self.transactions.push(tx);
            self.senders.push(sender);
            Ok(())
        };
        Ok(txs.into_iter().map(include).collect())
    }

    /// Gas that transactions may still use.
    #[must_use]
    pub const fn gas_left(&self) -> u64 {
        self.draft.header.gas_limit.saturating_sub(self.gas_used)
    }

    /// Data-availability footprint that transactions may still take, in gas (Jovian).
    #[must_use]
    pub const fn da_footprint_left(&self) -> u64 {
        self.draft.header.gas_limit.saturating_sub(self.footprint_used)
    }

    /// The header as far as it is known.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.draft.header
    }

    /// Transactions included so far, those of the prelude first.
    #[must_use]
    pub fn transactions(&self) -> &[OpTxEnvelope] {
        &self.transactions
    }

    /// Receipts of [`Self::transactions`].
    #[must_use]
    pub fn receipts(&self) -> &[OpReceiptEnvelope] {
        &self.receipts
    }

    /// Senders of [`Self::transactions`].
    #[must_use]
    pub fn senders(&self) -> &[Address] {
        &self.senders
    }

    /// What the block did to the state so far. Costs time for everything that it has touched.
    #[must_use]
    pub fn changes(&mut self) -> BundleState {
        self.block.changes().into_bundle()
    }

    /// An account after the transactions included so far.
    ///
    /// # Errors
    /// [`StfError::Execution`] if the state cannot be read.
    pub fn account(&mut self, address: Address) -> Result<Option<AccountInfo>, StfError> {
        self.block.account(address).map_err(StfError::execution)
    }

    /// A storage slot after the transactions included so far.
    ///
    /// # Errors
    /// [`StfError::Execution`] if the state cannot be read.
    pub fn storage(&mut self, address: Address, slot: U256) -> Result<U256, StfError> {
        self.block.storage(address, slot).map_err(StfError::execution)
    }

    /// Ends the block.
    ///
    /// # Errors
    /// [`StfError::Execution`] if the state fails.
    pub fn finish(self) -> Result<Done, StfError> {
        let Self { block, mut draft, transactions, senders, receipts, .. } = self;
        draft.header.gas_used = self.gas_used;
        if draft.header.excess_blob_gas.is_some() {
            draft.header.blob_gas_used = Some(self.footprint_used);
        }
        let Output { changes, stats, schedule, access, access_list } = block.finish();
        let bundle = changes.into_bundle();
        let access_list = self.before.zip(access_list).map(|(mut list, later)| {
            append(&mut list, later, self.forced);
            list
        });
        let dropped = Vec::new();
        let executed = Executed { bundle, draft, transactions, senders, receipts, dropped, access_list };
        Ok(Done { executed, stats, schedule, access })
    }
}

impl<D> fmt::Debug for Builder<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("draft", &self.draft)
            .field("transactions", &self.transactions.len())
            .finish_non_exhaustive()
    }
}

const fn is_for_users(ty: u8) -> bool {
    matches!(ty, 0 | 1 | 2 | 4)
}

fn included(
    outcome: Outcome<OpHaltReason, OpTransactionError>,
) -> Result<ExecutionResult<OpHaltReason>, Rejected> {
    match outcome {
        Outcome::Included(result) => Ok(result),
        Outcome::Rejected(Refused::Gas { limit, left }) => Err(Rejected::Gas { limit, left }),
        Outcome::Rejected(Refused::Footprint { footprint, left }) => {
            Err(Rejected::DaFootprint { footprint, left })
        }
        Outcome::Rejected(Refused::Invalid(error)) => Err(error.into()),
    }
}
