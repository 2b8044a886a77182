//! Acknowledged transactions that may not be in a block yet, in the batches in which they were stored.

use alloy_primitives::Bytes;
use sqlx::PgExecutor;

use crate::{
    IndexError,
    convert::{to_bigint, to_u64},
};

/// Transactions that were stored together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolBatch {
    /// Name of the batch; later ones have higher ones.
    pub id: u64,
    /// EIP-2718 bytes, in order of arrival.
    pub txs: Vec<Bytes>,
    /// What must hold for some of them to be included, as the pool wrote it.
    pub conditions: Vec<u8>,
}

/// Stores transactions, and what must hold for some of them, and gives the id of their batch.
///
/// # Errors
/// [`IndexError::Database`].
pub async fn insert(db: impl PgExecutor<'_>, txs: &[Bytes], conditions: &[u8]) -> Result<u64, IndexError> {
    replace(db, &[], txs, conditions).await
}

/// [`insert`] in place of whole batches.
///
/// # Errors
/// [`IndexError::Database`].
pub async fn replace(
    db: impl PgExecutor<'_>,
    old: &[u64],
    txs: &[Bytes],
    conditions: &[u8],
) -> Result<u64, IndexError> {
    let id: i64 = sqlx::query_scalar(
        "with old as (delete from pool_batch where id = any($1)) \
         insert into pool_batch (txs, conditions) values ($2, $3) returning id",
    )
    .bind(bigints(old)?)
    .bind(txs.iter().map(|tx| tx.as_ref()).collect::<Vec<&[u8]>>())
    .bind(conditions)
    .fetch_one(db)
    .await?;
    to_u64(id, "pool_batch.id")
}

/// Forgets whole batches.
///
/// # Errors
/// [`IndexError::Database`].
pub async fn remove(db: impl PgExecutor<'_>, ids: &[u64]) -> Result<(), IndexError> {
    sqlx::query("delete from pool_batch where id = any($1)").bind(bigints(ids)?).execute(db).await?;
    Ok(())
}

/// Takes one transaction out of every batch that holds it. Reads the whole table.
///
/// # Errors
/// [`IndexError::Database`].
pub async fn erase(db: impl PgExecutor<'_>, tx: &Bytes) -> Result<(), IndexError> {
    sqlx::query("update pool_batch set txs = array_remove(txs, $1) where $1 = any(txs)")
        .bind(tx.as_ref())
        .execute(db)
        .await?;
    Ok(())
}

/// All batches in order of arrival.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn all(db: impl PgExecutor<'_>) -> Result<Vec<PoolBatch>, IndexError> {
    let rows: Vec<(i64, Vec<Vec<u8>>, Vec<u8>)> =
        sqlx::query_as("select id, txs, conditions from pool_batch order by id").fetch_all(db).await?;
    rows.into_iter()
        .map(|(id, txs, conditions)| {
            let txs = txs.into_iter().map(Bytes::from).collect();
            Ok(PoolBatch { id: to_u64(id, "pool_batch.id")?, txs, conditions })
        })
        .collect()
}

fn bigints(ids: &[u64]) -> Result<Vec<i64>, IndexError> {
    ids.iter().map(|id| to_bigint(*id)).collect()
}
