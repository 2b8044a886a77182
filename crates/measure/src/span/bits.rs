//! Integers and bits of a span batch.

use super::SpanError;

/// Appends `value` as LEB128.
pub(super) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Reads what [`put_number`] wrote and advances `input` past it.
pub(super) fn number(input: &mut &[u8], what: &'static str) -> Result<u64, SpanError> {
    let mut value = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = input.split_first().ok_or(SpanError::Malformed(what))?;
        *input = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(SpanError::Malformed(what))
}

/// Appends `bits` as one big-endian number of as many bytes as they need.
pub(super) fn put_bits(out: &mut Vec<u8>, bits: &[bool]) {
    let begin = out.len();
    out.extend(
        bits.chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0u8, |sum, (place, bit)| sum | u8::from(*bit) << place)),
    );
    out[begin..].reverse();
}

/// Reads `count` bits and advances `input` past them.
pub(super) fn bits(input: &mut &[u8], count: usize, what: &'static str) -> Result<Vec<bool>, SpanError> {
    let bytes = take(input, count.div_ceil(8), what)?;
    Ok((0..count).map(|index| bytes[bytes.len() - 1 - index / 8] >> (index % 8) & 1 == 1).collect())
}

/// Takes `count` bytes from `input`.
pub(super) fn take<'a>(
    input: &mut &'a [u8],
    count: usize,
    what: &'static str,
) -> Result<&'a [u8], SpanError> {
    let (taken, rest) = input.split_at_checked(count).ok_or(SpanError::Malformed(what))?;
    *input = rest;
    Ok(taken)
}
