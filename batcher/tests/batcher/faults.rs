//! An L1 that errs, is behind, or lies.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use alloy::{primitives::B256, providers::Provider};
use lockstep_batcher::{BatcherConfig, DataAvailability};
use lockstep_index::submission::{self, Step};
use lockstep_testkit::l1_proxy::{Action, L1Proxy};
use serde_json::{Value, json};

use crate::world::*;

async fn behind_a_proxy(world: &World) -> (L1Proxy, Running) {
    let proxy = L1Proxy::start(&world.anvil.rpc_url()).await.unwrap();
    let settings = world.settings(DataAvailability::Calldata);
    let batcher = Running::start(BatcherConfig { l1_rpc: proxy.url().to_owned(), ..settings });
    (proxy, batcher)
}

#[tokio::test]
async fn an_l1_that_fails_every_fourth_call_gets_every_block_once() {
    let world = World::start().await;
    let genesis = world.head().await.hash_slow();
    let (proxy, batcher) = behind_a_proxy(&world).await;
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    println!("seed {seed}");
    let mut dice = seed;
    proxy.behave(move |_, _| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        match dice >> 61 {
            0 => Action::Break,
            1 => Action::Refuse("the node has its own troubles".to_owned()),
            _ => Action::Forward,
        }
    });
    for value in 1..=4 {
        let tip = world.seal(value).await;
        world.posted(&tip).await;
    }
    world.at_rest().await;
    batcher.stop().await;
    assert_chain(&world.channels().await, genesis, 4);
}

#[tokio::test]
async fn a_node_that_falls_behind_is_no_reorg() {
    let world = World::start().await;
    let genesis = world.head().await.hash_slow();
    let (proxy, batcher) = behind_a_proxy(&world).await;
    let old = world.provider().get_block_number().await.unwrap();
    let tip = world.seal(1).await;
    world.posted(&tip).await;
    world.at_rest().await;
    let asked = Arc::new(AtomicBool::new(false));
    let seen = asked.clone();
    let head = world.rpc("eth_getBlockByNumber", (format!("{old:#x}"), false)).await;
    proxy.behave(move |method, params| match method {
        "eth_getBlockByNumber" if params[0] == "latest" => {
            seen.store(true, Ordering::SeqCst);
            Action::Answer(head.clone())
        }
        "eth_getBlockByNumber" if params[0].as_str() > Some(&format!("{old:#x}")) => {
            Action::Answer(Value::Null)
        }
        "eth_getTransactionReceipt" | "eth_getTransactionByHash" => Action::Answer(Value::Null),
        _ => Action::Forward,
    });
    while !asked.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    proxy.be_honest();
    let second = world.seal(2).await;
    world.posted(&second).await;
    world.at_rest().await;
    let open = submission::open(world.index.pool()).await.unwrap();
    assert!(open.iter().all(|one| matches!(one.step, Step::Posted { .. })));
    batcher.stop().await;
    assert_chain(&world.channels().await, genesis, 2);
}

/// The node says that a transaction which it dropped stands in a block; the block is there, the transaction is not.
#[tokio::test]
async fn a_receipt_that_was_a_lie_is_found_out_before_the_bytes_are_dropped() {
    let world = World::start().await;
    let genesis = world.head().await.hash_slow();
    world.stop_mining().await;
    world.mine().await;
    let block = world.rpc("eth_getBlockByNumber", ("latest", false)).await;
    let (proxy, batcher) = behind_a_proxy(&world).await;
    let mut nonce = "0x0";
    proxy.behave(move |method, params| match method {
        "eth_sendRawTransaction" => {
            nonce = "0x1";
            Action::Answer(json!(B256::ZERO))
        }
        "eth_getTransactionCount" => Action::Answer(json!(nonce)),
        "eth_getTransactionReceipt" => Action::Answer(receipt(&params[0], &block)),
        _ => Action::Forward,
    });
    let tip = world.seal(1).await;
    lied_to(&world).await;
    proxy.be_honest();
    world.rpc("anvil_mine", [20]).await;
    world.rpc("evm_setAutomine", [true]).await;
    let channels = world.posted(&tip).await;
    world.at_rest().await;
    batcher.stop().await;
    assert_chain(&accepted(&channels, genesis), genesis, 1);
}

fn receipt(hash: &Value, block: &Value) -> Value {
    json!({
        "transactionHash": hash, "transactionIndex": "0x0", "blockHash": block["hash"],
        "blockNumber": block["number"], "from": B256::ZERO.to_string()[..42], "to": null,
        "cumulativeGasUsed": "0x5208", "gasUsed": "0x5208", "contractAddress": null, "logs": [],
        "logsBloom": format!("0x{}", "00".repeat(256)), "status": "0x1", "type": "0x2",
        "effectiveGasPrice": "0x1",
    })
}

/// Waits until the journal believes the lie.
async fn lied_to(world: &World) {
    while !submission::open(world.index.pool())
        .await
        .unwrap()
        .iter()
        .any(|one| matches!(one.step, Step::Posted { .. }))
    {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
