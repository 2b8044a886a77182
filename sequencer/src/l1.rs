//! Follows L1 for the engine: keeps the blocks that may become origins.

use std::{sync::Arc, time::Duration};

use jsonrpsee::core::async_trait;
use lockstep_derive::L1Block;
use lockstep_l1::{L1Error, L1Reader};
use lockstep_primitives::{BlockId, L1BlockNumber};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{clock::now_secs, origin::L1Window};

/// New blocks after which the engine is told, so that it can go on while a long stretch is read.
const BLOCKS_PER_UPDATE: usize = 64;

/// L1, as far as the sequencer asks it.
#[async_trait]
pub trait L1Source: Send + Sync + 'static {
    /// The newest block.
    ///
    /// # Errors
    /// [`L1Error`] if L1 does not answer.
    async fn head(&self) -> Result<BlockId, L1Error>;

    /// Number and hash of a canonical block.
    ///
    /// # Errors
    /// [`L1Error`] if L1 does not answer.
    async fn id(&self, number: L1BlockNumber) -> Result<Option<BlockId>, L1Error>;

    /// A canonical block with deposits and configuration updates.
    ///
    /// # Errors
    /// [`L1Error`] if L1 does not answer, or changed its mind meanwhile.
    async fn block(&self, number: L1BlockNumber) -> Result<Option<L1Block>, L1Error>;
}

#[async_trait]
impl L1Source for L1Reader {
    async fn head(&self) -> Result<BlockId, L1Error> {
        Self::head(self).await
    }

    async fn id(&self, number: L1BlockNumber) -> Result<Option<BlockId>, L1Error> {
        Self::id(self, number).await
    }

    async fn block(&self, number: L1BlockNumber) -> Result<Option<L1Block>, L1Error> {
        Self::block(self, number).await
    }
}

/// What the engine sees of L1.
#[derive(Clone, Debug, Default)]
pub(crate) struct L1View {
    /// The origin of the engine's head that this view was made for.
    pub(crate) anchor: BlockId,
    /// The anchor is no longer in L1's chain.
    pub(crate) reorged: bool,
    /// The anchor and its confirmed descendants; empty until read.
    pub(crate) window: Arc<L1Window>,
    /// Seconds that L1's newest block is ahead of our clock: a development chain may have jumped.
    pub(crate) ahead_secs: u64,
    /// Whether L1 answered the last time.
    pub(crate) reachable: bool,
}

/// How L1 is followed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FollowOptions {
    pub(crate) confirmations: u64,
    pub(crate) poll: Duration,
}

/// Publishes views from the engine's anchor on until `shutdown`.
pub(crate) async fn follow(
    l1: Arc<dyn L1Source>,
    options: FollowOptions,
    mut anchors: watch::Receiver<BlockId>,
    views: watch::Sender<L1View>,
    shutdown: CancellationToken,
) {
    let mut follower = Follower { l1, confirmations: options.confirmations, view: L1View::default() };
    loop {
        let anchor = *anchors.borrow_and_update();
        let more = tokio::select! {
            () = shutdown.cancelled() => return,
            step = follower.step(anchor) => follower.note(step),
        };
        if follower.changed(&views.borrow()) {
            views.send_replace(follower.view.clone());
        }
        if more {
            continue;
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = sleep(options.poll) => {}
            changed = anchors.changed() => if changed.is_err() { return },
        }
    }
}

struct Follower {
    l1: Arc<dyn L1Source>,
    confirmations: u64,
    view: L1View,
}

impl Follower {
    /// Remembers whether L1 answers; tells whether there is more to read at once.
    fn note(&mut self, step: Result<bool, L1Error>) -> bool {
        let reachable = step.is_ok();
        if self.view.reachable != reachable {
            match &step {
                Ok(_) => info!("L1 answers"),
                Err(error) => warn!(error = error as &dyn std::error::Error, "L1 does not answer"),
            }
            self.view.reachable = reachable;
        }
        step.unwrap_or(false)
    }

    fn changed(&self, published: &L1View) -> bool {
        self.view.anchor != published.anchor
            || self.view.reorged != published.reorged
            || self.view.reachable != published.reachable
            || self.view.ahead_secs != published.ahead_secs
            || self.view.window.last() != published.window.last()
    }

    /// One look at L1; true if there is more to read.
    async fn step(&mut self, anchor: BlockId) -> Result<bool, L1Error> {
        if self.view.anchor != anchor {
            self.move_anchor(anchor);
        }
        let head = self.l1.head().await?;
        if self.view.window.last().is_none() {
            return self.read_anchor(head).await;
        }
        if self.view.window.last() == Some(head) || !self.drop_orphans().await? {
            return Ok(false);
        }
        let last = self.view.window.last().map_or(anchor.number, |last| last.number);
        let target = head.number.saturating_sub(self.confirmations);
        let mut window = L1Window::clone(&self.view.window);
        let mut read = 0;
        let mut more = false;
        for number in last + 1..=target {
            let Some(block) = self.l1.block(L1BlockNumber(number)).await? else { break };
            let timestamp = block.header.timestamp;
            if window.push(block).is_err() {
                more = true; // reorganised while reading: look again
                break;
            }
            if number == target {
                self.view.ahead_secs = timestamp.saturating_sub(now_secs());
            }
            read += 1;
            if read == BLOCKS_PER_UPDATE {
                more = true;
                break;
            }
        }
        self.view.window = Arc::new(window);
        Ok(more)
    }

    /// The engine's head has another origin: keep what still serves, else begin again.
    fn move_anchor(&mut self, anchor: BlockId) {
        let mut window = L1Window::clone(&self.view.window);
        if window.contains(anchor) {
            window.forget_below(anchor.number);
        } else {
            window = L1Window::default();
        }
        self.view.window = Arc::new(window);
        self.view.anchor = anchor;
        self.view.reorged = false;
    }

    async fn read_anchor(&mut self, head: BlockId) -> Result<bool, L1Error> {
        let anchor = self.view.anchor;
        if head.number < anchor.number {
            // A node that lags behind, or a shorter fork: only a block in the anchor's place proves a reorg.
            return Ok(false);
        }
        let Some(block) = self.l1.block(L1BlockNumber(anchor.number)).await? else { return Ok(false) };
        self.view.reorged = block.header.hash != anchor.hash;
        if self.view.reorged {
            return Ok(false);
        }
        let mut window = L1Window::default();
        window.push(block).map_err(|_| L1Error::Reorged(L1BlockNumber(anchor.number)))?;
        self.view.window = Arc::new(window);
        Ok(true)
    }

    /// Takes blocks back that left the chain; false if the anchor itself did.
    async fn drop_orphans(&mut self) -> Result<bool, L1Error> {
        while let Some(last) = self.view.window.last() {
            match self.l1.id(L1BlockNumber(last.number)).await? {
                Some(id) if id == last => return Ok(true),
                // The node lags or L1 is shorter now: a missing anchor proves nothing yet.
                None if last == self.view.anchor => return Ok(false),
                found => {
                    info!(number = last.number, hash = %last.hash, "L1 block was reorganised out");
                    self.view.reorged = found.is_some() && last == self.view.anchor;
                    Arc::make_mut(&mut self.view.window).pop();
                }
            }
        }
        Ok(false)
    }
}
