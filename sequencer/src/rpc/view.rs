//! Blocks, transactions, receipts and logs as JSON-RPC shows them. Pure.

use std::sync::Arc;

use alloy::consensus::{
    Block as ConsensusBlock, BlockBody, BlockHeader, ReceiptWithBloom, Sealed, Transaction as _,
    transaction::{Recovered, TransactionInfo},
};
use alloy::eips::Encodable2718;
use alloy::primitives::{Address, B256, U256};
use alloy::rlp::Encodable as _;
use alloy::rpc::types::{Block, BlockTransactions, Header as RpcHeader, Log as RpcLog, TransactionReceipt};
use lockstep_derive::L1Attributes;
use lockstep_index::{
    block::StoredHeader, log::StoredLog, receipt::StoredReceipt, transaction::StoredTransaction,
};
use lockstep_primitives::{Header, OpReceiptEnvelope, OpTxEnvelope, SealedBlock};
use lockstep_stf::commit_to_contents;
use op_alloy_consensus::{
    OpReceipt,
    transaction::{OpDepositInfo, OpTransactionInfo},
};
use op_alloy_rpc_types::{L1BlockInfo, OpTransactionReceipt, Transaction};
use op_revm::{OpSpecId, estimate_tx_compressed_size};

use serde_json::Value;

use super::{PendingBatch, PendingBlock, PendingTransaction};

/// OP's receipt version since Canyon, which deposits carry.
const DEPOSIT_RECEIPT_VERSION: u64 = 1;

pub(super) fn header(header: &Header, hash: B256, size_bytes: Option<u64>) -> RpcHeader {
    let sealed = Sealed::new_unchecked(header.clone(), hash);
    RpcHeader::from_consensus(sealed, None, size_bytes.map(U256::from))
}

pub(super) fn block(
    stored: &StoredHeader,
    transactions: BlockTransactions<Transaction>,
) -> Block<Transaction> {
    Block::new(header(&stored.header, stored.hash, Some(stored.size_bytes)), transactions)
        .with_withdrawals(Some(Default::default()))
}

/// The open block: what is not known before it is sealed is null, as in geth, or empty.
pub(super) fn open_block(open: &PendingBlock, full: bool) -> serde_json::Result<Value> {
    let envelopes: Vec<OpTxEnvelope> = open.transactions.iter().map(|tx| tx.transaction.clone()).collect();
    let gas_used = open.transactions.last().map_or(0, |tx| tx.receipt.cumulative_gas_used());
    let receipts: Vec<OpReceiptEnvelope> = open.transactions.iter().map(|tx| tx.receipt.clone()).collect();
    let mut known = Header { gas_used, ..open.header.clone() };
    commit_to_contents(&mut known, &envelopes, &receipts);
    let size_bytes = size_bytes(&known, &envelopes);
    let transactions = if full {
        let views = open.transactions.iter().map(|tx| open_transaction(&open.header, tx));
        BlockTransactions::Full(views.collect())
    } else {
        BlockTransactions::Hashes(envelopes.iter().map(OpTxEnvelope::tx_hash).collect())
    };
    let header = header(&known, B256::ZERO, Some(size_bytes));
    let block = Block::new(header, transactions).with_withdrawals(Some(Default::default()));
    let mut json = serde_json::to_value(block)?;
    for unknown in ["hash", "nonce"] {
        json[unknown] = Value::Null;
    }
    Ok(json)
}

/// A transaction of the open block: its place is final, the block's hash is not known.
pub(super) fn open_transaction(header: &Header, pending: &PendingTransaction) -> Transaction {
    let info = TransactionInfo {
        hash: Some(pending.transaction.tx_hash()),
        index: Some(pending.index),
        block_hash: None,
        block_number: Some(header.number),
        block_timestamp: Some(header.timestamp),
        base_fee: header.base_fee_per_gas,
    };
    placed(pending.transaction.clone(), pending.sender, info, pending.receipt.deposit_nonce())
}

/// Bytes of a block in RLP.
pub(super) fn size_bytes(header: &Header, transactions: &[OpTxEnvelope]) -> u64 {
    let withdrawals = Some(Default::default());
    let body = BlockBody { transactions: transactions.to_vec(), ommers: Vec::new(), withdrawals };
    ConsensusBlock::new(header.clone(), body).length() as u64
}

/// A transaction that waits in the pool.
pub(super) fn pooled(transaction: &OpTxEnvelope, sender: Address) -> Transaction {
    let recovered = Recovered::new_unchecked(transaction.clone(), sender);
    Transaction::from_transaction(recovered, OpTransactionInfo::default())
}

pub(super) fn transaction(stored: StoredTransaction) -> Transaction {
    let info = TransactionInfo {
        hash: Some(stored.transaction.tx_hash()),
        index: Some(stored.index.0.into()),
        block_hash: Some(stored.block_hash),
        block_number: Some(stored.block_number.0),
        block_timestamp: Some(stored.block_timestamp),
        base_fee: Some(stored.base_fee),
    };
    placed(stored.transaction, stored.sender, info, stored.deposit_nonce)
}

/// All transactions of a block.
pub(super) fn transactions(sealed: &SealedBlock) -> Vec<Transaction> {
    let parts = sealed.transactions.iter().zip(&sealed.senders).zip(&sealed.receipts);
    let view = |(index, ((tx, sender), receipt)): (u64, ((&OpTxEnvelope, &Address), &OpReceiptEnvelope))| {
        let info = TransactionInfo {
            hash: Some(tx.tx_hash()),
            index: Some(index),
            block_hash: Some(sealed.hash),
            block_number: Some(sealed.header.number),
            block_timestamp: Some(sealed.header.timestamp),
            base_fee: sealed.header.base_fee_per_gas,
        };
        placed(tx.clone(), *sender, info, receipt.deposit_nonce())
    };
    (0..).zip(parts).map(view).collect()
}

fn placed(
    tx: OpTxEnvelope,
    sender: Address,
    inner: TransactionInfo,
    deposit_nonce: Option<u64>,
) -> Transaction {
    let deposit_receipt_version = tx.is_deposit().then_some(DEPOSIT_RECEIPT_VERSION);
    let deposit_meta = OpDepositInfo { deposit_nonce, deposit_receipt_version };
    Transaction::from_transaction(
        Recovered::new_unchecked(tx, sender),
        OpTransactionInfo::new(inner, deposit_meta),
    )
}

/// A receipt and all that its JSON needs.
#[derive(Clone, Copy, Debug)]
struct ReceiptParts<'a> {
    receipt: &'a OpReceiptEnvelope,
    transaction: &'a OpTxEnvelope,
    sender: Address,
    index: u64,
    gas_used: u64,
    first_log_index: u64,
    /// None before the block is sealed.
    block_hash: Option<B256>,
    header: &'a Header,
    attributes: Option<L1Attributes>,
}

pub(super) fn receipt(stored: &StoredReceipt) -> OpTransactionReceipt {
    build_receipt(&ReceiptParts {
        receipt: &stored.receipt,
        transaction: &stored.transaction,
        sender: stored.sender,
        index: stored.index.0.into(),
        gas_used: stored.gas_used,
        first_log_index: stored.first_log_index,
        block_hash: Some(stored.block_hash),
        header: &stored.header,
        attributes: attributes(Some(&stored.attributes)),
    })
}

/// All receipts of a block.
pub(super) fn receipts(sealed: &SealedBlock) -> Vec<OpTransactionReceipt> {
    let attributes = attributes(sealed.transactions.first());
    let (mut cumulative, mut first_log_index) = (0, 0);
    let parts = sealed.transactions.iter().zip(&sealed.senders).zip(&sealed.receipts);
    (0..)
        .zip(parts)
        .map(|(index, ((transaction, sender), receipt))| {
            let view = build_receipt(&ReceiptParts {
                receipt,
                transaction,
                sender: *sender,
                index,
                gas_used: receipt.cumulative_gas_used().saturating_sub(cumulative),
                first_log_index,
                block_hash: Some(sealed.hash),
                header: &sealed.header,
                attributes,
            });
            cumulative = receipt.cumulative_gas_used();
            first_log_index += receipt.logs().len() as u64;
            view
        })
        .collect()
}

/// Receipts of transactions whose block is not sealed yet: all is final but `blockHash`, which is null.
pub(super) fn pending_receipts(batch: &PendingBatch) -> Vec<OpTransactionReceipt> {
    let attributes = attributes(Some(&batch.attributes.transaction));
    let view = |tx: &Arc<PendingTransaction>| {
        build_receipt(&ReceiptParts {
            receipt: &tx.receipt,
            transaction: &tx.transaction,
            sender: tx.sender,
            index: tx.index,
            gas_used: tx.gas_used,
            first_log_index: tx.first_log_index,
            block_hash: None,
            header: &batch.header,
            attributes,
        })
    };
    batch.transactions.iter().map(view).collect()
}

/// Receipts of the open block so far.
pub(super) fn open_receipts(open: &PendingBlock) -> Vec<OpTransactionReceipt> {
    let Some(attributes) = open.transactions.first().cloned() else { return Vec::new() };
    let (header, transactions) = (Arc::new(open.header.clone()), open.transactions.clone());
    pending_receipts(&PendingBatch { header, attributes, transactions })
}

/// Where a creation puts its contract, whether it succeeds or not, as in geth.
fn contract_address(parts: &ReceiptParts<'_>) -> Option<Address> {
    let nonce = parts.receipt.deposit_nonce().unwrap_or_else(|| parts.transaction.nonce());
    parts.transaction.is_create().then(|| parts.sender.create(nonce))
}

fn attributes(first: Option<&OpTxEnvelope>) -> Option<L1Attributes> {
    L1Attributes::from_calldata(&first?.as_deposit()?.input)
}

fn build_receipt(parts: &ReceiptParts<'_>) -> OpTransactionReceipt {
    let tx = parts.transaction;
    let logs = (parts.first_log_index..).zip(parts.receipt.logs()).map(|(log_index, log)| RpcLog {
        inner: log.clone(),
        block_hash: parts.block_hash,
        block_number: Some(parts.header.number),
        block_timestamp: Some(parts.header.timestamp),
        transaction_hash: Some(tx.tx_hash()),
        transaction_index: Some(parts.index),
        log_index: Some(log_index),
        removed: false,
    });
    let logs_bloom = *parts.receipt.logs_bloom();
    let receipt = with_logs(parts.receipt.clone().into(), logs.collect());
    let fee = parts.attributes.filter(|_| !tx.is_deposit()).map(|attributes| DataFee::new(&attributes, tx));
    OpTransactionReceipt {
        inner: TransactionReceipt {
            inner: ReceiptWithBloom { receipt, logs_bloom },
            transaction_hash: tx.tx_hash(),
            transaction_index: Some(parts.index),
            block_hash: parts.block_hash,
            block_number: Some(parts.header.number),
            gas_used: parts.gas_used,
            effective_gas_price: if tx.is_deposit() {
                0
            } else {
                tx.effective_gas_price(parts.header.base_fee_per_gas())
            },
            blob_gas_used: fee.as_ref().map(|fee| fee.da_footprint),
            blob_gas_price: None,
            from: parts.sender,
            to: tx.to(),
            contract_address: contract_address(parts),
        },
        l1_block_info: fee.map(|fee| fee.info).unwrap_or_default(),
        op_gas_refund: None,
    }
}

/// What a transaction pays for its data on L1 (OP specification, "L1 cost", Fjord to Jovian).
struct DataFee {
    info: L1BlockInfo,
    /// Gas that the transaction takes of the block's data-availability footprint.
    da_footprint: u64,
}

impl DataFee {
    fn new(l1: &L1Attributes, tx: &OpTxEnvelope) -> Self {
        let raw = tx.encoded_2718();
        let mut cost = op_revm::L1BlockInfo {
            l1_base_fee: l1.base_fee,
            l1_base_fee_scalar: U256::from(l1.base_fee_scalar),
            l1_blob_base_fee: Some(l1.blob_base_fee),
            l1_blob_base_fee_scalar: Some(U256::from(l1.blob_base_fee_scalar)),
            ..op_revm::L1BlockInfo::default()
        };
        let has_operator_fee = l1.operator_fee_scalar != 0 || l1.operator_fee_constant != 0;
        let info = L1BlockInfo {
            l1_gas_price: Some(l1.base_fee.saturating_to()),
            l1_gas_used: Some(cost.data_gas(&raw, OpSpecId::KARST).saturating_to()),
            l1_fee: Some(cost.calculate_tx_l1_cost(&raw, OpSpecId::KARST).saturating_to()),
            l1_fee_scalar: None,
            l1_base_fee_scalar: Some(l1.base_fee_scalar.into()),
            l1_blob_base_fee: Some(l1.blob_base_fee.saturating_to()),
            l1_blob_base_fee_scalar: Some(l1.blob_base_fee_scalar.into()),
            // OP nodes leave these two out while the chain charges no operator fee.
            operator_fee_scalar: has_operator_fee.then(|| l1.operator_fee_scalar.into()),
            operator_fee_constant: has_operator_fee.then(|| l1.operator_fee_constant.into()),
            da_footprint_gas_scalar: Some(l1.da_footprint_gas_scalar),
        };
        let size_bytes = estimate_tx_compressed_size(&raw) / 1_000_000;
        Self { info, da_footprint: size_bytes.saturating_mul(l1.da_footprint_gas_scalar.into()) }
    }
}

fn with_logs(receipt: OpReceipt, logs: Vec<RpcLog>) -> OpReceipt<RpcLog> {
    let convert = |receipt: alloy::consensus::Receipt| alloy::consensus::Receipt {
        status: receipt.status,
        cumulative_gas_used: receipt.cumulative_gas_used,
        logs,
    };
    match receipt {
        OpReceipt::Legacy(receipt) => OpReceipt::Legacy(convert(receipt)),
        OpReceipt::Eip2930(receipt) => OpReceipt::Eip2930(convert(receipt)),
        OpReceipt::Eip1559(receipt) => OpReceipt::Eip1559(convert(receipt)),
        OpReceipt::Eip7702(receipt) => OpReceipt::Eip7702(convert(receipt)),
        OpReceipt::PostExec(receipt) => OpReceipt::PostExec(convert(receipt)),
        OpReceipt::Deposit(deposit) => OpReceipt::Deposit(op_alloy_consensus::OpDepositReceipt {
            inner: convert(deposit.inner),
            deposit_nonce: deposit.deposit_nonce,
            deposit_receipt_version: deposit.deposit_receipt_version,
        }),
    }
}

pub(super) fn log(stored: StoredLog) -> RpcLog {
    RpcLog {
        inner: alloy::primitives::Log::new_unchecked(stored.address, stored.topics, stored.data),
        block_hash: Some(stored.block_hash),
        block_number: Some(stored.block_number.0),
        block_timestamp: Some(stored.block_timestamp),
        transaction_hash: Some(stored.tx_hash),
        transaction_index: Some(stored.tx_index.0.into()),
        log_index: Some(stored.log_index),
        removed: false,
    }
}

/// All logs of a block; `removed` ones were in a block that is no longer in the chain.
pub(super) fn logs(sealed: &SealedBlock, removed: bool) -> impl Iterator<Item = RpcLog> + '_ {
    let per_tx = (0..).zip(sealed.transactions.iter().zip(&sealed.receipts));
    let all = per_tx.flat_map(|(tx_index, (tx, receipt))| {
        receipt.logs().iter().map(move |log| (tx_index, tx.tx_hash(), log))
    });
    (0..).zip(all).map(move |(log_index, (tx_index, tx_hash, log))| RpcLog {
        inner: log.clone(),
        block_hash: Some(sealed.hash),
        block_number: Some(sealed.header.number),
        block_timestamp: Some(sealed.header.timestamp),
        transaction_hash: Some(tx_hash),
        transaction_index: Some(tx_index),
        log_index: Some(log_index),
        removed,
    })
}
