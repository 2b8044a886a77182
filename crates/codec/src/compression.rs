//! Brotli (RFC 7932) with a known output length.

use alloc::{vec, vec::Vec};

use brotli_decompressor::{
    Allocator, BrotliDecompressStream, BrotliResult, BrotliState, HuffmanCode, SliceWrapper, SliceWrapperMut,
};

/// Why a stream is not the one that was announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// Not a brotli stream, or one with a window above RFC 7932's.
    Corrupt,
    /// The stream ends too early, or holds fewer bytes than announced.
    Truncated,
    /// The stream holds more bytes than announced.
    TooLong,
    /// Bytes follow the end of the stream.
    Trailing,
}

/// Inflates exactly `length` bytes from exactly all of `input`.
///
/// Memory: `length`, plus the window of at most 16 MiB.
pub(crate) fn inflate(input: &[u8], length: usize) -> Result<Vec<u8>, InflateError> {
    let mut state = BrotliState::new_strict(Heap, Heap, Heap);
    // One byte more than announced, so that a longer stream shows itself.
    let mut output = vec![0; length + 1];
    let (mut available_in, mut read) = (input.len(), 0);
    let (mut available_out, mut written, mut total) = (output.len(), 0, 0);
    let result = BrotliDecompressStream(
        &mut available_in,
        &mut read,
        input,
        &mut available_out,
        &mut written,
        &mut output,
        &mut total,
        &mut state,
    );
    match result {
        BrotliResult::ResultSuccess if written > length => Err(InflateError::TooLong),
        BrotliResult::ResultSuccess if read < input.len() => Err(InflateError::Trailing),
        BrotliResult::ResultSuccess if written < length => Err(InflateError::Truncated),
        BrotliResult::ResultSuccess => {
            output.truncate(length);
            Ok(output)
        }
        BrotliResult::NeedsMoreInput => Err(InflateError::Truncated),
        BrotliResult::NeedsMoreOutput => Err(InflateError::TooLong),
        BrotliResult::ResultFailure => Err(InflateError::Corrupt),
    }
}

/// Deflates `input`; `quality` from 0 (fast) to 11 (small).
#[cfg(feature = "encode")]
pub(crate) fn deflate(input: &[u8], quality: u8) -> Vec<u8> {
    let params = brotli::enc::BrotliEncoderParams {
        quality: i32::from(quality.min(11)),
        lgwin: window_bits(input.len()),
        // Instead of 10, at nearly its density.
        q9_5: quality == 10,
        size_hint: input.len(),
        ..Default::default()
    };
    let mut output = Vec::new();
    brotli::BrotliCompress(&mut &input[..], &mut output, &params).expect("reads and writes memory");
    output
}

/// The smallest window over `length` bytes: a larger one costs time and finds nothing more.
#[cfg(feature = "encode")]
fn window_bits(length: usize) -> i32 {
    // The format keeps 16 bytes of a window back.
    (16..24).find(|bits| length + 16 <= 1 << bits).unwrap_or(24)
}

/// The global allocator, as brotli wants it.
struct Heap;

/// A boxed slice, as brotli wants it.
#[derive(Default)]
struct Cells<T>(Vec<T>);

impl<T: Clone + Default> Allocator<T> for Heap {
    type AllocatedMemory = Cells<T>;

    fn alloc_cell(&mut self, length: usize) -> Cells<T> {
        Cells(vec![T::default(); length])
    }

    fn free_cell(&mut self, _: Cells<T>) {}
}

impl<T> SliceWrapper<T> for Cells<T> {
    fn slice(&self) -> &[T] {
        &self.0
    }
}

impl<T> SliceWrapperMut<T> for Cells<T> {
    fn slice_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

const _: fn() = || {
    fn is_allocator<A: Allocator<HuffmanCode>>() {}
    is_allocator::<Heap>();
};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_of_another_length_is_refused() {
        let stream = deflate(&[7; 1_000], 9);
        assert_eq!(inflate(&stream, 1_000).unwrap(), [7; 1_000]);
        assert_eq!(inflate(&stream, 999), Err(InflateError::TooLong));
        assert_eq!(inflate(&stream, 10), Err(InflateError::TooLong));
        assert_eq!(inflate(&stream, 1_001), Err(InflateError::Truncated));
    }

    #[test]
    fn bytes_after_the_stream_are_refused() {
        let mut stream = deflate(b"lock", 9);
        stream.push(0);
        assert_eq!(inflate(&stream, 4), Err(InflateError::Trailing));
    }

    #[test]
    fn an_unfinished_stream_is_truncated() {
        let stream = deflate(b"lockstep", 9);
        assert_eq!(inflate(&stream[..stream.len() - 1], 8), Err(InflateError::Truncated));
        assert_eq!(inflate(&[], 0), Err(InflateError::Truncated));
    }
}
