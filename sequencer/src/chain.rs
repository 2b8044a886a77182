//! The chain in both of its stores: Postgres, which decides what is sealed, and state, which follows it.
//!
//! State is never ahead of Postgres: a block is committed to it after Postgres has it, and a rewind takes it
//! back there first. Whatever it lacks after a crash is executed again from Postgres.

use std::{sync::Arc, time::Duration};

use alloy::primitives::{Address, B256};
use lockstep_executor::Executor;
use lockstep_index::{Index, IndexError, block, head, init_genesis, pool_batch, rewind, seal};
use lockstep_primitives::{
    BlockInputs, BlockNumber, Genesis, Header, L2BlockRef, RollupConfig, SealedBlock, SystemConfig,
};
use lockstep_state::{Overlay, StateError, StateStore};
use lockstep_stf::Rules;
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    admission::{HeadView, HeadViewError},
    build::{BuildError, Built, Maker, inputs_of, system_of},
    open::Parent,
};

/// How long a block waits for Postgres before it is given up; the lease has lapsed long before.
const MAX_OUTAGE: Duration = Duration::from_secs(60);
/// Transactions that return to the pool's table in one row.
const ROW: usize = 512;
/// Pause between two tries.
const RETRY: Duration = Duration::from_millis(250);

/// The unsafe head.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) header: Header,
    pub(crate) block_ref: L2BlockRef,
    /// Configuration as of the head's L1 origin.
    pub(crate) system: SystemConfig,
}

/// The only writer of a chain.
#[derive(Debug)]
pub(crate) struct Chain {
    index: Index,
    maker: Maker,
    rollup: Arc<RollupConfig>,
    term: u64,
    head: Head,
    /// The state of the head, while the store does not hold it yet.
    above: Option<Overlay>,
}

/// A block on its way to Postgres and to the state store.
#[derive(Debug)]
pub(crate) struct Storing {
    sealed: Arc<SealedBlock>,
    task: JoinHandle<Result<(), ChainError>>,
    give_up: CancellationToken,
}

impl Storing {
    /// Waits until both have it. Whoever stops waiting may ask again.
    ///
    /// # Errors
    /// What kept it from being stored.
    pub(crate) async fn done(&mut self) -> Result<Arc<SealedBlock>, ChainError> {
        (&mut self.task).await.map_err(|_| ChainError::Panicked)??;
        Ok(self.sealed.clone())
    }

    /// Waits until it is stored, or has failed for now: nothing is tried again.
    pub(crate) async fn end(mut self) {
        self.give_up.cancel();
        let _ = self.done().await; // whoever gives up takes the truth from Postgres
    }
}

/// Why the chain cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChainError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("state store")]
    State(#[from] StateError),
    #[error("block {number} cannot be made")]
    Build {
        number: BlockNumber,
        #[source]
        source: BuildError,
    },
    #[error(
        "block {number} executes to {executed}, but {known_from} says {known}: one of them is not this chain, or broken"
    )]
    Differs { number: BlockNumber, executed: B256, known: B256, known_from: &'static str },
    #[error("Postgres has no block {0}, though its head is above")]
    Missing(BlockNumber),
    #[error("head cannot be read")]
    HeadView(#[from] HeadViewError),
    #[error("a worker thread panicked")]
    Panicked,
}

/// What a rewind or an execution needs on a worker thread.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ChainError> {
    spawn_blocking(work).await.map_err(|_| ChainError::Panicked)
}

impl Chain {
    /// Opens the chain that Postgres holds, from genesis if it is empty, and brings the state up to its head.
    ///
    /// # Errors
    /// [`IndexError::OtherGenesis`] or [`StateError::OtherGenesis`] if the data belongs to another chain.
    pub(crate) async fn open(
        index: Index,
        state: StateStore,
        executor: Arc<Executor>,
        rollup: Arc<RollupConfig>,
        term: u64,
    ) -> Result<Self, ChainError> {
        let genesis = Genesis::new(&rollup);
        let mut tx = index.begin().await?;
        init_genesis(&mut tx, &genesis.header, rollup.genesis.l1).await?;
        tx.commit().await.map_err(IndexError::from)?;
        let store = state.clone();
        let alloc = genesis.alloc.clone();
        blocking(move || store.init_genesis(&alloc, genesis.hash)).await??;
        let rules = Rules::new(rollup.chain.l2_chain_id);
        let head = Head {
            block_ref: genesis.block_ref(&rollup),
            header: genesis.header,
            system: rollup.chain.system,
        };
        let maker = Maker { state, rules, executor };
        let mut chain = Self { index, maker, rollup, term, head, above: None };
        chain.resync().await?;
        Ok(chain)
    }

    /// Brings state and head in line with Postgres, whatever was in between when one of them failed. Nothing may be on
    /// its way.
    pub(crate) async fn resync(&mut self) -> Result<(), ChainError> {
        self.above = None;
        self.retract_state().await?;
        self.catch_up().await
    }

    pub(crate) const fn head(&self) -> &Head {
        &self.head
    }

    pub(crate) const fn index(&self) -> &Index {
        &self.index
    }

    pub(crate) const fn state(&self) -> &StateStore {
        &self.maker.state
    }

    /// What the chain's blocks are made with.
    pub(crate) const fn maker(&self) -> &Maker {
        &self.maker
    }

    pub(crate) const fn term(&self) -> u64 {
        self.term
    }

    /// What the next block stands on.
    pub(crate) fn parent(&self) -> Result<Parent, ChainError> {
        let state = match &self.above {
            Some(above) => above.clone(),
            None => self.maker.state.latest()?.into(),
        };
        Ok(Parent { header: self.head.header.clone(), state })
    }

    /// What submissions are judged against. The head must be stored.
    pub(crate) async fn head_view(&self) -> Result<HeadView, ChainError> {
        let (state, rules) = (self.maker.state.clone(), self.maker.rules);
        let header = self.head.header.clone();
        Ok(blocking(move || HeadView::new(rules, header, state.latest()?)).await??)
    }

    /// The hash of our block `number`.
    pub(crate) async fn hash(&self, number: u64) -> Result<Option<B256>, ChainError> {
        Ok(block::header(self.index.pool(), BlockNumber(number)).await?.map(|stored| stored.hash))
    }

    /// Makes a block that was built on the head the head, and begins to store it. The next one may be built meanwhile;
    /// only one is stored at a time.
    pub(crate) fn begin_to_store(&mut self, built: Built) -> Result<Storing, ChainError> {
        let Built { sealed, staged, changes } = built;
        let (number, hash) = (sealed.block_ref().number, sealed.hash);
        let system = system_of(&sealed).map_err(|source| ChainError::Build { number, source })?;
        self.above = Some(self.parent()?.state.with_block(number, hash, changes));
        self.head = Head { header: sealed.header.clone(), block_ref: sealed.block_ref(), system };
        let sealed = Arc::new(sealed);
        let give_up = CancellationToken::new();
        let store = Store { index: self.index.clone(), term: self.term, give_up: give_up.clone() };
        let (block, state) = (sealed.clone(), self.maker.state.clone());
        let task = tokio::spawn(async move {
            store.run(&block).await?;
            Ok(blocking(move || state.commit(staged, number, hash)).await??)
        });
        Ok(Storing { sealed, task, give_up })
    }

    /// The head is stored.
    pub(crate) fn stored(&mut self) {
        self.above = None;
    }

    /// Stores a block that was built on the head, and makes it the head.
    pub(crate) async fn seal(&mut self, built: Built) -> Result<Arc<SealedBlock>, ChainError> {
        let sealed = self.begin_to_store(built)?.done().await?;
        self.stored();
        Ok(sealed)
    }

    /// Executes a block that L1 defines on top of the head and makes it the head.
    pub(crate) async fn adopt(
        &mut self,
        inputs: BlockInputs,
        hash: B256,
    ) -> Result<Arc<SealedBlock>, ChainError> {
        let built = self.execute(inputs, Vec::new()).await?;
        if built.sealed.hash != hash {
            return Err(ChainError::Differs {
                number: BlockNumber(built.sealed.header.number),
                executed: built.sealed.hash,
                known: hash,
                known_from: "the verifier",
            });
        }
        self.seal(built).await
    }

    /// Makes block `to` the head again. The users' transactions of the blocks above return to the pool's table
    /// with it; the caller reloads the pool.
    pub(crate) async fn rewind(&mut self, to: BlockNumber) -> Result<usize, ChainError> {
        let target = self.stored_head(to).await?;
        let store = self.maker.state.clone();
        blocking(move || store.rewind(to)).await??;
        let mut tx = self.index.begin().await?;
        let returned = rewind(&mut tx, to, self.term).await?;
        for txs in returned.chunks(ROW) {
            pool_batch::insert(&mut *tx, txs, &[]).await?; // a condition ends with its first inclusion
        }
        tx.commit().await.map_err(IndexError::from)?;
        let from = std::mem::replace(&mut self.head, target).block_ref.number;
        warn!(%from, %to, returned = returned.len(), "chain rewound");
        Ok(returned.len())
    }

    async fn commit_state(&mut self, built: Built) -> Result<Arc<SealedBlock>, ChainError> {
        let Built { sealed, staged, .. } = built;
        let (number, hash) = (sealed.block_ref().number, sealed.hash);
        let system = system_of(&sealed).map_err(|source| ChainError::Build { number, source })?;
        let store = self.maker.state.clone();
        blocking(move || store.commit(staged, number, hash)).await??;
        self.head = Head { header: sealed.header.clone(), block_ref: sealed.block_ref(), system };
        Ok(Arc::new(sealed))
    }

    async fn execute(&self, inputs: BlockInputs, senders: Vec<Address>) -> Result<Built, ChainError> {
        let (maker, parent) = (self.maker.clone(), self.head.header.clone());
        let number = inputs.number;
        blocking(move || maker.replay(&parent, &inputs, &senders))
            .await?
            .map_err(|source| ChainError::Build { number, source })
    }

    /// Takes the state back to the newest block that Postgres holds too.
    async fn retract_state(&mut self) -> Result<(), ChainError> {
        let view = self.maker.state.latest()?;
        let mut number = view.number();
        while view.block_hash(number)? != self.hash(number.0).await? {
            let Some(below) = number.0.checked_sub(1) else { return Err(ChainError::Missing(number)) };
            number = BlockNumber(below);
        }
        if number < view.number() {
            warn!(from = %view.number(), to = %number, "state taken back to the chain in Postgres");
            drop(view);
            let store = self.maker.state.clone();
            blocking(move || store.rewind(number)).await??;
        }
        self.head = self.stored_head(number).await?;
        Ok(())
    }

    /// Executes the blocks that the state lacks.
    async fn catch_up(&mut self) -> Result<(), ChainError> {
        let first = self.head.block_ref.number;
        while let Some(stored) = block::next_after(self.index.pool(), self.head.block_ref.number).await? {
            let number = stored.block_ref().number;
            let inputs = inputs_of(&stored).map_err(|source| ChainError::Build { number, source })?;
            let built = self.execute(inputs, stored.senders).await?;
            if built.sealed.hash != stored.hash {
                return Err(ChainError::Differs {
                    number,
                    executed: built.sealed.hash,
                    known: stored.hash,
                    known_from: "Postgres",
                });
            }
            self.commit_state(built).await?;
        }
        let head = self.head.block_ref.number;
        if head > first {
            info!(%first, %head, "state caught up with Postgres");
        }
        Ok(())
    }

    async fn stored_head(&self, number: BlockNumber) -> Result<Head, ChainError> {
        if number == BlockNumber(0) {
            let stored = block::header(self.index.pool(), number).await?;
            let stored = stored.ok_or(ChainError::Missing(number))?;
            let block_ref = stored.block_ref();
            return Ok(Head { header: stored.header, block_ref, system: self.rollup.chain.system });
        }
        let stored = block::by_number(self.index.pool(), number).await?;
        let stored = stored.ok_or(ChainError::Missing(number))?;
        let system = system_of(&stored).map_err(|source| ChainError::Build { number, source })?;
        Ok(Head { block_ref: stored.block_ref(), header: stored.header, system })
    }
}

/// How a block gets to Postgres.
struct Store {
    index: Index,
    term: u64,
    give_up: CancellationToken,
}

impl Store {
    /// One Postgres transaction: block, receipts, logs, head, and the check of our lease. Tries again while
    /// Postgres is away; a commit whose answer got lost counts once it is seen.
    async fn run(&self, sealed: &SealedBlock) -> Result<(), ChainError> {
        let started = Instant::now();
        loop {
            let error = match self.try_store(sealed).await {
                Ok(()) => return Ok(()),
                Err(error @ IndexError::Database(_)) if started.elapsed() < MAX_OUTAGE => error,
                Err(error) => return Err(error.into()),
            };
            warn!(%error, number = sealed.header.number, "block not stored yet");
            tokio::select! {
                () = sleep(RETRY) => {}
                () = self.give_up.cancelled() => return Err(error.into()),
            }
            let stored = head::get(self.index.pool()).await;
            if stored.is_ok_and(|heads| heads.is_some_and(|heads| heads.unsafe_head.hash == sealed.hash)) {
                return Ok(());
            }
        }
    }

    async fn try_store(&self, sealed: &SealedBlock) -> Result<(), IndexError> {
        let mut tx = self.index.begin().await?;
        seal(&mut tx, sealed, self.term).await?;
        tx.commit().await?;
        Ok(())
    }
}
