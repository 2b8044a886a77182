//! Reading, staging and committing a block on a state of 100,000 accounts.
//!
//! `cargo bench -p lockstep-state`. Numbers belong beside machine, commit and command.

#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::atomic::{AtomicU64, Ordering};

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_trie::{TrieAccount, root::state_root_unhashed};
use divan::Bencher;
use lockstep_primitives::{GenesisAccount, GenesisAlloc};
use lockstep_state::{StateOptions, StateStore};
use revm::{
    database::{AccountStatus, BundleAccount, BundleState},
    state::AccountInfo,
};

const ACCOUNTS: u64 = 100_000;

fn main() {
    divan::main();
}

fn address(n: u64) -> Address {
    Address::from_word(keccak256(n.to_be_bytes()))
}

fn store(directory: &tempfile::TempDir) -> StateStore {
    let account = || GenesisAccount { nonce: 1, balance: U256::from(1), ..GenesisAccount::default() };
    let alloc: GenesisAlloc = (0..ACCOUNTS).map(|n| (address(n), account())).collect();
    let options = StateOptions { history_blocks: 64, ..StateOptions::default() };
    let store = StateStore::open(directory.path(), options).unwrap();
    let head = store.init_genesis(&alloc, B256::ZERO).unwrap();
    let leaf = |n| (address(n), TrieAccount { nonce: 1, balance: U256::from(1), ..TrieAccount::default() });
    assert_eq!(head.state_root, state_root_unhashed((0..ACCOUNTS).map(leaf)));
    store
}

/// Sets the balances of `updates` accounts, others in each `round`.
fn transfers(updates: u64, round: u64) -> BundleState {
    let info = |balance| AccountInfo { balance: U256::from(balance), nonce: 1, ..AccountInfo::default() };
    let changed = |balance| {
        BundleAccount::new(Some(info(0)), Some(info(balance)), Default::default(), AccountStatus::Changed)
    };
    let accounts =
        (0..updates).map(|n| (address((round * 7_919 + n * 31) % ACCOUNTS), changed(round + n + 2)));
    BundleState { state: accounts.collect(), ..BundleState::default() }
}

#[divan::bench(name = "stage/updates", args = [1_000, 10_000], sample_count = 20)]
fn stage(bencher: Bencher<'_, '_>, updates: u64) {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory);
    let round = AtomicU64::new(0);
    bencher
        .with_inputs(|| transfers(updates, round.fetch_add(1, Ordering::Relaxed)))
        .bench_local_values(|bundle| store.stage(&bundle).unwrap());
}

#[divan::bench(name = "commit/updates", args = [1_000, 10_000], sample_count = 100)]
fn commit(bencher: Bencher<'_, '_>, updates: u64) {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory);
    let round = AtomicU64::new(0);
    bencher
        .with_inputs(|| store.stage(&transfers(updates, round.fetch_add(1, Ordering::Relaxed))).unwrap())
        .bench_local_values(|staged| {
            let number = staged.parent().next();
            store.commit(staged, number, B256::from(U256::from(number.0))).unwrap();
        });
}

#[divan::bench(name = "read/accounts", args = [10_000], sample_count = 20)]
fn read(bencher: Bencher<'_, '_>, accounts: u64) {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory);
    let view = store.latest().unwrap();
    bencher.bench_local(|| {
        for n in 0..accounts {
            divan::black_box(view.account(address(n)).unwrap());
        }
    });
}
