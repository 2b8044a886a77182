//! Golden bytes that Solidity and Rust must agree on: `tests/vectors/*.json`, read by `contracts/test` too.
//!
//! `LOCKSTEP_BLESS=1 cargo test -p lockstep-contracts --test vectors` writes them anew: a format change.

#![allow(clippy::unwrap_used, missing_docs)]

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use alloy_primitives::{Address, B256, Bytes, U256, address, bytes, keccak256};
use alloy_sol_types::SolValue;
use alloy_trie::{HashBuilder, Nibbles, proof::ProofRetainer};
use lockstep_contracts::l2::Withdrawal;
use serde_json::{Value, json};

const SENDER: Address = address!("4200000000000000000000000000000000000010");
const TARGET: Address = address!("1000000000000000000000000000000000000001");

fn check(name: &str, value: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors").join(name);
    let text = format!("{}\n", serde_json::to_string_pretty(value).unwrap());
    if env::var_os("LOCKSTEP_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    } else {
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "{name}");
    }
}

fn withdrawal(counter: u64) -> Withdrawal {
    Withdrawal {
        nonce: (U256::from(1) << 240) | U256::from(counter),
        sender: SENDER,
        target: TARGET,
        value: U256::from(1_000_000_007 * counter),
        gasLimit: U256::from(250_000 + counter),
        data: bytes!("1635f5fd0000000000000000000000000000000000000000000000000000000000000001"),
    }
}

fn withdrawal_hash(withdrawal: &Withdrawal) -> B256 {
    keccak256(withdrawal.abi_encode_params())
}

/// Storage root of the message passer after withdrawals 0 to 99, and the proof of `proven`.
fn message_passer(proven: u64) -> (B256, Vec<Bytes>) {
    let key = |hash: B256| keccak256(keccak256((hash, B256::ZERO).abi_encode()));
    let counter = keccak256(B256::with_last_byte(1));
    let mut slots: BTreeMap<B256, Vec<u8>> =
        (0..100).map(|n| (key(withdrawal_hash(&withdrawal(n))), vec![1])).collect();
    slots.insert(counter, vec![100]);
    let target = Nibbles::unpack(key(withdrawal_hash(&withdrawal(proven))));
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(vec![target]));
    for (key, value) in &slots {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    let root = builder.root();
    let proof = builder.take_proof_nodes().into_nodes_sorted().into_iter().map(|(_, node)| node).collect();
    (root, proof)
}

#[test]
fn withdrawal_and_its_proof() {
    let withdrawal = withdrawal(42);
    let (storage_root, proof) = message_passer(42);
    assert!(proof.len() > 1, "a proof that goes through branches");
    let state_root = keccak256("state");
    let block_hash = keccak256("block");
    let output_root = keccak256((B256::ZERO, state_root, storage_root, block_hash).abi_encode());
    check(
        "withdrawal.json",
        &json!({
            "nonce": withdrawal.nonce.to_string(),
            "sender": withdrawal.sender,
            "target": withdrawal.target,
            "value": withdrawal.value.to_string(),
            "gasLimit": withdrawal.gasLimit.to_string(),
            "data": withdrawal.data,
            "withdrawalHash": withdrawal_hash(&withdrawal),
            "stateRoot": state_root,
            "messagePasserStorageRoot": storage_root,
            "latestBlockhash": block_hash,
            "outputRoot": output_root,
            "withdrawalProof": proof,
        }),
    );
}

#[test]
fn deposit_log() {
    let data = bytes!("a9059cbb00ff");
    let (mint, value, gas_limit) = (U256::from(5_000_000_000u64), U256::from(3_000_000_000u64), 123_456u64);
    let opaque = (mint, value, gas_limit, false, data.clone()).abi_encode_packed();
    let l1_block_hash = keccak256("l1 block");
    let log_index = U256::from(7);
    let source = keccak256((B256::ZERO, keccak256((l1_block_hash, log_index).abi_encode())).abi_encode());
    check(
        "deposit.json",
        &json!({
            "from": SENDER,
            "to": TARGET,
            "mint": mint.to_string(),
            "value": value.to_string(),
            "gasLimit": gas_limit.to_string(),
            "isCreation": false,
            "data": data,
            "opaqueData": Bytes::from(opaque),
            "l1BlockHash": l1_block_hash,
            "logIndex": log_index.to_string(),
            "sourceHash": source,
        }),
    );
}
