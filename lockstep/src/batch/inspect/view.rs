//! What is shown of a batch. Its field names are those of the JSON.

use alloy::{
    consensus::{Transaction, TxEnvelope, Typed2718, transaction::SignerRecoverable},
    eips::Decodable2718,
    primitives::{Address, B256, Bytes, keccak256},
};
use eyre::{WrapErr, eyre};
use lockstep_codec::{BatchBlock, Channel, DecodeError, Frame, History, MAX_BLOB_DATA_BYTES, decode};
use lockstep_l1::PostedBatch;
use lockstep_measure::{Column, ours};
use serde::Serialize;

use super::source::Found;

/// Bytes in the first blob that say how long the channel is (`docs/format.md`, section 2).
const LENGTH_BYTES: usize = 4;

/// A batch.
#[derive(Debug, Serialize)]
pub(super) struct View {
    pub(super) from: String,
    pub(super) first_block: u64,
    pub(super) last_block: u64,
    pub(super) parent_hash: B256,
    /// As the sequencer claims it.
    pub(super) tip_hash: B256,
    pub(super) last_origin_hash: B256,
    pub(super) transactions: usize,
    pub(super) size: Size,
    pub(super) columns: Vec<ColumnView>,
    pub(super) posted: Option<Posted>,
    pub(super) blocks: Vec<BlockView>,
}

/// How large it is.
#[derive(Debug, Serialize)]
pub(super) struct Size {
    /// Bytes of all transactions.
    pub(super) raw_bytes: usize,
    pub(super) encoded_bytes: usize,
    /// Encoded over raw; `None` without transactions.
    pub(super) ratio: Option<f64>,
    pub(super) raw_bytes_per_tx: Option<f64>,
    pub(super) encoded_bytes_per_tx: Option<f64>,
    /// Blobs that hold the channel.
    pub(super) blobs: usize,
    /// Of what they hold, the used share, 0 to 1.
    pub(super) blobs_used: f64,
}

/// What one column takes.
#[derive(Debug, Serialize)]
pub(super) struct ColumnView {
    pub(super) name: String,
    pub(super) bytes: f64,
}

/// How it got onto L1.
#[derive(Debug, Serialize)]
pub(super) struct Posted {
    pub(super) tx_hash: B256,
    pub(super) l1_block: u64,
    pub(super) batch: u64,
    pub(super) poster: Address,
    /// `blobs` or `calldata`.
    pub(super) data: &'static str,
    pub(super) gas_used: u64,
    pub(super) gas_price_wei: u128,
    pub(super) blob_gas_used: u64,
    pub(super) blob_gas_price_wei: u128,
    pub(super) cost_wei: u128,
    /// `None` without transactions.
    pub(super) cost_wei_per_tx: Option<f64>,
}

/// A block.
#[derive(Debug, Serialize)]
pub(super) struct BlockView {
    pub(super) number: u64,
    pub(super) timestamp: u64,
    pub(super) l1_origin: u64,
    pub(super) raw_bytes: usize,
    pub(super) transactions: Vec<TxView>,
}

/// A user's transaction. Channels may hold bytes that are none: derivation leaves them out.
#[derive(Debug, Serialize)]
pub(super) struct TxView {
    pub(super) hash: B256,
    pub(super) bytes: usize,
    #[serde(flatten)]
    pub(super) decoded: Option<Decoded>,
}

/// What a transaction says.
#[derive(Debug, Serialize)]
pub(super) struct Decoded {
    #[serde(rename = "type")]
    pub(super) kind: u8,
    /// `None` if the signature is nobody's.
    pub(super) from: Option<Address>,
    /// `None` for a creation.
    pub(super) to: Option<Address>,
    pub(super) nonce: u64,
}

impl View {
    /// # Errors
    /// What was found is no channel.
    pub(super) fn new(found: Found) -> eyre::Result<Self> {
        let Found { from, bytes, posted, history } = found;
        if let Some(Frame { channel, number, count, .. }) = Frame::decode(&bytes)? {
            return Err(eyre!(
                "{from}: frame {number} of {count} of channel {channel}; the others stand in other L1 transactions: name a block of it and give --database-url"
            ));
        }
        let channel = decode(&bytes, history.as_ref().unwrap_or(&History::default()));
        let channel = channel
            .map_err(|error| match (error, &history) {
                (DecodeError::Checksum | DecodeError::Dangling(_), None) => eyre!(
                    "{error}; it may refer to the chain before it: give --database-url to look that up in Postgres"
                ),
                _ => error.into(),
            })
            .wrap_err_with(|| format!("{from}: {} bytes are no channel", bytes.len()))?;
        let blocks: Vec<BlockView> =
            (channel.first_number.0..).zip(&channel.blocks).map(BlockView::new).collect();
        let transactions = blocks.iter().map(|block| block.transactions.len()).sum();
        let raw_bytes = blocks.iter().map(|block| block.raw_bytes).sum();
        Ok(Self {
            from,
            first_block: channel.first_number.0,
            last_block: channel.last_number().0,
            parent_hash: channel.parent_hash,
            tip_hash: channel.tip_hash,
            last_origin_hash: channel.last_origin_hash,
            transactions,
            size: Size::new(raw_bytes, bytes.len(), transactions),
            columns: columns(&channel, &history.unwrap_or_default()),
            posted: posted.map(|posted| Posted::new(&posted, transactions)),
            blocks,
        })
    }
}

impl Size {
    fn new(raw_bytes: usize, encoded_bytes: usize, transactions: usize) -> Self {
        let blobs = (LENGTH_BYTES + encoded_bytes).div_ceil(MAX_BLOB_DATA_BYTES);
        Self {
            raw_bytes,
            encoded_bytes,
            ratio: share(encoded_bytes, raw_bytes),
            raw_bytes_per_tx: share(raw_bytes, transactions),
            encoded_bytes_per_tx: share(encoded_bytes, transactions),
            blobs,
            blobs_used: share(LENGTH_BYTES + encoded_bytes, blobs * MAX_BLOB_DATA_BYTES).unwrap_or_default(),
        }
    }
}

impl Posted {
    #[allow(clippy::cast_precision_loss)] // nobody counts single wei of a cost per transaction
    fn new(posted: &PostedBatch, transactions: usize) -> Self {
        let cost_wei = posted.cost();
        Self {
            tx_hash: posted.tx_hash,
            l1_block: posted.block.number,
            batch: posted.index,
            poster: posted.poster,
            data: if posted.in_blobs { "blobs" } else { "calldata" },
            gas_used: posted.gas_used,
            gas_price_wei: posted.gas_price,
            blob_gas_used: posted.blob_gas_used,
            blob_gas_price_wei: posted.blob_gas_price,
            cost_wei,
            cost_wei_per_tx: (transactions > 0).then(|| cost_wei as f64 / transactions as f64),
        }
    }
}

impl BlockView {
    fn new((number, block): (u64, &BatchBlock)) -> Self {
        Self {
            number,
            timestamp: block.timestamp,
            l1_origin: block.l1_origin_number.0,
            raw_bytes: block.transactions.iter().map(|tx| tx.len()).sum(),
            transactions: block.transactions.iter().map(TxView::new).collect(),
        }
    }
}

impl TxView {
    fn new(raw: &Bytes) -> Self {
        let decoded = TxEnvelope::decode_2718_exact(raw).ok();
        Self { hash: keccak256(raw), bytes: raw.len(), decoded: decoded.as_ref().map(Decoded::new) }
    }
}

impl Decoded {
    fn new(tx: &TxEnvelope) -> Self {
        Self { kind: tx.ty(), from: tx.recover_signer().ok(), to: tx.to(), nonce: tx.nonce() }
    }
}

fn columns(channel: &Channel, history: &History) -> Vec<ColumnView> {
    let view = |column: Column| ColumnView { bytes: column.bytes(), name: column.name };
    let sender = |raw: &Bytes| TxEnvelope::decode_2718_exact(raw).ok()?.recover_signer().ok();
    let transactions = channel.blocks.iter().flat_map(|block| &block.transactions);
    let senders: Vec<Address> = transactions.map(|raw| sender(raw).unwrap_or_default()).collect();
    ours::columns(channel, &senders, history).into_iter().map(view).collect()
}

/// `part` of `whole`; `None` if that is nothing.
#[allow(clippy::cast_precision_loss)] // sizes in memory are far below 2^53
fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
