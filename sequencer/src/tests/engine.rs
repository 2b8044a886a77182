//! Blocks, restarts, reorgs, and the chain that L1 defines.

use std::sync::Arc;

use alloy::primitives::{Address, B256};
use lockstep_index::{IndexError, block, pool_batch, transaction};
use lockstep_primitives::{BlockId, BlockNumber, RollupConfig, SealedBlock};
use lockstep_state::{StateOptions, StateStore};
use tempfile::TempDir;

use super::rig::{FakeL1, Machine, Sequencer, deposit, executor, key, rollup, transfer};
use crate::{
    DerivedBlock, DerivedHeads,
    build::inputs_of,
    chain::{Chain, ChainError},
    engine::EngineError,
    rpc::{PoolApi, PoolStatus},
};

const NOBODY: Address = Address::repeat_byte(0x77);

fn hashes(block: &SealedBlock) -> Vec<B256> {
    block.transactions.iter().map(|tx| tx.tx_hash()).collect()
}

async fn balance(sequencer: &Sequencer, address: Address) -> u64 {
    let view = sequencer.engine.state().latest().unwrap();
    view.account(address).unwrap().unwrap_or_default().balance.to()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admitted_transaction_is_in_the_next_block_and_leaves_the_pool() {
    let machine = Machine::new(&FakeL1::new()).await;
    let mut sequencer = machine.start().await;
    let hash = sequencer.pool.submit(transfer(0, 0, NOBODY, 5)).await.unwrap();
    assert_eq!(sequencer.pool.status(), PoolStatus { pending: 1, queued: 0 });

    let block = sequencer.seal().await;

    assert_eq!(hashes(&block)[1], hash);
    assert_eq!(sequencer.heads.borrow().unsafe_head, block.block_ref());
    assert_eq!(sequencer.pool.status(), PoolStatus::default());
    assert!(pool_batch::all(sequencer.index.pool()).await.unwrap().is_empty());
    assert!(transaction::by_hash(sequencer.index.pool(), hash).await.unwrap().is_some());
    assert_eq!(balance(&sequencer, NOBODY).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn deposits_of_new_origins_come_before_users() {
    let l1 = FakeL1::new();
    let machine = Machine::new(&l1).await;
    let mut sequencer = machine.start().await;
    sequencer.pool.submit(transfer(0, 0, NOBODY, 5)).await.unwrap();
    l1.mine(vec![deposit(Address::repeat_byte(1), 7)]);
    l1.mine(vec![deposit(Address::repeat_byte(2), 8)]);

    let block = sequencer.seal().await;
    let next = sequencer.seal().await;

    // The second origin is two seconds younger: it waits for a block of its time.
    assert_eq!((block.l1_origin.number, block.transactions.len()), (1, 3));
    assert_eq!((next.l1_origin.number, next.transactions.len()), (2, 2));
    assert_eq!(balance(&sequencer, Address::repeat_byte(2)).await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_continues_the_same_chain_and_keeps_what_was_acknowledged() {
    let l1 = FakeL1::new();
    let machine = Machine::new(&l1).await;
    let mut sequencer = machine.start().await;
    sequencer.pool.submit(transfer(0, 0, NOBODY, 5)).await.unwrap();
    sequencer.seal().await;
    l1.mine(vec![deposit(NOBODY, 7)]);
    let head = sequencer.seal().await;
    let ready = sequencer.pool.submit(transfer(0, 1, NOBODY, 1)).await.unwrap();
    let held = sequencer.pool.submit(transfer(1, 3, NOBODY, 1)).await.unwrap();
    sequencer.stop().await;

    let mut sequencer = machine.start().await;

    assert_eq!(sequencer.heads.borrow().unsafe_head, head.block_ref());
    assert_eq!(sequencer.pool.status(), PoolStatus { pending: 1, queued: 1 });
    assert!(sequencer.pool.by_hash(held).is_some());
    let next = sequencer.seal().await;
    assert_eq!(next.header.parent_hash, head.hash);
    assert_eq!(hashes(&next)[1..], [ready]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_state_store_is_rebuilt_from_postgres() {
    let l1 = FakeL1::new();
    let machine = Machine::new(&l1).await;
    let mut sequencer = machine.start().await;
    sequencer.pool.submit(transfer(0, 0, NOBODY, 5)).await.unwrap();
    sequencer.seal().await;
    l1.mine(vec![deposit(NOBODY, 7)]);
    let head = sequencer.seal().await;
    sequencer.stop().await;

    let empty = TempDir::new().unwrap();
    let sequencer = machine.start_in(empty.path()).await;

    assert_eq!(sequencer.heads.borrow().unsafe_head, head.block_ref());
    assert_eq!(sequencer.engine.state().head().unwrap().unwrap().hash, head.hash);
    assert_eq!(balance(&sequencer, NOBODY).await, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn state_of_blocks_that_postgres_lacks_is_taken_back() {
    let l1 = FakeL1::new();
    let ahead = Machine::new(&l1).await;
    let mut sequencer = ahead.start().await;
    let first = sequencer.seal().await;
    sequencer.pool.submit(transfer(0, 0, NOBODY, 5)).await.unwrap();
    sequencer.seal().await;
    sequencer.stop().await;
    let behind = Machine::new(&l1).await;
    let mut other = behind.start().await;
    assert_eq!(other.seal().await.hash, first.hash);
    other.stop().await;

    let sequencer = behind.start_in(ahead.disk.path()).await;

    assert_eq!(sequencer.engine.state().head().unwrap().unwrap().hash, first.hash);
    assert_eq!(balance(&sequencer, NOBODY).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_another_chain_is_refused() {
    let machine = Machine::new(&FakeL1::new()).await;
    machine.start().await.stop().await;
    let index = lockstep_index::Index::connect(machine.database.url()).await.unwrap();
    let disk = TempDir::new().unwrap();
    let state = StateStore::open(disk.path(), StateOptions::default()).unwrap();
    let mut other: RollupConfig = rollup();
    other.genesis.l2_timestamp += 1;

    let refused = Chain::open(index, state, executor(), Arc::new(other), 1).await;

    assert!(matches!(refused, Err(ChainError::Index(IndexError::OtherGenesis { .. }))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_l1_reorg_takes_blocks_back_and_returns_their_transactions() {
    let l1 = FakeL1::new();
    let machine = Machine::new(&l1).await;
    let mut sequencer = machine.start().await;
    l1.mine(Vec::new());
    let kept = sequencer.seal().await;
    l1.mine(vec![deposit(NOBODY, 7)]);
    let hash = sequencer.pool.submit(transfer(0, 0, NOBODY, 5)).await.unwrap();
    let orphan = sequencer.seal().await;
    let later = sequencer.pool.submit(transfer(0, 1, NOBODY, 6)).await.unwrap();
    assert_eq!((kept.l1_origin.number, orphan.l1_origin.number), (1, 2));

    l1.reorg(2, 2);
    sequencer.follow_reorg().await;

    assert_eq!(sequencer.heads.borrow().unsafe_head, kept.block_ref());
    assert_eq!(sequencer.pool.status(), PoolStatus { pending: 2, queued: 0 });
    assert_eq!(balance(&sequencer, NOBODY).await, 0);
    let again = sequencer.seal().await;
    assert_eq!(again.header.parent_hash, kept.hash);
    assert_eq!(hashes(&again)[1..], [hash, later]);
    assert_eq!(balance(&sequencer, NOBODY).await, 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewind_that_postgres_did_not_take_is_made_when_it_is_back() {
    let l1 = FakeL1::new();
    let machine = Machine::new(&l1).await;
    let mut sequencer = machine.start().await;
    l1.mine(Vec::new());
    let kept = sequencer.seal().await;
    l1.mine(vec![deposit(NOBODY, 7)]);
    let hash = sequencer.pool.submit(transfer(0, 0, NOBODY, 5)).await.unwrap();
    let orphan = sequencer.seal().await;
    let postgres = sequencer.index.pool().clone();
    let rename = async |from: &str, to: &str| {
        let statement = format!("alter table {from} rename to {to}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&postgres).await.unwrap();
    };

    l1.reorg(2, 2);
    rename("pool_batch", "elsewhere").await;
    let error = sequencer.try_follow_reorg().await.unwrap_err();
    assert!(error.is_outage(), "{error}");
    assert_eq!(sequencer.engine.state().latest().unwrap().number(), kept.block_ref().number);
    rename("elsewhere", "pool_batch").await;
    sequencer.engine.resync().await.unwrap();

    assert_eq!(sequencer.heads.borrow().unsafe_head, orphan.block_ref());
    assert_eq!(sequencer.engine.state().latest().unwrap().number(), orphan.block_ref().number);
    sequencer.follow_reorg().await;
    let again = sequencer.seal().await;
    assert_eq!(again.header.parent_hash, kept.hash);
    assert_eq!(hashes(&again)[1..], [hash]);
}

/// Another machine's chain, as a verifier would tell it.
async fn derived_blocks(sequencer: &Sequencer, count: u64) -> Vec<DerivedBlock> {
    let mut derived = Vec::new();
    for number in 1..=count {
        let block = block::by_number(sequencer.index.pool(), BlockNumber(number)).await.unwrap().unwrap();
        derived.push(DerivedBlock { inputs: inputs_of(&block).unwrap(), hash: block.hash });
    }
    derived
}

fn id(block: &DerivedBlock) -> BlockId {
    BlockId { number: block.inputs.number.0, hash: block.hash }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_that_l1_defines_replaces_ours() {
    let l1 = FakeL1::new();
    let machine = Machine::new(&l1).await;
    let mut ours = machine.start().await;
    let common = ours.seal().await;
    let twin_machine = Machine::new(&l1).await;
    let mut twin = twin_machine.start().await;
    assert_eq!(twin.seal().await.hash, common.hash);
    let hash = ours.pool.submit(transfer(0, 0, NOBODY, 5)).await.unwrap();
    ours.seal().await;
    ours.seal().await;
    l1.mine(vec![deposit(NOBODY, 7)]);
    let forced = twin.seal().await;
    let blocks = derived_blocks(&twin, 2).await;
    let (finalized, safe) = (id(&blocks[0]), id(&blocks[1]));
    *machine.verifier.blocks.lock() = blocks;

    ours.derived.send_replace(Some(DerivedHeads { safe, finalized }));
    ours.engine.reconcile().await.unwrap();

    let heads = *ours.heads.borrow();
    assert_eq!((heads.unsafe_head, heads.safe), (forced.block_ref(), forced.block_ref()));
    assert_eq!(heads.finalized, common.block_ref());
    assert_eq!(balance(&ours, NOBODY).await, 7);
    assert_eq!(hashes(&*ours.seal().await)[1..], [hash]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequencer_behind_l1_catches_up_with_the_derived_chain() {
    let l1 = FakeL1::new();
    let twin_machine = Machine::new(&l1).await;
    let mut twin = twin_machine.start().await;
    twin.pool.submit(transfer(0, 0, NOBODY, 5)).await.unwrap();
    twin.seal().await;
    let tip = twin.seal().await;
    let machine = Machine::new(&l1).await;
    let mut ours = machine.start().await;
    let blocks = derived_blocks(&twin, 2).await;
    let safe = id(&blocks[1]);
    *machine.verifier.blocks.lock() = blocks;

    ours.derived.send_replace(Some(DerivedHeads { safe, finalized: BlockId::default() }));
    ours.engine.reconcile().await.unwrap();

    assert_eq!(ours.heads.borrow().safe, tip.block_ref());
    assert_eq!(balance(&ours, NOBODY).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_rebuilds_does_not_take_back_what_is_final() {
    let machine = Machine::new(&FakeL1::new()).await;
    let mut ours = machine.start().await;
    for _ in 0..3 {
        ours.seal().await;
    }
    let blocks = derived_blocks(&ours, 3).await;
    let (finalized, safe) = (id(&blocks[1]), id(&blocks[2]));
    ours.derived.send_replace(Some(DerivedHeads { safe, finalized }));
    ours.engine.reconcile().await.unwrap();

    ours.derived.send_replace(Some(DerivedHeads { safe: id(&blocks[0]), finalized: BlockId::default() }));
    ours.engine.reconcile().await.unwrap();

    let heads = *ours.heads.borrow();
    assert_eq!((heads.safe.number.0, heads.finalized.number.0), (3, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_that_pays_more_takes_the_place_in_pool_and_table() {
    let machine = Machine::new(&FakeL1::new()).await;
    let sequencer = machine.start().await;
    let dearer = super::rig::signed(
        0,
        alloy::consensus::TxEip1559 {
            max_fee_per_gas: 2 * super::rig::MAX_FEE,
            max_priority_fee_per_gas: 2,
            ..super::rig::body(0, NOBODY, 6)
        },
    );
    let old = sequencer.pool.submit(transfer(0, 0, NOBODY, 5)).await.unwrap();

    let new = sequencer.pool.submit(dearer).await.unwrap();

    loop {
        // The old row goes after the answer.
        let rows = pool_batch::all(sequencer.index.pool()).await.unwrap();
        let hashes: Vec<_> = rows.iter().flat_map(|row| &row.txs).map(alloy::primitives::keccak256).collect();
        assert!(hashes.contains(&new));
        if hashes == [new] {
            break;
        }
    }
    assert!(sequencer.pool.by_hash(old).is_none());
    assert_eq!(sequencer.pool.pending_nonce(key(0).address()), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequencer_whose_lease_another_took_seals_nothing() {
    let machine = Machine::new(&FakeL1::new()).await;
    let mut paused = machine.start().await;
    let common = paused.seal().await;
    paused.lose_lease().await;
    let disk = TempDir::new().unwrap();
    let mut leader = machine.start_in(disk.path()).await;

    let refused = paused.engine.produce(common.header.timestamp + 2).await;

    assert!(matches!(refused, Err(EngineError::Chain(ChainError::Index(IndexError::LeaseLost { .. })))));
    assert_eq!(leader.seal().await.header.parent_hash, common.hash);
}
