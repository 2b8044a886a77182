//! A channel: consecutive L2 blocks in one inbox transaction.

use alloc::vec::Vec;

use alloy_primitives::{B256, Bytes};
use lockstep_primitives::{BlockNumber, L1BlockNumber};

use crate::{
    blob::{LENGTH_BYTES, MAX_BLOB_DATA_BYTES, MAX_BLOBS},
    body,
    compression::{self, InflateError},
};

/// Most bytes of an encoded channel: what [`MAX_BLOBS`] blobs hold.
pub const MAX_CHANNEL_BYTES: usize = MAX_BLOBS * MAX_BLOB_DATA_BYTES - LENGTH_BYTES;
/// Most bytes that a channel inflates to.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Most blocks of a channel.
pub const MAX_BLOCKS: usize = 65_536;
/// Most transactions of a channel.
pub const MAX_TRANSACTIONS: usize = 262_144;
/// Default brotli quality: nearly the density of 11 at a fraction of its time.
#[cfg(feature = "encode")]
pub const DEFAULT_QUALITY: u8 = 9;

/// The only version so far.
const VERSION: u8 = 0;
/// `version ++ parent_hash ++ tip_hash ++ last_origin_hash ++ body_length`.
const HEADER_BYTES: usize = 1 + 3 * 32 + 4;

/// Consecutive L2 blocks, without what L1 already knows (attributes and deposits).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Channel {
    /// Number of the first block.
    pub first_number: BlockNumber,
    /// Hash of the block before the first.
    pub parent_hash: B256,
    /// Hash of the last block, as the sequencer claims it.
    pub tip_hash: B256,
    /// Hash of the last block's L1 origin.
    pub last_origin_hash: B256,
    /// The blocks, at least one.
    pub blocks: Vec<BatchBlock>,
}

/// What the sequencer decided about one L2 block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchBlock {
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    /// Number of the L1 origin.
    pub l1_origin_number: L1BlockNumber,
    /// EIP-2718 bytes of the users' transactions, in order.
    pub transactions: Vec<Bytes>,
}

impl Channel {
    /// Number of the last block; `first_number` for a channel without blocks.
    #[must_use]
    pub fn last_number(&self) -> BlockNumber {
        let later = u64::try_from(self.blocks.len().saturating_sub(1)).unwrap_or(u64::MAX);
        BlockNumber(self.first_number.0.saturating_add(later))
    }

    /// Number of the last block's L1 origin; `None` for a channel without blocks.
    #[must_use]
    pub fn last_origin_number(&self) -> Option<L1BlockNumber> {
        self.blocks.last().map(|block| block.l1_origin_number)
    }
}

/// Why bytes are not a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than any channel has.
    #[error("{0} bytes exceed the {MAX_CHANNEL_BYTES} of a channel")]
    TooLong(usize),
    /// Unknown format.
    #[error("unknown channel version {0}")]
    Version(u8),
    /// The bytes end inside a field.
    #[error("input ends in {0}")]
    Truncated(&'static str),
    /// A field does not fit 64 bits.
    #[error("{0} does not fit 64 bits")]
    Overflow(&'static str),
    /// A varint with superfluous bytes.
    #[error("{0} is not in its shortest form")]
    NotMinimal(&'static str),
    /// A count above its limit.
    #[error("{what} {found} exceeds {limit}")]
    TooMany {
        /// The field.
        what: &'static str,
        /// Its value.
        found: u64,
        /// Its limit.
        limit: usize,
    },
    /// The body is announced longer than any body may be.
    #[error("body of {0} bytes exceeds {MAX_BODY_BYTES}")]
    BodyTooLong(usize),
    /// The compressed part is not a brotli stream.
    #[error("compressed body is corrupt")]
    Corrupt,
    /// The compressed part does not hold the announced number of bytes.
    #[error("compressed body does not inflate to the announced {0} bytes")]
    BodyLength(usize),
    /// Bytes follow the compressed part.
    #[error("bytes follow the compressed body")]
    Trailing,
    /// Bytes follow the last transaction.
    #[error("{0} bytes follow the last transaction")]
    TrailingBody(usize),
    /// No block.
    #[error("channel without blocks")]
    Empty,
}

/// Why a channel has no encoding.
#[cfg(feature = "encode")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// No block.
    #[error("channel without blocks")]
    Empty,
    /// Above a limit.
    #[error("{what} {found} exceeds {limit}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// How much there may be.
        limit: usize,
    },
    /// A timestamp or L1 origin below the one before it.
    #[error("block {0} goes back in time or in L1 origin")]
    Backwards(usize),
}

/// Encodes `channel` with [`DEFAULT_QUALITY`].
///
/// # Errors
/// See [`encode_with_quality`].
#[cfg(feature = "encode")]
pub fn encode(channel: &Channel) -> Result<Vec<u8>, EncodeError> {
    encode_with_quality(channel, DEFAULT_QUALITY)
}

/// Encodes `channel` as `docs/format.md` says; brotli `quality` from 0 (fast) to 11 (small).
///
/// # Errors
/// [`EncodeError`]: the channel is empty, above a limit, or its blocks go back in time or origin.
#[cfg(feature = "encode")]
pub fn encode_with_quality(channel: &Channel, quality: u8) -> Result<Vec<u8>, EncodeError> {
    check(channel)?;
    let body = body::encode(channel.first_number, &channel.blocks);
    at_most("body length", body.len(), MAX_BODY_BYTES)?;
    let length = u32::try_from(body.len()).expect("at most MAX_BODY_BYTES, checked above");

    let mut out = Vec::with_capacity(HEADER_BYTES + body.len() / 2);
    out.push(VERSION);
    for hash in [channel.parent_hash, channel.tip_hash, channel.last_origin_hash] {
        out.extend_from_slice(hash.as_slice());
    }
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&compression::deflate(&body, quality));
    at_most("channel length", out.len(), MAX_CHANNEL_BYTES)?;
    Ok(out)
}

#[cfg(feature = "encode")]
fn check(channel: &Channel) -> Result<(), EncodeError> {
    if channel.blocks.is_empty() {
        return Err(EncodeError::Empty);
    }
    at_most("block count", channel.blocks.len(), MAX_BLOCKS)?;
    let transactions = channel.blocks.iter().map(|block| block.transactions.len()).sum();
    at_most("transaction count", transactions, MAX_TRANSACTIONS)?;
    let backwards = channel.blocks.windows(2).position(|pair| {
        pair[1].timestamp < pair[0].timestamp || pair[1].l1_origin_number < pair[0].l1_origin_number
    });
    backwards.map_or(Ok(()), |index| Err(EncodeError::Backwards(index + 1)))
}

#[cfg(feature = "encode")]
const fn at_most(what: &'static str, found: usize, limit: usize) -> Result<(), EncodeError> {
    if found > limit { Err(EncodeError::TooMany { what, found, limit }) } else { Ok(()) }
}

/// Reads a channel from exactly all of `input`. Never panics, whatever the bytes.
///
/// Every limit is checked before memory is taken for what it limits.
///
/// # Errors
/// [`DecodeError`] names the field and the rule of `docs/format.md` that it breaks.
pub fn decode(input: &[u8]) -> Result<Channel, DecodeError> {
    if input.len() > MAX_CHANNEL_BYTES {
        return Err(DecodeError::TooLong(input.len()));
    }
    let (version, mut rest) = input.split_first().ok_or(DecodeError::Truncated("version"))?;
    if *version != VERSION {
        return Err(DecodeError::Version(*version));
    }
    let parent_hash = B256::from(array(&mut rest, "parent_hash")?);
    let tip_hash = B256::from(array(&mut rest, "tip_hash")?);
    let last_origin_hash = B256::from(array(&mut rest, "last_origin_hash")?);
    let length = u32::from_be_bytes(array(&mut rest, "body length")?);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MAX_BODY_BYTES {
        return Err(DecodeError::BodyTooLong(length));
    }
    let body = compression::inflate(rest, length).map_err(|error| match error {
        InflateError::Corrupt => DecodeError::Corrupt,
        InflateError::Truncated | InflateError::TooLong => DecodeError::BodyLength(length),
        InflateError::Trailing => DecodeError::Trailing,
    })?;
    let (first_number, blocks) = body::decode(&body)?;
    if blocks.is_empty() {
        return Err(DecodeError::Empty);
    }
    Ok(Channel { first_number, parent_hash, tip_hash, last_origin_hash, blocks })
}

fn array<const N: usize>(input: &mut &[u8], what: &'static str) -> Result<[u8; N], DecodeError> {
    let (head, rest) = input.split_first_chunk().ok_or(DecodeError::Truncated(what))?;
    *input = rest;
    Ok(*head)
}
