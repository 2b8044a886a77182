//! Sealed blocks that no channel holds yet.

use std::time::{Duration, Instant};

use alloy::primitives::B256;
use lockstep_index::{Index, IndexError, block, head, submission};
use lockstep_primitives::{BlockId, BlockNumber};

use crate::channel::{linked, size_bytes};

pub(crate) use lockstep_index::block::BatchInputs;

/// Blocks read at once.
const READ: u32 = 256;
/// Blocks kept at most: then a channel is closed anyway.
const MAX_BLOCKS: usize = 4_096;

/// The blocks after the last channel, kept between looks at Postgres.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    blocks: Vec<BatchInputs>,
    size_bytes: usize,
    since: Option<Instant>,
}

impl Pending {
    /// Reads what is new. Starts over if the chain below was rewound.
    pub(crate) async fn refresh(&mut self, index: &Index) -> Result<(), IndexError> {
        let Some(base) = base(index).await? else {
            self.clear();
            return Ok(());
        };
        if self.blocks.first().is_some_and(|first| first.parent_hash != base.hash) {
            self.clear();
        }
        while self.blocks.len() < MAX_BLOCKS {
            let tip =
                self.blocks.last().map_or(base, |last| BlockId { number: last.number.0, hash: last.hash });
            let read = linked(block::batch_inputs(index.pool(), BlockNumber(tip.number), READ).await?);
            let Some(first) = read.first() else { break };
            if first.parent_hash != tip.hash {
                self.clear();
                break;
            }
            self.since.get_or_insert_with(Instant::now);
            self.size_bytes += read.iter().map(size_bytes).sum::<usize>();
            self.blocks.extend(read);
        }
        Ok(())
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

    pub(crate) fn is_full(&self) -> bool {
        self.blocks.len() >= MAX_BLOCKS
    }

    /// Time since the oldest block was seen, or since it was made if that is longer (after a restart). The latter
    /// alone would not do: on a development chain L2 time can be ahead of this machine's.
    pub(crate) fn age(&self, now_unix: u64) -> Duration {
        let seen = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        let made = self.blocks.first().map_or(now_unix, |first| first.timestamp);
        seen.max(Duration::from_secs(now_unix.saturating_sub(made)))
    }
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
