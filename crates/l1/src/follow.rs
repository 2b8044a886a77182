//! Walks along L1 and tells when it changes its mind.

use std::{collections::VecDeque, pin::Pin, time::Duration};

use futures::{Stream, StreamExt};
use lockstep_derive::L1Block;
use lockstep_primitives::{BlockId, L1BlockNumber};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{L1Error, L1Reader, Severity};

/// Blocks whose hashes are remembered: no reorg of a living chain is deeper.
const MEMORY: usize = 4_096;

/// What happened on L1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum L1Event {
    /// The child of the last block.
    Block(Box<L1Block>),
    /// Blocks above this one are no longer in the chain.
    Reorg {
        /// The newest block that still is.
        common_ancestor: BlockId,
    },
}

/// Blocks on their way.
type Blocks = Pin<Box<dyn Stream<Item = Result<L1Block, L1Error>> + Send>>;

/// Gives L1 blocks in order, and a [`L1Event::Reorg`] wherever the chain leaves the blocks that it gave.
pub struct Follower {
    reader: L1Reader,
    poll_interval: Duration,
    known: VecDeque<BlockId>, // oldest first; never empty
    ahead: Option<Blocks>,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("last", &self.known.back()).finish_non_exhaustive()
    }
}

impl Follower {
    /// Follows L1 from the child of `after` on. Looks for a new block every `poll_interval`.
    #[must_use]
    pub fn new(reader: L1Reader, after: BlockId, poll_interval: Duration) -> Self {
        Self { reader, poll_interval, known: [after].into(), ahead: None }
    }

    /// Adds blocks that were processed before `after`, oldest first, so that a reorg below it can be traced.
    #[must_use]
    pub fn with_history(mut self, history: impl IntoIterator<Item = BlockId>) -> Self {
        let mut known: VecDeque<BlockId> = history.into_iter().collect();
        known.append(&mut self.known);
        self.known = known;
        self
    }

    /// The block that the next one must follow.
    #[must_use]
    pub fn last(&self) -> BlockId {
        self.known.back().copied().unwrap_or_default()
    }

    /// Waits for the next event. Failed reads are to be retried by calling again; nothing is skipped.
    ///
    /// # Errors
    /// [`L1Error::Shutdown`] when `shutdown` is cancelled; [`L1Error::ReorgTooDeep`] if no remembered block is in
    /// the chain any more; else see [`L1Error`].
    pub async fn next(&mut self, shutdown: &CancellationToken) -> Result<L1Event, L1Error> {
        loop {
            let step = tokio::select! {
                () = shutdown.cancelled() => return Err(L1Error::Shutdown),
                step = self.step() => step,
            };
            match step {
                Ok(Some(event)) => return Ok(event),
                Ok(None) => {}
                Err(error) if error.severity() == Severity::Reset && !is_final(&error) => {}
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = shutdown.cancelled() => return Err(L1Error::Shutdown),
                () = sleep(self.poll_interval) => {}
            }
        }
    }

    /// One look at L1: the next event, or `None` if there is nothing new.
    async fn step(&mut self) -> Result<Option<L1Event>, L1Error> {
        if let Some(block) = self.prefetched().await? {
            return self.accept(block).await.map(Some);
        }
        let last = self.last();
        let heads = self.reader.head().await?;
        if heads.number > last.number {
            self.ahead = Some(Box::pin(self.reader.range(last.number + 1..=heads.number)));
            return match self.prefetched().await? {
                Some(block) => self.accept(block).await.map(Some),
                None => Ok(None),
            };
        }
        let lagging = heads.number < last.number && self.known.contains(&heads);
        if heads == last || lagging { Ok(None) } else { self.reorg().await }
    }

    async fn prefetched(&mut self) -> Result<Option<L1Block>, L1Error> {
        let Some(stream) = &mut self.ahead else { return Ok(None) };
        let next = stream.next().await.transpose();
        if !matches!(next, Ok(Some(_))) {
            self.ahead = None;
        }
        next
    }

    async fn accept(&mut self, block: L1Block) -> Result<L1Event, L1Error> {
        if block.header.parent_hash != self.last().hash {
            self.ahead = None;
            return self.reorg().await?.ok_or(L1Error::Reorged(block.header.number));
        }
        self.known.push_back(block.header.id());
        if self.known.len() > MEMORY {
            self.known.pop_front();
        }
        Ok(L1Event::Block(Box::new(block)))
    }

    /// Forgets the blocks that left the chain. `None` if the last one is still in it.
    async fn reorg(&mut self) -> Result<Option<L1Event>, L1Error> {
        let last = self.last();
        let remembered = self.known.len();
        for kept in (1..=remembered).rev() {
            let block = self.known[kept - 1];
            if self.reader.id(L1BlockNumber(block.number)).await? == Some(block) {
                self.known.truncate(kept);
                return Ok((block != last).then_some(L1Event::Reorg { common_ancestor: block }));
            }
        }
        Err(L1Error::ReorgTooDeep(remembered))
    }
}

const fn is_final(error: &L1Error) -> bool {
    matches!(error, L1Error::ReorgTooDeep(_))
}
