//! The open block: it executes transactions as they come, until it is sealed.
//!
//! Execution lives on a thread of its own, which ends with the block. What the block holds is final: the sealed block
//! has the same receipts.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::{
    consensus::transaction::Recovered,
    primitives::{Address, B256, U256},
};
use lockstep_executor::rollup::{Builder, Prelude};
use lockstep_primitives::{BlockId, BlockInputs, BlockNumber, Header, OpReceiptEnvelope, OpTxEnvelope};
use lockstep_state::Overlay;
use lockstep_stf::{Rejected, StfError};
use revm::{database::BundleState, state::AccountInfo};
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinHandle, spawn_blocking},
};

use crate::{
    backpressure::DataLimits,
    build::{BuildError, Built, Maker},
    chain::ChainError,
    fill::{Filling, Lessons},
    pool::{Line, PoolTx},
    rpc::{PendingTransaction, Storage},
};

/// Look-ups that the conditions of a block's transactions may take together: a condition that is broken costs its sender
/// nothing.
const MAX_LOOKUPS: usize = 10_000;
/// What storage roots of one condition count in addition: they take time for everything that the block has touched.
const ROOTS_LOOKUPS: usize = 250;

/// What stands below a block.
#[derive(Clone, Debug)]
pub(crate) struct Parent {
    pub(crate) header: Header,
    pub(crate) state: Overlay,
}

/// Something to do with the block that is being made.
type Job = Box<dyn FnOnce(&mut Builder<'_, Overlay>) + Send>;

/// Work for the thread of an open block.
enum Task {
    Do(Job),
    Seal(oneshot::Sender<Result<Built, BuildError>>),
}

/// A block that takes transactions until it is sealed. Closed or dropped, it leaves no trace.
#[derive(Debug)]
pub(crate) struct OpenBlock {
    tasks: mpsc::Sender<Task>,
    thread: JoinHandle<()>,
    header: Header,
    l1_origin: BlockId,
    filling: Filling,
    gas_left: u64,
    /// Transactions that it holds.
    len: usize,
    /// Transactions that it began with: L1 attributes, deposits.
    forced: usize,
    logs: u64,
    /// Look-ups that conditions may still take.
    lookups_left: usize,
    state: Overlay,
}

/// What [`OpenBlock::run`] did.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    /// Transactions that the block holds now, in order.
    pub(crate) included: Vec<Arc<PoolTx>>,
    /// Transactions that it does not hold.
    pub(crate) left_out: Vec<Arc<PoolTx>>,
    /// The same, as they are shown.
    pub(crate) pending: Vec<Arc<PendingTransaction>>,
    /// Place of the first one in the block.
    pub(crate) first: usize,
}

impl Ran {
    fn extend(&mut self, later: Self) {
        self.included.extend(later.included);
        self.left_out.extend(later.left_out);
        self.pending.extend(later.pending);
    }
}

/// The state that conditions are judged by: inside the block, after everything that it holds.
struct Inside<'a, 'b> {
    builder: &'a mut Builder<'b, Overlay>,
    below: Overlay,
    /// The whole state, made when first needed: that takes time for everything that the block has touched.
    state: Option<Overlay>,
}

impl Storage for Inside<'_, '_> {
    type Error = BuildError;

    fn root(&mut self, account: Address) -> Result<B256, BuildError> {
        let Self { builder, below, state } = self;
        let state = state.get_or_insert_with(|| below.clone().with_changes(Arc::new(builder.changes())));
        Ok(state.storage_root(account)?)
    }

    fn slot(&mut self, account: Address, slot: U256) -> Result<U256, BuildError> {
        Ok(self.builder.storage(account, slot)?)
    }
}

/// What a thread knows when its block has begun.
struct Begun {
    header: Header,
    gas_left: u64,
    transactions: Vec<OpTxEnvelope>,
    senders: Vec<Address>,
    receipts: Vec<OpReceiptEnvelope>,
}

impl OpenBlock {
    /// Begins the child of `parent` with system calls, L1 attributes and deposits, and gives them as they are shown.
    ///
    /// # Errors
    /// [`ChainError::Build`] if the inputs do not fit or the state fails.
    pub(crate) async fn begin(
        maker: &Maker,
        parent: Parent,
        inputs: BlockInputs,
        data: DataLimits,
    ) -> Result<(Self, Vec<Arc<PendingTransaction>>), ChainError> {
        let (tasks, queue) = mpsc::channel(1);
        let (begun, begins) = oneshot::channel();
        let (maker, state) = (maker.clone(), parent.state.clone());
        let (number, l1_origin) = (inputs.number, inputs.l1_origin);
        let thread = spawn_blocking(move || work(&maker, &parent, &inputs, begun, queue));
        let begun = begins.await.map_err(|_| ChainError::Panicked)?;
        let Begun { header, gas_left, transactions, senders, receipts } =
            begun.map_err(|source| ChainError::Build { number, source: source.into() })?;
        let forced = transactions.len();
        let mut open = Self {
            tasks,
            thread,
            header,
            l1_origin,
            filling: Filling::new(data),
            gas_left,
            len: 0,
            forced,
            logs: 0,
            lookups_left: MAX_LOOKUPS,
            state,
        };
        let parts = transactions.into_iter().zip(senders).zip(receipts);
        let shown = parts.map(|((tx, sender), receipt)| open.list(tx, sender, receipt)).collect();
        Ok((open, shown))
    }

    pub(crate) const fn number(&self) -> BlockNumber {
        BlockNumber(self.header.number)
    }

    /// The header as far as it is known.
    pub(crate) const fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) const fn l1_origin(&self) -> BlockId {
        self.l1_origin
    }

    /// The next transactions for [`Self::run`]; none if the block is full or nobody waits.
    pub(crate) fn next_batch(&mut self, line: &Line) -> Vec<Arc<PoolTx>> {
        self.filling.next_batch(line, self.gas_left)
    }

    /// Executes `batch` and keeps what is valid.
    ///
    /// # Errors
    /// [`ChainError::Build`] if the state fails; the block cannot go on.
    pub(crate) async fn run(&mut self, batch: Vec<Arc<PoolTx>>) -> Result<Ran, ChainError> {
        let first = self.len;
        let txs: Vec<_> = batch.iter().map(|tx| recovered(tx)).collect();
        let (results, receipts, gas_left) = self
            .with(move |builder| {
                let results = builder.push_all(txs);
                (results, builder.receipts()[first..].to_vec(), builder.gas_left())
            })
            .await?;
        let results = results.map_err(|error| self.broken(error))?;
        self.gas_left = gas_left;
        let mut receipts = receipts.into_iter();
        let included = Vec::with_capacity(batch.len());
        let mut ran = Ran { included, left_out: Vec::new(), pending: Vec::new(), first };
        for (tx, result) in batch.into_iter().zip(results) {
            match result {
                Ok(()) => {
                    let receipt = receipts.next().expect("what is included has a receipt");
                    self.filling.include(&tx);
                    ran.pending.push(self.list(tx.transaction.clone(), tx.sender, receipt));
                    ran.included.push(tx);
                }
                Err(rejected) => {
                    self.learn(&tx, &rejected);
                    ran.left_out.push(tx);
                }
            }
        }
        Ok(ran)
    }

    /// [`Self::run`] of transactions that nobody was shown: those whose conditions are broken right before them are left
    /// out.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn run_new(&mut self, batch: &[Arc<PoolTx>]) -> Result<Ran, ChainError> {
        let mut all = Ran { first: self.len, ..Ran::default() };
        // A part has a condition at its beginning alone.
        for mut part in batch.chunk_by(|_, next| next.condition.is_none()) {
            if let [tx, rest @ ..] = part
                && !self.judge(tx).await?
            {
                all.left_out.push(tx.clone());
                part = rest;
            }
            if !part.is_empty() {
                all.extend(self.run(part.to_vec()).await?);
            }
        }
        Ok(all)
    }

    /// Whether `tx` may be the next one.
    async fn judge(&mut self, tx: &PoolTx) -> Result<bool, ChainError> {
        let Some(condition) = &tx.condition else { return Ok(true) };
        let roots = if condition.has_roots() { ROOTS_LOOKUPS } else { 0 };
        let Some(left) = self.lookups_left.checked_sub(condition.cost() + roots) else {
            self.filling.postpone(tx);
            return Ok(false);
        };
        self.lookups_left = left;
        let (condition, header, below) = (condition.clone(), self.header.clone(), self.state.clone());
        let verdict = self
            .with(move |builder| condition.holds(&header, &mut Inside { builder, below, state: None }))
            .await?;
        let verdict = verdict.map_err(|source| ChainError::Build { number: self.number(), source })?;
        if let Err(reason) = &verdict {
            self.filling.refuse(tx, reason.clone());
        }
        Ok(verdict.is_ok())
    }

    /// What was learned about the pool since the last call.
    pub(crate) fn take_lessons(&mut self) -> Lessons {
        self.filling.take_lessons()
    }

    /// The state after everything that it holds.
    ///
    /// # Errors
    /// [`ChainError::Panicked`].
    pub(crate) async fn state(&self) -> Result<Overlay, ChainError> {
        let changes: BundleState = self.with(|builder| builder.changes()).await?;
        Ok(self.state.clone().with_changes(Arc::new(changes)))
    }

    /// An account after everything that it holds.
    ///
    /// # Errors
    /// [`ChainError::Build`] if the state fails.
    pub(crate) async fn account(&self, address: Address) -> Result<Option<AccountInfo>, ChainError> {
        self.with(move |builder| builder.account(address)).await?.map_err(|error| self.broken(error))
    }

    /// Ends the block and gives it its roots. The store must hold the parent's state by now.
    ///
    /// # Errors
    /// [`ChainError::Build`] if the state fails.
    pub(crate) async fn seal(self) -> Result<Built, ChainError> {
        let number = self.number();
        let (sealed, seals) = oneshot::channel();
        self.tasks.send(Task::Seal(sealed)).await.map_err(|_| ChainError::Panicked)?;
        let built = seals.await.map_err(|_| ChainError::Panicked)?;
        self.close().await;
        built.map_err(|source| ChainError::Build { number, source })
    }

    /// Ends the block, and waits until its thread has let go of the state.
    pub(crate) async fn close(self) {
        drop(self.tasks);
        let _ = self.thread.await; // a panic was told to whoever waited for an answer
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Builder<'_, Overlay>) -> T + Send + 'static,
    ) -> Result<T, ChainError> {
        let (done, result) = oneshot::channel();
        let task = Task::Do(Box::new(move |builder| {
            let _ = done.send(work(builder)); // whoever asked may have gone
        }));
        self.tasks.send(task).await.map_err(|_| ChainError::Panicked)?;
        result.await.map_err(|_| ChainError::Panicked)
    }

    fn learn(&mut self, tx: &PoolTx, rejected: &Rejected) {
        let alone = self.forced == 1 && self.len == self.forced;
        self.filling.learn(tx, rejected, alone);
    }

    /// Counts a transaction, and gives it as it is shown.
    fn list(
        &mut self,
        transaction: OpTxEnvelope,
        sender: Address,
        receipt: OpReceiptEnvelope,
    ) -> Arc<PendingTransaction> {
        let cumulative = receipt.cumulative_gas_used();
        let gas_used = cumulative.saturating_sub(std::mem::replace(&mut self.header.gas_used, cumulative));
        let first_log_index = self.logs;
        self.logs += receipt.logs().len() as u64;
        let index = self.len as u64;
        self.len += 1;
        Arc::new(PendingTransaction { transaction, sender, receipt, index, gas_used, first_log_index })
    }

    fn broken(&self, error: StfError) -> ChainError {
        ChainError::Build { number: self.number(), source: error.into() }
    }
}

/// The life of an open block's thread.
fn work(
    maker: &Maker,
    parent: &Parent,
    inputs: &BlockInputs,
    begun: oneshot::Sender<Result<Begun, StfError>>,
    mut tasks: mpsc::Receiver<Task>,
) {
    let mut took = Duration::ZERO;
    let started = Instant::now();
    let prelude = match Prelude::new(parent.state.clone(), &maker.rules, &parent.header, inputs) {
        Ok(prelude) => prelude,
        Err(error) => return drop(begun.send(Err(error))),
    };
    let mut builder = prelude.builder(&maker.executor);
    let _ = begun.send(Ok(Begun {
        header: builder.header().clone(),
        gas_left: builder.gas_left(),
        transactions: builder.transactions().to_vec(),
        senders: builder.senders().to_vec(),
        receipts: builder.receipts().to_vec(),
    }));
    took += started.elapsed();
    while let Some(task) = tasks.blocking_recv() {
        let started = Instant::now();
        match task {
            Task::Do(work) => work(&mut builder),
            Task::Seal(sealed) => {
                let built =
                    builder.finish().map_err(BuildError::from).and_then(|done| maker.seal(done, took));
                return drop(sealed.send(built));
            }
        }
        took += started.elapsed();
    }
}

fn recovered(tx: &PoolTx) -> Recovered<OpTxEnvelope> {
    Recovered::new_unchecked(tx.transaction.clone(), tx.sender)
}

/// Hashes of what ran, for the record.
pub(crate) fn hashes(ran: &Ran) -> Vec<B256> {
    ran.included.iter().map(|tx| tx.hash).collect()
}
