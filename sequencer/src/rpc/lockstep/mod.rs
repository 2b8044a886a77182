//! The `lockstep_` namespace: what this chain has and others have not.
//!
//! Numbers of blocks, batches and transactions, and amounts in wei, are hexadecimal quantities, as in `eth_`.

mod replay;
mod total_fee;

pub(super) use replay::{Replays, block_access_list, block_schedule};
pub(super) use total_fee::estimate_total_fee;

use alloy::eips::BlockId;
use alloy::primitives::{B256, U64};
use lockstep_index::{backlog, batch, batch::Batch, submission::DaType, transaction};
use lockstep_primitives::{BlockNumber, L2BlockRef};
use serde::Serialize;

use super::{Heads, api::Api, args::Args, error::RpcError};

/// A block on either layer.
#[derive(Clone, Copy, Debug, Serialize)]
struct BlockIdView {
    number: U64,
    hash: B256,
}

/// What L1 holds of a block.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchView {
    index: U64,
    batch_hash: B256,
    l1_block: BlockIdView,
    l1_transaction_hash: B256,
    data_availability: &'static str,
    first_block: U64,
    last_block: U64,
}

impl From<Batch> for BatchView {
    fn from(batch: Batch) -> Self {
        Self {
            index: U64::from(batch.index),
            batch_hash: batch.batch_hash,
            l1_block: BlockIdView { number: U64::from(batch.l1_block.number), hash: batch.l1_block.hash },
            l1_transaction_hash: batch.l1_tx_hash,
            data_availability: match batch.da_type {
                DaType::Calldata => "calldata",
                DaType::Blobs => "blobs",
            },
            first_block: U64::from(batch.first_block.0),
            last_block: U64::from(batch.last_block.0),
        }
    }
}

/// `lockstep_batchOfBlock`: the batch on L1 that holds a block; `null` while there is none.
pub(super) async fn batch_of_block(api: &Api, mut args: Args) -> Result<Option<BatchView>, RpcError> {
    let block: BlockId = args.required("block")?;
    args.end()?;
    let Some(stored) = api.find(block).await? else { return Ok(None) };
    batch_of(api, BlockNumber(stored.header.number)).await
}

async fn batch_of(api: &Api, number: BlockNumber) -> Result<Option<BatchView>, RpcError> {
    Ok(batch::by_block(api.context.index.pool(), number).await?.map(BatchView::from))
}

/// How far a transaction is on its way to finality. Each stage includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    /// Admitted; in no sealed block.
    Pending,
    /// In a sealed block.
    Unsafe,
    /// In a batch on L1.
    Posted,
    /// Derived from L1.
    Safe,
    /// Derived from final L1 blocks.
    Finalized,
}

impl Stage {
    const fn of(number: BlockNumber, heads: &Heads, posted: bool) -> Self {
        match number.0 {
            number if number <= heads.finalized.number.0 => Self::Finalized,
            number if number <= heads.safe.number.0 => Self::Safe,
            _ if posted => Self::Posted,
            _ => Self::Unsafe,
        }
    }
}

/// `lockstep_transactionStatus`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct TransactionStatus {
    status: Stage,
    /// The block that holds it.
    block: Option<BlockIdView>,
    /// The batch that holds the block.
    batch: Option<BatchView>,
}

/// `lockstep_transactionStatus`: `null` for a transaction that is unknown.
pub(super) async fn transaction_status(
    api: &Api,
    mut args: Args,
) -> Result<Option<TransactionStatus>, RpcError> {
    let hash: B256 = args.required("transaction hash")?;
    args.end()?;
    // Before the index: a transaction that is sealed between the two looks is found by the second.
    let pooled = api.context.pool.by_hash(hash).is_some() || api.context.pending.find(hash).is_some();
    let stored = transaction::by_hash(api.context.index.pool(), hash).await?;
    let Some(stored) = stored.filter(|stored| api.is_told(stored.block_number)) else {
        let pending = TransactionStatus { status: Stage::Pending, block: None, batch: None };
        return Ok(pooled.then_some(pending));
    };
    let batch = batch_of(api, stored.block_number).await?;
    Ok(Some(TransactionStatus {
        status: Stage::of(stored.block_number, &api.heads(), batch.is_some()),
        block: Some(BlockIdView { number: U64::from(stored.block_number.0), hash: stored.block_hash }),
        batch,
    }))
}

/// A head.
#[derive(Clone, Copy, Debug, Serialize)]
struct HeadView {
    number: U64,
    hash: B256,
    timestamp: U64,
}

impl From<L2BlockRef> for HeadView {
    fn from(block: L2BlockRef) -> Self {
        Self { number: U64::from(block.number.0), hash: block.hash, timestamp: U64::from(block.timestamp) }
    }
}

/// `lockstep_status`: heads, pool, what waits for L1, and what blocks may hold because of it. Sizes are bytes.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusView {
    #[serde(rename = "unsafe")]
    unsafe_head: HeadView,
    safe: HeadView,
    finalized: HeadView,
    pool: PoolView,
    unposted: UnpostedView,
    limits: LimitsView,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct PoolView {
    pending: U64,
    queued: U64,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct UnpostedView {
    blocks: U64,
    bytes: U64,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LimitsView {
    block_bytes: U64,
    transaction_bytes: U64,
}

pub(super) async fn status(api: &Api, args: Args) -> Result<StatusView, RpcError> {
    args.end()?;
    let unposted = backlog::unposted(api.context.index.pool()).await?;
    let (heads, pool) = (api.heads(), api.context.pool.status());
    let limits = *api.context.node.data_limits.borrow();
    Ok(StatusView {
        unsafe_head: heads.unsafe_head.into(),
        safe: heads.safe.into(),
        finalized: heads.finalized.into(),
        pool: PoolView { pending: U64::from(pool.pending), queued: U64::from(pool.queued) },
        unposted: UnpostedView { blocks: U64::from(unposted.blocks), bytes: U64::from(unposted.size_bytes) },
        limits: LimitsView {
            block_bytes: U64::from(limits.block_bytes),
            transaction_bytes: U64::from(limits.tx_bytes),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_is_the_furthest_that_the_block_has_reached() {
        let head = |number| L2BlockRef { number: BlockNumber(number), ..L2BlockRef::default() };
        let heads = Heads { unsafe_head: head(9), safe: head(6), finalized: head(3) };
        let stage = |number, posted| Stage::of(BlockNumber(number), &heads, posted);
        assert_eq!(stage(9, false), Stage::Unsafe);
        assert_eq!(stage(7, true), Stage::Posted);
        // The verifier may be ahead of the batcher's table.
        assert_eq!(stage(6, false), Stage::Safe);
        assert_eq!(stage(3, true), Stage::Finalized);
    }
}
