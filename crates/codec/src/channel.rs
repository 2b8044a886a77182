//! A channel: consecutive L2 blocks.

#[cfg(feature = "encode")]
use alloc::vec;
use alloc::vec::Vec;

#[cfg(feature = "encode")]
use alloc::collections::BTreeMap;
#[cfg(feature = "encode")]
use alloy_primitives::Address;
use alloy_primitives::{B256, Bytes};
use lockstep_primitives::{BlockNumber, L1BlockNumber};

use crate::{
    History,
    columns::Columns,
    compression,
    range::{Fault, Reader},
    transaction::Transaction,
    varint::{self, VarintError},
};
#[cfg(feature = "encode")]
use crate::{
    meter::Meter,
    range::{Coder, Column, Streams, Writer},
};

/// Most bytes of an encoded channel. One above [`MAX_FRAME_BYTES`](crate::MAX_FRAME_BYTES) travels in frames.
pub const MAX_CHANNEL_BYTES: usize = 3 * 1024 * 1024;
/// Most bytes of content that a channel may hold: transactions, as `docs/format.md` counts them.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Most blocks of a channel.
pub const MAX_BLOCKS: usize = 65_536;
/// Most transactions of a channel.
pub const MAX_TRANSACTIONS: usize = 262_144;
/// Default brotli quality of what no column explains.
#[cfg(feature = "encode")]
pub const DEFAULT_QUALITY: u8 = 10;

/// First byte of a channel; that of a frame is another one.
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;
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
    /// A field holds a value that it cannot have.
    #[error("{0} is out of range")]
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
    /// The content is longer than any channel's.
    #[error("content exceeds {MAX_BODY_BYTES} bytes")]
    BodyTooLong,
    /// A reference to an entry that no dictionary has.
    #[error("{0} refers to nothing")]
    Dangling(&'static str),
    /// The compressed part is not a brotli stream of the announced length.
    #[error("compressed text is corrupt")]
    Corrupt,
    /// The transactions are not those that were encoded.
    #[error("checksum does not match: the channel is damaged, or follows another history")]
    Checksum,
    /// Bytes that nothing refers to.
    #[error("{0} bytes are left over")]
    Trailing(usize),
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

/// What an encoder may choose.
#[cfg(feature = "encode")]
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Brotli quality of what no column explains, from 0 (fast) to 11 (small).
    pub quality: u8,
}

#[cfg(feature = "encode")]
impl Default for Options {
    fn default() -> Self {
        Self { quality: DEFAULT_QUALITY }
    }
}

/// Encodes `channel`, which follows `history`.
///
/// `senders` are those of its transactions, in order. They make the encoding short; missing or wrong ones only make
/// it longer.
///
/// # Errors
/// [`EncodeError`]: the channel is empty, above a limit, or its blocks go back in time or origin.
#[cfg(feature = "encode")]
pub fn encode(
    channel: &Channel,
    senders: &[Address],
    history: &History,
    options: Options,
) -> Result<Vec<u8>, EncodeError> {
    let Parts { header, coded, packed, raw } = parts(channel, senders, history, options)?;
    let out = [header, coded, packed, raw].concat();
    at_most("channel length", out.len(), MAX_CHANNEL_BYTES)?;
    Ok(out)
}

/// What an encoded channel is made of, in order.
#[cfg(feature = "encode")]
struct Parts {
    header: Vec<u8>,
    coded: Vec<u8>,
    packed: Vec<u8>,
    raw: Vec<u8>,
}

#[cfg(feature = "encode")]
fn parts(
    channel: &Channel,
    senders: &[Address],
    history: &History,
    options: Options,
) -> Result<Parts, EncodeError> {
    let mut writer = Writer::new(MAX_BODY_BYTES);
    write(&mut writer, channel, senders, history)?;
    let Streams { coded, raw, text } = writer.finish();
    let packed = if text.is_empty() { Vec::new() } else { compression::deflate(&text, options.quality) };
    let mut header = vec![VERSION];
    for hash in [channel.parent_hash, channel.tip_hash, channel.last_origin_hash] {
        header.extend_from_slice(hash.as_slice());
    }
    varint::put(&mut header, channel.first_number.0);
    for length in [channel.blocks.len(), coded.len(), packed.len(), text.len()] {
        varint::put(&mut header, length as u64);
    }
    header.extend_from_slice(&checksum(&channel.blocks).to_be_bytes());
    Ok(Parts { header, coded, packed, raw })
}

/// Bytes of each column of `channel` as [`encode`] would code it: fractions, since columns share bytes. Text counts
/// as the general compressor shortens it on the whole.
///
/// # Errors
/// As [`encode`].
#[cfg(feature = "encode")]
pub fn column_bytes(
    channel: &Channel,
    senders: &[Address],
    history: &History,
    options: Options,
) -> Result<BTreeMap<Column, f64>, EncodeError> {
    let Parts { header, packed, .. } = parts(channel, senders, history, options)?;
    let mut meter = Meter::default();
    write(&mut meter, channel, senders, history)?;
    Ok(meter.column_bytes(header.len(), packed.len()))
}

/// Drives `coder` over all of `channel`.
#[cfg(feature = "encode")]
fn write<C: Coder>(
    coder: &mut C,
    channel: &Channel,
    senders: &[Address],
    history: &History,
) -> Result<(), EncodeError> {
    check(channel)?;
    let too_long = |_| EncodeError::TooMany {
        what: "content length",
        found: channel.blocks.iter().flat_map(|block| &block.transactions).map(|tx| tx.len()).sum(),
        limit: MAX_BODY_BYTES,
    };
    let mut columns = columns_after(history);
    let mut senders = senders.iter().copied();
    let (mut timestamp, mut origin) = (0, 0);
    for block in &channel.blocks {
        let gaps = (block.timestamp - timestamp, block.l1_origin_number.0 - origin);
        columns.block(coder, (gaps.0, gaps.1, block.transactions.len())).map_err(too_long)?;
        (timestamp, origin) = (block.timestamp, block.l1_origin_number.0);
        for bytes in &block.transactions {
            let mut tx = Transaction::parse(bytes);
            columns.transaction(coder, &mut tx, senders.next()).map_err(too_long)?;
        }
    }
    Ok(())
}

fn columns_after(history: &History) -> Columns {
    let mut columns = Columns::default();
    for (sender, bytes) in history.iter() {
        columns.learn(sender, &mut Transaction::parse(bytes));
    }
    columns
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

/// What a channel says before its columns: enough to know which history it refers to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelHeader {
    /// Hash of the block before the first.
    pub parent_hash: B256,
    /// Hash of the last block, as the sequencer claims it.
    pub tip_hash: B256,
    /// Hash of the last block's L1 origin.
    pub last_origin_hash: B256,
    /// Number of the first block.
    pub first_number: BlockNumber,
}

/// Reads the header of a channel, and no more.
///
/// # Errors
/// [`DecodeError`] if the bytes are not even the beginning of a channel.
pub fn decode_header(input: &[u8]) -> Result<ChannelHeader, DecodeError> {
    header(&mut &*input)
}

/// Reads a channel that follows `history` from exactly all of `input`. Never panics, whatever the bytes.
///
/// Every limit is checked before memory is taken for what it limits. Another history gives an
/// error: look at [`decode_header`] first.
///
/// # Errors
/// [`DecodeError`] names the field and the rule of `docs/format.md` that it breaks.
pub fn decode(mut input: &[u8], history: &History) -> Result<Channel, DecodeError> {
    let input = &mut input;
    let ChannelHeader { parent_hash, tip_hash, last_origin_hash, first_number } = header(input)?;
    let count = length(input, "block count", MAX_BLOCKS)?;
    let coded = length(input, "coded length", MAX_CHANNEL_BYTES)?;
    let packed = length(input, "packed length", MAX_CHANNEL_BYTES)?;
    let text = length(input, "text length", MAX_BODY_BYTES)?;
    let expected = take(input, CHECKSUM_BYTES, "checksum")?;
    if count == 0 {
        return Err(DecodeError::Empty);
    }
    let coded = take(input, coded, "coded bytes")?;
    let packed = take(input, packed, "packed bytes")?;
    let text = if packed.is_empty() && text == 0 {
        Vec::new()
    } else {
        compression::inflate(packed, text).map_err(|_| DecodeError::Corrupt)?
    };
    let mut reader = Reader::new(coded, input, &text, MAX_BODY_BYTES);
    let blocks = read_blocks(&mut reader, history, count)?;
    match reader.left() {
        _ if reader.is_exhausted() => Err(DecodeError::Truncated("coded bytes")),
        0 if expected != checksum(&blocks).to_be_bytes() => Err(DecodeError::Checksum),
        0 => Ok(Channel { first_number, parent_hash, tip_hash, last_origin_hash, blocks }),
        left => Err(DecodeError::Trailing(left)),
    }
}

fn read_blocks(
    reader: &mut Reader<'_>,
    history: &History,
    count: usize,
) -> Result<Vec<BatchBlock>, DecodeError> {
    let mut columns = columns_after(history);
    let mut blocks = Vec::new();
    let mut room = MAX_TRANSACTIONS;
    let (mut timestamp, mut origin) = (0u64, 0u64);
    for _ in 0..count {
        if reader.is_exhausted() {
            return Err(DecodeError::Truncated("blocks"));
        }
        let (seconds, origins, size) = columns.block(reader, (0, 0, 0))?;
        timestamp = timestamp.checked_add(seconds).ok_or(DecodeError::Overflow("timestamp"))?;
        origin = origin.checked_add(origins).ok_or(DecodeError::Overflow("l1_origin_number"))?;
        room = room.checked_sub(size).ok_or(DecodeError::TooMany {
            what: "transaction count",
            found: (MAX_TRANSACTIONS - room).saturating_add(size) as u64,
            limit: MAX_TRANSACTIONS,
        })?;
        // Not all at once: each transaction is paid for with content before the next one is believed in.
        let mut transactions = Vec::new();
        for _ in 0..size {
            let mut tx = Transaction::default();
            columns.transaction(reader, &mut tx, None)?;
            transactions.push(tx.encode().into());
        }
        blocks.push(BatchBlock { timestamp, l1_origin_number: L1BlockNumber(origin), transactions });
    }
    Ok(blocks)
}

/// CRC-32 (IEEE 802.3) of all transactions, one after the other.
fn checksum(blocks: &[BatchBlock]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    blocks.iter().flat_map(|block| &block.transactions).for_each(|tx| hasher.update(tx));
    hasher.finalize()
}

fn header(input: &mut &[u8]) -> Result<ChannelHeader, DecodeError> {
    if input.len() > MAX_CHANNEL_BYTES {
        return Err(DecodeError::TooLong(input.len()));
    }
    let (version, rest) = input.split_first().ok_or(DecodeError::Truncated("version"))?;
    *input = rest;
    if *version != VERSION {
        return Err(DecodeError::Version(*version));
    }
    let mut hash = |what| take(input, 32, what).map(B256::from_slice);
    Ok(ChannelHeader {
        parent_hash: hash("parent_hash")?,
        tip_hash: hash("tip_hash")?,
        last_origin_hash: hash("last_origin_hash")?,
        first_number: BlockNumber(number(input, "first_number")?),
    })
}

fn number(input: &mut &[u8], what: &'static str) -> Result<u64, DecodeError> {
    varint::get(input).map_err(|error| match error {
        VarintError::Truncated => DecodeError::Truncated(what),
        VarintError::Overflow => DecodeError::Overflow(what),
        VarintError::NotMinimal => DecodeError::NotMinimal(what),
    })
}

fn length(input: &mut &[u8], what: &'static str, limit: usize) -> Result<usize, DecodeError> {
    let found = number(input, what)?;
    let length = usize::try_from(found).ok().filter(|length| *length <= limit);
    length.ok_or(DecodeError::TooMany { what, found, limit })
}

fn take<'a>(input: &mut &'a [u8], length: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
    let (head, rest) = input.split_at_checked(length).ok_or(DecodeError::Truncated(what))?;
    *input = rest;
    Ok(head)
}

impl From<Fault> for DecodeError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Truncated => Self::Truncated("columns"),
            Fault::Dangling(what) => Self::Dangling(what),
            Fault::Overflow(what) => Self::Overflow(what),
            Fault::TooLong => Self::BodyTooLong,
        }
    }
}

#[cfg(all(test, feature = "encode"))]
mod tests {
    use super::*;

    /// A channel of empty blocks with these gaps of time and origin, which no [`Channel`] has.
    fn of_gaps(gaps: &[(u64, u64, usize)]) -> Result<Vec<BatchBlock>, DecodeError> {
        let (mut writer, mut columns) = (Writer::new(MAX_BODY_BYTES), Columns::default());
        for gap in gaps {
            columns.block(&mut writer, *gap)?;
        }
        let coded = writer.finish().coded;
        read_blocks(&mut Reader::new(&coded, &[], &[], MAX_BODY_BYTES), &History::default(), gaps.len())
    }

    #[test]
    fn sums_above_64_bits_are_refused() {
        assert_eq!(of_gaps(&[(u64::MAX, 0, 0), (1, 0, 0)]), Err(DecodeError::Overflow("timestamp")));
        assert_eq!(of_gaps(&[(1, u64::MAX, 0), (1, 1, 0)]), Err(DecodeError::Overflow("l1_origin_number")));
        assert!(of_gaps(&[(u64::MAX, u64::MAX, 0), (0, 0, 0)]).is_ok());
    }

    #[test]
    fn more_transactions_than_may_be_are_refused_before_one_is_read() {
        for (size, found) in [(MAX_TRANSACTIONS + 1, MAX_TRANSACTIONS as u64 + 1), (usize::MAX, u64::MAX)] {
            let expected = DecodeError::TooMany { what: "transaction count", found, limit: MAX_TRANSACTIONS };
            assert_eq!(of_gaps(&[(1, 1, size)]), Err(expected));
        }
    }
}
