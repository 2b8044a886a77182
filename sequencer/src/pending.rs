//! What is shown of blocks that are not sealed yet: the open one, and one that is on its way to Postgres.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use alloy::primitives::{Address, B256};
use jsonrpsee::core::async_trait;
use lockstep_primitives::{BlockNumber, Header};
use parking_lot::RwLock;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::{
    pool::AccountView,
    rpc::{PendingApi, PendingBatch, PendingBlock, PendingTransaction},
};

/// Batches that a slow listener may lag behind.
const BATCHES: usize = 256;
/// Questions that may wait for the engine.
const QUESTIONS: usize = 1_024;

/// What only the engine can answer; nothing while no block is open.
#[derive(Debug)]
pub(crate) enum Question {
    Block(oneshot::Sender<Option<Arc<PendingBlock>>>),
    Account(Address, oneshot::Sender<Option<AccountView>>),
}

/// What is shown. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    blocks: Arc<RwLock<VecDeque<Shown>>>,
    batches: broadcast::Sender<Arc<PendingBatch>>,
    questions: mpsc::Sender<Question>,
}

/// One block.
#[derive(Debug)]
struct Shown {
    header: Arc<Header>,
    /// The L1 attributes transaction, and all others.
    transactions: Vec<Arc<PendingTransaction>>,
    by_hash: HashMap<B256, usize>,
}

impl Pending {
    /// Nothing shown. The receiver gets the questions that only the engine can answer.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Question>) {
        let (questions, asked) = mpsc::channel(QUESTIONS);
        (Self { blocks: Arc::default(), batches: broadcast::channel(BATCHES).0, questions }, asked)
    }

    /// Shows a block that was begun.
    pub(crate) fn begin(&self, header: &Header, transactions: Vec<Arc<PendingTransaction>>) {
        let shown =
            Shown { header: Arc::new(header.clone()), transactions: Vec::new(), by_hash: HashMap::new() };
        self.blocks.write().push_back(shown);
        self.extend(transactions);
    }

    /// Shows what the newest block holds in addition.
    pub(crate) fn extend(&self, transactions: Vec<Arc<PendingTransaction>>) {
        let Some((header, attributes)) = self.push(&transactions) else { return };
        if self.batches.receiver_count() > 0 {
            let _ = self.batches.send(Arc::new(PendingBatch { header, attributes, transactions }));
        }
    }

    fn push(
        &self,
        transactions: &[Arc<PendingTransaction>],
    ) -> Option<(Arc<Header>, Arc<PendingTransaction>)> {
        let mut blocks = self.blocks.write();
        let shown = blocks.back_mut()?;
        for tx in transactions {
            shown.by_hash.insert(tx.transaction.tx_hash(), shown.transactions.len());
            shown.transactions.push(tx.clone());
        }
        Some((shown.header.clone(), shown.transactions.first()?.clone()))
    }

    /// Blocks up to `number` are sealed: they are shown elsewhere now.
    pub(crate) fn end(&self, number: BlockNumber) {
        self.blocks.write().retain(|shown| shown.header.number > number.0);
    }

    /// Takes everything back.
    pub(crate) fn clear(&self) {
        self.blocks.write().clear();
    }

    /// An account in the open block.
    pub(crate) async fn account(&self, address: Address) -> Option<AccountView> {
        self.ask(|answer| Question::Account(address, answer)).await
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<Option<T>>) -> Question) -> Option<T> {
        if self.blocks.read().is_empty() {
            return None; // the engine would say the same, later
        }
        let (answer, answered) = oneshot::channel();
        self.questions.send(question(answer)).await.ok()?;
        answered.await.ok().flatten()
    }

    /// Transactions of the newest block.
    pub(crate) fn transactions(&self) -> Vec<Arc<PendingTransaction>> {
        self.blocks.read().back().map(|shown| shown.transactions.clone()).unwrap_or_default()
    }
}

#[async_trait]
impl PendingApi for Pending {
    async fn block(&self) -> Option<Arc<PendingBlock>> {
        self.ask(Question::Block).await
    }

    fn find(&self, hash: B256) -> Option<PendingBatch> {
        let blocks = self.blocks.read();
        blocks.iter().find_map(|shown| {
            let tx = &shown.transactions[*shown.by_hash.get(&hash)?];
            Some(PendingBatch {
                header: shown.header.clone(),
                attributes: shown.transactions.first()?.clone(),
                transactions: vec![tx.clone()],
            })
        })
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<PendingBatch>> {
        self.batches.subscribe()
    }
}
