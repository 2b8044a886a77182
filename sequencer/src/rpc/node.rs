//! What a node says about itself and its pool.

use std::collections::BTreeMap;

use alloy::consensus::Transaction as _;
use alloy::primitives::{Address, B256, Bytes, U64, keccak256};
use op_alloy_rpc_types::Transaction;
use serde::Serialize;

use super::{PooledTransaction, api::Api, args::Args, error::RpcError, view};

pub(super) async fn chain_id(api: &Api, args: Args) -> Result<U64, RpcError> {
    args.end()?;
    Ok(U64::from(api.context.rollup.chain.l2_chain_id))
}

/// This node makes the blocks: it is never behind.
pub(super) async fn syncing(_api: &Api, args: Args) -> Result<bool, RpcError> {
    args.end()?;
    Ok(false)
}

/// This node holds no user's keys.
pub(super) async fn accounts(_api: &Api, args: Args) -> Result<Vec<Address>, RpcError> {
    args.end()?;
    Ok(Vec::new())
}

pub(super) async fn net_version(api: &Api, args: Args) -> Result<String, RpcError> {
    args.end()?;
    Ok(api.context.rollup.chain.l2_chain_id.to_string())
}

pub(super) async fn listening(_api: &Api, args: Args) -> Result<bool, RpcError> {
    args.end()?;
    Ok(true)
}

pub(super) async fn peer_count(_api: &Api, args: Args) -> Result<U64, RpcError> {
    args.end()?;
    Ok(U64::ZERO)
}

pub(super) async fn client_version(_api: &Api, args: Args) -> Result<String, RpcError> {
    args.end()?;
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    Ok(format!("lockstep/v{}/{os}-{arch}/rust", env!("CARGO_PKG_VERSION")))
}

pub(super) async fn sha3(_api: &Api, mut args: Args) -> Result<B256, RpcError> {
    let data: Bytes = args.required("data")?;
    args.end()?;
    Ok(keccak256(data))
}

/// `txpool_status`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Status {
    pending: U64,
    queued: U64,
}

pub(super) async fn pool_status(api: &Api, args: Args) -> Result<Status, RpcError> {
    args.end()?;
    let status = api.context.pool.status();
    Ok(Status { pending: U64::from(status.pending), queued: U64::from(status.queued) })
}

type BySender = BTreeMap<Address, BTreeMap<u64, Transaction>>;

/// `txpool_content`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Content {
    pending: BySender,
    queued: BySender,
}

pub(super) async fn pool_content(api: &Api, args: Args) -> Result<Content, RpcError> {
    args.end()?;
    let content = api.context.pool.content();
    Ok(Content { pending: by_sender(&content.pending), queued: by_sender(&content.queued) })
}

fn by_sender(pooled: &[PooledTransaction]) -> BySender {
    let mut all = BySender::new();
    for PooledTransaction { transaction, sender } in pooled {
        let view = view::pooled(transaction, *sender);
        all.entry(*sender).or_default().insert(transaction.nonce(), view);
    }
    all
}
