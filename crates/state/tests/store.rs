//! What the store does at its edges: views beside writers, pruning, crashes and unusable files.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod common;

use std::{fs, path::Path, process::Command};

use alloy_primitives::{B256, U256};
use common::{Model, Op, address, bundle, hash};
use lockstep_primitives::{
    BlockNumber, ChainConfig, Genesis, GenesisAnchor, GenesisBalance, L1Contracts, RollupConfig, SystemConfig,
};
use lockstep_state::{StateError, StateHead, StateOptions, StateStore};
use revm::{DatabaseRef, database::BundleState};

const OPTIONS: StateOptions = StateOptions { cache_bytes: 1 << 20, history_blocks: 4 };

fn open(directory: &Path) -> StateStore {
    StateStore::open(directory, OPTIONS).unwrap()
}

/// Two accounts at genesis.
fn genesis() -> Model {
    Model::new(&[(0, (1, 1_000, [(1, 7)].into())), (1, (1, 2_000, [].into()))].into())
}

/// What block `number` does: each number something else, so that no two blocks have one root.
fn block_ops(number: u64) -> Vec<Op> {
    let n = u8::try_from(number % 10).unwrap();
    vec![Op::Pay(n, number + 1), Op::Store(n, vec![(n % 6, number), (5, number % 2)])]
}

fn extend(store: &StateStore, model: &mut Model, fork: u64, ops: &[Op]) {
    let number = store.head().unwrap().unwrap().number.next();
    let staged = store.stage(&bundle(store.latest().unwrap(), model, ops)).unwrap();
    assert_eq!(staged.state_root(), model.root());
    store.commit(staged, number, hash(fork, number.0)).unwrap();
}

#[test]
fn a_new_store_has_no_head_until_genesis() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    assert_eq!(store.head().unwrap(), None);
    assert!(matches!(store.latest(), Err(StateError::Uninitialised)));
    assert!(matches!(store.at(BlockNumber(0)), Err(StateError::Uninitialised)));
    assert!(matches!(store.stage(&BundleState::default()), Err(StateError::Uninitialised)));
    assert!(matches!(store.rewind(BlockNumber(0)), Err(StateError::Uninitialised)));
    let head = store.init_genesis(&genesis().alloc(), hash(0, 0)).unwrap();
    let expected = StateHead { number: BlockNumber(0), hash: hash(0, 0), state_root: genesis().root() };
    assert_eq!((head, store.head().unwrap()), (expected, Some(expected)));
}

#[test]
fn the_root_at_genesis_is_that_of_the_genesis_header() {
    let funded = |n| GenesisBalance { address: address(n), balance: U256::from(n) << 60 };
    let config = RollupConfig {
        chain: ChainConfig {
            name: "test".into(),
            l1_chain_id: 1,
            l2_chain_id: 2,
            max_sequencer_drift: 1800,
            force_delay: 30,
            challenge_window: 12,
            proposal_bond: U256::from(1),
            max_deposit_gas: 20_000_000,
            system: SystemConfig {
                gas_limit: 60_000_000,
                base_fee_scalar: 1368,
                blob_base_fee_scalar: 810_949,
                operator_fee_scalar: 0,
                operator_fee_constant: 0,
                da_footprint_gas_scalar: 400,
                eip1559_denominator: 250,
                eip1559_elasticity: 6,
                min_base_fee: 100_000,
            },
            accounts: vec![funded(1), funded(2)],
        },
        contracts: L1Contracts::default(),
        genesis: GenesisAnchor::default(),
    };
    let genesis = Genesis::new(&config);
    let directory = tempfile::tempdir().unwrap();
    let head = open(directory.path()).init_genesis(&genesis.alloc, genesis.hash).unwrap();
    assert_eq!((head.state_root, head.hash), (genesis.header.state_root, genesis.hash));
}

#[test]
fn genesis_is_written_once_and_another_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut model = genesis();
    store.init_genesis(&model.alloc(), hash(0, 0)).unwrap();
    for number in 1..=300 {
        extend(&store, &mut model, 0, &block_ops(number));
    }
    drop(store);
    let store = open(directory.path());
    assert_eq!(store.init_genesis(&genesis().alloc(), hash(0, 0)).unwrap(), store.head().unwrap().unwrap());
    let other = store.init_genesis(&genesis().alloc(), hash(9, 0));
    assert!(matches!(other, Err(StateError::OtherGenesis { .. })), "{other:?}");
}

#[test]
fn the_last_256_block_hashes_are_known_beyond_the_history() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut model = genesis();
    store.init_genesis(&model.alloc(), hash(0, 0)).unwrap();
    for number in 1..=300 {
        extend(&store, &mut model, 0, &block_ops(number));
    }
    for view in [store.latest().unwrap(), store.at(BlockNumber(296)).unwrap()] {
        let head = view.number().0;
        for number in head - 256..=head {
            assert_eq!(view.block_hash_ref(number).unwrap(), hash(0, number));
        }
        assert_eq!(view.block_hash_ref(head + 1).unwrap(), B256::ZERO);
    }
    assert_eq!(store.latest().unwrap().block_hash(BlockNumber(2)).unwrap(), None, "pruned");
}

#[test]
fn views_stay_the_same_while_blocks_are_committed_pruned_and_rewound() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut model = genesis();
    store.init_genesis(&model.alloc(), hash(0, 0)).unwrap();
    extend(&store, &mut model, 0, &block_ops(1));
    let (view, seen) = (store.latest().unwrap(), model.clone());
    let check = |cached: &str| {
        for n in 0..10 {
            let account = seen.0.get(&address(n)).map(common::Account::trie_account);
            assert_eq!(view.account(address(n)).unwrap(), account, "{cached}");
            for slot in 0..6 {
                let value =
                    seen.0.get(&address(n)).and_then(|account| account.storage.get(&U256::from(slot)));
                assert_eq!(
                    view.storage(address(n), U256::from(slot)).unwrap(),
                    value.copied().unwrap_or_default()
                );
            }
        }
    };
    let fork_point = model.clone();
    for number in 2..=4 {
        extend(&store, &mut model, 0, &block_ops(number));
        check("after a commit");
    }
    store.rewind(BlockNumber(1)).unwrap();
    model = fork_point;
    for number in 2..=20 {
        extend(&store, &mut model, 1, &block_ops(number + 100));
        check("on another fork, then below the history");
    }
    assert!(matches!(store.at(BlockNumber(1)), Err(StateError::OutsideHistory { .. })));
}

#[test]
fn readers_on_other_threads_see_whole_blocks() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut model = Model::default();
    store.init_genesis(&model.alloc(), hash(0, 0)).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let view = store.latest().unwrap();
                    for n in 0..10 {
                        let balance = view.account(address(n)).unwrap().map(|account| account.balance);
                        let expected = (view.number().0 > 0).then(|| U256::from(view.number().0));
                        assert_eq!(balance, expected, "every block pays its number to all");
                    }
                }
            });
        }
        for number in 1..=100 {
            extend(&store, &mut model, 0, &(0..10).map(|n| Op::Pay(n, number)).collect::<Vec<_>>());
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn only_the_next_block_on_the_head_is_committed() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut model = genesis();
    store.init_genesis(&model.alloc(), hash(0, 0)).unwrap();
    let stage = || store.stage(&BundleState::default()).unwrap();
    let (late, after_rewind) = (stage(), stage());
    assert!(matches!(store.commit(stage(), BlockNumber(2), hash(0, 2)), Err(StateError::Stale { .. })));
    extend(&store, &mut model, 0, &block_ops(1));
    assert!(matches!(store.commit(late, BlockNumber(1), hash(0, 1)), Err(StateError::Stale { .. })));
    let on_head = stage();
    store.rewind(BlockNumber(0)).unwrap();
    assert!(matches!(store.commit(on_head, BlockNumber(2), hash(0, 2)), Err(StateError::Stale { .. })));
    assert!(matches!(store.commit(after_rewind, BlockNumber(1), hash(0, 1)), Err(StateError::Stale { .. })));
    assert_eq!(store.head().unwrap().unwrap().state_root, genesis().root());
}

#[test]
fn an_empty_block_keeps_the_root() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut model = genesis();
    store.init_genesis(&model.alloc(), hash(0, 0)).unwrap();
    extend(&store, &mut model, 0, &[]);
    assert_eq!(store.head().unwrap().unwrap().state_root, genesis().root());
}

#[test]
fn unknown_code_is_an_error_and_empty_code_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.init_genesis(&genesis().alloc(), hash(0, 0)).unwrap();
    let view = store.latest().unwrap();
    assert!(view.code(alloy_primitives::KECCAK256_EMPTY).unwrap().is_empty());
    assert!(matches!(view.code(B256::repeat_byte(1)), Err(StateError::UnknownCode(_))));
}

#[test]
fn a_store_that_is_open_cannot_be_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let _store = open(directory.path());
    let second = StateStore::open(directory.path(), OPTIONS);
    assert!(matches!(second, Err(StateError::Locked(_))), "{second:?}");
}

#[test]
fn unusable_files_are_refused_with_their_reason() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "not a directory").unwrap();
    let result = StateStore::open(&file, OPTIONS);
    assert!(matches!(result, Err(StateError::Directory { .. })), "{result:?}");

    fs::write(directory.path().join("state.redb"), [0x55; 10_000]).unwrap();
    let result = StateStore::open(directory.path(), OPTIONS);
    assert!(matches!(result, Err(StateError::Corrupted(_))), "{result:?}");
}

const CRASH_DIRECTORY: &str = "LOCKSTEP_TEST_CRASH_DIRECTORY";
const CRASH_BLOCKS: u64 = 40;

/// Not a test by itself: the process that [`a_killed_process_leaves_a_whole_block`] starts.
#[test]
fn crash_child() {
    let Some(directory) = std::env::var_os(CRASH_DIRECTORY) else { return };
    let store = open(directory.as_ref());
    let mut model = genesis();
    store.init_genesis(&model.alloc(), hash(0, 0)).unwrap();
    for number in 1..=CRASH_BLOCKS {
        extend(&store, &mut model, 0, &block_ops(number));
    }
    std::process::abort();
}

#[test]
fn a_killed_process_leaves_a_whole_block() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "crash_child"]).env(CRASH_DIRECTORY, directory.path());
    assert!(!child.output().unwrap().status.success());

    let store = open(directory.path());
    let head = store.head().unwrap().unwrap();
    assert!((32..=CRASH_BLOCKS).contains(&head.number.0), "a recent block: {head:?}");
    let mut model = genesis();
    let scratch = tempfile::tempdir().unwrap();
    let replayed = open(scratch.path());
    replayed.init_genesis(&model.alloc(), hash(0, 0)).unwrap();
    for number in 1..=head.number.0 {
        extend(&replayed, &mut model, 0, &block_ops(number));
    }
    assert_eq!(Some(head), replayed.head().unwrap());
    for number in head.number.0 + 1..=CRASH_BLOCKS {
        extend(&store, &mut model, 0, &block_ops(number));
    }
}
