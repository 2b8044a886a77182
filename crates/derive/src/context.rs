//! The stretch of L1 that derivation still needs: from the safe head's origin to the newest pushed block.

use alloc::collections::VecDeque;

use lockstep_primitives::{BlockId, L1BlockNumber, SystemConfig};

use crate::{Checkpoint, L1Block};

/// Why an L1 block does not continue the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// Blocks are pushed by ascending number without gaps.
    #[error("L1 block {expected} comes next, not {found}")]
    Number {
        /// The number that was due.
        expected: L1BlockNumber,
        /// The number that came.
        found: L1BlockNumber,
    },
    /// L1 reorganised: go back to a checkpoint whose L1 block is canonical.
    #[error("L1 block {}: {} takes the place of {}, or is not its child", .found.number, .found.hash, .known.hash)]
    Reorg {
        /// What derivation built on.
        known: BlockId,
        /// The block that contradicts it.
        found: BlockId,
    },
}

/// Consecutive L1 blocks. Never empty once the first block is in.
#[derive(Clone, Debug)]
pub(crate) struct L1Window {
    first: BlockId,
    processed: BlockId,
    blocks: VecDeque<L1Block>,
}

impl L1Window {
    /// A window that begins at the origin of the checkpoint's safe head.
    pub(crate) const fn new(checkpoint: &Checkpoint) -> Self {
        Self { first: checkpoint.safe_head.l1_origin, processed: checkpoint.l1, blocks: VecDeque::new() }
    }

    /// The number that the next pushed block must have.
    pub(crate) fn next_number(&self) -> L1BlockNumber {
        self.blocks.back().map_or(L1BlockNumber(self.first.number), |last| last.header.number.next())
    }

    /// Appends the next block.
    pub(crate) fn push(&mut self, block: L1Block) -> Result<(), PushError> {
        let found = block.header.id();
        let expected = self.next_number();
        if block.header.number != expected {
            return Err(PushError::Number { expected, found: block.header.number });
        }
        for known in [self.first, self.processed] {
            if known.number == found.number && known.hash != found.hash {
                return Err(PushError::Reorg { known, found });
            }
        }
        if let Some(last) = self.blocks.back()
            && last.header.hash != block.header.parent_hash
        {
            return Err(PushError::Reorg { known: last.header.id(), found });
        }
        self.blocks.push_back(block);
        Ok(())
    }

    /// The block with this number, if it is in the window.
    pub(crate) fn get(&self, number: L1BlockNumber) -> Option<&L1Block> {
        self.blocks.get(self.index(number)?)
    }

    /// The same, to take its submissions.
    pub(crate) fn get_mut(&mut self, number: L1BlockNumber) -> Option<&mut L1Block> {
        let index = self.index(number)?;
        self.blocks.get_mut(index)
    }

    /// Blocks with `after < number <= up_to`, ascending.
    pub(crate) fn between(
        &self,
        after: L1BlockNumber,
        up_to: L1BlockNumber,
    ) -> impl Iterator<Item = &L1Block> + Clone {
        self.blocks.iter().filter(move |block| after < block.header.number && block.header.number <= up_to)
    }

    /// `system` with the updates of [`Self::between`].
    pub(crate) fn updated(
        &self,
        system: SystemConfig,
        after: L1BlockNumber,
        up_to: L1BlockNumber,
    ) -> SystemConfig {
        let mut system = system;
        self.between(after, up_to)
            .flat_map(|block| &block.config_updates)
            .for_each(|update| update.apply(&mut system));
        system
    }

    /// Forgets the blocks below `number`.
    pub(crate) fn forget_below(&mut self, number: L1BlockNumber) {
        while self.blocks.len() > 1 && self.blocks.front().is_some_and(|block| block.header.number < number) {
            self.blocks.pop_front();
        }
    }

    fn index(&self, number: L1BlockNumber) -> Option<usize> {
        let front = self.blocks.front()?.header.number;
        usize::try_from(number.0.checked_sub(front.0)?).ok()
    }
}
