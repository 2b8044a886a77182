//! A Postgres whose blocks a test seals, and an anvil with our contracts.

use std::{path::PathBuf, time::Duration};

use alloy::{
    primitives::{Address, B256, Bytes, TxKind, U256, keccak256},
    providers::{Provider, RootProvider},
    signers::SignerSync,
};
use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Eip658Value, Receipt, SignableTransaction, TxEip1559};
use lockstep_batcher::{BatcherConfig, BatcherHooks, DataAvailability};
use lockstep_codec::{Assembly, Channel, ChannelHeader, Frame, decode, decode_header};
use lockstep_deploy::{DeployPlan, deploy};
use lockstep_devnet::{Anvil, AnvilOptions, TestDatabase, Tools, test_database};
use lockstep_index::{Index, head, lease, rewind, seal, submission};
use lockstep_l1::{KeySource, L1Error, L1Reader, TxManager, TxOptions, dev_key};
use lockstep_primitives::{
    BlockNumber, Genesis, Header, L1BlockNumber, OpReceiptEnvelope, OpTxEnvelope, RollupConfig, SealedBlock,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub(crate) const TTL: Duration = Duration::from_secs(3_600);

pub(crate) struct World {
    pub(crate) anvil: Anvil,
    pub(crate) database: TestDatabase,
    pub(crate) index: Index,
    pub(crate) config: RollupConfig,
    term: u64,
    dir: TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options =
            AnvilOptions { block_time: None, persist: false, ..AnvilOptions::new(dir.path().join("l1")) };
        let anvil = Anvil::start(&Tools::from_env(), options).await.unwrap();
        let plan = DeployPlan::parse(include_str!("../../../deploy/chains/dev.toml")).unwrap();
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

    pub(crate) fn rollup_config(&self) -> PathBuf {
        self.dir.path().join("rollup.json")
    }

    /// Settings of a batcher that closes a channel as soon as it sees a block.
    pub(crate) fn settings(&self, data_availability: DataAvailability) -> BatcherConfig {
        BatcherConfig {
            rollup_config: self.rollup_config(),
            database_url: self.database.url().into(),
            l1_rpc: self.anvil.rpc_url(),
            key: KeySource::Dev(8),
            max_channel_duration: Duration::ZERO,
            max_idle_channel_duration: Duration::ZERO,
            target_blobs: 6,
            data_availability,
            max_pending_txs: 4,
            poll: Duration::from_millis(20),
            listen: ([127, 0, 0, 1], 0).into(),
            tx: TxOptions { tx_poll_interval: Duration::from_millis(20), ..TxOptions::default() },
        }
    }

    pub(crate) fn batcher(&self, data_availability: DataAvailability) -> Running {
        Running::start(self.settings(data_availability))
    }

    pub(crate) async fn head(&self) -> Header {
        let number = head::get(self.index.pool()).await.unwrap().unwrap().unsafe_head.number;
        lockstep_index::block::header(self.index.pool(), BlockNumber(number)).await.unwrap().unwrap().header
    }

    /// Seals one block with one transaction, which `value` tells apart.
    pub(crate) async fn seal(&self, value: u64) -> SealedBlock {
        let block = block(&self.head().await, &self.config, value);
        let mut db = self.index.begin().await.unwrap();
        seal(&mut db, &block, self.term).await.unwrap();
        db.commit().await.unwrap();
        block
    }

    /// Seals `count` blocks, each with a transaction that carries `payload` bytes of noise; gives the last one.
    pub(crate) async fn seal_many(&self, count: u64, payload: usize) -> SealedBlock {
        let mut parent = self.head().await;
        let mut last = None;
        let mut db = self.index.begin().await.unwrap();
        for _ in 0..count {
            let block = block_with(&parent, &self.config, parent.number + 1, noise(parent.number, payload));
            seal(&mut db, &block, self.term).await.unwrap();
            parent = block.header.clone();
            last = Some(block);
        }
        db.commit().await.unwrap();
        last.unwrap()
    }

    /// Waits until block `tip` is in a channel on L1, by the journal.
    pub(crate) async fn journaled(&self, tip: &SealedBlock) {
        let is_tip = |latest: &submission::Submission| {
            latest.tip_hash == tip.hash && matches!(latest.step, submission::Step::Posted { .. })
        };
        while !submission::latest(self.index.pool()).await.unwrap().as_ref().is_some_and(is_tip) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn rewind(&self, to: u64) {
        let mut db = self.index.begin().await.unwrap();
        rewind(&mut db, BlockNumber(to), self.term).await.unwrap();
        db.commit().await.unwrap();
    }

    pub(crate) fn l1(&self) -> L1Reader {
        L1Reader::new(&self.anvil.rpc_url(), None, &self.config).unwrap()
    }

    /// Channels on L1, in order.
    pub(crate) async fn channels(&self) -> Vec<Channel> {
        loop {
            match self.read_channels().await {
                Ok(channels) => return channels,
                Err(L1Error::Reorged(_)) => {} // in the middle of a reorg
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(crate) async fn read_channels(&self) -> Result<Vec<Channel>, L1Error> {
        let (mut channels, mut open) = (Vec::new(), None);
        for data in self.submissions().await? {
            if let Some(channel) = whole(&data, &mut open) {
                channels.push(self.decoded(&channel).await);
            }
        }
        Ok(channels)
    }

    /// What inbox transactions carry, in order.
    pub(crate) async fn submissions(&self) -> Result<Vec<Bytes>, L1Error> {
        let reader = self.l1();
        let mut submissions = Vec::new();
        for number in self.config.first_l1_block().0..=reader.head().await?.number {
            let block = reader.block(L1BlockNumber(number)).await?.unwrap();
            submissions.extend(block.submissions.into_iter().map(|submission| submission.data));
        }
        Ok(submissions)
    }

    /// The channel in `data`, on top of the blocks before it; without blocks if those are no longer the ones that it
    /// refers to.
    async fn decoded(&self, data: &[u8]) -> Channel {
        let header = decode_header(data).unwrap();
        let history = lockstep_batcher::history(&self.index, header.first_number).await.unwrap();
        decode(data, &history).unwrap_or_else(|_| {
            let ChannelHeader { parent_hash, tip_hash, last_origin_hash, first_number } = header;
            Channel { parent_hash, tip_hash, last_origin_hash, first_number, blocks: Vec::new() }
        })
    }

    /// Waits until L1 holds block `tip`, and gives the channels there.
    pub(crate) async fn posted(&self, tip: &SealedBlock) -> Vec<Channel> {
        loop {
            let channels = self.channels().await;
            if channels.iter().any(|channel| channel.tip_hash == tip.hash) {
                return channels;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until nothing is on its way to L1.
    pub(crate) async fn at_rest(&self) {
        let moving = |one: &submission::Submission| !matches!(one.step, submission::Step::Posted { .. });
        while submission::open(self.index.pool()).await.unwrap().iter().any(moving) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn rpc(&self, method: &'static str, params: impl serde::Serialize) -> Value {
        let params = serde_json::value::to_raw_value(&params).unwrap();
        self.provider().raw_request(method.into(), params).await.unwrap()
    }

    pub(crate) fn provider(&self) -> RootProvider {
        lockstep_l1::connect(&self.anvil.rpc_url()).unwrap()
    }

    /// From now on a block is made only by [`Self::mine`].
    pub(crate) async fn stop_mining(&self) {
        self.rpc("evm_setAutomine", [false]).await;
    }

    pub(crate) async fn mine(&self) {
        self.rpc("evm_mine", ()).await;
    }

    /// Waits until the pool holds `count` transactions, and gives their hashes by nonce.
    pub(crate) async fn pooled(&self, count: u64) -> Vec<B256> {
        loop {
            let content = self.rpc("txpool_content", ()).await;
            let by_nonce =
                content["pending"].as_object().unwrap().values().flat_map(|one| one.as_object().unwrap());
            let mut pooled: Vec<(u64, B256)> = by_nonce
                .map(|(nonce, tx)| (nonce.parse().unwrap(), tx["hash"].as_str().unwrap().parse().unwrap()))
                .collect();
            if pooled.len() as u64 == count {
                pooled.sort_unstable();
                return pooled.into_iter().map(|(_, hash)| hash).collect();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Seals a block and waits until the pool holds `count` transactions.
    pub(crate) async fn seal_into_pool(&self, value: u64, count: u64) -> SealedBlock {
        let block = self.seal(value).await;
        self.pooled(count).await;
        block
    }

    /// Makes blocks until L1 holds block `tip`, and gives the channels there.
    pub(crate) async fn mine_until_posted(&self, tip: &SealedBlock) -> Vec<Channel> {
        tokio::select! {
            channels = self.posted(tip) => channels,
            () = async { loop { self.mine().await; tokio::time::sleep(Duration::from_millis(50)).await } } => unreachable!(),
        }
    }
}

/// The channel that `data` is, or that it makes whole together with the frames before it.
fn whole(data: &[u8], open: &mut Option<Assembly>) -> Option<Vec<u8>> {
    let Some(frame) = Frame::decode(data).unwrap() else { return Some(data.to_vec()) };
    if frame.number == 0 {
        *open = Some(Assembly::begin(&frame).unwrap());
        return None;
    }
    let is_last = open.as_mut().unwrap().add(&frame).unwrap();
    is_last.then(|| open.take().unwrap().finish().unwrap())
}

pub(crate) struct Running {
    shutdown: CancellationToken,
    task: JoinHandle<eyre::Result<()>>,
    pub(crate) ready: oneshot::Receiver<std::net::SocketAddr>,
}

impl Running {
    pub(crate) fn start(config: BatcherConfig) -> Self {
        let shutdown = CancellationToken::new();
        let (on_ready, ready) = oneshot::channel();
        let hooks = BatcherHooks { on_ready: Some(on_ready) };
        let task = tokio::spawn(lockstep_batcher::run(config, hooks, shutdown.clone()));
        Self { shutdown, task, ready }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// As `kill -9` does: no line after the present one is run.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

pub(crate) fn noise(seed: u64, bytes: usize) -> Bytes {
    let word = move |i: u64| keccak256([seed.to_be_bytes(), i.to_be_bytes()].concat());
    Bytes::from_iter((0..).flat_map(word).take(bytes))
}

pub(crate) fn transaction(chain_id: u64, value: u64, input: Bytes) -> OpTxEnvelope {
    let tx = TxEip1559 {
        chain_id,
        nonce: value,
        gas_limit: 21_000,
        max_fee_per_gas: 1_000_000_000,
        max_priority_fee_per_gas: 0,
        to: TxKind::Call(Address::repeat_byte(7)),
        value: U256::from(value),
        access_list: Default::default(),
        input,
    };
    let signature = dev_key(0).sign_hash_sync(&tx.signature_hash()).unwrap();
    OpTxEnvelope::Eip1559(tx.into_signed(signature))
}

pub(crate) fn block(parent: &Header, config: &RollupConfig, value: u64) -> SealedBlock {
    block_with(parent, config, value, Bytes::new())
}

fn block_with(parent: &Header, config: &RollupConfig, value: u64, input: Bytes) -> SealedBlock {
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
        transactions: vec![transaction(config.chain.l2_chain_id, value, input)],
        senders: vec![dev_key(0).address()],
        receipts: vec![OpReceiptEnvelope::Eip1559(receipt.with_bloom())],
    }
}

/// Every block once, in order, each channel on top of the one before.
pub(crate) fn assert_chain(channels: &[Channel], genesis: B256, blocks: u64) {
    let (mut next, mut parent) = (1, genesis);
    for channel in channels {
        assert_eq!((channel.first_number.0, channel.parent_hash), (next, parent));
        next += channel.blocks.len() as u64;
        parent = channel.tip_hash;
    }
    assert_eq!(next, blocks + 1);
}

/// What derivation makes of the channels: those that do not follow the one before are dropped.
pub(crate) fn accepted(channels: &[Channel], genesis: B256) -> Vec<Channel> {
    let mut parent = genesis;
    let mut accepted = Vec::new();
    for channel in channels.iter().filter(|channel| {
        let follows = channel.parent_hash == parent;
        if follows {
            parent = channel.tip_hash;
        }
        follows
    }) {
        accepted.push(channel.clone());
    }
    accepted
}
