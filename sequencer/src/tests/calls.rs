//! Calls, estimates and access lists with overrides.

use alloy::{
    consensus::TxEip1559,
    primitives::{Address, B256, U256},
};
use serde_json::{Value, json};

use super::rig::{body, key, signed};
use super::rpc::{NOBODY, node, quantity};

/// Returns the hash of block 3.
const BLOCKHASH: &str = "0x6003405f5260205ff3";
/// Returns what calling address 0x1234 with the input gives.
const FORWARD: &str = "0x365f5f375f5f365f5f6112345af13d5f5f3e3d5ff3";
const IDENTITY: &str = "0x0000000000000000000000000000000000000004";
const ELSEWHERE: &str = "0x0000000000000000000000000000000000001234";

fn word(n: u64) -> Value {
    json!(B256::from(U256::from(n)))
}

#[tokio::test(flavor = "multi_thread")]
async fn block_overrides_are_what_the_code_sees() {
    let (_machine, mut node) = node().await;
    node.seal().await;
    let account = NOBODY.to_string();
    let read = |opcode: &str| json!({account.clone(): {"code": format!("0x{opcode}5f5260205ff3")}});
    let changes = json!({
        "number": "0x11", "time": "0x12", "gasLimit": "0x13", "feeRecipient": Address::with_last_byte(0x14),
        "prevRandao": B256::with_last_byte(0x15), "blobBaseFee": "0x17",
    });
    let seen = [("43", 0x11), ("42", 0x12), ("45", 0x13), ("41", 0x14), ("44", 0x15), ("4a", 0x17)];
    for (opcode, value) in seen {
        let call = json!([{"to": NOBODY, "gas": "0x10000"}, "latest", read(opcode), changes]);
        let result = node.answer("eth_call", call).await;
        if opcode == "45" {
            let text = result["error"]["message"].as_str().unwrap();
            assert!(text.starts_with("intrinsic gas too low"), "the gas limit bounds the call: {text}");
        } else {
            let lifted = json!([{"to": NOBODY}, "latest", read(opcode), without(&changes, "gasLimit")]);
            assert_eq!(node.ask("eth_call", lifted).await, word(value), "{opcode}");
        }
    }
    let priced = json!({"to": NOBODY, "from": key(0).address(), "maxFeePerGas": "0x3b9aca00"});
    let call = json!([priced, "latest", read("48"), {"baseFeePerGas": "0x16"}]);
    assert_eq!(node.ask("eth_call", call).await, word(0x16));
    let hashes = json!({"number": "0x5", "blockHash": {"0x3": word(0x33)}});
    let code = json!({account.clone(): {"code": BLOCKHASH}});
    assert_eq!(node.ask("eth_call", json!([{"to": NOBODY}, "latest", code, hashes])).await, word(0x33));
    let (code, text) = node.refusal("eth_call", json!([{}, "latest", {}, {"beaconRoot": word(1)}])).await;
    assert_eq!(code, -32000);
    assert!(text.contains("beaconRoot"), "{text}");
}

fn without(object: &Value, field: &str) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().remove(field);
    object
}

#[tokio::test(flavor = "multi_thread")]
async fn precompiles_move_and_give_way_to_code() {
    let (_machine, mut node) = node().await;
    node.seal().await;
    let call = |to: &str, overrides: Value| json!([{"to": to, "data": "0xabcd"}, "latest", overrides]);
    assert_eq!(node.ask("eth_call", call(IDENTITY, json!({}))).await, "0xabcd");

    let moved = json!({IDENTITY: {"movePrecompileToAddress": ELSEWHERE}});
    assert_eq!(node.ask("eth_call", call(ELSEWHERE, moved.clone())).await, "0xabcd");
    assert_eq!(node.ask("eth_call", call(IDENTITY, moved.clone())).await, "0x", "it is there no more");
    let mut forwarded = moved;
    forwarded[NOBODY.to_string()] = json!({"code": FORWARD});
    assert_eq!(node.ask("eth_call", call(&NOBODY.to_string(), forwarded)).await, "0xabcd");

    let replaced = json!({IDENTITY: {"code": "0x60075f5260205ff3"}});
    assert_eq!(node.ask("eth_call", call(IDENTITY, replaced)).await, word(7));

    let nobody = json!({NOBODY.to_string(): {"movePrecompileToAddress": ELSEWHERE}});
    let (code, text) = node.refusal("eth_call", call(IDENTITY, nobody)).await;
    assert_eq!((code, text), (-32000, format!("account {NOBODY} is not a precompile")));
    let itself = json!({IDENTITY: {"movePrecompileToAddress": IDENTITY}});
    let (_, text) = node.refusal("eth_call", call(IDENTITY, itself)).await;
    assert_eq!(text, format!("account {IDENTITY} is already overridden"));
}

#[tokio::test(flavor = "multi_thread")]
async fn state_replaces_storage_and_state_diff_adds_to_it() {
    let (_machine, mut node) = node().await;
    let contract = node.deploy().await;
    let call = json!({"from": key(0).address(), "to": contract});
    let gas = quantity(&node.ask("eth_estimateGas", json!([call])).await);
    // Slot 0 holds 42 already: writing it again costs less.
    let written = json!({contract.to_string(): {"stateDiff": {B256::ZERO.to_string(): word(42)}}});
    let less = quantity(&node.ask("eth_estimateGas", json!([call, "latest", written])).await);
    assert!(less + 15_000 < gas, "{less} {gas}");

    node.send(signed(0, TxEip1559 { gas_limit: 100_000, ..body(1, contract, 0) })).await;
    node.seal().await;
    let reader = "0x5f545f5260015460205260405ff3"; // slots 0 and 1
    let slot = |n: u64| B256::from(U256::from(n)).to_string();
    let overrides = |field: &str| {
        let storage = json!({slot(1): word(5)});
        json!({contract.to_string(): {"code": reader, field: storage}})
    };
    let both = json!({contract.to_string(): {"state": {}, "stateDiff": {}}});
    let (_, text) = node.refusal("eth_call", json!([call, "latest", both])).await;
    assert_eq!(text, format!("account {contract} has both 'state' and 'stateDiff'"));
    for (field, first) in [("state", 0), ("stateDiff", 42)] {
        let output = node.ask("eth_call", json!([call, "latest", overrides(field)])).await;
        let second = slot(5);
        assert_eq!(output, json!(format!("{}{}", slot(first), second.trim_start_matches("0x"))), "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_name_their_block_by_hash_and_their_input_twice() {
    let (_machine, mut node) = node().await;
    let sealed = node.seal().await;
    node.seal().await;
    let number = json!({NOBODY.to_string(): {"code": "0x435f5260205ff3"}});
    for block in [json!(sealed.hash), json!({"blockHash": sealed.hash, "requireCanonical": true})] {
        assert_eq!(node.ask("eth_call", json!([{"to": NOBODY}, block, number])).await, word(1));
    }
    assert_eq!(node.ask("eth_call", json!([{"to": NOBODY}, {"blockNumber": "0x2"}, number])).await, word(2));
    let (code, text) = node.refusal("eth_call", json!([{}, {"blockHash": B256::ZERO}])).await;
    assert_eq!((code, text.as_str()), (-32000, "header not found"));

    let twice = json!({"to": IDENTITY, "data": "0x12", "input": "0x12"});
    assert_eq!(node.ask("eth_call", json!([twice])).await, "0x12");
    let (code, text) = node.refusal("eth_call", json!([{"data": "0x12", "input": "0x13"}])).await;
    assert!(
        code == -32000 && text.starts_with("both \"data\" and \"input\" are set and not equal"),
        "{text}"
    );
    let (_, text) = node.refusal("eth_call", json!([{"gasPrice": "0x1", "maxFeePerGas": "0x1"}])).await;
    assert_eq!(text, "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified");
    let (_, text) =
        node.refusal("eth_call", json!([{"authorizationList": [], "input": "0x00"}, "latest"])).await;
    assert!(text.starts_with("EIP-7702 transaction cannot be used to create contract"), "{text}");
    let typed = json!({"to": IDENTITY, "data": "0x12", "type": "0x7f"});
    assert_eq!(node.ask("eth_call", json!([typed])).await, "0x12", "the named type counts for nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_carry_the_code_of_execution_apis() {
    let (_machine, mut node) = node().await;
    node.seal().await;
    let poor = json!([{"from": NOBODY, "to": NOBODY, "value": "0x1"}]);
    let error = node.answer("eth_call", poor).await["error"].clone();
    assert_eq!((&error["code"], &error["data"]), (&json!(-32000), &json!({"code": -38014})));
    let starved = json!([{"to": NOBODY, "gas": "0x1"}]);
    let error = node.answer("eth_call", starved).await["error"].clone();
    assert_eq!((&error["code"], &error["data"]), (&json!(-32000), &json!({"code": -38013})));
}

#[tokio::test(flavor = "multi_thread")]
async fn access_list_holds_what_is_touched_beside_sender_target_and_precompiles() {
    let (_machine, mut node) = node().await;
    let contract = node.deploy().await;
    let sender = key(0).address();
    let plain = json!({"from": sender, "to": NOBODY, "value": "0x1"});
    let created = node.ask("eth_createAccessList", json!([plain])).await;
    assert_eq!(created, json!({"accessList": [], "gasUsed": "0x5208"}));

    let created = node.ask("eth_createAccessList", json!([{"from": sender, "to": contract}])).await;
    let slots = json!([{"address": contract, "storageKeys": [B256::ZERO]}]);
    assert_eq!(created["accessList"], slots);
    // With the list the call takes the gas that the answer says.
    let listed = json!({"from": sender, "to": contract, "accessList": slots});
    let estimate = quantity(&node.ask("eth_estimateGas", json!([listed])).await);
    let used = quantity(&created["gasUsed"]);
    assert!(estimate >= used && estimate < used + used / 10, "{estimate} {used}");

    let reverting = json!({"from": sender, "to": contract, "data": "0xdeadbeef"});
    let created = node.ask("eth_createAccessList", json!([reverting])).await;
    assert_eq!(created["error"], "execution reverted");
    assert_eq!(created["accessList"], json!([]));
    // BALANCE of 0x1234, and SLOAD(1) only if that was warm: it is once the list says so.
    let code = "0x5a61123431505a90036103e8116011570 05b6001545000".replace(' ', "");
    let overrides = json!({NOBODY.to_string(): {"code": code}});
    let created = node.ask("eth_createAccessList", json!([{"to": NOBODY}, "latest", overrides])).await;
    let one = B256::with_last_byte(1);
    let both = json!([{"address": ELSEWHERE, "storageKeys": []}, {"address": NOBODY, "storageKeys": [one]}]);
    assert_eq!(created["accessList"], both, "{created}");
}
