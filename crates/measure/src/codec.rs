//! What is compared.

use alloy_primitives::Address;
use lockstep_codec::{BatchBlock, Channel};

/// A way to write channels.
pub trait Codec {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// The bytes of `channel`, whose transactions have these senders, in order.
    ///
    /// # Errors
    /// [`Unfit::TooLarge`] if fewer blocks may fit, [`Unfit::Failed`] if they would not.
    fn encode(&self, channel: &Channel, senders: &[Address]) -> Result<Vec<u8>, Unfit>;

    /// The blocks in what [`Codec::encode`] gave.
    ///
    /// # Errors
    /// [`Unfit::Failed`] for other bytes.
    fn decode(&self, bytes: &[u8]) -> Result<Vec<BatchBlock>, Unfit>;

    /// The same codec for the channel that follows on `channel`, whose transactions have these senders.
    fn after(&self, channel: &Channel, senders: &[Address]) -> Box<dyn Codec>;

    /// What the parts of `channel` cost; empty where that is not known.
    fn columns(&self, _channel: &Channel, _senders: &[Address]) -> Vec<Column> {
        Vec::new()
    }
}

/// Why a channel is not encoded or decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Too much for one channel.
    #[error("the channel exceeds a limit")]
    TooLarge,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl Unfit {
    /// Keeps the words of another error.
    pub(crate) fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }
}

/// One part of an encoded channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// What it holds.
    pub name: String,
    /// Its size; entropy coders spend fractions of bits.
    pub bits: f64,
}

impl Column {
    /// Its size in bytes.
    #[must_use]
    pub fn bytes(&self) -> f64 {
        self.bits / 8.0
    }

    /// Adds the sizes of `more` to those of the same name in `sum`; new names come last.
    pub(crate) fn add(sum: &mut Vec<Self>, more: Vec<Self>) {
        for column in more {
            match sum.iter_mut().find(|known| known.name == column.name) {
                Some(known) => known.bits += column.bits,
                None => sum.push(column),
            }
        }
    }
}
