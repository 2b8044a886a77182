//! The columns inside the compressed part of a channel.

use alloc::vec::Vec;

use alloy_primitives::Bytes;
use lockstep_primitives::{BlockNumber, L1BlockNumber};

use crate::{
    BatchBlock, DecodeError, MAX_BLOCKS, MAX_TRANSACTIONS,
    varint::{self, VarintError},
};

/// Reads the first block's number and all blocks; the body must end with the last transaction.
pub(crate) fn decode(mut input: &[u8]) -> Result<(BlockNumber, Vec<BatchBlock>), DecodeError> {
    let input = &mut input;
    let first_number = number(input, "first_number")?;
    let count = count(input, "block count", MAX_BLOCKS)?;
    let timestamps = running_sums(input, count, "timestamp")?;
    let origins = running_sums(input, count, "l1_origin_number")?;
    let sizes = (0..count).map(|_| number(input, "transaction count")).collect::<Result<Vec<_>, _>>()?;
    let total = sizes.iter().try_fold(0u64, |sum, size| sum.checked_add(*size));
    let total = total.unwrap_or(u64::MAX);
    let lengths = lengths(input, total)?;

    let mut lengths = lengths.into_iter();
    let mut blocks = Vec::with_capacity(count);
    for ((timestamp, origin), size) in timestamps.into_iter().zip(origins).zip(sizes) {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let transactions =
            lengths.by_ref().take(size).map(|length| take(input, length)).collect::<Result<_, _>>()?;
        blocks.push(BatchBlock { timestamp, l1_origin_number: L1BlockNumber(origin), transactions });
    }
    match input.len() {
        0 => Ok((BlockNumber(first_number), blocks)),
        left => Err(DecodeError::TrailingBody(left)),
    }
}

/// Writes what [`decode`] reads; the caller has checked order and limits.
#[cfg(feature = "encode")]
pub(crate) fn encode(first_number: BlockNumber, blocks: &[BatchBlock]) -> Vec<u8> {
    let transactions = || blocks.iter().flat_map(|block| &block.transactions);
    let mut out =
        Vec::with_capacity(transactions().map(|tx| tx.len() + 3).sum::<usize>() + 4 * blocks.len() + 32);
    varint::put(&mut out, first_number.0);
    varint::put(&mut out, wide(blocks.len()));
    put_differences(&mut out, blocks.iter().map(|block| block.timestamp));
    put_differences(&mut out, blocks.iter().map(|block| block.l1_origin_number.0));
    blocks.iter().for_each(|block| varint::put(&mut out, wide(block.transactions.len())));
    transactions().for_each(|tx| varint::put(&mut out, wide(tx.len())));
    transactions().for_each(|tx| out.extend_from_slice(tx));
    out
}

/// First value as it is, then the increase to each next one.
#[cfg(feature = "encode")]
fn put_differences(out: &mut Vec<u8>, values: impl Iterator<Item = u64>) {
    values.fold(0, |last, value| {
        varint::put(out, value - last);
        value
    });
}

#[cfg(feature = "encode")]
fn wide(length: usize) -> u64 {
    u64::try_from(length).expect("lengths in memory fit 64 bits")
}

fn number(input: &mut &[u8], what: &'static str) -> Result<u64, DecodeError> {
    varint::get(input).map_err(|error| match error {
        VarintError::Truncated => DecodeError::Truncated(what),
        VarintError::Overflow => DecodeError::Overflow(what),
        VarintError::NotMinimal => DecodeError::NotMinimal(what),
    })
}

/// A count of things that take at least one byte each: never more than `limit` or than bytes are left.
fn count(input: &mut &[u8], what: &'static str, limit: usize) -> Result<usize, DecodeError> {
    let found = number(input, what)?;
    within(found, what, limit, input.len())
}

fn within(found: u64, what: &'static str, limit: usize, left: usize) -> Result<usize, DecodeError> {
    let count = usize::try_from(found).ok().filter(|count| *count <= limit);
    let count = count.ok_or(DecodeError::TooMany { what, found, limit })?;
    if count > left { Err(DecodeError::Truncated(what)) } else { Ok(count) }
}

fn running_sums(input: &mut &[u8], count: usize, what: &'static str) -> Result<Vec<u64>, DecodeError> {
    let mut sum = 0u64;
    let mut next = || {
        sum = sum.checked_add(number(input, what)?).ok_or(DecodeError::Overflow(what))?;
        Ok(sum)
    };
    (0..count).map(|_| next()).collect()
}

fn lengths(input: &mut &[u8], total: u64) -> Result<Vec<u64>, DecodeError> {
    let count = within(total, "transaction count", MAX_TRANSACTIONS, input.len())?;
    (0..count).map(|_| number(input, "transaction length")).collect()
}

fn take(input: &mut &[u8], length: u64) -> Result<Bytes, DecodeError> {
    let length = usize::try_from(length).ok().filter(|length| *length <= input.len());
    let (taken, rest) = input.split_at(length.ok_or(DecodeError::Truncated("transaction"))?);
    *input = rest;
    Ok(Bytes::copy_from_slice(taken))
}
