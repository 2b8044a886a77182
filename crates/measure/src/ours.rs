//! Our own codec. Only this file knows how `lockstep-codec` is called.

use alloy_primitives::Address;
use lockstep_codec::{BatchBlock, Channel, EncodeError, History, Options, column_bytes, decode, encode};
use lockstep_primitives::BlockNumber;

use crate::{Codec, Column, Unfit};

/// `lockstep-codec`, behind the transactions that it may refer to.
#[derive(Clone, Debug, Default)]
pub struct Ours {
    history: History,
}

impl Codec for Ours {
    fn name(&self) -> &'static str {
        "lockstep"
    }

    fn encode(&self, channel: &Channel, senders: &[Address]) -> Result<Vec<u8>, Unfit> {
        encode(channel, senders, &self.history, Options::default()).map_err(|error| match error {
            EncodeError::TooMany { .. } => Unfit::TooLarge,
            other => Unfit::failed(other),
        })
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<BatchBlock>, Unfit> {
        decode(bytes, &self.history).map(|channel| channel.blocks).map_err(Unfit::failed)
    }

    fn after(&self, channel: &Channel, senders: &[Address]) -> Box<dyn Codec> {
        let mut history = self.history.clone();
        let mut senders = senders.iter().copied();
        for (number, block) in (channel.first_number.0..).zip(&channel.blocks) {
            let transactions = senders.by_ref().zip(block.transactions.iter().cloned());
            history.push(BlockNumber(number), transactions.take(block.transactions.len()));
        }
        Box::new(Self { history })
    }

    fn columns(&self, channel: &Channel, senders: &[Address]) -> Vec<Column> {
        columns(channel, senders, &self.history)
    }
}

/// What the parts of `channel` take, as the default encoder writes it after `history`; empty for one that has no
/// encoding.
#[must_use]
pub fn columns(channel: &Channel, senders: &[Address], history: &History) -> Vec<Column> {
    let Ok(columns) = column_bytes(channel, senders, history, Options::default()) else { return Vec::new() };
    let column = |(column, bytes): (lockstep_codec::Column, f64)| Column {
        name: column.name().to_owned(),
        bits: 8.0 * bytes,
    };
    columns.into_iter().map(column).collect()
}
