//! The `txpool_` namespace.

use std::collections::BTreeMap;

use alloy::consensus::Transaction as _;
use alloy::primitives::{Address, U64};
use op_alloy_rpc_types::Transaction;
use serde::Serialize;

use super::{PooledTransaction, api::Api, args::Args, error::RpcError, hex::Account, view};

/// `txpool_status`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Status {
    pending: U64,
    queued: U64,
}

/// Something about the pool's transactions that can run now, and the same about those behind a gap.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Pooled<T> {
    pending: T,
    queued: T,
}

/// By nonce.
type ByNonce<T> = BTreeMap<u64, T>;
type BySender<T> = BTreeMap<Address, ByNonce<T>>;

pub(super) async fn status(api: &Api, args: Args) -> Result<Status, RpcError> {
    args.end()?;
    let status = api.context.pool.status();
    Ok(Status { pending: U64::from(status.pending), queued: U64::from(status.queued) })
}

pub(super) async fn content(api: &Api, args: Args) -> Result<Pooled<BySender<Transaction>>, RpcError> {
    args.end()?;
    let content = api.context.pool.content();
    Ok(Pooled { pending: by_sender(&content.pending, full), queued: by_sender(&content.queued, full) })
}

pub(super) async fn content_from(
    api: &Api,
    mut args: Args,
) -> Result<Pooled<ByNonce<Transaction>>, RpcError> {
    let Account(sender) = args.required("address")?;
    args.end()?;
    let content = api.context.pool.content();
    let of_sender = |pooled: &[PooledTransaction]| {
        let own = pooled.iter().filter(|pooled| pooled.sender == sender);
        own.map(|pooled| (pooled.transaction.nonce(), full(pooled))).collect()
    };
    Ok(Pooled { pending: of_sender(&content.pending), queued: of_sender(&content.queued) })
}

pub(super) async fn inspect(api: &Api, args: Args) -> Result<Pooled<BySender<String>>, RpcError> {
    args.end()?;
    let content = api.context.pool.content();
    Ok(Pooled { pending: by_sender(&content.pending, line), queued: by_sender(&content.queued, line) })
}

fn by_sender<T>(pooled: &[PooledTransaction], show: fn(&PooledTransaction) -> T) -> BySender<T> {
    let mut all = BySender::new();
    for one in pooled {
        all.entry(one.sender).or_default().insert(one.transaction.nonce(), show(one));
    }
    all
}

fn full(pooled: &PooledTransaction) -> Transaction {
    view::pooled(&pooled.transaction, pooled.sender)
}

/// geth's line for people.
fn line(pooled: &PooledTransaction) -> String {
    let tx = &pooled.transaction;
    let target = tx.to().map_or_else(|| "contract creation".to_owned(), |to| to.to_string());
    format!("{target}: {} wei + {} gas × {} wei", tx.value(), tx.gas_limit(), tx.max_fee_per_gas())
}
