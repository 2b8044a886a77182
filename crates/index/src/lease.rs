//! Who may seal: a lease with a fencing token.
//!
//! A holder keeps its term while it renews in time; each new holder gets a higher term. [`check`] runs inside the
//! transaction that seals, and locks the row, so no takeover can happen between the check and the commit.

use std::time::Duration;

use sqlx::PgExecutor;

use crate::{
    IndexError,
    convert::{to_bigint, to_u64},
};

pub(crate) const NAME: &str = "sequencer";

/// Takes the lease for `holder`, or renews it if `holder` has it. `None` while another holds it.
///
/// Gives the term: the same one for the same holder as long as its lease did not lapse, else a higher one.
///
/// # Errors
/// [`IndexError::Database`].
pub async fn acquire(
    db: impl PgExecutor<'_>,
    holder: &str,
    ttl: Duration,
) -> Result<Option<u64>, IndexError> {
    let term: Option<i64> = sqlx::query_scalar(
        "insert into lease (name, holder, term, expires_at) \
         values ($1, $2, 1, clock_timestamp() + make_interval(secs => $3)) \
         on conflict (name) do update set holder = $2, \
         expires_at = clock_timestamp() + make_interval(secs => $3), \
         term = case when lease.holder = $2 and lease.expires_at > clock_timestamp() \
         then lease.term else lease.term + 1 end \
         where lease.holder = $2 or lease.expires_at <= clock_timestamp() \
         returning term",
    )
    .bind(NAME)
    .bind(holder)
    .bind(ttl.as_secs_f64())
    .fetch_optional(db)
    .await?;
    term.map(|term| to_u64(term, "lease.term")).transpose()
}

/// Extends the lease of `term`.
///
/// # Errors
/// [`IndexError::LeaseLost`] if another term is current.
pub async fn renew(db: impl PgExecutor<'_>, term: u64, ttl: Duration) -> Result<(), IndexError> {
    let done = sqlx::query(
        "update lease set expires_at = clock_timestamp() + make_interval(secs => $3) \
         where name = $1 and term = $2",
    )
    .bind(NAME)
    .bind(to_bigint(term)?)
    .bind(ttl.as_secs_f64())
    .execute(db)
    .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(IndexError::LeaseLost { term }) }
}

/// Gives the lease of `term` up, so that a standby need not wait. No effect if it is lost already.
///
/// # Errors
/// [`IndexError::Database`].
pub async fn release(db: impl PgExecutor<'_>, term: u64) -> Result<(), IndexError> {
    sqlx::query("update lease set expires_at = clock_timestamp() where name = $1 and term = $2")
        .bind(NAME)
        .bind(to_bigint(term)?)
        .execute(db)
        .await?;
    Ok(())
}

/// Fails unless `term` is current; holds off any takeover until the transaction ends.
///
/// # Errors
/// [`IndexError::LeaseLost`].
pub async fn check(db: impl PgExecutor<'_>, term: u64) -> Result<(), IndexError> {
    let current: Option<i32> =
        sqlx::query_scalar("select 1 from lease where name = $1 and term = $2 for share")
            .bind(NAME)
            .bind(to_bigint(term)?)
            .fetch_optional(db)
            .await?;
    if current.is_some() { Ok(()) } else { Err(IndexError::LeaseLost { term }) }
}
