//! Span batch → blocks, to check what was measured. It trusts its input not to be hostile.

use alloy_eips::Encodable2718;
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256};
use lockstep_codec::BatchBlock;
use lockstep_primitives::L1BlockNumber;

use super::{
    CHECK_BYTES, SPAN_BATCH, SpanError,
    bits::{bits, number, take},
    data::{Data, Rest},
};
use crate::BLOCK_TIME;

/// The blocks in a span batch of chain `chain_id`, whose block 0 is of time `genesis_time`.
///
/// # Errors
/// [`SpanError::Malformed`] names the field.
pub fn decode(batch: &[u8], genesis_time: u64, chain_id: u64) -> Result<Vec<BatchBlock>, SpanError> {
    let input = &mut &*batch;
    if take(input, 1, "batch type")? != [SPAN_BATCH] {
        return Err(SpanError::Malformed("batch type"));
    }
    let first_time = genesis_time + number(input, "rel_timestamp")?;
    let last_origin = number(input, "l1_origin_num")?;
    take(input, 2 * CHECK_BYTES, "checks")?;
    let count = size(number(input, "block_count")?)?;
    let origins = origins(&bits(input, count, "origin_bits")?, last_origin);
    let sizes = (0..count).map(|_| size(number(input, "block_tx_counts")?)).collect::<Result<Vec<_>, _>>()?;
    let mut transactions = transactions(input, sizes.iter().sum(), chain_id)?.into_iter();
    let times = (first_time..).step_by(usize::try_from(BLOCK_TIME).expect("a small constant"));
    let block = |((size, origin), timestamp): ((usize, u64), u64)| BatchBlock {
        timestamp,
        l1_origin_number: L1BlockNumber(origin),
        transactions: transactions.by_ref().take(size).collect(),
    };
    Ok(sizes.into_iter().zip(origins).zip(times).map(block).collect())
}

/// Origins rise by one where a bit is set, up to `last`.
fn origins(bits: &[bool], last: u64) -> Vec<u64> {
    let rises = bits.iter().skip(1).filter(|bit| **bit).count() as u64;
    let first = last.saturating_sub(rises);
    let rise = |origin: &mut u64, (index, bit): (usize, &bool)| {
        *origin += u64::from(*bit && index > 0);
        Some(*origin)
    };
    bits.iter().enumerate().scan(first, rise).collect()
}

fn transactions(input: &mut &[u8], count: usize, chain_id: u64) -> Result<Vec<Bytes>, SpanError> {
    let creations = bits(input, count, "contract_creation_bits")?;
    let parities = bits(input, count, "y_parity_bits")?;
    let signatures = take(input, 64 * count, "tx_sigs")?;
    let called = creations.iter().filter(|creates| !**creates).count();
    let mut recipients = take(input, 20 * called, "tx_tos")?.chunks(20).map(Address::from_slice);
    let datas = (0..count).map(|_| Data::read(input)).collect::<Result<Vec<_>, _>>()?;
    let nonces = numbers(input, count, "tx_nonces")?;
    let gas_limits = numbers(input, count, "tx_gases")?;
    let legacy = datas.iter().filter(|data| data.is_legacy()).count();
    let mut protected = bits(input, legacy, "protected_bits")?.into_iter();
    let tx = |(index, data): (usize, Data)| {
        let anywhere = data.is_legacy() && !protected.next()?;
        let to = if creations[index] { TxKind::Create } else { TxKind::Call(recipients.next()?) };
        let (r, s) = signatures[64 * index..64 * (index + 1)].split_at(32);
        let rest = Rest {
            to,
            nonce: nonces[index],
            gas_limit: gas_limits[index],
            signature: Signature::new(U256::from_be_slice(r), U256::from_be_slice(s), parities[index]),
            chain_id: (!anywhere).then_some(chain_id),
        };
        Some(data.complete(rest)?.encoded_2718().into())
    };
    datas.into_iter().enumerate().map(tx).collect::<Option<_>>().ok_or(SpanError::Malformed("txs"))
}

fn numbers(input: &mut &[u8], count: usize, what: &'static str) -> Result<Vec<u64>, SpanError> {
    (0..count).map(|_| number(input, what)).collect()
}

fn size(number: u64) -> Result<usize, SpanError> {
    usize::try_from(number).map_err(|_| SpanError::Malformed("count"))
}
