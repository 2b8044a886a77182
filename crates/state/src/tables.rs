//! The database's tables and what is read from them.
//!
//! Values are kept per block: what a key is at block `n` is what the last block up to `n` wrote, and an empty value
//! means that it was deleted. A written version never changes, so any block in the history is read the same way as
//! the head.

use std::sync::Arc;

use alloy_primitives::{B256, Bytes};
use lockstep_primitives::BlockNumber;
use redb::{Database, ReadOnlyTable, ReadableDatabase, TableDefinition};

use crate::{
    StateError, StateHead,
    cache::{Tip, Written},
    key::{Key, split_version},
};

/// Version of the stored format.
pub(crate) const FORMAT: u64 = 1;

/// `key ++ block number [u64 BE]` to value, empty if deleted.
pub(crate) const VALUES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("values");
/// Block number to the keys it wrote, each after its length in one byte.
pub(crate) const WRITTEN: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("written");
/// Block number to `hash [32] ++ state root [32]`.
pub(crate) const BLOCKS: TableDefinition<'_, u64, [u8; 64]> = TableDefinition::new("blocks");
/// Code hash to code.
pub(crate) const CODES: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("codes");
/// The store's own numbers, see the names below.
pub(crate) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

pub(crate) const META_FORMAT: &str = "format";
/// Number of the newest block.
pub(crate) const META_HEAD: &str = "head";
/// Number of the oldest block that can be read.
pub(crate) const META_FIRST: &str = "first";

/// Block 0's hash outlives the history, to recognise another chain.
pub(crate) const GENESIS: TableDefinition<'_, (), [u8; 32]> = TableDefinition::new("genesis");

/// The database as of one commit.
pub(crate) struct Snapshot {
    pub(crate) head: StateHead,
    pub(crate) first: BlockNumber,
    pub(crate) genesis_hash: B256,
    pub(crate) fork: u64,
    values: ReadOnlyTable<&'static [u8], &'static [u8]>,
    blocks: ReadOnlyTable<u64, [u8; 64]>,
    codes: ReadOnlyTable<[u8; 32], &'static [u8]>,
}

impl Snapshot {
    /// What the database holds now; `None` before genesis.
    pub(crate) fn read(database: &Database, fork: u64) -> Result<Option<Arc<Self>>, StateError> {
        let transaction = database.begin_read()?;
        let meta = transaction.open_table(META)?;
        let Some(number) = meta.get(META_HEAD)? else { return Ok(None) };
        let number = number.value();
        let first = meta.get(META_FIRST)?.map_or(0, |first| first.value());
        let genesis = transaction.open_table(GENESIS)?.get(())?.map(|hash| B256::new(hash.value()));
        let blocks = transaction.open_table(BLOCKS)?;
        let (hash, state_root) = block(&blocks, number)?.ok_or_else(|| no_block(number))?;
        Ok(Some(Arc::new(Self {
            head: StateHead { number: BlockNumber(number), hash, state_root },
            first: BlockNumber(first),
            genesis_hash: genesis.ok_or_else(|| no_block(0))?,
            fork,
            values: transaction.open_table(VALUES)?,
            blocks,
            codes: transaction.open_table(CODES)?,
        })))
    }

    pub(crate) const fn tip(&self) -> Tip {
        Tip { fork: self.fork, number: self.head.number.0 }
    }

    /// The value of `key` after block `number`.
    pub(crate) fn value(&self, key: &Key, number: u64) -> Result<Written, StateError> {
        let (low, high) = (key.at(0), key.at(number));
        let mut versions = self.values.range(low.as_slice()..=high.as_slice())?;
        let Some((version, value)) = versions.next_back().transpose()? else { return Ok((0, None)) };
        let (_, written) = split_version(version.value()).ok_or_else(|| bad_key(version.value()))?;
        Ok((written, some_bytes(value.value())))
    }

    /// Keys that start with `prefix` and have a value at the head.
    pub(crate) fn keys_below(&self, prefix: &Key) -> Result<Vec<Key>, StateError> {
        let mut keys: Vec<Key> = Vec::new();
        for version in self.values.range::<&[u8]>(&**prefix..)? {
            let (version, value) = version?;
            if !version.value().starts_with(prefix) {
                break;
            }
            let (key, _) = split_version(version.value()).ok_or_else(|| bad_key(version.value()))?;
            keys.pop_if(|last| *last == key);
            if !value.value().is_empty() {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// Hash and state root of a block.
    pub(crate) fn block(&self, number: u64) -> Result<Option<(B256, B256)>, StateError> {
        block(&self.blocks, number)
    }

    pub(crate) fn code(&self, hash: &B256) -> Result<Option<Bytes>, StateError> {
        Ok(self.codes.get(hash.0)?.map(|code| Bytes::copy_from_slice(code.value())))
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("head", &self.head)
            .field("first", &self.first)
            .finish_non_exhaustive()
    }
}

fn block(blocks: &ReadOnlyTable<u64, [u8; 64]>, number: u64) -> Result<Option<(B256, B256)>, StateError> {
    let found = blocks.get(number)?.map(|block| block.value());
    Ok(found.map(|bytes| (B256::from_slice(&bytes[..32]), B256::from_slice(&bytes[32..]))))
}

/// The stored form of a value.
pub(crate) fn stored(value: Option<&Bytes>) -> &[u8] {
    value.map_or(&[], |value| value)
}

fn some_bytes(stored: &[u8]) -> Option<Bytes> {
    (!stored.is_empty()).then(|| Bytes::copy_from_slice(stored))
}

fn no_block(number: u64) -> StateError {
    StateError::Corrupted(format!("block {number} is missing"))
}

fn bad_key(key: &[u8]) -> StateError {
    StateError::Corrupted(format!("bad key {}", alloy_primitives::hex::encode(key)))
}

/// The keys that a block wrote, in the form of [`WRITTEN`].
pub(crate) fn encode_written<'a>(keys: impl Iterator<Item = &'a Key>) -> Vec<u8> {
    let mut out = Vec::new();
    for key in keys {
        out.push(u8::try_from(key.len()).expect("keys have at most 66 bytes"));
        out.extend_from_slice(key);
    }
    out
}

/// Reads what [`encode_written`] wrote.
pub(crate) fn decode_written(mut bytes: &[u8]) -> Result<Vec<Key>, StateError> {
    let mut keys = Vec::new();
    while let Some((length, rest)) = bytes.split_first() {
        let split = rest.split_at_checked(usize::from(*length));
        let (key, rest) = split.ok_or_else(|| bad_key(rest))?;
        keys.push(Key::from_slice(key).ok_or_else(|| bad_key(key))?);
        bytes = rest;
    }
    Ok(keys)
}

/// Makes the tables of a new file.
pub(crate) fn create_tables(database: &Database) -> Result<(), StateError> {
    let transaction = database.begin_write()?;
    transaction.open_table(VALUES)?;
    transaction.open_table(WRITTEN)?;
    transaction.open_table(BLOCKS)?;
    transaction.open_table(CODES)?;
    transaction.open_table(GENESIS)?;
    transaction.open_table(META)?.insert(META_FORMAT, FORMAT)?;
    Ok(transaction.commit()?)
}
