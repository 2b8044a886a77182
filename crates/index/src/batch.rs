//! Batches that L1 holds.

use alloy_primitives::B256;
use lockstep_primitives::{BlockId, BlockNumber};
use sqlx::{FromRow, PgExecutor};

use crate::{
    IndexError,
    convert::{to_bigint, to_hash, to_u64},
    submission::DaType,
};

/// A batch as the inbox announced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The inbox's number for it.
    pub index: u64,
    /// Link of the inbox's hash chain.
    pub batch_hash: B256,
    /// The L1 block that holds it.
    pub l1_block: BlockId,
    /// The L1 transaction.
    pub l1_tx_hash: B256,
    /// Where its data is.
    pub da_type: DaType,
    /// First L2 block.
    pub first_block: BlockNumber,
    /// Last L2 block.
    pub last_block: BlockNumber,
}

#[derive(FromRow)]
struct BatchRow {
    batch_index: i64,
    batch_hash: Vec<u8>,
    l1_block_number: i64,
    l1_block_hash: Vec<u8>,
    l1_tx_hash: Vec<u8>,
    da_type: i16,
    first_block: i64,
    last_block: i64,
}

impl TryFrom<BatchRow> for Batch {
    type Error = IndexError;

    fn try_from(row: BatchRow) -> Result<Self, IndexError> {
        Ok(Self {
            index: to_u64(row.batch_index, "batch.batch_index")?,
            batch_hash: to_hash(&row.batch_hash, "batch.batch_hash")?,
            l1_block: BlockId {
                number: to_u64(row.l1_block_number, "batch.l1_block_number")?,
                hash: to_hash(&row.l1_block_hash, "batch.l1_block_hash")?,
            },
            l1_tx_hash: to_hash(&row.l1_tx_hash, "batch.l1_tx_hash")?,
            da_type: DaType::from_smallint(row.da_type)?,
            first_block: BlockNumber(to_u64(row.first_block, "batch.first_block")?),
            last_block: BlockNumber(to_u64(row.last_block, "batch.last_block")?),
        })
    }
}

/// Stores a batch; one with the same index, from before a reorg of L1, is replaced.
///
/// # Errors
/// [`IndexError::Database`].
pub async fn insert(db: impl PgExecutor<'_>, batch: &Batch) -> Result<(), IndexError> {
    sqlx::query(
        "insert into batch (batch_index, batch_hash, l1_block_number, l1_block_hash, l1_tx_hash, da_type, \
         first_block, last_block) values ($1, $2, $3, $4, $5, $6, $7, $8) \
         on conflict (batch_index) do update set batch_hash = $2, l1_block_number = $3, l1_block_hash = $4, \
         l1_tx_hash = $5, da_type = $6, first_block = $7, last_block = $8",
    )
    .bind(to_bigint(batch.index)?)
    .bind(batch.batch_hash.as_slice())
    .bind(to_bigint(batch.l1_block.number)?)
    .bind(batch.l1_block.hash.as_slice())
    .bind(batch.l1_tx_hash.as_slice())
    .bind(batch.da_type.to_smallint())
    .bind(to_bigint(batch.first_block.0)?)
    .bind(to_bigint(batch.last_block.0)?)
    .execute(db)
    .await?;
    Ok(())
}

/// The batch that the inbox numbers `index`.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if the row does not decode.
pub async fn by_index(db: impl PgExecutor<'_>, index: u64) -> Result<Option<Batch>, IndexError> {
    let row: Option<BatchRow> = sqlx::query_as(
        "select batch_index, batch_hash, l1_block_number, l1_block_hash, l1_tx_hash, da_type, first_block, \
         last_block from batch where batch_index = $1",
    )
    .bind(to_bigint(index)?)
    .fetch_optional(db)
    .await?;
    row.map(Batch::try_from).transpose()
}

/// The latest batch with block `number`.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if the row does not decode.
pub async fn by_block(db: impl PgExecutor<'_>, number: BlockNumber) -> Result<Option<Batch>, IndexError> {
    let row: Option<BatchRow> = sqlx::query_as(
        "select batch_index, batch_hash, l1_block_number, l1_block_hash, l1_tx_hash, da_type, first_block, \
         last_block from batch where first_block <= $1 and last_block >= $1 order by batch_index desc limit 1",
    )
    .bind(to_bigint(number.0)?)
    .fetch_optional(db)
    .await?;
    row.map(Batch::try_from).transpose()
}
