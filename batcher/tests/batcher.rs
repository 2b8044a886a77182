//! The batcher between a real Postgres and a real anvil with our contracts.

#![allow(clippy::unwrap_used)]

use std::{fs, path::PathBuf, time::Duration};

use alloy::{
    primitives::{Address, B256, Bytes, TxKind, U256},
    providers::Provider,
    signers::SignerSync,
};
use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Eip658Value, Receipt, SignableTransaction, TxEip1559};
use lockstep_batcher::{BatcherConfig, BatcherHooks, DataAvailability};
use lockstep_codec::{Channel, decode};
use lockstep_deploy::{DeployPlan, deploy};
use lockstep_devnet::{Anvil, AnvilOptions, TestDatabase, Tools, test_database};
use lockstep_index::{Index, head, lease, rewind, seal, submission};
use lockstep_l1::{KeySource, L1Error, L1Reader, TxManager, TxOptions, dev_key};
use lockstep_primitives::{
    BlockNumber, Genesis, Header, L1BlockNumber, OpReceiptEnvelope, OpTxEnvelope, RollupConfig, SealedBlock,
};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::sync::CancellationToken;

const TTL: Duration = Duration::from_secs(3_600);

struct World {
    anvil: Anvil,
    database: TestDatabase,
    index: Index,
    config: RollupConfig,
    term: u64,
    dir: TempDir,
}

impl World {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options =
            AnvilOptions { block_time: None, persist: false, ..AnvilOptions::new(dir.path().join("l1")) };
        let anvil = Anvil::start(&Tools::from_env(), options).await.unwrap();
        let plan = DeployPlan::parse(include_str!("../../deploy/chains/dev.toml")).unwrap();
        let owner = TxManager::connect(&anvil.rpc_url(), dev_key(9), TxOptions::local()).await.unwrap();
        let out = dir.path().join("rollup.json");
        let config = deploy(&plan, &owner, &out, &CancellationToken::new()).await.unwrap();
        let database = test_database().await.unwrap();
        let index = Index::connect(database.url()).await.unwrap();
        index.migrate().await.unwrap();
        let term = lease::acquire(index.pool(), "test", TTL).await.unwrap().unwrap();
        let genesis = Genesis::new(&config);
        let mut db = index.begin().await.unwrap();
        lockstep_index::init_genesis(&mut db, &genesis.header, config.genesis.l1).await.unwrap();
        db.commit().await.unwrap();
        Self { anvil, database, index, config, term, dir }
    }

    fn rollup_config(&self) -> PathBuf {
        self.dir.path().join("rollup.json")
    }

    fn batcher(&self, data_availability: DataAvailability) -> Running {
        let config = BatcherConfig {
            rollup_config: self.rollup_config(),
            database_url: self.database.url().into(),
            l1_rpc: self.anvil.rpc_url(),
            key: KeySource::Dev(8),
            max_channel_duration: Duration::ZERO,
            target_blobs: 6,
            data_availability,
            max_pending_txs: 4,
            poll: Duration::from_millis(20),
            listen: ([127, 0, 0, 1], 0).into(),
            tx: TxOptions { tx_poll_interval: Duration::from_millis(20), ..TxOptions::default() },
        };
        let shutdown = CancellationToken::new();
        let (on_ready, ready) = oneshot::channel();
        let hooks = BatcherHooks { on_ready: Some(on_ready) };
        let task = tokio::spawn(lockstep_batcher::run(config, hooks, shutdown.clone()));
        Running { shutdown, task, ready }
    }

    async fn head(&self) -> Header {
        let number = head::get(self.index.pool()).await.unwrap().unwrap().unsafe_head.number;
        lockstep_index::block::header(self.index.pool(), BlockNumber(number)).await.unwrap().unwrap().header
    }

    /// Seals one block with one transaction, which `value` tells apart.
    async fn seal(&self, value: u64) -> SealedBlock {
        let block = block(&self.head().await, &self.config, value);
        let mut db = self.index.begin().await.unwrap();
        seal(&mut db, &block, self.term).await.unwrap();
        db.commit().await.unwrap();
        block
    }

    async fn rewind(&self, to: u64) {
        let mut db = self.index.begin().await.unwrap();
        rewind(&mut db, BlockNumber(to), self.term).await.unwrap();
        db.commit().await.unwrap();
    }

    fn l1(&self) -> L1Reader {
        L1Reader::new(&self.anvil.rpc_url(), None, &self.config).unwrap()
    }

    /// Channels on L1, in order.
    async fn channels(&self) -> Vec<Channel> {
        loop {
            match self.read_channels().await {
                Ok(channels) => return channels,
                Err(L1Error::Reorged(_)) => {} // in the middle of a reorg
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn read_channels(&self) -> Result<Vec<Channel>, L1Error> {
        let reader = self.l1();
        let mut channels = Vec::new();
        for number in self.config.first_l1_block().0..=reader.head().await?.number {
            let block = reader.block(L1BlockNumber(number)).await?.unwrap();
            channels.extend(block.submissions.iter().map(|one| decode(&one.data).unwrap()));
        }
        Ok(channels)
    }

    /// Waits until L1 holds block `tip`, and gives the channels there.
    async fn posted(&self, tip: &SealedBlock) -> Vec<Channel> {
        loop {
            let channels = self.channels().await;
            if channels.iter().any(|channel| channel.tip_hash == tip.hash) {
                return channels;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until nothing is on its way to L1.
    async fn at_rest(&self) {
        let moving = |one: &submission::Submission| !matches!(one.step, submission::Step::Posted { .. });
        while submission::open(self.index.pool()).await.unwrap().iter().any(moving) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn rpc(&self, method: &'static str, params: impl serde::Serialize) {
        let params = serde_json::value::to_raw_value(&params).unwrap();
        let provider = lockstep_l1::connect(&self.anvil.rpc_url()).unwrap();
        let _: serde_json::Value = provider.raw_request(method.into(), params).await.unwrap();
    }
}

struct Running {
    shutdown: CancellationToken,
    task: JoinHandle<eyre::Result<()>>,
    ready: oneshot::Receiver<std::net::SocketAddr>,
}

impl Running {
    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// As `kill -9` does: no line after the present one is run.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

fn transaction(chain_id: u64, value: u64) -> OpTxEnvelope {
    let tx = TxEip1559 {
        chain_id,
        nonce: value,
        gas_limit: 21_000,
        max_fee_per_gas: 1_000_000_000,
        max_priority_fee_per_gas: 0,
        to: TxKind::Call(Address::repeat_byte(7)),
        value: U256::from(value),
        access_list: Default::default(),
        input: Bytes::new(),
    };
    let signature = dev_key(0).sign_hash_sync(&tx.signature_hash()).unwrap();
    OpTxEnvelope::Eip1559(tx.into_signed(signature))
}

fn block(parent: &Header, config: &RollupConfig, value: u64) -> SealedBlock {
    let header = Header {
        parent_hash: parent.hash_slow(),
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        number: parent.number + 1,
        timestamp: parent.timestamp + 1,
        gas_limit: parent.gas_limit,
        base_fee_per_gas: parent.base_fee_per_gas,
        state_root: B256::left_padding_from(&value.to_be_bytes()),
        ..parent.clone()
    };
    let receipt =
        Receipt { status: Eip658Value::Eip658(true), cumulative_gas_used: 21_000, logs: Vec::new() };
    SealedBlock {
        hash: header.hash_slow(),
        header,
        l1_origin: config.genesis.l1,
        sequence_number: parent.number + 1,
        transactions: vec![transaction(config.chain.l2_chain_id, value)],
        senders: vec![dev_key(0).address()],
        receipts: vec![OpReceiptEnvelope::Eip1559(receipt.with_bloom())],
    }
}

/// Every block once, in order, each channel on top of the one before.
fn assert_chain(channels: &[Channel], genesis: B256, blocks: u64) {
    let (mut next, mut parent) = (1, genesis);
    for channel in channels {
        assert_eq!((channel.first_number.0, channel.parent_hash), (next, parent));
        next += channel.blocks.len() as u64;
        parent = channel.tip_hash;
    }
    assert_eq!(next, blocks + 1);
}

#[tokio::test]
async fn every_sealed_block_reaches_l1_once_in_blobs_or_calldata() {
    for data_availability in [DataAvailability::Blobs, DataAvailability::Calldata, DataAvailability::Auto] {
        let world = World::start().await;
        let genesis = world.head().await.hash_slow();
        let batcher = world.batcher(data_availability);
        for value in 1..=3 {
            let tip = world.seal(value).await;
            world.posted(&tip).await;
        }
        world.at_rest().await;
        batcher.stop().await;
        assert_chain(&world.channels().await, genesis, 3);
    }
}

#[tokio::test]
async fn killed_again_and_again_it_posts_nothing_twice() {
    let world = World::start().await;
    let genesis = world.head().await.hash_slow();
    for value in 1..=12u64 {
        let tip = world.seal(value).await;
        let batcher = world.batcher(DataAvailability::Auto);
        // Dies at a point that differs from round to round.
        tokio::time::sleep(Duration::from_millis(value * 17 % 120)).await;
        batcher.kill().await;
        if value == 12 {
            let batcher = world.batcher(DataAvailability::Auto);
            world.posted(&tip).await;
            world.at_rest().await;
            batcher.stop().await;
        }
    }
    assert_chain(&world.channels().await, genesis, 12);
}

#[tokio::test]
async fn after_a_reorg_of_l1_the_same_channels_are_posted_again() {
    let world = World::start().await;
    let genesis = world.head().await.hash_slow();
    let batcher = world.batcher(DataAvailability::Blobs);
    for value in 1..=3 {
        let tip = world.seal(value).await;
        world.posted(&tip).await;
        world.at_rest().await;
    }
    let before = world.channels().await;
    let head = world.l1().head().await.unwrap();
    world.rpc("anvil_reorg", (2, [(); 0])).await;
    assert_ne!(world.l1().id(L1BlockNumber(head.number)).await.unwrap(), Some(head));
    let tip = world.seal(4).await;
    let after = world.posted(&tip).await;
    world.at_rest().await;
    batcher.stop().await;
    assert_eq!(after[..3], before);
    assert_chain(&after, genesis, 4);
}

#[tokio::test]
async fn blocks_that_were_rewound_are_encoded_anew() {
    let world = World::start().await;
    let batcher = world.batcher(DataAvailability::Calldata);
    let first = world.seal(1).await;
    world.posted(&first).await;
    let stale = world.seal(2).await;
    world.posted(&stale).await;
    world.at_rest().await;
    world.rewind(1).await;
    let other = world.seal(20).await;
    let channels = world.posted(&other).await;
    batcher.stop().await;
    let last = channels.last().unwrap();
    assert_eq!((last.first_number, last.parent_hash), (BlockNumber(2), first.hash));
}

#[tokio::test]
async fn final_channels_leave_the_journal() {
    let world = World::start().await;
    let batcher = world.batcher(DataAvailability::Calldata);
    let tip = world.seal(1).await;
    world.posted(&tip).await;
    world.rpc("anvil_mine", [12]).await;
    while !submission::open(world.index.pool()).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    batcher.stop().await;
    assert_eq!(submission::latest(world.index.pool()).await.unwrap().unwrap().step, submission::Step::Final);
}

#[tokio::test]
async fn a_key_that_may_not_post_is_named_at_the_start() {
    let world = World::start().await;
    let mut rollup = world.config.clone();
    // The portal's inbox knows account 8 only.
    rollup.chain.name = "other".to_owned();
    fs::write(world.rollup_config(), serde_json::to_vec(&rollup).unwrap()).unwrap();
    let config = BatcherConfig {
        rollup_config: world.rollup_config(),
        database_url: world.database.url().into(),
        l1_rpc: world.anvil.rpc_url(),
        key: KeySource::Dev(3),
        max_channel_duration: Duration::ZERO,
        target_blobs: 6,
        data_availability: DataAvailability::Calldata,
        max_pending_txs: 4,
        poll: Duration::from_millis(20),
        listen: ([127, 0, 0, 1], 0).into(),
        tx: TxOptions::local(),
    };
    let run = lockstep_batcher::run(config, BatcherHooks::default(), CancellationToken::new());
    let error = run.await.unwrap_err().to_string();
    assert!(error.contains(&dev_key(3).address().to_string()), "{error}");
}

#[tokio::test]
async fn the_bound_address_is_told() {
    let world = World::start().await;
    let mut batcher = world.batcher(DataAvailability::Calldata);
    let address = (&mut batcher.ready).await.unwrap();
    assert_ne!(address.port(), 0);
    batcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_batchers_one_posts_and_the_other_takes_over() {
    let world = World::start().await;
    let genesis = Genesis::new(&world.config).hash;
    let first = world.batcher(DataAvailability::Calldata);
    let first_block = world.seal(1).await;
    world.posted(&first_block).await;
    let second = world.batcher(DataAvailability::Calldata);
    for value in 2..=6 {
        let tip = world.seal(value).await;
        assert_chain(&world.posted(&tip).await, genesis, value);
    }
    first.kill().await;
    let tip = world.seal(7).await;
    assert_chain(&world.posted(&tip).await, genesis, 7);
    second.stop().await;
}
