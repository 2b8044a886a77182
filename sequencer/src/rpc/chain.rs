//! Blocks, transactions and receipts.

use alloy::eips::{BlockId, Encodable2718};
use alloy::primitives::{Address, B256, Bytes, U64};
use alloy::rpc::types::{Block as RpcBlock, BlockTransactions, Header as RpcHeader};
use lockstep_index::{block, block::StoredHeader, receipt, transaction, transaction::StoredTransaction};
use lockstep_primitives::{BlockNumber, OpTxEnvelope, TxIndex};
use op_alloy_rpc_types::{OpTransactionReceipt, Transaction};
use serde::Serialize;
use serde_json::Value;

use super::{
    api::{Api, blocking},
    args::Args,
    error::RpcError,
    hex::{Account, Block, Hash, Number, Tag},
    view,
};

/// execution-apis: a block without an access list.
const NO_ACCESS_LIST: i32 = 4445;

pub(super) async fn block_number(api: &Api, args: Args) -> Result<U64, RpcError> {
    args.end()?;
    Ok(U64::from(api.heads().unsafe_head.number.0))
}

/// A block as it is sealed, or as it is open.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum AnyBlock {
    Sealed(Box<RpcBlock<Transaction>>),
    Open(Value),
}

pub(super) async fn block_by_number(api: &Api, mut args: Args) -> Result<Option<AnyBlock>, RpcError> {
    let Tag(number) = args.required("block number")?;
    let full = args.optional("full transactions")?.unwrap_or(false);
    args.end()?;
    if let Some(open) = api.pending(number.into()).await {
        // Roots of thousands of transactions take milliseconds.
        let view = blocking(move || view::open_block(&open, full).map_err(RpcError::internal)).await?;
        return Ok(Some(AnyBlock::Open(view)));
    }
    let sealed = block_view(api, number.into(), full).await?;
    Ok(sealed.map(|block| AnyBlock::Sealed(Box::new(block))))
}

pub(super) async fn block_by_hash(
    api: &Api,
    mut args: Args,
) -> Result<Option<RpcBlock<Transaction>>, RpcError> {
    let Hash(hash) = args.required("block hash")?;
    let full = args.optional("full transactions")?.unwrap_or(false);
    args.end()?;
    block_view(api, hash.into(), full).await
}

async fn block_view(api: &Api, id: BlockId, full: bool) -> Result<Option<RpcBlock<Transaction>>, RpcError> {
    let Some(stored) = api.find(id).await? else { return Ok(None) };
    let pool = api.context.index.pool();
    let transactions = if full {
        let Some(sealed) = block::by_hash(pool, stored.hash).await? else { return Ok(None) };
        BlockTransactions::Full(view::transactions(&sealed))
    } else {
        let number = BlockNumber(stored.header.number);
        BlockTransactions::Hashes(transaction::hashes_of_block(pool, number).await?)
    };
    Ok(Some(view::block(&stored, transactions)))
}

pub(super) async fn transaction_count_by_number(api: &Api, mut args: Args) -> Result<Option<U64>, RpcError> {
    let Tag(number) = args.required("block number")?;
    args.end()?;
    if let Some(open) = api.pending(number.into()).await {
        return Ok(Some(U64::from(open.transactions.len())));
    }
    Ok(count(api.find(number.into()).await?))
}

pub(super) async fn transaction_count_by_hash(api: &Api, mut args: Args) -> Result<Option<U64>, RpcError> {
    let Hash(hash) = args.required("block hash")?;
    args.end()?;
    Ok(count(api.find(hash.into()).await?))
}

fn count(stored: Option<StoredHeader>) -> Option<U64> {
    stored.map(|stored| U64::from(stored.tx_count))
}

pub(super) async fn header_by_number(api: &Api, mut args: Args) -> Result<Option<RpcHeader>, RpcError> {
    let Tag(number) = args.required("block number")?;
    args.end()?;
    if number.is_pending() {
        return Ok(None); // execution-apis: a block that may still change has no header
    }
    Ok(api.find(number.into()).await?.as_ref().map(header_view))
}

pub(super) async fn header_by_hash(api: &Api, mut args: Args) -> Result<Option<RpcHeader>, RpcError> {
    let Hash(hash) = args.required("block hash")?;
    args.end()?;
    Ok(api.find(hash.into()).await?.as_ref().map(header_view))
}

fn header_view(stored: &StoredHeader) -> RpcHeader {
    view::header(&stored.header, stored.hash, None)
}

/// Headers of this chain do not commit to an access list (EIP-7928).
pub(super) async fn block_access_list(api: &Api, mut args: Args) -> Result<Option<()>, RpcError> {
    let Block(block) = args.required("block")?;
    args.end()?;
    if api.find(block).await?.is_none() {
        return Ok(None);
    }
    let text = "Block access list not available for pre-Amsterdam blocks".to_owned();
    Err(RpcError::Coded { code: NO_ACCESS_LIST, text })
}

// Blocks of L2 have no uncles.

pub(super) async fn uncle_by_number_and_index(_api: &Api, mut args: Args) -> Result<Option<()>, RpcError> {
    let Tag(_) = args.required("block number")?;
    let Number(_) = args.required("index")?;
    args.end()?;
    Ok(None)
}

pub(super) async fn uncle_by_hash_and_index(_api: &Api, mut args: Args) -> Result<Option<()>, RpcError> {
    let Hash(_) = args.required("block hash")?;
    let Number(_) = args.required("index")?;
    args.end()?;
    Ok(None)
}

pub(super) async fn uncle_count_by_number(api: &Api, mut args: Args) -> Result<Option<U64>, RpcError> {
    let Tag(number) = args.required("block number")?;
    args.end()?;
    Ok(api.find(number.into()).await?.map(|_| U64::ZERO))
}

pub(super) async fn uncle_count_by_hash(api: &Api, mut args: Args) -> Result<Option<U64>, RpcError> {
    let Hash(hash) = args.required("block hash")?;
    args.end()?;
    Ok(api.find(hash.into()).await?.map(|_| U64::ZERO))
}

/// What is in no sealed block yet has no place, be it executed or not, as in geth.
pub(super) async fn transaction_by_hash(api: &Api, mut args: Args) -> Result<Option<Transaction>, RpcError> {
    let Hash(hash) = args.required("transaction hash")?;
    args.end()?;
    // What waits is looked for first: what leaves there meanwhile is in the index by then.
    if let Some((transaction, sender)) = waiting(api, hash) {
        return Ok(Some(view::pooled(&transaction, sender)));
    }
    let stored = transaction::by_hash(api.context.index.pool(), hash).await?;
    Ok(stored.map(|stored| match api.is_told(stored.block_number) {
        true => view::transaction(stored),
        false => view::pooled(&stored.transaction, stored.sender),
    }))
}

pub(super) async fn raw_transaction_by_hash(api: &Api, mut args: Args) -> Result<Option<Bytes>, RpcError> {
    let Hash(hash) = args.required("transaction hash")?;
    args.end()?;
    if let Some((transaction, _)) = waiting(api, hash) {
        return Ok(Some(transaction.encoded_2718().into()));
    }
    Ok(transaction::by_hash(api.context.index.pool(), hash).await?.as_ref().map(raw))
}

/// A transaction in the pool or in a block that is not sealed, and its sender.
fn waiting(api: &Api, hash: B256) -> Option<(OpTxEnvelope, Address)> {
    let pooled = api.context.pool.by_hash(hash).map(|pooled| (pooled.transaction, pooled.sender));
    pooled.or_else(|| {
        let batch = api.context.pending.find(hash)?;
        let executed = batch.transactions.first()?;
        Some((executed.transaction.clone(), executed.sender))
    })
}

pub(super) async fn transaction_by_sender_and_nonce(
    api: &Api,
    mut args: Args,
) -> Result<Option<Transaction>, RpcError> {
    let Account(sender) = args.required("sender")?;
    let Number(nonce) = args.required("nonce")?;
    args.end()?;
    let found = transaction::by_sender_and_nonce(api.context.index.pool(), sender, nonce).await?;
    Ok(found.filter(|stored| api.is_told(stored.block_number)).map(view::transaction))
}

pub(super) async fn transaction_by_number_and_index(
    api: &Api,
    mut args: Args,
) -> Result<Option<Transaction>, RpcError> {
    let Tag(number) = args.required("block number")?;
    let Number(index) = args.required("index")?;
    args.end()?;
    if let Some(open) = api.pending(number.into()).await {
        let found = usize::try_from(index).ok().and_then(|index| open.transactions.get(index));
        return Ok(found.map(|found| view::open_transaction(&open.header, found)));
    }
    at_index(api, api.number(number), index).await
}

pub(super) async fn transaction_by_hash_and_index(
    api: &Api,
    mut args: Args,
) -> Result<Option<Transaction>, RpcError> {
    let Hash(hash) = args.required("block hash")?;
    let Number(index) = args.required("index")?;
    args.end()?;
    let Some(stored) = api.find(hash.into()).await? else { return Ok(None) };
    at_index(api, BlockNumber(stored.header.number), index).await
}

pub(super) async fn raw_transaction_by_number_and_index(
    api: &Api,
    mut args: Args,
) -> Result<Option<Bytes>, RpcError> {
    let Tag(number) = args.required("block number")?;
    let Number(index) = args.required("index")?;
    args.end()?;
    Ok(stored_at(api, api.number(number), index).await?.as_ref().map(raw))
}

pub(super) async fn raw_transaction_by_hash_and_index(
    api: &Api,
    mut args: Args,
) -> Result<Option<Bytes>, RpcError> {
    let Hash(hash) = args.required("block hash")?;
    let Number(index) = args.required("index")?;
    args.end()?;
    let Some(stored) = api.find(hash.into()).await? else { return Ok(None) };
    Ok(stored_at(api, BlockNumber(stored.header.number), index).await?.as_ref().map(raw))
}

fn raw(stored: &StoredTransaction) -> Bytes {
    stored.transaction.encoded_2718().into()
}

async fn at_index(api: &Api, number: BlockNumber, index: u64) -> Result<Option<Transaction>, RpcError> {
    Ok(stored_at(api, number, index).await?.map(view::transaction))
}

async fn stored_at(
    api: &Api,
    number: BlockNumber,
    index: u64,
) -> Result<Option<StoredTransaction>, RpcError> {
    let Ok(index) = u32::try_from(index) else { return Ok(None) };
    if !api.is_told(number) {
        return Ok(None);
    }
    Ok(transaction::by_block_index(api.context.index.pool(), number, TxIndex(index)).await?)
}

/// Null until the block is sealed: whoever has a receipt may read its effects under `latest`.
pub(super) async fn transaction_receipt(
    api: &Api,
    mut args: Args,
) -> Result<Option<OpTransactionReceipt>, RpcError> {
    let Hash(hash) = args.required("transaction hash")?;
    args.end()?;
    receipt_of(api, hash).await
}

pub(super) async fn receipt_of(api: &Api, hash: B256) -> Result<Option<OpTransactionReceipt>, RpcError> {
    let stored = receipt::by_hash(api.context.index.pool(), hash).await?;
    let told = stored.filter(|stored| api.is_told(BlockNumber(stored.header.number)));
    Ok(told.map(|stored| view::receipt(&stored)))
}

pub(super) async fn block_receipts(
    api: &Api,
    mut args: Args,
) -> Result<Option<Vec<OpTransactionReceipt>>, RpcError> {
    let Block(id) = args.required("block")?;
    args.end()?;
    if let Some(open) = api.pending(id).await {
        return Ok(Some(view::open_receipts(&open)));
    }
    let Some(stored) = api.find(id).await? else { return Ok(None) };
    let sealed = block::by_hash(api.context.index.pool(), stored.hash).await?;
    Ok(sealed.map(|sealed| view::receipts(&sealed)))
}
