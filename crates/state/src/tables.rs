//! The database's tables and what is read from them.
//!
//! Values are those of the head. For the blocks behind it there is what each block replaced: a value at block `n` is
//! what the first block after `n` that wrote it found there, or else that of the head.

use std::sync::Arc;

use alloy_primitives::{B256, Bytes};
use lockstep_primitives::BlockNumber;
use redb::{Database, ReadOnlyTable, ReadableDatabase, TableDefinition};

use crate::{StateError, StateHead, cache::Tip, history, key::Key};

/// Version of the stored format.
pub(crate) const FORMAT: u64 = 1;

/// Key to value at the head.
pub(crate) const VALUES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("values");
/// What blocks replaced, see [`crate::history`].
pub(crate) const HISTORY: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("history");
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
    history: ReadOnlyTable<&'static [u8], &'static [u8]>,
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
            history: transaction.open_table(HISTORY)?,
            blocks,
            codes: transaction.open_table(CODES)?,
        })))
    }

    pub(crate) const fn tip(&self) -> Tip {
        Tip { fork: self.fork, number: self.head.number.0 }
    }

    /// The value of `key` after block `number`, which is in the history or the head.
    ///
    /// Takes one look per block between the two.
    pub(crate) fn value(&self, key: &Key, number: u64) -> Result<Option<Bytes>, StateError> {
        for block in number + 1..=self.head.number.0 {
            if let Some(replaced) = history::replaced(&self.history, block, key)? {
                return Ok(replaced);
            }
        }
        Ok(self.values.get(&**key)?.map(|value| Bytes::copy_from_slice(value.value())))
    }

    /// Keys at the head that start with `prefix`.
    pub(crate) fn keys_below(&self, prefix: &Key) -> Result<Vec<Key>, StateError> {
        let mut keys = Vec::new();
        for entry in self.values.range::<&[u8]>(&**prefix..)? {
            let (key, _) = entry?;
            if !key.value().starts_with(prefix) {
                break;
            }
            keys.push(Key::from_slice(key.value()).ok_or_else(|| bad_key(key.value()))?);
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

fn no_block(number: u64) -> StateError {
    StateError::Corrupted(format!("block {number} is missing"))
}

pub(crate) fn bad_key(key: &[u8]) -> StateError {
    StateError::Corrupted(format!("bad key {}", alloy_primitives::hex::encode(key)))
}

/// Makes the tables of a new file.
pub(crate) fn create_tables(database: &Database) -> Result<(), StateError> {
    let transaction = database.begin_write()?;
    transaction.open_table(VALUES)?;
    transaction.open_table(HISTORY)?;
    transaction.open_table(BLOCKS)?;
    transaction.open_table(CODES)?;
    transaction.open_table(GENESIS)?;
    transaction.open_table(META)?.insert(META_FORMAT, FORMAT)?;
    Ok(transaction.commit()?)
}
