//! One block of valid and invalid transactions.

use std::sync::Arc;

use alloy::{
    consensus::TxEip1559,
    eips::Encodable2718,
    primitives::{Address, Bytes, U256},
};
use lockstep_derive::block_inputs;
use lockstep_primitives::{Genesis, L1BlockRef};
use lockstep_state::{StateOptions, StateStore};
use lockstep_stf::Rules;
use tempfile::TempDir;

use super::rig::{CHAIN_ID, START, body, executor, key, rollup, signed, transfer};
use crate::{
    Throttle,
    admission::{HeadView, MAX_TX_BYTES, readmit},
    backpressure::DataLimits,
    build::{Built, Maker},
    fill::Lessons,
    open::{OpenBlock, Parent},
    pool::{AccountView, PoolLimits, TxPool},
};

const NOBODY: Address = Address::repeat_byte(0x77);

/// Builds the first block from `raws`, which the pool takes unseen.
async fn first_block(raws: &[(Bytes, u64)]) -> (Built, Lessons) {
    first_block_within(Throttle::default().loosest(), raws).await
}

/// The same with limits of data.
async fn first_block_within(data: DataLimits, raws: &[(Bytes, u64)]) -> (Built, Lessons) {
    let disk = TempDir::new().unwrap();
    let state = StateStore::open(disk.path(), StateOptions::default()).unwrap();
    let rollup = rollup();
    let genesis = Genesis::new(&rollup);
    state.init_genesis(&genesis.alloc, genesis.hash).unwrap();
    let rules = Rules::new(CHAIN_ID);
    let head = HeadView::new(rules, genesis.header.clone(), state.latest().unwrap()).unwrap();
    let mut pool = TxPool::new(PoolLimits { per_sender: 400, total: 1_000, tx_bytes: MAX_TX_BYTES });
    for (raw, nonce) in raws {
        let account = AccountView { nonce: *nonce, balance: U256::MAX };
        pool.insert(Arc::new(readmit(raw, &head).unwrap()), account).unwrap();
    }
    let origin = L1BlockRef { hash: rollup.genesis.l1.hash, timestamp: START, ..L1BlockRef::default() };
    let parent = genesis.block_ref(&rollup);
    let inputs = block_inputs(&rollup.chain.system, &parent, START + 1, &origin, [], []);
    let below = Parent { header: genesis.header, state: state.latest().unwrap().into() };
    let maker = Maker { state, rules, executor: executor() };
    let (mut open, _) = OpenBlock::begin(&maker, below, inputs, data).await.unwrap();
    loop {
        let batch = open.next_batch(pool.line());
        if batch.is_empty() {
            break;
        }
        batch.iter().for_each(|tx| pool.take(tx));
        let ran = open.run(batch).await.unwrap();
        ran.left_out.iter().for_each(|tx| pool.give_back_from(tx));
    }
    let lessons = open.take_lessons();
    (open.seal().await.unwrap(), lessons)
}

fn included(built: &Built) -> Vec<Address> {
    built.sealed.senders[1..].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_transactions_are_reported_and_the_valid_ones_go_on() {
    let poor = transfer(9, 0, NOBODY, 1); // account 9 has nothing
    let behind_poor = transfer(9, 1, NOBODY, 1);
    let future = transfer(2, 4, NOBODY, 1); // the pool wrongly believes that 4 is next
    let (built, lessons) = first_block(&[
        (transfer(0, 0, NOBODY, 1), 0),
        (poor, 0),
        (behind_poor, 0),
        (future, 4),
        (transfer(1, 0, NOBODY, 1), 0),
        (transfer(0, 1, NOBODY, 1), 0),
    ])
    .await;
    assert_eq!(included(&built), [key(0).address(), key(1).address(), key(0).address()]);
    assert!(built.sealed.receipts.iter().all(alloy::consensus::TxReceipt::status));
    assert_eq!(lessons.invalid.len(), 1);
    assert_eq!(lessons.nonces, [(key(2).address(), 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fee_cap_below_the_base_fee_keeps_its_place_in_the_pool() {
    let cheap = TxEip1559 { max_fee_per_gas: 1, max_priority_fee_per_gas: 1, ..body(0, NOBODY, 1) };
    let (built, lessons) = first_block(&[(signed(0, cheap), 0), (transfer(1, 0, NOBODY, 1), 0)]).await;
    assert_eq!(included(&built), [key(1).address()]);
    assert!(lessons.invalid.is_empty() && lessons.nonces.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reverting_transaction_is_included_and_pays() {
    let revert = TxEip1559 {
        to: alloy::primitives::TxKind::Create,
        input: Bytes::from_static(&[0x60, 0, 0x60, 0, 0xfd]), // PUSH1 0 PUSH1 0 REVERT
        gas_limit: 100_000,
        value: U256::ZERO,
        ..body(0, NOBODY, 0)
    };
    let (built, lessons) = first_block(&[(signed(0, revert), 0)]).await;
    assert_eq!(included(&built), [key(0).address()]);
    assert!(!alloy::consensus::TxReceipt::status(&built.sealed.receipts[1]));
    assert!(lessons.invalid.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_one_batch_goes_in_by_arrival() {
    let raws: Vec<_> = (0..40).flat_map(|nonce| (0..8).map(move |from| (from, nonce))).collect();
    let (built, lessons) = first_block(
        &raws.iter().map(|(from, nonce)| (transfer(*from, *nonce, NOBODY, 1), 0)).collect::<Vec<_>>(),
    )
    .await;
    let expected: Vec<_> = raws.iter().map(|(from, _)| key(*from).address()).collect();
    assert_eq!(included(&built), expected);
    assert!(lessons.invalid.is_empty() && lessons.nonces.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_any_more_stays_in_the_pool_and_smaller_ones_go_in() {
    let burn = |from, nonce, gas_limit| {
        let input = Bytes::from_static(&[0xfe]); // INVALID takes all gas
        let to = alloy::primitives::TxKind::Create;
        (signed(from, TxEip1559 { to, input, gas_limit, value: U256::ZERO, ..body(nonce, NOBODY, 0) }), 0)
    };
    let mut raws: Vec<_> = (0..4).map(|nonce| burn(0, nonce, 16_000_000)).collect(); // 60,000,000 in all
    raws.push(burn(1, 0, 1_000_000));
    let (built, lessons) = first_block(&raws).await;
    let zero = key(0).address();
    assert_eq!(included(&built), [zero, zero, zero, key(1).address()]);
    assert!(lessons.invalid.is_empty() && lessons.nonces.is_empty());
}

/// A transaction of about `bytes` bytes.
fn large(from: u8, nonce: u64, bytes: usize) -> (Bytes, u64) {
    let input = Bytes::from(vec![0; bytes - 120]);
    (signed(from, TxEip1559 { input, gas_limit: 2_000_000, ..body(nonce, NOBODY, 1) }), nonce)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_holds_no_more_data_than_it_may_and_smaller_transactions_fill_it() {
    let data = DataLimits { block_bytes: 10_000, tx_bytes: 8_000 };
    let small = |from, nonce| (transfer(from, nonce, NOBODY, 1), 0);
    let mut raws = vec![large(0, 0, 7_000), large(1, 0, 7_000), small(2, 0)];
    raws.extend((0..40).map(|nonce| small(3, nonce)));
    let (built, lessons) = first_block_within(data, &raws).await;
    let senders = included(&built);
    assert_eq!(senders[..3], [key(0).address(), key(2).address(), key(3).address()]);
    assert!(!senders.contains(&key(1).address()));
    let users = &built.sealed.transactions[1..];
    let bytes: usize = users.iter().map(Encodable2718::encode_2718_len).sum();
    assert!((9_800..=10_000).contains(&bytes), "{bytes}");
    assert!(lessons.invalid.is_empty() && lessons.nonces.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_too_large_now_waits_with_those_behind_it_and_holds_up_nobody_else() {
    let data = DataLimits { block_bytes: 10_000, tx_bytes: 400 };
    let mut raws: Vec<_> = (0..3).map(|from| large(from, 0, 500)).collect();
    raws.extend((0..3).map(|from| (transfer(from, 1, NOBODY, 1), 0)));
    raws.push((transfer(3, 0, NOBODY, 1), 0));
    let (built, lessons) = first_block_within(data, &raws).await;
    assert_eq!(included(&built), [key(3).address()]);
    assert!(lessons.invalid.is_empty() && lessons.nonces.is_empty());
}
