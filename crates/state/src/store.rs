//! The store: opening, committing, rewinding.

use std::{fmt, fs, io, path::Path, sync::Arc};

use alloy_primitives::B256;
use lockstep_primitives::{BlockNumber, GenesisAlloc};
use parking_lot::{Mutex, RwLock};
use redb::{Database, DatabaseError, Durability, ReadableDatabase, StorageError, TableError};
use revm::{bytecode::Bytecode, database::BundleState};

use crate::{
    StateError, StateView,
    cache::{Recent, Tip, ValueCache},
    stage::{Changes, Staged, stage_genesis},
    tables::{FORMAT, META, META_FORMAT, Snapshot, create_tables},
    write,
};

const FILE: &str = "state.redb";

/// A commit is made to survive a power failure once in so many blocks. Blocks after the last such commit are lost
/// in a crash, as a whole and never in part, and are then replayed.
const DURABLE_EVERY_BLOCKS: u64 = 16;

/// How a store uses memory and disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateOptions {
    /// Upper bound of memory spent on cached values, code and database pages.
    pub cache_bytes: usize,
    /// How many blocks behind the head can be read and rewound to.
    pub history_blocks: u64,
}

impl Default for StateOptions {
    fn default() -> Self {
        Self { cache_bytes: 512 << 20, history_blocks: 4096 }
    }
}

/// The newest block whose state is in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateHead {
    /// Block number.
    pub number: BlockNumber,
    /// Block hash.
    pub hash: B256,
    /// Root of the account trie after the block.
    pub state_root: B256,
}

/// The state of the head block and of a window of blocks behind it, in one directory. Cheap to clone.
///
/// One thread at a time writes; any number read meanwhile, through views.
#[derive(Clone, Debug)]
pub struct StateStore {
    shared: Arc<Shared>,
}

/// What the store's clones and views have in common.
pub(crate) struct Shared {
    pub(crate) values: ValueCache,
    pub(crate) codes: Mutex<Recent<B256, Bytecode>>,
    /// The newest commit; `None` before genesis.
    current: RwLock<Option<Arc<Snapshot>>>,
    writer: Mutex<Writer>,
    history_blocks: u64,
    database: Database,
}

struct Writer {
    blocks_since_durable: u64,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateStore").field("current", &self.current.read()).finish_non_exhaustive()
    }
}

impl StateStore {
    /// Opens the store in `directory`, which is created if missing.
    ///
    /// # Errors
    /// [`StateError::Directory`] if the directory cannot be used, [`StateError::Locked`] if it is open elsewhere,
    /// [`StateError::Format`] if another version wrote it, [`StateError::Corrupted`] if the file is damaged.
    pub fn open(directory: &Path, options: StateOptions) -> Result<Self, StateError> {
        let unusable = |source| StateError::Directory { path: directory.to_owned(), source };
        fs::create_dir_all(directory).map_err(unusable)?;
        let created =
            Database::builder().set_cache_size(options.cache_bytes / 2).create(directory.join(FILE));
        let database = created.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => StateError::Locked(directory.to_owned()),
            DatabaseError::Storage(StorageError::Io(error)) if error.kind() != io::ErrorKind::InvalidData => {
                unusable(error)
            }
            DatabaseError::Storage(StorageError::Io(error)) => StateError::Corrupted(error.to_string()),
            DatabaseError::Storage(StorageError::Corrupted(what)) => StateError::Corrupted(what),
            other => other.into(),
        })?;
        check_format(&database)?;
        let current = Snapshot::read(&database, 0)?;
        let tip = current.as_ref().map_or(Tip { fork: 0, number: 0 }, |current| current.tip());
        Ok(Self {
            shared: Arc::new(Shared {
                values: ValueCache::new(options.cache_bytes / 8 * 3, tip),
                codes: Mutex::new(Recent::new(options.cache_bytes / 8)),
                current: RwLock::new(current),
                writer: Mutex::new(Writer { blocks_since_durable: 0 }),
                history_blocks: options.history_blocks,
                database,
            }),
        })
    }

    /// The newest block; `None` before [`Self::init_genesis`].
    ///
    /// # Errors
    /// If the database fails.
    pub fn head(&self) -> Result<Option<StateHead>, StateError> {
        Ok(self.shared.current.read().as_ref().map(|current| current.head))
    }

    /// The oldest block whose state can be read, and the number of blocks behind the head that are kept.
    ///
    /// # Errors
    /// [`StateError::Uninitialised`] before genesis.
    pub fn history(&self) -> Result<(BlockNumber, u64), StateError> {
        Ok((self.current()?.first, self.shared.history_blocks))
    }

    /// Writes `alloc` as the state of block 0 with the given hash. If that was done before, does nothing and
    /// returns the head.
    ///
    /// # Errors
    /// [`StateError::OtherGenesis`] if the store has another block 0; others if the database fails.
    pub fn init_genesis(&self, alloc: &GenesisAlloc, hash: B256) -> Result<StateHead, StateError> {
        let _writer = self.shared.writer.lock();
        if let Ok(current) = self.current() {
            let found = current.genesis_hash;
            return if found == hash {
                Ok(current.head)
            } else {
                Err(StateError::OtherGenesis { expected: hash, found })
            };
        }
        let (state_root, changes) = stage_genesis(alloc)?;
        let head = StateHead { number: BlockNumber(0), hash, state_root };
        let transaction = self.begin(Durability::Immediate)?;
        write::genesis(&transaction, &head, &changes)?;
        transaction.commit()?;
        self.advance(&changes)?;
        tracing::info!(accounts = alloc.len(), %state_root, "state of genesis written");
        Ok(head)
    }

    /// The state of the head.
    ///
    /// # Errors
    /// [`StateError::Uninitialised`] before [`Self::init_genesis`].
    pub fn latest(&self) -> Result<StateView, StateError> {
        let current = self.current()?;
        let StateHead { number, state_root, .. } = current.head;
        Ok(StateView::new(number, state_root, current, Arc::clone(&self.shared)))
    }

    /// The state after block `number`.
    ///
    /// # Errors
    /// [`StateError::OutsideHistory`] if it is not kept, [`StateError::Uninitialised`] before genesis.
    pub fn at(&self, number: BlockNumber) -> Result<StateView, StateError> {
        let current = self.current()?;
        let block = if within(&current, number) { current.block(number.0)? } else { None };
        let (_, state_root) = block.ok_or_else(|| outside(&current, number))?;
        Ok(StateView::new(number, state_root, current, Arc::clone(&self.shared)))
    }

    /// Computes what the head's state becomes with `bundle` applied. Writes nothing.
    ///
    /// # Errors
    /// [`StateError::Uninitialised`] before genesis; others if the database fails or a value is damaged.
    pub fn stage(&self, bundle: &BundleState) -> Result<Staged, StateError> {
        Staged::new(self.latest()?, bundle)
    }

    /// Makes `staged` the state of block `number`, the new head. Not durable at once, see [`Self::flush`].
    ///
    /// # Errors
    /// [`StateError::Stale`] if the head is not the block that `staged` stands on, or `number` not the next one;
    /// others if the database fails.
    #[allow(clippy::needless_pass_by_value, reason = "what was committed cannot be committed again")]
    pub fn commit(&self, staged: Staged, number: BlockNumber, hash: B256) -> Result<(), StateError> {
        let mut writer = self.shared.writer.lock();
        let current = self.current()?;
        let parent = &staged.parent.snapshot;
        if (parent.tip(), parent.head) != (current.tip(), current.head)
            || staged.parent() != current.head.number
            || number != current.head.number.next()
        {
            return Err(StateError::Stale { number, staged_on: staged.parent(), head: current.head.number });
        }
        let durable = writer.blocks_since_durable + 1 >= DURABLE_EVERY_BLOCKS;
        let transaction = self.begin(if durable { Durability::Immediate } else { Durability::None })?;
        write::check_head(&transaction, current.head.number)?;
        let head = StateHead { number, hash, state_root: staged.state_root() };
        write::block(&transaction, &head, &staged.changes)?;
        let first = BlockNumber(number.0.saturating_sub(self.shared.history_blocks));
        write::prune(&transaction, current.first, first)?;
        transaction.commit()?;
        writer.blocks_since_durable = if durable { 0 } else { writer.blocks_since_durable + 1 };
        self.advance(&staged.changes)
    }

    /// Makes block `to` the head again and forgets the blocks above it.
    ///
    /// # Errors
    /// [`StateError::OutsideHistory`] if `to` is not kept; others if the database fails.
    pub fn rewind(&self, to: BlockNumber) -> Result<(), StateError> {
        let _writer = self.shared.writer.lock();
        let current = self.current()?;
        if !within(&current, to) {
            return Err(outside(&current, to));
        }
        if to == current.head.number {
            return Ok(());
        }
        let transaction = self.begin(Durability::Immediate)?;
        write::check_head(&transaction, current.head.number)?;
        write::rewind(&transaction, current.head.number, to)?;
        transaction.commit()?;
        let next = Snapshot::read(&self.shared.database, current.fork + 1)?;
        self.shared.values.reset(Tip { fork: current.fork + 1, number: to.0 });
        *self.shared.current.write() = next;
        tracing::info!(from = current.head.number.0, to = to.0, "state rewound");
        Ok(())
    }

    /// Waits until everything committed would survive a power failure.
    ///
    /// # Errors
    /// If the database fails.
    pub fn flush(&self) -> Result<(), StateError> {
        let mut writer = self.shared.writer.lock();
        self.begin(Durability::Immediate)?.commit()?;
        writer.blocks_since_durable = 0;
        Ok(())
    }

    fn begin(&self, durability: Durability) -> Result<redb::WriteTransaction, StateError> {
        let mut transaction = self.shared.database.begin_write()?;
        transaction.set_durability(durability)?;
        // So that opening after a crash takes no scan of the whole file.
        transaction.set_quick_repair(matches!(durability, Durability::Immediate));
        Ok(transaction)
    }

    fn current(&self) -> Result<Arc<Snapshot>, StateError> {
        self.shared.current.read().clone().ok_or(StateError::Uninitialised)
    }

    /// Shows what was just committed to new views.
    fn advance(&self, changes: &Changes) -> Result<(), StateError> {
        let fork = self.shared.current.read().as_ref().map_or(0, |current| current.fork);
        let next = Snapshot::read(&self.shared.database, fork)?.ok_or(StateError::Uninitialised)?;
        self.shared.values.advance(next.tip(), &changes.values);
        *self.shared.current.write() = Some(next);
        Ok(())
    }
}

fn within(current: &Snapshot, number: BlockNumber) -> bool {
    (current.first..=current.head.number).contains(&number)
}

const fn outside(current: &Snapshot, number: BlockNumber) -> StateError {
    StateError::OutsideHistory { number, first: current.first, head: current.head.number }
}

/// Refuses files of another format; makes the tables of a new file.
fn check_format(database: &Database) -> Result<(), StateError> {
    let found = match database.begin_read()?.open_table(META) {
        Ok(meta) => meta.get(META_FORMAT)?.map(|format| format.value()),
        Err(TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(error.into()),
    };
    match found {
        Some(FORMAT) => Ok(()),
        Some(found) => Err(StateError::Format { found, expected: FORMAT }),
        None => create_tables(database),
    }
}
