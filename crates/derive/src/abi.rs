//! Reading the one ABI shape that L1 events use: `abi.encode(bytes)`.

/// The content of `abi.encode(bytes)`; `None` unless offset, length and padding are canonical.
pub(crate) fn decode_bytes(data: &[u8]) -> Option<&[u8]> {
    let (offset, rest) = word(data)?;
    let (length, rest) = word(rest)?;
    let length = usize::try_from(length).ok()?;
    let padded = length.checked_next_multiple_of(32)?;
    if offset != 32 || rest.len() != padded {
        return None;
    }
    let (content, padding) = rest.split_at(length);
    padding.iter().all(|byte| *byte == 0).then_some(content)
}

/// The first 32-byte word as a `u64`, and what follows it; `None` if it is missing or larger.
pub(crate) fn word(data: &[u8]) -> Option<(u64, &[u8])> {
    let (word, rest) = data.split_first_chunk::<32>()?;
    let (high, low) = word.split_first_chunk::<24>()?;
    let low = u64::from_be_bytes(low.try_into().ok()?);
    (*high == [0; 24]).then_some((low, rest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use alloy_primitives::Bytes;
    use alloy_sol_types::SolValue;

    fn encoded(content: &[u8]) -> Vec<u8> {
        Bytes::copy_from_slice(content).abi_encode()
    }

    #[test]
    fn content_of_any_length_is_read() {
        for length in [0, 1, 31, 32, 33, 100] {
            let content = alloc::vec![7; length];
            assert_eq!(decode_bytes(&encoded(&content)), Some(&content[..]));
        }
    }

    #[test]
    fn any_deviation_from_the_canonical_form_is_refused() {
        let good = encoded(&[7; 40]);
        let changed = |index: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[index] = value;
            bytes
        };
        let longer = [&good[..], &[0; 32]].concat();
        let bad =
            [changed(31, 64), changed(0, 1), changed(63, 41), changed(63, 255), changed(127, 1), longer];
        for bytes in bad {
            let read = decode_bytes(&bytes);
            assert!(read.is_none() || read.unwrap().len() == 41, "{bytes:?}");
        }
        assert_eq!(decode_bytes(&good[..good.len() - 1]), None);
        assert_eq!(decode_bytes(&[]), None);
    }
}
