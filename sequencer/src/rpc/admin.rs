//! The `admin_` namespace: what only an operator may ask. It is served on an address of its own.

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::B256;
use lockstep_service::telemetry;
use serde::Serialize;

use super::{api::Api, args::Args, error::RpcError, hex::Hash, node};

/// `admin_nodeInfo` in geth's shape. The node has no peers: what names it to them is empty.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeInfo {
    id: &'static str,
    name: String,
    enode: &'static str,
    ip: &'static str,
    ports: Ports,
    listen_addr: &'static str,
    protocols: Protocols,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Ports {
    discovery: u16,
    listener: u16,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Protocols {
    eth: Ethereum,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Ethereum {
    network: u64,
    genesis: B256,
    head: B256,
}

pub(super) async fn node_info(api: &Api, args: Args) -> Result<NodeInfo, RpcError> {
    let name = node::client_version(api, args).await?;
    let eth = Ethereum {
        network: api.context.rollup.chain.l2_chain_id,
        genesis: api.header(BlockNumberOrTag::Earliest.into()).await?.hash,
        head: api.heads().unsafe_head.hash,
    };
    let (ports, protocols) = (Ports::default(), Protocols { eth });
    Ok(NodeInfo { id: "", name, enode: "", ip: "", ports, listen_addr: "", protocols })
}

pub(super) async fn peers(_api: &Api, args: Args) -> Result<[(); 0], RpcError> {
    args.end()?;
    Ok([])
}

/// A sequencer that serves holds the lease: it stops when it loses that.
pub(super) async fn sequencer_active(_api: &Api, args: Args) -> Result<bool, RpcError> {
    args.end()?;
    Ok(true)
}

/// Takes a transaction out of the pool; false if it is not there.
pub(super) async fn drop_transaction(api: &Api, mut args: Args) -> Result<bool, RpcError> {
    let Hash(hash) = args.required("transaction hash")?;
    args.end()?;
    api.context.pool.drop_transaction(hash).await.map_err(|error| RpcError::Call(error.to_string()))
}

/// What is logged from now on, in the words of `--log`.
pub(super) async fn set_log_filter(_api: &Api, mut args: Args) -> Result<(), RpcError> {
    let filter: String = args.required("filter")?;
    args.end()?;
    telemetry::set_filter(&filter)
        .map_err(|error| RpcError::InvalidField { name: "filter", reason: error.to_string() })?;
    tracing::info!(filter, "log filter set");
    Ok(())
}
