//! Transactions and where they stand.

use alloy_eips::Decodable2718;
use alloy_primitives::{Address, B256};
use lockstep_primitives::{BlockNumber, OpTxEnvelope, TxIndex};
use sqlx::{FromRow, PgExecutor};

use crate::{
    IndexError,
    convert::{to_address, to_bigint, to_hash, to_integer, to_u32, to_u64},
};

/// A transaction in a block.
#[derive(Clone, Debug)]
pub struct StoredTransaction {
    /// The transaction.
    pub transaction: OpTxEnvelope,
    /// Its sender.
    pub sender: Address,
    /// Position in the block.
    pub index: TxIndex,
    /// Number of the block.
    pub block_number: BlockNumber,
    /// Hash of the block.
    pub block_hash: B256,
    /// Seconds since the Unix epoch of the block.
    pub block_timestamp: u64,
    /// Wei per gas that the block asks, for the effective price.
    pub base_fee: u64,
    /// Nonce that a deposit ran with.
    pub deposit_nonce: Option<u64>,
}

#[derive(FromRow)]
struct TransactionRow {
    block_number: i64,
    tx_index: i32,
    sender: Vec<u8>,
    raw: Vec<u8>,
    block_hash: Vec<u8>,
    header: Vec<u8>,
    receipt: Vec<u8>,
}

impl TryFrom<TransactionRow> for StoredTransaction {
    type Error = IndexError;

    fn try_from(row: TransactionRow) -> Result<Self, IndexError> {
        let header = crate::block::decode_header(&row.header)?;
        let receipt = crate::receipt::decode_receipt(&row.receipt)?;
        Ok(Self {
            transaction: decode_transaction(&row.raw)?,
            sender: to_address(&row.sender, "l2_tx.sender")?,
            index: TxIndex(to_u32(row.tx_index, "l2_tx.tx_index")?),
            block_number: BlockNumber(to_u64(row.block_number, "l2_tx.block_number")?),
            block_hash: to_hash(&row.block_hash, "l2_block.hash")?,
            block_timestamp: header.timestamp,
            base_fee: header.base_fee_per_gas.unwrap_or_default(),
            deposit_nonce: receipt.deposit_nonce(),
        })
    }
}

macro_rules! transaction_query {
    ($tail:literal) => {
        concat!(
            "select t.block_number, t.tx_index, t.sender, t.raw, b.hash as block_hash, b.header, ",
            "r.body as receipt from l2_tx t join l2_block b on b.number = t.block_number ",
            "join l2_receipt r on r.block_number = t.block_number and r.tx_index = t.tx_index ",
            $tail
        )
    };
}

/// The transaction with `hash`, if a block holds it.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if the row does not decode.
pub async fn by_hash(db: impl PgExecutor<'_>, hash: B256) -> Result<Option<StoredTransaction>, IndexError> {
    let row: Option<TransactionRow> = sqlx::query_as(transaction_query!("where t.hash = $1"))
        .bind(hash.as_slice())
        .fetch_optional(db)
        .await?;
    row.map(StoredTransaction::try_from).transpose()
}

/// The transaction at `index` of block `number`.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if the row does not decode.
pub async fn by_block_index(
    db: impl PgExecutor<'_>,
    number: BlockNumber,
    index: TxIndex,
) -> Result<Option<StoredTransaction>, IndexError> {
    let Ok(index) = to_integer(index.0 as usize) else { return Ok(None) };
    let row: Option<TransactionRow> =
        sqlx::query_as(transaction_query!("where t.block_number = $1 and t.tx_index = $2"))
            .bind(to_bigint(number.0)?)
            .bind(index)
            .fetch_optional(db)
            .await?;
    row.map(StoredTransaction::try_from).transpose()
}

/// Hashes of the transactions of block `number`, in order; empty for an unknown block.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn hashes_of_block(db: impl PgExecutor<'_>, number: BlockNumber) -> Result<Vec<B256>, IndexError> {
    let rows: Vec<Vec<u8>> =
        sqlx::query_scalar("select hash from l2_tx where block_number = $1 order by tx_index")
            .bind(to_bigint(number.0)?)
            .fetch_all(db)
            .await?;
    rows.iter().map(|hash| to_hash(hash, "l2_tx.hash")).collect()
}

/// Reads stored EIP-2718 bytes.
pub(crate) fn decode_transaction(raw: &[u8]) -> Result<OpTxEnvelope, IndexError> {
    OpTxEnvelope::decode_2718_exact(raw).map_err(|_| IndexError::Corrupt("l2_tx.raw"))
}
