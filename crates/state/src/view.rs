//! Reading the state of one block.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_trie::TrieAccount;
use lockstep_primitives::BlockNumber;
use revm::{DatabaseRef, bytecode::Bytecode, state::AccountInfo};

use crate::{AccountProof, StateError};

/// The state after one block. Cheap to clone; later commits and rewinds do not change what it reads.
///
/// Drop it when done: pages that it may still read are not reused.
#[derive(Clone, Debug)]
pub struct StateView {
    number: BlockNumber,
    state_root: B256,
}

impl StateView {
    /// Number of the block after which this is the state.
    #[must_use]
    pub const fn number(&self) -> BlockNumber {
        self.number
    }

    /// Root of the account trie.
    #[must_use]
    pub const fn state_root(&self) -> B256 {
        self.state_root
    }

    /// The account at `address`; `None` if there is none.
    ///
    /// # Errors
    /// If the database fails or a value is damaged.
    pub fn account(&self, _address: Address) -> Result<Option<TrieAccount>, StateError> {
        Err(StateError::Uninitialised)
    }

    /// The value of a storage slot, zero if it was never set.
    ///
    /// # Errors
    /// If the database fails or a value is damaged.
    pub fn storage(&self, _address: Address, _slot: U256) -> Result<U256, StateError> {
        Err(StateError::Uninitialised)
    }

    /// The code with hash `code_hash`.
    ///
    /// # Errors
    /// [`StateError::UnknownCode`] if no account ever had it; others if the database fails.
    pub fn code(&self, _code_hash: B256) -> Result<Bytes, StateError> {
        Err(StateError::Uninitialised)
    }

    /// Proves the account at `address` and the values of its `slots` (EIP-1186).
    ///
    /// # Errors
    /// If the database fails or a value is damaged.
    pub fn proof(&self, _address: Address, _slots: &[B256]) -> Result<AccountProof, StateError> {
        Err(StateError::Uninitialised)
    }

    /// Hash of block `number`; `None` above this view's block and below the blocks still known, which are the
    /// last 256 at least.
    ///
    /// # Errors
    /// If the database fails or a value is damaged.
    pub fn block_hash(&self, _number: BlockNumber) -> Result<Option<B256>, StateError> {
        Err(StateError::Uninitialised)
    }
}

impl DatabaseRef for StateView {
    type Error = StateError;

    fn basic_ref(&self, _address: Address) -> Result<Option<AccountInfo>, StateError> {
        Err(StateError::Uninitialised)
    }

    fn code_by_hash_ref(&self, _code_hash: B256) -> Result<Bytecode, StateError> {
        Err(StateError::Uninitialised)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        self.storage(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StateError> {
        Ok(self.block_hash(BlockNumber(number))?.unwrap_or_default())
    }
}
