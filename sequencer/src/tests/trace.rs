//! Traces of real blocks: what they say is compared with receipts and with what the contracts are known to do.

use std::time::Duration;

use alloy::{
    consensus::{Block, Transaction as _, TxEip1559},
    eips::{Decodable2718, Encodable2718},
    primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256},
    rlp::Decodable,
};
use lockstep_primitives::{Header, OpTxEnvelope, SealedBlock, TxDeposit};
use serde_json::{Value, json};

use super::{
    rig::{FakeL1, Machine, body, deposit, key, signed, transfer},
    rpc::{Node, quantity},
};
use crate::rpc::CallLimits;

const NOBODY: Address = Address::repeat_byte(0x77);
/// Without input: stores 42 in slot 0 and logs topic 7. With input: reverts with it.
const CHILD: [u8; 22] = hex!("36600e57602a5f5560075f5fa1005b365f5f37365ffd");
/// With the child's address as input: calls it, calls it in vain with `deadbeef`, creates with 3 wei a contract that
/// destroys itself, and runs the child's code as its own.
const PARENT: [u8; 52] = hex!(
    "5f5f5f5f5f5f355af150"
    "63deadbeef5f525f5f6004601c5f5f355af150"
    "6133ff5f526002601e6003f050"
    "5f5f5f5f5f355af450"
    "00"
);

/// Creates a contract with the code `00` whenever it is called.
const FACTORY: [u8; 14] = hex!("6360015ff35f526004601c5ff000");

/// A chain with both contracts in block 1; block 2 has L1 attributes, a deposit, a call of the parent, a call of the
/// child that reverts, and a transfer. Block 3, on demand, has deposits that fail.
struct Scene {
    machine: Machine,
    node: Node,
    child: Address,
    parent: Address,
    block: std::sync::Arc<SealedBlock>,
}

impl Scene {
    async fn new(limits: CallLimits) -> Self {
        let l1 = FakeL1::new();
        let machine = Machine::new(&l1).await;
        let mut node = Node::start(&machine, limits).await;
        node.send(creation(0, &CHILD)).await;
        node.send(creation(1, &PARENT)).await;
        node.seal().await;
        let [child, parent] = [0, 1].map(|nonce| key(0).address().create(nonce));
        l1.mine(vec![deposit(NOBODY, 7)]);
        let input = child.into_word();
        node.send(signed(0, TxEip1559 { gas_limit: 500_000, input: input.into(), ..body(2, parent, 10) }))
            .await;
        let revert = TxEip1559 { gas_limit: 100_000, input: hex!("deadbeef").into(), ..body(0, child, 0) };
        node.send(signed(1, revert)).await;
        node.send(transfer(2, 0, NOBODY, 5)).await;
        let block = node.seal().await;
        assert_eq!(block.transactions.len(), 5);
        Self { machine, node, child, parent, block }
    }

    /// Hash of the transaction that called `to`.
    fn called(&self, to: Address) -> B256 {
        let calls = |tx: &OpTxEnvelope| !tx.is_deposit() && tx.to() == Some(to);
        self.block.transactions.iter().find(|tx| calls(tx)).unwrap().tx_hash()
    }

    async fn trace(&self, to: Address, options: Value) -> Value {
        self.node.ask("debug_traceTransaction", json!([self.called(to), options])).await
    }

    async fn gas_used(&self, hash: B256) -> u64 {
        quantity(&self.node.receipt(hash).await["gasUsed"])
    }
}

fn creation(nonce: u64, code: &[u8]) -> Bytes {
    let length = u8::try_from(code.len()).unwrap();
    let input = [&[0x60, length, 0x60, 10, 0x5f, 0x39, 0x60, length, 0x5f, 0xf3], code].concat().into();
    signed(0, TxEip1559 { to: TxKind::Create, gas_limit: 500_000, input, ..body(nonce, NOBODY, 0) })
}

fn field<'a>(values: &'a Value, name: &str) -> Vec<&'a Value> {
    values.as_array().unwrap().iter().map(|value| &value[name]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn call_tracer_shows_the_tree_of_calls() {
    let scene = Scene::new(CallLimits::default()).await;
    let config = json!({"tracer": "callTracer", "tracerConfig": {"withLog": true}});
    let root = scene.trace(scene.parent, config).await;
    assert_eq!((&root["type"], &root["value"]), (&json!("CALL"), &json!("0xa")));
    assert_eq!((&root["from"], &root["to"]), (&json!(key(0).address()), &json!(scene.parent)));
    assert_eq!(root["gas"], "0x7a120");
    assert_eq!(quantity(&root["gasUsed"]), scene.gas_used(scene.called(scene.parent)).await);
    let calls = &root["calls"];
    assert_eq!(field(calls, "type"), ["CALL", "CALL", "CREATE", "DELEGATECALL"]);
    assert_eq!(calls[0]["to"], json!(scene.child));
    assert_eq!(calls[0]["logs"][0]["topics"], json!([B256::with_last_byte(7)]));
    assert_eq!(calls[0]["logs"][0]["address"], json!(scene.child));
    assert_eq!(
        (&calls[1]["error"], &calls[1]["output"]),
        (&json!("execution reverted"), &json!("0xdeadbeef"))
    );
    assert_eq!((&calls[2]["value"], &calls[2]["input"]), (&json!("0x3"), &json!("0x33ff")));
    let end = &calls[2]["calls"][0];
    assert_eq!((&end["type"], &end["value"]), (&json!("SELFDESTRUCT"), &json!("0x3")));
    assert_eq!(end["to"], json!(scene.parent));
    assert_eq!(calls[3]["logs"][0]["address"], json!(scene.parent));

    let top = json!({"tracer": "callTracer", "tracerConfig": {"onlyTopCall": true}});
    let top = scene.trace(scene.parent, top).await;
    assert!(top.get("calls").is_none() && top.get("logs").is_none(), "{top}");
    let failed = scene.trace(scene.child, json!({"tracer": "callTracer"})).await;
    assert_eq!(failed["error"], "execution reverted");
}

#[tokio::test(flavor = "multi_thread")]
async fn prestate_tracer_shows_what_was_read_and_what_changed() {
    let scene = Scene::new(CallLimits::default()).await;
    let (child, parent) = (scene.child.to_string().to_lowercase(), scene.parent.to_string().to_lowercase());
    let before = scene.trace(scene.parent, json!({"tracer": "prestateTracer"})).await;
    assert_eq!(before[&child]["code"], json!(Bytes::from(CHILD)));
    assert_eq!(before[&child]["storage"], json!({B256::ZERO.to_string(): B256::ZERO}));
    assert_eq!((&before[&parent]["balance"], &before[&parent]["nonce"]), (&json!("0x0"), &json!(1)));
    assert_eq!(before[key(0).address().to_string().to_lowercase()]["nonce"], 2);

    let config = json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}});
    let diff = scene.trace(scene.parent, config).await;
    let stored = json!({B256::ZERO.to_string(): B256::with_last_byte(42)});
    assert_eq!((&diff["post"][&child]["storage"], &diff["post"][&parent]["storage"]), (&stored, &stored));
    assert_eq!(diff["post"][&parent]["balance"], "0xa");
    assert!(diff["post"][&child].get("balance").is_none(), "{diff}");

    let bare = json!({"disableCode": true, "disableStorage": true});
    let bare = scene.trace(scene.parent, json!({"tracer": "prestateTracer", "tracerConfig": bare})).await;
    assert!(bare[&child].get("code").is_none() && bare[&child].get("storage").is_none(), "{bare}");
}

#[tokio::test(flavor = "multi_thread")]
async fn opcode_logger_tells_each_step() {
    let scene = Scene::new(CallLimits::default()).await;
    let trace = scene.trace(scene.parent, json!({})).await;
    assert_eq!(trace["gas"].as_u64().unwrap(), scene.gas_used(scene.called(scene.parent)).await);
    assert_eq!((&trace["failed"], &trace["returnValue"]), (&json!(false), &json!("0x")));
    let steps = trace["structLogs"].as_array().unwrap();
    assert_eq!(steps[0]["op"], "PUSH0");
    assert_eq!(
        (&steps[0]["pc"], &steps[0]["depth"], &steps[0]["gasCost"]),
        (&json!(0), &json!(1), &json!(2))
    );
    assert_eq!((&steps[1]["pc"], &steps[1]["stack"]), (&json!(1), &json!(["0x0"])));
    assert!(steps.iter().all(|step| step.get("memory").is_none() && step.get("returnData").is_none()));
    let store = steps.iter().find(|step| step["op"] == "SSTORE").unwrap();
    assert_eq!(store["depth"], 2);
    assert_eq!(store["storage"], json!({B256::ZERO.to_string(): B256::with_last_byte(42)}));
    assert!(steps.iter().any(|step| step["op"] == "REVERT") && steps.last().unwrap()["op"] == "STOP");

    let other =
        json!({"disableStack": true, "disableStorage": true, "enableMemory": true, "enableReturnData": true});
    let trace = scene.trace(scene.parent, other).await;
    let other = trace["structLogs"].as_array().unwrap();
    assert_eq!(other.len(), steps.len());
    assert!(other.iter().all(|step| step.get("stack").is_none() && step.get("storage").is_none()));
    assert!(other.iter().any(|step| step["memory"].as_array().is_some_and(|memory| !memory.is_empty())));
    assert!(other.iter().any(|step| step["returnData"] == "0xdeadbeef"));

    let short = scene.trace(scene.parent, json!({"limit": 200})).await;
    let count = short["structLogs"].as_array().unwrap().len();
    assert!(count > 0 && count < steps.len(), "{count}");
    let failed = scene.trace(scene.child, json!(null)).await;
    assert_eq!((&failed["failed"], &failed["returnValue"]), (&json!(true), &json!("0xdeadbeef")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_tracers_answer_in_geths_form() {
    let scene = Scene::new(CallLimits::default()).await;
    let selectors = scene.trace(scene.parent, json!({"tracer": "4byteTracer"})).await;
    assert_eq!(selectors, json!({"0x00000000-28": 1, "0xdeadbeef-0": 1}));
    assert_eq!(scene.trace(scene.parent, json!({"tracer": "noopTracer"})).await, json!({}));
    let flat = scene.trace(scene.parent, json!({"tracer": "flatCallTracer"})).await;
    assert_eq!(field(&flat, "type"), ["call", "call", "call", "create", "suicide", "call"]);
    let whole = scene.trace(scene.parent, json!({"tracer": "callTracer"})).await;
    assert_eq!(
        (&flat[0]["action"]["gas"], &flat[0]["result"]["gasUsed"]),
        (&whole["gas"], &whole["gasUsed"])
    );
    for (config, words) in
        [(json!({}), "execution reverted"), (json!({"convertParityErrors": true}), "Reverted")]
    {
        let options = json!({"tracer": "flatCallTracer", "tracerConfig": config});
        assert_eq!(scene.trace(scene.child, options).await[0]["error"], words);
    }
    let unnamed = scene.trace(scene.parent, json!({"tracer": ""})).await;
    assert_eq!(unnamed, scene.trace(scene.parent, json!({})).await);
    let parts = json!({"callTracer": null, "4byteTracer": {}, "prestateTracer": {"diffMode": true}});
    let mux = scene.trace(scene.parent, json!({"tracer": "muxTracer", "tracerConfig": parts})).await;
    assert_eq!(mux["4byteTracer"], selectors);
    assert_eq!(mux["callTracer"], scene.trace(scene.parent, json!({"tracer": "callTracer"})).await);
    assert!(mux["prestateTracer"]["post"].is_object());

    let hash = scene.called(scene.parent);
    let script =
        json!([hash, {"tracer": "{step: function() {}, result: function() {}, fault: function() {}}"}]);
    let (_, message) = scene.node.refusal("debug_traceTransaction", script).await;
    assert!(message.contains("JavaScript is not supported"), "{message}");
    let wrong = json!([hash, {"tracer": "callTracer", "tracerConfig": {"withLog": 7}}]);
    assert_eq!(scene.node.refusal("debug_traceTransaction", wrong).await.0, -32602);
    let wrong = json!([hash, {"timeout": "soon"}]);
    assert_eq!(scene.node.refusal("debug_traceTransaction", wrong).await.0, -32602);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_transaction_of_a_block_is_traced_with_the_gas_of_its_receipt() {
    let scene = Scene::new(CallLimits::default()).await;
    let config = json!({"tracer": "callTracer"});
    let by_number = scene.node.ask("debug_traceBlockByNumber", json!(["0x2", config])).await;
    let hashes: Vec<B256> = scene.block.transactions.iter().map(OpTxEnvelope::tx_hash).collect();
    assert_eq!(json!(field(&by_number, "txHash")), json!(hashes));
    for (trace, hash) in by_number.as_array().unwrap().iter().zip(&hashes) {
        assert_eq!(quantity(&trace["result"]["gasUsed"]), scene.gas_used(*hash).await, "{trace}");
        let alone = scene.node.ask("debug_traceTransaction", json!([hash, config])).await;
        assert_eq!(alone, trace["result"]);
        let steps = scene.node.ask("debug_traceTransaction", json!([hash])).await;
        assert_eq!(steps["gas"].as_u64().unwrap(), scene.gas_used(*hash).await);
    }
    assert_eq!(by_number[1]["result"]["value"], "0x7"); // the deposit

    let by_hash = scene.node.ask("debug_traceBlockByHash", json!([scene.block.hash, config])).await;
    assert_eq!(by_hash, by_number);
    let raw = scene.node.ask("debug_getRawBlock", json!(["0x2"])).await;
    assert_eq!(scene.node.ask("debug_traceBlock", json!([raw, config])).await, by_number);

    let refusal = async |method: &str, params: Value| scene.node.refusal(method, params).await;
    let genesis = (-32000, "genesis is not traceable".to_owned());
    assert_eq!(refusal("debug_traceBlockByNumber", json!(["earliest"])).await, genesis);
    let unknown = |block: &str| (-32000, format!("block {block} not found"));
    assert_eq!(refusal("debug_traceBlockByNumber", json!(["0x9"])).await, unknown("#9"));
    let nowhere = B256::ZERO.to_string();
    assert_eq!(refusal("debug_traceBlockByHash", json!([nowhere])).await, unknown(&nowhere));
    let unknown = (-32000, "transaction not found".to_owned());
    assert_eq!(refusal("debug_traceTransaction", json!([B256::ZERO])).await, unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn deposits_that_fail_are_traced_too() {
    let mut scene = Scene::new(CallLimits::default()).await;
    let poor = Address::repeat_byte(0x99);
    let (value, source_hash) = (U256::from(9), B256::with_last_byte(2));
    let broke = TxDeposit { from: poor, value, source_hash, ..deposit(NOBODY, 0) };
    let starved = TxDeposit { from: poor, gas_limit: 20_000, source_hash: B256::ZERO, ..deposit(NOBODY, 0) };
    let creation = TxDeposit {
        to: TxKind::Create,
        value: U256::ZERO,
        input: hex!("60015ff3").into(),
        source_hash: B256::with_last_byte(1),
        ..deposit(poor, 1)
    };
    scene.machine.l1.mine(vec![broke, starved, creation]);
    let block = scene.node.seal().await;
    assert_eq!(block.transactions.len(), 4);
    for (tracer, types) in [("callTracer", ["CALL", "CREATE"]), ("flatCallTracer", ["call", "create"])] {
        let options = json!({"tracer": tracer});
        let traces = scene.node.ask("debug_traceBlockByNumber", json!(["0x3", options])).await;
        for (trace, tx) in traces.as_array().unwrap().iter().zip(&block.transactions) {
            let (receipt, root) = (scene.node.receipt(tx.tx_hash()).await, &trace["result"]);
            let root = root.get(0).unwrap_or(root);
            let action = root.get("action").unwrap_or(root);
            assert_eq!(action["from"], receipt["from"], "{trace}");
            assert!(tx.is_create() || action["to"] == receipt["to"], "{trace}");
            assert_eq!(root.get("error").is_none(), receipt["status"] == "0x1", "{trace}");
            assert_eq!(root["type"], types[usize::from(tx.is_create())]);
            if tracer == "callTracer" {
                assert_eq!(root["gasUsed"], receipt["gasUsed"], "{trace}");
            }
        }
    }
    let flat = scene.node.ask("trace_block", json!(["0x3"])).await;
    assert_eq!(field(&flat, "type"), ["call", "call", "call", "create"]);
    assert_eq!(flat[2]["action"]["from"], json!(poor));
    assert_eq!((&flat[2]["error"], &flat[2]["result"]), (&json!("Out of gas"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_that_differs_from_the_chain_is_not_told() {
    let scene = Scene::new(CallLimits::default()).await;
    let other = "update l2_receipt set body = (select body from l2_receipt where block_number = 2 and tx_index = 4) \
                 where block_number = 2 and tx_index = 3";
    sqlx::query(other).execute(scene.node.sequencer.index.pool()).await.unwrap();
    let internal = (-32603, "internal error".to_owned());
    let hashes = scene.block.transactions.iter().map(OpTxEnvelope::tx_hash).collect::<Vec<_>>();
    assert_eq!(scene.node.refusal("debug_traceTransaction", json!([hashes[3]])).await, internal);
    assert_eq!(scene.node.refusal("trace_block", json!(["0x2"])).await, internal);
    scene.node.ask("debug_traceTransaction", json!([hashes[2]])).await; // what stands before it is as it was
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_without_state_are_not_traced() {
    let mut scene = Scene::new(CallLimits::default()).await;
    for _ in 0..70 {
        scene.node.seal().await; // the state store keeps 64 blocks
    }
    let (code, message) =
        scene.node.refusal("debug_traceTransaction", json!([scene.called(scene.parent)])).await;
    assert!(code == -32000 && message.starts_with("state of block 1 is not available"), "{message}");
    assert_eq!(scene.node.refusal("trace_block", json!(["0x2"])).await.0, -32000);
    let made_before = json!([scene.parent.create(1)]);
    assert!(scene.node.ask("ots_getContractCreator", made_before).await.is_null()); // it destroyed itself
    let created = scene.node.ask("ots_getContractCreator", json!([scene.child])).await;
    assert_eq!(created["creator"], json!(key(0).address()));
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_that_fail_say_why_in_geths_words() {
    let scene = Scene::new(CallLimits::default()).await;
    for (code, error) in [
        ("0x01", "stack underflow"),
        ("0x5f56", "invalid jump destination"),
        ("0xfe", "invalid opcode: INVALID"),
        ("0x5f5f5f620fffff5ffd", "out of gas"),
    ] {
        let options = json!({"stateOverrides": {NOBODY.to_string(): {"code": code}}});
        let asked = json!([{"to": NOBODY, "gas": "0x5400"}, "latest", options]);
        let trace = scene.node.ask("debug_traceCall", asked).await;
        assert_eq!(trace["structLogs"].as_array().unwrap().last().unwrap()["error"], error, "{trace}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_traced_on_the_state_that_is_asked_for() {
    let scene = Scene::new(CallLimits::default()).await;
    let config = json!({"tracer": "callTracer"});
    let request = json!({"from": key(0).address(), "to": scene.child, "input": "0xdeadbeef"});
    let trace = scene.node.ask("debug_traceCall", json!([request, "latest", config])).await;
    assert_eq!((&trace["error"], &trace["output"]), (&json!("execution reverted"), &json!("0xdeadbeef")));

    // Returns its own balance.
    let code =
        json!({"tracer": "callTracer", "stateOverrides": {NOBODY.to_string(): {"code": "0x475f5260205ff3"}}});
    let balance = async |block: &str, index: Option<&str>| {
        let mut options = code.clone();
        options["txIndex"] = json!(index);
        let trace = scene.node.ask("debug_traceCall", json!([{"to": NOBODY}, block, options])).await;
        U256::from_be_slice(&serde_json::from_value::<Bytes>(trace["output"].clone()).unwrap())
    };
    assert_eq!(balance("0x1", None).await, U256::ZERO);
    assert_eq!(balance("0x2", Some("0x0")).await, U256::ZERO);
    assert_eq!(balance("0x2", Some("0x2")).await, U256::from(7)); // after the deposit
    assert_eq!(balance("0x2", None).await, U256::from(12)); // and the transfer

    let time = json!({"tracer": "callTracer", "blockOverrides": {"time": "0x9"},
        "stateOverrides": {NOBODY.to_string(): {"code": "0x425f5260205ff3"}}});
    let trace = scene.node.ask("debug_traceCall", json!([{"to": NOBODY}, "latest", time])).await;
    assert_eq!(trace["output"], json!(B256::with_last_byte(9)));
    let identity = Address::with_last_byte(4);
    let moved = json!({"tracer": "callTracer",
        "stateOverrides": {identity.to_string(): {"movePrecompileToAddress": NOBODY}}});
    let trace = json!([{"to": NOBODY, "input": "0x1234"}, "latest", moved]);
    assert_eq!(scene.node.ask("debug_traceCall", trace).await["output"], "0x1234");
    let poor = json!([{"from": Address::repeat_byte(1), "to": NOBODY, "value": "0x1"}, "latest"]);
    let (code, message) = scene.node.refusal("debug_traceCall", poor).await;
    assert!(code == -32000 && message.starts_with("tracing failed: insufficient funds"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn flat_traces_list_calls_in_the_order_in_which_they_were_made() {
    let scene = Scene::new(CallLimits::default()).await;
    let hash = scene.called(scene.parent);
    let traces = scene.node.ask("trace_transaction", json!([hash])).await;
    assert_eq!(field(&traces, "type"), ["call", "call", "call", "create", "suicide", "call"]);
    let places: Vec<Value> =
        [json!([]), json!([0]), json!([1]), json!([2]), json!([2, 0]), json!([3])].into();
    assert_eq!(field(&traces, "traceAddress"), places.iter().collect::<Vec<_>>());
    assert_eq!((&traces[0]["subtraces"], &traces[2]["error"]), (&json!(4), &json!("Reverted")));
    assert_eq!((&traces[0]["transactionPosition"], &traces[0]["blockNumber"]), (&json!(2), &json!(2)));
    assert_eq!(traces[5]["action"]["callType"], "delegatecall");
    assert_eq!(scene.node.ask("trace_get", json!([hash, ["0x2", "0x0"]])).await, traces[4]);
    assert!(scene.node.ask("trace_get", json!([hash, ["0x9"]])).await.is_null());
    assert!(scene.node.ask("trace_transaction", json!([B256::ZERO])).await.is_null());

    let block = scene.node.ask("trace_block", json!(["0x2"])).await;
    assert_eq!(block.as_array().unwrap()[2..8], *traces.as_array().unwrap());
    assert!(scene.node.ask("trace_block", json!(["0x9"])).await.is_null());
    assert_eq!(scene.node.ask("trace_block", json!(["0x0"])).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn filter_finds_calls_by_their_ends() {
    let limits = CallLimits { max_trace_blocks: 2, max_page: 6, ..CallLimits::default() };
    let scene = Scene::new(limits).await;
    let filter = async |filter: Value| scene.node.ask("trace_filter", json!([filter])).await;
    let range = |mut filter: Value| {
        filter["fromBlock"] = json!("0x1");
        filter["toBlock"] = json!("latest");
        filter
    };
    let to_child = filter(range(json!({"toAddress": [scene.child]}))).await;
    assert_eq!(to_child.as_array().unwrap().len(), 5); // creation, two calls, a delegated one, one that reverted
    let inner = filter(range(json!({"toAddress": [scene.child], "fromAddress": [scene.parent]}))).await;
    assert_eq!(inner, json!(to_child.as_array().unwrap()[1..4]));
    let page = filter(range(json!({"toAddress": [scene.child], "after": 1, "count": 2}))).await;
    assert_eq!(page, json!(to_child.as_array().unwrap()[1..3]));
    let ends = json!({"fromAddress": [scene.parent], "toAddress": [NOBODY], "mode": "union"});
    assert_eq!(filter(ends).await.as_array().unwrap().len(), 6);

    let refusal = async |filter: Value| scene.node.refusal("trace_filter", json!([filter])).await;
    let (code, message) = refusal(range(json!({}))).await;
    assert!(code == -32005 && message.starts_with("filter matches more than 6 traces"), "{message}");
    assert_eq!(refusal(json!({"fromBlock": "0x0"})).await.0, -32005);
    assert_eq!(refusal(json!({"count": 7})).await.0, -32005);
    assert_eq!(refusal(json!({"fromBlock": "latest", "toBlock": "0x1"})).await.0, -32602);
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_tell_traces_differences_and_instructions() {
    let scene = Scene::new(CallLimits::default()).await;
    let hash = scene.called(scene.parent);
    let all = json!(["trace", "stateDiff", "vmTrace"]);
    let replayed = scene.node.ask("trace_replayTransaction", json!([hash, all])).await;
    assert_eq!(field(&replayed["trace"], "type"), ["call", "call", "call", "create", "suicide", "call"]);
    let diff = &replayed["stateDiff"][scene.child.to_string().to_lowercase()];
    let slot = &diff["storage"][B256::ZERO.to_string()]["*"];
    assert_eq!((&slot["from"], &slot["to"]), (&json!(B256::ZERO), &json!(B256::with_last_byte(42))));
    assert_eq!(diff["balance"], "=");
    assert_eq!(replayed["vmTrace"]["code"], json!(Bytes::from(PARENT)));
    assert_eq!(replayed["vmTrace"]["ops"][0]["pc"], 0);

    let block = scene.node.ask("trace_replayBlockTransactions", json!(["0x2", ["trace"]])).await;
    assert_eq!((&block[2]["transactionHash"], &block[2]["trace"]), (&json!(hash), &replayed["trace"]));
    assert!(block[2]["stateDiff"].is_null() && block.as_array().unwrap().len() == 5);
    assert!(scene.node.ask("trace_replayTransaction", json!([B256::ZERO, ["trace"]])).await.is_null());
    assert_eq!(scene.node.refusal("trace_replayTransaction", json!([hash, ["all"]])).await.0, -32602);

    let call = json!({"from": key(0).address(), "to": scene.child, "input": "0xdeadbeef"});
    let called = scene.node.ask("trace_call", json!([call, ["trace"], "latest"])).await;
    assert_eq!((&called["output"], &called["trace"][0]["error"]), (&json!("0xdeadbeef"), &json!("Reverted")));
    let raw = transfer(2, 1, NOBODY, 5);
    let sent = scene.node.ask("trace_rawTransaction", json!([raw, ["trace", "stateDiff"]])).await;
    let top = &sent["trace"][0];
    assert_eq!((&top["action"]["gas"], &top["result"]["gasUsed"]), (&json!("0x0"), &json!("0x0")));
    let balance = &sent["stateDiff"][NOBODY.to_string().to_lowercase()]["balance"]["*"];
    assert_eq!((&balance["from"], &balance["to"]), (&json!("0xc"), &json!("0x11")));
    let old = scene.node.refusal("trace_rawTransaction", json!([transfer(2, 0, NOBODY, 5), ["trace"]])).await;
    assert!(old.0 == -32000 && old.1.starts_with("tracing failed: "), "{old:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_beyond_the_limits_are_refused() {
    let call_tracer = json!({"tracer": "callTracer"});
    let limits = CallLimits { trace_calls: 3, trace_bytes: 20_000, ..CallLimits::default() };
    let scene = Scene::new(limits).await;
    let hash = scene.called(scene.parent);
    let refusal = async |method: &str, params: Value| scene.node.refusal(method, params).await;
    let (code, message) = refusal("debug_traceTransaction", json!([hash, call_tracer])).await;
    assert_eq!((code, message.as_str()), (-32005, "transaction makes more than 3 calls"));
    let (code, message) = refusal("debug_traceTransaction", json!([hash])).await;
    assert_eq!((code, message.as_str()), (-32005, "trace is larger than 20000 bytes"));
    let small = scene.trace(scene.child, json!({})).await;
    assert_eq!(small["returnValue"], "0xdeadbeef");
    // A megabyte of input for a call of a hundred gas.
    let loud = json!({"tracer": "callTracer", "stateOverrides": {NOBODY.to_string(): {
        "code": "0x5b5f5f620fffff5f5f60ff5af1505f56"
    }}});
    let (code, _) = refusal("debug_traceCall", json!([{"to": NOBODY}, "latest", loud])).await;
    assert_eq!(code, -32005);
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_that_take_too_long_are_ended() {
    let limits = CallLimits { call_timeout: Duration::from_secs(60), ..CallLimits::default() };
    let scene = Scene::new(limits).await;
    let endless = json!({"tracer": "noopTracer", "timeout": "1ms",
        "stateOverrides": {NOBODY.to_string(): {"code": "0x5b5f56"}}});
    let timeout = (-32000, "execution timeout".to_owned());
    let asked = json!([{"to": NOBODY}, "latest", endless]);
    assert_eq!(scene.node.refusal("debug_traceCall", asked).await, timeout);

    let limits = CallLimits { call_timeout: Duration::ZERO, ..CallLimits::default() };
    let scene = Scene::new(limits).await;
    let longer = json!([scene.called(scene.parent), {"timeout": "1h"}]);
    assert_eq!(scene.node.refusal("debug_traceTransaction", longer).await, timeout);
    assert_eq!(scene.node.refusal("trace_block", json!(["0x2"])).await, timeout);
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_methods_give_consensus_bytes() {
    let scene = Scene::new(CallLimits::default()).await;
    let bytes = |value: Value| serde_json::from_value::<Bytes>(value).unwrap();
    let header = bytes(scene.node.ask("debug_getRawHeader", json!(["latest"])).await);
    assert_eq!(keccak256(&header), scene.block.hash);
    assert_eq!(Header::decode(&mut header.as_ref()).unwrap(), scene.block.header);
    let block = bytes(scene.node.ask("debug_getRawBlock", json!([scene.block.hash])).await);
    let block = Block::<OpTxEnvelope>::decode(&mut block.as_ref()).unwrap();
    assert_eq!(
        (block.header, block.body.transactions),
        (scene.block.header.clone(), scene.block.transactions.clone())
    );
    let receipts = scene.node.ask("debug_getRawReceipts", json!(["0x2"])).await;
    let receipts: Vec<Bytes> = serde_json::from_value(receipts).unwrap();
    let stored = scene.block.receipts.iter().map(|receipt| Bytes::from(receipt.encoded_2718()));
    assert_eq!(receipts, stored.collect::<Vec<_>>());
    for tx in &scene.block.transactions {
        let raw = bytes(scene.node.ask("debug_getRawTransaction", json!([tx.tx_hash()])).await);
        assert_eq!(OpTxEnvelope::decode_2718_exact(&raw).unwrap(), *tx);
    }
    for method in ["debug_getRawHeader", "debug_getRawBlock", "debug_getRawReceipts"] {
        assert_eq!(scene.node.refusal(method, json!(["0x9"])).await.0, -32000);
        assert_eq!(scene.node.refusal(method, json!(["2"])).await.0, -32602);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn otterscan_sees_what_a_transaction_did() {
    let scene = Scene::new(CallLimits::default()).await;
    let ask = async |method: &str, params: Value| scene.node.ask(method, params).await;
    assert_eq!(ask("ots_getApiLevel", json!([])).await, 8);
    assert_eq!(ask("ots_hasCode", json!([scene.child, "latest"])).await, true);
    assert_eq!(ask("ots_hasCode", json!([scene.child, 0])).await, false);
    assert_eq!(ask("ots_hasCode", json!([NOBODY, "latest"])).await, false);

    let hash = scene.called(scene.parent);
    let made = scene.parent.create(1);
    let operations = ask("ots_getInternalOperations", json!([hash])).await;
    assert_eq!(
        operations,
        json!([
            {"type": 2, "from": scene.parent, "to": made, "value": "0x3"},
            {"type": 1, "from": made, "to": scene.parent, "value": "0x3"},
        ])
    );
    let entries = ask("ots_traceTransaction", json!([hash])).await;
    assert_eq!(field(&entries, "type"), ["CALL", "CALL", "CALL", "CREATE", "SELFDESTRUCT", "DELEGATECALL"]);
    assert_eq!(field(&entries, "depth"), [0, 1, 1, 1, 2, 1]);
    assert!(entries[5]["value"].is_null() && entries[0]["value"] == "0xa");
    assert_eq!(ask("ots_getTransactionError", json!([hash])).await, "0x");
    assert_eq!(ask("ots_getTransactionError", json!([scene.called(scene.child)])).await, "0xdeadbeef");
    for method in ["ots_getInternalOperations", "ots_traceTransaction", "ots_getTransactionError"] {
        assert!(ask(method, json!([B256::ZERO])).await.is_null(), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn otterscan_finds_who_created_a_contract() {
    let mut scene = Scene::new(CallLimits::default()).await;
    let creator = async |scene: &Scene, address: Address| {
        scene.node.ask("ots_getContractCreator", json!([address])).await
    };
    let found = creator(&scene, scene.child).await;
    assert_eq!(found["creator"], json!(key(0).address()));
    assert_eq!(
        scene.node.receipt(serde_json::from_value(found["hash"].clone()).unwrap()).await["blockNumber"],
        "0x1"
    );
    for none in [NOBODY, lockstep_primitives::predeploys::L1_BLOCK, scene.parent.create(1)] {
        assert!(creator(&scene, none).await.is_null(), "{none}");
    }

    scene.node.send(creation(3, &FACTORY)).await;
    scene.node.seal().await;
    let factory = key(0).address().create(3);
    let call = scene.node.send(signed(0, TxEip1559 { gas_limit: 100_000, ..body(4, factory, 0) })).await;
    scene.node.seal().await;
    scene.node.seal().await;
    assert_eq!(creator(&scene, factory.create(1)).await, json!({"hash": call, "creator": factory}));
}

#[tokio::test(flavor = "multi_thread")]
async fn otterscan_sees_blocks_without_what_it_does_not_show() {
    let scene = Scene::new(CallLimits::default()).await;
    let ask = async |method: &str, params: Value| scene.node.ask(method, params).await;
    let plain = ask("eth_getBlockByNumber", json!(["0x2", true])).await;
    let details = ask("ots_getBlockDetails", json!([2])).await;
    assert_eq!(details["block"]["hash"], plain["hash"]);
    assert_eq!(
        (&details["block"]["transactionCount"], &details["block"]["logsBloom"]),
        (&json!(5), &Value::Null)
    );
    assert!(details["block"].get("transactions").is_none());
    assert_eq!(details["issuance"], json!({"blockReward": "0x0", "uncleReward": "0x0", "issuance": "0x0"}));
    let receipts = ask("eth_getBlockReceipts", json!(["0x2"])).await;
    let paid = receipts.as_array().unwrap().iter().map(|receipt| {
        let l1 = receipt["l1Fee"].as_str().map_or(0, |_| quantity(&receipt["l1Fee"]));
        quantity(&receipt["gasUsed"]) * quantity(&receipt["effectiveGasPrice"]) + l1
    });
    assert_eq!(quantity(&details["totalFees"]), paid.sum::<u64>());
    assert_eq!(ask("ots_getBlockDetailsByHash", json!([scene.block.hash])).await, details);
    assert_eq!(ask("erigon_getHeaderByNumber", json!(["0x2"])).await["hash"], plain["hash"]);

    let page = async |number: u64, size: u64| ask("ots_getBlockTransactions", json!([2, number, size])).await;
    let last = page(0, 2).await;
    assert_eq!(field(&last["fullblock"]["transactions"], "hash"), field(&plain["transactions"], "hash")[3..]);
    assert_eq!(field(&last["receipts"], "transactionHash"), field(&plain["transactions"], "hash")[3..]);
    assert_eq!(last["fullblock"]["transactionCount"], 5);
    assert!(last["receipts"][0]["logs"].is_null() && last["receipts"][0]["logsBloom"].is_null());
    let middle = page(1, 2).await;
    assert_eq!(middle["fullblock"]["transactions"][1]["input"], "0x00000000"); // of a word
    assert_eq!(page(2, 2).await["receipts"].as_array().unwrap().len(), 1);
    assert_eq!(page(3, 2).await["receipts"], json!([]));

    for (method, params) in [
        ("ots_getBlockDetails", json!([9])),
        ("ots_getBlockDetailsByHash", json!([B256::ZERO])),
        ("ots_getBlockTransactions", json!([9, 0, 2])),
        ("erigon_getHeaderByNumber", json!(["0x9"])),
    ] {
        assert!(ask(method, params).await.is_null(), "{method}");
    }
    assert_eq!(scene.node.refusal("ots_getBlockTransactions", json!([2, 0, 0])).await.0, -32602);
    assert_eq!(scene.node.refusal("ots_getBlockTransactions", json!([2, 0, 1_001])).await.0, -32005);
}

#[tokio::test(flavor = "multi_thread")]
async fn otterscan_walks_through_an_accounts_transactions() {
    let mut scene = Scene::new(CallLimits::default()).await;
    for nonce in 3..6 {
        scene.node.send(transfer(0, nonce, NOBODY, 1)).await;
        scene.node.seal().await; // blocks 3 to 5
    }
    let ask = async |method: &str, params: Value| scene.node.ask(method, params).await;
    let sender = key(0).address();
    let blocks = |page: &Value| {
        assert_eq!(field(&page["txs"], "hash"), field(&page["receipts"], "transactionHash"));
        field(&page["txs"], "blockNumber").into_iter().map(quantity).collect::<Vec<_>>()
    };
    let ends = |page: &Value| (page["firstPage"].as_bool().unwrap(), page["lastPage"].as_bool().unwrap());

    let newest = ask("ots_searchTransactionsBefore", json!([sender, 0, 2])).await;
    assert_eq!((blocks(&newest), ends(&newest)), (vec![5, 4], (true, false)));
    assert!(newest["receipts"][0]["timestamp"].is_string() && newest["receipts"][0]["logs"].is_null());
    let older = ask("ots_searchTransactionsBefore", json!([sender, 4, 3])).await;
    // The page ends with block 1, which has two of them.
    assert_eq!((blocks(&older), ends(&older)), (vec![3, 2, 1, 1], (false, true)));
    let oldest = ask("ots_searchTransactionsAfter", json!([sender, 0, 1])).await;
    assert_eq!((blocks(&oldest), ends(&oldest)), (vec![1, 1], (false, true)));
    let newer = ask("ots_searchTransactionsAfter", json!([sender, 3, 5])).await;
    assert_eq!((blocks(&newer), ends(&newer)), (vec![5, 4], (true, false)));
    let received = ask("ots_searchTransactionsBefore", json!([scene.child, 0, 5])).await;
    assert_eq!(blocks(&received), [2, 1]); // the call, and the creation
    let none = ask("ots_searchTransactionsBefore", json!([Address::repeat_byte(1), 0, 5])).await;
    assert_eq!((blocks(&none), ends(&none)), (vec![], (true, true)));

    let by_nonce = async |nonce: u64| ask("ots_getTransactionBySenderAndNonce", json!([sender, nonce])).await;
    assert_eq!(by_nonce(2).await, json!(scene.called(scene.parent)));
    assert!(by_nonce(6).await.is_null());
}
