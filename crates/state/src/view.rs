//! Reading the state of one block.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
use lockstep_primitives::BlockNumber;
use revm::{DatabaseRef, bytecode::Bytecode, database::BundleState, state::AccountInfo};

use crate::{
    AccountProof, StateError, StorageProof,
    cache::Tip,
    key::{Key, Trie},
    stage::Staged,
    store::Shared,
    tables::Snapshot,
    trie::{Source, prove},
};

/// Memory of one cached code beside its bytes.
const CODE_ENTRY_BYTES: usize = 256;

/// The state after one block. Cheap to clone; later commits and rewinds do not change what it reads.
///
/// Drop it when done: what it may still read stays on disk, and the store stays open. A value is read in one look at
/// the head, and in one look per block between the view and the head further back.
#[derive(Clone, Debug)]
pub struct StateView {
    number: BlockNumber,
    state_root: B256,
    pub(crate) snapshot: Arc<Snapshot>,
    shared: Arc<Shared>,
}

impl StateView {
    pub(crate) const fn new(
        number: BlockNumber,
        state_root: B256,
        snapshot: Arc<Snapshot>,
        shared: Arc<Shared>,
    ) -> Self {
        Self { number, state_root, snapshot, shared }
    }

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
    pub fn account(&self, address: Address) -> Result<Option<TrieAccount>, StateError> {
        self.account_at(&keccak256(address))
    }

    /// The value of a storage slot, zero if it was never set.
    ///
    /// # Errors
    /// If the database fails or a value is damaged.
    pub fn storage(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        self.storage_at(Trie::Storage(keccak256(address)), &keccak256(B256::from(slot)))
    }

    /// The code with hash `code_hash`.
    ///
    /// # Errors
    /// [`StateError::UnknownCode`] if no account ever had it; others if the database fails.
    pub fn code(&self, code_hash: B256) -> Result<Bytes, StateError> {
        Ok(self.bytecode(code_hash)?.original_bytes())
    }

    /// Proves the account at `address` and the values of its `slots` (EIP-1186).
    ///
    /// # Errors
    /// If the database fails or a value is damaged.
    pub fn proof(&self, address: Address, slots: &[B256]) -> Result<AccountProof, StateError> {
        let hashed = keccak256(address);
        let account = self.account_at(&hashed)?;
        let account_proof = prove(&self.trie(Trie::Accounts), self.state_root, &hashed)?;
        let trie = Trie::Storage(hashed);
        let root = account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        let prove_slot = |key: &B256| {
            let hashed = keccak256(key);
            let value = self.storage_at(trie, &hashed)?;
            Ok(StorageProof { key: *key, value, proof: prove(&self.trie(trie), root, &hashed)? })
        };
        let storage_proof = slots.iter().map(prove_slot).collect::<Result<_, StateError>>()?;
        Ok(AccountProof { address, account, account_proof, storage_proof })
    }

    /// Hash of block `number`; `None` above this view's block and below the blocks still known, which are the
    /// last 256 at least.
    ///
    /// # Errors
    /// If the database fails or a value is damaged.
    pub fn block_hash(&self, number: BlockNumber) -> Result<Option<B256>, StateError> {
        if number > self.number {
            return Ok(None);
        }
        Ok(self.snapshot.block(number.0)?.map(|(hash, _)| hash))
    }

    /// The roots that `bundle` would lead to from here, as [`StateStore::stage`](crate::StateStore::stage) gives them
    /// for the head. Only what was staged on the head can be committed.
    ///
    /// # Errors
    /// If the database fails or a value is damaged.
    pub fn stage(&self, bundle: &BundleState) -> Result<Staged, StateError> {
        Staged::new(self.clone(), bundle)
    }

    pub(crate) const fn trie(&self, trie: Trie) -> ViewTrie<'_> {
        ViewTrie { view: self, trie }
    }

    pub(crate) fn account_at(&self, hashed: &B256) -> Result<Option<TrieAccount>, StateError> {
        self.decode(&Trie::Accounts.value(hashed))
    }

    fn storage_at(&self, trie: Trie, hashed: &B256) -> Result<U256, StateError> {
        Ok(self.decode(&trie.value(hashed))?.unwrap_or_default())
    }

    fn decode<T: Decodable>(&self, key: &Key) -> Result<Option<T>, StateError> {
        let Some(value) = self.value(key)? else { return Ok(None) };
        let decoded = alloy_rlp::decode_exact(&value);
        decoded.map(Some).map_err(|error| StateError::Corrupted(format!("{key:?}: {error}")))
    }

    fn value(&self, key: &Key) -> Result<Option<Bytes>, StateError> {
        let at = Tip { fork: self.snapshot.fork, number: self.number.0 };
        if let Some(value) = self.shared.values.get(key, at) {
            return Ok(value);
        }
        let value = self.snapshot.value(key, self.number.0)?;
        if at == self.snapshot.tip() {
            self.shared.values.fill(*key, value.clone(), at);
        }
        Ok(value)
    }

    fn bytecode(&self, hash: B256) -> Result<Bytecode, StateError> {
        if hash == KECCAK256_EMPTY || hash.is_zero() {
            return Ok(Bytecode::default());
        }
        if let Some(code) = self.shared.codes.lock().get(&hash) {
            return Ok(code);
        }
        let code = self.snapshot.code(&hash)?.ok_or(StateError::UnknownCode(hash))?;
        let bytes = CODE_ENTRY_BYTES + code.len() + code.len() / 4;
        let code = Bytecode::new_raw_checked(code);
        let code = code.map_err(|error| StateError::Corrupted(format!("code {hash}: {error}")))?;
        self.shared.codes.lock().insert(hash, code.clone(), bytes);
        Ok(code)
    }
}

impl DatabaseRef for StateView {
    type Error = StateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        let account = self.account(address)?;
        Ok(account.map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            account_id: None,
            code: None,
        }))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, StateError> {
        self.bytecode(code_hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        self.storage(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StateError> {
        Ok(self.block_hash(BlockNumber(number))?.unwrap_or_default())
    }
}

/// One of a view's tries.
pub(crate) struct ViewTrie<'a> {
    view: &'a StateView,
    trie: Trie,
}

impl Source for ViewTrie<'_> {
    fn node(&self, path: &Nibbles) -> Result<Option<Bytes>, StateError> {
        self.view.value(&self.trie.node(path))
    }

    fn value(&self, hashed: &B256) -> Result<Option<Bytes>, StateError> {
        self.view.value(&self.trie.value(hashed))
    }
}
