//! The files' formats. They are given and known, so what does not fit them panics with the file's name.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::Path,
};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256, map::B256Map};
use flate2::read::GzDecoder;
use revm::{bytecode::Bytecode, database::InMemoryDB, state::AccountInfo};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};
use serde_json::Value;

/// A block as JSON-RPC gives it, with whole transactions.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
pub(super) struct Block<T> {
    #[serde(flatten)]
    pub(super) header: Header,
    hash: B256,
    pub(super) transactions: Vec<Transaction<T>>,
}

/// A transaction and its sender.
pub(super) struct Transaction<T> {
    pub(super) tx: T,
    pub(super) from: Address,
}

#[derive(Deserialize)]
struct Sender {
    from: Address,
}

/// In two passes: `from` is a field of deposits themselves, too.
impl<'de, T: DeserializeOwned> Deserialize<'de> for Transaction<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let json = Value::deserialize(json)?;
        let Sender { from } = Sender::deserialize(&json).map_err(D::Error::custom)?;
        Ok(Self { tx: T::deserialize(json).map_err(D::Error::custom)?, from })
    }
}

#[derive(Deserialize)]
struct Account {
    balance: U256,
    nonce: u64,
    code_hash: Option<B256>,
    storage: BTreeMap<U256, U256>,
}

/// The block in `folder`; its header is complete, since it has the block's hash.
pub(super) fn block<T: DeserializeOwned>(folder: &Path) -> Block<T> {
    let path = folder.join("block.json.gz");
    let block: Block<T> = json(&path);
    assert_eq!(block.header.hash_slow(), block.hash, "hash of the header in {}", path.display());
    block
}

/// The state before the block in `folder`, as far as the block touches it.
pub(super) fn state(folder: &Path, codes: &B256Map<Bytecode>) -> InMemoryDB {
    let path = folder.join("pre_state.json.gz");
    let accounts: BTreeMap<Address, Account> = json(&path);
    let mut db = InMemoryDB::default();
    for (address, Account { balance, nonce, code_hash, storage }) in accounts {
        let mut info = AccountInfo { balance, nonce, ..AccountInfo::default() };
        if let Some(hash) = code_hash {
            let code = codes.get(&hash).unwrap_or_else(|| panic!("{}: no code {hash}", path.display()));
            info = info.with_code_and_hash(code.clone(), hash);
        }
        db.insert_account_info(address, info);
        let storage = storage.into_iter().filter(|(_, value)| !value.is_zero());
        db.cache.accounts.entry(address).or_default().storage.extend(storage);
    }
    db
}

/// The folders below `root` that are named with a number, sorted.
pub(super) fn numbers(root: &Path) -> Vec<u64> {
    let entries = root.read_dir().unwrap_or_else(|error| panic!("{}: {error}", root.display()));
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut numbers: Vec<u64> = names.filter_map(|name| name.parse().ok()).collect();
    assert!(!numbers.is_empty(), "LOCKSTEP_DATA is set, but {} holds no blocks", root.display());
    numbers.sort_unstable();
    numbers
}

pub(super) fn json<T: DeserializeOwned>(path: &Path) -> T {
    serde_json::from_slice(&unzip(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(super) fn unzip(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| GzDecoder::new(file).read_to_end(&mut bytes))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    bytes
}

pub(super) fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads an integer of bincode 2, standard configuration, and advances `input` past it.
pub(super) fn bincode_integer(input: &mut &[u8]) -> u64 {
    let (&first, rest) = input.split_first().expect("an integer is there");
    *input = rest;
    let length = match first {
        0xfb => 2,
        0xfc => 4,
        0xfd => 8,
        short => return short.into(),
    };
    let mut bytes = [0; 8];
    bytes[..length].copy_from_slice(bincode_bytes(input, length));
    u64::from_le_bytes(bytes)
}

/// Takes `length` bytes from `input`.
pub(super) fn bincode_bytes<'a>(input: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (bytes, rest) = input.split_at_checked(length).expect("the bytes are there");
    *input = rest;
    bytes
}
