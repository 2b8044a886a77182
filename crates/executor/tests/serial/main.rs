//! One transaction after the other: equal to plain revm, under every fork's rules.

#[path = "../oracle/mod.rs"]
mod oracle;
mod ways;
mod world;

use std::fmt;

use alloy_primitives::{Address, B256, U256};
use lockstep_executor::{
    Changes, Executor, ExecutorError, Key, Limits, LockMode, Options, Outcome, Rejected, RunKind, TxIndex,
};
use proptest::prelude::*;
use revm::{
    DatabaseRef, bytecode::Bytecode, context::TxEnv, database::InMemoryDB, database_interface::DBErrorMarker,
    primitives::hardfork::SpecId, state::AccountInfo,
};

use oracle::plain;
use ways::{check, executed, ways, with_nonces};
use world::{
    DESTROY, EMPTY, FACTORY, FORTUNE, NOBODY, PAY, PEOPLE, STORE, call, child, delegating, person, rules,
    state, word,
};

const BENEFICIARY: Address = Address::with_last_byte(0xfe);

fn checked(spec: SpecId, txs: &[TxEnv]) -> (ways::Outcomes, Changes) {
    check(&rules(spec, BENEFICIARY), &state(), Limits::NONE, txs)
}

fn n(value: u64) -> U256 {
    U256::from(value)
}

#[test]
fn slots_that_end_as_they_began_are_no_change() {
    let set = |nonce, value| call(0, nonce, STORE, 0, &[n(1), n(value)]);
    let (_, changes) = checked(SpecId::OSAKA, &[set(0, 5), set(1, 101)]);
    assert!(!changes.accounts.contains_key(&STORE), "{changes:?}");
    let (_, changes) = checked(SpecId::OSAKA, &[set(0, 5), set(1, 6)]);
    let slots = &changes.accounts[&STORE].slots;
    assert_eq!((slots[0].before, slots[0].after, slots.len()), (n(101), n(6), 1));
}

#[test]
fn a_destroyed_contract_is_gone_with_its_storage_before_cancun() {
    let txs = [
        call(0, 0, DESTROY, 0, &[word(NOBODY)]),
        call(0, 1, DESTROY, 3, &[]),
        call(0, 2, PAY, 0, &[word(DESTROY), n(1)]),
    ];
    let (_, changes) = checked(SpecId::SHANGHAI, &txs);
    let change = &changes.accounts[&DESTROY];
    assert!(change.wiped && change.slots.is_empty());
    assert_eq!(change.after.as_ref().map(|info| (info.balance, info.nonce)), Some((n(4), 0)));
    let (_, changes) = checked(SpecId::CANCUN, &txs);
    assert!(!changes.accounts[&DESTROY].wiped);
}

#[test]
fn a_contract_made_again_at_its_address_starts_with_no_storage() {
    let txs = [
        call(0, 0, FACTORY, 0, &[n(0)]),
        call(0, 1, child(0), 0, &[n(1), n(9)]),
        call(0, 2, child(0), 0, &[]),
        call(0, 3, FACTORY, 5, &[n(0)]),
        call(0, 4, child(0), 0, &[n(2), n(8)]),
    ];
    let (_, changes) = checked(SpecId::SHANGHAI, &txs);
    let change = &changes.accounts[&child(0)];
    assert!(change.before.is_none() && !change.wiped);
    let slots: Vec<_> = change.slots.iter().map(|slot| (slot.slot, slot.after)).collect();
    assert_eq!(slots, [(n(2), n(8)), (n(7), n(7))]);
    assert_eq!(changes.codes.len(), 1);
    // After Cancun the child outlives its own SELFDESTRUCT, and cannot be made a second time.
    let (_, changes) = checked(SpecId::CANCUN, &txs);
    let slots: Vec<_> = changes.accounts[&child(0)].slots.iter().map(|slot| slot.slot).collect();
    assert_eq!(slots, [n(1), n(2), n(7)]);
}

#[test]
fn what_comes_and_goes_in_one_transaction_leaves_no_trace() {
    for spec in [SpecId::SHANGHAI, SpecId::PRAGUE] {
        let (_, changes) = checked(spec, &[call(0, 0, FACTORY, 0, &[n(0), n(1)])]);
        assert!(!changes.accounts.contains_key(&child(0)));
        assert!(changes.codes.is_empty());
    }
}

#[test]
fn a_contract_that_existed_and_is_made_again_keeps_no_old_slot() {
    let vm = rules(SpecId::SHANGHAI, BENEFICIARY);
    let mut db = state();
    let made = plain(&vm, &db, Limits::NONE, &[call(0, 0, FACTORY, 0, &[n(0)])]).1;
    let child_info = made.accounts[&child(0)].after.clone().expect("it was made");
    let code = made.codes[&child_info.code_hash].clone();
    db.insert_account_info(child(0), AccountInfo { code: Some(code), ..child_info });
    for slot in [1, 7] {
        db.insert_account_storage(child(0), n(slot), n(55)).expect("it is in memory");
    }
    let txs = [
        call(0, 0, child(0), 0, &[n(1), n(56)]),
        call(0, 1, child(0), 0, &[]),
        call(0, 2, FACTORY, 0, &[n(0)]),
        call(0, 3, child(0), 0, &[n(2), n(1)]),
        call(0, 4, child(0), 0, &[n(2), n(0)]),
    ];
    let (_, changes) = check(&vm, &db, Limits::NONE, &txs);
    let change = &changes.accounts[&child(0)];
    assert!(change.wiped && change.before.is_some() && change.after.is_some());
    let slots: Vec<_> = change.slots.iter().map(|slot| (slot.slot, slot.before, slot.after)).collect();
    assert_eq!(slots, [(n(7), n(0), n(7))]);
    assert!(changes.codes.is_empty(), "it has the code that it had");
}

#[test]
fn empty_accounts_come_into_being_before_eip_161_and_vanish_after() {
    let txs = [call(0, 0, NOBODY, 0, &[]), call(0, 1, EMPTY, 0, &[])];
    let (_, changes) = checked(SpecId::HOMESTEAD, &txs);
    assert_eq!(changes.accounts[&NOBODY].after, Some(AccountInfo::default()));
    assert!(!changes.accounts.contains_key(&EMPTY));
    let (_, changes) = checked(SpecId::SPURIOUS_DRAGON, &txs);
    assert!(!changes.accounts.contains_key(&NOBODY));
    assert!(changes.accounts[&EMPTY].wiped && changes.accounts[&EMPTY].after.is_none());
}

#[test]
fn fees_go_to_whoever_is_the_beneficiary() {
    for beneficiary in [BENEFICIARY, person(0), person(1), EMPTY, STORE] {
        for spec in [SpecId::HOMESTEAD, SpecId::BYZANTIUM, SpecId::LONDON, SpecId::OSAKA] {
            let txs = [
                call(0, 0, person(1), 5, &[]),
                call(1, 0, person(1), 6, &[]),
                call(2, 0, beneficiary, 7, &[]),
                TxEnv { gas_price: 7, ..call(2, 1, person(0), 1, &[]) },
            ];
            check(&rules(spec, beneficiary), &state(), Limits::NONE, &txs);
        }
    }
}

#[test]
fn delegations_are_codes_that_can_be_cleared() {
    let plain_call = |from, nonce| call(from, nonce, NOBODY, 1, &[]);
    let gas = |tx: TxEnv| TxEnv { gas_limit: 200_000, ..tx };
    let delegated = [
        gas(delegating(plain_call(0, 0), 1, 0, STORE)),
        gas(call(0, 1, person(1), 2, &[n(4), n(5)])),
        gas(call(1, 1, NOBODY, 1, &[])),
        gas(call(2, 0, person(1), 1, &[])),
    ];
    let (_, changes) = checked(SpecId::PRAGUE, &delegated);
    let change = &changes.accounts[&person(1)];
    assert_eq!((change.slots.len(), changes.codes.len()), (1, 1));
    let cleared = [&delegated[..], &[gas(delegating(plain_call(0, 2), 1, 2, Address::ZERO))]].concat();
    let (_, changes) = checked(SpecId::PRAGUE, &cleared);
    assert_eq!((changes.accounts[&person(1)].slots.len(), changes.codes.len()), (1, 0));
}

#[test]
fn a_full_block_goes_on_with_what_fits() {
    let big = TxEnv { gas_limit: 80_000, ..call(0, 0, NOBODY, 1, &[]) };
    let txs = [call(1, 0, NOBODY, 1, &[]), big, call(2, 0, NOBODY, 1, &[]), call(3, 0, NOBODY, 1, &[])];
    let limits = Limits { gas: 72_000, footprint: u64::MAX };
    let (outcomes, _) = check(&rules(SpecId::OSAKA, BENEFICIARY), &state(), limits, &txs);
    assert_eq!(outcomes[1], Outcome::Rejected(Rejected::Gas { limit: 80_000, left: 51_000 }));
    assert!(matches!(outcomes[2], Outcome::Included(_)));
    assert_eq!(outcomes[3], Outcome::Included(executed_alone(&txs[3])));
    let limits = Limits { gas: 71_999, ..limits };
    let (outcomes, _) = check(&rules(SpecId::OSAKA, BENEFICIARY), &state(), limits, &txs);
    assert_eq!(outcomes[3], Outcome::Rejected(Rejected::Gas { limit: 30_000, left: 29_999 }));
}

fn executed_alone(tx: &TxEnv) -> revm::context::result::ExecutionResult {
    let (outcomes, _) = checked(SpecId::OSAKA, std::slice::from_ref(tx));
    let Some(Outcome::Included(result)) = outcomes.into_iter().next() else { panic!("{tx:?} is valid") };
    result
}

#[test]
fn invalid_transactions_change_nothing() {
    let good = call(0, 0, NOBODY, 1, &[]);
    let bad = [
        call(0, 5, NOBODY, 1, &[]),
        call(1, 0, NOBODY, FORTUNE, &[]),
        TxEnv { gas_limit: 20_999, ..call(1, 0, NOBODY, 1, &[]) },
        TxEnv { gas_price: 6, ..call(1, 0, NOBODY, 1, &[]) },
        TxEnv { caller: STORE, nonce: 1, gas_price: 7, gas_limit: 21_000, ..call(1, 0, NOBODY, 1, &[]) },
        call(0, 0, NOBODY, 1, &[]),
    ];
    let (outcomes, changes) = checked(SpecId::OSAKA, &[std::slice::from_ref(&good), &bad[..]].concat());
    assert!(outcomes[1..].iter().all(|outcome| matches!(outcome, Outcome::Rejected(Rejected::Invalid(_)))));
    assert_eq!(changes, checked(SpecId::OSAKA, &[good]).1);
}

#[test]
fn plain_transfers_run_without_an_evm_if_wanted() {
    let txs = [call(0, 0, NOBODY, 1, &[]), call(0, 1, STORE, 0, &[n(1), n(1)]), call(0, 2, STORE, 0, &[])];
    let vm = rules(SpecId::OSAKA, BENEFICIARY);
    let native = |options| executed(options, &vm, &state(), Limits::NONE, &txs).1.stats.native;
    let [with, without, ..] = <[Options; 4]>::try_from(ways()).expect("four ways");
    assert_eq!((native(with), native(without)), (1, 0));
}

#[test]
fn a_schedule_holds_one_run_per_transaction_in_order() {
    let txs: Vec<_> = (0..4).map(|nonce| call(0, nonce, NOBODY, 1, &[])).collect();
    let options = Options { record_schedule: true, threads: 1, ..Options::default() };
    let executor = Executor::new(options).expect("threads start");
    let (vm, db) = (rules(SpecId::OSAKA, BENEFICIARY), state());
    let mut block = executor.block(&vm, &db, Limits::NONE);
    txs.chunks(3).for_each(|batch| assert_eq!(block.run(batch, &[]).expect("it runs").len(), batch.len()));
    let schedule = block.finish().schedule.expect("it was asked for");
    let order: Vec<_> = schedule.runs.iter().map(|run| (run.tx, run.kind, run.worker)).collect();
    assert_eq!(order, [0, 1, 2, 3].map(|tx| (TxIndex(tx), RunKind::Transfer, 0)));
    let times: Vec<_> = schedule.runs.iter().flat_map(|run| [run.start_ns, run.end_ns]).collect();
    assert!(times.is_sorted() && times[7] <= schedule.total_ns);
}

#[test]
fn recorded_access_says_what_mattered() {
    let txs = [
        call(0, 0, NOBODY, 1, &[]),
        call(1, 0, STORE, 0, &[n(1), n(9)]),
        call(2, 0, STORE, 0, &[n(2), n(102)]),
        call(3, 0, PAY, 0, &[word(NOBODY), n(1)]),
        TxEnv { gas_limit: u64::MAX, ..call(0, 1, NOBODY, 1, &[]) },
    ];
    let options = Options { record_access: true, threads: 1, ..Options::default() };
    let limits = Limits { gas: 10_000_000, ..Limits::NONE };
    let (_, output) = executed(options, &rules(SpecId::OSAKA, BENEFICIARY), &state(), limits, &txs);
    let sets = output.access.expect("it was asked for");
    let mode = |tx: usize, key| sets[tx].mode(&key);
    // Balances that are only added to or taken from commute, so nobody waits for them.
    assert_eq!(mode(0, Key::Balance(person(0))), Some(LockMode::Delta));
    assert_eq!(mode(0, Key::Nonce(person(0))), Some(LockMode::Exclusive));
    assert_eq!(mode(0, Key::Balance(NOBODY)), Some(LockMode::Delta));
    assert_eq!(mode(0, Key::Nonce(NOBODY)), None);
    assert!(sets.iter().all(|set| set.mode(&Key::Balance(BENEFICIARY)).is_none()), "fees are no conflict");
    assert_eq!(mode(1, Key::Slot(STORE, n(1))), Some(LockMode::Exclusive));
    assert_eq!(mode(2, Key::Slot(STORE, n(2))), Some(LockMode::Shared), "it wrote what was there");
    assert_eq!(mode(1, Key::Code(STORE)), Some(LockMode::Shared));
    assert_eq!(mode(1, Key::Balance(STORE)), None);
    assert_eq!(mode(3, Key::Balance(PAY)), Some(LockMode::Delta));
    assert!(sets[4].is_empty(), "it did not fit, so it touched nothing");
}

/// A state whose slots cannot be read.
#[derive(Debug)]
struct Torn(InMemoryDB);

#[derive(Debug, PartialEq)]
struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lost")
    }
}

impl std::error::Error for Lost {}
impl DBErrorMarker for Lost {}

impl DatabaseRef for Torn {
    type Error = Lost;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Lost> {
        self.0.basic_ref(address).map_err(|_| Lost)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Lost> {
        self.0.code_by_hash_ref(hash).map_err(|_| Lost)
    }

    fn storage_ref(&self, _: Address, _: U256) -> Result<U256, Lost> {
        Err(Lost)
    }

    fn block_hash_ref(&self, _: u64) -> Result<B256, Lost> {
        Err(Lost)
    }
}

#[test]
fn a_database_that_fails_is_an_error_and_no_outcome() {
    let (vm, db) = (rules(SpecId::OSAKA, BENEFICIARY), Torn(state()));
    for options in ways() {
        let executor = Executor::new(options).expect("threads start");
        let txs = [call(0, 0, NOBODY, 1, &[]), call(0, 1, STORE, 0, &[n(1), n(1)])];
        let error = executor.execute(&vm, &db, Limits::NONE, &txs).expect_err("the slot is lost");
        let ExecutorError::Database(source) = error else { panic!("{error:?}") };
        assert_eq!(source.downcast_ref::<Lost>(), Some(&Lost));
    }
}

/// A transaction whose nonces are still to be set; they say how far off they will be.
fn transaction() -> impl Strategy<Value = TxEnv> {
    let to = prop_oneof![
        (0..PEOPLE).prop_map(person),
        prop::sample::select(vec![STORE, DESTROY, PAY, FACTORY, EMPTY, NOBODY, BENEFICIARY]),
        (0..2_u64).prop_map(child),
        (1..12_u8).prop_map(Address::with_last_byte), // precompiles
    ];
    let word = prop_oneof![
        4 => (0..4_u64).prop_map(U256::from),
        1 => (0..PEOPLE).prop_map(|index| word(person(index))),
        1 => prop::sample::select(vec![STORE, EMPTY, NOBODY, BENEFICIARY]).prop_map(word),
    ];
    let words = prop_oneof![1 => Just(vec![]), 2 => prop::collection::vec(word, 1..3)];
    let value = prop_oneof![3 => Just(0), 3 => 1..50_u64, 1 => Just(FORTUNE)];
    let delegation = prop::option::weighted(
        0.15,
        (0..PEOPLE, prop::sample::select(vec![STORE, PAY, NOBODY, Address::ZERO])),
    );
    let price = prop::sample::select(vec![0_u128, 7, 8, 10]);
    let gas = prop::sample::select(vec![21_000_u64, 60_000, 400_000, 400_000]);
    let slack = prop_oneof![9 => Just(0), 1 => 1..3_u64];
    (0..PEOPLE, to, value, words, delegation, price, gas, slack).prop_map(
        |(from, to, value, words, delegation, price, gas, slack)| {
            let tx = TxEnv { gas_price: price, gas_limit: gas, ..call(from, slack, to, value, &words) };
            match delegation {
                Some((authority, target)) => delegating(tx, authority, 0, target),
                None => tx,
            }
        },
    )
}

const SPECS: [SpecId; 11] = [
    SpecId::FRONTIER,
    SpecId::HOMESTEAD,
    SpecId::TANGERINE,
    SpecId::SPURIOUS_DRAGON,
    SpecId::BYZANTIUM,
    SpecId::PETERSBURG,
    SpecId::LONDON,
    SpecId::SHANGHAI,
    SpecId::CANCUN,
    SpecId::PRAGUE,
    SpecId::OSAKA,
];

fn spec() -> impl Strategy<Value = SpecId> {
    prop_oneof![
        1 => prop::sample::select(SPECS.to_vec()),
        1 => Just(SpecId::SHANGHAI),
        1 => Just(SpecId::PRAGUE),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn random_blocks_equal_plain_revm(
        spec in spec(),
        beneficiary in prop::sample::select(vec![BENEFICIARY, person(0), EMPTY, STORE, child(0)]),
        gas in prop_oneof![3 => Just(u64::MAX), 1 => 100_000..3_000_000_u64],
        txs in prop::collection::vec(transaction(), 1..25),
    ) {
        let (vm, db) = (rules(spec, beneficiary), state());
        let txs = with_nonces(&vm, &db, txs);
        check(&vm, &db, Limits { gas, footprint: u64::MAX }, &txs);
    }

    #[test]
    fn changes_carry_a_block_from_one_executor_to_another(
        spec in spec(),
        split in 0..20_usize,
        txs in prop::collection::vec(transaction(), 1..20),
    ) {
        let (vm, db) = (rules(spec, BENEFICIARY), state());
        let txs = with_nonces(&vm, &db, txs);
        let (outcomes, changes) = plain(&vm, &db, Limits::NONE, &txs);
        let (head, tail) = txs.split_at(split.min(txs.len()));
        let executor = Executor::new(ways().swap_remove(0)).expect("threads start");
        let (first, output) = executor.execute(&vm, &db, Limits::NONE, head).expect("it runs");
        let mut block = executor.block(&vm, &db, Limits::NONE);
        block.apply(Changes::from_bundle(&output.changes.into_bundle()));
        let second = block.run(tail, &[]).expect("it runs");
        prop_assert_eq!([first, second].concat(), outcomes);
        prop_assert_eq!(block.finish().changes, changes);
    }
}
