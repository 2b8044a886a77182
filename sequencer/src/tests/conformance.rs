//! What execution-apis and geth say of parameters, answers and errors.

use alloy::{
    consensus::TxEip1559,
    primitives::{Address, B256, Bytes, TxKind, U256},
};
use serde_json::{Value, json};

use super::rig::{body, key, rollup, signed, transfer};
use super::rpc::{NOBODY, Node, node, quantity};

const NEVER: B256 = B256::repeat_byte(0x99);

#[tokio::test(flavor = "multi_thread")]
async fn badly_written_parameters_are_refused_by_name() {
    let (_machine, mut node) = node().await;
    node.seal().await;
    let bare = NOBODY.to_string().trim_start_matches("0x").to_owned();
    let cases = [
        ("eth_getBalance", json!([]), "missing value for required argument 0 (address)"),
        (
            "eth_getUncleCountByBlockHash",
            json!(["0x1"]),
            "invalid argument 0 (block hash): hex string of odd length",
        ),
        (
            "eth_sendRawTransaction",
            json!(["x"]),
            "invalid argument 0 (transaction): hex string without 0x prefix",
        ),
        (
            "eth_call",
            json!([{}, "latest", {}, {"withdrawals": [{}]}]),
            "invalid argument 3 (block overrides): withdrawals: blocks of this chain have no withdrawals",
        ),
        ("eth_getBalance", json!([bare]), "invalid argument 0 (address): hex string without 0x prefix"),
        ("eth_getBalance", json!(["0x777"]), "invalid argument 0 (address): hex string of odd length"),
        (
            "eth_getBalance",
            json!([NOBODY, "0x01"]),
            "invalid argument 1 (block): hex number with leading zero digits",
        ),
        (
            "eth_getBalance",
            json!([NOBODY, "newest"]),
            "invalid argument 1 (block): hex string without 0x prefix",
        ),
        (
            "eth_getBalance",
            json!([NOBODY, 1]),
            "invalid argument 1 (block): non-string where a hex string is expected",
        ),
        ("eth_getBalance", json!([NOBODY, "latest", 1]), "too many arguments, want at most 2"),
        (
            "eth_getBlockByNumber",
            json!(["0x10000000000000000", false]),
            "invalid argument 0 (block number): hex number > 64 bits",
        ),
        (
            "eth_getBlockByHash",
            json!(["0x12", false]),
            "invalid argument 0 (block hash): hex string has length 2, want 64 for hash",
        ),
        (
            "eth_getTransactionByBlockNumberAndIndex",
            json!(["latest", 1]),
            "invalid argument 1 (index): non-string where a hex string is expected",
        ),
        (
            "eth_call",
            json!([{"gas": "0x05"}]),
            "invalid argument 0 (transaction): gas: hex number with leading zero digits",
        ),
        (
            "eth_getLogs",
            json!([{"fromBlock": "0x01"}]),
            "invalid argument 0 (filter): fromBlock: hex number with leading zero digits",
        ),
        ("eth_getStorageAt", json!([NOBODY, "0xasdf"]), "invalid hex in storage key: \"0xasdf\""),
        ("eth_getProof", json!([NOBODY, ["zz"]]), "invalid hex in storage key: \"zz\""),
        ("eth_getStorageValues", json!([{}]), "empty request"),
        ("eth_getLogs", json!([{"fromBlock": "0x1", "toBlock": "0x0"}]), "invalid block range params"),
        ("eth_getLogs", json!([{"fromBlock": "0x2", "toBlock": "latest"}]), "invalid block range params"),
        (
            "eth_getLogs",
            json!([{"fromBlock": "0x0", "toBlock": "0x2"}]),
            "block range extends beyond current head block",
        ),
        ("eth_newFilter", json!([{"fromBlock": "0x2", "toBlock": "0x1"}]), "invalid block range params"),
        ("eth_feeHistory", json!(["0x1", "0x9"]), "request beyond head block: requested 9, head 1"),
        ("eth_feeHistory", json!(["0x1", "latest", [101]]), "invalid reward percentile: 101.000000"),
    ];
    for (method, params, text) in cases {
        assert_eq!(node.refusal(method, params).await, (-32602, text.to_owned()), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_null_or_an_error_as_in_geth() {
    let (_machine, mut node) = node().await;
    node.seal().await;
    let nulls = [
        ("eth_getBlockByNumber", json!(["0x9", false])),
        ("eth_getBlockByHash", json!([NEVER, false])),
        ("eth_getHeaderByNumber", json!(["0x9"])),
        ("eth_getHeaderByNumber", json!(["pending"])),
        ("eth_getHeaderByHash", json!([NEVER])),
        ("eth_getBlockReceipts", json!(["0x9"])),
        ("eth_getBlockReceipts", json!([NEVER])),
        ("eth_getBlockTransactionCountByNumber", json!(["0x9"])),
        ("eth_getBlockTransactionCountByHash", json!([NEVER])),
        ("eth_getUncleCountByBlockHash", json!([NEVER])),
        ("eth_getUncleByBlockNumberAndIndex", json!(["0x1", "0x0"])),
        ("eth_getUncleByBlockHashAndIndex", json!([NEVER, "0x0"])),
        ("eth_getTransactionByHash", json!([NEVER])),
        ("eth_getTransactionReceipt", json!([NEVER])),
        ("eth_getRawTransactionByHash", json!([NEVER])),
        ("debug_getRawTransaction", json!([NEVER])),
        ("eth_getRawTransactionByBlockNumberAndIndex", json!(["0x1", "0x9"])),
        ("eth_getRawTransactionByBlockHashAndIndex", json!([NEVER, "0x0"])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["0x9", "0x0"])),
        ("eth_getTransactionByBlockHashAndIndex", json!([NEVER, "0x0"])),
        ("eth_getAccount", json!([NOBODY, "latest"])),
        ("eth_getBlockAccessList", json!([NEVER])),
    ];
    for (method, params) in nulls {
        assert!(node.ask(method, params).await.is_null(), "{method}");
    }
    let errors = [
        ("eth_getBalance", json!([NOBODY, "0x9"]), "header not found"),
        ("eth_getCode", json!([NOBODY, "0x9"]), "header not found"),
        ("eth_getTransactionCount", json!([NOBODY, {"blockHash": NEVER}]), "header not found"),
        ("eth_getStorageAt", json!([NOBODY, "0x0", "0x9"]), "header not found"),
        ("eth_getProof", json!([NOBODY, [], "0x9"]), "header not found"),
        ("eth_call", json!([{}, "0x9"]), "header not found"),
        ("eth_createAccessList", json!([{}, "0x9"]), "header not found"),
        ("eth_getLogs", json!([{"blockHash": NEVER}]), "unknown block"),
        ("eth_getFilterChanges", json!(["0x1"]), "filter not found"),
        ("eth_getFilterLogs", json!(["0x1"]), "filter not found"),
    ];
    for (method, params, text) in errors {
        assert_eq!(node.refusal(method, params).await, (-32000, text.to_owned()), "{method}");
    }
    assert_eq!(node.refusal("eth_getBlockAccessList", json!(["latest"])).await.0, 4445);
    assert_eq!(node.ask("eth_uninstallFilter", json!(["0x1"])).await, false);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_slots_that_do_not_exist_have_proofs_and_zeros() {
    let (_machine, mut node) = node().await;
    let contract = node.deploy().await;
    let proof = node.ask("eth_getProof", json!([NOBODY, ["0x01", "0x0"], "latest"])).await;
    assert_eq!((&proof["balance"], &proof["nonce"]), (&json!("0x0"), &json!("0x0")));
    assert_eq!(proof["codeHash"], "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    assert_eq!(proof["storageHash"], "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");
    assert!(!proof["accountProof"].as_array().unwrap().is_empty());
    let slots =
        json!([{"key": "0x1", "value": "0x0", "proof": []}, {"key": "0x0", "value": "0x0", "proof": []}]);
    assert_eq!(proof["storageProof"], slots);
    let whole = B256::with_last_byte(1);
    let proof = node.ask("eth_getProof", json!([NOBODY, [whole]])).await;
    assert_eq!(proof["storageProof"][0]["key"], json!(whole), "keys come back in their form");

    for key in ["0x0", "0x00", "0", "0x0000000000000000000000000000000000000000000000000000000000000000"] {
        assert_eq!(node.ask("eth_getStorageAt", json!([contract, key, "latest"])).await, json!(B256::ZERO));
    }
    let wanted = json!({contract.to_string(): ["0x0", "0x1"], NOBODY.to_string(): ["0x0"]});
    let values = node.ask("eth_getStorageValues", json!([wanted, "latest"])).await;
    assert_eq!(values[contract.to_string().to_lowercase()], json!([B256::ZERO, B256::ZERO]));
    assert_eq!(values[NOBODY.to_string().to_lowercase()], json!([B256::ZERO]));
    let account = node.ask("eth_getAccount", json!([contract, "latest"])).await;
    assert_eq!((&account["nonce"], &account["balance"]), (&json!("0x1"), &json!("0x0")));
    let info = node.ask("eth_getAccountInfo", json!([contract, "latest"])).await;
    assert_eq!(info["code"], node.ask("eth_getCode", json!([contract])).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_receipts_and_blocks_have_the_fields_of_their_types() {
    let (_machine, mut node) = node().await;
    let hash = node.send(transfer(0, 0, NOBODY, 5)).await;
    let sealed = node.seal().await;
    let transaction = node.ask("eth_getTransactionByHash", json!([hash])).await;
    for field in [
        "blockHash",
        "blockNumber",
        "from",
        "gas",
        "gasPrice",
        "maxFeePerGas",
        "maxPriorityFeePerGas",
        "hash",
        "input",
        "nonce",
        "to",
        "transactionIndex",
        "value",
        "type",
        "chainId",
        "v",
        "r",
        "s",
        "yParity",
    ] {
        assert!(transaction[field].is_string(), "{field}: {transaction}");
    }
    assert_eq!(transaction["accessList"], json!([]));
    assert_eq!(transaction["v"], transaction["yParity"]);
    assert_eq!(quantity(&transaction["chainId"]), rollup().chain.l2_chain_id);
    let deposit = node.ask("eth_getTransactionByBlockNumberAndIndex", json!(["latest", "0x0"])).await;
    for field in ["sourceHash", "mint", "from", "to", "depositReceiptVersion", "nonce"] {
        assert!(deposit.get(field).is_some(), "{field}: {deposit}");
    }
    let receipt = node.receipt(hash).await;
    for field in [
        "type",
        "status",
        "transactionHash",
        "transactionIndex",
        "blockHash",
        "blockNumber",
        "from",
        "to",
        "logsBloom",
        "cumulativeGasUsed",
        "gasUsed",
        "effectiveGasPrice",
        "l1Fee",
        "l1GasPrice",
        "l1GasUsed",
        "l1BaseFeeScalar",
        "l1BlobBaseFee",
        "l1BlobBaseFeeScalar",
    ] {
        assert!(receipt[field].is_string(), "{field}: {receipt}");
    }
    assert!(receipt["contractAddress"].is_null() && receipt["logs"] == json!([]));
    let block = node.ask("eth_getBlockByNumber", json!(["latest", false])).await;
    for field in
        ["withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash", "size"]
    {
        assert!(block[field].is_string(), "{field}: {block}");
    }
    assert_eq!((&block["withdrawals"], &block["uncles"]), (&json!([]), &json!([])));
    let header = node.ask("eth_getHeaderByNumber", json!(["latest"])).await;
    assert_eq!(header["hash"], json!(sealed.hash));
    assert!(header.get("transactions").is_none() && header.get("size").is_none(), "{header}");
    assert_eq!(node.ask("eth_getHeaderByHash", json!([sealed.hash])).await, header);
    let raw = node.ask("eth_getRawTransactionByHash", json!([hash])).await;
    for (method, block) in [
        ("eth_getRawTransactionByBlockNumberAndIndex", json!("latest")),
        ("eth_getRawTransactionByBlockHashAndIndex", json!(sealed.hash)),
    ] {
        assert_eq!(node.ask(method, json!([block, "0x1"])).await, raw);
    }
}

/// Asks about the open block, for which the engine has to answer.
async fn ask_open(node: &mut Node, method: &str, params: Value) -> Value {
    let module = node.module.clone();
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let (answer, answered) =
        tokio::join!(module.raw_json_request(&request, 1), node.sequencer.engine.answer_next());
    answered.unwrap();
    let answer: Value = serde_json::from_str(answer.unwrap().0.get()).unwrap();
    assert!(answer.get("error").is_none(), "{method}: {answer}");
    answer["result"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn executed_transactions_are_shown_before_their_block_is_sealed() {
    let (_machine, mut node) = node().await;
    node.seal().await;
    let hash = node.send(transfer(0, 0, NOBODY, 5)).await;
    node.sequencer.advance().await;

    assert!(node.receipt(hash).await.is_null(), "its effects are not in the latest state");
    let receipt = ask_open(&mut node, "eth_getBlockReceipts", json!(["pending"])).await[1].clone();
    assert_eq!((&receipt["status"], &receipt["blockHash"]), (&json!("0x1"), &Value::Null));
    let waiting = node.ask("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!((&waiting["hash"], &waiting["blockNumber"]), (&json!(hash), &Value::Null));
    let raw = node.ask("eth_getRawTransactionByHash", json!([hash])).await;

    let simulated =
        ask_open(&mut node, "eth_simulateV1", json!([{"blockStateCalls": [{}]}, "pending"])).await;
    assert_eq!(simulated[0]["number"], "0x3");
    assert_eq!(ask_open(&mut node, "eth_getBalance", json!([NOBODY, "pending"])).await, "0x5");

    let sealed = node.seal().await;
    let mut shown = node.receipt(hash).await;
    assert_eq!(shown["blockHash"], json!(sealed.hash));
    shown["blockHash"] = Value::Null;
    assert_eq!(shown, receipt, "a receipt once shown changes in nothing else");
    assert_eq!(node.ask("eth_getRawTransactionByHash", json!([hash])).await, raw);
    let by_nonce = node.ask("eth_getTransactionBySenderAndNonce", json!([key(0).address(), "0x0"])).await;
    assert_eq!(by_nonce["hash"], json!(hash));
    assert!(node.ask("eth_getTransactionBySenderAndNonce", json!([key(0).address(), "0x1"])).await.is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn node_tells_what_it_is() {
    let (_machine, mut node) = node().await;
    node.seal().await;
    let block = node.ask("eth_getBlockByNumber", json!(["latest", false])).await;
    let config = node.ask("eth_config", json!([])).await;
    let current = &config["current"];
    assert_eq!((&config["next"], &config["last"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&current["activationTime"], quantity(&current["chainId"])),
        (&json!(0), rollup().chain.l2_chain_id)
    );
    assert_eq!(current["forkId"].as_str().unwrap().len(), 10);
    assert_eq!(current["precompiles"]["ECREC"], json!(Address::with_last_byte(1)));
    assert_eq!(current["systemContracts"].as_object().unwrap().len(), 2);
    let blobs = current["blobSchedule"].as_object().unwrap();
    assert!(
        ["target", "max", "baseFeeUpdateFraction"].iter().all(|field| blobs[*field].is_u64()),
        "{blobs:?}"
    );

    let capabilities = node.ask("eth_capabilities", json!([])).await;
    assert_eq!(capabilities["head"]["number"], "0x1");
    assert_eq!(capabilities["blocks"], json!({"disabled": false, "oldestBlock": "0x0"}));
    assert_eq!(capabilities["state"]["deleteStrategy"], json!({"type": "window", "retentionBlocks": "0x40"}));
    assert_eq!(node.ask("eth_coinbase", json!([])).await, block["miner"]);
    assert_eq!(node.ask("eth_mining", json!([])).await, false);
    assert_eq!(node.ask("eth_hashrate", json!([])).await, "0x0");
    assert_eq!(node.ask("eth_syncing", json!([])).await, false);
    assert_eq!(node.ask("eth_protocolVersion", json!([])).await, "0x44");
    assert_eq!(node.ask("eth_accounts", json!([])).await, json!([]));
    let modules = node.ask("rpc_modules", json!([])).await;
    for name in ["debug", "eth", "lockstep", "ots", "trace", "web3"] {
        assert_eq!(modules[name], "1.0", "{name}");
    }
    assert_eq!(node.ask("debug_getBadBlocks", json!([])).await, json!([]));
    assert_eq!(
        node.ask("web3_sha3", json!(["0x"])).await,
        "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    );
    for method in ["eth_sign", "eth_signTransaction", "eth_sendTransaction"] {
        let (code, text) = node.refusal(method, json!([{"from": NOBODY}])).await;
        assert!(code == -32000 && text.starts_with("unknown account"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pool_is_told_by_sender_and_as_text() {
    let (_machine, node) = node().await;
    node.send(transfer(0, 0, NOBODY, 5)).await;
    node.send(transfer(0, 2, NOBODY, 5)).await;
    node.send(transfer(1, 0, NOBODY, 5)).await;
    let sender = key(0).address();
    let content = node.ask("txpool_contentFrom", json!([sender])).await;
    assert_eq!(content["pending"]["0"]["from"], json!(sender));
    assert_eq!(content["queued"].as_object().unwrap().keys().collect::<Vec<_>>(), ["2"]);
    let all = node.ask("txpool_content", json!([])).await;
    assert_eq!(all["pending"].as_object().unwrap().len(), 2);
    let inspected = node.ask("txpool_inspect", json!([])).await;
    let line =
        inspected["pending"].as_object().unwrap().values().next().unwrap()["0"].as_str().unwrap().to_owned();
    assert_eq!(line, format!("{NOBODY}: 5 wei + 21000 gas × 1000000000 wei"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_filter_reports_what_entered_the_pool() {
    let (_machine, node) = node().await;
    let filter = node.ask("eth_newPendingTransactionFilter", json!([])).await;
    assert_eq!(node.ask("eth_getFilterChanges", json!([filter])).await, json!([]));
    let hash = node.send(transfer(0, 0, NOBODY, 5)).await;
    assert_eq!(node.ask("eth_getFilterChanges", json!([filter])).await, json!([hash]));
    assert_eq!(node.ask("eth_getFilterChanges", json!([filter])).await, json!([]));
    assert_eq!(node.refusal("eth_getFilterLogs", json!([filter])).await.1, "filter not found");

    let filter = node.ask("eth_newPendingTransactionFilter", json!([true])).await;
    let hash = node.send(transfer(0, 1, NOBODY, 5)).await;
    let whole = node.ask("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!(node.ask("eth_getFilterChanges", json!([filter])).await, json!([whole]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_fails_has_an_address_all_the_same() {
    let (_machine, mut node) = node().await;
    let input = Bytes::from_static(&[0x5f, 0x5f, 0xfd]); // PUSH0 PUSH0 REVERT
    let creation = TxEip1559 { to: TxKind::Create, gas_limit: 100_000, input, ..body(0, NOBODY, 0) };
    let hash = node.send(signed(0, creation)).await;
    node.seal().await;
    let receipt = node.receipt(hash).await;
    assert_eq!(receipt["status"], "0x0");
    assert_eq!(receipt["contractAddress"], json!(key(0).address().create(0)));
    assert_eq!(node.ask("eth_getBlockReceipts", json!(["latest"])).await[1], receipt);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditional_submission_enters_only_while_its_condition_holds() {
    let (_machine, mut node) = node().await;
    let contract = node.deploy().await;
    let slot = B256::ZERO.to_string();
    let known = |value: u64| json!({"knownAccounts": {contract.to_string(): {slot.clone(): B256::from(U256::from(value))}}});
    let raw = json!(transfer(1, 0, NOBODY, 5));
    let method = "eth_sendRawTransactionConditional";
    let (code, text) = node.refusal(method, json!([raw, known(1)])).await;
    assert!(code == -32003 && text.starts_with("failed state check"), "{text}");
    let (code, text) = node.refusal(method, json!([raw, {"blockNumberMin": "0x9"}])).await;
    assert!(code == -32003 && text.starts_with("failed header check"), "{text}");
    let slots: serde_json::Map<_, _> =
        (0..1_001).map(|n| (B256::from(U256::from(n)).to_string(), json!(B256::ZERO))).collect();
    let (code, text) =
        node.refusal(method, json!([raw, {"knownAccounts": {NOBODY.to_string(): slots}}])).await;
    assert_eq!((code, text.as_str()), (-32005, "conditional cost, 1001, exceeded max: 1000"));
    let hash = node.ask(method, json!([raw, known(0)])).await;
    node.seal().await;
    let receipt = node.ask("eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!(receipt["status"], "0x1");
}

#[tokio::test(flavor = "multi_thread")]
async fn fee_history_weighs_the_tips_of_each_block_by_gas() {
    let (_machine, mut node) = node().await;
    let contract = node.deploy().await; // pays 1 wei per gas
    let tipped = |from, max_priority_fee_per_gas| {
        signed(from, TxEip1559 { max_priority_fee_per_gas, ..body(0, NOBODY, 5) })
    };
    // Two transfers of 21,000 gas around a call of more than twice that.
    node.send(tipped(1, 7)).await;
    node.send(tipped(2, 9)).await;
    let call = TxEip1559 { gas_limit: 100_000, max_priority_fee_per_gas: 8, ..body(0, contract, 0) };
    node.send(signed(3, call)).await;
    node.seal().await;
    node.seal().await;
    node.send(tipped(4, 3)).await;
    node.seal().await;

    let history = node.ask("eth_feeHistory", json!(["0x4", "latest", [0, 20, 50, 80, 100]])).await;

    assert_eq!(
        history["reward"],
        json!([
            ["0x1", "0x1", "0x1", "0x1", "0x1"],
            ["0x7", "0x7", "0x8", "0x9", "0x9"],
            ["0x0", "0x0", "0x0", "0x0", "0x0"],
            ["0x3", "0x3", "0x3", "0x3", "0x3"],
        ])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn fee_history_answers_at_its_edges() {
    let (_machine, mut node) = node().await;
    node.seal().await;
    let none = node.ask("eth_feeHistory", json!(["0x0", "latest"])).await;
    assert_eq!(none["oldestBlock"], "0x0");
    assert!(none.get("reward").is_none(), "{none}");
    let pending = node.ask("eth_feeHistory", json!(["0x5", "pending", [50]])).await;
    assert_eq!((&pending["oldestBlock"], &pending["reward"]), (&json!("0x0"), &json!([["0x0"], ["0x0"]])));
    let lengths = ["baseFeePerGas", "gasUsedRatio"].map(|field| pending[field].as_array().unwrap().len());
    assert_eq!(lengths, [3, 2]);
    assert_eq!(node.ask("eth_baseFee", json!([])).await, pending["baseFeePerGas"][2]);
}
