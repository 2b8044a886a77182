//! Everything but L1, the verifier and the clock is real.

use std::{path::Path, sync::Arc, time::Duration};

use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    eips::Encodable2718,
    primitives::{Address, B256, Bytes, TxKind, U256, keccak256},
    signers::{SignerSync, local::PrivateKeySigner},
};
use jsonrpsee::core::async_trait;
use lockstep_derive::L1Block;
use lockstep_devnet::{TestDatabase, test_database};
use lockstep_executor::{Executor, Options};
use lockstep_index::{Index, lease as stored_lease};
use lockstep_l1::L1Error;
use lockstep_primitives::{
    BlockId, BlockNumber, ChainConfig, GenesisAnchor, GenesisBalance, L1BlockNumber, L1BlockRef,
    OpTxEnvelope, RollupConfig, SealedBlock, TxDeposit,
};
use lockstep_service::Readiness;
use lockstep_state::{StateOptions, StateStore};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::{broadcast, watch};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    DerivedBlock, DerivedChain, DerivedHeads, DerivedStatus, L1Source, Throttle, VerifierError,
    backpressure::{self, DataLimits},
    chain::Chain,
    config::BlockMode,
    engine::{Engine, EngineError, EngineOptions, Wires},
    l1::{self, FollowOptions, L1View},
    lease,
    pending::Pending,
    pool::PoolLimits,
    rpc::Heads,
    submit::Pool,
};

pub(super) const CHAIN_ID: u64 = 901_337;
pub(super) const START: u64 = 1_000_000;
const ETHER: u64 = 1_000_000_000_000_000_000;
pub(super) const MAX_FEE: u128 = 1_000_000_000;

/// Account `n`; the first eight are rich at genesis.
pub(super) fn key(n: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::with_last_byte(n + 1)).unwrap()
}

pub(super) fn rollup() -> RollupConfig {
    let balance = U256::from(1_000) * U256::from(ETHER);
    let rich = (0..8).map(|n| GenesisBalance { address: key(n).address(), balance });
    let chain = ChainConfig {
        l2_chain_id: CHAIN_ID,
        max_sequencer_drift: 600,
        accounts: rich.collect(),
        ..lockstep_testkit::chain()
    };
    RollupConfig {
        genesis: GenesisAnchor { l1: FakeL1::block_at(0, 0).header.id(), l2_timestamp: START },
        ..lockstep_testkit::rollup(chain)
    }
}

/// Blocks of tests are small; threads help none of them, and all of them are to go through the parallel machinery.
pub(super) fn executor() -> Arc<Executor> {
    let options = Options { threads: 2, adaptive: false, ..Options::default() };
    Arc::new(Executor::new(options).unwrap())
}

/// A transfer of `value` wei to `to`.
pub(super) fn transfer(from: u8, nonce: u64, to: Address, value: u64) -> Bytes {
    signed(from, body(nonce, to, value))
}

pub(super) fn body(nonce: u64, to: Address, value: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: MAX_FEE,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(to),
        value: U256::from(value),
        ..TxEip1559::default()
    }
}

pub(super) fn signed(from: u8, body: TxEip1559) -> Bytes {
    let signature = key(from).sign_hash_sync(&body.signature_hash()).unwrap();
    OpTxEnvelope::from(body.into_signed(signature)).encoded_2718().into()
}

/// A deposit that mints `mint` wei for `to`.
pub(super) fn deposit(to: Address, mint: u64) -> TxDeposit {
    TxDeposit {
        source_hash: keccak256(to),
        from: to,
        to: TxKind::Call(to),
        mint: mint.into(),
        value: U256::from(mint),
        gas_limit: 100_000,
        ..TxDeposit::default()
    }
}

/// An L1 that mines when told to; one block each two seconds.
#[derive(Debug)]
pub(super) struct FakeL1 {
    chain: Mutex<Vec<L1Block>>,
}

impl FakeL1 {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { chain: Mutex::new(vec![Self::block_at(0, 0)]) })
    }

    fn block_at(number: u64, fork: u8) -> L1Block {
        let hash = |number: u64| {
            if number == 0 {
                B256::repeat_byte(0xaa)
            } else {
                keccak256([&number.to_be_bytes()[..], &[fork]].concat())
            }
        };
        L1Block {
            header: L1BlockRef {
                number: L1BlockNumber(number),
                hash: hash(number),
                parent_hash: number.checked_sub(1).map(hash).unwrap_or_default(),
                timestamp: START + 2 * number,
                base_fee: 1_000_000_000,
                blob_base_fee: 1,
                mix_hash: keccak256(hash(number)),
                parent_beacon_block_root: hash(number),
            },
            ..L1Block::default()
        }
    }

    pub(super) fn mine(&self, deposits: Vec<TxDeposit>) {
        self.mine_on(0, deposits);
    }

    fn mine_on(&self, fork: u8, deposits: Vec<TxDeposit>) {
        let mut chain = self.chain.lock();
        let mut block = Self::block_at(chain.len() as u64, fork);
        block.header.parent_hash = chain.last().unwrap().header.hash;
        chain.push(L1Block { deposits, ..block });
    }

    /// Replaces block `from` and those above it by `count` empty ones.
    pub(super) fn reorg(&self, from: usize, count: usize) {
        self.chain.lock().truncate(from);
        (0..count).for_each(|_| self.mine_on(1, Vec::new()));
    }

    fn tip(&self) -> BlockId {
        self.chain.lock().last().unwrap().header.id()
    }
}

#[async_trait]
impl L1Source for FakeL1 {
    async fn head(&self) -> Result<BlockId, L1Error> {
        Ok(self.tip())
    }

    async fn id(&self, number: L1BlockNumber) -> Result<Option<BlockId>, L1Error> {
        Ok(self.block(number).await?.map(|block| block.header.id()))
    }

    async fn block(&self, number: L1BlockNumber) -> Result<Option<L1Block>, L1Error> {
        Ok(self.chain.lock().get(usize::try_from(number.0).unwrap()).cloned())
    }
}

/// A verifier that derived the given blocks.
#[derive(Debug, Default)]
pub(super) struct FakeVerifier {
    pub(super) blocks: Mutex<Vec<DerivedBlock>>, // from block 1 on
}

#[async_trait]
impl DerivedChain for FakeVerifier {
    async fn status(&self) -> Result<DerivedStatus, VerifierError> {
        Err(VerifierError("tests publish heads themselves".into()))
    }

    async fn block(&self, number: BlockNumber) -> Result<Option<DerivedBlock>, VerifierError> {
        let index = usize::try_from(number.0).unwrap().checked_sub(1).unwrap();
        Ok(self.blocks.lock().get(index).cloned())
    }
}

/// What outlives a sequencer.
pub(super) struct Machine {
    pub(super) database: TestDatabase,
    pub(super) disk: TempDir,
    pub(super) l1: Arc<FakeL1>,
    pub(super) verifier: Arc<FakeVerifier>,
    pub(super) throttle: Throttle,
}

impl Machine {
    pub(super) async fn new(l1: &Arc<FakeL1>) -> Self {
        Self {
            database: test_database().await.unwrap(),
            disk: TempDir::new().unwrap(),
            l1: l1.clone(),
            verifier: Arc::default(),
            throttle: Throttle::default(),
        }
    }

    pub(super) async fn start(&self) -> Sequencer {
        self.start_in(self.disk.path()).await
    }

    pub(super) async fn start_in(&self, disk: &Path) -> Sequencer {
        let stop = CancellationToken::new();
        let rollup = Arc::new(rollup());
        let index = Index::connect(self.database.url()).await.unwrap();
        index.migrate().await.unwrap();
        let term = lease::acquire(&index, Duration::from_secs(60), &stop).await.unwrap().unwrap();
        let options = StateOptions { cache_bytes: 16 << 20, history_blocks: 64 };
        let state = StateStore::open(&disk.join("state"), options).unwrap();
        let chain = Chain::open(index.clone(), state, executor(), rollup, term).await.unwrap();
        let limits = PoolLimits { per_sender: 256, total: 4_096, tx_bytes: self.throttle.loosest().tx_bytes };
        let (pending, questions) = Pending::new();
        let (pool, writer) =
            Pool::new(index.clone(), limits, chain.head_view().await.unwrap(), pending.clone());
        pool.reload(chain.head_view().await.unwrap()).await.unwrap();
        let tasks = TaskTracker::new();
        tasks.spawn(writer.run(stop.clone()));
        let (anchor, anchors) = watch::channel(chain.head().block_ref.l1_origin);
        let (views, views_seen) = watch::channel(L1View::default());
        let follow = FollowOptions { confirmations: 0, poll: Duration::from_millis(5) };
        tasks.spawn(l1::follow(self.l1.clone(), follow, anchors, views, stop.clone()));
        let (limits, limits_seen) = watch::channel(self.throttle.loosest());
        tasks.spawn(backpressure::follow(index.clone(), self.throttle, limits, stop.clone()));
        let (heads, heads_seen) = watch::channel(Heads::default());
        let (derived, derived_seen) = watch::channel(None);
        let wires = Wires {
            l1: self.l1.clone(),
            views: views_seen.clone(),
            anchor,
            verifier: Some(self.verifier.clone()),
            derived: derived_seen,
            limits: limits_seen.clone(),
            heads,
            new_blocks: broadcast::channel(16).0,
            pending: pending.clone(),
            questions,
            readiness: Readiness::default(),
        };
        let options = EngineOptions {
            block_time: Duration::from_secs(1),
            mode: BlockMode::Interval,
            max_drift: 600,
            ignore_deposits: false,
        };
        let engine = Engine::new(chain, pool.clone(), options, wires).await.unwrap();
        let l1 = self.l1.clone();
        Sequencer {
            engine,
            pool,
            pending,
            index,
            heads: heads_seen,
            limits: limits_seen,
            views: views_seen,
            derived,
            l1,
            term,
            tasks,
            stop: stop.drop_guard(),
        }
    }
}

/// A running sequencer whose blocks the test makes.
pub(super) struct Sequencer {
    pub(super) engine: Engine,
    pub(super) pool: Pool,
    pub(super) pending: Pending,
    pub(super) index: Index,
    pub(super) heads: watch::Receiver<Heads>,
    pub(super) limits: watch::Receiver<DataLimits>,
    pub(super) derived: watch::Sender<Option<DerivedHeads>>,
    views: watch::Receiver<L1View>,
    l1: Arc<FakeL1>,
    term: u64,
    tasks: TaskTracker,
    stop: DropGuard,
}

impl Sequencer {
    /// Makes the next block, two seconds after the last one, once L1 has been read to its tip.
    pub(super) async fn seal(&mut self) -> Arc<SealedBlock> {
        self.see_l1_tip().await;
        let head = self.heads.borrow().unsafe_head;
        self.engine.produce(head.timestamp + 2).await.unwrap().unwrap()
    }

    /// Executes what the pool has in an open block, which is two seconds after the last one.
    pub(super) async fn advance(&mut self) {
        self.try_advance().await.unwrap();
    }

    pub(super) async fn try_advance(&mut self) -> Result<(), EngineError> {
        self.see_l1_tip().await;
        let head = self.heads.borrow().unsafe_head;
        assert!(self.engine.advance(head.timestamp + 2).await?);
        Ok(())
    }

    /// Waits until L1 has been read to its tip.
    pub(super) async fn see_l1_tip(&mut self) {
        let tip = self.l1.tip();
        let head = self.heads.borrow().unsafe_head;
        let is_read = |view: &L1View| view.anchor == head.l1_origin && view.window.last() == Some(tip);
        self.views.wait_for(is_read).await.unwrap();
    }

    /// Waits until the follower has seen that the head's origin is gone, then lets the engine react.
    pub(super) async fn follow_reorg(&mut self) {
        self.try_follow_reorg().await.unwrap();
    }

    pub(super) async fn try_follow_reorg(&mut self) -> Result<(), EngineError> {
        self.views.wait_for(|view| view.reorged).await.unwrap();
        self.engine.leave_orphans().await
    }

    /// Gives up the lease and goes on, as if it had lapsed unnoticed.
    pub(super) async fn lose_lease(&self) {
        stored_lease::release(self.index.pool(), self.term).await.unwrap();
    }

    /// Gives up the lease and closes everything: the state can be opened again.
    pub(super) async fn stop(self) {
        self.lose_lease().await;
        let Self { mut engine, pool, index, tasks, stop, .. } = self;
        engine.abandon().await;
        drop((engine, pool, stop));
        tasks.close();
        tasks.wait().await;
        index.close().await;
    }
}
