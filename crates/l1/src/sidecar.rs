//! Which proofs L1 wants beside blobs, and transactions that have them.
//!
//! Until Osaka a pool takes one proof per blob (EIP-4844), from Osaka on 128 cell proofs per blob (EIP-7594). The
//! sidecar is not part of the transaction hash, so a transaction that was signed before the fork is sent after it
//! under the same hash, with other proofs.

use std::collections::BTreeMap;

use alloy::{
    consensus::{Signed, TxEip4844WithSidecar},
    eips::{BlockNumberOrTag, eip2718::Encodable2718, eip4844::Blob, eip7594::BlobTransactionSidecarVariant},
    primitives::{Address, Bytes, address},
    providers::{Provider, RootProvider},
};
use serde::Deserialize;
use tokio::task::spawn_blocking;

use crate::{
    BlobSchedule, L1Error, PooledTx, PreparedTx,
    error::rpc,
    kzg::{self, Proofs},
};

/// The precompile that came with Osaka (EIP-7951): EIP-7910 names no forks, only their contents.
const P256VERIFY: Address = address!("0000000000000000000000000000000000000100");

/// The part of an answer to `eth_config` (EIP-7910) that tells the fork.
#[derive(Debug, Deserialize)]
struct Config {
    current: Fork,
}

#[derive(Debug, Deserialize)]
struct Fork {
    precompiles: BTreeMap<String, Address>,
}

/// The proofs that L1 wants now: by the node's own configuration, else by what is known of the chain. Where that is
/// wrong, the node refuses the transaction, and [`converted`] helps.
///
/// # Errors
/// If the node does not answer.
pub(crate) async fn wanted(provider: &RootProvider, chain_id: u64) -> Result<Proofs, L1Error> {
    let cells = match provider.raw_request::<_, Config>("eth_config".into(), ()).await {
        Ok(config) => config.current.precompiles.values().any(|address| *address == P256VERIFY),
        // Not served, or not as the standard says, or refused by what stands before the node: each in its own words.
        Err(_) => BlobSchedule::of(chain_id).wants_cell_proofs(head_time(provider).await?),
    };
    Ok(if cells { Proofs::Cells } else { Proofs::Blobs })
}

async fn head_time(provider: &RootProvider) -> Result<u64, L1Error> {
    let head = provider.get_block_by_number(BlockNumberOrTag::Latest).await;
    let head = head.map_err(rpc("eth_getBlockByNumber"))?;
    Ok(head.ok_or_else(|| L1Error::Malformed("no latest block".to_owned()))?.header.timestamp)
}

/// Commits to `blobs` and proves them, on other threads.
pub(crate) async fn of(blobs: Vec<Blob>, proofs: Proofs) -> Result<BlobTransactionSidecarVariant, L1Error> {
    off_path(move || kzg::sidecar(blobs, proofs)).await
}

/// The bytes of `tx` with the other kind of proofs.
///
/// # Errors
/// [`L1Error::Journaled`] if `tx` is not readable or has no blobs, [`L1Error::Kzg`] if they cannot be proven.
pub(crate) async fn converted(tx: &PreparedTx) -> Result<Bytes, L1Error> {
    let PooledTx::Eip4844(signed) = tx.decode()? else {
        return Err(L1Error::Journaled { hash: tx.hash, reason: "it has no blobs".to_owned() });
    };
    let (TxEip4844WithSidecar { tx, sidecar }, signature, hash) = signed.into_parts();
    let sidecar = off_path(move || kzg::converted(sidecar)).await?;
    let tx = Signed::new_unchecked(TxEip4844WithSidecar { tx, sidecar }, signature, hash);
    Ok(PooledTx::Eip4844(tx).encoded_2718().into())
}

/// Runs KZG arithmetic where it does not hold up what waits.
async fn off_path<T: Send + 'static>(
    compute: impl FnOnce() -> Result<T, L1Error> + Send + 'static,
) -> Result<T, L1Error> {
    spawn_blocking(compute).await.map_err(|error| L1Error::Kzg(error.to_string()))?
}
