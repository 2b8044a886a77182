//! Bytes in EIP-4844 blobs: 254 bits per field element.
//!
//! A field element is a big-endian integer below the BLS12-381 scalar field's modulus, which lies between
//! 2^254 and 2^255: the lower 254 bits are ours, the upper two are zero. Four elements carry 127 bytes.

use alloc::vec::Vec;

use alloy_primitives::FixedBytes;

use crate::MAX_FRAME_BYTES;

/// Size of a blob (EIP-4844).
pub const BYTES_PER_BLOB: usize = 131_072;
/// Bytes that fit one blob, the length prefix of the first included.
pub const MAX_BLOB_DATA_BYTES: usize = BYTES_PER_BLOB / GROUP_BYTES * GROUP_DATA_BYTES;
/// Most blobs of one inbox transaction: the limit of EIP-7594.
pub const MAX_BLOBS: usize = 6;

/// Four field elements.
const GROUP_BYTES: usize = 4 * ELEMENT_BYTES;
/// What they carry: 4 * 254 bits.
const GROUP_DATA_BYTES: usize = 127;
const ELEMENT_BYTES: usize = 32;
/// Whole bytes of an element; its first byte carries six more bits.
const TAIL_BYTES: usize = ELEMENT_BYTES - 1;
/// The length prefix: `u32`, big-endian.
pub(crate) const LENGTH_BYTES: usize = 4;

/// An EIP-4844 blob.
pub type Blob = FixedBytes<BYTES_PER_BLOB>;

/// Why blobs and bytes do not convert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// More bytes than [`MAX_BLOBS`] blobs hold.
    #[error("{0} bytes exceed {MAX_FRAME_BYTES}, what {MAX_BLOBS} blobs hold")]
    TooLong(usize),
    /// No blob, or more than [`MAX_BLOBS`].
    #[error("{0} blobs where 1 to {MAX_BLOBS} belong")]
    Count(usize),
    /// The length prefix asks for another number of blobs.
    #[error("length prefix {length} needs {needed} blobs, {found} were given")]
    Length {
        /// Value of the prefix.
        length: usize,
        /// Blobs for that many bytes.
        needed: usize,
        /// Blobs given.
        found: usize,
    },
    /// One of the upper two bits of a field element is set.
    #[error("field element {element} of blob {blob} uses more than 254 bits")]
    Element {
        /// Index of the blob.
        blob: usize,
        /// Index of the field element in it.
        element: usize,
    },
    /// A byte after the end of the data is not zero.
    #[error("byte {0} after the end of the data is not zero")]
    Padding(usize),
}

/// Packs `data` behind its length into as few blobs as possible; the rest of the last one is zero.
///
/// # Errors
/// [`BlobError::TooLong`] above [`MAX_FRAME_BYTES`].
pub fn to_blobs(data: &[u8]) -> Result<Vec<Blob>, BlobError> {
    let length = u32::try_from(data.len()).map_err(|_| BlobError::TooLong(data.len()))?;
    if data.len() > MAX_FRAME_BYTES {
        return Err(BlobError::TooLong(data.len()));
    }
    let mut stream = Vec::with_capacity(LENGTH_BYTES + data.len());
    stream.extend_from_slice(&length.to_be_bytes());
    stream.extend_from_slice(data);
    Ok(stream.chunks(MAX_BLOB_DATA_BYTES).map(pack).collect())
}

/// Reads what [`to_blobs`] wrote; other blobs that hold the same bytes are refused.
///
/// # Errors
/// [`BlobError`] says which rule of `docs/format.md` the blobs break.
pub fn from_blobs(blobs: &[Blob]) -> Result<Vec<u8>, BlobError> {
    if blobs.is_empty() || blobs.len() > MAX_BLOBS {
        return Err(BlobError::Count(blobs.len()));
    }
    let mut stream = Vec::with_capacity(blobs.len() * MAX_BLOB_DATA_BYTES);
    for (index, blob) in blobs.iter().enumerate() {
        unpack(index, blob, &mut stream)?;
    }
    let length = stream.iter().take(LENGTH_BYTES).fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
    let end = LENGTH_BYTES.saturating_add(length);
    let needed = end.div_ceil(MAX_BLOB_DATA_BYTES);
    if needed != blobs.len() {
        return Err(BlobError::Length { length, needed, found: blobs.len() });
    }
    if let Some(offset) = stream[end..].iter().position(|byte| *byte != 0) {
        return Err(BlobError::Padding(offset));
    }
    stream.truncate(end);
    stream.drain(..LENGTH_BYTES);
    Ok(stream)
}

/// One blob from at most [`MAX_BLOB_DATA_BYTES`] bytes.
fn pack(data: &[u8]) -> Blob {
    let mut blob = Blob::ZERO;
    for (group, data) in blob.0.chunks_exact_mut(GROUP_BYTES).zip(data.chunks(GROUP_DATA_BYTES)) {
        let mut full = [0u8; GROUP_DATA_BYTES];
        full[..data.len()].copy_from_slice(data);
        let (tails, heads) = full.split_at(4 * TAIL_BYTES);
        for (element, tail) in group.chunks_exact_mut(ELEMENT_BYTES).zip(tails.chunks_exact(TAIL_BYTES)) {
            element[1..].copy_from_slice(tail);
        }
        let [a, b, c] = [heads[0], heads[1], heads[2]];
        group[0] = a >> 2;
        group[ELEMENT_BYTES] = (a & 0x03) << 4 | b >> 4;
        group[2 * ELEMENT_BYTES] = (b & 0x0f) << 2 | c >> 6;
        group[3 * ELEMENT_BYTES] = c & 0x3f;
    }
    blob
}

fn unpack(index: usize, blob: &Blob, stream: &mut Vec<u8>) -> Result<(), BlobError> {
    for (number, group) in blob.chunks_exact(GROUP_BYTES).enumerate() {
        let mut heads = [0u8; 4];
        for (place, element) in group.chunks_exact(ELEMENT_BYTES).enumerate() {
            if element[0] & 0xc0 != 0 {
                return Err(BlobError::Element { blob: index, element: 4 * number + place });
            }
            heads[place] = element[0];
            stream.extend_from_slice(&element[1..]);
        }
        let [a, b, c, d] = heads;
        stream.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};
    use proptest::prelude::*;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|index| u8::try_from(index * 31 % 251).unwrap() | 1).collect()
    }

    #[test]
    fn a_blob_carries_130048_bytes_and_six_carry_a_frame() {
        assert_eq!(MAX_BLOB_DATA_BYTES, 130_048);
        for (length, blobs) in [
            (0, 1),
            (MAX_BLOB_DATA_BYTES - LENGTH_BYTES, 1),
            (MAX_BLOB_DATA_BYTES - LENGTH_BYTES + 1, 2),
            (MAX_FRAME_BYTES, MAX_BLOBS),
        ] {
            let data = bytes(length);
            let packed = to_blobs(&data).unwrap();
            assert_eq!(packed.len(), blobs, "{length}");
            assert_eq!(from_blobs(&packed).unwrap(), data);
        }
    }

    #[test]
    fn data_above_six_blobs_is_refused() {
        let data = vec![0; MAX_FRAME_BYTES + 1];
        assert_eq!(to_blobs(&data), Err(BlobError::TooLong(MAX_FRAME_BYTES + 1)));
    }

    #[test]
    fn every_element_is_below_the_field_modulus() {
        let packed = to_blobs(&vec![0xff; MAX_BLOB_DATA_BYTES]).unwrap();
        assert!(packed[0].chunks_exact(32).all(|element| element[0] <= 0x3f));
    }

    #[test]
    fn bits_above_254_are_refused() {
        let mut packed = to_blobs(&bytes(100)).unwrap();
        packed[0][32] |= 0x40;
        assert_eq!(from_blobs(&packed), Err(BlobError::Element { blob: 0, element: 1 }));
    }

    #[test]
    fn padding_that_is_not_zero_is_refused() {
        let mut packed = to_blobs(&bytes(100)).unwrap();
        packed[0][BYTES_PER_BLOB - 1] = 1;
        assert!(matches!(from_blobs(&packed), Err(BlobError::Padding(_))));
    }

    #[test]
    fn a_blob_too_many_or_too_few_is_refused() {
        let mut packed = to_blobs(&bytes(100)).unwrap();
        packed.push(Blob::ZERO);
        assert_eq!(from_blobs(&packed), Err(BlobError::Length { length: 100, needed: 1, found: 2 }));
        let packed = to_blobs(&bytes(MAX_BLOB_DATA_BYTES)).unwrap();
        assert!(matches!(from_blobs(&packed[..1]), Err(BlobError::Length { needed: 2, found: 1, .. })));
        assert_eq!(from_blobs(&[]), Err(BlobError::Count(0)));
        assert_eq!(from_blobs(&vec![Blob::ZERO; 7]), Err(BlobError::Count(7)));
    }

    #[test]
    fn a_length_beyond_every_limit_is_refused() {
        let packed = [pack(&[0xff; 64])];
        assert!(matches!(from_blobs(&packed), Err(BlobError::Length { length: 0xffff_ffff, .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn unpacking_undoes_packing(data in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            prop_assert_eq!(from_blobs(&to_blobs(&data).unwrap()).unwrap(), data);
        }

        #[test]
        fn what_unpacks_packs_to_the_same_blob(
            data in proptest::collection::vec(any::<u8>(), 0..300),
            position in 0..600usize,
            flip: u8,
        ) {
            let mut blobs = to_blobs(&data).unwrap();
            blobs[0][position] ^= flip;
            if let Ok(read) = from_blobs(&blobs) {
                prop_assert_eq!(to_blobs(&read).unwrap(), blobs);
            }
        }
    }
}
