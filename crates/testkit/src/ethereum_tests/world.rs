//! The state that a test runs on: plain maps, and roots by `alloy-trie`.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{
    TrieAccount,
    root::{state_root_unhashed, storage_root_unhashed},
};
use revm::{
    DatabaseRef,
    bytecode::Bytecode,
    database::BundleState,
    primitives::{KECCAK_EMPTY, StorageKey, StorageValue},
    state::AccountInfo,
};

use super::fixture::{self, Alloc};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Account {
    balance: U256,
    nonce: u64,
    code: Bytes,
    storage: BTreeMap<U256, U256>,
}

/// Accounts and the hashes of earlier blocks. Clones share the list of accounts that execution has read.
#[derive(Clone, Debug, Default)]
pub struct World {
    accounts: BTreeMap<Address, Account>,
    pub(super) hashes: BTreeMap<u64, B256>,
    read: Arc<Mutex<BTreeSet<Address>>>,
}

impl World {
    pub(super) fn new(alloc: &Alloc) -> Self {
        let accounts = alloc.iter().map(|(address, account)| (*address, account.into())).collect();
        Self { accounts, ..Self::default() }
    }

    pub(super) fn state_root(&self) -> B256 {
        state_root_unhashed(
            self.accounts.iter().map(|(address, account)| (*address, TrieAccount::from(account))),
        )
    }

    /// The same state, whose reads are not counted as reads of this one.
    #[must_use]
    pub fn unread(&self) -> Self {
        Self { read: Arc::default(), ..self.clone() }
    }

    fn read_list(&self) -> MutexGuard<'_, BTreeSet<Address>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether execution on this state or a clone of it has read the account.
    pub(super) fn has_read(&self, address: Address) -> bool {
        self.read_list().contains(&address)
    }

    pub(super) fn balance(&self, address: Address) -> U256 {
        self.accounts.get(&address).map_or(U256::ZERO, |account| account.balance)
    }

    /// Sets a balance; an account left empty is gone (EIP-161).
    pub(super) fn set_balance(&mut self, address: Address, balance: U256) {
        let account = self.accounts.entry(address).or_default();
        account.balance = balance;
        if *account == Account::default() {
            self.accounts.remove(&address);
        }
    }

    pub(super) fn apply(&mut self, bundle: &BundleState) {
        for (address, change) in &bundle.state {
            if change.was_destroyed() {
                self.accounts.remove(address);
            }
            let Some(info) = &change.info else {
                self.accounts.remove(address);
                continue;
            };
            let account = self.accounts.entry(*address).or_default();
            account.balance = info.balance;
            account.nonce = info.nonce;
            if info.code_hash == KECCAK_EMPTY {
                account.code = Bytes::new();
            } else if account.code_hash() != info.code_hash {
                account.code = bundle.contracts[&info.code_hash].original_bytes();
            }
            for (slot, value) in &change.storage {
                if value.present_value.is_zero() {
                    account.storage.remove(slot);
                } else {
                    account.storage.insert(*slot, value.present_value);
                }
            }
        }
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.accounts == other.accounts
    }
}

impl Account {
    fn code_hash(&self) -> B256 {
        if self.code.is_empty() { KECCAK_EMPTY } else { keccak256(&self.code) }
    }
}

impl DatabaseRef for World {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        self.read_list().insert(address);
        Ok(self.accounts.get(&address).map(|account| {
            let code = Bytecode::new_raw(account.code.clone());
            AccountInfo::new(account.balance, account.nonce, account.code_hash(), code)
        }))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Infallible> {
        let account = self.accounts.values().find(|account| account.code_hash() == hash);
        Ok(Bytecode::new_raw(account.expect("the code of an account was asked for").code.clone()))
    }

    fn storage_ref(&self, address: Address, slot: StorageKey) -> Result<StorageValue, Infallible> {
        let account = self.accounts.get(&address);
        Ok(account.and_then(|account| account.storage.get(&slot)).copied().unwrap_or_default())
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Infallible> {
        Ok(self.hashes.get(&number).copied().unwrap_or_default())
    }
}

impl From<&fixture::Account> for Account {
    fn from(account: &fixture::Account) -> Self {
        let storage = account.storage.iter().filter(|(_, value)| !value.is_zero());
        Self {
            balance: account.balance,
            nonce: account.nonce.to(),
            code: account.code.clone(),
            storage: storage.map(|(slot, value)| (*slot, *value)).collect(),
        }
    }
}

impl From<&Account> for TrieAccount {
    fn from(account: &Account) -> Self {
        let storage = account.storage.iter().map(|(slot, value)| (B256::from(*slot), *value));
        Self {
            nonce: account.nonce,
            balance: account.balance,
            storage_root: storage_root_unhashed(storage),
            code_hash: account.code_hash(),
        }
    }
}
