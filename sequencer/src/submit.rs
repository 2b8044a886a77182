//! The pool as a service: admission on blocking threads, rows before acknowledgements.
//!
//! A submission is judged against the head, waits in a queue, and is stored with whatever else waits there in
//! one statement. Only then does it enter the pool, where blocks are made from, and only then is it
//! acknowledged. Who seems unable to pay is looked up in the open block, where money may have arrived since.

mod conditions;
mod removal;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use jsonrpsee::core::async_trait;
use lockstep_index::{Index, IndexError, pool_batch};
use lockstep_primitives::SealedBlock;
use parking_lot::{Mutex, MutexGuard, RwLock};
use tokio::{
    sync::{Notify, Semaphore, broadcast, mpsc, oneshot},
    task::spawn_blocking,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use conditions::Conditions;

use crate::{
    admission::{HeadView, admit, readmit},
    fill::Lessons,
    open::OpenBlock,
    pending::Pending,
    pool::{AccountView, PoolLimits, PoolTx, TxPool},
    rows::Rows,
    rpc::{Condition, DropError, PoolApi, PoolContent, PoolStatus, PooledTransaction, SubmitError},
};

/// Submissions that may wait for the database.
const MAX_WAITING: usize = 4_096;
/// Submissions that one statement stores.
const MAX_BATCH: usize = 512;
/// Submissions that one thread judges before it looks for more.
const MAX_JUDGED: usize = 32;
/// Batches of new transactions that a slow listener may lag behind.
const ENTERED: usize = 256;

/// The pool that RPC and engine share. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    submissions: mpsc::Sender<Submission>,
}

#[derive(Debug)]
struct Shared {
    index: Index,
    pool: Mutex<TxPool>,
    rows: Mutex<Rows>,
    head: RwLock<Arc<HeadView>>,
    arrived: Notify,
    entered: broadcast::Sender<Arc<Vec<PooledTransaction>>>,
    pending: Pending,
}

/// Tells the client whether its transaction is stored.
type Done = oneshot::Sender<Result<B256, SubmitError>>;

/// Bytes that are to be judged.
#[derive(Debug)]
struct Submission {
    raw: Bytes,
    condition: Option<Arc<Condition>>,
    /// The sender's balance, where it is known better than by the head.
    balance: Option<U256>,
    done: Done,
}

/// A transaction that is to be stored.
#[derive(Debug)]
struct Request {
    tx: Arc<PoolTx>,
    account: AccountView,
    /// What `account` is of.
    head: Arc<HeadView>,
    done: Done,
}

impl Request {
    /// Makes the account's nonce that of `head`.
    fn catch_up(&mut self, head: &Arc<HeadView>) {
        if Arc::ptr_eq(&self.head, head) {
            return;
        }
        match head.account(self.tx.sender) {
            Ok(account) => self.account.nonce = account.nonce,
            Err(error) => error!(%error, sender = %self.tx.sender, "account unreadable"),
        }
        self.head = head.clone();
    }
}

/// Judges and stores what is submitted; runs until its [`Pool`]s are gone or it is told to stop.
#[derive(Debug)]
pub(crate) struct PoolWriter {
    shared: Arc<Shared>,
    submissions: mpsc::Receiver<Submission>,
}

impl Pool {
    pub(crate) fn new(
        index: Index,
        limits: PoolLimits,
        head: HeadView,
        pending: Pending,
    ) -> (Self, PoolWriter) {
        let (sender, submissions) = mpsc::channel(MAX_WAITING);
        let shared = Arc::new(Shared {
            index,
            pool: Mutex::new(TxPool::new(limits)),
            rows: Mutex::default(),
            head: RwLock::new(Arc::new(head)),
            arrived: Notify::new(),
            entered: broadcast::channel(ENTERED).0,
            pending,
        });
        (Self { shared: shared.clone(), submissions: sender }, PoolWriter { shared, submissions })
    }

    /// Waits until a transaction entered since the last call returned.
    pub(crate) async fn arrived(&self) {
        self.shared.arrived.notified().await;
    }

    /// Takes what `open` should execute next. Nothing replaces it meanwhile: the order of the block is noted by hash, and
    /// a replaced transaction is stored no longer.
    pub(crate) fn take_batch(&self, open: &mut OpenBlock) -> Vec<Arc<PoolTx>> {
        let mut pool = self.shared.pool.lock();
        let batch = open.next_batch(pool.line());
        batch.iter().for_each(|tx| pool.take(tx));
        batch
    }

    /// What was taken and is not in the open block.
    pub(crate) fn give_back_these(&self, txs: &[Arc<PoolTx>]) {
        let mut pool = self.shared.pool.lock();
        txs.iter().for_each(|tx| pool.give_back_from(tx));
    }

    /// The open block is given up.
    pub(crate) fn give_back(&self) {
        self.shared.pool.lock().give_back();
    }

    /// Takes the transactions with `hashes`, up to the first one that is not pooled.
    pub(crate) fn take_all(&self, hashes: &[B256]) -> Vec<Arc<PoolTx>> {
        let mut pool = self.shared.pool.lock();
        let txs: Vec<_> = hashes.iter().map_while(|hash| pool.get(hash).cloned()).collect();
        txs.iter().for_each(|tx| pool.take(tx));
        txs
    }

    /// Acts on what executing transactions taught.
    pub(crate) async fn learn(&self, lessons: Lessons) {
        self.drop_invalid(lessons.invalid).await;
        self.correct_nonces(lessons.nonces).await;
    }

    pub(crate) fn has_ready(&self) -> bool {
        self.shared.pool.lock().has_ready()
    }

    /// Follows a sealed block: `head` becomes what submissions are judged against, and what the block used up
    /// leaves the pool.
    pub(crate) async fn on_sealed(&self, head: HeadView, block: Arc<SealedBlock>) {
        let shared = self.shared.clone();
        let stale = spawn_blocking(move || shared.follow(head, &block)).await.unwrap_or_else(|error| {
            error!(%error, "pool did not follow a block");
            Vec::new()
        });
        self.shared.forget(&stale).await;
    }

    /// Takes out transactions that can never be included, with the reason of each.
    async fn drop_invalid(&self, invalid: Vec<(B256, String)>) {
        let mut dropped = Vec::with_capacity(invalid.len());
        for (hash, reason) in invalid {
            if self.shared.pool.lock().remove(hash).is_some() {
                warn!(%hash, reason, "transaction dropped");
                metrics::counter!("lockstep_sequencer_pool_dropped_total").increment(1);
                dropped.push(hash);
            }
        }
        self.shared.forget(&dropped).await;
    }

    /// Corrects what the pool believes about account nonces.
    async fn correct_nonces(&self, nonces: Vec<(Address, u64)>) {
        let mut stale = Vec::new();
        {
            let mut pool = self.shared.pool.lock();
            for (sender, nonce) in nonces {
                stale.extend(pool.set_nonce(sender, nonce).into_iter().map(|tx| tx.hash));
            }
        }
        self.shared.forget(&stale).await;
    }

    /// Fills the pool from its table, on start and after a rewind: `head` is the new head.
    ///
    /// # Errors
    /// [`IndexError`] if the table cannot be read.
    pub(crate) async fn reload(&self, head: HeadView) -> Result<(), IndexError> {
        *self.shared.head.write() = Arc::new(head);
        let batches = pool_batch::all(self.shared.index.pool()).await?;
        let conditions = conditions::read(&batches)?;
        let shared = self.shared.clone();
        let refused =
            spawn_blocking(move || shared.refill(&batches, &conditions)).await.unwrap_or_else(|error| {
                error!(%error, "pool could not be reloaded");
                Vec::new()
            });
        self.shared.forget(&refused).await;
        let status = self.shared.pool.lock().status();
        info!(pending = status.pending, queued = status.queued, dropped = refused.len(), "pool loaded");
        self.shared.arrived.notify_one();
        Ok(())
    }
}

impl Shared {
    fn follow(&self, head: HeadView, block: &SealedBlock) -> Vec<B256> {
        let head = Arc::new(head);
        *self.head.write() = head.clone();
        // Deposits and authorizations use nonces too; the state knows.
        let senders: HashSet<_> = block.senders.iter().copied().collect();
        let nonces: Vec<_> = senders
            .into_iter()
            .filter_map(|sender| match head.account(sender) {
                Ok(account) => Some((sender, account.nonce)),
                Err(error) => {
                    error!(%error, %sender, "account unreadable");
                    None
                }
            })
            .collect();
        let mut pool = self.pool.lock();
        let used = nonces.into_iter().flat_map(|(sender, nonce)| pool.set_nonce(sender, nonce));
        used.map(|tx| tx.hash).collect()
    }

    /// Replaces the pool's content by that of `batches`; gives the hashes of what does not belong there any more.
    fn refill(&self, batches: &[pool_batch::PoolBatch], conditions: &Conditions) -> Vec<B256> {
        let head = self.head.read().clone();
        let hashed = |batch: &pool_batch::PoolBatch| {
            let hashes: Vec<_> = batch.txs.iter().map(keccak256).collect();
            (batch.id, hashes)
        };
        let hashes: Vec<(u64, Vec<B256>)> = batches.iter().map(hashed).collect();
        let raws = batches.iter().flat_map(|batch| &batch.txs);
        let all: Vec<_> = hashes.iter().flat_map(|(_, hashes)| hashes).copied().zip(raws).collect();
        let known: HashMap<B256, Arc<PoolTx>> = {
            let pool = self.pool.lock();
            all.iter().filter_map(|(hash, _)| Some((*hash, pool.get(hash)?.clone()))).collect()
        };
        // Signatures are checked before the lock is taken.
        let txs: Vec<_> = all
            .into_iter()
            .map(|(hash, raw)| match known.get(&hash) {
                Some(tx) => (hash, Ok(tx.clone())),
                None => (hash, readmit(raw, &head).map(|tx| conditions.put_on(tx))),
            })
            .collect();
        *self.rows.lock() = Rows::default();
        for (id, hashes) in hashes {
            self.rows.lock().add(id, hashes);
        }
        let mut pool = self.pool.lock();
        pool.clear();
        let mut refused = Vec::new();
        for (hash, tx) in txs {
            let inserted = tx.and_then(|tx| {
                let account = head.account(tx.sender).map_err(|_| SubmitError::Internal)?;
                pool.insert(tx, account)
            });
            match inserted {
                Ok(gone) => refused.extend(gone.iter().map(|tx| tx.hash)),
                Err(SubmitError::Internal) => error!(%hash, "account unreadable"),
                Err(SubmitError::AlreadyKnown) => {} // two rows hold it
                Err(reason) => {
                    debug!(%hash, %reason, "stored transaction dropped");
                    refused.push(hash);
                }
            }
        }
        refused
    }

    /// Deletes the rows that hold nothing any more without `hashes`, and joins those that hold little. A row that stays
    /// behind by a fault is judged again with the next reload.
    async fn forget(&self, hashes: &[B256]) {
        let (obsolete, (sparse, left)) = {
            let mut rows = self.rows.lock();
            hashes.iter().for_each(|hash| rows.leave(*hash));
            (rows.take_obsolete(), rows.take_sparse())
        };
        let tidied = async {
            if !obsolete.is_empty() {
                pool_batch::remove(self.index.pool(), &obsolete).await?;
            }
            if !sparse.is_empty() {
                self.join(&sparse, &left).await?;
            }
            Ok::<_, IndexError>(())
        };
        if let Err(error) = tidied.await {
            warn!(%error, "rows of the pool could not be deleted");
        }
    }

    /// Writes what is `left` in the rows `old` into one new row.
    async fn join(&self, old: &[u64], left: &[B256]) -> Result<(), IndexError> {
        let txs: Vec<_> = {
            let pool = self.pool.lock();
            left.iter().filter_map(|hash| pool.get(hash).cloned()).collect()
        };
        let raws: Vec<_> = txs.iter().map(|tx| tx.raw.clone()).collect();
        let id = pool_batch::replace(self.index.pool(), old, &raws, &conditions::write(&txs)).await?;
        let pool = self.pool.lock();
        self.rows.lock().add(id, txs.iter().map(|tx| tx.hash).filter(|hash| pool.get(hash).is_some()));
        Ok(())
    }
}

impl PoolWriter {
    /// Judges and stores submissions until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let Self { shared, submissions } = self;
        let (admitted, requests) = mpsc::channel(MAX_WAITING);
        let judging = async {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = shared.clone().judge_all(submissions, admitted) => {}
            }
        };
        // What is admitted by then is still stored: its senders go, and the queue ends.
        tokio::join!(judging, shared.store_all(requests));
    }
}

impl Shared {
    /// Judges submissions off the async threads: on as many threads as there are cores, and the more of them at once the
    /// more of them wait.
    async fn judge_all(
        self: Arc<Self>,
        mut submissions: mpsc::Receiver<Submission>,
        admitted: mpsc::Sender<Request>,
    ) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = Arc::new(Semaphore::new(cores));
        while let Ok(thread) = threads.clone().acquire_owned().await {
            let mut batch = Vec::new();
            if submissions.recv_many(&mut batch, MAX_JUDGED).await == 0 {
                return;
            }
            let (shared, admitted) = (self.clone(), admitted.clone());
            spawn_blocking(move || {
                batch.into_iter().for_each(|submission| shared.judge(submission, &admitted));
                drop(thread);
            });
        }
    }

    fn judge(&self, submission: Submission, admitted: &mpsc::Sender<Request>) {
        let Submission { raw, condition, balance, done } = submission;
        let head = self.head.read().clone();
        match admit(&raw, &head, balance) {
            // Where nobody stores any more, `done` is dropped, and whoever waits hears that we stop.
            Ok((tx, account)) => {
                let tx = Arc::new(PoolTx { condition, ..tx });
                drop(admitted.blocking_send(Request { tx, account, head, done }));
            }
            Err(refused) => drop(done.send(Err(refused))),
        }
    }

    async fn store_all(&self, mut requests: mpsc::Receiver<Request>) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        while requests.recv_many(&mut batch, MAX_BATCH).await > 0 {
            self.store(std::mem::take(&mut batch)).await;
        }
    }

    async fn store(&self, batch: Vec<Request>) {
        let accepted = self.precheck(batch);
        if accepted.is_empty() {
            return;
        }
        let raws: Vec<_> = accepted.iter().map(|request| request.tx.raw.clone()).collect();
        let conditions = conditions::write(accepted.iter().map(|request| &request.tx));
        match pool_batch::insert(self.index.pool(), &raws, &conditions).await {
            Ok(id) => self.rows.lock().add(id, accepted.iter().map(|request| request.tx.hash)),
            Err(error) => {
                error!(%error, "transactions could not be stored");
                for request in accepted {
                    let _ = request.done.send(Err(SubmitError::Internal));
                }
                return;
            }
        }
        let stale = self.enter(accepted);
        self.forget(&stale).await;
        self.arrived.notify_one();
    }

    /// Answers what the pool refuses; of two for one nonce only the first is stored, the second is asked to
    /// outbid it.
    fn precheck(&self, batch: Vec<Request>) -> Vec<Request> {
        let pool = self.pool.lock();
        let mut places: HashMap<(Address, u64), B256> = HashMap::new();
        let mut accepted = Vec::with_capacity(batch.len());
        for request in batch {
            let verdict = match places.get(&(request.tx.sender, request.tx.nonce)) {
                Some(hash) if *hash == request.tx.hash => Err(SubmitError::AlreadyKnown),
                Some(_) => Err(SubmitError::ReplacementUnderpriced),
                None => pool.check(&request.tx, request.account),
            };
            match verdict {
                Ok(()) => {
                    places.insert((request.tx.sender, request.tx.nonce), request.tx.hash);
                    accepted.push(request);
                }
                Err(error) => drop(request.done.send(Err(error))),
            }
        }
        accepted
    }

    /// The pool, while the accounts of `stored` are those of the head. If a sender's transactions were sealed since its
    /// request was judged, the pool has forgotten them, and would wait for them for ever.
    fn lock_at_head(&self, stored: &mut [Request]) -> MutexGuard<'_, TxPool> {
        loop {
            let head = self.head.read().clone();
            stored.iter_mut().for_each(|request| request.catch_up(&head));
            let pool = self.pool.lock();
            // Of a later head, the pool is told after this lock.
            if Arc::ptr_eq(&head, &self.head.read()) {
                return pool;
            }
        }
    }

    /// Lets stored transactions into the pool, announces them, then acknowledges them: who has the answer finds the
    /// transaction in a filter too. Gives the rows that must go.
    fn enter(&self, mut stored: Vec<Request>) -> Vec<B256> {
        let mut stale = Vec::new();
        let mut entered = Vec::new();
        let mut answers = Vec::with_capacity(stored.len());
        let is_heard = self.entered.receiver_count() > 0;
        let mut pool = self.lock_at_head(&mut stored);
        for Request { tx, account, done, .. } in stored {
            let hash = tx.hash;
            let view = is_heard.then(|| pooled(&tx));
            let answer = match pool.insert(tx, account) {
                Ok(gone) => {
                    stale.extend(gone.iter().map(|old| old.hash));
                    entered.extend(view);
                    Ok(hash)
                }
                // A reload read the row first.
                Err(SubmitError::AlreadyKnown) => Ok(hash),
                Err(error) => {
                    stale.push(hash);
                    Err(error)
                }
            };
            answers.push((done, answer));
        }
        let status = pool.status();
        drop(pool);
        if !entered.is_empty() {
            let _ = self.entered.send(Arc::new(entered));
        }
        for (done, answer) in answers {
            let _ = done.send(answer);
        }
        #[allow(clippy::cast_precision_loss)] // a gauge
        {
            metrics::gauge!("lockstep_sequencer_pool_pending").set(status.pending as f64);
            metrics::gauge!("lockstep_sequencer_pool_queued").set(status.queued as f64);
        }
        stale
    }
}

fn pooled(tx: &Arc<PoolTx>) -> PooledTransaction {
    PooledTransaction { transaction: tx.transaction.clone(), sender: tx.sender }
}

impl Pool {
    async fn submit_where(&self, raw: Bytes, condition: Option<Arc<Condition>>) -> Result<B256, SubmitError> {
        match self.submit_against(raw.clone(), condition.clone(), None).await {
            Err(refused @ SubmitError::InsufficientFunds { sender, .. }) => {
                let Some(balance) = self.pending_balance(sender).await else { return Err(refused) };
                self.submit_against(raw, condition, Some(balance)).await
            }
            answer => answer,
        }
    }

    /// [`Self::submit_where`], where the sender's `balance` is known better than by the head.
    async fn submit_against(
        &self,
        raw: Bytes,
        condition: Option<Arc<Condition>>,
        balance: Option<U256>,
    ) -> Result<B256, SubmitError> {
        let stopping = || SubmitError::NotReady("stopping".to_owned());
        let (done, answer) = oneshot::channel();
        let submission = Submission { raw, condition, balance, done };
        self.submissions.send(submission).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }

    /// The balance of `sender` in the open block, with what its transactions there were allowed to take, since the pool
    /// counts those. Its nonce there says nothing here: what the open block holds is pooled until that is sealed.
    async fn pending_balance(&self, sender: Address) -> Option<U256> {
        let account = self.shared.pending.account(sender).await?;
        let taken = self.shared.pool.lock().taken_cost(&sender);
        Some(account.balance.saturating_add(taken))
    }
}

#[async_trait]
impl PoolApi for Pool {
    async fn submit(&self, raw: Bytes) -> Result<B256, SubmitError> {
        self.submit_where(raw, None).await
    }

    async fn submit_conditional(&self, raw: Bytes, condition: Condition) -> Result<B256, SubmitError> {
        self.submit_where(raw, Some(Arc::new(condition))).await
    }

    async fn drop_transaction(&self, hash: B256) -> Result<bool, DropError> {
        self.drop_one(hash).await
    }

    fn pending_nonce(&self, sender: Address) -> Option<u64> {
        self.shared.pool.lock().pending_nonce(&sender)
    }

    fn by_hash(&self, hash: B256) -> Option<PooledTransaction> {
        self.shared.pool.lock().get(&hash).map(pooled)
    }

    fn status(&self) -> PoolStatus {
        self.shared.pool.lock().status()
    }

    fn content(&self) -> PoolContent {
        let (pending, queued) = self.shared.pool.lock().content();
        PoolContent {
            pending: pending.iter().map(pooled).collect(),
            queued: queued.iter().map(pooled).collect(),
        }
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<Vec<PooledTransaction>>> {
        self.shared.entered.subscribe()
    }
}
