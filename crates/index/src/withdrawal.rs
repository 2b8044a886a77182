//! Withdrawals: what the `L2ToL1MessagePasser` announced.

use alloy_primitives::{Address, B256, Bytes, U256};
use lockstep_primitives::BlockNumber;
use sqlx::{FromRow, PgExecutor};

use crate::{
    IndexError,
    convert::{to_address, to_bigint, to_hash, to_u64, to_u256},
};

/// A withdrawal on L2; the fields that L1 hashes, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredWithdrawal {
    /// Number of the block.
    pub block_number: BlockNumber,
    /// Position of the event in the block.
    pub log_index: u64,
    /// Hash that L1 proves.
    pub hash: B256,
    /// Hash of the L2 transaction.
    pub tx_hash: B256,
    /// Versioned nonce.
    pub nonce: U256,
    /// Sender on L2.
    pub sender: Address,
    /// Receiver on L1.
    pub target: Address,
    /// Wei.
    pub value: U256,
    /// Gas that the call on L1 gets at least.
    pub gas_limit: U256,
    /// Calldata on L1.
    pub data: Bytes,
}

#[derive(FromRow)]
struct WithdrawalRow {
    block_number: i64,
    log_index: i64,
    hash: Vec<u8>,
    tx_hash: Vec<u8>,
    nonce: Vec<u8>,
    sender: Vec<u8>,
    target: Vec<u8>,
    value: Vec<u8>,
    gas_limit: Vec<u8>,
    data: Vec<u8>,
}

impl TryFrom<WithdrawalRow> for StoredWithdrawal {
    type Error = IndexError;

    fn try_from(row: WithdrawalRow) -> Result<Self, IndexError> {
        Ok(Self {
            block_number: BlockNumber(to_u64(row.block_number, "l2_withdrawal.block_number")?),
            log_index: to_u64(row.log_index, "l2_withdrawal.log_index")?,
            hash: to_hash(&row.hash, "l2_withdrawal.hash")?,
            tx_hash: to_hash(&row.tx_hash, "l2_withdrawal.tx_hash")?,
            nonce: to_u256(&row.nonce, "l2_withdrawal.nonce")?,
            sender: to_address(&row.sender, "l2_withdrawal.sender")?,
            target: to_address(&row.target, "l2_withdrawal.target")?,
            value: to_u256(&row.value, "l2_withdrawal.value")?,
            gas_limit: to_u256(&row.gas_limit, "l2_withdrawal.gas_limit")?,
            data: row.data.into(),
        })
    }
}

macro_rules! withdrawal_query {
    ($tail:literal) => {
        concat!(
            "select block_number, log_index, hash, tx_hash, nonce, sender, target, value, gas_limit, data ",
            "from l2_withdrawal ",
            $tail
        )
    };
}

/// The withdrawal with `hash`.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if the row does not decode.
pub async fn by_hash(db: impl PgExecutor<'_>, hash: B256) -> Result<Option<StoredWithdrawal>, IndexError> {
    let row: Option<WithdrawalRow> =
        sqlx::query_as(withdrawal_query!("where hash = $1")).bind(hash.as_slice()).fetch_optional(db).await?;
    row.map(StoredWithdrawal::try_from).transpose()
}

/// The withdrawals of block `number`, in order.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn by_block(
    db: impl PgExecutor<'_>,
    number: BlockNumber,
) -> Result<Vec<StoredWithdrawal>, IndexError> {
    let rows: Vec<WithdrawalRow> =
        sqlx::query_as(withdrawal_query!("where block_number = $1 order by log_index"))
            .bind(to_bigint(number.0)?)
            .fetch_all(db)
            .await?;
    rows.into_iter().map(StoredWithdrawal::try_from).collect()
}

/// The latest withdrawals of `sender`, newest first.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn by_sender(
    db: impl PgExecutor<'_>,
    sender: Address,
    limit: u32,
) -> Result<Vec<StoredWithdrawal>, IndexError> {
    let rows: Vec<WithdrawalRow> = sqlx::query_as(withdrawal_query!(
        "where sender = $1 order by block_number desc, log_index desc limit $2"
    ))
    .bind(sender.as_slice())
    .bind(i64::from(limit))
    .fetch_all(db)
    .await?;
    rows.into_iter().map(StoredWithdrawal::try_from).collect()
}
