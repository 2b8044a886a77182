//! Our own codec. Only this file knows how `lockstep-codec` is called.

use alloy_primitives::Address;
use lockstep_codec::{BatchBlock, Channel, DecodeError, EncodeError};

use crate::{Codec, Column, Unfit};

/// Bytes of a channel in front of its compressed body (`docs/format.md`, section 1).
const HEADER_BYTES: usize = 1 + 3 * 32 + 4;

/// `lockstep-codec`, behind the channels that it may refer to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ours;

impl Codec for Ours {
    fn name(&self) -> &'static str {
        "lockstep"
    }

    fn encode(&self, channel: &Channel) -> Result<Vec<u8>, Unfit> {
        lockstep_codec::encode(channel).map_err(|error| match error {
            EncodeError::TooMany { .. } => Unfit::TooLarge,
            other => Unfit::failed(other),
        })
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<BatchBlock>, Unfit> {
        decode(bytes).map(|channel| channel.blocks).map_err(Unfit::failed)
    }

    fn after(&self, _channel: &Channel, _senders: &[Vec<Address>]) -> Box<dyn Codec> {
        Box::new(*self)
    }

    fn columns(&self, channel: &Channel) -> Vec<Column> {
        columns(channel)
    }
}

/// The channel in `bytes`.
///
/// # Errors
/// In the words of the codec.
pub fn decode(bytes: &[u8]) -> Result<Channel, DecodeError> {
    lockstep_codec::decode(bytes)
}

/// What the parts of `channel` take, as the default encoder writes it; empty for one that has no encoding.
#[must_use]
pub fn columns(channel: &Channel) -> Vec<Column> {
    let Ok(bytes) = lockstep_codec::encode(channel) else { return Vec::new() };
    let column = |name: &str, bytes: usize| Column { name: name.to_owned(), bits: 8.0 * exact(bytes) };
    vec![column("header", HEADER_BYTES), column("body", bytes.len() - HEADER_BYTES)]
}

/// Sizes in memory are far below the 2^53 that an `f64` holds exactly.
#[allow(clippy::cast_precision_loss)]
const fn exact(size: usize) -> f64 {
    size as f64
}
