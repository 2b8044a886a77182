//! Blocks: headers, and whole blocks as they were sealed.

use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::Decodable;
use lockstep_primitives::{
    BlockId, BlockNumber, Header, L1BlockNumber, L2BlockRef, OpReceiptEnvelope, OpTxEnvelope, SealedBlock,
};
use op_alloy_consensus::DEPOSIT_TX_TYPE_ID;
use sqlx::{FromRow, PgExecutor};

use crate::{
    IndexError,
    convert::{to_address, to_bigint, to_hash, to_u32, to_u64},
    receipt::decode_receipt,
    transaction::decode_transaction,
};

/// A stored header and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredHeader {
    /// The header, exactly as sealed.
    pub header: Header,
    /// Its hash.
    pub hash: B256,
    /// The L1 block whose attributes the block carries.
    pub l1_origin: BlockId,
    /// Blocks since the first one with this origin.
    pub sequence_number: u64,
    /// Number of transactions.
    pub tx_count: u32,
    /// Bytes of the block in RLP.
    pub size_bytes: u64,
}

impl StoredHeader {
    /// Where the block stands.
    #[must_use]
    pub const fn block_ref(&self) -> L2BlockRef {
        L2BlockRef {
            number: BlockNumber(self.header.number),
            hash: self.hash,
            parent_hash: self.header.parent_hash,
            timestamp: self.header.timestamp,
            l1_origin: self.l1_origin,
            sequence_number: self.sequence_number,
        }
    }
}

/// What a batcher posts of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchInputs {
    /// Block number.
    pub number: BlockNumber,
    /// Block hash.
    pub hash: B256,
    /// Hash of the parent.
    pub parent_hash: B256,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    /// The L1 block whose attributes the block carries.
    pub l1_origin: BlockId,
    /// EIP-2718 bytes of the users' transactions, in order; no deposits.
    pub transactions: Vec<Bytes>,
    /// Senders of `transactions`, one each.
    pub senders: Vec<Address>,
}

#[derive(FromRow)]
struct HeaderRow {
    hash: Vec<u8>,
    l1_origin_number: i64,
    l1_origin_hash: Vec<u8>,
    sequence_number: i64,
    tx_count: i32,
    size_bytes: i64,
    header: Vec<u8>,
}

impl TryFrom<HeaderRow> for StoredHeader {
    type Error = IndexError;

    fn try_from(row: HeaderRow) -> Result<Self, IndexError> {
        Ok(Self {
            header: decode_header(&row.header)?,
            hash: to_hash(&row.hash, "l2_block.hash")?,
            l1_origin: BlockId {
                number: to_u64(row.l1_origin_number, "l2_block.l1_origin_number")?,
                hash: to_hash(&row.l1_origin_hash, "l2_block.l1_origin_hash")?,
            },
            sequence_number: to_u64(row.sequence_number, "l2_block.sequence_number")?,
            tx_count: to_u32(row.tx_count, "l2_block.tx_count")?,
            size_bytes: to_u64(row.size_bytes, "l2_block.size_bytes")?,
        })
    }
}

#[derive(FromRow)]
struct BlockRow {
    #[sqlx(flatten)]
    header: HeaderRow,
    raws: Vec<Vec<u8>>,
    senders: Vec<Vec<u8>>,
    receipts: Vec<Vec<u8>>,
}

impl TryFrom<BlockRow> for SealedBlock {
    type Error = IndexError;

    fn try_from(row: BlockRow) -> Result<Self, IndexError> {
        let stored = StoredHeader::try_from(row.header)?;
        Ok(Self {
            header: stored.header,
            hash: stored.hash,
            l1_origin: stored.l1_origin,
            sequence_number: stored.sequence_number,
            transactions: row
                .raws
                .iter()
                .map(|raw| decode_transaction(raw))
                .collect::<Result<Vec<OpTxEnvelope>, _>>()?,
            senders: row
                .senders
                .iter()
                .map(|sender| to_address(sender, "l2_tx.sender"))
                .collect::<Result<Vec<Address>, _>>()?,
            receipts: row
                .receipts
                .iter()
                .map(|body| decode_receipt(body))
                .collect::<Result<Vec<OpReceiptEnvelope>, _>>()?,
        })
    }
}

macro_rules! header_query {
    ($tail:literal) => {
        concat!(
            "select hash, l1_origin_number, l1_origin_hash, sequence_number, tx_count, size_bytes, header ",
            "from l2_block ",
            $tail
        )
    };
}

// One statement, so that a rewind in between cannot mix two blocks.
macro_rules! block_query {
    ($tail:literal) => {
        concat!(
            "select hash, l1_origin_number, l1_origin_hash, sequence_number, tx_count, size_bytes, header, ",
            "array(select raw from l2_tx t where t.block_number = b.number order by tx_index) as raws, ",
            "array(select sender from l2_tx t where t.block_number = b.number order by tx_index) as senders, ",
            "array(select body from l2_receipt r where r.block_number = b.number order by tx_index) ",
            "as receipts from l2_block b ",
            $tail
        )
    };
}

/// The header of block `number`.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if the row does not decode.
pub async fn header(
    db: impl PgExecutor<'_>,
    number: BlockNumber,
) -> Result<Option<StoredHeader>, IndexError> {
    let row: Option<HeaderRow> = sqlx::query_as(header_query!("where number = $1"))
        .bind(to_bigint(number.0)?)
        .fetch_optional(db)
        .await?;
    row.map(StoredHeader::try_from).transpose()
}

/// The header with `hash`.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if the row does not decode.
pub async fn header_by_hash(db: impl PgExecutor<'_>, hash: B256) -> Result<Option<StoredHeader>, IndexError> {
    let row: Option<HeaderRow> =
        sqlx::query_as(header_query!("where hash = $1")).bind(hash.as_slice()).fetch_optional(db).await?;
    row.map(StoredHeader::try_from).transpose()
}

/// Headers of blocks `from..=to` that exist, in order.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn headers(
    db: impl PgExecutor<'_>,
    from: BlockNumber,
    to: BlockNumber,
) -> Result<Vec<StoredHeader>, IndexError> {
    let rows: Vec<HeaderRow> =
        sqlx::query_as(header_query!("where number between $1 and $2 order by number"))
            .bind(to_bigint(from.0)?)
            .bind(to_bigint(to.0)?)
            .fetch_all(db)
            .await?;
    rows.into_iter().map(StoredHeader::try_from).collect()
}

/// The whole block `number`.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn by_number(
    db: impl PgExecutor<'_>,
    number: BlockNumber,
) -> Result<Option<SealedBlock>, IndexError> {
    let row: Option<BlockRow> = sqlx::query_as(block_query!("where number = $1"))
        .bind(to_bigint(number.0)?)
        .fetch_optional(db)
        .await?;
    row.map(SealedBlock::try_from).transpose()
}

/// The whole block with `hash`.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn by_hash(db: impl PgExecutor<'_>, hash: B256) -> Result<Option<SealedBlock>, IndexError> {
    let row: Option<BlockRow> =
        sqlx::query_as(block_query!("where hash = $1")).bind(hash.as_slice()).fetch_optional(db).await?;
    row.map(SealedBlock::try_from).transpose()
}

/// The lowest whole block above `number`; `None` at the unsafe head.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn next_after(
    db: impl PgExecutor<'_>,
    number: BlockNumber,
) -> Result<Option<SealedBlock>, IndexError> {
    let row: Option<BlockRow> = sqlx::query_as(block_query!("where number > $1 order by number limit 1"))
        .bind(to_bigint(number.0)?)
        .fetch_optional(db)
        .await?;
    row.map(SealedBlock::try_from).transpose()
}

#[derive(FromRow)]
struct InputsRow {
    number: i64,
    hash: Vec<u8>,
    parent_hash: Vec<u8>,
    timestamp: i64,
    l1_origin_number: i64,
    l1_origin_hash: Vec<u8>,
    raws: Vec<Vec<u8>>,
    senders: Vec<Vec<u8>>,
}

impl TryFrom<InputsRow> for BatchInputs {
    type Error = IndexError;

    fn try_from(row: InputsRow) -> Result<Self, IndexError> {
        Ok(Self {
            number: BlockNumber(to_u64(row.number, "l2_block.number")?),
            hash: to_hash(&row.hash, "l2_block.hash")?,
            parent_hash: to_hash(&row.parent_hash, "l2_block.parent_hash")?,
            timestamp: to_u64(row.timestamp, "l2_block.timestamp")?,
            l1_origin: BlockId {
                number: to_u64(row.l1_origin_number, "l2_block.l1_origin_number")?,
                hash: to_hash(&row.l1_origin_hash, "l2_block.l1_origin_hash")?,
            },
            transactions: row.raws.into_iter().map(Bytes::from).collect(),
            senders: row
                .senders
                .iter()
                .map(|sender| to_address(sender, "l2_tx.sender"))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// What a batcher posts of the blocks above `after`, in order; at most `limit` blocks.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn batch_inputs(
    db: impl PgExecutor<'_>,
    after: BlockNumber,
    limit: u32,
) -> Result<Vec<BatchInputs>, IndexError> {
    let rows: Vec<InputsRow> = sqlx::query_as(
        "select number, hash, parent_hash, timestamp, l1_origin_number, l1_origin_hash, \
         array(select raw from l2_tx t where t.block_number = b.number and t.tx_type <> $3 \
         order by tx_index) as raws, \
         array(select sender from l2_tx t where t.block_number = b.number and t.tx_type <> $3 \
         order by tx_index) as senders \
         from l2_block b where number > $1 order by number limit $2",
    )
    .bind(to_bigint(after.0)?)
    .bind(i64::from(limit))
    .bind(i16::from(DEPOSIT_TX_TYPE_ID))
    .fetch_all(db)
    .await?;
    rows.into_iter().map(BatchInputs::try_from).collect()
}

/// The latest user transactions in the blocks from `first` to `last`, newest first, with block and sender: at most
/// `limit`, and at most `max_bytes` of them.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn latest_transactions(
    db: impl PgExecutor<'_>,
    (first, last): (BlockNumber, BlockNumber),
    limit: u32,
    max_bytes: u64,
) -> Result<Vec<(BlockNumber, Address, Bytes)>, IndexError> {
    let rows: Vec<(i64, Vec<u8>, Vec<u8>)> = sqlx::query_as(
        "select block_number, sender, raw from (select block_number, tx_index, sender, raw, \
         sum(octet_length(raw)) over (order by block_number desc, tx_index desc) as bytes from (\
         select * from l2_tx where block_number between $1 and $2 and tx_type <> $3 \
         order by block_number desc, tx_index desc limit $4) latest) counted \
         where bytes <= $5 order by block_number desc, tx_index desc",
    )
    .bind(to_bigint(first.0)?)
    .bind(to_bigint(last.0)?)
    .bind(i16::from(DEPOSIT_TX_TYPE_ID))
    .bind(i64::from(limit))
    .bind(to_bigint(max_bytes)?)
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|(number, sender, raw)| {
            let number = BlockNumber(to_u64(number, "l2_tx.block_number")?);
            Ok((number, to_address(&sender, "l2_tx.sender")?, raw.into()))
        })
        .collect()
}

/// The first block with the L1 origin `l1_origin` or a later one.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if the row does not decode.
pub async fn first_with_origin(
    db: impl PgExecutor<'_>,
    l1_origin: L1BlockNumber,
) -> Result<Option<StoredHeader>, IndexError> {
    let row: Option<HeaderRow> =
        sqlx::query_as(header_query!("where l1_origin_number >= $1 order by number limit 1"))
            .bind(to_bigint(l1_origin.0)?)
            .fetch_optional(db)
            .await?;
    row.map(StoredHeader::try_from).transpose()
}

/// Reads a stored header.
pub(crate) fn decode_header(mut rlp: &[u8]) -> Result<Header, IndexError> {
    Header::decode(&mut rlp).map_err(|_| IndexError::Corrupt("l2_block.header"))
}
