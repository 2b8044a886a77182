//! What every handler works with.

use std::sync::Arc;

use alloy::eips::{BlockId, BlockNumberOrTag};
use lockstep_index::block::{self, StoredHeader};
use lockstep_primitives::BlockNumber;
use lockstep_state::Overlay;
use lockstep_stf::Rules;
use tokio::sync::Semaphore;

use super::{Heads, PendingBlock, RpcContext, error::RpcError, filters::Filters, lockstep::Replays};

/// The context, and what the methods share among themselves.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) context: RpcContext,
    pub(super) rules: Rules,
    pub(super) filters: Filters,
    pub(super) replays: Replays,
    calls: Arc<Semaphore>,
    traces: Arc<Semaphore>,
}

impl Api {
    pub(super) fn new(context: RpcContext) -> Self {
        Self {
            rules: Rules::new(context.rollup.chain.l2_chain_id),
            filters: Filters::new(context.limits.max_filters, context.limits.filter_lifetime),
            replays: Replays::new(context.node.executor.clone()),
            calls: Arc::new(Semaphore::new(context.limits.concurrent_calls)),
            traces: Arc::new(Semaphore::new(context.limits.concurrent_traces)),
            context,
        }
    }

    pub(super) fn heads(&self) -> Heads {
        *self.context.heads.borrow()
    }

    /// The number of the sealed block that a number or tag means now. Where a sealed block is needed, or none is open,
    /// `pending` is `latest`.
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

    /// The open block, if `block` means that and one is open. One answer is one consistent view.
    pub(super) async fn pending(&self, block: BlockId) -> Option<Arc<PendingBlock>> {
        if block.is_pending() { self.context.pending.block().await } else { None }
    }

    /// Runs `read` on the state after `block`, off the async threads.
    pub(super) async fn with_state<T: Send + 'static>(
        &self,
        block: BlockId,
        read: impl FnOnce(&Overlay) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        if let Some(open) = self.pending(block).await {
            return blocking(move || read(&open.state)).await;
        }
        let number = match block {
            BlockId::Number(number) => self.number(number),
            BlockId::Hash(_) => BlockNumber(self.header(block).await?.header.number),
        };
        if !self.is_told(number) {
            return Err(RpcError::UnknownBlock);
        }
        let state = self.context.state.clone();
        blocking(move || read(&state.at(number)?.into())).await
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

    /// [`Self::call`] for traces, which take more time and memory: fewer at the same time.
    pub(super) async fn trace<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let permit = Arc::clone(&self.traces).acquire_owned().await.map_err(RpcError::internal)?;
        self.call(move || {
            let result = work();
            drop(permit); // as there
            result
        })
        .await
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
) -> Result<T, RpcError> {
    tokio::task::spawn_blocking(work).await.map_err(RpcError::internal)?
}
