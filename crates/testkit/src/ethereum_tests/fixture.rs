//! The official JSON formats, as far as they are used.

use std::{collections::BTreeMap, fs, path::Path};

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, de::DeserializeOwned};

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Account {
    pub(super) balance: U256,
    pub(super) nonce: U256,
    pub(super) code: Bytes,
    pub(super) storage: BTreeMap<U256, U256>,
}

pub(super) type Alloc = BTreeMap<Address, Account>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StateTest {
    pub(super) env: Env,
    pub(super) pre: Alloc,
    pub(super) post: BTreeMap<String, Vec<Post>>,
    pub(super) config: Config,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Env {
    pub(super) current_coinbase: Address,
    pub(super) current_gas_limit: U256,
    pub(super) current_number: U256,
    pub(super) current_timestamp: U256,
    pub(super) current_random: B256,
    pub(super) current_base_fee: U256,
    pub(super) current_excess_blob_gas: U256,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Post {
    pub(super) hash: B256,
    pub(super) logs: B256,
    pub(super) txbytes: Bytes,
    pub(super) expect_exception: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Config {
    pub(super) chainid: U256,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlockTest {
    pub(super) network: String,
    #[serde(rename = "genesisRLP")]
    pub(super) genesis_rlp: Bytes,
    pub(super) pre: Alloc,
    pub(super) blocks: Vec<Block>,
    #[serde(rename = "lastblockhash")]
    pub(super) last_block_hash: B256,
    pub(super) post_state: Option<Alloc>,
    pub(super) post_state_hash: Option<B256>,
    pub(super) config: Option<Config>,
}

impl BlockTest {
    pub(super) fn chain_id(&self) -> u64 {
        self.config.as_ref().map_or(1, |config| config.chainid.to())
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Block {
    pub(super) rlp: Bytes,
    pub(super) expect_exception: Option<String>,
}

/// The tests of a file by name.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Vec<(String, T)> {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let tests: BTreeMap<String, T> =
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    tests.into_iter().collect()
}
