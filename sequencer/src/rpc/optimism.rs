//! The `optimism_` namespace, as far as a sequencer knows.

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::B256;
use lockstep_index::block::StoredHeader;
use lockstep_primitives::{L2BlockRef, OpRollupConfig, output_root};
use serde::Serialize;
use serde_json::Value;

use super::{api::Api, args::Args, error::RpcError};
use crate::safe::L1Heads;

/// A block on either layer, in OP's JSON.
#[derive(Clone, Copy, Debug, Serialize)]
struct IdView {
    hash: B256,
    number: u64,
}

/// An L2 block, in OP's JSON.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockView {
    hash: B256,
    number: u64,
    parent_hash: B256,
    timestamp: u64,
    #[serde(rename = "l1origin")]
    l1_origin: IdView,
    sequence_number: u64,
}

impl From<L2BlockRef> for BlockView {
    fn from(block: L2BlockRef) -> Self {
        Self {
            hash: block.hash,
            number: block.number.0,
            parent_hash: block.parent_hash,
            timestamp: block.timestamp,
            l1_origin: IdView { hash: block.l1_origin.hash, number: block.l1_origin.number },
            sequence_number: block.sequence_number,
        }
    }
}

/// `optimism_outputAtBlock`.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    version: B256,
    output_root: B256,
    block_ref: BlockView,
    withdrawal_storage_root: B256,
    state_root: B256,
    sync_status: SyncStatus,
}

/// `optimism_syncStatus`. L1 is the verifier's to tell: its blocks are all zero where none is configured, and until it
/// has answered. Nothing is between unsafe and safe, so the heads there are one of them.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct SyncStatus {
    #[serde(flatten)]
    l1: L1Heads,
    unsafe_l2: BlockView,
    cross_unsafe_l2: BlockView,
    queued_unsafe_l2: BlockView,
    pending_safe_l2: BlockView,
    local_safe_l2: BlockView,
    safe_l2: BlockView,
    finalized_l2: BlockView,
}

pub(super) async fn output_at_block(api: &Api, mut args: Args) -> Result<Output, RpcError> {
    let block: BlockNumberOrTag = args.required("block number")?;
    args.end()?;
    let stored = api.header(block.into()).await?;
    Ok(output(&stored, heads(api)))
}

fn output(stored: &StoredHeader, sync_status: SyncStatus) -> Output {
    let state_root = stored.header.state_root;
    let withdrawal_storage_root = stored.header.withdrawals_root.unwrap_or_default();
    Output {
        version: B256::ZERO,
        output_root: output_root(state_root, withdrawal_storage_root, stored.hash),
        block_ref: stored.block_ref().into(),
        withdrawal_storage_root,
        state_root,
        sync_status,
    }
}

pub(super) async fn sync_status(api: &Api, args: Args) -> Result<SyncStatus, RpcError> {
    args.end()?;
    Ok(heads(api))
}

fn heads(api: &Api) -> SyncStatus {
    let heads = api.heads();
    let (unsafe_l2, safe_l2) = (BlockView::from(heads.unsafe_head), BlockView::from(heads.safe));
    SyncStatus {
        l1: api.context.node.l1.borrow().unwrap_or_default(),
        unsafe_l2,
        cross_unsafe_l2: unsafe_l2,
        queued_unsafe_l2: unsafe_l2,
        pending_safe_l2: safe_l2,
        local_safe_l2: safe_l2,
        safe_l2,
        finalized_l2: heads.finalized.into(),
    }
}

/// `optimism_rollupConfig`: op-node's shape, and ours under `lockstep`.
pub(super) async fn rollup_config(api: &Api, args: Args) -> Result<Value, RpcError> {
    args.end()?;
    let genesis = api.header(BlockNumberOrTag::Earliest.into()).await?;
    serde_json::to_value(OpRollupConfig::new(&api.context.rollup, genesis.hash)).map_err(RpcError::internal)
}

pub(super) async fn version(_api: &Api, args: Args) -> Result<&'static str, RpcError> {
    args.end()?;
    Ok(env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use lockstep_primitives::BlockId;

    use super::*;

    #[test]
    fn block_reference_has_ops_field_names() {
        let block = L2BlockRef {
            l1_origin: BlockId { number: 7, hash: B256::ZERO },
            sequence_number: 2,
            ..L2BlockRef::default()
        };
        let json = serde_json::to_value(BlockView::from(block)).unwrap();
        assert_eq!(json["l1origin"]["number"], 7);
        assert_eq!(json["sequenceNumber"], 2);
        assert!(json["parentHash"].is_string());
    }
}
