//! Making blocks: opening, filling, sealing, and making again what was open when a sequencer stopped.

use std::{sync::Arc, time::Duration};

use lockstep_index::open_block;
use lockstep_primitives::{BlockInputs, SealedBlock};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::{Engine, EngineError, MIN_BUILD_TIME, stored};
use crate::{
    chain::ChainError,
    open::{OpenBlock, Ran, hashes},
    origin::{Choice, Plan},
    pending::Question,
    pool::AccountView,
    rpc::PendingBlock,
};

/// Time after which a block may be sealed whose timestamp is still to come.
const REST: Duration = Duration::from_millis(900);
/// Transactions of a block that are executed again at once.
const RESUMED: usize = 512;

impl Engine {
    /// A block is due: seals it, and opens the next one in interval mode. Whether one was made.
    pub(super) async fn tick(&mut self, due: Option<Instant>) -> Result<bool, EngineError> {
        if self.on_demand() {
            return Ok(self.produce(self.clock()).await?.is_some());
        }
        if self.open.is_none() {
            self.begin(self.clock()).await?;
            self.more = self.fill().await?;
        }
        let made = self.is_due() && self.seal().await?;
        if self.open.is_none() {
            self.begin(self.time_at(self.next_due(due, made))).await?;
        }
        Ok(made)
    }

    /// Makes one block that should have timestamp `time`, out of what the pool has now, and waits until it is stored;
    /// `None` if it must wait.
    pub(crate) async fn produce(&mut self, time: u64) -> Result<Option<Arc<SealedBlock>>, EngineError> {
        self.settle().await?;
        if !(self.advance(time).await? && self.seal().await?) {
            return Ok(None);
        }
        self.settle().await
    }

    /// Executes what the pool has now in a block that should have timestamp `time`; false if there can be none yet.
    pub(crate) async fn advance(&mut self, time: u64) -> Result<bool, EngineError> {
        if self.open.is_none() && !(self.may_have(time) && self.begin(time).await?) {
            return Ok(false);
        }
        let deadline = Instant::now() + self.options.block_time.max(MIN_BUILD_TIME) * 3 / 4;
        while Instant::now() < deadline && self.fill().await? {}
        Ok(true)
    }

    /// Opens the block after the head, which should have timestamp `time`; false if it must wait.
    pub(super) async fn begin(&mut self, time: u64) -> Result<bool, EngineError> {
        let Some(plan) = self.plan(time).await? else { return Ok(false) };
        open_block::begin(self.chain.index().pool(), &plan.inputs, self.chain.term()).await?;
        self.open(plan.inputs).await?;
        Ok(true)
    }

    /// What the block after the head begins with; nothing if it must wait.
    async fn plan(&mut self, time: u64) -> Result<Option<Plan>, EngineError> {
        let view = self.wires.views.borrow().clone();
        let origin = self.chain.head().block_ref.l1_origin;
        if view.reorged {
            if view.anchor == origin {
                self.leave_orphans().await?;
            }
            return Ok(None);
        }
        if !view.window.contains(origin) {
            return Ok(None); // the follower has not caught up with the head
        }
        let head = self.chain.head();
        let choice = Choice {
            parent: &head.block_ref,
            system: head.system,
            window: &view.window,
            time: time.max(head.block_ref.timestamp + 1),
            max_drift: self.options.max_drift,
            ignore_deposits: self.options.ignore_deposits,
        };
        match choice.plan() {
            Ok(plan) => Ok(Some(plan)),
            Err(wait) => {
                self.wait_for(wait.to_string());
                Ok(None)
            }
        }
    }

    async fn open(&mut self, inputs: BlockInputs) -> Result<(), EngineError> {
        let (parent, data) = (self.chain.parent()?, *self.wires.limits.borrow());
        let (open, forced) = OpenBlock::begin(self.chain.maker(), parent, inputs, data).await?;
        self.wires.pending.begin(open.header(), forced);
        self.open = Some(open);
        self.more = true;
        Ok(())
    }

    /// Executes some of what waits for the open block, and shows it once its order is stored; false if there was
    /// nothing to do.
    pub(super) async fn fill(&mut self) -> Result<bool, EngineError> {
        let Some(open) = &mut self.open else { return Ok(false) };
        let batch = self.pool.take_batch(open);
        if batch.is_empty() {
            return Ok(false);
        }
        let (ran, number) = (open.run_new(&batch).await?, open.number());
        let lessons = open.take_lessons();
        if !ran.included.is_empty() {
            let (order, term) = (hashes(&ran), self.chain.term());
            open_block::append(self.chain.index().pool(), number, ran.first, &order, term).await?;
        }
        self.show(ran);
        self.pool.learn(lessons).await;
        Ok(true)
    }

    fn show(&self, ran: Ran) {
        self.pool.give_back_these(&ran.left_out);
        self.wires.pending.extend(ran.pending);
    }

    /// Seals the open block and begins to store it; false if there is none, or L1 has dropped its origin.
    async fn seal(&mut self) -> Result<bool, EngineError> {
        self.settle().await?; // one at a time is on its way to Postgres
        let started = Instant::now();
        if self.is_orphaned() {
            self.abandon().await;
        }
        let Some(open) = self.open.take() else { return Ok(false) };
        let built = open.seal().await?;
        self.storing = Some(self.chain.begin_to_store(built)?);
        self.last_seal = Some(started);
        self.move_anchor();
        Ok(true)
    }

    /// Whether L1 has dropped the open block's origin.
    pub(super) fn is_orphaned(&self) -> bool {
        let orphaned = |open: &OpenBlock| !self.wires.views.borrow().window.contains(open.l1_origin());
        self.open.as_ref().is_some_and(orphaned)
    }

    /// Waits until the last sealed block is stored, announces it and gives it.
    pub(super) async fn settle(&mut self) -> Result<Option<Arc<SealedBlock>>, EngineError> {
        if self.storing.is_none() {
            return Ok(None);
        }
        let stored = stored(&mut self.storing).await;
        self.finish_storing(stored).await.map(Some)
    }

    pub(super) async fn finish_storing(
        &mut self,
        stored: Result<Arc<SealedBlock>, ChainError>,
    ) -> Result<Arc<SealedBlock>, EngineError> {
        self.storing = None;
        let sealed = stored?;
        self.chain.stored();
        self.announce(&sealed).await?;
        let took = self.last_seal.map(|began| began.elapsed()).unwrap_or_default();
        self.note_sealed(&sealed, took);
        Ok(sealed)
    }

    /// Forgets the open block, and waits until nothing is on its way to Postgres.
    pub(crate) async fn abandon(&mut self) {
        if let Some(storing) = self.storing.take() {
            storing.end().await;
        }
        if let Some(open) = self.open.take() {
            open.close().await;
        }
        self.pool.give_back();
        self.wires.pending.clear();
    }

    /// Goes on with the blocks that were open when a sequencer stopped: what was shown of them stays true.
    pub(super) async fn resume(&mut self) -> Result<(), EngineError> {
        for stored in open_block::all(self.chain.index().pool()).await? {
            if let Some(open) = self.open.take() {
                // Its successor was open: it had been sealed.
                self.storing = Some(self.chain.begin_to_store(open.seal().await?)?);
                self.settle().await?;
            }
            let head = self.chain.head().block_ref;
            if stored.inputs.parent_hash != head.hash {
                warn!(number = %stored.inputs.number, "an open block does not stand on the head, it is dropped");
                break;
            }
            self.run_again(stored).await?;
        }
        Ok(())
    }

    async fn run_again(&mut self, stored: open_block::OpenBlock) -> Result<(), EngineError> {
        let open_block::OpenBlock { inputs, order } = stored;
        let (number, shown) = (inputs.number, order.len());
        self.open(inputs.clone()).await?;
        let txs = self.pool.take_all(&order);
        let mut again = Vec::with_capacity(shown);
        let mut first = None;
        for txs in txs.chunks(RESUMED) {
            let Some(open) = &mut self.open else { break };
            let ran = open.run(txs.to_vec()).await?;
            first = first.or(Some(ran.first));
            again.extend(hashes(&ran));
            self.show(ran);
        }
        if again == order {
            info!(%number, users = shown, "open block made again");
            return Ok(());
        }
        error!(%number, shown, again = again.len(), "an open block could not be made again as it was shown");
        let (pool, term) = (self.chain.index().pool(), self.chain.term());
        open_block::begin(pool, &inputs, term).await?; // which forgets the order
        match first {
            Some(first) if !again.is_empty() => {
                Ok(open_block::append(pool, number, first, &again, term).await?)
            }
            _ => Ok(()),
        }
    }

    /// What clients want to know of the open block.
    pub(super) async fn answer(&mut self, question: Question) -> Result<(), EngineError> {
        match question {
            Question::Block(answer) => {
                let block = self.pending_block().await?;
                let _ = answer.send(block); // whoever asked may have gone
            }
            Question::Account(address, answer) => {
                let account = match &self.open {
                    Some(open) => open.account(address).await?,
                    None => None,
                };
                let view =
                    account.map(|account| AccountView { nonce: account.nonce, balance: account.balance });
                let _ = answer.send(view);
            }
        }
        Ok(())
    }

    async fn pending_block(&mut self) -> Result<Option<Arc<PendingBlock>>, EngineError> {
        let Some(open) = &self.open else { return Ok(None) };
        let transactions = self.wires.pending.transactions();
        let is_same = |seen: &Arc<PendingBlock>| {
            (seen.header.parent_hash, seen.transactions.len())
                == (open.header().parent_hash, transactions.len())
        };
        if !self.seen.as_ref().is_some_and(is_same) {
            let (header, state) = (open.header().clone(), open.state().await?);
            self.seen = Some(Arc::new(PendingBlock { header, transactions, state }));
        }
        Ok(self.seen.clone())
    }

    /// Whether the open block may be sealed now: blocks never outrun the clock by more than one second for each second
    /// that passes.
    fn is_due(&self) -> bool {
        self.open.as_ref().is_some_and(|open| self.may_have(open.header().timestamp))
    }

    /// Whether a block with timestamp `time`, or a second after its parent if that is later, may be sealed now.
    fn may_have(&self, time: u64) -> bool {
        let earliest = self.chain.head().block_ref.timestamp + 1;
        let rested = self.last_seal.is_none_or(|last| last.elapsed() >= REST);
        rested || earliest.max(time) <= self.time_at(None)
    }
}
