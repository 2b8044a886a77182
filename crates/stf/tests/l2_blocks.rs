//! Real blocks of an OP Stack chain (Jovian), executed again: every header must come out with its hash.
//!
//! Data: `$LOCKSTEP_DATA/l2-blocks`, the blocks with the accounts that they touch; unset, the run says that they
//! were left out. The state root and the `L2ToL1MessagePasser`'s storage root are taken from the header, since
//! a part of the state has no root; gas, receipts root, logs bloom, transactions root and all else are derived.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    collections::BTreeMap,
    env,
    fs::File,
    io::{Read, Write},
    path::Path,
};

use alloy_consensus::{
    Header,
    transaction::{Recovered, SignerRecoverable},
};
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256, keccak256};
use flate2::read::GzDecoder;
use lockstep_primitives::{BlockId, OpTxEnvelope};
use lockstep_stf::{BlockBuilder, Draft, OpSpecId, Rules};
use revm::{bytecode::Bytecode, database::InMemoryDB, state::AccountInfo};
use serde::{Deserialize, de::DeserializeOwned};

const CHAIN_ID: u64 = 4153;

#[derive(Deserialize)]
struct Block {
    #[serde(flatten)]
    header: Header,
    hash: B256,
    transactions: Vec<OpTxEnvelope>,
}

#[derive(Deserialize)]
struct Account {
    balance: U256,
    nonce: u64,
    code_hash: Option<B256>,
    storage: BTreeMap<U256, U256>,
}

#[test]
fn real_blocks_come_out_with_their_hashes() {
    let Some(data) = env::var_os("LOCKSTEP_DATA") else {
        return say("real L2 blocks: left out, LOCKSTEP_DATA is not set");
    };
    let root = Path::new(&data).join("l2-blocks");
    let codes = unzip(&root.join("bytecodes.bincode.gz"));
    let mut blocks = 0;
    for entry in root.read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let block: Block = json(&entry.join("block.json.gz"));
        let accounts: BTreeMap<Address, Account> = json(&entry.join("pre_state.json.gz"));
        execute(block, database(accounts, &codes));
        blocks += 1;
    }
    assert!(blocks > 0, "LOCKSTEP_DATA is set, but {} holds no blocks", root.display());
    say(&format!("real L2 blocks: {blocks} passed"));
}

fn execute(block: Block, db: InMemoryDB) {
    let draft = Draft { header: draft(&block.header), l1_origin: BlockId::default(), sequence_number: 0 };
    let rules = Rules::at(CHAIN_ID, OpSpecId::JOVIAN);
    let mut builder = BlockBuilder::from_draft(db, &rules, draft).unwrap();
    for (index, tx) in block.transactions.into_iter().enumerate() {
        let outcome = match tx {
            OpTxEnvelope::Deposit(deposit) => builder.force(deposit),
            tx => {
                let sender = tx.recover_signer().unwrap();
                builder.push(Recovered::new_unchecked(tx, sender))
            }
        };
        outcome.unwrap_or_else(|error| panic!("transaction {index}: {error:?}"));
    }
    let Header { state_root, withdrawals_root, .. } = block.header;
    let sealed = builder.finish().unwrap().seal(state_root, withdrawals_root.unwrap());
    assert_eq!(sealed.header, block.header);
    assert_eq!(sealed.hash, block.hash);
}

/// `header` without what execution gives.
fn draft(header: &Header) -> Header {
    Header {
        state_root: B256::ZERO,
        transactions_root: B256::ZERO,
        receipts_root: B256::ZERO,
        withdrawals_root: None,
        logs_bloom: Bloom::ZERO,
        nonce: B64::ZERO,
        gas_used: 0,
        blob_gas_used: None,
        ..header.clone()
    }
}

fn database(accounts: BTreeMap<Address, Account>, codes: &[u8]) -> InMemoryDB {
    let mut db = InMemoryDB::default();
    for (address, account) in accounts {
        let code = account.code_hash.map_or_else(Bytes::new, |hash| code(codes, hash));
        let info = AccountInfo::from_bytecode(Bytecode::new_raw(code));
        db.insert_account_info(
            address,
            AccountInfo { balance: account.balance, nonce: account.nonce, ..info },
        );
        for (slot, value) in account.storage {
            db.insert_account_storage(address, slot, value).unwrap();
        }
    }
    db
}

/// Finds the code with this hash: `hash ++ kind [1] ++ length [bincode varint] ++ code`, padded with zeros.
fn code(codes: &[u8], hash: B256) -> Bytes {
    let at = codes.windows(32).position(|window| window == hash.as_slice()).unwrap() + 33;
    let (length, start) = match codes[at] {
        0xfb => (usize::from(u16::from_le_bytes([codes[at + 1], codes[at + 2]])), at + 3),
        0xfc => (u32::from_le_bytes(codes[at + 1..at + 5].try_into().unwrap()) as usize, at + 5),
        short => (usize::from(short), at + 1),
    };
    let padded = &codes[start..start + length];
    let exact = (0..=length).rev().find(|end| keccak256(&padded[..*end]) == hash);
    Bytes::copy_from_slice(&padded[..exact.expect("the hash is that of the code")])
}

fn json<T: DeserializeOwned>(path: &Path) -> T {
    serde_json::from_slice(&unzip(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn unzip(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Past the capture of the test harness, which `eprintln!` obeys: what was left out must be seen in every run.
#[allow(clippy::explicit_write)]
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}
