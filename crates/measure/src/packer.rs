//! General-purpose compressors, at the levels that peers use.

use std::io::{self, Read, Write};

use brotli::enc::BrotliEncoderParams;
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};

/// Window of brotli, as op-batcher and kona have it: 4 MiB.
const BROTLI_WINDOW_BITS: i32 = 22;
const BUFFER_BYTES: usize = 4096;

/// A compressor and its level.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Packer {
    /// RFC 7932.
    Brotli(i32),
    /// RFC 8878.
    Zstd(i32),
    /// RFC 1950.
    Zlib(u32),
}

impl Packer {
    pub(crate) fn pack(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Brotli(quality) => brotli(bytes, quality),
            Self::Zstd(level) => zstd::bulk::compress(bytes, level),
            Self::Zlib(level) => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
                encoder.write_all(bytes)?;
                encoder.finish()
            }
        }
    }

    pub(crate) fn unpack(self, packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self {
            Self::Brotli(_) => brotli::Decompressor::new(packed, BUFFER_BYTES).read_to_end(&mut bytes)?,
            Self::Zstd(_) => zstd::Decoder::new(packed)?.read_to_end(&mut bytes)?,
            Self::Zlib(_) => ZlibDecoder::new(packed).read_to_end(&mut bytes)?,
        };
        Ok(bytes)
    }
}

fn brotli(mut bytes: &[u8], quality: i32) -> io::Result<Vec<u8>> {
    let params = BrotliEncoderParams {
        quality,
        lgwin: BROTLI_WINDOW_BITS,
        size_hint: bytes.len(),
        ..BrotliEncoderParams::default()
    };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut bytes, &mut packed, &params)?;
    Ok(packed)
}
