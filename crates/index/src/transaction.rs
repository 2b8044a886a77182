//! Transactions and where they stand.

use std::{cmp::Ordering, ops::RangeInclusive};

use alloy_consensus::Transaction as _;
use alloy_eips::Decodable2718;
use alloy_primitives::{Address, B256};
use lockstep_primitives::{BlockNumber, OpTxEnvelope, TxIndex};
use sqlx::{FromRow, PgExecutor, PgPool};

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

impl StoredTransaction {
    /// Nonce that it ran with.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        self.deposit_nonce.unwrap_or_else(|| self.transaction.nonce())
    }
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
    ($($tail:tt)*) => {
        concat!(
            "select t.block_number, t.tx_index, t.sender, t.raw, b.hash as block_hash, b.header, ",
            "r.body as receipt from l2_tx t join l2_block b on b.number = t.block_number ",
            "join l2_receipt r on r.block_number = t.block_number and r.tx_index = t.tx_index ",
            $($tail)*
        )
    };
}

/// In which order of the chain to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Ascending,
    /// Newest first.
    Descending,
}

// Each role has an index that ends in the place, so that no more than `$4` rows of each are read.
macro_rules! account_query {
    ($order:literal) => {
        transaction_query!(
            "join (select * from (",
            "(select block_number, tx_index from l2_tx where sender = $1 and block_number between $2 and $3 ",
            "order by block_number ", $order, ", tx_index ", $order, " limit $4) union ",
            "(select block_number, tx_index from l2_tx where recipient = $1 and block_number between $2 and $3 ",
            "order by block_number ", $order, ", tx_index ", $order, " limit $4) union ",
            "(select block_number, tx_index from l2_receipt where created = $1 and block_number between $2 and $3 ",
            "order by block_number ", $order, ", tx_index ", $order, " limit $4)) roles ",
            "order by block_number ", $order, ", tx_index ", $order, " limit $4) found ",
            "on found.block_number = t.block_number and found.tx_index = t.tx_index ",
            "order by t.block_number ", $order, ", t.tx_index ", $order
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

/// Transactions in `blocks` that `account` sent, received, or was created by; at most `limit`.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn of_account(
    db: impl PgExecutor<'_>,
    account: Address,
    blocks: RangeInclusive<BlockNumber>,
    order: Order,
    limit: usize,
) -> Result<Vec<StoredTransaction>, IndexError> {
    let query = match order {
        Order::Ascending => account_query!("asc"),
        Order::Descending => account_query!("desc"),
    };
    let rows: Vec<TransactionRow> = sqlx::query_as(query)
        .persistent(false) // a plan for any limit would read whole tables
        .bind(account.as_slice())
        .bind(to_bigint(blocks.start().0)?)
        .bind(to_bigint(blocks.end().0)?)
        .bind(i64::from(to_integer(limit)?))
        .fetch_all(db)
        .await?;
    rows.into_iter().map(StoredTransaction::try_from).collect()
}

/// The latest transaction that created `contract` itself, not through another contract.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if the row does not decode.
pub async fn creating(
    db: impl PgExecutor<'_>,
    contract: Address,
) -> Result<Option<StoredTransaction>, IndexError> {
    let row: Option<TransactionRow> = sqlx::query_as(transaction_query!(
        "where r.created = $1 order by t.block_number desc, t.tx_index desc limit 1"
    ))
    .bind(contract.as_slice())
    .fetch_optional(db)
    .await?;
    row.map(StoredTransaction::try_from).transpose()
}

/// The transaction of `sender` that ran with `nonce`.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn by_sender_and_nonce(
    db: &PgPool,
    sender: Address,
    nonce: u64,
) -> Result<Option<StoredTransaction>, IndexError> {
    // Each transaction of the sender raises the nonce, and other things may: creations of its delegated code,
    // authorizations. So the one wanted is not behind position `nonce`, and mostly it is there.
    let (mut low, mut high) = (0, nonce.saturating_add(1).min(count_of_sender(db, sender).await?));
    let mut position = high.saturating_sub(1);
    while low < high {
        let Some(stored) = at_position(db, sender, position).await? else { return Ok(None) };
        match stored.nonce().cmp(&nonce) {
            Ordering::Equal => return Ok(Some(stored)),
            Ordering::Less => low = position + 1,
            Ordering::Greater => high = position,
        }
        position = low + (high - low) / 2;
    }
    Ok(None)
}

async fn count_of_sender(db: &PgPool, sender: Address) -> Result<u64, IndexError> {
    let count: i64 = sqlx::query_scalar("select count(*) from l2_tx where sender = $1")
        .bind(sender.as_slice())
        .fetch_one(db)
        .await?;
    to_u64(count, "count")
}

/// The transaction of `sender` before which it sent `position` others.
async fn at_position(
    db: &PgPool,
    sender: Address,
    position: u64,
) -> Result<Option<StoredTransaction>, IndexError> {
    let row: Option<TransactionRow> = sqlx::query_as(transaction_query!(
        "join (select block_number, tx_index from l2_tx where sender = $1 ",
        "order by block_number, tx_index offset $2 limit 1) found ",
        "on found.block_number = t.block_number and found.tx_index = t.tx_index"
    ))
    .bind(sender.as_slice())
    .bind(to_bigint(position)?)
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
