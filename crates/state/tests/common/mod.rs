//! A model of the state, and blocks made for it by revm's own bookkeeping.

#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256, map::HashMap};
use alloy_trie::{
    TrieAccount,
    root::{state_root_unhashed, storage_root_unhashed},
};
use lockstep_primitives::{GenesisAccount, GenesisAlloc};
use lockstep_state::StateView;
use proptest::prelude::*;
use revm::{
    Database, DatabaseCommit,
    bytecode::Bytecode,
    database::{BundleState, State, states::bundle_state::BundleRetention},
    state::{AccountInfo, EvmStorageSlot},
};

pub const ADDRESSES: u8 = 10;
pub const SLOTS: u8 = 6;

pub fn address(n: u8) -> Address {
    Address::repeat_byte(n)
}

pub fn slot(n: u8) -> U256 {
    U256::from(n)
}

pub fn hash(fork: u64, number: u64) -> B256 {
    keccak256([fork.to_be_bytes(), number.to_be_bytes()].concat())
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    pub nonce: u64,
    pub balance: U256,
    pub code: Bytes,
    pub storage: BTreeMap<U256, U256>,
}

impl Account {
    pub fn code_hash(&self) -> B256 {
        if self.code.is_empty() { KECCAK256_EMPTY } else { keccak256(&self.code) }
    }

    pub fn trie_account(&self) -> TrieAccount {
        let slots = self.storage.iter().map(|(slot, value)| (B256::from(*slot), *value));
        TrieAccount {
            nonce: self.nonce,
            balance: self.balance,
            storage_root: storage_root_unhashed(slots),
            code_hash: self.code_hash(),
        }
    }

    fn info(&self) -> AccountInfo {
        AccountInfo {
            balance: self.balance,
            nonce: self.nonce,
            code_hash: self.code_hash(),
            account_id: None,
            code: Some(Bytecode::new_raw(self.code.clone())),
        }
    }
}

pub type Accounts = BTreeMap<u8, (u64, u64, BTreeMap<u8, u64>)>;

/// Accounts that exist at genesis.
pub fn accounts() -> impl Strategy<Value = Accounts> {
    let storage = prop::collection::btree_map(0..SLOTS, 1..u64::MAX, 0..4);
    prop::collection::btree_map(0..ADDRESSES, (1..9u64, 0..u64::MAX, storage), 0..6)
}

/// What a transaction does to an account.
#[derive(Clone, Debug)]
pub enum Op {
    /// Sets the balance; creates the account if it is missing.
    Pay(u8, u64),
    /// Writes slots, zero to delete; creates a contract if the account is missing.
    Store(u8, Vec<(u8, u64)>),
    Destroy(u8),
    CreateAndDestroy(u8, Vec<(u8, u64)>),
    /// A call without value: removes the account if it is empty (EIP-161).
    Touch(u8),
}

pub fn ops() -> impl Strategy<Value = Vec<Op>> {
    let slots = || prop::collection::vec((0..SLOTS, prop_oneof![Just(0), 1..u64::MAX]), 0..5);
    let op = prop_oneof![
        4 => (0..ADDRESSES, 1..u64::MAX).prop_map(|(n, balance)| Op::Pay(n, balance)),
        6 => (0..ADDRESSES, slots()).prop_map(|(n, slots)| Op::Store(n, slots)),
        2 => (0..ADDRESSES).prop_map(Op::Destroy),
        1 => (0..ADDRESSES, slots()).prop_map(|(n, slots)| Op::CreateAndDestroy(n, slots)),
        1 => (0..ADDRESSES).prop_map(Op::Touch),
    ];
    prop::collection::vec(op, 0..10)
}

#[derive(Clone, Debug, Default)]
pub struct Model(pub BTreeMap<Address, Account>);

impl Model {
    pub fn new(accounts: &Accounts) -> Self {
        let account = |(nonce, balance, storage): &(u64, u64, BTreeMap<u8, u64>)| Account {
            nonce: *nonce,
            balance: U256::from(*balance),
            code: Bytes::from(vec![0x5b; usize::try_from(*nonce).unwrap() % 3]),
            storage: storage.iter().map(|(n, value)| (slot(*n), U256::from(*value))).collect(),
        };
        Self(accounts.iter().map(|(n, parts)| (address(*n), account(parts))).collect())
    }

    pub fn alloc(&self) -> GenesisAlloc {
        let account = |account: &Account| GenesisAccount {
            balance: account.balance,
            nonce: account.nonce,
            code: account.code.clone(),
            storage: account.storage.iter().map(|(slot, value)| ((*slot).into(), (*value).into())).collect(),
        };
        self.0.iter().map(|(address, parts)| (*address, account(parts))).collect()
    }

    pub fn root(&self) -> B256 {
        state_root_unhashed(self.0.iter().map(|(address, account)| (*address, account.trie_account())))
    }
}

/// Applies `ops`, one transaction each, to `model`, and to `view` as revm does.
pub fn bundle(view: StateView, model: &mut Model, ops: &[Op]) -> BundleState {
    let mut state = State::builder().with_database_ref(view).with_bundle_update().build();
    for op in ops {
        transact(&mut state, model, op);
    }
    state.merge_transitions(BundleRetention::PlainState);
    state.take_bundle()
}

fn transact<D: Database<Error: std::fmt::Debug>>(state: &mut State<D>, model: &mut Model, op: &Op) {
    let (Op::Pay(n, _) | Op::Store(n, _) | Op::Destroy(n) | Op::CreateAndDestroy(n, _) | Op::Touch(n)) = op;
    let address = address(*n);
    let loaded = state.basic(address).unwrap();
    assert_eq!(loaded.is_some(), model.0.contains_key(&address));
    let mut touched = revm::state::Account::default().with_touched_mark();
    touched.info = loaded.unwrap_or_default();
    let created = !model.0.contains_key(&address);
    match op {
        Op::Pay(_, balance) => {
            let account = model.0.entry(address).or_default();
            account.balance = U256::from(*balance);
            touched.info.balance = account.balance;
        }
        Op::Store(n, slots) => {
            let account = model.0.entry(address).or_insert_with(|| new_contract(*n));
            touched.info = account.info();
            if created {
                touched.mark_created();
            }
            store(account, &mut touched, slots);
        }
        Op::CreateAndDestroy(n, slots) if created => {
            touched.mark_created();
            touched.mark_selfdestruct();
            store(&mut new_contract(*n), &mut touched, slots);
        }
        Op::CreateAndDestroy(..) => return,
        Op::Destroy(_) => {
            model.0.remove(&address);
            touched.mark_selfdestruct();
        }
        Op::Touch(_) => {
            if touched.info.is_empty() {
                model.0.remove(&address);
            }
        }
    }
    state.commit(HashMap::from_iter([(address, touched)]));
}

fn new_contract(n: u8) -> Account {
    Account { nonce: 1, code: Bytes::from(vec![0x5b; usize::from(n) + 1]), ..Account::default() }
}

fn store(account: &mut Account, touched: &mut revm::state::Account, slots: &[(u8, u64)]) {
    for (n, value) in slots {
        let before = account.storage.get(&slot(*n)).copied().unwrap_or_default();
        let value = U256::from(*value);
        let entry = touched.storage.entry(slot(*n)).or_insert_with(|| EvmStorageSlot::new(before, 0));
        entry.present_value = value;
        if value.is_zero() {
            account.storage.remove(&slot(*n));
        } else {
            account.storage.insert(slot(*n), value);
        }
    }
}
