//! JSON-RPC over a real index, state store and pool.

use std::{sync::Arc, time::Duration};

use alloy::{
    consensus::TxEip1559,
    primitives::{Address, B256, Bytes, TxKind, U256, hex},
};
use jsonrpsee::RpcModule;
use lockstep_executor::Options;
use lockstep_primitives::{Header, SealedBlock};
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};

use super::rig::{FakeL1, Machine, Sequencer, body, deposit, key, rollup, signed, transfer};
use crate::rpc::{CallLimits, Heads, NodeView, PoolApi, PoolStatus, RpcContext, admin_module, module};

pub(super) const NOBODY: Address = Address::repeat_byte(0x77);
/// Without input: stores 42 in slot 0 and logs topic 7. With input: reverts with it.
const CONTRACT: [u8; 22] = hex!("36600e57602a5f5560075f5fa1005b365f5f37365ffd");
const CREATION: [u8; 10] = hex!("6016600a5f3960165ff3");

/// A sequencer and the methods that a client calls.
pub(super) struct Node {
    pub(super) sequencer: Sequencer,
    pub(super) module: RpcModule<()>,
    pub(super) admin: RpcModule<()>,
    new_blocks: broadcast::Sender<Arc<SealedBlock>>,
}

impl Node {
    pub(super) async fn start(machine: &Machine, limits: CallLimits) -> Self {
        let sequencer = machine.start().await;
        let heads = sequencer.heads.clone();
        Self::told_by(sequencer, heads, limits)
    }

    /// Clients hear of the heads from `heads`.
    pub(super) fn told_by(sequencer: Sequencer, heads: watch::Receiver<Heads>, limits: CallLimits) -> Self {
        let new_blocks = broadcast::channel(16).0;
        let context = RpcContext {
            index: sequencer.index.clone(),
            state: sequencer.engine.state().clone(),
            rollup: Arc::new(rollup()),
            pool: Arc::new(sequencer.pool.clone()),
            pending: Arc::new(sequencer.pending.clone()),
            heads,
            new_blocks: new_blocks.clone(),
            limits,
            node: NodeView {
                data_limits: sequencer.limits.clone(),
                l1: watch::channel(None).1,
                executor: Options::default(),
            },
        };
        let (admin, module) = (admin_module(context.clone()).unwrap(), module(context).unwrap());
        Self { sequencer, module, admin, new_blocks }
    }

    pub(super) async fn seal(&mut self) -> Arc<SealedBlock> {
        let block = self.sequencer.seal().await;
        self.new_blocks.send(block.clone()).ok();
        block
    }

    /// Ends everything: another node can start where it was.
    pub(super) async fn stop(self) {
        let Self { sequencer, module, admin, new_blocks } = self;
        drop((module, admin, new_blocks));
        sequencer.stop().await;
    }

    pub(super) async fn answer(&self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let (response, _) = self.module.raw_json_request(&request, 1).await.unwrap();
        serde_json::from_str(response.get()).unwrap()
    }

    pub(super) async fn ask(&self, method: &str, params: Value) -> Value {
        let answer = self.answer(method, params).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    pub(super) async fn refusal(&self, method: &str, params: Value) -> (i64, String) {
        let answer = self.answer(method, params).await;
        let error = &answer["error"];
        (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
    }

    pub(super) async fn send(&self, raw: Bytes) -> B256 {
        serde_json::from_value(self.ask("eth_sendRawTransaction", json!([raw])).await).unwrap()
    }

    pub(super) async fn receipt(&self, hash: B256) -> Value {
        self.ask("eth_getTransactionReceipt", json!([hash])).await
    }

    /// Puts [`CONTRACT`] on the chain with account 0's first transaction.
    pub(super) async fn deploy(&mut self) -> Address {
        let input: Bytes = [&CREATION[..], &CONTRACT].concat().into();
        let request = json!({"from": key(0).address(), "data": input});
        let gas_limit = quantity(&self.ask("eth_estimateGas", json!([request])).await);
        let creation = TxEip1559 { to: TxKind::Create, gas_limit, input, ..body(0, NOBODY, 0) };
        let hash = self.send(signed(0, creation)).await;
        self.seal().await;
        let receipt = self.receipt(hash).await;
        assert_eq!(receipt["status"], "0x1");
        assert_eq!(receipt["contractAddress"], json!(key(0).address().create(0)));
        key(0).address().create(0)
    }
}

pub(super) fn quantity(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().strip_prefix("0x").unwrap(), 16).unwrap()
}

pub(super) async fn node() -> (Machine, Node) {
    let machine = Machine::new(&FakeL1::new()).await;
    let node = Node::start(&machine, CallLimits::default()).await;
    (machine, node)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_block_is_shown_before_it_is_the_head() {
    let machine = Machine::new(&FakeL1::new()).await;
    let sequencer = machine.start().await;
    let (told, heads) = watch::channel(*sequencer.heads.borrow());
    let mut node = Node::told_by(sequencer, heads, CallLimits::default());
    let hash = node.send(transfer(0, 0, NOBODY, 5)).await;
    let sealed = node.seal().await;

    let questions = [
        ("eth_getTransactionReceipt", json!([hash])),
        ("eth_getBlockByNumber", json!(["0x1", false])),
        ("eth_getBlockByHash", json!([sealed.hash, true])),
        ("eth_getBlockReceipts", json!([sealed.hash])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["0x1", "0x1"])),
        ("eth_getTransactionByBlockHashAndIndex", json!([sealed.hash, "0x1"])),
    ];
    for (method, params) in &questions {
        assert!(node.ask(method, params.clone()).await.is_null(), "{method}");
    }
    let (_, message) = node.refusal("eth_getLogs", json!([{"fromBlock": "0x1", "toBlock": "0x1"}])).await;
    assert_eq!(message, "block range extends beyond current head block");
    let waiting = node.ask("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!((&waiting["hash"], &waiting["blockHash"]), (&json!(hash), &Value::Null));
    assert_eq!(node.ask("eth_getBalance", json!([NOBODY, "latest"])).await, "0x0");

    told.send_replace(*node.sequencer.heads.borrow());
    for (method, params) in questions {
        assert!(!node.ask(method, params).await.is_null(), "{method}");
    }
    let transaction = node.ask("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!(transaction["blockHash"], json!(sealed.hash));
    assert_eq!(node.ask("eth_getBalance", json!([NOBODY, "latest"])).await, "0x5");
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_are_shown_as_sealed_under_number_hash_and_tags() {
    let (_machine, mut node) = node().await;
    let hash = node.send(transfer(0, 0, NOBODY, 5)).await;
    let sealed = node.seal().await;

    let block = node.ask("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(block["hash"], json!(sealed.hash));
    assert_eq!(block["transactions"], json!([sealed.transactions[0].tx_hash(), hash]));
    let header: Header = serde_json::from_value(block.clone()).unwrap();
    assert_eq!(header.hash_slow(), sealed.hash);
    assert_eq!(node.ask("eth_getBlockByHash", json!([sealed.hash, false])).await, block);
    assert_eq!(node.ask("eth_getBlockByNumber", json!(["0x1", false])).await, block);
    assert_eq!(node.ask("eth_getBlockByNumber", json!(["pending", false])).await, block);
    for tag in ["earliest", "safe", "finalized"] {
        assert_eq!(node.ask("eth_getBlockByNumber", json!([tag, true])).await["number"], "0x0");
    }
    assert!(node.ask("eth_getBlockByNumber", json!(["0x2", true])).await.is_null());
    assert!(node.ask("eth_getBlockByNumber", json!(["0xffffffffffffffff", true])).await.is_null());
    assert_eq!(node.ask("eth_blockNumber", json!([])).await, "0x1");

    let full = node.ask("eth_getBlockByNumber", json!(["latest", true])).await;
    let transaction = node.ask("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!(full["transactions"][1], transaction);
    assert_eq!(full["transactions"][0]["type"], "0x7e");
    assert_eq!(transaction["from"], json!(key(0).address()));
    let at_index = node.ask("eth_getTransactionByBlockNumberAndIndex", json!(["latest", "0x1"])).await;
    assert_eq!(at_index, transaction);
    assert_eq!(node.ask("eth_getBlockTransactionCountByHash", json!([sealed.hash])).await, "0x2");
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_carry_what_the_transaction_paid_for_l1() {
    let l1 = FakeL1::new();
    let machine = Machine::new(&l1).await;
    let mut node = Node::start(&machine, CallLimits::default()).await;
    l1.mine(vec![deposit(NOBODY, 7)]);
    let hash = node.send(transfer(0, 0, NOBODY, 5)).await;
    let sealed = node.seal().await;

    let receipt = node.receipt(hash).await;
    assert_eq!(receipt["gasUsed"], "0x5208");
    assert!(quantity(&receipt["l1Fee"]) > 0);
    assert_eq!(receipt["l1BaseFeeScalar"], "0x558");
    assert_eq!(receipt["daFootprintGasScalar"], "0x190");
    let paid = quantity(&receipt["gasUsed"]) * quantity(&receipt["effectiveGasPrice"]);
    let balance = node.ask("eth_getBalance", json!([key(0).address(), "latest"])).await;
    let balance: U256 = serde_json::from_value(balance).unwrap();
    let before: U256 = rollup().chain.accounts[0].balance;
    assert_eq!(before - balance, U256::from(5 + paid + quantity(&receipt["l1Fee"])));

    let deposited = node.receipt(sealed.transactions[1].tx_hash()).await;
    assert_eq!((&deposited["type"], &deposited["depositReceiptVersion"]), (&json!("0x7e"), &json!("0x1")));
    assert!(deposited["depositNonce"].is_string() && deposited["l1Fee"].is_null());
    let all = node.ask("eth_getBlockReceipts", json!(["latest"])).await;
    assert_eq!((&all[1], &all[2]), (&deposited, &receipt));
    let footprints = all.as_array().unwrap().iter().filter(|receipt| receipt["blobGasUsed"].is_string());
    let footprint: u64 = footprints.map(|receipt| quantity(&receipt["blobGasUsed"])).sum();
    assert_eq!(Some(footprint), sealed.header.blob_gas_used);
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_is_deployed_called_and_read() {
    let (_machine, mut node) = node().await;
    let contract = node.deploy().await;
    assert_eq!(node.ask("eth_getCode", json!([contract, "latest"])).await, json!(Bytes::from(CONTRACT)));

    let request = json!({"from": key(0).address(), "to": contract});
    let gas_limit = quantity(&node.ask("eth_estimateGas", json!([request])).await);
    let call = TxEip1559 { gas_limit, ..body(1, contract, 0) };
    let hash = node.send(signed(0, call)).await;
    let sealed = node.seal().await;
    let receipt = node.receipt(hash).await;
    assert_eq!(receipt["status"], "0x1");
    assert!(gas_limit <= quantity(&receipt["gasUsed"]) * 6 / 5, "{gas_limit} {receipt}");

    let value = json!(B256::from(U256::from(42)));
    assert_eq!(node.ask("eth_getStorageAt", json!([contract, "0x0", "latest"])).await, value);
    let before = node.ask("eth_getStorageAt", json!([contract, "0x0", "0x1"])).await;
    assert_eq!(before, json!(B256::ZERO));
    let proof = node.ask("eth_getProof", json!([contract, ["0x0"], "latest"])).await;
    assert_eq!(
        (&proof["storageProof"][0]["key"], &proof["storageProof"][0]["value"]),
        (&json!("0x0"), &json!("0x2a"))
    );

    let logs = node.ask("eth_getLogs", json!([{"fromBlock": "0x0", "address": contract}])).await;
    assert_eq!(logs, receipt["logs"]);
    assert_eq!(logs[0]["topics"], json!([B256::with_last_byte(7)]));
    assert_eq!(node.ask("eth_getLogs", json!([{"blockHash": sealed.hash}])).await, logs);
    assert_eq!(node.ask("eth_getLogs", json!([{"topics": [B256::ZERO]}])).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_calls_say_why() {
    let (_machine, mut node) = node().await;
    let contract = node.deploy().await;
    for method in ["eth_call", "eth_estimateGas"] {
        let answer = node.answer(method, json!([{"to": contract, "data": "0xdeadbeef"}])).await;
        assert_eq!(
            answer["error"],
            json!({"code": 3, "message": "execution reverted", "data": "0xdeadbeef"})
        );
    }
    let poor = json!([{"from": NOBODY, "to": contract, "value": "0x1"}]);
    let (code, message) = node.refusal("eth_call", poor.clone()).await;
    assert_eq!(code, -32000);
    assert!(message.starts_with("insufficient funds for gas * price + value"), "{message}");
    let (_, message) = node.refusal("eth_estimateGas", poor).await;
    assert_eq!(message, "insufficient funds for transfer");
    let (_, message) = node.refusal("eth_call", json!([{"to": contract, "gas": "0x5207"}])).await;
    assert!(message.starts_with("intrinsic gas too low"), "{message}");
    let (_, message) = node.refusal("eth_estimateGas", json!([{"to": contract, "gas": "0x5300"}])).await;
    assert_eq!(message, "gas required exceeds allowance (21248)");
    let cheap = json!([{"to": contract, "maxFeePerGas": "0x1"}]);
    let (_, message) = node.refusal("eth_call", cheap).await;
    assert!(message.starts_with("max fee per gas less than block base fee"), "{message}");
    assert_eq!(node.refusal("eth_call", json!([{"to": contract}, "0x99"])).await.1, "header not found");
    assert_eq!(node.refusal("eth_getBalance", json!(["0x12"])).await.0, -32602);
    assert_eq!(node.refusal("eth_nothing", json!([])).await.0, -32601);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_run_on_overridden_state_and_leave_none() {
    let (_machine, mut node) = node().await;
    node.seal().await;
    // Returns SLOAD(0), ADDRESS' balance and CALLER.
    let code = hex!("5f545f52476020523360405260605ff3");
    let overrides = json!({NOBODY.to_string(): {
        "code": Bytes::from(code), "balance": "0x9", "stateDiff": {B256::ZERO.to_string(): B256::with_last_byte(5)},
    }});
    // The caller has code of its own: no transaction could come from it, a call may.
    let request = json!({"from": NOBODY, "to": NOBODY});
    let output = node.ask("eth_call", json!([request, "latest", overrides])).await;
    let output: Bytes = serde_json::from_value(output).unwrap();
    assert_eq!(output[..64], [U256::from(5).to_be_bytes::<32>(), U256::from(9).to_be_bytes()].concat());
    assert_eq!(Address::from_slice(&output[76..]), NOBODY);
    assert_eq!(node.ask("eth_call", json!([request])).await, "0x");

    let time = json!({NOBODY.to_string(): {"code": "0x425f5260205ff3"}});
    let output = node.ask("eth_call", json!([request, "latest", time, {"time": "0x7"}])).await;
    assert_eq!(output, json!(B256::with_last_byte(7)));
}

#[tokio::test(flavor = "multi_thread")]
async fn call_that_does_not_end_is_stopped() {
    let machine = Machine::new(&FakeL1::new()).await;
    let limits = CallLimits { call_timeout: Duration::ZERO, ..CallLimits::default() };
    let mut node = Node::start(&machine, limits).await;
    node.seal().await;
    let endless = json!({NOBODY.to_string(): {"code": "0x5b5f56"}});
    let (code, message) = node.refusal("eth_call", json!([{"to": NOBODY}, "latest", endless])).await;
    assert_eq!((code, message.as_str()), (-32000, "execution aborted (timeout = 0s)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pool_is_seen_before_a_block_holds_the_transaction() {
    let (_machine, mut node) = node().await;
    let hash = node.send(transfer(0, 0, NOBODY, 5)).await;
    let count = |block: &'static str| json!([key(0).address(), block]);
    assert_eq!(node.ask("eth_getTransactionCount", count("latest")).await, "0x0");
    assert_eq!(node.ask("eth_getTransactionCount", count("pending")).await, "0x1");
    let pending = node.ask("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!((&pending["hash"], &pending["blockHash"]), (&json!(hash), &Value::Null));
    assert!(node.receipt(hash).await.is_null());
    assert_eq!(node.ask("txpool_status", json!([])).await, json!({"pending": "0x1", "queued": "0x0"}));
    let content = node.ask("txpool_content", json!([])).await;
    assert_eq!(content["pending"].as_object().unwrap().len(), 1);
    assert_eq!(
        node.refusal("eth_sendRawTransaction", json!([transfer(0, 0, NOBODY, 5)])).await.1,
        "already known"
    );

    node.seal().await;
    assert_eq!(node.ask("eth_getTransactionCount", count("latest")).await, "0x1");
    let (code, message) = node.refusal("eth_sendRawTransaction", json!([transfer(0, 0, NOBODY, 6)])).await;
    assert!(code == -32000 && message.starts_with("nonce too low"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_and_waiting_gives_the_receipt_or_the_hash() {
    let (_machine, mut node) = node().await;
    let late = node.answer("eth_sendRawTransactionSync", json!([transfer(0, 0, NOBODY, 5), 1])).await;
    assert_eq!(late["error"]["code"], 4);
    let hash: B256 = serde_json::from_value(late["error"]["data"].clone()).unwrap();
    node.seal().await;
    assert_eq!(node.receipt(hash).await["status"], "0x1");

    // A timeout that is none means the usual one.
    let usual = node.answer("eth_sendRawTransactionSync", json!([transfer(1, 0, NOBODY, 5), "soon"])).await;
    assert!(usual["error"]["message"].as_str().unwrap().ends_with("within 2000 ms"), "{usual}");

    let raw = json!([transfer(0, 1, NOBODY, 5), "0x4e20"]);
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransactionSync", "params": raw});
    let module = node.module.clone();
    let waiting = tokio::spawn(async move {
        let (response, _) = module.raw_json_request(&request.to_string(), 1).await.unwrap();
        serde_json::from_str::<Value>(response.get()).unwrap()
    });
    while node.sequencer.pool.status() == PoolStatus::default() {
        tokio::task::yield_now().await;
    }
    node.seal().await;
    assert_eq!(waiting.await.unwrap()["result"]["status"], "0x1");
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_follow_the_base_fee() {
    let (_machine, mut node) = node().await;
    node.send(transfer(0, 0, NOBODY, 5)).await;
    node.seal().await;
    node.seal().await;
    assert_eq!(node.ask("eth_maxPriorityFeePerGas", json!([])).await, "0xf4240");
    assert!(quantity(&node.ask("eth_gasPrice", json!([])).await) >= 1_100_000);
    let history = node.ask("eth_feeHistory", json!(["0x3", "latest", [10, 90]])).await;
    assert_eq!(history["oldestBlock"], "0x0");
    assert_eq!(history["baseFeePerGas"].as_array().unwrap().len(), 4);
    assert_eq!(history["reward"], json!([["0x0", "0x0"], ["0x1", "0x1"], ["0x0", "0x0"]]));
    let latest_only = node.ask("eth_feeHistory", json!([1, "latest"])).await;
    assert_eq!(latest_only["oldestBlock"], "0x2");
    assert_eq!(node.refusal("eth_feeHistory", json!(["0x1", "0x9"])).await.0, -32602);
    assert_eq!(node.ask("eth_blobBaseFee", json!([])).await, "0x1");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_report_what_came_after_them() {
    let (_machine, mut node) = node().await;
    let contract = node.deploy().await;
    let blocks = node.ask("eth_newBlockFilter", json!([])).await;
    let logs = node.ask("eth_newFilter", json!([{"address": contract}])).await;
    assert_eq!(node.ask("eth_getFilterChanges", json!([logs])).await, json!([]));
    node.send(signed(0, TxEip1559 { gas_limit: 100_000, ..body(1, contract, 0) })).await;
    let sealed = node.seal().await;

    assert_eq!(node.ask("eth_getFilterChanges", json!([blocks])).await, json!([sealed.hash]));
    let found = node.ask("eth_getFilterChanges", json!([logs])).await;
    assert_eq!(found[0]["blockHash"], json!(sealed.hash));
    assert_eq!(node.ask("eth_getFilterChanges", json!([logs])).await, json!([]));
    assert_eq!(node.ask("eth_uninstallFilter", json!([logs])).await, true);
    assert_eq!(node.refusal("eth_getFilterChanges", json!([logs])).await.1, "filter not found");
}

#[tokio::test(flavor = "multi_thread")]
async fn log_queries_beyond_the_limits_are_refused() {
    let machine = Machine::new(&FakeL1::new()).await;
    let limits = CallLimits { max_logs: 1, max_block_range: 3, ..CallLimits::default() };
    let mut node = Node::start(&machine, limits).await;
    let contract = node.deploy().await;
    for nonce in 1..=2 {
        node.send(signed(0, TxEip1559 { gas_limit: 100_000, ..body(nonce, contract, 0) })).await;
    }
    node.seal().await;
    let (code, message) = node.refusal("eth_getLogs", json!([{"address": contract}])).await;
    assert!(code == -32005 && message.starts_with("query returned more than 1 results"), "{message}");
    node.seal().await;
    let (code, message) = node.refusal("eth_getLogs", json!([{"fromBlock": "0x0"}])).await;
    assert!(code == -32005 && message.starts_with("query spans 4 blocks, limit 3"), "{message}");
    assert_eq!(node.refusal("eth_getLogs", json!([{"fromBlock": "0x2", "toBlock": "0x1"}])).await.0, -32602);
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_follow_sealed_blocks() {
    let (_machine, mut node) = node().await;
    let contract = node.deploy().await;
    let mut heads = node.module.subscribe_unbounded("eth_subscribe", ["newHeads"]).await.unwrap();
    let filter = json!({"address": contract});
    let mut logs = node.module.subscribe_unbounded("eth_subscribe", [json!("logs"), filter]).await.unwrap();
    node.send(signed(0, TxEip1559 { gas_limit: 100_000, ..body(1, contract, 0) })).await;
    let sealed = node.seal().await;

    let (head, _) = heads.next::<Value>().await.unwrap().unwrap();
    assert_eq!((&head["hash"], &head["number"]), (&json!(sealed.hash), &json!("0x2")));
    let (log, _) = logs.next::<Value>().await.unwrap().unwrap();
    assert_eq!((&log["blockHash"], &log["removed"]), (&json!(sealed.hash), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn output_root_commits_to_the_block() {
    let (_machine, mut node) = node().await;
    let sealed = node.seal().await;
    let output = node.ask("optimism_outputAtBlock", json!(["0x1"])).await;
    assert_eq!(output["outputRoot"], json!(sealed.output_root()));
    assert_eq!(output["blockRef"]["hash"], json!(sealed.hash));
    let status = node.ask("optimism_syncStatus", json!([])).await;
    assert_eq!((&status["head_l1"]["number"], &status["cross_unsafe_l2"]["number"]), (&json!(0), &json!(1)));
    assert_eq!((&status["unsafe_l2"]["number"], &status["safe_l2"]["number"]), (&json!(1), &json!(0)));
    let config = node.ask("optimism_rollupConfig", json!([])).await;
    assert_eq!(config["genesis"]["l2"]["number"], 0);
    assert_eq!((&config["l2_chain_id"], &config["block_time"]), (&json!(901_337), &json!(1)));
    assert_eq!(config["batch_inbox_address"], json!(rollup().contracts.inbox));
    let ours = config["lockstep"].clone();
    assert_eq!(serde_json::from_value::<lockstep_primitives::RollupConfig>(ours).unwrap(), rollup());
    assert_eq!(node.ask("eth_chainId", json!([])).await, "0xdc0d9");
    assert_eq!(node.ask("net_version", json!([])).await, "901337");
}
