//! The official JSON formats, as far as they are used.

use std::{collections::BTreeMap, fs, path::Path};

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, de::DeserializeOwned};

#[derive(Clone, Debug, Deserialize)]
pub struct Account {
    pub balance: U256,
    pub nonce: U256,
    pub code: Bytes,
    pub storage: BTreeMap<U256, U256>,
}

pub type Alloc = BTreeMap<Address, Account>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateTest {
    pub env: Env,
    pub pre: Alloc,
    pub post: BTreeMap<String, Vec<Post>>,
    pub config: Config,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Env {
    pub current_coinbase: Address,
    pub current_gas_limit: U256,
    pub current_number: U256,
    pub current_timestamp: U256,
    pub current_random: B256,
    pub current_base_fee: U256,
    pub current_excess_blob_gas: U256,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Post {
    pub hash: B256,
    pub logs: B256,
    pub txbytes: Bytes,
    pub expect_exception: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Config {
    pub chainid: U256,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockTest {
    pub network: String,
    #[serde(rename = "genesisRLP")]
    pub genesis_rlp: Bytes,
    pub pre: Alloc,
    pub blocks: Vec<Block>,
    #[serde(rename = "lastblockhash")]
    pub last_block_hash: B256,
    pub post_state: Option<Alloc>,
    pub post_state_hash: Option<B256>,
    pub config: Option<Config>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    pub rlp: Bytes,
    pub expect_exception: Option<String>,
}

/// The tests of a file by name.
pub fn read<T: DeserializeOwned>(path: &Path) -> Vec<(String, T)> {
    let text = fs::read(path).unwrap();
    let tests: BTreeMap<String, T> =
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    tests.into_iter().collect()
}
