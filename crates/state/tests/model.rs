//! The store against a plain map whose root `alloy-trie` computes anew each time.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod common;

use std::collections::BTreeMap;

use alloy_primitives::{B256, U256, keccak256};
use alloy_trie::{Nibbles, proof::verify_proof};
use common::{Accounts, Model, Op, address, bundle, hash, ops, slot};
use lockstep_primitives::BlockNumber;
use lockstep_state::{StateError, StateOptions, StateStore, StateView};
use proptest::prelude::*;

const HISTORY: u64 = 3;

#[derive(Clone, Debug)]
enum Step {
    Block(Vec<Op>),
    /// Back by so many blocks, as far as there is history.
    Rewind(u64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => ops().prop_map(Step::Block),
        1 => (0..HISTORY + 1).prop_map(Step::Rewind),
        1 => Just(Step::Reopen),
    ]
}

fn check_view(view: &StateView, model: &Model) {
    assert_eq!(view.state_root(), model.root());
    for address in (0..common::ADDRESSES).map(address) {
        let expected = model.0.get(&address);
        let account = view.account(address).unwrap();
        assert_eq!(account, expected.map(common::Account::trie_account));
        for slot in (0..common::SLOTS).map(slot) {
            let value = expected.and_then(|account| account.storage.get(&slot)).copied().unwrap_or_default();
            assert_eq!(view.storage(address, slot).unwrap(), value);
        }
        if let Some(expected) = expected {
            assert_eq!(view.code(expected.code_hash()).unwrap(), expected.code);
        }
    }
}

fn check_proofs(view: &StateView, model: &Model) {
    for address in (0..common::ADDRESSES).map(address) {
        let slots: Vec<_> = (0..common::SLOTS).map(|n| B256::from(slot(n))).collect();
        let proof = view.proof(address, &slots).unwrap();
        let account = model.0.get(&address).map(common::Account::trie_account);
        assert_eq!(proof.account, account);
        let leaf = account.map(alloy_rlp::encode);
        let key = Nibbles::unpack(keccak256(address));
        verify_proof(view.state_root(), key, leaf, &proof.account_proof).unwrap();
        let root = account.unwrap_or_default().storage_root;
        for (slot, proof) in slots.iter().zip(&proof.storage_proof) {
            let leaf = (!proof.value.is_zero()).then(|| alloy_rlp::encode(proof.value));
            assert_eq!(proof.key, *slot);
            assert_eq!(proof.value, view.storage(address, U256::from_be_bytes(slot.0)).unwrap());
            verify_proof(root, Nibbles::unpack(keccak256(slot)), leaf, &proof.proof).unwrap();
        }
    }
}

fn run(genesis: &Accounts, steps: &[Step], cache_bytes: usize) {
    let directory = tempfile::tempdir().unwrap();
    let options = StateOptions { cache_bytes, history_blocks: HISTORY };
    let mut store = StateStore::open(directory.path(), options).unwrap();
    let model = Model::new(genesis);
    assert_eq!(store.init_genesis(&model.alloc(), hash(0, 0)).unwrap().state_root, model.root());
    let mut models = BTreeMap::from([(0, (hash(0, 0), model))]);
    let mut first = 0;
    let mut fork = 0;
    for step in steps {
        let (head, (_, model)) = models.last_key_value().map(|(n, model)| (*n, model.clone())).unwrap();
        match step {
            Step::Block(ops) => {
                let mut model = model;
                let staged = store.stage(&bundle(store.latest().unwrap(), &mut model, ops)).unwrap();
                assert_eq!(staged.state_root(), model.root());
                for address in (0..common::ADDRESSES).map(address) {
                    let root = model.0.get(&address).map(|account| account.trie_account().storage_root);
                    assert_eq!(
                        staged.storage_root(address).unwrap(),
                        root.unwrap_or(alloy_trie::EMPTY_ROOT_HASH)
                    );
                }
                store.commit(staged, BlockNumber(head + 1), hash(fork, head + 1)).unwrap();
                models.insert(head + 1, (hash(fork, head + 1), model));
                first = first.max((head + 1).saturating_sub(HISTORY));
            }
            Step::Rewind(back) => {
                let to = head.saturating_sub(*back);
                let result = store.rewind(BlockNumber(to));
                if to < first {
                    assert!(matches!(result, Err(StateError::OutsideHistory { .. })));
                } else {
                    result.unwrap();
                    models.retain(|number, _| *number <= to);
                    fork += 1;
                }
            }
            Step::Reopen => {
                drop(store);
                store = StateStore::open(directory.path(), options).unwrap();
            }
        }
        let (number, (hash, model)) = models.last_key_value().unwrap();
        let head = store.head().unwrap().unwrap();
        assert_eq!((head.number.0, head.hash, head.state_root), (*number, *hash, model.root()));
        check_view(&store.latest().unwrap(), model);
        for (number, (hash, model)) in &models {
            assert_eq!(store.latest().unwrap().block_hash(BlockNumber(*number)).unwrap(), Some(*hash));
            match store.at(BlockNumber(*number)) {
                Ok(view) => check_view(&view, model),
                Err(error) => {
                    assert!(*number < first, "{error}");
                    assert!(matches!(error, StateError::OutsideHistory { .. }));
                }
            }
        }
    }
    for (number, (_, model)) in models.range(first..) {
        check_proofs(&store.at(BlockNumber(*number)).unwrap(), model);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_history_of_blocks_rewinds_and_restarts_equals_the_model(
        genesis in common::accounts(),
        steps in prop::collection::vec(step(), 1..16),
        cache_bytes in prop::sample::select(vec![0, 1 << 16, 8 << 20]),
    ) {
        run(&genesis, &steps, cache_bytes);
    }
}
