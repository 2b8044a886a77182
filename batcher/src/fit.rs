//! A channel as large as it may be. Pure.

use lockstep_codec::{History, MAX_CHANNEL_BYTES, to_frames};
use lockstep_index::block::BatchInputs;

use crate::{
    channel::{CloseError, Closed, close},
    policy::Policy,
};

/// Blocks are expected to encode to so much more than the sample says: a channel that is too long is made again.
const CAUTION: f64 = 1.01;
/// A channel this full is not made again for the rest.
const WELL_FILLED_PERCENT: usize = 95;

/// The longest channel of a prefix of `blocks`, which follow `history`, that keeps `wanted_bytes`, or nearly; `None` without
/// blocks. If the first block alone is larger, it may have `policy.max_bytes`; if even those are too few, it goes alone
/// and in frames.
///
/// `ratio`, what earlier channels compressed to, chooses the prefix. If it was far off, the channel that came of it
/// gives a better one, and is made once more.
///
/// # Errors
/// Those of [`close`].
pub(crate) fn fit(
    (blocks, history): (&[BatchInputs], &History),
    policy: &Policy,
    wanted_bytes: usize,
    ratio: f64,
) -> Result<Option<Closed>, CloseError> {
    let less = (wanted_bytes < policy.max_bytes).then_some(wanted_bytes);
    for max_bytes in less.into_iter().chain([policy.max_bytes]) {
        match fit_within((blocks, history), &Policy { max_bytes, ..*policy }, ratio) {
            Err(CloseError::BlockTooLarge { .. }) => {}
            done => return done,
        }
    }
    let alone = &blocks[..blocks.len().min(1)];
    close(alone, history, &Policy { max_bytes: MAX_CHANNEL_BYTES, ..*policy }, ratio)
}

fn fit_within(
    (blocks, history): (&[BatchInputs], &History),
    policy: &Policy,
    ratio: f64,
) -> Result<Option<Closed>, CloseError> {
    let Some(closed) = close(blocks, history, policy, ratio * CAUTION)? else { return Ok(None) };
    let rest = blocks.last().is_some_and(|last| last.number > closed.last);
    if !rest || closed.data.len() >= policy.max_bytes / 100 * WELL_FILLED_PERCENT {
        return Ok(Some(closed));
    }
    let again = close(blocks, history, policy, closed.ratio() * CAUTION)?;
    Ok(again.filter(|again| again.last > closed.last).or(Some(closed)))
}

impl Closed {
    /// What inbox transactions of `max_bytes` each carry for it.
    pub(crate) fn frames(&self, max_bytes: usize) -> Vec<Vec<u8>> {
        to_frames(&self.data, max_bytes)
            .expect("frames of any size that a policy has hold the longest channel")
    }

    /// Encoded over raw bytes.
    #[allow(clippy::cast_precision_loss)] // far below 2^53
    pub(crate) fn ratio(&self) -> f64 {
        self.data.len() as f64 / self.raw_bytes.max(1) as f64
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use lockstep_primitives::{
        BlockId, BlockNumber,
        alloy::{Address, B256, Bytes, keccak256},
    };

    use super::*;
    use crate::price::{blob_capacity, full_blobs};

    /// Blocks of one transaction each, half of whose bytes are noise.
    fn blocks(count: u64) -> Vec<BatchInputs> {
        let hash = |number: u64| keccak256(number.to_be_bytes());
        let half_noise = |number: u64| {
            let word = move |i: u64| keccak256([number.to_be_bytes(), i.to_be_bytes()].concat());
            Bytes::from_iter((0..32).flat_map(move |i| [word(i), B256::ZERO]).flatten())
        };
        (1..=count)
            .map(|number| BatchInputs {
                number: BlockNumber(number),
                hash: hash(number),
                parent_hash: hash(number - 1),
                timestamp: 1_000 + number,
                l1_origin: BlockId::default(),
                transactions: vec![half_noise(number)],
                senders: vec![Address::ZERO],
            })
            .collect()
    }

    #[test]
    fn blobs_are_filled_however_wrong_the_first_guess_was() {
        let blocks = blocks(400);
        let policy = Policy::blobs(Duration::ZERO, 2);
        for guess in [0.01, 0.4, 0.5, 0.55, 1.0, 5.0] {
            let closed =
                fit((&blocks, &History::default()), &policy, policy.max_bytes, guess).unwrap().unwrap();
            let filled = closed.data.len() * 100 / policy.max_bytes;
            assert!((95..=100).contains(&filled), "{guess}: {filled} %");
            assert_eq!(closed.first, BlockNumber(1));
        }
    }

    #[test]
    fn a_channel_of_all_blocks_is_as_small_as_it_is() {
        let blocks = blocks(10);
        let policy = Policy::blobs(Duration::ZERO, 6);
        let closed = fit((&blocks, &History::default()), &policy, policy.max_bytes, 5.0).unwrap().unwrap();
        assert_eq!(closed.last, BlockNumber(10));
        assert_eq!(full_blobs(closed.data.len()), 0);
        assert!(closed.data.len() < blob_capacity(1));
    }

    #[test]
    fn a_block_that_no_transaction_holds_goes_alone_and_in_frames() {
        let policy = Policy { max_bytes: 500, ..Policy::blobs(Duration::ZERO, 6) };
        let closed = fit((&blocks(3), &History::default()), &policy, 500, 0.5).unwrap().unwrap();
        assert_eq!((closed.first, closed.last), (BlockNumber(1), BlockNumber(1)));
        let frames = closed.frames(500);
        assert_eq!(frames.len(), closed.data.len().div_ceil(465));
        assert!(frames.iter().all(|frame| frame.len() <= 500));
    }

    #[test]
    fn without_blocks_there_is_no_channel() {
        assert_eq!(
            fit((&[], &History::default()), &Policy::blobs(Duration::ZERO, 6), 1_000, 0.5).unwrap(),
            None
        );
    }

    #[test]
    fn a_block_that_is_larger_than_wanted_goes_alone_or_with_others_but_goes() {
        let policy = Policy::blobs(Duration::ZERO, 6);
        let closed = fit((&blocks(3), &History::default()), &policy, 500, 0.5).unwrap().unwrap();
        assert_eq!(closed.first, BlockNumber(1));
        assert!(closed.data.len() > 500);
    }
}
