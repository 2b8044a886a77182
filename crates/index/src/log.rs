//! Logs by address, topics and block range.

use alloy_primitives::{Address, B256, Bytes};
use lockstep_primitives::{BlockNumber, TxIndex};
use sqlx::{FromRow, PgExecutor, Postgres, QueryBuilder, postgres::PgRow};

use crate::{
    IndexError,
    convert::{to_address, to_bigint, to_hash, to_u32, to_u64},
};

/// What to look for. Empty lists match everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// First block.
    pub from: BlockNumber,
    /// Last block, included.
    pub to: BlockNumber,
    /// Any of these emitters.
    pub addresses: Vec<Address>,
    /// For each position, any of these topics.
    pub topics: [Vec<B256>; 4],
}

/// A log and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLog {
    /// Number of the block.
    pub block_number: BlockNumber,
    /// Hash of the block.
    pub block_hash: B256,
    /// Seconds since the Unix epoch of the block.
    pub block_timestamp: u64,
    /// Hash of the transaction.
    pub tx_hash: B256,
    /// Position of the transaction in the block.
    pub tx_index: TxIndex,
    /// Position of the log in the block.
    pub log_index: u64,
    /// Emitter.
    pub address: Address,
    /// Topics, 0 to 4.
    pub topics: Vec<B256>,
    /// Data.
    pub data: Bytes,
}

/// The columns in the order of [`push_select`]: by place and borrowed, since an answer has up to 10,000 of them.
type LogRow<'r> = (
    i64,
    i64,
    &'r [u8],
    i64,
    &'r [u8],
    i32,
    &'r [u8],
    Option<&'r [u8]>,
    Option<&'r [u8]>,
    Option<&'r [u8]>,
    Option<&'r [u8]>,
    &'r [u8],
);

fn decode(row: &PgRow) -> Result<StoredLog, IndexError> {
    let (
        block_number,
        log_index,
        block_hash,
        block_timestamp,
        tx_hash,
        tx_index,
        address,
        t0,
        t1,
        t2,
        t3,
        data,
    ) = LogRow::from_row(row)?;
    Ok(StoredLog {
        block_number: BlockNumber(to_u64(block_number, "l2_log.block_number")?),
        block_hash: to_hash(block_hash, "l2_log.block_hash")?,
        block_timestamp: to_u64(block_timestamp, "l2_log.block_timestamp")?,
        tx_hash: to_hash(tx_hash, "l2_log.tx_hash")?,
        tx_index: TxIndex(to_u32(tx_index, "l2_log.tx_index")?),
        log_index: to_u64(log_index, "l2_log.log_index")?,
        address: to_address(address, "l2_log.address")?,
        topics: [t0, t1, t2, t3]
            .into_iter()
            .flatten()
            .map(|topic| to_hash(topic, "l2_log.topic"))
            .collect::<Result<_, _>>()?,
        data: Bytes::copy_from_slice(data),
    })
}

const TOPIC_COLUMNS: [&str; 4] = ["topic0", "topic1", "topic2", "topic3"];

/// Logs that match `filter` in chain order; at most `limit`.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn query(
    db: impl PgExecutor<'_>,
    filter: &LogFilter,
    limit: u32,
) -> Result<Vec<StoredLog>, IndexError> {
    let mut query = QueryBuilder::new("");
    push_select(&mut query, filter, limit)?;
    // Planned anew for each call: a generic plan would not know how selective the values are.
    let rows = query.build().persistent(false).fetch_all(db).await?;
    rows.iter().map(decode).collect()
}

/// How Postgres would run [`query`]: its plan as text, for operators and tests.
///
/// # Errors
/// [`IndexError::Database`].
pub async fn explain(db: impl PgExecutor<'_>, filter: &LogFilter, limit: u32) -> Result<String, IndexError> {
    let mut query = QueryBuilder::new("explain ");
    push_select(&mut query, filter, limit)?;
    let lines: Vec<String> = query.build_query_scalar().persistent(false).fetch_all(db).await?;
    Ok(lines.join("\n"))
}

/// The statement for `filter`. Only conditions that it has are in it, so that each has its index.
fn push_select(query: &mut QueryBuilder<Postgres>, filter: &LogFilter, limit: u32) -> Result<(), IndexError> {
    query.push(
        "select block_number, log_index, block_hash, block_timestamp, tx_hash, tx_index, address, \
         topic0, topic1, topic2, topic3, data from l2_log where block_number between ",
    );
    query.push_bind(to_bigint(filter.from.0)?).push(" and ").push_bind(to_bigint(filter.to.0)?);
    push_any(query, "address", filter.addresses.iter().map(|address| address.to_vec()));
    for (column, topics) in TOPIC_COLUMNS.into_iter().zip(&filter.topics) {
        push_any(query, column, topics.iter().map(|topic| topic.to_vec()));
    }
    query.push(" order by block_number, log_index limit ").push_bind(i64::from(limit));
    Ok(())
}

fn push_any(
    query: &mut QueryBuilder<Postgres>,
    column: &'static str,
    mut values: impl ExactSizeIterator<Item = Vec<u8>>,
) {
    match (values.len(), values.next()) {
        (_, None) => {}
        // `=` keeps the order of the index, which `= any` loses.
        (1, Some(value)) => {
            query.push(" and ").push(column).push(" = ").push_bind(value);
        }
        (_, Some(first)) => {
            let values: Vec<_> = std::iter::once(first).chain(values).collect();
            query.push(" and ").push(column).push(" = any(").push_bind(values).push(")");
        }
    }
}
