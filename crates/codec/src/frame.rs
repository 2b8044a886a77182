//! A channel that is longer than an inbox transaction may be, in several of them.
//!
//! A channel that fits travels as it is; the first byte, a version, tells the two apart.

use alloc::vec::Vec;

use alloy_primitives::{B256, keccak256};

use crate::{
    MAX_CHANNEL_BYTES,
    blob::{LENGTH_BYTES, MAX_BLOB_DATA_BYTES, MAX_BLOBS},
};

/// Most bytes that one inbox transaction carries: what [`MAX_BLOBS`] blobs hold.
pub const MAX_FRAME_BYTES: usize = MAX_BLOBS * MAX_BLOB_DATA_BYTES - LENGTH_BYTES;
/// Most frames of a channel.
pub const MAX_FRAMES: usize = 64;

/// First byte of a frame.
const VERSION: u8 = 2;
/// Version, channel, number, count.
const HEADER_BYTES: usize = 1 + 32 + 1 + 1;

/// A part of a channel, as it stands in an inbox transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Keccak-256 of the whole channel.
    pub channel: B256,
    /// Its place among the frames of the channel, from 0.
    pub number: u8,
    /// Frames of the channel.
    pub count: u8,
    /// Its bytes of the channel.
    pub data: &'a [u8],
}

/// Why bytes are no frame, or do not continue a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The bytes end before the data.
    #[error("frame without data")]
    Truncated,
    /// A channel has 2 to [`MAX_FRAMES`] frames, numbered from 0.
    #[error("frame {number} of {count}")]
    Number {
        /// Its number.
        number: u8,
        /// Frames of its channel.
        count: u8,
    },
    /// It is not the next frame of the channel that is open.
    #[error("frame {number} of {count} of channel {channel} does not continue what came before it")]
    NotNext {
        /// Its channel.
        channel: B256,
        /// Its number.
        number: u8,
        /// Frames of its channel.
        count: u8,
    },
    /// The frames together are longer than a channel.
    #[error("frames of more than {MAX_CHANNEL_BYTES} bytes")]
    TooLong,
    /// The frames together are not the channel that they name.
    #[error("frames do not add up to channel {0}")]
    OtherChannel(B256),
}

impl<'a> Frame<'a> {
    /// Reads what an inbox transaction carries; `None` if that is a channel.
    ///
    /// # Errors
    /// [`FrameError`] names the rule of `docs/format.md` that the bytes break.
    pub fn decode(input: &'a [u8]) -> Result<Option<Self>, FrameError> {
        if input.first() != Some(&VERSION) {
            return Ok(None);
        }
        let (header, data) = input.split_at_checked(HEADER_BYTES).ok_or(FrameError::Truncated)?;
        let (number, count) = (header[HEADER_BYTES - 2], header[HEADER_BYTES - 1]);
        if data.is_empty() {
            return Err(FrameError::Truncated);
        }
        if !(2..=MAX_FRAMES).contains(&usize::from(count)) || number >= count {
            return Err(FrameError::Number { number, count });
        }
        let channel = B256::from_slice(&header[1..HEADER_BYTES - 2]);
        Ok(Some(Self { channel, number, count, data }))
    }

    /// The error that it does not continue what came before it.
    #[must_use]
    pub const fn not_next(&self) -> FrameError {
        FrameError::NotNext { channel: self.channel, number: self.number, count: self.count }
    }
}

/// What inbox transactions of at most `max_bytes` each carry for `channel`: the channel itself, or as few frames as hold it.
/// `None` if those were more than [`MAX_FRAMES`].
#[must_use]
pub fn to_frames(channel: &[u8], max_bytes: usize) -> Option<Vec<Vec<u8>>> {
    if channel.len() <= max_bytes {
        return Some(Vec::from([channel.to_vec()]));
    }
    let data_bytes = max_bytes.checked_sub(HEADER_BYTES).filter(|bytes| *bytes > 0)?;
    let count = channel.len().div_ceil(data_bytes);
    let count = u8::try_from(count).ok().filter(|count| usize::from(*count) <= MAX_FRAMES)?;
    let hash = keccak256(channel);
    let frame = |(number, data): (u8, &[u8])| [&[VERSION], &hash[..], &[number, count], data].concat();
    Some((0..).zip(channel.chunks(data_bytes)).map(frame).collect())
}

/// A channel of which frames are missing.
#[derive(Clone, Debug)]
pub struct Assembly {
    channel: B256,
    count: u8,
    next: u8,
    data: Vec<u8>,
}

impl Assembly {
    /// Begins with a channel's first frame.
    ///
    /// # Errors
    /// [`FrameError::NotNext`] if it is another one.
    pub fn begin(frame: &Frame<'_>) -> Result<Self, FrameError> {
        let mut assembly = Self { channel: frame.channel, count: frame.count, next: 0, data: Vec::new() };
        assembly.add(frame)?;
        Ok(assembly)
    }

    /// Adds the next frame; tells whether it was the last one.
    ///
    /// # Errors
    /// [`FrameError::NotNext`] or [`FrameError::TooLong`]; nothing has changed then.
    pub fn add(&mut self, frame: &Frame<'_>) -> Result<bool, FrameError> {
        if (frame.channel, frame.number, frame.count) != (self.channel, self.next, self.count) {
            return Err(frame.not_next());
        }
        if self.data.len() + frame.data.len() > MAX_CHANNEL_BYTES {
            return Err(FrameError::TooLong);
        }
        self.data.extend_from_slice(frame.data);
        self.next += 1;
        Ok(self.next == self.count)
    }

    /// The bytes so far.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The channel, once the last frame is in.
    ///
    /// # Errors
    /// [`FrameError::OtherChannel`] if the frames do not add up to it.
    pub fn finish(self) -> Result<Vec<u8>, FrameError> {
        if keccak256(&self.data) == self.channel {
            Ok(self.data)
        } else {
            Err(FrameError::OtherChannel(self.channel))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloc::vec;

    use super::*;

    fn channel(length: usize) -> Vec<u8> {
        (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect()
    }

    fn assembled(frames: &[Vec<u8>]) -> Result<Vec<u8>, FrameError> {
        let mut frames = frames.iter().map(|frame| Frame::decode(frame).unwrap().unwrap());
        let mut assembly = Assembly::begin(&frames.next().unwrap())?;
        for frame in frames {
            assembly.add(&frame)?;
        }
        assembly.finish()
    }

    #[test]
    fn a_channel_that_fits_is_no_frame() {
        let channel = [vec![1], channel(99)].concat();
        let carried = to_frames(&channel, 100).unwrap();
        assert_eq!(carried, [channel]);
        assert_eq!(Frame::decode(&carried[0]), Ok(None));
        assert_eq!(Frame::decode(&[]), Ok(None));
    }

    /// Every byte as `docs/format.md` has it.
    #[test]
    fn a_frame_is_version_channel_number_count_and_data() {
        let channel = channel(100);
        let frames = to_frames(&channel, 85).unwrap();
        let hash = keccak256(&channel);
        assert_eq!(frames[0], [&[2], &hash[..], &[0, 2], &channel[..50]].concat());
        assert_eq!(frames[1], [&[2], &hash[..], &[1, 2], &channel[50..]].concat());
    }

    #[test]
    fn frames_add_up_to_their_channel() {
        for length in [101, 500, 65 * 64] {
            let channel = channel(length);
            let frames = to_frames(&channel, 100).unwrap();
            assert_eq!(frames.len(), length.div_ceil(100 - HEADER_BYTES));
            assert!(frames.iter().all(|frame| frame.len() <= 100));
            assert_eq!(assembled(&frames), Ok(channel));
        }
    }

    #[test]
    fn a_channel_of_more_frames_than_there_may_be_is_refused() {
        assert_eq!(to_frames(&channel(65 * 64 + 1), 100), None);
        assert_eq!(to_frames(&channel(101), HEADER_BYTES), None);
    }

    #[test]
    fn the_longest_channel_fits_the_frames_of_both_places() {
        let longest = channel(MAX_CHANNEL_BYTES);
        for max_bytes in [MAX_FRAME_BYTES, 120_000] {
            assert_eq!(assembled(&to_frames(&longest, max_bytes).unwrap()), Ok(longest.clone()));
        }
    }

    #[test]
    fn other_frames_than_the_next_one_are_refused() {
        let frames = to_frames(&channel(200), 100).unwrap();
        let other = to_frames(&channel(199), 100).unwrap();
        let read = |frame: &'static [u8]| Frame::decode(frame).unwrap().unwrap();
        let [first, second, _, third] =
            [&frames[0], &frames[1], &frames[3], &frames[2]].map(|frame| read(frame.clone().leak()));
        assert_eq!(Assembly::begin(&second).unwrap_err(), second.not_next());
        let mut assembly = Assembly::begin(&first).unwrap();
        for wrong in [first, third, read(other[1].clone().leak())] {
            assert_eq!(assembly.add(&wrong), Err(wrong.not_next()));
        }
        assert_eq!(assembly.add(&second), Ok(false));
        assert_eq!(assembly.add(&third), Ok(false));
    }

    #[test]
    fn frames_of_another_channel_under_its_name_are_refused() {
        let mut frames = to_frames(&channel(200), 100).unwrap();
        *frames[3].last_mut().unwrap() ^= 1;
        assert_eq!(assembled(&frames), Err(FrameError::OtherChannel(keccak256(channel(200)))));
    }

    #[test]
    fn frames_longer_than_any_channel_are_refused() {
        let part = channel(MAX_CHANNEL_BYTES / 2);
        let frame = |number| Frame { channel: B256::ZERO, number, count: 4, data: &part };
        let mut assembly = Assembly::begin(&frame(0)).unwrap();
        assert_eq!(assembly.add(&frame(1)), Ok(false));
        assert_eq!(assembly.add(&frame(2)), Err(FrameError::TooLong));
    }

    #[test]
    fn headers_that_are_none_are_refused() {
        let frame = |number, count, data: &[u8]| [&[VERSION; 33][..], &[number, count], data].concat();
        assert_eq!(Frame::decode(&frame(0, 2, &[])), Err(FrameError::Truncated));
        assert_eq!(Frame::decode(&[VERSION; 34]), Err(FrameError::Truncated));
        for (number, count) in [(0, 0), (0, 1), (2, 2), (0, 65), (65, 64)] {
            assert_eq!(Frame::decode(&frame(number, count, &[1])), Err(FrameError::Number { number, count }));
        }
        assert!(Frame::decode(&frame(63, 64, &[1])).unwrap().is_some());
    }
}
