//! Acknowledged transactions that no block holds yet.

use alloy_primitives::{Address, B256, Bytes};
use sqlx::{FromRow, PgExecutor};

use crate::{
    IndexError,
    convert::{to_address, to_bigint, to_hash, to_u64},
};

/// A stored pool transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolTx {
    /// Transaction hash.
    pub hash: B256,
    /// Sender.
    pub sender: Address,
    /// Nonce.
    pub nonce: u64,
    /// EIP-2718 bytes.
    pub raw: Bytes,
}

#[derive(FromRow)]
struct PoolRow {
    hash: Vec<u8>,
    sender: Vec<u8>,
    nonce: i64,
    raw: Vec<u8>,
}

impl TryFrom<PoolRow> for PoolTx {
    type Error = IndexError;

    fn try_from(row: PoolRow) -> Result<Self, IndexError> {
        Ok(Self {
            hash: to_hash(&row.hash, "pool_tx.hash")?,
            sender: to_address(&row.sender, "pool_tx.sender")?,
            nonce: to_u64(row.nonce, "pool_tx.nonce")?,
            raw: row.raw.into(),
        })
    }
}

/// Stores transactions; one with the same sender and nonce is replaced, and what replaces it arrives now. The last of
/// equals in `txs` stays.
///
/// # Errors
/// [`IndexError::Database`].
pub async fn insert(db: impl PgExecutor<'_>, txs: &[PoolTx]) -> Result<(), IndexError> {
    let nonces: Vec<i64> = txs.iter().map(|tx| to_bigint(tx.nonce)).collect::<Result<_, _>>()?;
    // A statement may touch a row once: among equals only the last one is inserted.
    sqlx::query(
        "insert into pool_tx (hash, sender, nonce, raw) \
         select hash, sender, nonce, raw from ( \
         select distinct on (sender, nonce) * \
         from unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bytea[]) \
         with ordinality as t (hash, sender, nonce, raw, place) \
         order by sender, nonce, place desc) latest order by place \
         on conflict (sender, nonce) do update set hash = excluded.hash, raw = excluded.raw, \
         arrival = default",
    )
    .bind(txs.iter().map(|tx| tx.hash.as_slice()).collect::<Vec<_>>())
    .bind(txs.iter().map(|tx| tx.sender.as_slice()).collect::<Vec<_>>())
    .bind(nonces)
    .bind(txs.iter().map(|tx| tx.raw.as_ref()).collect::<Vec<_>>())
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets transactions.
///
/// # Errors
/// [`IndexError::Database`].
pub async fn remove(db: impl PgExecutor<'_>, hashes: &[B256]) -> Result<(), IndexError> {
    sqlx::query("delete from pool_tx where hash = any($1)")
        .bind(hashes.iter().map(|hash| hash.as_slice()).collect::<Vec<_>>())
        .execute(db)
        .await?;
    Ok(())
}

/// All transactions in order of arrival.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn all(db: impl PgExecutor<'_>) -> Result<Vec<PoolTx>, IndexError> {
    let rows: Vec<PoolRow> =
        sqlx::query_as("select hash, sender, nonce, raw from pool_tx order by arrival").fetch_all(db).await?;
    rows.into_iter().map(PoolTx::try_from).collect()
}
