//! The loop that makes blocks, follows L1 and the verifier, and moves the heads.
//!
//! In interval mode a block is open all the time: it executes transactions as they enter the pool, and is sealed when
//! it is due. While it goes to Postgres the next one is open already. How blocks are made is in [`blocks`].

mod blocks;

use std::{sync::Arc, time::Duration};

use lockstep_index::{IndexError, block, head};
use lockstep_primitives::{BlockId, BlockNumber, L1BlockNumber, L2BlockRef, SealedBlock};
use lockstep_service::Readiness;
use tokio::{
    sync::{broadcast, mpsc, watch},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    backpressure::DataLimits,
    chain::{Chain, ChainError, Storing, blocking},
    clock,
    config::BlockMode,
    l1::{L1Source, L1View},
    open::OpenBlock,
    pending::{Pending, Question},
    rpc::{Heads, PendingBlock},
    safe::{DerivedChain, DerivedHeads, VerifierError},
    submit::Pool,
};

/// A head that lags more than this many block times is reported as not ready.
const LATE_BLOCK_TIMES: u32 = 10;
/// Shortest block time that transactions are executed for, so that very short ones do not make empty blocks.
const MIN_BUILD_TIME: Duration = Duration::from_millis(500);
/// A block is never due this long before its timestamp; our timers and clocks differ by less.
const CLOCK_SLACK: Duration = Duration::from_millis(5);
/// Pause before an on-demand block is tried again.
const RETRY: Duration = Duration::from_millis(100);
/// Pause between two looks at a Postgres that is away.
const OUTAGE_PAUSE: Duration = Duration::from_millis(500);
/// Readiness names.
pub(crate) const READY_L1: &str = "l1";
pub(crate) const READY_DATABASE: &str = "database";
pub(crate) const READY_HEAD: &str = "head";

/// How blocks are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EngineOptions {
    pub(crate) block_time: Duration,
    pub(crate) mode: BlockMode,
    pub(crate) max_drift: u64,
    pub(crate) ignore_deposits: bool,
}

/// What the engine hears and tells.
pub(crate) struct Wires {
    pub(crate) l1: Arc<dyn L1Source>,
    pub(crate) views: watch::Receiver<L1View>,
    pub(crate) anchor: watch::Sender<BlockId>,
    pub(crate) verifier: Option<Arc<dyn DerivedChain>>,
    pub(crate) derived: watch::Receiver<Option<DerivedHeads>>,
    pub(crate) limits: watch::Receiver<DataLimits>,
    pub(crate) heads: watch::Sender<Heads>,
    pub(crate) new_blocks: broadcast::Sender<Arc<SealedBlock>>,
    pub(crate) pending: Pending,
    pub(crate) questions: mpsc::Receiver<Question>,
    pub(crate) readiness: Readiness,
}

/// Why the engine stops. A person or a supervisor must act.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("L1 no longer has block {0}, which genesis stands on: is this the right L1?")]
    GenesisOrphaned(u64),
    #[error("a task that feeds the engine ended")]
    Disconnected,
}

impl EngineError {
    /// Postgres is away. What the engine knows may be older than what is stored, see [`Engine::resync`].
    pub(crate) const fn is_outage(&self) -> bool {
        matches!(self, Self::Chain(ChainError::Index(IndexError::Database(_))))
    }
}

impl From<IndexError> for EngineError {
    fn from(error: IndexError) -> Self {
        Self::Chain(error.into())
    }
}

/// Makes blocks.
pub(crate) struct Engine {
    chain: Chain,
    pool: Pool,
    options: EngineOptions,
    wires: Wires,
    heads: Heads,
    open: Option<OpenBlock>,
    /// More may wait for the open block.
    more: bool,
    /// The pending block as it was last looked at.
    seen: Option<Arc<PendingBlock>>,
    storing: Option<Storing>,
    last_seal: Option<Instant>,
    waiting: Option<String>,
}

impl Engine {
    /// An engine on `chain`; tells the heads that Postgres holds.
    pub(crate) async fn new(
        chain: Chain,
        pool: Pool,
        options: EngineOptions,
        wires: Wires,
    ) -> Result<Self, EngineError> {
        let mut engine = Self {
            chain,
            pool,
            options,
            wires,
            heads: Heads::default(),
            open: None,
            more: false,
            seen: None,
            storing: None,
            last_seal: None,
            waiting: None,
        };
        engine.read_heads().await?;
        engine.publish_heads();
        engine.resume().await?;
        Ok(engine)
    }

    /// The state that the engine writes.
    #[cfg(test)]
    pub(crate) const fn state(&self) -> &lockstep_state::StateStore {
        self.chain.state()
    }

    /// Answers the next question about the open block.
    #[cfg(test)]
    pub(crate) async fn answer_next(&mut self) -> Result<(), EngineError> {
        let question = self.wires.questions.recv().await.ok_or(EngineError::Disconnected)?;
        self.answer(question).await
    }

    /// Runs until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), EngineError> {
        let mut due = self.first_due();
        loop {
            match self.turn(&mut due, &shutdown).await {
                Ok(true) => self.report_lateness(),
                Ok(false) => break,
                Err(error) if error.is_outage() => {
                    self.sit_out(error, &shutdown).await?;
                    due = self.first_due();
                }
                Err(error) => return Err(error),
            }
        }
        self.settle().await?;
        if let Some(open) = self.open.take() {
            open.close().await; // whoever starts next makes it again
        }
        let state = self.chain.state().clone();
        blocking(move || state.flush()).await?.map_err(ChainError::from)?;
        Ok(())
    }

    /// Waits for one event and reacts to it; false after `shutdown`.
    async fn turn(
        &mut self,
        due: &mut Option<Instant>,
        shutdown: &CancellationToken,
    ) -> Result<bool, EngineError> {
        let sleeping = *due;
        tokio::select! {
            () = shutdown.cancelled() => return Ok(false),
            () = sleep_until(sleeping.unwrap_or_else(Instant::now)), if sleeping.is_some() => {
                let made = self.tick(sleeping).await?;
                *due = self.next_due(sleeping, made);
            }
            stored = stored(&mut self.storing) => drop(self.finish_storing(stored).await?),
            () = self.pool.arrived() => match self.open {
                Some(_) => self.more = true,
                None if self.on_demand() => *due = due.or(Some(Instant::now())),
                None => {}
            },
            () = std::future::ready(()), if self.more => self.more = self.fill().await?,
            Some(question) = self.wires.questions.recv() => self.answer(question).await?,
            changed = self.wires.views.changed() => {
                changed.map_err(|_| EngineError::Disconnected)?;
                self.see_l1().await?;
                if self.is_orphaned() {
                    self.abandon().await;
                }
                if self.on_demand() && self.deposits_wait() {
                    *due = due.or(Some(Instant::now()));
                }
                if !self.on_demand() && self.open.is_none() {
                    self.begin(self.time_at(sleeping)).await?; // it may have waited for this
                }
            }
            changed = self.wires.derived.changed(), if self.wires.verifier.is_some() => {
                changed.map_err(|_| EngineError::Disconnected)?;
                self.reconcile().await?;
            }
        }
        Ok(true)
    }

    /// Waits until Postgres answers again, then goes on from what it holds. If another sequencer leads by then,
    /// the next block is refused.
    async fn sit_out(
        &mut self,
        mut error: EngineError,
        shutdown: &CancellationToken,
    ) -> Result<(), EngineError> {
        self.abandon().await;
        loop {
            warn!(%error, "Postgres is away, nothing is sealed");
            self.wires.readiness.set_waiting(READY_DATABASE, "Postgres does not answer");
            while self.wires.questions.try_recv().is_ok() {} // dropped: there is no open block
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = sleep(OUTAGE_PAUSE) => {}
            }
            match self.resync().await {
                Ok(()) => break,
                Err(again) if again.is_outage() => error = again,
                Err(fatal) => return Err(fatal),
            }
        }
        info!(head = %self.chain.head().block_ref.number, "Postgres answers");
        self.wires.readiness.set_ready(READY_DATABASE);
        Ok(())
    }

    /// Takes everything from Postgres again, after a write whose outcome is not known.
    pub(crate) async fn resync(&mut self) -> Result<(), EngineError> {
        self.abandon().await;
        self.chain.resync().await?;
        self.pool.reload(self.chain.head_view().await?).await?;
        self.read_heads().await?;
        self.publish_heads();
        self.resume().await
    }

    /// The head moved up by one block.
    async fn announce(&mut self, sealed: &Arc<SealedBlock>) -> Result<(), EngineError> {
        let view = self.chain.head_view().await?;
        self.pool.on_sealed(view, sealed.clone()).await;
        self.wires.pending.end(sealed.block_ref().number);
        self.heads.unsafe_head = sealed.block_ref();
        self.publish_heads();
        // Nobody listening is fine.
        let _ = self.wires.new_blocks.send(sealed.clone());
        Ok(())
    }

    /// Reacts to what L1's follower found.
    async fn see_l1(&mut self) -> Result<(), EngineError> {
        let (anchor, reorged, reachable) = {
            let view = self.wires.views.borrow_and_update();
            (view.anchor, view.reorged, view.reachable)
        };
        if reachable {
            self.wires.readiness.set_ready(READY_L1);
        } else {
            self.wires.readiness.set_waiting(READY_L1, "L1 does not answer");
        }
        if reorged && anchor == self.chain.head().block_ref.l1_origin {
            self.leave_orphans().await?;
        }
        Ok(())
    }

    /// L1 dropped our head's origin: back to the last block that stands on a canonical one.
    pub(crate) async fn leave_orphans(&mut self) -> Result<(), EngineError> {
        self.settle().await?;
        let mut block_ref = self.chain.head().block_ref;
        loop {
            let origin = block_ref.l1_origin;
            match self.wires.l1.id(L1BlockNumber(origin.number)).await {
                Ok(Some(id)) if id == origin => break,
                Ok(_) => {}
                Err(error) => {
                    warn!(error = &error as &dyn std::error::Error, "L1 reorg not followed yet");
                    return Ok(());
                }
            }
            let first =
                block::first_with_origin(self.chain.index().pool(), L1BlockNumber(origin.number)).await?;
            let below = first.map(|first| first.block_ref().number.0).unwrap_or_default().checked_sub(1);
            let Some(below) = below else { return Err(EngineError::GenesisOrphaned(origin.number)) };
            let stored = block::header(self.chain.index().pool(), BlockNumber(below)).await?;
            block_ref = stored.ok_or(ChainError::Missing(BlockNumber(below)))?.block_ref();
        }
        if block_ref.number < self.chain.head().block_ref.number {
            info!(to = %block_ref.number, origin = block_ref.l1_origin.number, "L1 reorganised");
            self.rewind(block_ref.number).await?;
        }
        Ok(())
    }

    async fn rewind(&mut self, to: BlockNumber) -> Result<(), EngineError> {
        self.settle().await?;
        self.abandon().await;
        self.lower_heads(to).await?;
        self.chain.rewind(to).await?;
        metrics::counter!("lockstep_sequencer_rewinds_total").increment(1);
        let view = self.chain.head_view().await?;
        self.pool.reload(view).await?;
        self.read_heads().await?;
        self.publish_heads();
        Ok(())
    }

    /// Tells heads of `to` at most, before the state above it goes: whoever asks for `latest` meanwhile finds it.
    async fn lower_heads(&mut self, to: BlockNumber) -> Result<(), EngineError> {
        let target = self.block_ref(BlockId { number: to.0, ..BlockId::default() }).await?;
        let Heads { unsafe_head, safe, finalized } = &mut self.heads;
        for head in [unsafe_head, safe, finalized] {
            if head.number > to {
                *head = target;
            }
        }
        self.publish_heads();
        Ok(())
    }

    /// Brings our chain in line with what L1 says.
    pub(crate) async fn reconcile(&mut self) -> Result<(), EngineError> {
        let Some(found) = *self.wires.derived.borrow_and_update() else { return Ok(()) };
        if found.safe.number == 0 || found.safe.number < self.heads.finalized.number.0 {
            return Ok(()); // the verifier has derived nothing yet, or rebuilds: what is final stays safe
        }
        self.settle().await?;
        if self.chain.hash(found.safe.number).await? != Some(found.safe.hash) {
            let Some(verifier) = self.wires.verifier.clone() else { return Ok(()) };
            match self.adopt_derived(&*verifier, found.safe).await? {
                Ok(()) => {}
                Err(error) => {
                    warn!(%error, "derived chain not adopted yet");
                    return Ok(());
                }
            }
        }
        if found.safe.hash != self.heads.safe.hash {
            self.move_head(head::Label::Safe, found.safe).await?;
        }
        if found.finalized.number > self.heads.finalized.number.0 {
            self.move_head(head::Label::Finalized, found.finalized).await?;
        }
        self.publish_heads();
        Ok(())
    }

    /// L1 wins: rewinds to the last block that both chains have, then executes the derived ones.
    async fn adopt_derived(
        &mut self,
        verifier: &dyn DerivedChain,
        safe: BlockId,
    ) -> Result<Result<(), VerifierError>, EngineError> {
        let ours = self.chain.head().block_ref.number.0;
        let mut common = ours.min(safe.number);
        let missing = |number| VerifierError(format!("it does not keep derived block {number}"));
        while common > 0 {
            let derived = match verifier.block(BlockNumber(common)).await {
                Ok(Some(derived)) => derived,
                Ok(None) => return Ok(Err(missing(common))),
                Err(error) => return Ok(Err(error)),
            };
            if self.chain.hash(common).await? == Some(derived.hash) {
                break;
            }
            common -= 1;
        }
        warn!(ours, derived = safe.number, common, "L1 defines another chain; adopting it");
        self.abandon().await;
        if common < ours {
            self.rewind(BlockNumber(common)).await?;
        }
        for number in common + 1..=safe.number {
            let derived = match verifier.block(BlockNumber(number)).await {
                Ok(Some(derived)) => derived,
                Ok(None) => return Ok(Err(missing(number))),
                Err(error) => return Ok(Err(error)),
            };
            let sealed = self.chain.adopt(derived.inputs, derived.hash).await?;
            self.announce(&sealed).await?;
        }
        Ok(Ok(()))
    }

    async fn move_head(&mut self, label: head::Label, id: BlockId) -> Result<(), EngineError> {
        let Some(stored) = block::header(self.chain.index().pool(), BlockNumber(id.number)).await? else {
            return Ok(());
        };
        if stored.hash != id.hash {
            error!(?label, number = id.number, ours = %stored.hash, derived = %id.hash, "derived head is not ours");
            return Ok(());
        }
        head::set(self.chain.index().pool(), label, BlockNumber(id.number), id.hash).await?;
        match label {
            head::Label::Safe => self.heads.safe = stored.block_ref(),
            head::Label::Finalized => self.heads.finalized = stored.block_ref(),
            head::Label::Unsafe => {}
        }
        Ok(())
    }

    /// Takes the heads from Postgres.
    async fn read_heads(&mut self) -> Result<(), EngineError> {
        let stored = head::get(self.chain.index().pool()).await?;
        let stored = stored.ok_or(ChainError::Missing(BlockNumber(0)))?;
        self.heads = Heads {
            unsafe_head: self.chain.head().block_ref,
            safe: self.block_ref(stored.safe).await?,
            finalized: self.block_ref(stored.finalized).await?,
        };
        Ok(())
    }

    async fn block_ref(&self, id: BlockId) -> Result<L2BlockRef, EngineError> {
        let number = BlockNumber(id.number);
        let stored = block::header(self.chain.index().pool(), number).await?;
        Ok(stored.ok_or(ChainError::Missing(number))?.block_ref())
    }

    fn publish_heads(&self) {
        let heads = self.heads;
        self.wires.heads.send_replace(heads);
        self.move_anchor();
        #[allow(clippy::cast_precision_loss)] // gauges
        {
            metrics::gauge!("lockstep_sequencer_head", "label" => "unsafe")
                .set(heads.unsafe_head.number.0 as f64);
            metrics::gauge!("lockstep_sequencer_head", "label" => "safe").set(heads.safe.number.0 as f64);
            metrics::gauge!("lockstep_sequencer_head", "label" => "finalized")
                .set(heads.finalized.number.0 as f64);
            let gap = heads.unsafe_head.number.0.saturating_sub(heads.safe.number.0);
            metrics::gauge!("lockstep_sequencer_unsafe_safe_gap_blocks").set(gap as f64);
        }
    }

    /// Tells L1's follower where to begin.
    fn move_anchor(&self) {
        let anchor = self.chain.head().block_ref.l1_origin;
        self.wires.anchor.send_if_modified(|known| std::mem::replace(known, anchor) != anchor);
    }

    fn note_sealed(&mut self, sealed: &SealedBlock, took: Duration) {
        let (header, txs) = (&sealed.header, sealed.transactions.len());
        info!(
            number = header.number,
            hash = %sealed.hash,
            txs,
            gas = header.gas_used,
            origin = sealed.l1_origin.number,
            took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "block sealed"
        );
        metrics::counter!("lockstep_sequencer_blocks_total").increment(1);
        metrics::counter!("lockstep_sequencer_transactions_total").increment(txs as u64);
        metrics::counter!("lockstep_sequencer_gas_total").increment(header.gas_used);
        metrics::histogram!("lockstep_sequencer_seal_seconds").record(took.as_secs_f64());
        self.waiting = None;
        self.wires.readiness.set_ready(READY_HEAD);
    }

    /// Says once why no block is made.
    fn wait_for(&mut self, reason: String) {
        if self.waiting.is_none() {
            warn!(reason, "no block can be made now");
            self.waiting = Some(reason);
        }
    }

    fn report_lateness(&self) {
        let limit = self.options.block_time.max(Duration::from_secs(1)) * LATE_BLOCK_TIMES;
        let late = self.last_seal.is_some_and(|last| last.elapsed() > limit);
        if late && !self.on_demand() {
            let reason = self.waiting.as_deref().unwrap_or("no block was sealed lately");
            self.wires.readiness.set_waiting(READY_HEAD, reason);
        }
    }

    fn on_demand(&self) -> bool {
        self.options.mode == BlockMode::OnDemand
    }

    /// Seconds since the Unix epoch by our clock, or by L1's if that has jumped ahead.
    fn clock(&self) -> u64 {
        clock::now_secs() + self.wires.views.borrow().ahead_secs
    }

    /// What [`Self::clock`] will say at `due`, or says now.
    fn time_at(&self, due: Option<Instant>) -> u64 {
        let left = due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()));
        (clock::now() + left + CLOCK_SLACK).as_secs() + self.wires.views.borrow().ahead_secs
    }

    fn deposits_wait(&self) -> bool {
        let origin = self.chain.head().block_ref.l1_origin.number;
        self.wires.views.borrow().window.has_deposits_above(origin)
    }

    /// In interval mode blocks are due on whole block times of the wall clock, so that timestamps step evenly.
    fn first_due(&self) -> Option<Instant> {
        if self.on_demand() {
            return Some(Instant::now());
        }
        let step = self.options.block_time.as_nanos().max(1);
        let into = clock::now().as_nanos() % step;
        let left = u64::try_from(step - into).unwrap_or_default();
        Some(Instant::now() + Duration::from_nanos(left))
    }

    fn next_due(&self, due: Option<Instant>, made: bool) -> Option<Instant> {
        let now = Instant::now();
        if self.on_demand() {
            let unsettled = self.last_seal.is_none() || self.wires.views.borrow().reorged;
            let more = unsettled || self.pool.has_ready() || self.deposits_wait();
            let pause = if made { Duration::ZERO } else { RETRY };
            return more.then(|| now + pause);
        }
        let next = due.unwrap_or(now) + self.options.block_time;
        // After a stall the missed blocks are not made up for.
        if next > now { Some(next) } else { self.first_due() }
    }
}

/// The block that is on its way to Postgres, once it is there.
async fn stored(storing: &mut Option<Storing>) -> Result<Arc<SealedBlock>, ChainError> {
    match storing {
        Some(storing) => storing.done().await,
        None => std::future::pending().await,
    }
}
