//! Derived blocks, checkpoints and mismatches in one redb file.
//!
//! Values are JSON: an operator can read them, and the RPC serves them as they are.

use std::path::{Path, PathBuf};

use alloy::primitives::B256;
use lockstep_derive::Checkpoint;
use lockstep_primitives::BlockNumber;
use redb::{
    Database, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition,
    WriteTransaction,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{DerivedBlock, Mismatch};

/// By L2 block number.
const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");
/// By number of the L1 block that is fully processed.
const CHECKPOINTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("checkpoints");
/// By number of the L1 block with the claim, and a running number.
const MISMATCHES: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("mismatches");
/// Single values.
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// Hash of the L2 genesis block.
const GENESIS: &str = "genesis";
/// Number of the L1 block up to which proposals are compared.
const AUDITED: &str = "audited";

/// Checkpoints kept at least: more L1 blocks than any reorg takes back.
const KEPT_CHECKPOINTS: u64 = 8_192;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused a read or a write.
    #[error("database of derived blocks failed")]
    Database(#[source] Box<redb::Error>),
    /// A stored value does not decode.
    #[error("database of derived blocks is damaged; delete the data folder, it is rebuilt from L1")]
    Damaged(#[source] serde_json::Error),
    /// The file belongs to another chain.
    #[error("{} holds the chain with genesis {found}, not {expected}", .path.display())]
    OtherChain {
        /// The file.
        path: PathBuf,
        /// Genesis hash of the configured chain.
        expected: B256,
        /// Genesis hash in the file.
        found: B256,
    },
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self::Database(Box::new(error.into()))
    }
}

/// What one L1 block led to.
#[derive(Clone, Debug)]
pub(crate) struct Progress<'a> {
    pub(crate) blocks: &'a [DerivedBlock],
    pub(crate) mismatches: &'a [Mismatch],
    pub(crate) checkpoint: &'a Checkpoint,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct Store {
    db: Database,
}

impl Store {
    /// Opens or creates the file; a new one begins at `genesis`.
    pub(crate) fn open(path: &Path, genesis: &Checkpoint) -> Result<Self, StoreError> {
        let db = Database::create(path)?;
        let write = db.begin_write()?;
        {
            write.open_table(BLOCKS)?;
            write.open_table(MISMATCHES)?;
            let expected = genesis.safe_head.hash;
            let mut meta = write.open_table(META)?;
            let found = meta.get(GENESIS)?.map(|hash| B256::from_slice(hash.value()));
            match found {
                Some(found) if found != expected => {
                    return Err(StoreError::OtherChain { path: path.into(), expected, found });
                }
                Some(_) => {}
                None => {
                    meta.insert(GENESIS, expected.as_slice())?;
                    put(&mut write.open_table(CHECKPOINTS)?, genesis.l1.number, genesis)?;
                }
            }
        }
        write.commit()?;
        Ok(Self { db })
    }

    /// The derived block with this number; none for genesis and above the safe head.
    pub(crate) fn block(&self, number: BlockNumber) -> Result<Option<DerivedBlock>, StoreError> {
        let blocks = self.db.begin_read()?.open_table(BLOCKS)?;
        blocks.get(number.0)?.map(|json| decode(json.value())).transpose()
    }

    /// The newest checkpoint whose L1 block is at or below `l1`.
    pub(crate) fn checkpoint(&self, l1: u64) -> Result<Option<Checkpoint>, StoreError> {
        let checkpoints = self.db.begin_read()?.open_table(CHECKPOINTS)?;
        let newest = checkpoints.range(..=l1)?.next_back();
        newest.map(|entry| decode(entry?.1.value())).transpose()
    }

    /// Mismatches, oldest first; at most the newest `limit`, and how many there are.
    pub(crate) fn mismatches(&self, limit: usize) -> Result<(Vec<Mismatch>, u64), StoreError> {
        let table = self.db.begin_read()?.open_table(MISMATCHES)?;
        let count = table.len()?;
        let newest = table.iter()?.rev().take(limit);
        let mut found =
            newest.map(|entry| decode(entry?.1.value())).collect::<Result<Vec<_>, StoreError>>()?;
        found.reverse();
        Ok((found, count))
    }

    /// Stores the result of one L1 block. Without `durable`, a crash may lose it.
    pub(crate) fn record(&self, progress: &Progress<'_>, durable: bool) -> Result<(), StoreError> {
        let mut write = self.db.begin_write()?;
        if !durable {
            write.set_durability(Durability::None)?;
        }
        let l1 = progress.checkpoint.l1.number;
        {
            let mut blocks = write.open_table(BLOCKS)?;
            for block in progress.blocks {
                put(&mut blocks, block.block.number.0, block)?;
            }
            add_mismatches(&write, progress.mismatches)?;
            let mut checkpoints = write.open_table(CHECKPOINTS)?;
            put(&mut checkpoints, l1, progress.checkpoint)?;
            // One more per block than is added, so that the table shrinks back after a change of the constant.
            for _ in 0..2 {
                let oldest = checkpoints.first()?.map(|(number, _)| number.value());
                match oldest.filter(|oldest| oldest.saturating_add(KEPT_CHECKPOINTS) < l1) {
                    Some(oldest) => drop(checkpoints.remove(oldest)?),
                    None => break,
                }
            }
        }
        write.commit()?;
        Ok(())
    }

    /// Stores what the comparison of proposals up to L1 block `audited` found.
    pub(crate) fn record_audit(&self, mismatches: &[Mismatch], audited: u64) -> Result<(), StoreError> {
        let write = self.db.begin_write()?;
        add_mismatches(&write, mismatches)?;
        write.open_table(META)?.insert(AUDITED, audited.to_be_bytes().as_slice())?;
        write.commit()?;
        Ok(())
    }

    /// The L1 block up to which proposals are compared; none at the start.
    pub(crate) fn audited(&self) -> Result<Option<u64>, StoreError> {
        let meta = self.db.begin_read()?.open_table(META)?;
        let stored = meta.get(AUDITED)?;
        Ok(stored.and_then(|bytes| bytes.value().try_into().ok()).map(u64::from_be_bytes))
    }

    /// Forgets everything after `checkpoint`.
    pub(crate) fn truncate(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let l1 = checkpoint.l1.number;
        let audited = self.audited()?.map(|audited| audited.min(l1));
        let write = self.db.begin_write()?;
        {
            write.open_table(BLOCKS)?.retain_in(checkpoint.safe_head.number.next().0.., |_, _| false)?;
            let mut checkpoints = write.open_table(CHECKPOINTS)?;
            checkpoints.retain_in(l1 + 1.., |_, _| false)?;
            put(&mut checkpoints, l1, checkpoint)?;
            write.open_table(MISMATCHES)?.retain_in((l1 + 1, 0).., |_, _| false)?;
            if let Some(audited) = audited {
                write.open_table(META)?.insert(AUDITED, audited.to_be_bytes().as_slice())?;
            }
        }
        write.commit()?;
        Ok(())
    }
}

fn add_mismatches(write: &WriteTransaction, mismatches: &[Mismatch]) -> Result<(), StoreError> {
    let mut table = write.open_table(MISMATCHES)?;
    for mismatch in mismatches {
        let l1 = mismatch.l1.number;
        let last = table.range((l1, 0)..=(l1, u64::MAX))?.next_back().transpose()?;
        let next = last.map_or(0, |(key, _)| key.value().1 + 1);
        table.insert((l1, next), encode(mismatch)?.as_slice())?;
    }
    Ok(())
}

fn put<T: Serialize>(
    table: &mut redb::Table<'_, u64, &'static [u8]>,
    key: u64,
    value: &T,
) -> Result<(), StoreError> {
    table.insert(key, encode(value)?.as_slice())?;
    Ok(())
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(StoreError::Damaged)
}

fn decode<T: DeserializeOwned>(json: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(json).map_err(StoreError::Damaged)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Claim;
    use lockstep_primitives::{BlockId, BlockInputs, Eip1559Params, Header, L2BlockRef, SystemConfig};

    fn checkpoint(l1: u64, safe: u64) -> Checkpoint {
        let system = SystemConfig {
            gas_limit: 1,
            base_fee_scalar: 0,
            blob_base_fee_scalar: 0,
            operator_fee_scalar: 0,
            operator_fee_constant: 0,
            da_footprint_gas_scalar: 0,
            eip1559_denominator: 1,
            eip1559_elasticity: 1,
            min_base_fee: 0,
        };
        let safe_head = L2BlockRef { number: BlockNumber(safe), ..Default::default() };
        Checkpoint { l1: BlockId { number: l1, hash: B256::ZERO }, safe_head, system, frames_since: None }
    }

    fn block(number: u64) -> DerivedBlock {
        DerivedBlock {
            block: L2BlockRef { number: BlockNumber(number), ..Default::default() },
            header: Header { number, ..Default::default() },
            inputs: BlockInputs {
                number: BlockNumber(number),
                parent_hash: B256::ZERO,
                timestamp: 0,
                prev_randao: B256::ZERO,
                parent_beacon_block_root: B256::ZERO,
                fee_recipient: Default::default(),
                gas_limit: 0,
                eip1559: Eip1559Params { denominator: 1, elasticity: 1, min_base_fee: 0 },
                l1_origin: BlockId::default(),
                sequence_number: 0,
                transactions: vec![],
            },
            l1_inclusion: BlockId::default(),
            forced: false,
            claimed_hash: None,
            dropped: vec![],
        }
    }

    fn mismatch(l1: u64) -> Mismatch {
        Mismatch {
            l1: BlockId { number: l1, hash: B256::ZERO },
            number: BlockNumber(1),
            claim: Claim::OutputRoot { proposal: 3 },
            claimed: B256::repeat_byte(1),
            derived: None,
        }
    }

    fn store(folder: &tempfile::TempDir) -> Store {
        Store::open(&folder.path().join("derived.redb"), &checkpoint(10, 0)).unwrap()
    }

    #[test]
    fn a_new_store_begins_at_genesis() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        assert_eq!(store.checkpoint(u64::MAX).unwrap(), Some(checkpoint(10, 0)));
        assert_eq!(store.checkpoint(9).unwrap(), None);
        assert_eq!(store.block(BlockNumber(0)).unwrap(), None);
        assert_eq!(store.audited().unwrap(), None);
    }

    #[test]
    fn what_was_recorded_is_there_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let (blocks, mismatches, newest) =
            ([block(1), block(2)], [mismatch(11), mismatch(11)], checkpoint(11, 2));
        let progress = Progress { blocks: &blocks, mismatches: &mismatches, checkpoint: &newest };
        store(&folder).record(&progress, true).unwrap();
        let store = store(&folder);
        assert_eq!(store.block(BlockNumber(2)).unwrap(), Some(block(2)));
        assert_eq!(store.checkpoint(50).unwrap(), Some(newest));
        assert_eq!(store.mismatches(10).unwrap(), (vec![mismatch(11); 2], 2));
        assert_eq!(store.mismatches(1).unwrap(), (vec![mismatch(11)], 2));
    }

    #[test]
    fn truncating_forgets_what_came_after_the_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        for number in 1..=5 {
            let (blocks, mismatches) = ([block(number)], [mismatch(10 + number)]);
            let newest = checkpoint(10 + number, number);
            store
                .record(&Progress { blocks: &blocks, mismatches: &mismatches, checkpoint: &newest }, false)
                .unwrap();
        }
        store.record_audit(&[], 15).unwrap();
        store.truncate(&checkpoint(12, 2)).unwrap();
        assert_eq!(store.checkpoint(u64::MAX).unwrap(), Some(checkpoint(12, 2)));
        assert!(store.block(BlockNumber(2)).unwrap().is_some());
        assert_eq!(store.block(BlockNumber(3)).unwrap(), None);
        assert_eq!(store.mismatches(10).unwrap().1, 2);
        assert_eq!(store.audited().unwrap(), Some(12));
    }

    #[test]
    fn another_chain_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(store(&folder));
        let mut other = checkpoint(10, 0);
        other.safe_head.hash = B256::repeat_byte(9);
        let opened = Store::open(&folder.path().join("derived.redb"), &other);
        assert!(matches!(opened, Err(StoreError::OtherChain { .. })));
    }

    #[test]
    fn old_checkpoints_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        for l1 in [11, 10 + KEPT_CHECKPOINTS, 12 + KEPT_CHECKPOINTS] {
            let newest = checkpoint(l1, 0);
            store.record(&Progress { blocks: &[], mismatches: &[], checkpoint: &newest }, false).unwrap();
        }
        assert_eq!(store.checkpoint(11).unwrap(), None);
        assert!(store.checkpoint(10 + KEPT_CHECKPOINTS).unwrap().is_some());
    }
}
