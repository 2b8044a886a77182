//! `eth_simulateV1` on a real state.

use alloy::primitives::{Address, B256, U256, keccak256};
use lockstep_primitives::Header;
use serde_json::{Value, json};

use super::rig::{FakeL1, Machine, key, transfer};
use super::rpc::{NOBODY, Node, node, quantity};
use crate::rpc::CallLimits;

const RICH: &str = "0xc000000000000000000000000000000000000000";
const OTHER: &str = "0xc100000000000000000000000000000000000000";
/// Forwards its balance to 0x1234.
const FORWARDER: &str = "0x5f5f5f5f476112345af100";
const EMITTER: &str = "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

async fn simulate(node: &Node, payload: Value) -> Vec<Value> {
    node.ask("eth_simulateV1", json!([payload, "latest"])).await.as_array().unwrap().clone()
}

async fn refusal(node: &Node, blocks: Value, validation: bool) -> (i64, String) {
    let payload = json!({"blockStateCalls": blocks, "validation": validation});
    node.refusal("eth_simulateV1", json!([payload])).await
}

fn send(from: &str, to: &str, value: &str) -> Value {
    json!({"from": from, "to": to, "value": value})
}

fn word(n: u64) -> Value {
    json!(B256::from(U256::from(n)))
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_chain_and_hash_to_what_they_say() {
    let (_machine, mut node) = node().await;
    let head = node.seal().await;
    let blocks = json!([
        {"stateOverrides": {RICH: {"balance": "0x3e8"}}, "calls": [send(RICH, OTHER, "0x3e8"), send(OTHER, RICH, "0x1")]},
        {"blockOverrides": {"number": "0x4"}, "calls": [send(RICH, OTHER, "0x1")]},
    ]);
    let answer = simulate(&node, json!({"blockStateCalls": blocks})).await;
    let numbers: Vec<_> = answer.iter().map(|block| quantity(&block["number"])).collect();
    assert_eq!(numbers, [2, 3, 4], "the gap is filled");
    let mut parent = head.hash;
    for block in &answer {
        let header: Header = serde_json::from_value(block.clone()).unwrap();
        assert_eq!(
            (header.hash_slow(), header.parent_hash),
            (serde_json::from_value(block["hash"].clone()).unwrap(), parent)
        );
        parent = header.hash_slow();
        for field in ["withdrawals", "uncles"] {
            assert_eq!(block[field], json!([]), "{field}");
        }
        assert_eq!(block["baseFeePerGas"], "0x0");
        assert_ne!(header.state_root, head.header.state_root);
    }
    let calls = answer[0]["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 2);
    for call in calls {
        let expected = json!({"returnData": "0x", "logs": [], "gasUsed": "0x5208", "maxUsedGas": "0x5208", "status": "0x1"});
        assert_eq!(call, &expected);
    }
    assert_eq!(answer[0]["gasUsed"], "0xa410");
    assert_eq!(answer[0]["transactions"].as_array().unwrap().len(), 2);
    assert_eq!(answer[1]["transactions"], json!([]));
    assert_eq!(node.ask("eth_getBalance", json!([OTHER])).await, "0x0", "nothing of it is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn state_root_is_that_of_the_state_after_the_calls() {
    let (_machine, mut node) = node().await;
    node.seal().await;
    // What the next block would do to the state without L1: its system calls. Twice the same gives the same root.
    let twice = simulate(&node, json!({"blockStateCalls": [{}]})).await;
    assert_eq!(simulate(&node, json!({"blockStateCalls": [{}]})).await, twice);
    // Setting a balance and paying it in lead to the same accounts, but for the payer's.
    let sender = key(0).address().to_string();
    let balance: U256 = serde_json::from_value(node.ask("eth_getBalance", json!([sender])).await).unwrap();
    let paid = json!([{"calls": [send(&sender, OTHER, "0x5")]}]);
    let left = balance - U256::from(5);
    let set = json!([{"stateOverrides": {OTHER: {"balance": "0x5"}, sender.clone(): {"balance": left, "nonce": "0x1"}}}]);
    let paid = simulate(&node, json!({"blockStateCalls": paid})).await;
    let set = simulate(&node, json!({"blockStateCalls": set})).await;
    assert_ne!(paid[0]["stateRoot"], twice[0]["stateRoot"]);
    // The hash of the parent is all that the system call writes, so the roots are equal.
    assert_eq!(paid[0]["stateRoot"], set[0]["stateRoot"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_of_ether_are_told_as_logs() {
    let (_machine, mut node) = node().await;
    node.seal().await;
    let overrides = json!({RICH: {"balance": "0x7d0"}, OTHER: {"code": FORWARDER}});
    let block = json!({"stateOverrides": overrides, "calls": [send(RICH, OTHER, "0x3e8")]});
    let quiet = simulate(&node, json!({"blockStateCalls": [block]})).await;
    assert_eq!(quiet[0]["calls"][0]["logs"], json!([]));
    let told = simulate(&node, json!({"blockStateCalls": [block], "traceTransfers": true})).await;
    let logs = told[0]["calls"][0]["logs"].as_array().unwrap();
    assert_eq!(logs.len(), 2);
    let topic = keccak256("Transfer(address,address,uint256)");
    let named = |address: &str| json!(address.parse::<Address>().unwrap().into_word());
    for (index, (log, (from, to))) in
        logs.iter().zip([(RICH, OTHER), (OTHER, "0x0000000000000000000000000000000000001234")]).enumerate()
    {
        assert_eq!(log["address"], EMITTER);
        assert_eq!(log["topics"], json!([topic, named(from), named(to)]));
        assert_eq!((&log["data"], quantity(&log["logIndex"])), (&word(1_000), index as u64));
        assert_eq!((&log["blockHash"], &log["blockNumber"]), (&told[0]["hash"], &json!("0x2")));
        assert_eq!(log["transactionHash"], told[0]["transactions"][0]);
    }
    assert_eq!(told[0]["receiptsRoot"], quiet[0]["receiptsRoot"], "receipts do not know of them");
    assert_eq!(told[0]["logsBloom"], quiet[0]["logsBloom"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_calls_say_why_and_the_block_goes_on() {
    let (_machine, mut node) = node().await;
    node.seal().await;
    let overrides = json!({OTHER: {"code": "0x63deadbeef5f526004601cfd"}, NOBODY.to_string(): {"code": "0xfe"}, RICH: {"balance": "0x9"}});
    let calls =
        json!([send(RICH, OTHER, "0x5"), {"to": NOBODY, "gas": "0x10000"}, {"to": RICH, "gas": "0x10000"}]);
    let payload =
        json!({"blockStateCalls": [{"stateOverrides": overrides, "calls": calls}], "traceTransfers": true});
    let answer = simulate(&node, payload).await;
    let calls = answer[0]["calls"].as_array().unwrap();
    assert_eq!(calls[0]["error"], json!({"code": 3, "message": "execution reverted", "data": "0xdeadbeef"}));
    assert_eq!(
        (&calls[0]["status"], &calls[0]["returnData"], &calls[0]["logs"]),
        (&json!("0x0"), &json!("0xdeadbeef"), &json!([]))
    );
    assert_eq!(calls[1]["error"], json!({"code": -32015, "message": "invalid opcode: INVALID"}));
    assert_eq!(calls[2]["status"], "0x1");
}

#[tokio::test(flavor = "multi_thread")]
async fn later_blocks_see_earlier_ones() {
    let (_machine, mut node) = node().await;
    let head = node.seal().await;
    // Stores the parent's hash in slot 0; the second block reads it, and what BLOCKHASH says of both.
    let store = "0x6001430340 5f5500".replace(' ', "");
    let read = "0x5f545f52 600143034060205260015460405260605ff3".replace(' ', "");
    let blocks = json!([
        {"stateOverrides": {OTHER: {"code": store}}, "calls": [{"to": OTHER}]},
        {"stateOverrides": {OTHER: {"code": read, "stateDiff": {B256::with_last_byte(1).to_string(): word(9)}}}, "calls": [{"to": OTHER}]},
    ]);
    let answer = simulate(&node, json!({"blockStateCalls": blocks})).await;
    let output = answer[1]["calls"][0]["returnData"].as_str().unwrap().to_owned();
    let expected = [json!(head.hash), answer[0]["hash"].clone(), word(9)];
    let expected: String =
        expected.iter().map(|word| word.as_str().unwrap().trim_start_matches("0x").to_owned()).collect();
    assert_eq!(output, format!("0x{expected}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn validation_judges_calls_as_transactions() {
    let (_machine, mut node) = node().await;
    node.seal().await;
    let funded = json!({RICH: {"balance": "0xde0b6b3a7640000", "nonce": "0xa"}});
    let with = |call: Value| json!([{"stateOverrides": funded, "calls": [call]}]);
    let priced = |nonce: &str| json!({"from": RICH, "to": OTHER, "nonce": nonce, "gas": "0x5208", "maxFeePerGas": "0x3b9aca00"});
    assert_eq!(refusal(&node, with(priced("0x0")), true).await.0, -38010);
    assert_eq!(refusal(&node, with(priced("0xb")), true).await.0, -38011);
    assert_eq!(
        refusal(&node, with(json!({"from": RICH, "to": OTHER, "gas": "0x5208"})), true).await.0,
        -38012
    );
    // The nonce is looked at before the fee, and the highest one is none that a transaction can have.
    let poor = json!({"from": RICH, "to": OTHER, "nonce": "0x0"});
    assert_eq!(refusal(&node, with(poor), true).await.0, -38010);
    let last = json!({RICH: {"nonce": "0xffffffffffffffff"}});
    let calls =
        json!([{"stateOverrides": last, "calls": [send(RICH, OTHER, "0x0"), send(RICH, OTHER, "0x0")]}]);
    let (code, text) = refusal(&node, calls.clone(), true).await;
    assert!(code == -32603 && text.starts_with("nonce has max value"), "{code} {text}");
    let unjudged = simulate(&node, json!({"blockStateCalls": calls})).await;
    let status = |call: usize| &unjudged[0]["calls"][call]["status"];
    assert_eq!([status(0), status(1)], [&json!("0x1"); 2]);
    let payload =
        json!({"blockStateCalls": with(priced("0xa")), "validation": true, "returnFullTransactions": true});
    let answer = simulate(&node, payload).await;
    assert!(quantity(&answer[0]["baseFeePerGas"]) > 0);
    let transaction = &answer[0]["transactions"][0];
    assert_eq!(
        (&transaction["from"], &transaction["nonce"], &transaction["type"]),
        (&json!(RICH), &json!("0xa"), &json!("0x2"))
    );
    assert_eq!(
        (&transaction["r"], &transaction["s"], &transaction["blockHash"]),
        (&json!("0x0"), &json!("0x0"), &answer[0]["hash"])
    );
    // Without it nonces do not matter.
    for nonce in ["0x0", "0xb"] {
        let payload = json!({"blockStateCalls": with(priced(nonce))});
        assert_eq!(simulate(&node, payload).await[0]["calls"][0]["status"], "0x1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn simulations_that_cannot_be_have_codes_of_their_own() {
    let (_machine, mut node) = node().await;
    node.seal().await;
    let over = |changes: Value| json!({"blockOverrides": changes});
    let cases = [
        (json!([]), -32602),
        (json!([over(json!({"number": "0x1"}))]), -38020),
        (json!([over(json!({"time": "0x1"}))]), -38021),
        (json!([over(json!({"number": "0x200"}))]), -38026),
        (json!([{"calls": [send(RICH, OTHER, "0x3e8")]}]), -38014),
        (json!([{"calls": [{"to": OTHER, "gas": "0x1"}]}]), -38013),
        (
            json!([{"blockOverrides": {"gasLimit": "0xa410"}, "calls": [{"to": OTHER, "gas": "0x5208"}, {"to": OTHER, "gas": "0x5209"}]}]),
            -38015,
        ),
        (json!([{"calls": [{"data": format!("0x{}", "00".repeat(49_153))}]}]), -38025),
        (json!([{"stateOverrides": {OTHER: {"movePrecompileToAddress": RICH}}}]), -32000),
        (
            json!([{"stateOverrides": {"0x0000000000000000000000000000000000000001": {"movePrecompileToAddress": "0x0000000000000000000000000000000000000001"}}}]),
            -38022,
        ),
        (json!([{"calls": [{"gas": "0x01"}]}]), -32602),
    ];
    for (blocks, code) in cases {
        let (told, message) = refusal(&node, blocks.clone(), false).await;
        assert_eq!(told, code, "{message}: {:.100}", blocks.to_string());
    }
    assert_eq!(refusal(&node, json!([]), false).await.1, "empty input");
    let too_many = vec![json!({}); 257];
    assert_eq!(refusal(&node, json!(too_many), false).await, (-38026, "too many blocks".to_owned()));
    let unknown = json!([{"blockStateCalls": [{}]}, "0x99"]);
    assert_eq!(node.refusal("eth_simulateV1", unknown).await.1, "header not found");
}

#[tokio::test(flavor = "multi_thread")]
async fn simulations_are_bounded_in_gas_and_time() {
    let machine = Machine::new(&FakeL1::new()).await;
    let limits = CallLimits { call_gas: 50_000, ..CallLimits::default() };
    let mut limited = Node::start(&machine, limits).await;
    limited.seal().await;
    let endless = json!({NOBODY.to_string(): {"code": "0x5b5f56"}});
    let blocks = json!([{"stateOverrides": endless, "calls": [{"to": NOBODY}, {"to": OTHER}]}]);
    let (code, message) = refusal(&limited, blocks, false).await;
    assert_eq!((code, message.as_str()), (-38026, "gas limit of the simulation reached"));

    let machine = Machine::new(&FakeL1::new()).await;
    let limits = CallLimits { call_timeout: std::time::Duration::ZERO, ..CallLimits::default() };
    let mut hasty = Node::start(&machine, limits).await;
    hasty.seal().await;
    let (code, message) = refusal(&hasty, json!([{}]), false).await;
    assert!(code == -32016 && message.starts_with("execution aborted"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn simulations_stand_on_earlier_blocks_too() {
    let (_machine, mut node) = node().await;
    node.seal().await;
    let before = node.ask("eth_simulateV1", json!([{"blockStateCalls": [{}]}])).await;
    node.send(transfer(0, 0, NOBODY, 5)).await;
    node.seal().await;
    let again = node.ask("eth_simulateV1", json!([{"blockStateCalls": [{}]}, "0x1"])).await;
    assert_eq!(again, before);
    let after = node.ask("eth_simulateV1", json!([{"blockStateCalls": [{}]}])).await;
    assert_ne!(after[0]["stateRoot"], before[0]["stateRoot"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn overridden_base_fee_is_seen_but_not_asked_of_calls_without_a_price() {
    let (_machine, mut node) = node().await;
    node.seal().await;
    let blocks = json!([{
        "blockOverrides": {"baseFeePerGas": "0x3ef"},
        "stateOverrides": {OTHER: {"code": "0x485f5260205ff3"}},
        "calls": [{"to": OTHER}],
    }]);
    let answer = simulate(&node, json!({"blockStateCalls": blocks})).await;
    assert_eq!(
        (&answer[0]["calls"][0]["returnData"], &answer[0]["baseFeePerGas"]),
        (&word(0x3ef), &json!("0x3ef"))
    );
}
