//! A binary range coder with two plain streams beside it, and what else can drive a model.

#[cfg(feature = "encode")]
use alloc::vec::Vec;

/// Why coding cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A stream ends too early.
    Truncated,
    /// A reference to something that is not there.
    Dangling(&'static str),
    /// A value that the field cannot have.
    Overflow(&'static str),
    /// More content than [`MAX_BODY_BYTES`](crate::MAX_BODY_BYTES).
    TooLong,
}

/// One side of the format. A model that drives a coder is the format in both directions: values given to a
/// [`Reader`] mean nothing, and those that come back are the ones that the [`Writer`] was given.
pub(crate) trait Coder {
    /// Whether values come out of the coder.
    const READS: bool;

    /// Codes `bit`, which is 1 with probability `one / 4096`.
    fn bit(&mut self, one: u32, bit: bool) -> bool;

    /// Codes the part `[start, start + size)` of `total`; a reader finds the part by a point in it.
    fn part(&mut self, part: Part, total: u32, find: impl FnOnce(u32) -> Part);

    /// Codes the lower `count` bits of `value`, at most 64, all equally likely.
    fn bits(&mut self, count: u32, value: u64) -> u64;

    /// Bytes that nothing shortens: they are kept as they are.
    fn raw(&mut self, bytes: &mut [u8]) -> Result<(), Fault>;

    /// Bytes for the general compressor.
    fn text(&mut self, bytes: &mut [u8]) -> Result<(), Fault>;

    /// Takes `bytes` of content from what a channel may hold. Asked before memory is taken for them.
    fn spend(&mut self, bytes: usize) -> Result<(), Fault>;

    /// Says which column follows.
    fn column(&mut self, _: Column) {}
}

/// A part of a range.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Part {
    pub(crate) start: u32,
    pub(crate) size: u32,
}

macro_rules! columns {
    ($($name:ident $text:literal,)*) => {
        /// What a part of a channel's bytes stands for.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Column {
            $(#[doc = $text] $name,)*
            /// Hashes and lengths before the columns.
            #[default]
            Header,
        }

        impl Column {
            /// Its name in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* Self::Header => "header" }
            }
        }
    };
}

columns! {
    Blocks "blocks",
    Sender "sender",
    Kind "type",
    Recipient "recipient",
    Calldata "calldata",
    Value "value",
    GasLimit "gas limit",
    Fees "fees",
    Nonce "nonce",
    AccessList "access list",
    Authorizations "authorizations",
    Signature "signature",
}

/// The range is widened below this.
const NARROW: u64 = 1 << 32;
/// Probabilities have this many bits.
const PROBABILITY_BITS: u32 = 12;
/// Most bits of [`Coder::bits`] that are coded at once.
const BITS_AT_ONCE: u32 = 16;

/// Takes `spent` from `budget`.
fn spend(budget: &mut usize, spent: usize) -> Result<(), Fault> {
    *budget = budget.checked_sub(spent).ok_or(Fault::TooLong)?;
    Ok(())
}

/// Splits `count` bits into pieces, highest first: `(bits of the piece, bits below it)`.
fn pieces(mut count: u32) -> impl Iterator<Item = (u32, u32)> {
    core::iter::from_fn(move || {
        let now = count.min(BITS_AT_ONCE);
        count -= now;
        (now > 0).then_some((now, count))
    })
}

/// Encodes.
#[cfg(feature = "encode")]
#[derive(Debug)]
pub(crate) struct Writer {
    low: u64,
    range: u64,
    coded: Vec<u8>,
    raw: Vec<u8>,
    text: Vec<u8>,
    budget: usize,
}

/// The streams of a channel.
#[cfg(feature = "encode")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Streams {
    /// What the range coder wrote.
    pub(crate) coded: Vec<u8>,
    /// Bytes as they are.
    pub(crate) raw: Vec<u8>,
    /// Bytes for the general compressor.
    pub(crate) text: Vec<u8>,
}

#[cfg(feature = "encode")]
impl Writer {
    pub(crate) const fn new(budget: usize) -> Self {
        Self { low: 0, range: u64::MAX, coded: Vec::new(), raw: Vec::new(), text: Vec::new(), budget }
    }

    fn add(&mut self, offset: u64) {
        let (low, carry) = self.low.overflowing_add(offset);
        self.low = low;
        if carry {
            for byte in self.coded.iter_mut().rev() {
                *byte = byte.wrapping_add(1);
                if *byte != 0 {
                    break;
                }
            }
        }
    }

    fn widen(&mut self) {
        while self.range < NARROW {
            self.coded.extend_from_slice(&self.low.to_be_bytes()[..4]);
            self.low <<= 32;
            self.range <<= 32;
        }
    }

    /// Ends the coded stream with as few bytes as tell the last range.
    pub(crate) fn finish(mut self) -> Streams {
        for kept in 0..=8u32 {
            let below = u64::MAX.checked_shr(8 * kept).unwrap_or(0);
            let distance = (self.low.wrapping_add(below) & !below).wrapping_sub(self.low);
            if distance < self.range {
                self.add(distance);
                self.coded.extend_from_slice(&self.low.to_be_bytes()[..kept as usize]);
                break;
            }
        }
        Streams { coded: self.coded, raw: self.raw, text: self.text }
    }
}

#[cfg(feature = "encode")]
impl Coder for Writer {
    const READS: bool = false;

    fn bit(&mut self, one: u32, bit: bool) -> bool {
        let bound = (self.range >> PROBABILITY_BITS) * u64::from(one);
        if bit {
            self.range = bound;
        } else {
            self.add(bound);
            self.range -= bound;
        }
        self.widen();
        bit
    }

    fn part(&mut self, part: Part, total: u32, _: impl FnOnce(u32) -> Part) {
        let unit = self.range / u64::from(total);
        self.add(unit * u64::from(part.start));
        self.range = unit * u64::from(part.size);
        self.widen();
    }

    fn bits(&mut self, count: u32, value: u64) -> u64 {
        for (now, below) in pieces(count) {
            self.range >>= now;
            self.add(self.range * (value >> below & ((1 << now) - 1)));
            self.widen();
        }
        value
    }

    fn raw(&mut self, bytes: &mut [u8]) -> Result<(), Fault> {
        self.raw.extend_from_slice(bytes);
        Ok(())
    }

    fn text(&mut self, bytes: &mut [u8]) -> Result<(), Fault> {
        self.text.extend_from_slice(bytes);
        Ok(())
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Fault> {
        spend(&mut self.budget, bytes)
    }
}

/// Decodes.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    code: u64,
    range: u64,
    coded: &'a [u8],
    raw: &'a [u8],
    text: &'a [u8],
    budget: usize,
    /// Zeros that were read after the end of the coded stream.
    past: usize,
}

/// The reader is ahead of what it has used by at most this many bytes.
const READ_AHEAD: usize = 8;

impl<'a> Reader<'a> {
    pub(crate) fn new(coded: &'a [u8], raw: &'a [u8], text: &'a [u8], budget: usize) -> Self {
        let mut reader = Self { code: 0, range: u64::MAX, coded, raw, text, budget, past: 0 };
        reader.code = reader.next() << 32 | reader.next();
        reader
    }

    /// Whether more was read than the streams can hold: what came last is made up.
    pub(crate) const fn is_exhausted(&self) -> bool {
        self.past > READ_AHEAD
    }

    /// Bytes that nothing has read.
    pub(crate) const fn left(&self) -> usize {
        self.coded.len() + self.raw.len() + self.text.len()
    }

    fn next(&mut self) -> u64 {
        if let Some((head, rest)) = self.coded.split_first_chunk::<4>() {
            self.coded = rest;
            return u64::from(u32::from_be_bytes(*head));
        }
        let mut last = [0; 4];
        last[..self.coded.len()].copy_from_slice(self.coded);
        self.past = self.past.saturating_add(4 - self.coded.len());
        self.coded = &[];
        u64::from(u32::from_be_bytes(last))
    }

    fn widen(&mut self) {
        while self.range < NARROW {
            self.code = self.code << 32 | self.next();
            self.range <<= 32;
        }
    }
}

fn take(from: &mut &[u8], into: &mut [u8]) -> Result<(), Fault> {
    let (head, rest) = from.split_at_checked(into.len()).ok_or(Fault::Truncated)?;
    into.copy_from_slice(head);
    *from = rest;
    Ok(())
}

impl Coder for Reader<'_> {
    const READS: bool = true;

    fn bit(&mut self, one: u32, _: bool) -> bool {
        let bound = (self.range >> PROBABILITY_BITS) * u64::from(one);
        let bit = self.code < bound;
        if bit {
            self.range = bound;
        } else {
            self.code -= bound;
            self.range -= bound;
        }
        self.widen();
        bit
    }

    fn part(&mut self, _: Part, total: u32, find: impl FnOnce(u32) -> Part) {
        let unit = self.range / u64::from(total);
        // A writer never gets beyond the last part; what is no writer's work may.
        let point = u32::try_from(self.code / unit).unwrap_or(u32::MAX).min(total - 1);
        let part = find(point);
        self.code -= unit * u64::from(part.start);
        self.range = unit * u64::from(part.size);
        self.code = self.code.min(self.range - 1);
        self.widen();
    }

    fn bits(&mut self, count: u32, _: u64) -> u64 {
        let mut value = 0;
        for (now, _) in pieces(count) {
            self.range >>= now;
            let piece = (self.code / self.range).min((1 << now) - 1);
            self.code = (self.code - self.range * piece).min(self.range - 1);
            value = value << now | piece;
            self.widen();
        }
        value
    }

    fn raw(&mut self, bytes: &mut [u8]) -> Result<(), Fault> {
        take(&mut self.raw, bytes)
    }

    fn text(&mut self, bytes: &mut [u8]) -> Result<(), Fault> {
        take(&mut self.text, bytes)
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Fault> {
        if self.is_exhausted() {
            return Err(Fault::Truncated);
        }
        spend(&mut self.budget, bytes)
    }
}

/// Codes nothing: brings a model to where coding would have brought it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Learner;

impl Coder for Learner {
    const READS: bool = false;

    fn bit(&mut self, _: u32, bit: bool) -> bool {
        bit
    }

    fn part(&mut self, _: Part, _: u32, _: impl FnOnce(u32) -> Part) {}

    fn bits(&mut self, _: u32, value: u64) -> u64 {
        value
    }

    fn raw(&mut self, _: &mut [u8]) -> Result<(), Fault> {
        Ok(())
    }

    fn text(&mut self, _: &mut [u8]) -> Result<(), Fault> {
        Ok(())
    }

    fn spend(&mut self, _: usize) -> Result<(), Fault> {
        Ok(())
    }
}

#[cfg(all(test, feature = "encode"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::{collection::vec, prelude::*};

    #[derive(Clone, Debug)]
    enum Op {
        Bit(u32, bool),
        Part(u32, u32, u32),
        Bits(u32, u64),
        Raw(Vec<u8>),
        Text(Vec<u8>),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (1..4096u32, any::<bool>()).prop_map(|(one, bit)| Op::Bit(one, bit)),
            (1..1u32 << 24).prop_flat_map(|total| {
                (0..total).prop_flat_map(move |start| {
                    (1..=total - start).prop_map(move |size| Op::Part(start, size, total))
                })
            }),
            (0..=64u32, any::<u64>()).prop_map(|(count, value)| {
                Op::Bits(count, value & u64::MAX.checked_shr(64 - count).unwrap_or(0))
            }),
            vec(any::<u8>(), 0..9).prop_map(Op::Raw),
            vec(any::<u8>(), 0..9).prop_map(Op::Text),
        ]
    }

    fn write(ops: &[Op]) -> Streams {
        let mut writer = Writer::new(0);
        for op in ops {
            match op.clone() {
                Op::Bit(one, bit) => assert_eq!(writer.bit(one, bit), bit),
                Op::Part(start, size, total) => writer.part(Part { start, size }, total, |_| unreachable!()),
                Op::Bits(count, value) => assert_eq!(writer.bits(count, value), value),
                Op::Raw(mut bytes) => writer.raw(&mut bytes).unwrap(),
                Op::Text(mut bytes) => writer.text(&mut bytes).unwrap(),
            }
        }
        writer.finish()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn a_reader_gets_what_the_writer_was_given(ops in vec(op(), 0..200)) {
            let Streams { coded, raw, text } = write(&ops);
            let mut reader = Reader::new(&coded, &raw, &text, 0);
            for op in ops {
                match op {
                    Op::Bit(one, bit) => prop_assert_eq!(reader.bit(one, !bit), bit),
                    Op::Part(start, size, total) => reader.part(Part::default(), total, |point| {
                        assert!((start..start + size).contains(&point));
                        Part { start, size }
                    }),
                    Op::Bits(count, value) => prop_assert_eq!(reader.bits(count, !value), value),
                    Op::Raw(bytes) => {
                        let mut read = vec![0; bytes.len()];
                        reader.raw(&mut read).unwrap();
                        prop_assert_eq!(read, bytes);
                    }
                    Op::Text(bytes) => {
                        let mut read = vec![0; bytes.len()];
                        reader.text(&mut read).unwrap();
                        prop_assert_eq!(read, bytes);
                    }
                }
            }
            prop_assert!(!reader.is_exhausted());
            prop_assert_eq!(reader.left(), 0);
        }

        #[test]
        fn a_reader_of_anything_ends(coded in vec(any::<u8>(), 0..40), ops in vec(op(), 0..100)) {
            let mut reader = Reader::new(&coded, &[], &[], 0);
            for op in ops {
                match op {
                    Op::Bit(one, bit) => { reader.bit(one, bit); }
                    Op::Part(_, _, total) => reader.part(Part::default(), total, |point| Part { start: point, size: 1 }),
                    Op::Bits(count, value) => { reader.bits(count, value); }
                    Op::Raw(_) | Op::Text(_) => {}
                }
            }
        }
    }

    #[test]
    fn a_carry_runs_through_bytes_already_written() {
        // 0xff…: the lower part of the range ends just below a carry, the next step crosses it.
        let ops: Vec<Op> =
            (0..40).flat_map(|_| [Op::Bit(4095, false), Op::Bits(16, 0xffff), Op::Bit(1, false)]).collect();
        let Streams { coded, .. } = write(&ops);
        let mut reader = Reader::new(&coded, &[], &[], 0);
        for _ in 0..40 {
            assert!(!reader.bit(4095, true));
            assert_eq!(reader.bits(16, 0), 0xffff);
            assert!(!reader.bit(1, true));
        }
    }

    #[test]
    fn reading_past_the_end_shows() {
        let mut reader = Reader::new(&[], &[], &[], 10);
        assert_eq!(reader.spend(4), Ok(()));
        assert_eq!(reader.spend(7), Err(Fault::TooLong));
        for _ in 0..8 {
            reader.bits(16, 0);
        }
        assert_eq!(reader.spend(0), Err(Fault::Truncated));
    }
}
