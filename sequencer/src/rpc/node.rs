//! What a node says about itself.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U64, keccak256};
use lockstep_primitives::predeploys;

use super::{api::Api, args::Args, error::RpcError, hex::Data};

/// `eth/68`.
const ETH_VERSION: u64 = 68;
/// What is served.
const NAMESPACES: [&str; 11] =
    ["debug", "erigon", "eth", "lockstep", "net", "optimism", "ots", "rpc", "trace", "txpool", "web3"];

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
    let Data(data) = args.required("data")?;
    args.end()?;
    Ok(keccak256(data))
}

/// The receiver of priority fees, in every block.
pub(super) async fn coinbase(_api: &Api, args: Args) -> Result<Address, RpcError> {
    args.end()?;
    Ok(predeploys::SEQUENCER_FEE_VAULT)
}

pub(super) async fn mining(_api: &Api, args: Args) -> Result<bool, RpcError> {
    args.end()?;
    Ok(false)
}

pub(super) async fn hashrate(_api: &Api, args: Args) -> Result<U64, RpcError> {
    args.end()?;
    Ok(U64::ZERO)
}

/// The newest version of the `eth` protocol, as geth answered while it did.
pub(super) async fn protocol_version(_api: &Api, args: Args) -> Result<U64, RpcError> {
    args.end()?;
    Ok(U64::from(ETH_VERSION))
}

/// Namespaces and their versions.
pub(super) async fn modules(
    _api: &Api,
    args: Args,
) -> Result<BTreeMap<&'static str, &'static str>, RpcError> {
    args.end()?;
    Ok(NAMESPACES.into_iter().map(|name| (name, "1.0")).collect())
}

/// Signing wants a key of the caller's account, whatever is to be signed.
pub(super) async fn no_keys(_api: &Api, _args: Args) -> Result<(), RpcError> {
    Err(RpcError::Call(
        "unknown account: this node holds no keys; sign yourself and use eth_sendRawTransaction".to_owned(),
    ))
}
