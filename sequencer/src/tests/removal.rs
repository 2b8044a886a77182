//! Transactions that the operator takes out of the pool.

use alloy::primitives::{B256, Bytes, keccak256};
use lockstep_index::pool_batch;
use serde_json::json;

use super::{
    rig::{FakeL1, Machine, transfer},
    rpc::{NOBODY, Node, node},
};
use crate::rpc::{CallLimits, PoolApi, PoolStatus};

async fn drop_transaction(node: &Node, hash: B256) -> Result<bool, String> {
    let answer = node.admin.call("admin_dropTransaction", [hash]).await;
    answer.map_err(|error| match error {
        jsonrpsee::MethodsError::JsonRpc(error) => error.message().to_owned(),
        error => panic!("{error}"),
    })
}

async fn stored(node: &Node) -> Vec<Bytes> {
    let rows = pool_batch::all(node.sequencer.index.pool()).await.unwrap();
    rows.into_iter().flat_map(|row| row.txs).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_transaction_is_gone_from_pool_and_table_and_those_beside_it_stay() {
    let machine = Machine::new(&FakeL1::new()).await;
    let node = Node::start(&machine, CallLimits::default()).await;
    let raws: [Bytes; 3] = [transfer(0, 0, NOBODY, 5), transfer(1, 0, NOBODY, 5), transfer(0, 1, NOBODY, 5)];
    let [dropped, other, behind] = raws.each_ref().map(keccak256);
    pool_batch::insert(node.sequencer.index.pool(), &raws, &[]).await.unwrap(); // one row for all
    node.stop().await;
    let node = Node::start(&machine, CallLimits::default()).await;

    assert_eq!(drop_transaction(&node, dropped).await, Ok(true));

    assert!(node.ask("eth_getTransactionByHash", json!([dropped])).await.is_null());
    assert_eq!(node.sequencer.pool.status(), PoolStatus { pending: 1, queued: 1 });
    assert_eq!(stored(&node).await, raws[1..]);
    assert_eq!(drop_transaction(&node, dropped).await, Ok(false));
    node.stop().await;
    let mut node = Node::start(&machine, CallLimits::default()).await;
    assert_eq!(node.seal().await.transactions[1].tx_hash(), other);
    assert_eq!(drop_transaction(&node, behind).await, Ok(true));
    assert!(stored(&node).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_open_block_holds_is_not_dropped() {
    let (_machine, mut node) = node().await;
    node.seal().await;
    let raw = transfer(0, 0, NOBODY, 5);
    let hash = node.send(raw.clone()).await;
    node.sequencer.advance().await;

    let refused = drop_transaction(&node, hash).await.unwrap_err();

    assert!(refused.contains("the open block holds transaction"), "{refused}");
    assert_eq!(stored(&node).await, [raw]);
    assert_eq!(node.seal().await.transactions[1].tx_hash(), hash);
    assert_eq!(drop_transaction(&node, hash).await, Ok(false));
}
