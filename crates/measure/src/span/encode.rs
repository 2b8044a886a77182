//! Blocks → span batch.

use alloy_consensus::{Transaction, TxEnvelope};
use alloy_eips::Decodable2718;
use lockstep_codec::Channel;

use super::{
    CHECK_BYTES, SPAN_BATCH, SpanError,
    bits::{put_bits, put_number},
    data,
};

/// The blocks of `channel` as a span batch, its type in front, of a chain whose block 0 is of time `genesis_time`.
///
/// # Errors
/// [`SpanError`]: there is no block, or a transaction that span batches do not hold.
pub fn encode(channel: &Channel, genesis_time: u64) -> Result<Vec<u8>, SpanError> {
    let (first, origin) = channel.blocks.first().zip(channel.last_origin_number()).ok_or(SpanError::Empty)?;
    let mut out = vec![SPAN_BATCH];
    put_number(&mut out, first.timestamp - genesis_time);
    put_number(&mut out, origin.0);
    out.extend_from_slice(&channel.parent_hash[..CHECK_BYTES]);
    out.extend_from_slice(&channel.last_origin_hash[..CHECK_BYTES]);
    put_number(&mut out, wide(channel.blocks.len()));
    put_bits(&mut out, &origin_bits(channel));
    channel.blocks.iter().for_each(|block| put_number(&mut out, wide(block.transactions.len())));
    Columns::of(channel)?.put(&mut out);
    Ok(out)
}

/// Of each block, whether it has another origin than the one before it.
fn origin_bits(channel: &Channel) -> Vec<bool> {
    let origins = channel.blocks.iter().map(|block| block.l1_origin_number);
    let moved = origins.clone().skip(1).zip(origins).map(|(this, before)| this != before);
    std::iter::once(true).chain(moved).collect()
}

/// Transactions by field.
#[derive(Default)]
struct Columns {
    creations: Vec<bool>,
    parities: Vec<bool>,
    signatures: Vec<u8>,
    recipients: Vec<u8>,
    datas: Vec<u8>,
    nonces: Vec<u8>,
    gas_limits: Vec<u8>,
    protected: Vec<bool>,
}

impl Columns {
    fn of(channel: &Channel) -> Result<Self, SpanError> {
        let mut columns = Self::default();
        for (index, raw) in channel.blocks.iter().flat_map(|block| &block.transactions).enumerate() {
            let tx = TxEnvelope::decode_2718_exact(raw).ok();
            tx.and_then(|tx| columns.push(&tx)).ok_or(SpanError::Transaction(index))?;
        }
        Ok(columns)
    }

    /// `None` for a type that span batches do not hold.
    fn push(&mut self, tx: &TxEnvelope) -> Option<()> {
        data::put(&mut self.datas, tx)?;
        let signature = tx.signature();
        self.parities.push(signature.v());
        self.signatures.extend(signature.r().to_be_bytes::<32>());
        self.signatures.extend(signature.s().to_be_bytes::<32>());
        self.creations.push(tx.to().is_none());
        self.recipients.extend(tx.to().iter().flat_map(|to| to.iter()));
        put_number(&mut self.nonces, tx.nonce());
        put_number(&mut self.gas_limits, tx.gas_limit());
        if tx.is_legacy() {
            self.protected.push(tx.chain_id().is_some());
        }
        Some(())
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_bits(out, &self.creations);
        put_bits(out, &self.parities);
        for bytes in [&self.signatures, &self.recipients, &self.datas, &self.nonces, &self.gas_limits] {
            out.extend_from_slice(bytes);
        }
        put_bits(out, &self.protected);
    }
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).expect("lengths in memory fit 64 bits")
}
