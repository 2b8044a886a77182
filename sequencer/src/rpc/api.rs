//! What every handler works with.

use std::sync::Arc;

use alloy::eips::{BlockId, BlockNumberOrTag};
use lockstep_index::block::{self, StoredHeader};
use lockstep_primitives::BlockNumber;
use lockstep_state::StateView;
use lockstep_stf::Rules;
use tokio::sync::Semaphore;

use super::{Heads, RpcContext, error::RpcError, filters::Filters, lockstep::Replays};

/// The context, and what the methods share among themselves.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) context: RpcContext,
    pub(super) rules: Rules,
    pub(super) filters: Filters,
    pub(super) replays: Replays,
    calls: Arc<Semaphore>,
}

impl Api {
    pub(super) fn new(context: RpcContext) -> Self {
        Self {
            rules: Rules::new(context.rollup.chain.l2_chain_id),
            filters: Filters::new(context.limits.max_filters, context.limits.filter_lifetime),
            replays: Replays::new(context.node.executor.clone()),
            calls: Arc::new(Semaphore::new(context.limits.concurrent_calls)),
            context,
        }
    }

    pub(super) fn heads(&self) -> Heads {
        *self.context.heads.borrow()
    }

    /// The number that a number or tag means now. There is no pending block: `pending` is `latest`.
    pub(super) fn number(&self, block: BlockNumberOrTag) -> BlockNumber {
        let heads = self.heads();
        match block {
            BlockNumberOrTag::Latest | BlockNumberOrTag::Pending => heads.unsafe_head.number,
            BlockNumberOrTag::Safe => heads.safe.number,
            BlockNumberOrTag::Finalized => heads.finalized.number,
            BlockNumberOrTag::Earliest => BlockNumber(0),
            BlockNumberOrTag::Number(number) => BlockNumber(number),
        }
    }

    /// Whether a block is in the chain as it is told: Postgres holds a new one shortly before its state can be read.
    pub(super) fn is_told(&self, number: BlockNumber) -> bool {
        number <= self.heads().unsafe_head.number
    }

    /// The header of a block, if there is one.
    pub(super) async fn find(&self, block: BlockId) -> Result<Option<StoredHeader>, RpcError> {
        let pool = self.context.index.pool();
        let found = match block {
            BlockId::Hash(hash) => block::header_by_hash(pool, hash.block_hash).await,
            BlockId::Number(number) => block::header(pool, self.number(number)).await,
        };
        match found.map_err(RpcError::from) {
            Err(RpcError::UnknownBlock) => Ok(None),
            found => Ok(found?.filter(|stored| self.is_told(BlockNumber(stored.header.number)))),
        }
    }

    /// The header of a block that must exist.
    pub(super) async fn header(&self, block: BlockId) -> Result<StoredHeader, RpcError> {
        self.find(block).await?.ok_or(RpcError::UnknownBlock)
    }

    /// Runs `read` on the state after `block`, off the async threads.
    pub(super) async fn with_state<T: Send + 'static>(
        &self,
        block: BlockId,
        read: impl FnOnce(&StateView) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let number = match block {
            BlockId::Number(number) => self.number(number),
            BlockId::Hash(_) => BlockNumber(self.header(block).await?.header.number),
        };
        if !self.is_told(number) {
            return Err(RpcError::UnknownBlock);
        }
        let state = self.context.state.clone();
        blocking(move || read(&state.at(number)?)).await
    }

    /// Runs EVM work off the async threads; only so many at the same time.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let permit = Arc::clone(&self.calls).acquire_owned().await.map_err(RpcError::internal)?;
        blocking(move || {
            let result = work();
            drop(permit); // held until the work ends, even if the caller has gone
            result
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
) -> Result<T, RpcError> {
    tokio::task::spawn_blocking(work).await.map_err(RpcError::internal)?
}
