//! From a block's changes to new roots.

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256, map::AddressMap};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
use lockstep_primitives::{BlockNumber, GenesisAccount, GenesisAlloc};
use rayon::prelude::*;
use revm::database::{BundleAccount, BundleState};

use crate::{
    StateError, StateView,
    key::{Trie, Write, storage_prefixes},
    trie::{Change, Source, Update, update},
};

/// A block's changes with the roots they lead to, not yet written.
#[derive(Debug)]
pub struct Staged {
    pub(crate) parent: StateView,
    state_root: B256,
    storage_roots: AddressMap<B256>,
    pub(crate) changes: Changes,
}

/// What a block writes.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Sorted by key, without repetition; `None` deletes.
    pub(crate) values: Vec<Write>,
    pub(crate) codes: Vec<(B256, Bytes)>,
}

impl Staged {
    /// Root of the account trie with the changes applied.
    #[must_use]
    pub const fn state_root(&self) -> B256 {
        self.state_root
    }

    /// Number of the block that the changes stand on.
    #[must_use]
    pub const fn parent(&self) -> BlockNumber {
        self.parent.number()
    }

    /// Root of an account's storage trie with the changes applied; the empty root if there is no such account.
    ///
    /// # Errors
    /// If the database fails or a value is damaged.
    pub fn storage_root(&self, address: Address) -> Result<B256, StateError> {
        if let Some(root) = self.storage_roots.get(&address) {
            return Ok(*root);
        }
        Ok(self.parent.account(address)?.map_or(EMPTY_ROOT_HASH, |account| account.storage_root))
    }

    /// Applies `bundle` to the state that `parent` shows, which must be its snapshot's head.
    pub(crate) fn new(parent: StateView, bundle: &BundleState) -> Result<Self, StateError> {
        let accounts: Vec<_> = bundle.state.iter().filter(|(_, account)| is_changed(account)).collect();
        let staged =
            accounts.into_par_iter().map(|(address, account)| stage_account(&parent, *address, account));
        let mut accounts = staged.collect::<Result<Vec<_>, StateError>>()?;
        let before = parent.state_root();
        let (state_root, values) = finish(&parent.trie(Trie::Accounts), before, &mut accounts)?;
        let storage_roots = accounts.iter().map(|account| (account.address, account.storage_root)).collect();
        let changes = Changes { values, codes: codes(bundle) };
        Ok(Self { parent, state_root, storage_roots, changes })
    }
}

/// The state root of block 0, and what it writes.
pub(crate) fn stage_genesis(alloc: &GenesisAlloc) -> Result<(B256, Changes), StateError> {
    let entries: Vec<_> = alloc.iter().collect();
    let staged = entries.into_par_iter().map(|(address, account)| genesis_account(*address, account));
    let mut accounts = staged.collect::<Result<Vec<_>, StateError>>()?;
    let (state_root, values) = finish(&Nothing, EMPTY_ROOT_HASH, &mut accounts)?;
    let codes = alloc.values().filter(|account| !account.code.is_empty());
    let codes = codes.map(|account| (keccak256(&account.code), account.code.clone())).collect();
    Ok((state_root, Changes { values, codes }))
}

/// What one account's changes come to.
struct StagedAccount {
    address: Address,
    hashed: B256,
    /// `None` if the account is gone.
    rlp: Option<Bytes>,
    storage_root: B256,
    /// Of its storage.
    writes: Vec<Write>,
}

fn stage_account(
    parent: &StateView,
    address: Address,
    account: &BundleAccount,
) -> Result<StagedAccount, StateError> {
    let hashed = keccak256(address);
    let before = parent.account_at(&hashed)?.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
    // An account without balance, nonce and code does not exist (EIP-161).
    let info = account.info.as_ref().filter(|info| !info.is_empty());
    let wiped = info.is_none() || account.was_destroyed();
    let mut writes = Vec::new();
    if wiped && before != EMPTY_ROOT_HASH {
        for prefix in storage_prefixes(&hashed) {
            writes.extend(parent.snapshot.keys_below(&prefix)?.into_iter().map(|key| (key, None)));
        }
    }
    let slots = account.storage.iter().filter(|(_, slot)| {
        if wiped { info.is_some() && !slot.present_value.is_zero() } else { slot.is_changed() }
    });
    let slots = slots.map(|(slot, value)| (B256::from(*slot), value.present_value));
    let trie = Trie::Storage(hashed);
    let storage_root = if wiped {
        write_storage(&Nothing, trie, EMPTY_ROOT_HASH, slots, &mut writes)?
    } else {
        write_storage(&parent.trie(trie), trie, before, slots, &mut writes)?
    };
    let rlp = info.map(|info| {
        let code_hash = if info.code_hash.is_zero() { KECCAK256_EMPTY } else { info.code_hash };
        rlp(&TrieAccount { nonce: info.nonce, balance: info.balance, storage_root, code_hash })
    });
    Ok(StagedAccount { address, hashed, rlp, storage_root, writes })
}

fn genesis_account(address: Address, account: &GenesisAccount) -> Result<StagedAccount, StateError> {
    let hashed = keccak256(address);
    let mut writes = Vec::new();
    let slots = account.storage.iter().map(|(slot, value)| (*slot, U256::from_be_bytes(value.0)));
    let slots = slots.filter(|(_, value)| !value.is_zero());
    let storage_root = write_storage(&Nothing, Trie::Storage(hashed), EMPTY_ROOT_HASH, slots, &mut writes)?;
    let code_hash = if account.code.is_empty() { KECCAK256_EMPTY } else { keccak256(&account.code) };
    let account = TrieAccount { nonce: account.nonce, balance: account.balance, storage_root, code_hash };
    Ok(StagedAccount { address, hashed, rlp: Some(rlp(&account)), storage_root, writes })
}

/// Updates a storage trie whose root is `before` and returns its new root; zero deletes a slot.
fn write_storage(
    source: &impl Source,
    trie: Trie,
    before: B256,
    slots: impl Iterator<Item = (B256, U256)>,
    writes: &mut Vec<Write>,
) -> Result<B256, StateError> {
    let hashed = slots.map(|(slot, value)| (keccak256(slot), (!value.is_zero()).then(|| rlp(&value))));
    let updates: Vec<_> = hashed.collect();
    write_trie(source, trie, before, updates, writes)
}

/// The account trie's new root, and all writes of the block.
fn finish(
    source: &impl Source,
    before: B256,
    accounts: &mut [StagedAccount],
) -> Result<(B256, Vec<Write>), StateError> {
    let mut writes: Vec<_> =
        accounts.iter_mut().flat_map(|account| std::mem::take(&mut account.writes)).collect();
    let updates = accounts.iter().map(|account| (account.hashed, account.rlp.clone())).collect();
    let root = write_trie(source, Trie::Accounts, before, updates, &mut writes)?;
    Ok((root, last_of_each(writes)))
}

/// Updates a trie whose root is `before` and returns its new root.
fn write_trie(
    source: &impl Source,
    trie: Trie,
    before: B256,
    mut values: Vec<(B256, Option<Bytes>)>,
    writes: &mut Vec<Write>,
) -> Result<B256, StateError> {
    if values.is_empty() {
        return Ok(before);
    }
    values.sort_unstable_by_key(|(hashed, _)| *hashed);
    writes.extend(values.iter().map(|(hashed, value)| (trie.value(hashed), value.clone())));
    let updates: Vec<_> =
        values.into_iter().map(|(hashed, value)| Update { key: Nibbles::unpack(hashed), value }).collect();
    let (root, nodes) = update(source, &updates)?;
    writes.extend(nodes.into_iter().map(|(path, node): Change| (trie.node(&path), node)));
    Ok(root)
}

/// Sorts by key and keeps the last write to each.
fn last_of_each(mut writes: Vec<Write>) -> Vec<Write> {
    writes.par_sort_by(|a, b| a.0.cmp(&b.0));
    writes.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 = later.1.take();
        }
        same
    });
    writes
}

/// Whether the block changed anything of the account.
fn is_changed(account: &BundleAccount) -> bool {
    account.is_info_changed()
        || account.was_destroyed()
        || account.storage.values().any(revm::database::states::StorageSlot::is_changed)
}

/// Code that the block put into the state.
fn codes(bundle: &BundleState) -> Vec<(B256, Bytes)> {
    let new = bundle.contracts.iter().filter(|(hash, _)| **hash != KECCAK256_EMPTY);
    let mut codes: Vec<_> = new.map(|(hash, code)| (*hash, code.original_bytes())).collect();
    codes.sort_unstable_by_key(|(hash, _)| *hash);
    codes
}

fn rlp(value: &impl alloy_rlp::Encodable) -> Bytes {
    alloy_rlp::encode(value).into()
}

/// An empty trie.
struct Nothing;

impl Source for Nothing {
    fn node(&self, _: &Nibbles) -> Result<Option<Bytes>, StateError> {
        Ok(None)
    }

    fn value(&self, _: &B256) -> Result<Option<Bytes>, StateError> {
        Ok(None)
    }
}
