//! Damage below the store's own interface, and that nothing is left behind.

use std::{path::Path, sync::Arc};

use alloy_primitives::{Address, B256, U256, keccak256};
use lockstep_primitives::{BlockNumber, GenesisAccount, GenesisAlloc};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata};
use revm::{
    DatabaseRef,
    database::{BundleAccount, BundleState},
    state::AccountInfo,
};

use crate::{
    Overlay, StateError, StateOptions, StateStore,
    key::Trie,
    tables::{HISTORY, META, META_FORMAT, VALUES},
};

const OPTIONS: StateOptions = StateOptions { cache_bytes: 0, history_blocks: 2 };
const ADDRESS: Address = Address::repeat_byte(1);

fn alloc() -> GenesisAlloc {
    let storage = [(B256::ZERO, B256::repeat_byte(1)), (B256::repeat_byte(1), B256::repeat_byte(2))].into();
    let account = GenesisAccount { balance: U256::from(1), nonce: 1, storage, ..GenesisAccount::default() };
    [(ADDRESS, account), (Address::repeat_byte(2), GenesisAccount { nonce: 1, ..GenesisAccount::default() })]
        .into()
}

fn create(directory: &Path) {
    let store = StateStore::open(directory, OPTIONS).unwrap();
    store.init_genesis(&alloc(), B256::ZERO).unwrap();
}

fn edit(directory: &Path, write: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(directory.join("state.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    write(&transaction);
    transaction.commit().unwrap();
}

/// The account at [`ADDRESS`] with another balance, or none.
fn bundle(balance: Option<u64>) -> BundleState {
    let info = |balance| AccountInfo { balance: U256::from(balance), nonce: 1, ..AccountInfo::default() };
    let status = if balance.is_some() {
        revm::database::AccountStatus::Changed
    } else {
        revm::database::AccountStatus::Destroyed
    };
    let account = BundleAccount::new(Some(info(1)), balance.map(info), Default::default(), status);
    BundleState { state: [(ADDRESS, account)].into_iter().collect(), ..BundleState::default() }
}

#[test]
fn a_damaged_value_is_reported_not_used() {
    let directory = tempfile::tempdir().unwrap();
    create(directory.path());
    let account = Trie::Accounts.value(&keccak256(ADDRESS));
    let root = Trie::Accounts.node(&Default::default());
    edit(directory.path(), |transaction| {
        let mut values = transaction.open_table(VALUES).unwrap();
        values.insert(&*account, &[1u8, 2, 3][..]).unwrap();
        values.insert(&*root, &[9u8][..]).unwrap();
    });
    let store = StateStore::open(directory.path(), OPTIONS).unwrap();
    let view = store.latest().unwrap();
    assert!(matches!(view.account(ADDRESS), Err(StateError::Corrupted(_))));
    assert!(matches!(view.proof(Address::ZERO, &[]), Err(StateError::Corrupted(_))));
    assert!(matches!(store.stage(&bundle(Some(5))), Err(StateError::Corrupted(_))));
}

#[test]
fn another_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    create(directory.path());
    edit(directory.path(), |transaction| {
        transaction.open_table(META).unwrap().insert(META_FORMAT, 99).unwrap();
    });
    let result = StateStore::open(directory.path(), OPTIONS);
    assert!(matches!(result, Err(StateError::Format { found: 99, expected: 1 })), "{result:?}");
}

#[test]
fn nothing_of_old_blocks_is_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    create(directory.path());
    let store = StateStore::open(directory.path(), OPTIONS).unwrap();
    let commit = |number: u64, bundle: &BundleState| {
        let staged = store.stage(bundle).unwrap();
        store.commit(staged, BlockNumber(number), B256::with_last_byte(1)).unwrap();
    };
    commit(1, &bundle(Some(5)));
    commit(2, &bundle(None));
    for number in 3..=6 {
        commit(number, &BundleState::default());
    }
    drop(store);
    let database = Database::open(directory.path().join("state.redb")).unwrap();
    let transaction = database.begin_read().unwrap();
    let values = transaction.open_table(VALUES).unwrap();
    let keys: Vec<_> = values.iter().unwrap().map(|value| value.unwrap().0.value().to_vec()).collect();
    assert_eq!(keys.len(), 2, "the second account and the root of the trie: {keys:?}");
    assert!(transaction.open_table(HISTORY).unwrap().is_empty().unwrap(), "the last two blocks were empty");
}

#[test]
fn an_overlay_reads_what_the_store_reads_after_the_commit() {
    let directory = tempfile::tempdir().unwrap();
    create(directory.path());
    let store = StateStore::open(directory.path(), OPTIONS).unwrap();
    let before = store.latest().unwrap();
    let slots = [U256::ZERO, B256::repeat_byte(1).into()];
    let mut overlay = Overlay::from(before.clone());
    for (number, balance) in [(1, Some(5)), (2, Some(7)), (3, None)] {
        let (changes, hash) = (bundle(balance), B256::with_last_byte(number));
        let number = BlockNumber(number.into());
        overlay = overlay.with_block(number, hash, Arc::new(changes.clone()));
        store.commit(store.stage(&changes).unwrap(), number, hash).unwrap();
        let committed = store.latest().unwrap();
        for address in [ADDRESS, Address::repeat_byte(2), Address::ZERO] {
            assert_eq!(overlay.account(address).unwrap(), committed.basic_ref(address).unwrap());
            for slot in slots {
                let value = committed.storage(address, slot).unwrap();
                assert_eq!(overlay.storage(address, slot).unwrap(), value, "{address} {slot}");
            }
        }
        assert_eq!(overlay.block_hash_ref(number.0).unwrap(), hash);
    }
    assert_eq!(before.storage(ADDRESS, slots[0]).unwrap(), U256::from_be_bytes([1; 32]), "it was there");
    assert_eq!(overlay.storage(ADDRESS, slots[0]).unwrap(), U256::ZERO);
}
