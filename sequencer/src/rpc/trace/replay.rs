//! A block, executed again.

use std::ops::Range;

use alloy::consensus::transaction::Recovered;
use alloy::eips::BlockId;
use alloy::primitives::B256;
use alloy::rpc::types::TransactionInfo;
use alloy_evm::{Evm, EvmFactory, FromRecoveredTx, block::BlockExecutor, precompiles::PrecompilesMap};
use alloy_op_evm::{
    OpBlockExecutionCtx, OpBlockExecutor, OpEvm, OpEvmContext, OpEvmFactory, OpTx,
    block::OpAlloyReceiptBuilder,
};
use lockstep_index::{block, transaction};
use lockstep_primitives::{BlockNumber, SealedBlock};
use lockstep_state::{StateStore, StateView};
use lockstep_stf::{Rules, WithHashes, evm_env};
use op_revm::OpHaltReason;
use revm::{
    context::BlockEnv,
    context_interface::result::ResultAndState,
    database::CacheDB,
    inspector::{Inspector, NoOpInspector},
};

use super::guard::Guard;
use crate::rpc::{api::Api, error::RpcError};

/// The state within a block.
pub(super) type Db = CacheDB<WithHashes<StateView>>;

type Executor<'a, I> =
    OpBlockExecutor<OpEvm<Db, (&'a mut I, &'a mut Guard), PrecompilesMap>, OpAlloyReceiptBuilder, Rules>;

/// A stored block that can be executed as it was.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) block: SealedBlock,
    store: StateStore,
    rules: Rules,
}

/// A transaction right after it ran: its changes are not in `db` yet.
pub(super) struct Seen<'a, I> {
    pub(super) info: TransactionInfo,
    pub(super) tx: &'a OpTx,
    pub(super) env: &'a BlockEnv,
    pub(super) result: &'a ResultAndState<OpHaltReason>,
    pub(super) inspector: &'a mut I,
    pub(super) db: &'a mut Db,
}

impl Replay {
    /// The block `id`; `None` if there is none.
    ///
    /// # Errors
    /// Postgres fails.
    pub(super) async fn find(api: &Api, id: BlockId) -> Result<Option<Self>, RpcError> {
        let Some(stored) = api.find(id).await? else { return Ok(None) };
        let sealed = block::by_hash(api.context.index.pool(), stored.hash).await?;
        Ok(sealed.map(|block| Self { block, store: api.context.state.clone(), rules: api.rules }))
    }

    /// The block that holds transaction `hash`, and its place there; `None` if no block does.
    ///
    /// # Errors
    /// Postgres fails.
    pub(super) async fn find_transaction(api: &Api, hash: B256) -> Result<Option<(Self, usize)>, RpcError> {
        let found = transaction::by_hash(api.context.index.pool(), hash).await?;
        let Some(stored) = found.filter(|stored| api.is_told(stored.block_number)) else { return Ok(None) };
        let replay = Self::find(api, stored.block_hash.into()).await?;
        Ok(replay.map(|replay| (replay, stored.index.0 as usize)))
    }

    /// All places of the block.
    pub(super) const fn all(&self) -> Range<usize> {
        0..self.block.transactions.len()
    }

    /// The environment of the block's transactions.
    pub(super) fn env(&self) -> alloy_evm::EvmEnv<op_revm::OpSpecId> {
        evm_env(&self.rules, &self.block.header)
    }

    /// The state before transaction `index`.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(super) fn before(&self, index: usize, guard: &mut Guard) -> Result<Db, RpcError> {
        self.run(index..index, &mut NoOpInspector, guard, |_| Ok(()))
    }

    /// Executes the block up to the end of `watched`. Of each transaction there the `inspector` sees all, and then
    /// `see` gets it; `see` makes the inspector ready for the next one. Gives the state that this leaves.
    ///
    /// # Errors
    /// [`RpcError::NoState`] if the node no longer has the state before the block; the bound that the `guard` saw
    /// broken; what `see` answers; an internal error if the block does not come out as it is stored.
    pub(super) fn run<I: for<'a> Inspector<OpEvmContext<Db>>>(
        &self,
        watched: Range<usize>,
        inspector: &mut I,
        guard: &mut Guard,
        mut see: impl FnMut(Seen<'_, I>) -> Result<(), RpcError>,
    ) -> Result<Db, RpcError> {
        let mut executor = self.start(inspector, guard)?;
        let env = executor.evm().block().clone();
        for index in 0..watched.end {
            executor.evm_mut().set_inspector_enabled(watched.contains(&index));
            let tx = Recovered::new_unchecked(&self.block.transactions[index], self.block.senders[index]);
            let tx_env = OpTx::from_recovered_tx(*tx.inner(), tx.signer());
            let done = executor.execute_transaction_without_commit((tx_env.clone(), tx));
            let (db, (inspector, guard), _) = executor.evm_mut().components_mut();
            guard.check()?;
            let done = done.map_err(RpcError::internal)?;
            if watched.contains(&index) {
                let result = &done.inner.result;
                see(Seen { info: self.info(index), tx: &tx_env, env: &env, result, inspector, db })?;
            }
            executor.commit_transaction(done).map_err(RpcError::internal)?;
            self.compare(index, &executor.receipts)?;
        }
        Ok(executor.evm.finish().0)
    }

    /// The block after its system calls.
    fn start<'a, I: Inspector<OpEvmContext<Db>>>(
        &self,
        inspector: &'a mut I,
        guard: &'a mut Guard,
    ) -> Result<Executor<'a, I>, RpcError> {
        let header = &self.block.header;
        let db = CacheDB::new(WithHashes::new(self.parent_state()?, &self.rules, header));
        let evm =
            OpEvmFactory::<OpTx>::default().create_evm_with_inspector(db, self.env(), (inspector, guard));
        let context = OpBlockExecutionCtx {
            parent_hash: header.parent_hash,
            parent_beacon_block_root: header.parent_beacon_block_root,
            extra_data: header.extra_data.clone(),
        };
        let mut executor = OpBlockExecutor::new(evm, context, self.rules, OpAlloyReceiptBuilder::default());
        executor.apply_pre_execution_changes().map_err(RpcError::internal)?;
        Ok(executor)
    }

    fn parent_state(&self) -> Result<StateView, RpcError> {
        let parent = BlockNumber(self.block.header.number.saturating_sub(1));
        let view = self.store.at(parent)?;
        // A reorg since the block was read: it is no longer in the chain.
        if view.block_hash(parent)? != Some(self.block.header.parent_hash) {
            return Err(RpcError::UnknownBlock);
        }
        Ok(view)
    }

    fn info(&self, index: usize) -> TransactionInfo {
        TransactionInfo {
            hash: Some(self.block.transactions[index].tx_hash()),
            index: Some(index as u64),
            block_hash: Some(self.block.hash),
            block_number: Some(self.block.header.number),
            block_timestamp: Some(self.block.header.timestamp),
            base_fee: self.block.header.base_fee_per_gas,
        }
    }

    /// A trace of something other than what happened is worse than none.
    fn compare(
        &self,
        index: usize,
        replayed: &[lockstep_primitives::OpReceiptEnvelope],
    ) -> Result<(), RpcError> {
        if replayed.last() == self.block.receipts.get(index) {
            return Ok(());
        }
        let (number, hash) = (self.block.header.number, self.block.transactions[index].tx_hash());
        Err(RpcError::internal(format!(
            "replay of transaction {hash} in block {number} gives another receipt"
        )))
    }
}
