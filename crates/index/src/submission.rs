//! The batcher's journal: a channel on its way to the inbox, or each of its frames where it goes in several.
//!
//! `Sealed → Prepared → Posted → Final`. Each step is stored before the batcher acts on it, so that a crash
//! between any two lines neither loses a channel nor posts it twice: a prepared transaction is sent again
//! as the same bytes. A reorg of L1 takes a posted submission back to prepared; one whose blocks were rewound is
//! abandoned; one whose nonce a stranger used is sealed again as the same bytes.
//!
//! The journal owns the nonces: a signed transaction keeps its nonce until L1 has made that final, also if its
//! submission is abandoned, since it may still be in a pool or come back with a reorg.

use alloy_primitives::{Address, B256, Bytes};
use lockstep_primitives::{BlockId, BlockNumber};
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool};

use crate::{
    IndexError,
    convert::{to_bigint, to_hash, to_optional_address, to_u32, to_u64},
};

/// Where the data of a batch goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DaType {
    /// Calldata of the inbox transaction.
    Calldata,
    /// Its blobs (EIP-4844).
    Blobs,
}

impl DaType {
    pub(crate) const fn to_smallint(self) -> i16 {
        match self {
            Self::Calldata => 0,
            Self::Blobs => 1,
        }
    }

    pub(crate) const fn from_smallint(value: i16) -> Result<Self, IndexError> {
        match value {
            0 => Ok(Self::Calldata),
            1 => Ok(Self::Blobs),
            _ => Err(IndexError::Corrupt("da_type")),
        }
    }
}

/// A channel to post, or a frame of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSubmission {
    /// First block in the channel.
    pub first_block: BlockNumber,
    /// Last block in the channel.
    pub last_block: BlockNumber,
    /// Hash of the last block.
    pub tip_hash: B256,
    /// What the inbox transaction carries.
    pub data: Bytes,
    /// Where the data goes.
    pub da_type: DaType,
}

/// How far a submission is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Encoded and stored; no transaction yet.
    Sealed,
    /// At least one signed transaction is stored, and may have been sent.
    Prepared,
    /// In an L1 block.
    Posted {
        /// That block.
        l1_block: BlockId,
        /// The transaction that made it.
        tx_hash: B256,
    },
    /// In a final L1 block.
    Final,
    /// Its blocks are no longer in the chain.
    Abandoned,
}

/// A submission in the journal, without its bytes: see [`data`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Our name for it; grows.
    pub id: i64,
    /// First block in the channel.
    pub first_block: BlockNumber,
    /// Last block in the channel.
    pub last_block: BlockNumber,
    /// Hash of the last block.
    pub tip_hash: B256,
    /// Where the data goes.
    pub da_type: DaType,
    /// How far it is.
    pub step: Step,
    /// L1 nonce of its attempts, if there are any.
    pub nonce: Option<u64>,
    /// Account that signed them; `None` without attempts, or if it was not stored.
    pub sender: Option<Address>,
}

/// A signed transaction, stored before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// L1 nonce.
    pub nonce: u64,
    /// Transaction hash.
    pub tx_hash: B256,
    /// EIP-2718 bytes as sent, sidecar included.
    pub raw: Bytes,
}

/// Name of the advisory lock of [`Writer`]: "batcher" in ASCII.
const WRITER: i64 = 0x62_61_74_63_68_65_72;

/// The right to write the journal. One process has it, until it drops this or its connection breaks.
#[derive(Debug)]
pub struct Writer {
    connection: PgConnection,
}

impl Writer {
    /// Takes the right; `None` while another has it. That of a machine that vanished is free within half a minute.
    ///
    /// # Errors
    /// [`IndexError::Database`].
    pub async fn take(pool: &PgPool) -> Result<Option<Self>, IndexError> {
        let mut connection = pool.acquire().await?.detach();
        sqlx::raw_sql(
            "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3",
        )
        .execute(&mut connection)
        .await?;
        let taken: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
            .bind(WRITER)
            .fetch_one(&mut connection)
            .await?;
        Ok(taken.then_some(Self { connection }))
    }

    /// Makes sure that the right is not lost.
    ///
    /// # Errors
    /// [`IndexError::Database`] if it is: take it again.
    pub async fn check(&mut self) -> Result<(), IndexError> {
        sqlx::query("select 1").execute(&mut self.connection).await?;
        Ok(())
    }
}

#[derive(FromRow)]
struct SubmissionRow {
    id: i64,
    first_block: i64,
    last_block: i64,
    tip_hash: Vec<u8>,
    da_type: i16,
    status: String,
    l1_block_number: Option<i64>,
    l1_block_hash: Option<Vec<u8>>,
    l1_tx_hash: Option<Vec<u8>>,
    nonce: Option<i64>,
    sender: Option<Vec<u8>>,
}

impl SubmissionRow {
    fn step(&self) -> Result<Step, IndexError> {
        const CORRUPT: &str = "l1_submission.status";
        Ok(match self.status.as_str() {
            "sealed" => Step::Sealed,
            "prepared" => Step::Prepared,
            "posted" => {
                let (Some(number), Some(hash), Some(tx_hash)) =
                    (self.l1_block_number, &self.l1_block_hash, &self.l1_tx_hash)
                else {
                    return Err(IndexError::Corrupt(CORRUPT));
                };
                Step::Posted {
                    l1_block: BlockId { number: to_u64(number, CORRUPT)?, hash: to_hash(hash, CORRUPT)? },
                    tx_hash: to_hash(tx_hash, CORRUPT)?,
                }
            }
            "final" => Step::Final,
            "abandoned" => Step::Abandoned,
            _ => return Err(IndexError::Corrupt(CORRUPT)),
        })
    }
}

impl TryFrom<SubmissionRow> for Submission {
    type Error = IndexError;

    fn try_from(row: SubmissionRow) -> Result<Self, IndexError> {
        Ok(Self {
            id: row.id,
            first_block: BlockNumber(to_u64(row.first_block, "l1_submission.first_block")?),
            last_block: BlockNumber(to_u64(row.last_block, "l1_submission.last_block")?),
            tip_hash: to_hash(&row.tip_hash, "l1_submission.tip_hash")?,
            da_type: DaType::from_smallint(row.da_type)?,
            step: row.step()?,
            nonce: row.nonce.map(|nonce| to_u64(nonce, "l1_attempt.nonce")).transpose()?,
            sender: to_optional_address(row.sender.as_deref(), "l1_attempt.sender")?,
        })
    }
}

// All attempts of a submission have one sender and one nonce.
macro_rules! submission_query {
    ($tail:literal) => {
        concat!(
            "select id, first_block, last_block, tip_hash, da_type, status, l1_block_number, l1_block_hash, ",
            "l1_tx_hash, nonce, sender from l1_submission ",
            "left join l1_attempt on submission_id = id and attempt = 0 ",
            $tail
        )
    };
}

/// Stores a sealed channel and gives its id.
///
/// # Errors
/// [`IndexError::Database`].
pub async fn insert(db: impl PgExecutor<'_>, channel: &NewSubmission) -> Result<i64, IndexError> {
    Ok(sqlx::query_scalar(
        "insert into l1_submission (first_block, last_block, tip_hash, data, da_type, status) \
         values ($1, $2, $3, $4, $5, 'sealed') returning id",
    )
    .bind(to_bigint(channel.first_block.0)?)
    .bind(to_bigint(channel.last_block.0)?)
    .bind(channel.tip_hash.as_slice())
    .bind(channel.data.as_ref())
    .bind(channel.da_type.to_smallint())
    .fetch_one(db)
    .await?)
}

/// Stores a transaction that `sender` signed, before it is sent: `Sealed | Prepared → Prepared`. Gives the
/// attempt's number. All attempts of a submission have the same sender and nonce.
///
/// # Errors
/// [`IndexError::WrongStep`] if the submission is past that.
pub async fn prepare(
    db: impl PgExecutor<'_>,
    id: i64,
    sender: Address,
    attempt: &Attempt,
) -> Result<u32, IndexError> {
    let number: Option<i32> = sqlx::query_scalar(
        "with moved as (update l1_submission set status = 'prepared' \
         where id = $1 and status in ('sealed', 'prepared') returning id) \
         insert into l1_attempt (submission_id, attempt, sender, nonce, tx_hash, raw) \
         select id, (select count(*)::int from l1_attempt where submission_id = $1), $2, $3, $4, $5 from moved \
         returning attempt",
    )
    .bind(id)
    .bind(sender.as_slice())
    .bind(to_bigint(attempt.nonce)?)
    .bind(attempt.tx_hash.as_slice())
    .bind(attempt.raw.as_ref())
    .fetch_optional(db)
    .await?;
    let number = number.ok_or(IndexError::WrongStep { id, from: "sealed or prepared", to: "prepared" })?;
    to_u32(number, "l1_attempt.attempt")
}

/// Stores a dearer attempt of an abandoned submission before it is sent: its nonce has to be used by something.
///
/// # Errors
/// [`IndexError::WrongStep`] if the submission is not abandoned.
pub async fn replace_stale(
    db: impl PgExecutor<'_>,
    id: i64,
    sender: Address,
    attempt: &Attempt,
) -> Result<(), IndexError> {
    let done = sqlx::query(
        "insert into l1_attempt (submission_id, attempt, sender, nonce, tx_hash, raw) \
         select id, (select count(*)::int from l1_attempt where submission_id = $1), $2, $3, $4, $5 \
         from l1_submission where id = $1 and status = 'abandoned'",
    )
    .bind(id)
    .bind(sender.as_slice())
    .bind(to_bigint(attempt.nonce)?)
    .bind(attempt.tx_hash.as_slice())
    .bind(attempt.raw.as_ref())
    .execute(db)
    .await?;
    expect_one(&done, IndexError::WrongStep { id, from: "abandoned", to: "abandoned" })
}

/// Records that `tx_hash`, one of the attempts, is in an L1 block: `Prepared | Posted → Posted`.
///
/// # Errors
/// [`IndexError::WrongStep`] from any other step, or if no attempt has this hash.
pub async fn posted(
    db: impl PgExecutor<'_>,
    id: i64,
    tx_hash: B256,
    l1_block: BlockId,
) -> Result<(), IndexError> {
    let done = sqlx::query(
        "update l1_submission set status = 'posted', l1_tx_hash = $2, l1_block_number = $3, l1_block_hash = $4 \
         where id = $1 and status in ('prepared', 'posted') \
         and exists (select from l1_attempt where submission_id = $1 and tx_hash = $2)",
    )
    .bind(id)
    .bind(tx_hash.as_slice())
    .bind(to_bigint(l1_block.number)?)
    .bind(l1_block.hash.as_slice())
    .execute(db)
    .await?;
    expect_one(&done, IndexError::WrongStep { id, from: "prepared", to: "posted" })
}

/// Records that the L1 block of a posted submission was reorged out: `Posted → Prepared`.
///
/// # Errors
/// [`IndexError::WrongStep`] from any other step.
pub async fn reorged(db: impl PgExecutor<'_>, id: i64) -> Result<(), IndexError> {
    let done = sqlx::query(
        "update l1_submission set status = 'prepared', l1_tx_hash = null, l1_block_number = null, \
         l1_block_hash = null where id = $1 and status = 'posted'",
    )
    .bind(id)
    .execute(db)
    .await?;
    expect_one(&done, IndexError::WrongStep { id, from: "posted", to: "prepared" })
}

/// Records that the L1 block of a posted submission is final: `Posted → Final`. Drops its stored bytes,
/// which L1 now keeps, and the attempts of abandoned submissions with lower nonces, which are used for ever.
///
/// # Errors
/// [`IndexError::WrongStep`] from any other step.
pub async fn finalized(db: impl PgExecutor<'_>, id: i64) -> Result<(), IndexError> {
    let done: Option<i64> = sqlx::query_scalar(
        "with done as (update l1_submission set status = 'final', data = '' \
         where id = $1 and status = 'posted' returning id), \
         used as (select distinct sender, nonce from l1_attempt join done on submission_id = id), \
         dropped as (delete from l1_attempt a using l1_submission s, used \
         where s.id = a.submission_id and (s.id in (select id from done) or (s.status = 'abandoned' \
         and a.nonce < used.nonce and a.sender is not distinct from used.sender))) \
         select id from done",
    )
    .bind(id)
    .fetch_optional(db)
    .await?;
    done.map(|_| ()).ok_or(IndexError::WrongStep { id, from: "posted", to: "final" })
}

/// Gives up the open submissions from `id` on: their blocks are no longer in the chain, or build on such. Frames before
/// it of the same channel are worth nothing without it, final or not.
///
/// # Errors
/// [`IndexError::WrongStep`] if there is none.
pub async fn abandon(db: impl PgExecutor<'_>, id: i64) -> Result<(), IndexError> {
    let done = sqlx::query(
        "update l1_submission set status = 'abandoned' where id >= $1 and status not in ('final', 'abandoned') \
         or status <> 'abandoned' and tip_hash = (select tip_hash from l1_submission \
         where id = $1 and status not in ('final', 'abandoned'))",
    )
    .bind(id)
    .execute(db)
    .await?;
    match done.rows_affected() {
        0 => Err(IndexError::WrongStep { id, from: "open", to: "abandoned" }),
        _ => Ok(()),
    }
}

/// Abandons the open submissions from `id` on, and seals the same channels again, in order: they need other nonces.
///
/// # Errors
/// [`IndexError::Database`].
pub async fn seal_again(db: impl PgExecutor<'_>, id: i64) -> Result<(), IndexError> {
    sqlx::query(
        "with given_up as (update l1_submission set status = 'abandoned' \
         where id >= $1 and status not in ('final', 'abandoned') \
         returning id, first_block, last_block, tip_hash, data, da_type) \
         insert into l1_submission (first_block, last_block, tip_hash, data, da_type, status) \
         select first_block, last_block, tip_hash, data, da_type, 'sealed' from given_up order by id",
    )
    .bind(id)
    .execute(db)
    .await?;
    Ok(())
}

/// The nonce after the highest that `sender` has in the journal.
///
/// # Errors
/// [`IndexError::Database`].
pub async fn next_nonce(db: impl PgExecutor<'_>, sender: Address) -> Result<u64, IndexError> {
    let next: i64 = sqlx::query_scalar(
        "select coalesce(max(nonce) + 1, 0) from l1_attempt where coalesce(sender, $1) = $1",
    )
    .bind(sender.as_slice())
    .fetch_one(db)
    .await?;
    to_u64(next, "l1_attempt.nonce")
}

/// The encoded channel of a submission; empty once it is final.
///
/// # Errors
/// [`IndexError::Database`], also if there is no such submission.
pub async fn data(db: impl PgExecutor<'_>, id: i64) -> Result<Bytes, IndexError> {
    let data: Vec<u8> =
        sqlx::query_scalar("select data from l1_submission where id = $1").bind(id).fetch_one(db).await?;
    Ok(data.into())
}

/// The first open submission whose last block is no longer in the chain.
///
/// # Errors
/// [`IndexError::Database`].
pub async fn first_rewound(db: impl PgExecutor<'_>) -> Result<Option<i64>, IndexError> {
    Ok(sqlx::query_scalar(
        "select min(id) from l1_submission where status not in ('final', 'abandoned') \
         and not exists (select from l2_block where number = last_block and hash = tip_hash)",
    )
    .fetch_one(db)
    .await?)
}

/// Abandoned submissions whose transactions may still be in a pool, or come back there, by nonce.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn stale(db: impl PgExecutor<'_>) -> Result<Vec<Submission>, IndexError> {
    let rows: Vec<SubmissionRow> =
        sqlx::query_as(submission_query!("where status = 'abandoned' and nonce is not null order by nonce"))
            .fetch_all(db)
            .await?;
    rows.into_iter().map(Submission::try_from).collect()
}

/// Submissions that are neither final nor abandoned, oldest first.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn open(db: impl PgExecutor<'_>) -> Result<Vec<Submission>, IndexError> {
    let rows: Vec<SubmissionRow> =
        sqlx::query_as(submission_query!("where status not in ('final', 'abandoned') order by id"))
            .fetch_all(db)
            .await?;
    rows.into_iter().map(Submission::try_from).collect()
}

/// The latest submission that is not abandoned: the next channel follows its last block.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if the row does not decode.
pub async fn latest(db: impl PgExecutor<'_>) -> Result<Option<Submission>, IndexError> {
    let row: Option<SubmissionRow> =
        sqlx::query_as(submission_query!("where status <> 'abandoned' order by id desc limit 1"))
            .fetch_optional(db)
            .await?;
    row.map(Submission::try_from).transpose()
}

/// The submission `id`, abandoned or not.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if the row does not decode.
pub async fn by_id(db: impl PgExecutor<'_>, id: i64) -> Result<Option<Submission>, IndexError> {
    let row: Option<SubmissionRow> =
        sqlx::query_as(submission_query!("where id = $1")).bind(id).fetch_optional(db).await?;
    row.map(Submission::try_from).transpose()
}

/// The bytes of all submissions that carry the channel with this last block, in order, abandoned ones aside: one, or its
/// frames. They are empty once they are final on L1.
///
/// # Errors
/// [`IndexError::Database`].
pub async fn data_of_channel(db: impl PgExecutor<'_>, tip_hash: B256) -> Result<Vec<Bytes>, IndexError> {
    let data: Vec<Vec<u8>> = sqlx::query_scalar(
        "select data from l1_submission where tip_hash = $1 and status <> 'abandoned' order by id",
    )
    .bind(tip_hash.as_slice())
    .fetch_all(db)
    .await?;
    Ok(data.into_iter().map(Bytes::from).collect())
}

/// The latest submission with block `number`, abandoned ones aside.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if the row does not decode.
pub async fn by_block(
    db: impl PgExecutor<'_>,
    number: BlockNumber,
) -> Result<Option<Submission>, IndexError> {
    let row: Option<SubmissionRow> = sqlx::query_as(submission_query!(
        "where first_block <= $1 and last_block >= $1 and status <> 'abandoned' order by id desc limit 1"
    ))
    .bind(to_bigint(number.0)?)
    .fetch_optional(db)
    .await?;
    row.map(Submission::try_from).transpose()
}

/// The signed transactions of a submission, in order of signing.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn attempts(db: impl PgExecutor<'_>, id: i64) -> Result<Vec<Attempt>, IndexError> {
    let rows: Vec<(i64, Vec<u8>, Vec<u8>)> = sqlx::query_as(
        "select nonce, tx_hash, raw from l1_attempt where submission_id = $1 order by attempt",
    )
    .bind(id)
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|(nonce, tx_hash, raw)| {
            Ok(Attempt {
                nonce: to_u64(nonce, "l1_attempt.nonce")?,
                tx_hash: to_hash(&tx_hash, "l1_attempt.tx_hash")?,
                raw: raw.into(),
            })
        })
        .collect()
}

fn expect_one(done: &sqlx::postgres::PgQueryResult, otherwise: IndexError) -> Result<(), IndexError> {
    if done.rows_affected() == 1 { Ok(()) } else { Err(otherwise) }
}
