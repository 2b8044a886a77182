//! The methods that only this chain has.

use alloy::{
    consensus::TxEip1559,
    primitives::{Address, B256, U256},
};
use jsonrpsee::core::EmptyServerParams;
use lockstep_index::{
    batch::{self, Batch},
    submission::DaType,
};
use lockstep_primitives::{BlockId, BlockNumber};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    rig::{FakeL1, Machine, body, key, signed, transfer},
    rpc::{Node, node, quantity},
};
use crate::rpc::{CallLimits, Heads};

const NOBODY: Address = Address::repeat_byte(0x77);

fn wei(value: &Value) -> U256 {
    serde_json::from_value(value.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn transaction_goes_from_pending_to_finalized() {
    let machine = Machine::new(&FakeL1::new()).await;
    let sequencer = machine.start().await;
    let (told, heads) = watch::channel(*sequencer.heads.borrow());
    let mut node = Node::told_by(sequencer, heads, CallLimits::default());
    let hash = node.send(transfer(0, 0, NOBODY, 5)).await;
    let status = async |node: &Node| node.ask("lockstep_transactionStatus", json!([hash])).await;
    assert_eq!(status(&node).await, json!({"status": "pending", "block": null, "batch": null}));
    assert!(node.ask("lockstep_transactionStatus", json!([B256::repeat_byte(1)])).await.is_null());

    let sealed = node.seal().await;
    told.send_replace(*node.sequencer.heads.borrow());
    let now = status(&node).await;
    assert_eq!((&now["status"], &now["batch"]), (&json!("unsafe"), &Value::Null));
    assert_eq!(now["block"], json!({"number": "0x1", "hash": sealed.hash}));
    assert!(node.ask("lockstep_batchOfBlock", json!(["latest"])).await.is_null());

    let posted = Batch {
        index: 3,
        batch_hash: B256::repeat_byte(4),
        l1_block: BlockId { number: 9, hash: B256::repeat_byte(9) },
        l1_tx_hash: B256::repeat_byte(5),
        da_type: DaType::Blobs,
        first_block: BlockNumber(1),
        last_block: BlockNumber(1),
    };
    batch::insert(node.sequencer.index.pool(), &posted).await.unwrap();
    let batch = node.ask("lockstep_batchOfBlock", json!([{"blockHash": sealed.hash}])).await;
    let expected = json!({
        "index": "0x3", "batchHash": posted.batch_hash, "l1Block": {"number": "0x9", "hash": posted.l1_block.hash},
        "l1TransactionHash": posted.l1_tx_hash, "dataAvailability": "blobs", "firstBlock": "0x1", "lastBlock": "0x1",
    });
    assert_eq!(batch, expected);
    let now = status(&node).await;
    assert_eq!((&now["status"], &now["batch"]), (&json!("posted"), &expected));

    let head = sealed.block_ref();
    let heads = Heads { unsafe_head: head, safe: head, finalized: Heads::default().finalized };
    told.send_replace(heads);
    assert_eq!(status(&node).await["status"], "safe");
    told.send_replace(Heads { finalized: head, ..heads });
    assert_eq!(status(&node).await["status"], "finalized");
}

#[tokio::test(flavor = "multi_thread")]
async fn access_list_holds_what_transactions_changed() {
    let (_machine, mut node) = node().await;
    let contract = node.deploy().await;
    node.send(signed(0, TxEip1559 { gas_limit: 100_000, ..body(1, contract, 0) })).await;
    node.send(transfer(1, 0, NOBODY, 5)).await;
    let sealed = node.seal().await;
    assert_eq!(sealed.transactions.len(), 3);

    let list = node.ask("lockstep_blockAccessList", json!(["latest"])).await;
    let list = list.as_array().unwrap();
    let account =
        |address: Address| list.iter().find(|account| account["address"] == json!(address)).unwrap();
    let slot = json!([{"key": "0x0", "changes": [{"index": "0x2", "value": "0x2a"}]}]);
    assert_eq!(account(contract)["storageChanges"], slot);
    assert_eq!(account(NOBODY)["balanceChanges"], json!([{"index": "0x3", "value": "0x5"}]));
    assert_eq!(account(key(1).address())["nonceChanges"], json!([{"index": "0x3", "value": "0x1"}]));
    let order = |pair: &[Value]| pair[0]["address"].as_str() < pair[1]["address"].as_str();
    assert!(list.windows(2).all(order), "{list:?}");

    let created = node.ask("lockstep_blockAccessList", json!(["0x1"])).await;
    let created = created.as_array().unwrap().iter().find(|account| account["address"] == json!(contract));
    assert_eq!(created.unwrap()["codeChanges"].as_array().unwrap().len(), 1);
    assert!(node.ask("lockstep_blockAccessList", json!(["0x63"])).await.is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn schedule_shows_when_every_transaction_ran() {
    let (_machine, mut node) = node().await;
    for from in 0..4 {
        node.send(transfer(from, 0, NOBODY, 5)).await;
    }
    let sealed = node.seal().await;
    let schedule = node.ask("lockstep_blockSchedule", json!([sealed.hash])).await;
    assert_eq!((&schedule["blockNumber"], &schedule["blockHash"]), (&json!("0x1"), &json!(sealed.hash)));
    let runs = schedule["runs"].as_array().unwrap();
    for transaction in 1..=4 {
        assert!(runs.iter().any(|run| run["transaction"] == transaction), "{schedule}");
    }
    let within = |run: &Value| run["endNs"].as_u64() <= schedule["totalNs"].as_u64();
    assert!(runs.iter().all(within), "{schedule}");
    assert!(node.ask("lockstep_blockSchedule", json!(["earliest"])).await.is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn estimated_total_fee_is_near_what_is_paid() {
    let (_machine, mut node) = node().await;
    node.seal().await; // the L1 fee parameters come with the first block
    let request = json!({
        "from": key(0).address(), "to": NOBODY, "value": "0x5", "maxFeePerGas": "0x3b9aca00", "maxPriorityFeePerGas": "0x1",
    });
    let fee = node.ask("lockstep_estimateTotalFee", json!([request])).await;
    let hash = node.send(transfer(0, 0, NOBODY, 5)).await;
    node.seal().await;
    let receipt = node.receipt(hash).await;

    assert_eq!(fee["gas"], "0x5208");
    assert_eq!(quantity(&fee["gasPrice"]), quantity(&receipt["effectiveGasPrice"]));
    let (estimated, paid) = (quantity(&fee["l1Fee"]), quantity(&receipt["l1Fee"]));
    assert!(paid > 0 && estimated.abs_diff(paid) * 10 <= paid, "estimated {estimated}, paid {paid}");
    let parts = wei(&fee["l2Fee"]) + wei(&fee["l1Fee"]) + wei(&fee["operatorFee"]);
    assert_eq!(wei(&fee["totalFee"]), parts);

    let (code, message) = node.refusal("lockstep_estimateTotalFee", json!([{"to": "nobody"}])).await;
    assert_eq!(code, -32602, "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_counts_what_waits() {
    let (_machine, mut node) = node().await;
    node.seal().await;
    node.send(transfer(0, 0, NOBODY, 5)).await;
    let status = node.ask("lockstep_status", json!([])).await;
    assert_eq!((&status["unsafe"]["number"], &status["safe"]["number"]), (&json!("0x1"), &json!("0x0")));
    assert_eq!(status["pool"], json!({"pending": "0x1", "queued": "0x0"}));
    assert_eq!(status["unposted"]["blocks"], "0x1");
    assert_eq!(quantity(&status["limits"]["blockBytes"]), 3_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_methods_are_the_operators_alone() {
    let (_machine, mut node) = node().await;
    let sealed = node.seal().await;
    let none = EmptyServerParams::new;
    let info: Value = node.admin.call("admin_nodeInfo", none()).await.unwrap();
    assert_eq!(info["protocols"]["eth"]["network"], 901_337);
    assert_eq!(info["protocols"]["eth"]["head"], json!(sealed.hash));
    assert!(node.admin.call::<_, bool>("admin_sequencerActive", none()).await.unwrap());
    assert_eq!(node.admin.call::<_, Value>("admin_peers", none()).await.unwrap(), json!([]));

    let public: Vec<_> = node.module.method_names().filter(|name| name.starts_with("admin_")).collect();
    assert!(public.is_empty(), "{public:?}");
    let dangerous = ["debug_setHead", "admin_importChain", "personal_unlockAccount", "miner_start"];
    let served = node.module.method_names().chain(node.admin.method_names());
    assert!(served.into_iter().all(|name| !dangerous.contains(&name)));
}
