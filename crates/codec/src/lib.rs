//! Channels as bytes: what the batcher posts to L1 and derivation reads back.
//!
//! `docs/format.md` defines every byte. The decoder is `no_std`, takes bounded memory and time, and never
//! panics, whatever the input. The encoder is behind the feature `encode` (on by default).
//!
//! ```
//! use lockstep_codec::{BatchBlock, Channel, History, Options, decode, encode, from_blobs, to_blobs};
//! use lockstep_primitives::BlockNumber;
//!
//! let channel = Channel {
//!     first_number: BlockNumber(1),
//!     blocks: vec![BatchBlock { timestamp: 1_700_000_001, ..Default::default() }],
//!     ..Default::default()
//! };
//! let history = History::default(); // the chain begins here
//! let bytes = encode(&channel, &[], &history, Options::default())?;
//! let blobs = to_blobs(&bytes)?;
//! assert_eq!(decode(&from_blobs(&blobs)?, &history)?, channel);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![no_std]

extern crate alloc;
#[cfg(feature = "encode")]
extern crate std;

mod blob;
mod channel;
mod columns;
mod compression;
mod dictionary;
mod frame;
mod history;
#[cfg(feature = "encode")]
mod meter;
mod model;
mod range;
mod transaction;
mod varint;

pub use blob::{BYTES_PER_BLOB, Blob, BlobError, MAX_BLOB_DATA_BYTES, MAX_BLOBS, from_blobs, to_blobs};
pub use channel::{
    BatchBlock, Channel, ChannelHeader, DecodeError, MAX_BLOCKS, MAX_BODY_BYTES, MAX_CHANNEL_BYTES,
    MAX_TRANSACTIONS, decode, decode_header,
};
#[cfg(feature = "encode")]
pub use channel::{DEFAULT_QUALITY, EncodeError, Options, column_bytes, encode};
pub use frame::{Assembly, Frame, FrameError, MAX_FRAME_BYTES, MAX_FRAMES, to_frames};
pub use history::{HISTORY_BLOCKS, HISTORY_BYTES, HISTORY_TRANSACTIONS, History};
pub use range::Column;
