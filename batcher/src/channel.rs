//! Which blocks go into the next channel. Pure.

use lockstep_codec::{BatchBlock, Channel, EncodeError, History, Options, encode};
use lockstep_index::block::BatchInputs;
use lockstep_primitives::{BlockNumber, L1BlockNumber};

use crate::policy::Policy;

/// Bytes of calldata that a channel or frame may take: nodes refuse transactions above 128 KiB.
pub(crate) const MAX_CALLDATA_BYTES: usize = 120_000;

/// An encoded channel, ready to be journaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) first: BlockNumber,
    pub(crate) last: BlockNumber,
    pub(crate) tip_hash: lockstep_primitives::alloy::B256,
    pub(crate) data: Vec<u8>,
    pub(crate) txs: usize,
    /// Bytes of its transactions before encoding.
    pub(crate) raw_bytes: usize,
}

/// Why no channel can be made of a block.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CloseError {
    /// One block alone is too large.
    #[error("block {number} alone encodes to more than {limit} bytes")]
    BlockTooLarge { number: BlockNumber, limit: usize },
    /// The blocks do not make a channel.
    #[error("blocks from {first} on do not encode: {source}")]
    Encode { first: BlockNumber, source: EncodeError },
}

/// The longest channel of a prefix of `blocks`, which follow `history`, that keeps `policy.max_bytes`; `None`
/// without blocks.
///
/// `ratio` is what earlier channels compressed to: it only saves attempts.
pub(crate) fn close(
    blocks: &[BatchInputs],
    history: &History,
    policy: &Policy,
    ratio: f64,
) -> Result<Option<Closed>, CloseError> {
    let mut count = prefix_within(blocks, policy.max_bytes, ratio);
    loop {
        let Some(prefix) = blocks.get(..count).filter(|prefix| !prefix.is_empty()) else { return Ok(None) };
        let number = prefix[0].number;
        let senders: Vec<_> = prefix.iter().flat_map(|block| block.senders.iter().copied()).collect();
        match encode(&channel(prefix), &senders, history, Options::default()) {
            Ok(data) if data.len() <= policy.max_bytes => return Ok(Some(closed(prefix, data))),
            Ok(_) | Err(EncodeError::TooMany { .. }) if count > 1 => count = count.div_ceil(2),
            Ok(_) | Err(EncodeError::TooMany { .. }) => {
                return Err(CloseError::BlockTooLarge { number, limit: policy.max_bytes });
            }
            Err(source) => return Err(CloseError::Encode { first: number, source }),
        }
    }
}

/// How many blocks fit `max_bytes` if they compress like earlier ones; at least one of them, if there is one.
fn prefix_within(blocks: &[BatchInputs], max_bytes: usize, ratio: f64) -> usize {
    let mut sum = 0.0;
    let fitting = blocks.iter().take_while(|block| {
        sum += size_bytes(block) as f64 * ratio;
        sum <= max_bytes as f64
    });
    fitting.count().max(1).min(blocks.len())
}

/// Bytes of a block's transactions, and a little for the block itself.
pub(crate) fn size_bytes(block: &BatchInputs) -> usize {
    const BLOCK: usize = 8;
    BLOCK + block.transactions.iter().map(|tx| tx.len()).sum::<usize>()
}

fn channel(blocks: &[BatchInputs]) -> Channel {
    let (first, last) = (&blocks[0], &blocks[blocks.len() - 1]);
    Channel {
        first_number: first.number,
        parent_hash: first.parent_hash,
        tip_hash: last.hash,
        last_origin_hash: last.l1_origin.hash,
        blocks: blocks
            .iter()
            .map(|block| BatchBlock {
                timestamp: block.timestamp,
                l1_origin_number: L1BlockNumber(block.l1_origin.number),
                transactions: block.transactions.clone(),
            })
            .collect(),
    }
}

fn closed(blocks: &[BatchInputs], data: Vec<u8>) -> Closed {
    let last = &blocks[blocks.len() - 1];
    Closed {
        first: blocks[0].number,
        last: last.number,
        tip_hash: last.hash,
        data,
        txs: blocks.iter().map(|block| block.transactions.len()).sum(),
        raw_bytes: blocks.iter().map(size_bytes).sum(),
    }
}

/// The leading blocks that follow each other by hash: a rewind may replace the rest while they are read.
pub(crate) fn linked(mut blocks: Vec<BatchInputs>) -> Vec<BatchInputs> {
    let count = blocks
        .windows(2)
        .take_while(|pair| pair[1].parent_hash == pair[0].hash && pair[1].number == pair[0].number.next())
        .count();
    blocks.truncate(count + 1);
    blocks
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use lockstep_codec::decode;
    use lockstep_primitives::{
        BlockId,
        alloy::{Address, B256, Bytes, keccak256},
    };

    use super::*;

    const AGE: Duration = Duration::from_secs(2);

    fn hash(number: u64) -> B256 {
        keccak256(number.to_be_bytes())
    }

    /// Blocks with one transaction each that does not compress and does not parse.
    fn blocks(count: u64, tx_bytes: usize) -> Vec<BatchInputs> {
        (1..=count)
            .map(|number| {
                let noise =
                    (0u64..).flat_map(|word| keccak256([number.to_be_bytes(), word.to_be_bytes()].concat()));
                BatchInputs {
                    number: BlockNumber(number),
                    hash: hash(number),
                    parent_hash: hash(number - 1),
                    timestamp: 1_000 + number,
                    l1_origin: BlockId { number: 7, hash: B256::repeat_byte(7) },
                    transactions: vec![Bytes::from_iter(noise.take(tx_bytes))],
                    senders: vec![Address::ZERO],
                }
            })
            .collect()
    }

    #[test]
    fn a_channel_holds_the_blocks_and_names_both_ends() {
        let blocks = blocks(3, 100);
        let closed = close(&blocks, &History::default(), &Policy::blobs(AGE, 6), 1.0).unwrap().unwrap();
        let channel = decode(&closed.data, &History::default()).unwrap();
        assert_eq!((closed.first, closed.last), (BlockNumber(1), BlockNumber(3)));
        assert_eq!((channel.parent_hash, channel.tip_hash), (hash(0), hash(3)));
        assert_eq!(channel.last_origin_hash, B256::repeat_byte(7));
        assert_eq!(channel.blocks[2].transactions, blocks[2].transactions);
    }

    #[test]
    fn empty_channel_is_never_made() {
        assert_eq!(close(&[], &History::default(), &Policy::calldata(AGE), 1.0).unwrap(), None);
    }

    #[test]
    fn a_channel_never_exceeds_its_limit_whatever_the_ratio_promised() {
        let blocks = blocks(40, 10_000);
        for ratio in [0.01, 0.5, 1.0, 3.0] {
            let policy = Policy::blobs(AGE, 1);
            let closed = close(&blocks, &History::default(), &policy, ratio).unwrap().unwrap();
            assert!(closed.data.len() <= policy.max_bytes);
            assert_eq!(closed.first, BlockNumber(1));
        }
    }

    #[test]
    fn a_block_too_large_for_any_channel_is_named() {
        let error = close(&blocks(2, 130_000), &History::default(), &Policy::calldata(AGE), 1.0).unwrap_err();
        assert!(matches!(error, CloseError::BlockTooLarge { number: BlockNumber(1), .. }));
    }

    #[test]
    fn blocks_that_a_rewind_replaced_are_cut_off() {
        let mut read = blocks(5, 1);
        read[3].parent_hash = B256::ZERO;
        assert_eq!(linked(read).len(), 3);
        assert!(linked(Vec::new()).is_empty());
    }
}
