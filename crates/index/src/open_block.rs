//! The block that is being made: its inputs, and the order of the transactions that it was shown to hold.
//!
//! A receipt is shown once its transaction stands here, so that a sequencer that goes on after a crash makes the same
//! block again, with the same receipts. `seal` and `rewind` take out what they make obsolete.

use alloy_primitives::{B256, FixedBytesSliceExt};
use lockstep_primitives::{BlockInputs, BlockNumber};
use sqlx::{FromRow, PgConnection, PgExecutor, postgres::PgQueryResult};

use crate::{
    IndexError,
    convert::{to_bigint, to_hash, to_integer},
    lease,
};

/// A block that was being made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBlock {
    /// What it was begun with: no transactions of users.
    pub inputs: BlockInputs,
    /// Hashes of the users' transactions that it holds, in order.
    pub order: Vec<B256>,
}

#[derive(FromRow)]
struct OpenRow {
    inputs: Vec<u8>,
    hashes: Vec<Vec<u8>>,
}

impl TryFrom<OpenRow> for OpenBlock {
    type Error = IndexError;

    fn try_from(row: OpenRow) -> Result<Self, IndexError> {
        let inputs = serde_json::from_slice(&row.inputs);
        let order = row.hashes.iter().flat_map(|hashes| hashes.chunks(B256::len_bytes()));
        Ok(Self {
            inputs: inputs.map_err(|_| IndexError::Corrupt("open_block.inputs"))?,
            order: order.map(|hash| to_hash(hash, "open_tx.hashes")).collect::<Result<_, _>>()?,
        })
    }
}

/// Notes that the block of `inputs` is being made, in place of any other with its number or above.
///
/// # Errors
/// [`IndexError::LeaseLost`] if another term than `term` is current; [`IndexError::Database`].
pub async fn begin(db: impl PgExecutor<'_>, inputs: &BlockInputs, term: u64) -> Result<(), IndexError> {
    let json = serde_json::to_vec(inputs).map_err(|_| IndexError::Malformed("block inputs"))?;
    let done = sqlx::query(
        "with leader as (select from lease where name = $1 and term = $2 for share), \
         old as (delete from open_tx where number >= $3 and exists (select from leader)), \
         later as (delete from open_block where number > $3 and exists (select from leader)) \
         insert into open_block (number, inputs) select $3, $4 from leader \
         on conflict (number) do update set inputs = excluded.inputs",
    )
    .bind(lease::NAME)
    .bind(to_bigint(term)?)
    .bind(to_bigint(inputs.number.0)?)
    .bind(json)
    .execute(db)
    .await?;
    led(&done, term)
}

/// Notes that the block `number` holds the transactions with `hashes`, the first of them as its transaction `first`.
///
/// # Errors
/// [`IndexError::LeaseLost`] if another term than `term` is current; [`IndexError::Database`].
pub async fn append(
    db: impl PgExecutor<'_>,
    number: BlockNumber,
    first: usize,
    hashes: &[B256],
    term: u64,
) -> Result<(), IndexError> {
    let done = sqlx::query(
        "with leader as (select from lease where name = $1 and term = $2 for share) \
         insert into open_tx (number, first, hashes) select $3, $4, $5 from leader",
    )
    .bind(lease::NAME)
    .bind(to_bigint(term)?)
    .bind(to_bigint(number.0)?)
    .bind(to_integer(first)?)
    .bind(hashes.as_flattened())
    .execute(db)
    .await?;
    led(&done, term)
}

/// The blocks that were being made, lowest first.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn all(db: impl PgExecutor<'_>) -> Result<Vec<OpenBlock>, IndexError> {
    let rows: Vec<OpenRow> = sqlx::query_as(
        "select inputs, array(select hashes from open_tx t where t.number = b.number order by first) as hashes \
         from open_block b order by number",
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(OpenBlock::try_from).collect()
}

/// Forgets the blocks up to `number`.
pub(crate) async fn forget_to(db: &mut PgConnection, number: i64) -> Result<(), IndexError> {
    for statement in ["delete from open_tx where number <= $1", "delete from open_block where number <= $1"] {
        sqlx::query(statement).bind(number).execute(&mut *db).await?;
    }
    Ok(())
}

fn led(done: &PgQueryResult, term: u64) -> Result<(), IndexError> {
    if done.rows_affected() == 1 { Ok(()) } else { Err(IndexError::LeaseLost { term }) }
}
