//! Sealed blocks that no channel holds yet.

use std::time::{Duration, Instant};

use alloy::primitives::B256;
use lockstep_codec::{MAX_BODY_BYTES, MAX_TRANSACTIONS};
use lockstep_index::{Index, IndexError, block, head, submission};
use lockstep_primitives::{BlockId, BlockNumber};

use crate::{
    channel::{linked, size_bytes},
    policy::{Waiting, WaitingBlock},
};

pub(crate) use lockstep_index::block::BatchInputs;

/// Blocks read at once.
const READ: u32 = 64;
/// Blocks kept at most: then a channel is closed anyway.
const MAX_BLOCKS: usize = 4_096;

/// The blocks after the last channel, kept between looks at Postgres: as many as a channel can take, and no more,
/// however many there are.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    blocks: Vec<BatchInputs>,
    /// When each was read.
    seen: Vec<Instant>,
    size_bytes: usize,
    txs: usize,
    base: BlockId,
    parent_origin: u64,
}

impl Pending {
    /// Reads what is new. Drops what a channel holds by now, and starts over if the chain below was rewound.
    pub(crate) async fn refresh(&mut self, index: &Index) -> Result<(), IndexError> {
        let Some(base) = base(index).await? else {
            self.clear();
            return Ok(());
        };
        if self.base != base && !self.rebase(index, base).await? {
            return Ok(());
        }
        while !self.is_full() {
            let tip =
                self.blocks.last().map_or(base, |last| BlockId { number: last.number.0, hash: last.hash });
            let read = linked(block::batch_inputs(index.pool(), BlockNumber(tip.number), READ).await?);
            let Some(first) = read.first() else { break };
            if first.parent_hash != tip.hash {
                self.clear();
                break;
            }
            self.extend(read);
        }
        Ok(())
    }

    /// Makes `base` the block before the first one; false if it was rewound meanwhile.
    async fn rebase(&mut self, index: &Index, base: BlockId) -> Result<bool, IndexError> {
        if self.advance(base) {
            return Ok(true);
        }
        self.clear();
        let header = block::header(index.pool(), BlockNumber(base.number)).await?;
        let Some(header) = header.filter(|header| header.hash == base.hash) else { return Ok(false) };
        (self.base, self.parent_origin) = (base, header.l1_origin.number);
        Ok(true)
    }

    /// Drops the blocks up to `base`, which a channel holds by now; false if it is not among them.
    pub(crate) fn advance(&mut self, base: BlockId) -> bool {
        let Some(position) = self.blocks.iter().position(|block| block.hash == base.hash) else {
            return false;
        };
        let Self { mut blocks, mut seen, .. } = std::mem::take(self);
        let rest = blocks.split_off(position + 1);
        (self.base, self.parent_origin) = (base, blocks[position].l1_origin.number);
        self.extend(rest);
        self.seen = seen.split_off(position + 1);
        true
    }

    fn extend(&mut self, blocks: impl IntoIterator<Item = BatchInputs>) {
        let before = self.blocks.len();
        self.blocks.extend(blocks);
        let new = &self.blocks[before..];
        self.size_bytes += new.iter().map(size_bytes).sum::<usize>();
        self.txs += new.iter().map(|block| block.transactions.len()).sum::<usize>();
        self.seen.resize(self.blocks.len(), Instant::now());
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn blocks(&self) -> &[BatchInputs] {
        &self.blocks
    }

    /// Bytes before compression.
    pub(crate) const fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Whether no channel could take more.
    const fn is_full(&self) -> bool {
        self.blocks.len() >= MAX_BLOCKS || self.size_bytes >= MAX_BODY_BYTES || self.txs >= MAX_TRANSACTIONS
    }

    /// What the policy looks at, if blocks compress by `ratio`.
    pub(crate) fn waiting(&self, ratio: f64, now_unix: u64) -> Waiting {
        let blocks = self.blocks.iter().zip(&self.seen).map(|(block, seen)| WaitingBlock {
            expected_bytes: size_bytes(block) as f64 * ratio,
            age: age(block, *seen, now_unix),
            is_idle: block.transactions.is_empty(),
        });
        Waiting { blocks: blocks.collect(), is_full: self.is_full(), parent_origin: self.parent_origin }
    }
}

/// Time since a block was seen, or since it was made if that is longer (after a restart). The latter alone would not
/// do: on a development chain L2 time can be ahead of this machine's.
fn age(block: &BatchInputs, seen: Instant, now_unix: u64) -> Duration {
    seen.elapsed().max(Duration::from_secs(now_unix.saturating_sub(block.timestamp)))
}

/// The block that the next channel follows: the last one of the latest channel, or the safe head where L1 has
/// gone another or a longer way (forced blocks, a lost journal). `None` before genesis.
async fn base(index: &Index) -> Result<Option<BlockId>, IndexError> {
    let Some(heads) = head::get(index.pool()).await? else { return Ok(None) };
    let Some(latest) = submission::latest(index.pool()).await? else { return Ok(Some(heads.safe)) };
    let tip = BlockId { number: latest.last_block.0, hash: latest.tip_hash };
    let in_chain = is_in_chain(index, tip.number, tip.hash).await?;
    Ok(Some(if in_chain && tip.number >= heads.safe.number { tip } else { heads.safe }))
}

/// Whether block `number` has this hash.
pub(crate) async fn is_in_chain(index: &Index, number: u64, hash: B256) -> Result<bool, IndexError> {
    let header = block::header(index.pool(), BlockNumber(number)).await?;
    Ok(header.is_some_and(|header| header.hash == hash))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use lockstep_primitives::alloy::{Address, Bytes, keccak256};

    use super::*;

    fn hash(number: u64) -> B256 {
        keccak256(number.to_be_bytes())
    }

    fn block(number: u64, tx_bytes: usize) -> BatchInputs {
        BatchInputs {
            number: BlockNumber(number),
            hash: hash(number),
            parent_hash: hash(number - 1),
            timestamp: 1_000 + number,
            l1_origin: BlockId { number: 100 + number, hash: B256::ZERO },
            transactions: if tx_bytes == 0 { Vec::new() } else { vec![Bytes::from(vec![1; tx_bytes])] },
            senders: vec![Address::ZERO; usize::from(tx_bytes > 0)],
        }
    }

    fn pending(blocks: impl IntoIterator<Item = BatchInputs>) -> Pending {
        let mut pending = Pending::default();
        pending.extend(blocks);
        pending
    }

    #[test]
    fn what_a_channel_took_leaves_and_the_rest_keeps_its_age() {
        let mut pending = pending((1..=3).map(|number| block(number, 100)));
        pending.seen[2] -= Duration::from_secs(60);
        assert!(pending.advance(BlockId { number: 2, hash: hash(2) }));
        let waiting = pending.waiting(0.5, 0);
        assert_eq!((waiting.blocks.len(), waiting.parent_origin), (1, 102));
        assert!(waiting.blocks[0].age >= Duration::from_secs(60));
        assert_eq!((pending.size_bytes(), pending.txs), (108, 1));
        assert!(!pending.advance(BlockId { number: 2, hash: hash(2) }));
    }

    #[test]
    fn age_is_that_of_the_block_after_a_restart_and_ours_if_its_clock_is_ahead() {
        let mut pending = pending([block(1, 0)]);
        assert_eq!(pending.waiting(1.0, 1_601).blocks[0].age.as_secs(), 600);
        pending.seen[0] -= Duration::from_secs(5);
        assert_eq!(pending.waiting(1.0, 0).blocks[0].age.as_secs(), 5);
        assert!(pending.waiting(1.0, 0).blocks[0].is_idle);
    }

    #[test]
    fn no_more_is_kept_than_a_channel_can_take() {
        assert!(!pending((1..4_096).map(|number| block(number, 0))).is_full());
        assert!(pending((1..=4_096).map(|number| block(number, 0))).is_full());
        assert!(pending([block(1, MAX_BODY_BYTES)]).is_full());
        const { assert!(MAX_BLOCKS + READ as usize <= lockstep_codec::MAX_BLOCKS) };
    }
}
