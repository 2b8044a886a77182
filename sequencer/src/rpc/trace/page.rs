//! Blocks and lists of transactions, as the explorer Otterscan asks (docs.otterscan.io, "ots namespace spec").

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::{Address, B256, U64, U256};
use alloy::rpc::types::{
    BlockTransactions, Header,
    trace::otterscan::{BlockDetails, InternalIssuance, OtsSlimBlock},
};
use lockstep_index::{
    block, receipt,
    transaction::{self, Order, StoredTransaction},
};
use lockstep_primitives::{BlockNumber, SealedBlock};
use op_alloy_rpc_types::{OpTransactionReceipt, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::rpc::{
    api::Api,
    args::Args,
    error::RpcError,
    hex::{Account, Hash},
    view,
};

/// Characters of `0x` and a method selector.
const SELECTOR: usize = 10;

/// A block number as Otterscan writes it: JSON's own numbers beside those of Ethereum.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Number {
    Plain(u64),
    Tagged(BlockNumberOrTag),
}

impl From<Number> for BlockNumberOrTag {
    fn from(number: Number) -> Self {
        match number {
            Number::Plain(number) => number.into(),
            Number::Tagged(number) => number,
        }
    }
}

fn number(args: &mut Args) -> Result<BlockNumberOrTag, RpcError> {
    args.required::<Number>("block number").map(Into::into)
}

pub(in crate::rpc) async fn header_by_number(api: &Api, mut args: Args) -> Result<Option<Header>, RpcError> {
    let number = number(&mut args)?;
    args.end()?;
    let stored = api.find(number.into()).await?;
    Ok(stored.map(|stored| view::header(&stored.header, stored.hash, Some(stored.size_bytes))))
}

pub(in crate::rpc) async fn block_details(api: &Api, mut args: Args) -> Result<Option<Value>, RpcError> {
    let number = number(&mut args)?;
    args.end()?;
    Ok(find(api, number.into()).await?.map(|block| details(&block)))
}

pub(in crate::rpc) async fn block_details_by_hash(
    api: &Api,
    mut args: Args,
) -> Result<Option<Value>, RpcError> {
    let Hash(hash) = args.required("block hash")?;
    args.end()?;
    Ok(find(api, hash.into()).await?.map(|block| details(&block)))
}

/// A block and its header as it is told.
struct Block {
    header: Header,
    sealed: SealedBlock,
}

async fn find(api: &Api, id: alloy::eips::BlockId) -> Result<Option<Block>, RpcError> {
    let Some(stored) = api.find(id).await? else { return Ok(None) };
    let sealed = block::by_hash(api.context.index.pool(), stored.hash).await?;
    let header = view::header(&stored.header, stored.hash, Some(stored.size_bytes));
    Ok(sealed.map(|sealed| Block { header, sealed }))
}

/// The block without its transactions and bloom, and what its senders paid. Nothing is issued on L2.
fn details(block: &Block) -> Value {
    let slim = OtsSlimBlock {
        header: block.header.clone(),
        uncles: Vec::new(),
        withdrawals: Some(Default::default()),
        transaction_count: block.sealed.transactions.len(),
    };
    let total_fees = view::receipts(&block.sealed).iter().map(fee).sum();
    let mut details = json!(BlockDetails { block: slim, issuance: InternalIssuance::default(), total_fees });
    details["block"]["logsBloom"] = Value::Null;
    details
}

/// Wei that a transaction cost, L1 fee included.
fn fee(receipt: &OpTransactionReceipt) -> U256 {
    let l2 = U256::from(receipt.inner.gas_used) * U256::from(receipt.inner.effective_gas_price);
    l2 + U256::from(receipt.l1_block_info.l1_fee.unwrap_or_default())
}

/// A page of a block, with the block; page 0 has its last transactions.
pub(in crate::rpc) async fn block_transactions(api: &Api, mut args: Args) -> Result<Option<Value>, RpcError> {
    let number = number(&mut args)?;
    let page = usize::try_from(args.required::<U64>("page number")?).unwrap_or(usize::MAX);
    let size = page_size(api, &mut args)?;
    args.end()?;
    let Some(Block { header, sealed }) = find(api, number.into()).await? else { return Ok(None) };
    let count = sealed.transactions.len();
    let end = count.saturating_sub(page.saturating_mul(size));
    let shown = end.saturating_sub(size)..end;
    let transactions = view::transactions(&sealed)[shown.clone()].to_vec();
    let block = alloy::rpc::types::Block::new(header, BlockTransactions::Full(transactions))
        .with_withdrawals(Some(Default::default()));
    let mut fullblock = json!(block);
    fullblock["logsBloom"] = Value::Null;
    fullblock["transactionCount"] = json!(count);
    fullblock["transactions"].as_array_mut().into_iter().flatten().for_each(cut_input);
    let timestamp = sealed.header.timestamp;
    let receipts: Vec<_> =
        view::receipts(&sealed)[shown].iter().map(|receipt| slim_receipt(receipt, timestamp)).collect();
    Ok(Some(json!({ "fullblock": fullblock, "receipts": receipts })))
}

fn cut_input(transaction: &mut Value) {
    if let Some(Value::String(input)) = transaction.get_mut("input") {
        input.truncate(SELECTOR);
    }
}

/// A receipt without its logs, and the time of its block.
fn slim_receipt(receipt: &OpTransactionReceipt, timestamp: u64) -> Value {
    let mut slim = json!(receipt);
    slim["logs"] = Value::Null;
    slim["logsBloom"] = Value::Null;
    slim["timestamp"] = json!(U64::from(timestamp));
    slim
}

fn page_size(api: &Api, args: &mut Args) -> Result<usize, RpcError> {
    let size: U64 = args.required("page size")?;
    let (size, limit) = (usize::try_from(size).unwrap_or(usize::MAX), api.context.limits.max_page);
    match size {
        0 => Err(RpcError::InvalidField { name: "page size", reason: "it is zero".to_owned() }),
        size if size > limit => {
            Err(RpcError::Limit(format!("page size {size} exceeds the limit of {limit} transactions")))
        }
        size => Ok(size),
    }
}

/// Transactions of an account, newest first.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::rpc) struct Page {
    txs: Vec<Transaction>,
    receipts: Vec<Value>,
    first_page: bool,
    last_page: bool,
}

/// Transactions that an account sent, received, or was created by, in blocks before the given one; 0: the newest.
pub(in crate::rpc) async fn transactions_before(api: &Api, mut args: Args) -> Result<Page, RpcError> {
    let search = Search::from_args(api, &mut args, Order::Descending)?;
    args.end()?;
    let (found, more) = search.run(api).await?;
    search.page(api, found, search.from_end, !more).await
}

/// [`transactions_before`], but in blocks after the given one; 0: the oldest.
pub(in crate::rpc) async fn transactions_after(api: &Api, mut args: Args) -> Result<Page, RpcError> {
    let search = Search::from_args(api, &mut args, Order::Ascending)?;
    args.end()?;
    let (mut found, more) = search.run(api).await?;
    found.reverse();
    search.page(api, found, !more, search.from_end).await
}

/// A walk through an account's transactions.
struct Search {
    address: Address,
    order: Order,
    from: BlockNumber,
    to: BlockNumber,
    size: usize,
    limit: usize,
    /// Whether it starts at an end of the chain.
    from_end: bool,
}

impl Search {
    fn from_args(api: &Api, args: &mut Args, order: Order) -> Result<Self, RpcError> {
        let Account(address) = args.required("address")?;
        let block = api.number(number(args)?).0;
        let (size, limit) = (page_size(api, args)?, api.context.limits.max_page);
        let head = api.heads().unsafe_head.number.0;
        let (from, to) = match order {
            _ if block == 0 => (0, head),
            Order::Descending => (0, head.min(block - 1)),
            Order::Ascending => (block.saturating_add(1), head),
        };
        let (from, to) = (BlockNumber(from), BlockNumber(to));
        Ok(Self { address, order, from, to, size, limit, from_end: block == 0 })
    }

    /// At least `size` transactions where there are as many, and whether there are more. A block is not cut in two,
    /// since the next page begins at the next block; only one that has more of them than the node tells at once is.
    async fn run(&self, api: &Api) -> Result<(Vec<StoredTransaction>, bool), RpcError> {
        let mut found = self.find(api, self.from, self.to, self.size + 1).await?;
        if found.len() <= self.size {
            return Ok((found, false));
        }
        let last = found[self.size - 1].block_number;
        found.truncate(self.size);
        found.retain(|stored| stored.block_number != last);
        found.extend(self.find(api, last, last, self.limit).await?);
        let more = match self.order {
            Order::Descending => self.find(api, self.from, BlockNumber(last.0.saturating_sub(1)), 1).await?,
            Order::Ascending => self.find(api, BlockNumber(last.0 + 1), self.to, 1).await?,
        };
        Ok((found, !more.is_empty()))
    }

    async fn find(
        &self,
        api: &Api,
        from: BlockNumber,
        to: BlockNumber,
        limit: usize,
    ) -> Result<Vec<StoredTransaction>, RpcError> {
        let pool = api.context.index.pool();
        Ok(transaction::of_account(pool, self.address, from..=to, self.order, limit).await?)
    }

    async fn page(
        &self,
        api: &Api,
        found: Vec<StoredTransaction>,
        first_page: bool,
        last_page: bool,
    ) -> Result<Page, RpcError> {
        let hashes: Vec<B256> = found.iter().map(|stored| stored.transaction.tx_hash()).collect();
        let receipts = receipt::by_hashes(api.context.index.pool(), &hashes).await?;
        let receipts =
            receipts.iter().map(|stored| slim_receipt(&view::receipt(stored), stored.header.timestamp));
        Ok(Page {
            receipts: receipts.collect(),
            txs: found.into_iter().map(view::transaction).collect(),
            first_page,
            last_page,
        })
    }
}

/// The hash of a sender's transaction.
pub(in crate::rpc) async fn transaction_by_sender_and_nonce(
    api: &Api,
    mut args: Args,
) -> Result<Option<B256>, RpcError> {
    let Account(sender) = args.required("sender")?;
    let nonce: U64 = args.required("nonce")?;
    args.end()?;
    let found = transaction::by_sender_and_nonce(api.context.index.pool(), sender, nonce.to()).await?;
    let told = found.filter(|stored| api.is_told(stored.block_number));
    Ok(told.map(|stored| stored.transaction.tx_hash()))
}
