//! Blocks, transactions and receipts.

use alloy::eips::{BlockId, BlockNumberOrTag, Encodable2718};
use alloy::primitives::{B256, Bytes, U64};
use alloy::rpc::types::{Block, BlockTransactions};
use lockstep_index::{block, block::StoredHeader, receipt, transaction};
use lockstep_primitives::{BlockNumber, TxIndex};
use op_alloy_rpc_types::{OpTransactionReceipt, Transaction};

use super::{api::Api, args::Args, error::RpcError, view};

pub(super) async fn block_number(api: &Api, args: Args) -> Result<U64, RpcError> {
    args.end()?;
    Ok(U64::from(api.heads().unsafe_head.number.0))
}

pub(super) async fn block_by_number(
    api: &Api,
    mut args: Args,
) -> Result<Option<Block<Transaction>>, RpcError> {
    let number: BlockNumberOrTag = args.required("block number")?;
    let full = args.optional("full transactions")?.unwrap_or(false);
    args.end()?;
    block_view(api, number.into(), full).await
}

pub(super) async fn block_by_hash(api: &Api, mut args: Args) -> Result<Option<Block<Transaction>>, RpcError> {
    let hash: B256 = args.required("block hash")?;
    let full = args.optional("full transactions")?.unwrap_or(false);
    args.end()?;
    block_view(api, hash.into(), full).await
}

async fn block_view(api: &Api, id: BlockId, full: bool) -> Result<Option<Block<Transaction>>, RpcError> {
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
    let number: BlockNumberOrTag = args.required("block number")?;
    args.end()?;
    Ok(count(api.find(number.into()).await?))
}

pub(super) async fn transaction_count_by_hash(api: &Api, mut args: Args) -> Result<Option<U64>, RpcError> {
    let hash: B256 = args.required("block hash")?;
    args.end()?;
    Ok(count(api.find(hash.into()).await?))
}

fn count(stored: Option<StoredHeader>) -> Option<U64> {
    stored.map(|stored| U64::from(stored.tx_count))
}

/// Blocks of L2 have no uncles.
pub(super) async fn uncle_count(api: &Api, mut args: Args) -> Result<Option<U64>, RpcError> {
    let block: BlockId = args.required("block")?;
    args.end()?;
    Ok(api.find(block).await?.map(|_| U64::ZERO))
}

pub(super) async fn transaction_by_hash(api: &Api, mut args: Args) -> Result<Option<Transaction>, RpcError> {
    let hash: B256 = args.required("transaction hash")?;
    args.end()?;
    if let Some(stored) = transaction::by_hash(api.context.index.pool(), hash).await? {
        let told = api.is_told(stored.block_number);
        return Ok(Some(if told {
            view::transaction(stored)
        } else {
            view::pooled(&stored.transaction, stored.sender)
        }));
    }
    let pooled = api.context.pool.by_hash(hash);
    Ok(pooled.map(|pooled| view::pooled(&pooled.transaction, pooled.sender)))
}

pub(super) async fn raw_transaction_by_hash(api: &Api, mut args: Args) -> Result<Option<Bytes>, RpcError> {
    let hash: B256 = args.required("transaction hash")?;
    args.end()?;
    let stored = transaction::by_hash(api.context.index.pool(), hash).await?.map(|stored| stored.transaction);
    let found = stored.or_else(|| api.context.pool.by_hash(hash).map(|pooled| pooled.transaction));
    Ok(found.map(|tx| tx.encoded_2718().into()))
}

pub(super) async fn transaction_by_number_and_index(
    api: &Api,
    mut args: Args,
) -> Result<Option<Transaction>, RpcError> {
    let number: BlockNumberOrTag = args.required("block number")?;
    let index: U64 = args.required("index")?;
    args.end()?;
    at_index(api, api.number(number), index).await
}

pub(super) async fn transaction_by_hash_and_index(
    api: &Api,
    mut args: Args,
) -> Result<Option<Transaction>, RpcError> {
    let hash: B256 = args.required("block hash")?;
    let index: U64 = args.required("index")?;
    args.end()?;
    let Some(stored) = api.find(hash.into()).await? else { return Ok(None) };
    at_index(api, BlockNumber(stored.header.number), index).await
}

async fn at_index(api: &Api, number: BlockNumber, index: U64) -> Result<Option<Transaction>, RpcError> {
    let Ok(index) = u32::try_from(index) else { return Ok(None) };
    if !api.is_told(number) {
        return Ok(None);
    }
    let found = transaction::by_block_index(api.context.index.pool(), number, TxIndex(index)).await?;
    Ok(found.map(view::transaction))
}

pub(super) async fn transaction_receipt(
    api: &Api,
    mut args: Args,
) -> Result<Option<OpTransactionReceipt>, RpcError> {
    let hash: B256 = args.required("transaction hash")?;
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
    let id: BlockId = args.required("block")?;
    args.end()?;
    let Some(stored) = api.find(id).await? else { return Ok(None) };
    let sealed = block::by_hash(api.context.index.pool(), stored.hash).await?;
    Ok(sealed.map(|sealed| view::receipts(&sealed)))
}
