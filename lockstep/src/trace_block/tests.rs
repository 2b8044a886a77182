#![allow(clippy::unwrap_used)]

use std::time::Duration;

use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    eips::Encodable2718,
    primitives::{Address, B256, Bytes, TxKind, U256},
    signers::{SignerSync, local::PrivateKeySigner},
};
use clap::Parser;
use lockstep_derive::block_inputs;
use lockstep_devnet::{TestDatabase, test_database};
use lockstep_index::{Index, init_genesis, lease, seal};
use lockstep_primitives::{
    BlockNumber, ChainConfig, Genesis, GenesisBalance, L1BlockRef, OpTxEnvelope, RollupConfig, SealedBlock,
    predeploys,
};
use lockstep_state::{StateOptions, StateStore};
use lockstep_stf::{Rules, execute};
use revm::database_interface::WrapDatabaseRef;
use tempfile::TempDir;

use super::*;

const CHAIN_ID: u64 = 901_337;
const BLOCKS: u64 = 6;
const SENDERS: u8 = 8;
const HOT: Address = Address::repeat_byte(0x77);

fn key(n: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::with_last_byte(n + 1)).unwrap()
}

fn rollup() -> RollupConfig {
    let balance = U256::from(10).pow(U256::from(18));
    let rich = (0..SENDERS).map(|n| GenesisBalance { address: key(n).address(), balance });
    let chain = ChainConfig { l2_chain_id: CHAIN_ID, accounts: rich.collect(), ..lockstep_testkit::chain() };
    lockstep_testkit::rollup(chain)
}

fn transfer(from: u8, nonce: u64) -> Bytes {
    let body = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 2_000_000_000,
        to: TxKind::Call(HOT),
        value: U256::from(1),
        ..TxEip1559::default()
    };
    let signature = key(from).sign_hash_sync(&body.signature_hash()).unwrap();
    OpTxEnvelope::from(body.into_signed(signature)).encoded_2718().into()
}

/// A chain of six blocks as a sequencer leaves it.
struct Fixture {
    database: TestDatabase,
    disk: TempDir,
}

impl Fixture {
    /// Whose state store holds `history` blocks behind the head, and lacks the last `lag` blocks.
    async fn new(history: u64, lag: u64) -> Self {
        let fixture = Self { database: test_database().await.unwrap(), disk: TempDir::new().unwrap() };
        let rollup = rollup();
        let genesis = Genesis::new(&rollup);
        std::fs::write(fixture.rollup_config(), serde_json::to_vec(&rollup).unwrap()).unwrap();
        let index = Index::connect(fixture.database.url()).await.unwrap();
        index.migrate().await.unwrap();
        let mut tx = index.begin().await.unwrap();
        init_genesis(&mut tx, &genesis.header, rollup.genesis.l1).await.unwrap();
        tx.commit().await.unwrap();
        let term = lease::acquire(index.pool(), "test", Duration::from_secs(600)).await.unwrap().unwrap();

        let scratch = TempDir::new().unwrap();
        let whole = StateStore::open(scratch.path(), StateOptions::default()).unwrap();
        let options = StateOptions { history_blocks: history, ..StateOptions::default() };
        let kept = StateStore::open(&fixture.data_dir().join("state"), options).unwrap();
        for store in [&whole, &kept] {
            store.init_genesis(&genesis.alloc, genesis.hash).unwrap();
        }
        let (mut parent, mut parent_ref) = (genesis.header.clone(), genesis.block_ref(&rollup));
        let origin = L1BlockRef { hash: rollup.genesis.l1.hash, ..L1BlockRef::default() };
        for number in 1..=BLOCKS {
            let users = (0..SENDERS).map(|from| transfer(from, number - 1));
            let mut inputs =
                block_inputs(&rollup.chain.system, &parent_ref, parent.timestamp + 1, &origin, [], []);
            inputs.transactions.extend(users);
            let db = WrapDatabaseRef(whole.latest().unwrap());
            let executed = execute(db, &Rules::new(CHAIN_ID), &parent, &inputs).unwrap();
            assert!(executed.dropped.is_empty(), "{:?}", executed.dropped);
            let staged = whole.stage(&executed.bundle).unwrap();
            let (root, bundle) = (staged.state_root(), executed.bundle.clone());
            let passer = staged.storage_root(predeploys::L2_TO_L1_MESSAGE_PASSER).unwrap();
            let sealed: SealedBlock = executed.seal(root, passer);
            whole.commit(staged, BlockNumber(number), sealed.hash).unwrap();
            if number <= BLOCKS - lag {
                let staged = kept.stage(&bundle).unwrap();
                kept.commit(staged, BlockNumber(number), sealed.hash).unwrap();
            }
            let mut tx = index.begin().await.unwrap();
            seal(&mut tx, &sealed, term).await.unwrap();
            tx.commit().await.unwrap();
            (parent, parent_ref) = (sealed.header.clone(), sealed.block_ref());
        }
        kept.flush().unwrap();
        index.close().await;
        fixture
    }

    fn rollup_config(&self) -> PathBuf {
        self.disk.path().join("rollup.json")
    }

    fn data_dir(&self) -> PathBuf {
        self.disk.path().join("sequencer")
    }

    fn args(&self, flags: &[&str]) -> TraceBlockArgs {
        #[derive(Parser)]
        struct Command {
            #[command(flatten)]
            args: TraceBlockArgs,
        }
        let (data, rollup) = (self.data_dir(), self.rollup_config());
        let place = ["--data-dir", data.to_str().unwrap(), "--rollup-config", rollup.to_str().unwrap()];
        let database = ["--database-url", self.database.url()];
        let words = ["trace-block"].iter().chain(flags).chain(&place).chain(&database);
        Command::try_parse_from(words).unwrap().args
    }

    async fn trace(&self, flags: &[&str]) -> eyre::Result<Replay> {
        let args = self.args(flags);
        let chain = StoredChain::open(&args.place).await?;
        let traced = trace(&chain, &args).await;
        chain.close().await?;
        traced
    }
}

#[tokio::test]
async fn a_block_is_executed_again_in_every_mode() {
    let fixture = Fixture::new(64, 0).await;
    for mode in ["locks", "optimistic", "sequential"] {
        for threads in ["1", "3"] {
            let flags = ["3", "--mode", mode, "--threads", threads];
            let traced = fixture.trace(&flags).await.unwrap();
            let text = traced.trace().text();
            assert!(text.starts_with("Block 3\n  9 transactions, "), "{text}");
            let digest = traced.trace().digest();
            assert!(digest.stood[0].is_none(), "the L1 attributes precede what is traced");
            assert!(digest.stood[1..].iter().all(Option::is_some), "{mode}, {threads}: {digest:?}");
        }
    }
}

#[tokio::test]
async fn the_picture_goes_where_it_is_asked_to() {
    let fixture = Fixture::new(64, 0).await;
    let file = fixture.disk.path().join("out.svg");
    run(fixture.args(&["6", "--cold", "--svg", file.to_str().unwrap()])).await.unwrap();
    let svg = std::fs::read_to_string(&file).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains(">Block 6<"), "{svg}");
}

#[tokio::test]
async fn a_block_that_is_not_there_is_named_with_the_newest() {
    let fixture = Fixture::new(64, 0).await;
    let error = fixture.trace(&["7"]).await.unwrap_err().to_string();
    assert_eq!(error, "there is no block 7: the newest is 6");
    assert!(fixture.trace(&["0"]).await.unwrap_err().to_string().contains("genesis"));
}

#[tokio::test]
async fn pruned_state_is_said_to_be_pruned() {
    let fixture = Fixture::new(2, 0).await;
    let error = fixture.trace(&["3"]).await.unwrap_err().to_string();
    assert_eq!(error, "the state of block 2 is pruned: the oldest kept is that of block 4");
    fixture.trace(&["5"]).await.unwrap();
}

#[tokio::test]
async fn blocks_that_the_state_lacks_are_executed_on_a_copy() {
    let fixture = Fixture::new(64, 3).await;
    fixture.trace(&["6"]).await.unwrap();
    let store = StateStore::open(&fixture.data_dir().join("state"), StateOptions::default()).unwrap();
    assert_eq!(store.latest().unwrap().number(), BlockNumber(3), "the store itself is not written");
}

#[tokio::test]
async fn a_store_that_a_sequencer_holds_is_read_from_a_copy() {
    let fixture = Fixture::new(64, 0).await;
    let held = StateStore::open(&fixture.data_dir().join("state"), StateOptions::default()).unwrap();
    fixture.trace(&["4"]).await.unwrap();
    assert_eq!(held.latest().unwrap().number(), BlockNumber(BLOCKS));
}

#[tokio::test]
async fn a_missing_store_and_a_missing_chain_are_named() {
    let fixture = Fixture::new(64, 0).await;
    std::fs::remove_dir_all(fixture.data_dir()).unwrap();
    let error = fixture.trace(&["4"]).await.unwrap_err().to_string();
    assert!(error.contains("no state store") && error.contains("sequencer"), "{error}");

    let empty = TempDir::new().unwrap();
    let error = open_dev_error(empty.path()).await;
    assert!(error.contains("--dev-data-dir") && error.contains("--database-url"), "{error}");
}

async fn open_dev_error(folder: &std::path::Path) -> String {
    let place = Place {
        database_url: None,
        rollup_config: None,
        data_dir: "unused".into(),
        dev_data_dir: folder.to_owned(),
    };
    let Err(error) = StoredChain::open(&place).await else { panic!("an empty folder is no chain") };
    error.to_string()
}
