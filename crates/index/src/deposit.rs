//! User deposits that blocks include.

use alloy_primitives::{Address, B256, U256};
use lockstep_primitives::{BlockNumber, TxIndex};
use sqlx::{FromRow, PgExecutor};

use crate::{
    IndexError,
    convert::{to_address, to_bigint, to_hash, to_optional_address, to_u32, to_u64, to_u256},
};

/// A deposit on L2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDeposit {
    /// Number of the block.
    pub block_number: BlockNumber,
    /// Position in the block.
    pub index: TxIndex,
    /// Names the L1 event (OP specification, "Source hash computation").
    pub source_hash: B256,
    /// Hash of the L2 transaction.
    pub tx_hash: B256,
    /// Sender on L2.
    pub sender: Address,
    /// Receiver; `None` creates a contract.
    pub recipient: Option<Address>,
    /// Wei minted to the sender.
    pub mint: U256,
    /// Wei sent to the receiver.
    pub value: U256,
    /// Gas bought on L1.
    pub gas_limit: u64,
    /// Whether execution succeeded; the mint stands either way.
    pub success: bool,
}

#[derive(FromRow)]
struct DepositRow {
    block_number: i64,
    tx_index: i32,
    source_hash: Vec<u8>,
    tx_hash: Vec<u8>,
    sender: Vec<u8>,
    recipient: Option<Vec<u8>>,
    mint: Vec<u8>,
    value: Vec<u8>,
    gas_limit: i64,
    success: bool,
}

impl TryFrom<DepositRow> for StoredDeposit {
    type Error = IndexError;

    fn try_from(row: DepositRow) -> Result<Self, IndexError> {
        Ok(Self {
            block_number: BlockNumber(to_u64(row.block_number, "l2_deposit.block_number")?),
            index: TxIndex(to_u32(row.tx_index, "l2_deposit.tx_index")?),
            source_hash: to_hash(&row.source_hash, "l2_deposit.source_hash")?,
            tx_hash: to_hash(&row.tx_hash, "l2_deposit.tx_hash")?,
            sender: to_address(&row.sender, "l2_deposit.sender")?,
            recipient: to_optional_address(row.recipient.as_deref(), "l2_deposit.recipient")?,
            mint: to_u256(&row.mint, "l2_deposit.mint")?,
            value: to_u256(&row.value, "l2_deposit.value")?,
            gas_limit: to_u64(row.gas_limit, "l2_deposit.gas_limit")?,
            success: row.success,
        })
    }
}

macro_rules! deposit_query {
    ($tail:literal) => {
        concat!(
            "select block_number, tx_index, source_hash, tx_hash, sender, recipient, mint, value, gas_limit, ",
            "success from l2_deposit ",
            $tail
        )
    };
}

/// The deposits of block `number`, in order.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn by_block(
    db: impl PgExecutor<'_>,
    number: BlockNumber,
) -> Result<Vec<StoredDeposit>, IndexError> {
    let rows: Vec<DepositRow> = sqlx::query_as(deposit_query!("where block_number = $1 order by tx_index"))
        .bind(to_bigint(number.0)?)
        .fetch_all(db)
        .await?;
    rows.into_iter().map(StoredDeposit::try_from).collect()
}

/// The latest deposits from or to `account`, newest first.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn by_account(
    db: impl PgExecutor<'_>,
    account: Address,
    limit: u32,
) -> Result<Vec<StoredDeposit>, IndexError> {
    let rows: Vec<DepositRow> = sqlx::query_as(deposit_query!(
        "where sender = $1 or recipient = $1 order by block_number desc, tx_index desc limit $2"
    ))
    .bind(account.as_slice())
    .bind(i64::from(limit))
    .fetch_all(db)
    .await?;
    rows.into_iter().map(StoredDeposit::try_from).collect()
}
