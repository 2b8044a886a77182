//! Unsigned LEB128 integers, shortest form only.

#[cfg(feature = "encode")]
use alloc::vec::Vec;

/// Longest encoding of a `u64`.
pub(crate) const MAX_BYTES: usize = 10;

/// Why bytes are not a varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VarintError {
    /// The input ends inside the integer.
    Truncated,
    /// The value does not fit 64 bits.
    Overflow,
    /// A shorter encoding of the same value exists.
    NotMinimal,
}

/// Appends `value`, seven bits per byte, lowest first.
#[cfg(feature = "encode")]
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low_bits(value) | 0x80);
        value >>= 7;
    }
    out.push(low_bits(value));
}

/// Reads one integer and advances `input` past it.
pub(crate) fn get(input: &mut &[u8]) -> Result<u64, VarintError> {
    let mut value = 0u64;
    for index in 0..MAX_BYTES {
        let (&byte, rest) = input.split_first().ok_or(VarintError::Truncated)?;
        *input = rest;
        let bits = u64::from(byte & 0x7f);
        if index == MAX_BYTES - 1 && byte > 1 {
            return Err(VarintError::Overflow);
        }
        value |= bits << (7 * index);
        if byte & 0x80 == 0 {
            let minimal = byte != 0 || index == 0;
            return if minimal { Ok(value) } else { Err(VarintError::NotMinimal) };
        }
    }
    Err(VarintError::Overflow)
}

#[cfg(feature = "encode")]
fn low_bits(value: u64) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}

#[cfg(all(test, feature = "encode"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    #[test]
    fn small_values_take_one_byte_and_the_largest_ten() {
        for (value, bytes) in [(0, 1), (127, 1), (128, 2), (16_384, 3), (u64::MAX, 10)] {
            let mut out = vec![];
            put(&mut out, value);
            assert_eq!(out.len(), bytes, "{value}");
        }
    }

    #[test]
    fn padded_integers_are_refused() {
        assert_eq!(get(&mut &[0x80, 0x00][..]), Err(VarintError::NotMinimal));
        assert_eq!(get(&mut &[0xff, 0x80, 0x00][..]), Err(VarintError::NotMinimal));
    }

    #[test]
    fn integers_above_64_bits_are_refused() {
        let mut bytes = [0xff; 10];
        bytes[9] = 0x02;
        assert_eq!(get(&mut &bytes[..]), Err(VarintError::Overflow));
        assert_eq!(get(&mut &[0xff; 11][..]), Err(VarintError::Overflow));
    }

    #[test]
    fn an_unfinished_integer_is_truncated() {
        assert_eq!(get(&mut &[][..]), Err(VarintError::Truncated));
        assert_eq!(get(&mut &[0x80][..]), Err(VarintError::Truncated));
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(value: u64, tail: Vec<u8>) {
            let mut bytes = vec![];
            put(&mut bytes, value);
            bytes.extend_from_slice(&tail);
            let mut input = &bytes[..];
            prop_assert_eq!(get(&mut input), Ok(value));
            prop_assert_eq!(input, &tail[..]);
        }
    }
}
