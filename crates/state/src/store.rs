//! The store: opening, committing, rewinding.

use std::path::Path;

use alloy_primitives::{Address, B256};
use lockstep_primitives::{BlockNumber, GenesisAlloc};
use revm::database::BundleState;

use crate::{StateError, StateView};

/// How a store uses memory and disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateOptions {
    /// Upper bound of memory spent on cached values and database pages.
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

/// A block's changes with the roots they lead to, not yet written.
#[derive(Debug)]
pub struct Staged {
    state_root: B256,
}

impl Staged {
    /// Root of the account trie with the changes applied.
    #[must_use]
    pub const fn state_root(&self) -> B256 {
        self.state_root
    }

    /// Root of an account's storage trie with the changes applied; the empty root if there is no such account.
    ///
    /// # Errors
    /// If the database fails or a value is damaged.
    pub fn storage_root(&self, _address: Address) -> Result<B256, StateError> {
        Err(StateError::Uninitialised)
    }
}

/// The state of the head block and of a window of blocks behind it, in one directory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StateStore {}

impl StateStore {
    /// Opens the store in `directory`, which is created if missing.
    ///
    /// # Errors
    /// [`StateError::Directory`] if the directory cannot be used, [`StateError::Locked`] if another process has
    /// it, [`StateError::Format`] if another version wrote it, others if the files are damaged.
    pub fn open(_directory: &Path, _options: StateOptions) -> Result<Self, StateError> {
        Err(StateError::Uninitialised)
    }

    /// The newest block; `None` before [`Self::init_genesis`].
    ///
    /// # Errors
    /// If the database fails.
    pub fn head(&self) -> Result<Option<StateHead>, StateError> {
        Err(StateError::Uninitialised)
    }

    /// Writes `alloc` as the state of block 0 with the given hash. Does nothing if that was done before.
    ///
    /// # Errors
    /// [`StateError::OtherGenesis`] if the store has another block 0; others if the database fails.
    pub fn init_genesis(&self, _alloc: &GenesisAlloc, _hash: B256) -> Result<StateHead, StateError> {
        Err(StateError::Uninitialised)
    }

    /// The state of the head.
    ///
    /// # Errors
    /// [`StateError::Uninitialised`] before [`Self::init_genesis`].
    pub fn latest(&self) -> Result<StateView, StateError> {
        Err(StateError::Uninitialised)
    }

    /// The state after block `number`.
    ///
    /// # Errors
    /// [`StateError::OutsideHistory`] if it is not kept, [`StateError::Uninitialised`] before genesis.
    pub fn at(&self, _number: BlockNumber) -> Result<StateView, StateError> {
        Err(StateError::Uninitialised)
    }

    /// Computes what the head's state becomes with `bundle` applied. Writes nothing.
    ///
    /// # Errors
    /// [`StateError::Uninitialised`] before genesis; others if the database fails or a value is damaged.
    pub fn stage(&self, _bundle: &BundleState) -> Result<Staged, StateError> {
        Err(StateError::Uninitialised)
    }

    /// Makes `staged` the state of block `number`, the new head.
    ///
    /// # Errors
    /// [`StateError::Stale`] if the head is not the block that `staged` stands on, or `number` not the next one;
    /// others if the database fails.
    pub fn commit(&self, _staged: Staged, _number: BlockNumber, _hash: B256) -> Result<(), StateError> {
        Err(StateError::Uninitialised)
    }

    /// Makes block `to` the head again and forgets the blocks above it.
    ///
    /// # Errors
    /// [`StateError::OutsideHistory`] if `to` is not kept; others if the database fails.
    pub fn rewind(&self, _to: BlockNumber) -> Result<(), StateError> {
        Err(StateError::Uninitialised)
    }

    /// Waits until everything committed would survive a power failure.
    ///
    /// # Errors
    /// If the database fails.
    pub fn flush(&self) -> Result<(), StateError> {
        Err(StateError::Uninitialised)
    }
}
