//! Transactions that are included only where their conditions hold.

use alloy::{
    consensus::{TxEip1559, constants::EMPTY_ROOT_HASH},
    primitives::{Address, B256, Bytes, TxKind, U256, keccak256},
};
use lockstep_index::pool_batch;
use lockstep_primitives::SealedBlock;
use serde_json::{Map, Value, json};

use super::{
    rig::{body, signed, transfer},
    rpc::{NOBODY, Node, node},
};
use crate::rpc::{CallLimits, PoolApi, PoolStatus};

const METHOD: &str = "eth_sendRawTransactionConditional";

/// Makes the contract store 42 in its slot 0.
fn store(from: u8, nonce: u64, contract: Address) -> Bytes {
    signed(from, TxEip1559 { to: TxKind::Call(contract), gas_limit: 100_000, ..body(nonce, NOBODY, 0) })
}

async fn send(node: &Node, raw: &Bytes, condition: Value) -> B256 {
    serde_json::from_value(node.ask(METHOD, json!([raw, condition])).await).unwrap()
}

/// Slot 0 of `contract` is `value`.
fn slot_is(contract: Address, value: u64) -> Value {
    json!({"knownAccounts": {contract.to_string(): {B256::ZERO.to_string(): B256::from(U256::from(value))}}})
}

fn users(block: &SealedBlock) -> Vec<B256> {
    block.transactions[1..].iter().map(|tx| tx.tx_hash()).collect()
}

async fn assert_unknown(node: &Node, hash: B256) {
    assert!(node.ask("eth_getTransactionByHash", json!([hash])).await.is_null());
    assert!(node.sequencer.pool.by_hash(hash).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_transaction_of_the_block_breaks_is_left_out_and_forgotten() {
    let (_machine, mut node) = node().await;
    let contract = node.deploy().await;
    let writes = send(&node, &store(1, 0, contract), slot_is(contract, 0)).await;
    let raw = transfer(2, 0, NOBODY, 5);
    let broken = send(&node, &raw, slot_is(contract, 0)).await;
    let behind = node.send(transfer(2, 1, NOBODY, 5)).await;
    let free = node.send(transfer(3, 0, NOBODY, 5)).await;

    let block = node.seal().await;

    assert_eq!(users(&block), [writes, free]);
    assert_unknown(&node, broken).await;
    assert_eq!(node.sequencer.pool.status(), PoolStatus { pending: 0, queued: 1 });
    let (code, text) = node.refusal(METHOD, json!([raw, slot_is(contract, 0)])).await;
    assert!(code == -32003 && text.starts_with("failed state check"), "{text}");
    let again = send(&node, &raw, slot_is(contract, 42)).await;
    assert_eq!(users(&*node.seal().await), [again, behind]);
    assert!(pool_batch::all(node.sequencer.index.pool()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_roots_are_those_inside_the_open_block() {
    let (_machine, mut node) = node().await;
    let contract = node.deploy().await;
    let root = async |node: &Node| {
        node.ask("eth_getProof", json!([contract, [], "latest"])).await["storageHash"].clone()
    };
    let known = |root: &Value| json!({"knownAccounts": {contract.to_string(): root}});
    let before = root(&node).await;
    let holds = send(&node, &transfer(2, 0, NOBODY, 5), known(&before)).await;
    let writes = send(&node, &store(1, 0, contract), known(&before)).await;
    let broken = send(&node, &transfer(3, 0, NOBODY, 5), known(&before)).await;

    assert_eq!(users(&*node.seal().await), [holds, writes]);
    assert_unknown(&node, broken).await;

    let after = root(&node).await;
    assert_ne!(before, after);
    let holds = send(&node, &transfer(3, 0, NOBODY, 5), known(&after)).await;
    assert_eq!(users(&*node.seal().await), [holds]);
}

#[tokio::test(flavor = "multi_thread")]
async fn number_and_time_are_those_of_the_block_that_would_hold_it() {
    let (_machine, mut node) = node().await;
    let head = node.seal().await.header.clone();
    let (number, time) = (head.number, head.timestamp);
    let hex = |number: u64| json!(format!("{number:#x}"));
    let late = send(&node, &transfer(0, 0, NOBODY, 5), json!({"blockNumberMax": hex(number)})).await;
    let old = send(&node, &transfer(1, 0, NOBODY, 5), json!({"timestampMax": hex(time + 1)})).await;
    let last = send(&node, &transfer(2, 0, NOBODY, 5), json!({"timestampMax": hex(time + 2)})).await;
    let next = send(&node, &transfer(3, 0, NOBODY, 5), json!({"blockNumberMax": hex(number + 1)})).await;

    let block = node.seal().await;

    assert_eq!((block.header.number, block.header.timestamp), (number + 1, time + 2));
    assert_eq!(users(&block), [last, next]);
    assert_unknown(&node, late).await;
    assert_unknown(&node, old).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_survives_a_restart() {
    let (machine, mut node) = node().await;
    let contract = node.deploy().await;
    let number = node.sequencer.heads.borrow().unsafe_head.number.0;
    let only_now = json!({"blockNumberMax": format!("{number:#x}")});
    let broken = send(&node, &transfer(1, 0, NOBODY, 5), only_now).await;
    let holds = send(&node, &transfer(2, 0, NOBODY, 5), slot_is(contract, 0)).await;
    let free = node.send(transfer(3, 0, NOBODY, 5)).await;
    node.stop().await;

    let mut node = Node::start(&machine, CallLimits::default()).await;

    assert_eq!(node.sequencer.pool.status(), PoolStatus { pending: 3, queued: 0 });
    assert_eq!(users(&*node.seal().await), [holds, free]);
    assert_unknown(&node, broken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_shown_stays_true_though_its_condition_is_broken_since() {
    let (machine, mut node) = node().await;
    let contract = node.deploy().await;
    let first = send(&node, &transfer(1, 0, NOBODY, 5), slot_is(contract, 0)).await;
    let writes = node.send(store(2, 0, contract)).await;
    node.sequencer.advance().await;
    node.stop().await;

    let mut node = Node::start(&machine, CallLimits::default()).await;

    assert_eq!(users(&*node.seal().await), [first, writes]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_stored_again_without_a_condition_has_none_after_a_restart() {
    let (machine, mut node) = node().await;
    let head = node.seal().await.header.number;
    let raw = transfer(1, 0, NOBODY, 5);
    let hash = send(&node, &raw, json!({"blockNumberMax": format!("{head:#x}")})).await;
    pool_batch::insert(node.sequencer.index.pool(), std::slice::from_ref(&raw), &[]).await.unwrap();
    node.stop().await;

    let mut node = Node::start(&machine, CallLimits::default()).await;

    assert_eq!(hash, keccak256(&raw));
    assert_eq!(users(&*node.seal().await), [hash]);
}

/// Sends `count` transactions with `condition`: the first block takes `fit` of them, the next one the rest.
async fn assert_next_block_takes_the_rest(condition: Value, count: u64, fit: usize) {
    let (_machine, mut node) = node().await;
    let mut sent = Vec::new();
    for nonce in 0..count {
        sent.push(send(&node, &transfer(0, nonce, NOBODY, 5), condition.clone()).await);
    }
    let free = node.send(transfer(1, 0, NOBODY, 5)).await;

    let block = node.seal().await;

    assert_eq!(users(&block), [&sent[..fit], &[free]].concat());
    assert_eq!(node.sequencer.pool.status(), PoolStatus { pending: sent.len() - fit, queued: 0 });
    assert_eq!(users(&*node.seal().await), sent[fit..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_that_would_take_too_long_wait_for_the_next_block() {
    let slots: Map<_, _> =
        (0..1_000).map(|n| (B256::from(U256::from(n)).to_string(), json!(B256::ZERO))).collect();
    assert_next_block_takes_the_rest(json!({"knownAccounts": {NOBODY.to_string(): slots}}), 12, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_roots_take_longer_than_slots() {
    let empty = json!({"knownAccounts": {NOBODY.to_string(): EMPTY_ROOT_HASH}});
    assert_next_block_takes_the_rest(empty, 42, 10_000 / 251).await;
}
