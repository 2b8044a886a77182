//! The open block, as JSON-RPC shows it under `pending`.

use alloy::consensus::transaction::TransactionInfo;
use alloy::primitives::B256;
use alloy::rpc::types::{Block, BlockTransactions};
use op_alloy_rpc_types::{OpTransactionReceipt, Transaction};
use serde::Serialize;
use serde_json::Value;

use super::{PendingBatch, PendingBlock, error::RpcError, view};

/// A sealed block, or the open one.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum AnyBlock {
    Sealed(Option<Box<Block<Transaction>>>),
    Open(Value),
}

impl AnyBlock {
    /// The open block: what is not known before it is sealed is null, roots and bloom are zero.
    pub(super) fn open(open: &PendingBlock, full: bool) -> Result<Self, RpcError> {
        let transactions = if full {
            BlockTransactions::Full(
                (0..open.transactions.len()).filter_map(|i| transaction(open, i)).collect(),
            )
        } else {
            BlockTransactions::Hashes(open.transactions.iter().map(|tx| tx.transaction.tx_hash()).collect())
        };
        let header = view::header(&open.header, B256::ZERO, None);
        let block = Block::new(header, transactions).with_withdrawals(Some(Default::default()));
        let mut block = serde_json::to_value(block).map_err(RpcError::internal)?;
        for unknown in ["hash", "nonce"] {
            block[unknown] = Value::Null;
        }
        Ok(Self::Open(block))
    }
}

/// The open block's transaction at `index`.
pub(super) fn transaction(open: &PendingBlock, index: usize) -> Option<Transaction> {
    let tx = open.transactions.get(index)?;
    let info = TransactionInfo {
        hash: Some(tx.transaction.tx_hash()),
        index: Some(tx.index),
        block_hash: None,
        block_number: Some(open.header.number),
        block_timestamp: Some(open.header.timestamp),
        base_fee: open.header.base_fee_per_gas,
    };
    Some(view::placed(tx.transaction.clone(), tx.sender, info, tx.receipt.deposit_nonce()))
}

/// Receipts of all that the open block holds.
pub(super) fn receipts(open: &PendingBlock) -> Vec<OpTransactionReceipt> {
    let Some(attributes) = open.transactions.first().cloned() else { return Vec::new() };
    let header = std::sync::Arc::new(open.header.clone());
    view::pending_receipts(&PendingBatch { header, attributes, transactions: open.transactions.clone() })
}
