//! A view with changes on top that are not written yet.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use lockstep_primitives::BlockNumber;
use revm::{DatabaseRef, bytecode::Bytecode, database::BundleState, state::AccountInfo};

use crate::{Staged, StateError, StateView};

/// What a block did on top of a state.
#[derive(Clone, Debug)]
struct Layer {
    changes: Arc<BundleState>,
    /// Number and hash of the block, if it is sealed.
    block: Option<(BlockNumber, B256)>,
}

/// The state after blocks that the store does not hold yet: a view, and what those blocks changed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Overlay {
    view: StateView,
    layers: Vec<Layer>, // oldest first
}

impl From<StateView> for Overlay {
    fn from(view: StateView) -> Self {
        Self { view, layers: Vec::new() }
    }
}

impl Overlay {
    /// This state with the changes of a sealed block on top.
    #[must_use]
    pub fn with_block(mut self, number: BlockNumber, hash: B256, changes: Arc<BundleState>) -> Self {
        self.layers.push(Layer { changes, block: Some((number, hash)) });
        self
    }

    /// This state with the changes of a block on top that has no hash yet.
    #[must_use]
    pub fn with_changes(mut self, changes: Arc<BundleState>) -> Self {
        self.layers.push(Layer { changes, block: None });
        self
    }

    /// The stored state beneath.
    #[must_use]
    pub const fn view(&self) -> &StateView {
        &self.view
    }

    /// The account at `address`; `None` if there is none.
    ///
    /// # Errors
    /// If the database fails or a value is damaged.
    pub fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        match self.newest(|changes| changes.account(&address)) {
            Some(account) => Ok(account.info.as_ref().map(AccountInfo::copy_without_code)),
            None => self.view.basic_ref(address),
        }
    }

    /// The value of a storage slot, zero if it was never set.
    ///
    /// # Errors
    /// If the database fails or a value is damaged.
    pub fn storage(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        // `storage_slot` answers zero for what a block wiped.
        let changed = self.newest(|changes| changes.account(&address)?.storage_slot(slot));
        changed.map_or_else(|| self.view.storage(address, slot), Ok)
    }

    /// The code with hash `code_hash`.
    ///
    /// # Errors
    /// [`StateError::UnknownCode`] if no account ever had it; others if the database fails.
    pub fn code(&self, code_hash: B256) -> Result<Bytes, StateError> {
        Ok(self.code_by_hash_ref(code_hash)?.original_bytes())
    }

    /// The roots that `changes` would lead to from here; what is staged on blocks that the store does not hold cannot
    /// be committed.
    ///
    /// # Errors
    /// If the database fails or a value is damaged.
    pub fn stage(&self, changes: &BundleState) -> Result<Staged, StateError> {
        if self.layers.is_empty() {
            return self.view.stage(changes);
        }
        let mut all = self.merged();
        all.extend(changes.clone());
        self.view.stage(&all)
    }

    /// Root of an account's storage trie; the empty root if there is no such account.
    ///
    /// # Errors
    /// If the database fails or a value is damaged.
    pub fn storage_root(&self, address: Address) -> Result<B256, StateError> {
        let mut own = BundleState::default();
        for account in self.layers.iter().filter_map(|layer| layer.changes.account(&address)) {
            let mut next = BundleState::default();
            next.state.insert(address, account.clone());
            own.extend(next);
        }
        self.view.stage(&own)?.storage_root(address)
    }

    /// What all layers changed together.
    fn merged(&self) -> BundleState {
        self.layers.iter().fold(BundleState::default(), |mut all, layer| {
            all.extend(BundleState::clone(&layer.changes));
            all
        })
    }

    /// What the newest layer that has an answer says.
    fn newest<'a, T>(&'a self, ask: impl Fn(&'a BundleState) -> Option<T>) -> Option<T> {
        self.layers.iter().rev().find_map(|layer| ask(&layer.changes))
    }
}

impl DatabaseRef for Overlay {
    type Error = StateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        self.account(address)
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, StateError> {
        if code_hash == KECCAK256_EMPTY {
            return Ok(Bytecode::default());
        }
        match self.newest(|changes| changes.contracts.get(&code_hash)) {
            Some(code) => Ok(code.clone()),
            None => self.view.code_by_hash_ref(code_hash),
        }
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        self.storage(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StateError> {
        let sealed = self.layers.iter().filter_map(|layer| layer.block);
        match sealed.clone().find(|(known, _)| known.0 == number) {
            Some((_, hash)) => Ok(hash),
            None => self.view.block_hash_ref(number),
        }
    }
}
