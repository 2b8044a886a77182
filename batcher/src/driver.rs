//! The loop: settle what was posted, see into blocks what is on its way, send what is closed, close what is due.

use std::time::{Duration, Instant, SystemTime};

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256, Bytes},
    providers::Provider,
    sol_types::{SolCall, SolEvent},
};
use lockstep_codec::to_blobs;
use lockstep_contracts::l1::Inbox;
use lockstep_index::{
    Index, batch,
    batch::Batch,
    submission::{self, DaType, NewSubmission, Step, Submission},
};
use lockstep_l1::{Included, L1Error, Severity, TxManager, TxRequest};
use lockstep_primitives::BlockId;
use lockstep_service::Readiness;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    BatcherConfig, DataAvailability,
    channel::Closed,
    error::BatcherError,
    fit::fit,
    flights::{Flights, Flying, Seen},
    history::history,
    pending::{Pending, is_in_chain},
    policy::{Closing, Policy, Reason},
    price::{self, L1Now},
    telemetry,
};

/// How long a round may still take after a stop was asked for.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(3);
/// Time between two looks at the account's balance.
const BALANCE_INTERVAL: Duration = Duration::from_secs(10);
/// Compression that is assumed before the first channel.
const FIRST_RATIO: f64 = 0.6;
/// Bytes of a channel that says how the next one will compress.
const RATIO_SAMPLE: usize = 4_096;
/// Time between two looks at L1's prices.
const PRICE_INTERVAL: Duration = Duration::from_secs(3);

/// Everything the loop works with.
pub(crate) struct Batcher {
    pub(crate) index: Index,
    pub(crate) tx: TxManager,
    pub(crate) inbox: Address,
    pub(crate) readiness: Readiness,
    writer: Option<submission::Writer>,
    policy: Policy,
    data_availability: DataAvailability,
    poll: Duration,
    max_pending_txs: usize,
    pending: Pending,
    flights: Flights,
    looked_at: Option<Instant>,
    held: Option<&'static str>,
    ratio: f64,
    min_tip: u128,
    l1: Option<(Instant, L1Now)>,
    settled_at: Option<BlockId>,
    last_batch: Option<Instant>,
    balance_read: Option<Instant>,
}

impl Batcher {
    pub(crate) fn new(
        index: Index,
        tx: TxManager,
        inbox: Address,
        readiness: Readiness,
        config: &BatcherConfig,
        policy: Policy,
    ) -> Self {
        Self {
            index,
            tx,
            inbox,
            readiness,
            writer: None,
            policy,
            data_availability: config.data_availability,
            poll: config.poll,
            max_pending_txs: config.max_pending_txs,
            pending: Pending::default(),
            flights: Flights::default(),
            looked_at: None,
            held: None,
            ratio: FIRST_RATIO,
            min_tip: config.tx.limits().min_tip,
            l1: None,
            settled_at: None,
            last_batch: None,
            balance_read: None,
        }
    }

    /// Works until `shutdown`, or until something needs a person.
    ///
    /// A round that hangs, as Postgres or L1 may, is dropped a while after `shutdown`: that is a crash between two
    /// lines, which the journal is for.
    pub(crate) async fn run(self, shutdown: &CancellationToken) -> Result<(), BatcherError> {
        let patience = async {
            shutdown.cancelled().await;
            tokio::time::sleep(SHUTDOWN_PATIENCE).await;
        };
        tokio::select! {
            result = self.work(shutdown) => result,
            () = patience => Ok(()),
        }
    }

    async fn work(mut self, shutdown: &CancellationToken) -> Result<(), BatcherError> {
        let mut standing_by = false;
        loop {
            let stepped = self.step().await;
            let stood_by = std::mem::replace(&mut standing_by, matches!(stepped, Err(BatcherError::Standby)));
            let worked = match stepped {
                Ok(worked) => {
                    match self.held {
                        Some(reason) => {
                            self.readiness.set_waiting("work", format!("transaction waits {reason}"))
                        }
                        None => self.readiness.set_ready("work"),
                    }
                    worked
                }
                Err(error) if error.severity() == Severity::Halt => {
                    error!(%error, "the batcher stops");
                    return Err(error);
                }
                Err(error @ BatcherError::Standby) => {
                    if !stood_by {
                        info!("{error}");
                    }
                    self.readiness.set_waiting("work", error.to_string());
                    false
                }
                Err(error) => {
                    warn!(%error, "the batcher tries again");
                    self.readiness.set_waiting("work", error.to_string());
                    metrics::counter!("lockstep_batcher_errors_total").increment(1);
                    false
                }
            };
            self.measure().await;
            let pause = if worked { Duration::ZERO } else { self.poll };
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One round; tells whether there was something to do.
    async fn step(&mut self) -> Result<bool, BatcherError> {
        self.lead().await?;
        let open = self.settle().await?;
        if self.must_look() && self.move_on(&open).await? {
            self.looked_at = None;
            return Ok(true);
        }
        let unposted = open.iter().filter(|submission| !is_posted(submission)).count();
        if unposted >= self.max_pending_txs || !self.close_if_due().await? {
            return Ok(false);
        }
        self.looked_at = None;
        Ok(true)
    }

    /// Makes sure that nobody else writes the journal: two would post the same blocks in different channels, and
    /// the blocks that only the dropped ones hold would never be posted.
    async fn lead(&mut self) -> Result<(), BatcherError> {
        if let Some(writer) = &mut self.writer {
            if let Err(error) = writer.check().await {
                self.writer = None;
                return Err(error.into());
            }
            return Ok(());
        }
        self.pending.clear();
        (self.flights, self.looked_at, self.settled_at) = (Flights::default(), None, None);
        self.writer = submission::Writer::take(self.index.pool()).await?;
        if self.writer.is_some() { Ok(()) } else { Err(BatcherError::Standby) }
    }

    /// Brings the journal up to date with both chains, and gives the submissions that are still open, in order.
    async fn settle(&mut self) -> Result<Vec<Submission>, BatcherError> {
        if let Some(first) = submission::first_rewound(self.index.pool()).await? {
            warn!(id = first, "the blocks of a channel were rewound");
            self.abandon_from(first).await?;
        }
        let open = submission::open(self.index.pool()).await?;
        if !open.iter().any(is_posted) {
            return Ok(open);
        }
        let head = self.head(BlockNumberOrTag::Latest).await?;
        if self.settled_at == Some(head) {
            return Ok(open);
        }
        let finalized = self.head(BlockNumberOrTag::Finalized).await?;
        for submission in &open {
            let Step::Posted { l1_block, tx_hash } = submission.step else { continue };
            // A node that is behind knows nothing of it yet.
            if l1_block.number > head.number {
                continue;
            }
            let stands = self.tx.is_canonical(l1_block).await?;
            let is_final = l1_block.number <= finalized.number;
            // Its bytes are dropped once it is final: so the transaction is looked up a last time.
            if !stands || (is_final && !self.is_in(tx_hash, l1_block).await?) {
                warn!(id = submission.id, l1_block = l1_block.number, "a posted channel was reorged out");
                submission::reorged(self.index.pool(), submission.id).await?;
            } else if is_final {
                submission::finalized(self.index.pool(), submission.id).await?;
                info!(id = submission.id, last_block = submission.last_block.0, "channel is final");
            }
        }
        self.settled_at = Some(head);
        Ok(submission::open(self.index.pool()).await?)
    }

    /// Whether it is time to look at what is on its way.
    fn must_look(&mut self) -> bool {
        let due = self.looked_at.is_none_or(|at| at.elapsed() >= self.tx.poll_interval());
        if due {
            self.looked_at = Some(Instant::now());
        }
        due
    }

    /// Sees what is on its way one step further, and sends the next submission if there is room; tells whether
    /// the journal has changed.
    async fn move_on(&mut self, open: &[Submission]) -> Result<bool, BatcherError> {
        let flying = Flying::look(&self.index, &self.tx, open).await?;
        telemetry::pending_txs(flying.count());
        self.held = None;
        match self.flights.advance(&self.index, &self.tx, &flying).await? {
            Seen::Nothing => {}
            Seen::Held(reason) => self.held = Some(reason),
            Seen::Included(submission, included) => {
                self.included(&submission, &included).await?;
                return Ok(true);
            }
            Seen::Displaced(submission) => {
                warn!(id = submission.id, "another transaction has the nonce of a channel: sealing it again");
                submission::seal_again(self.index.pool(), submission.id).await?;
                return Ok(true);
            }
        }
        match open.iter().find(|submission| submission.step == Step::Sealed) {
            Some(next) if flying.leaves_room(next.da_type, self.max_pending_txs) => {
                self.prepare(next).await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Signs the first transaction of a submission, under the nonce after all that the journal and L1 know.
    async fn prepare(&mut self, submission: &Submission) -> Result<(), BatcherError> {
        let data = submission::data(self.index.pool(), submission.id).await?;
        let request = self.request(submission.da_type, &data)?;
        let account = self.tx.address();
        let nonce = submission::next_nonce(self.index.pool(), account).await?.max(self.tx.nonce().await?);
        let tx = self.tx.prepare(request, nonce).await?;
        self.flights.add(&self.index, account, submission.id, tx).await
    }

    /// A transaction that failed was refused by the inbox: no other one will do better.
    async fn included(&mut self, submission: &Submission, included: &Included) -> Result<(), BatcherError> {
        if included.success {
            return self.posted(submission, included).await;
        }
        self.abandon_from(submission.id).await?;
        Err(BatcherError::Refused { id: submission.id, hash: included.hash })
    }

    async fn posted(&mut self, submission: &Submission, included: &Included) -> Result<(), BatcherError> {
        let batch = self.announced(submission, included).await?;
        let size_bytes = submission::data(self.index.pool(), submission.id).await?.len();
        let mut db = self.index.begin().await?;
        submission::posted(&mut *db, submission.id, included.hash, included.block).await?;
        if let Some(batch) = batch {
            batch::insert(&mut *db, &batch).await?;
        }
        db.commit().await.map_err(lockstep_index::IndexError::from)?;
        self.last_batch = Some(Instant::now());
        telemetry::posted(submission.da_type, size_bytes, included);
        info!(
            id = submission.id,
            first_block = submission.first_block.0,
            last_block = submission.last_block.0,
            size_bytes,
            l1_block = included.block.number,
            l1_tx = %included.hash,
            gas_used = included.gas_used,
            "channel posted"
        );
        Ok(())
    }

    /// The inbox's own announcement of the batch.
    async fn announced(
        &self,
        submission: &Submission,
        included: &Included,
    ) -> Result<Option<Batch>, BatcherError> {
        let receipt = self.tx.provider().get_transaction_receipt(included.hash).await;
        let receipt = receipt.map_err(|source| L1Error::Rpc { what: "eth_getTransactionReceipt", source })?;
        let logs = receipt.as_ref().map_or(&[][..], |receipt| receipt.logs());
        let event = logs
            .iter()
            .filter(|log| log.address() == self.inbox)
            .find_map(|log| Inbox::BatchAppended::decode_log(&log.inner).ok());
        Ok(event.map(|event| Batch {
            index: event.index.saturating_to(),
            batch_hash: event.batchHash,
            l1_block: included.block,
            l1_tx_hash: included.hash,
            da_type: submission.da_type,
            first_block: submission.first_block,
            last_block: submission.last_block,
        }))
    }

    fn request(&self, da_type: DaType, data: &Bytes) -> Result<TxRequest, L1Error> {
        let (input, blobs) = match da_type {
            DaType::Calldata => (Inbox::appendBatchCall { data: data.clone() }.abi_encode(), Vec::new()),
            DaType::Blobs => {
                let blobs = to_blobs(data).map_err(|error| L1Error::Kzg(error.to_string()))?;
                (Inbox::appendBlobsCall {}.abi_encode(), blobs)
            }
        };
        Ok(TxRequest { to: Some(self.inbox), input: input.into(), blobs, ..TxRequest::default() })
    }

    /// Closes a channel if the policy asks for it.
    async fn close_if_due(&mut self) -> Result<bool, BatcherError> {
        self.pending.refresh(&self.index).await?;
        let Some(Closing { reason, max_bytes }) = self.is_due().await? else { return Ok(false) };
        let (blocks, policy, ratio) = (self.pending.blocks().to_vec(), self.policy, self.ratio);
        let Some(first) = blocks.first() else { return Ok(false) };
        let history = history(&self.index, first.number).await?;
        let fitted = move || fit((&blocks, &history), &policy, max_bytes, ratio);
        let closed = tokio::task::spawn_blocking(fitted).await??;
        let Some(closed) = closed else { return Ok(false) };
        if !is_in_chain(&self.index, closed.last.0, closed.tip_hash).await? {
            self.pending.clear();
            return Ok(false);
        }
        let tip = BlockId { number: closed.last.0, hash: closed.tip_hash };
        self.seal(closed, reason).await?;
        self.pending.advance(tip);
        Ok(true)
    }

    async fn is_due(&mut self) -> Result<Option<Closing>, BatcherError> {
        if self.pending.blocks().is_empty() {
            return Ok(None);
        }
        let l1 = self.l1_now().await?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs());
        Ok(self.policy.decide(&self.pending.waiting(self.ratio, now), &l1))
    }

    /// L1's head and prices, as of a moment ago.
    async fn l1_now(&mut self) -> Result<L1Now, BatcherError> {
        if let Some((_, l1)) = self.l1.filter(|(read, _)| read.elapsed() < PRICE_INTERVAL) {
            return Ok(l1);
        }
        let history =
            self.tx.provider().get_fee_history(price::USUAL_BLOCKS, BlockNumberOrTag::Latest, &[50.0]).await;
        let history = history.map_err(|source| L1Error::Rpc { what: "eth_feeHistory", source })?;
        let l1 = L1Now::new(&history, self.min_tip);
        self.l1 = Some((Instant::now(), l1));
        Ok(l1)
    }

    async fn seal(&mut self, closed: Closed, reason: Reason) -> Result<(), BatcherError> {
        let da_type = price::choose(self.data_availability, &closed.data, &self.l1_now().await?.market);
        if closed.raw_bytes >= RATIO_SAMPLE {
            self.ratio = closed.ratio();
        }
        let frames = closed.frames(self.policy.max_bytes);
        telemetry::closed(&closed, reason);
        info!(
            first_block = closed.first.0,
            last_block = closed.last.0,
            txs = closed.txs,
            size_bytes = closed.data.len(),
            frames = frames.len(),
            ?da_type,
            reason = reason.as_str(),
            "channel closed"
        );
        let Closed { first, last, tip_hash, .. } = closed;
        let mut db = self.index.begin().await?;
        for data in frames.into_iter().map(Bytes::from) {
            let frame = NewSubmission { first_block: first, last_block: last, tip_hash, data, da_type };
            submission::insert(&mut *db, &frame).await?;
        }
        Ok(db.commit().await.map_err(lockstep_index::IndexError::from)?)
    }

    /// Gives up a submission and those that build on it. Their blocks, if they are still there, go into others.
    async fn abandon_from(&mut self, id: i64) -> Result<(), BatcherError> {
        submission::abandon(self.index.pool(), id).await?;
        self.pending.clear();
        Ok(())
    }

    async fn head(&self, tag: BlockNumberOrTag) -> Result<BlockId, BatcherError> {
        let block = self.tx.provider().get_block_by_number(tag).await;
        let block = block.map_err(|source| L1Error::Rpc { what: "eth_getBlockByNumber", source })?;
        Ok(block
            .map(|block| BlockId { number: block.header.number, hash: block.header.hash })
            .unwrap_or_default())
    }

    async fn is_in(&self, tx_hash: B256, block: BlockId) -> Result<bool, BatcherError> {
        let included = self.tx.included(tx_hash).await?;
        Ok(included.is_some_and(|included| included.success && included.block == block))
    }

    async fn measure(&mut self) {
        let age = self.last_batch.map(|at| at.elapsed());
        telemetry::backlog(self.pending.blocks().len(), self.pending.size_bytes(), age);
        if self.balance_read.is_none_or(|at| at.elapsed() >= BALANCE_INTERVAL)
            && let Ok(balance) = self.tx.balance().await
        {
            telemetry::balance(balance);
            self.balance_read = Some(Instant::now());
        }
    }
}

const fn is_posted(submission: &Submission) -> bool {
    matches!(submission.step, Step::Posted { .. })
}
