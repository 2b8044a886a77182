//! For any block: the executor gives what `stf` gives, whatever the mode and however many threads.

use lockstep_executor::rollup;
use lockstep_stf::{Rejected, StfError};
use lockstep_testkit::l2::{RULES, call, encode, inputs, parent, sign, user};
use proptest::prelude::*;

use crate::world::{
    EXECUTORS, any_deposit, assert_equal, block_of, contract, sender, state, step, transactions,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_block_is_that_of_stf(
        deposits in prop::collection::vec(any_deposit(), 0..4),
        steps in prop::collection::vec(step(), 0..40),
        gas_limit in prop_oneof![Just(30_000_000u64), 1_700_000..3_000_000u64],
    ) {
        assert_equal(&state(), &block_of(deposits, transactions(&steps), gas_limit));
    }
}

#[test]
fn most_random_transactions_are_included_and_many_are_not() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let steps = prop::collection::vec(step(), 400).new_tree(&mut runner).unwrap().current();
    let block = assert_equal(&state(), &block_of(Vec::new(), transactions(&steps), 300_000_000));
    assert!(block.transactions.len() > 150, "{} included", block.transactions.len());
    assert!(block.dropped.len() > 50, "{} dropped", block.dropped.len());
    let failed = block.receipts.iter().filter(|receipt| !alloy::consensus::TxReceipt::status(*receipt));
    assert!(failed.count() > 10);
}

#[test]
fn a_dropped_transaction_in_the_middle_changes_nothing_for_those_behind_it() {
    let spend = |nonce| encode(&sign(&user(1), call(nonce, contract(0), 1)));
    let block = assert_equal(&state(), &inputs([spend(0), spend(2), spend(0), spend(1), spend(2)]));
    let reasons: Vec<_> = block.dropped.iter().map(|dropped| (dropped.index, &dropped.reason)).collect();
    let high = Rejected::NonceTooHigh { tx: 2, state: 1 };
    let low = Rejected::NonceTooLow { tx: 0, state: 1 };
    assert_eq!(reasons, [(2, &high), (3, &low)]);
}

#[test]
fn vaults_that_nobody_looks_at_are_paid() {
    use alloy::primitives::Address;
    for users in 1..=3 {
        let pay = |from: u8| {
            let mut tx = call(0, Address::repeat_byte(0x70), 1);
            tx.gas_limit = 21_000;
            encode(&sign(&user(from), tx))
        };
        assert_equal(&state(), &inputs((1..=users).map(pay)));
    }
}

#[test]
fn who_reads_a_fee_vault_sees_all_fees_before_it() {
    use lockstep_primitives::predeploys::{BASE_FEE_VAULT, L1_FEE_VAULT, SEQUENCER_FEE_VAULT};
    for vault in [SEQUENCER_FEE_VAULT, BASE_FEE_VAULT, L1_FEE_VAULT] {
        let pay = |from: u8, nonce| encode(&sign(&user(from), call(nonce, vault, 3)));
        let mut look = call(0, contract(3), 0);
        look.input = vault.into_word().into();
        let look = encode(&sign(&user(2), look));
        let block = assert_equal(&state(), &inputs([pay(1, 0), pay(3, 0), look, pay(1, 1)]));
        let seen = lockstep_testkit::l2::slot(&block, contract(3), 0).unwrap();
        assert!(!seen.is_zero());
        assert!(seen < lockstep_testkit::l2::balance(&block, vault));
    }
}

#[test]
fn a_sender_that_the_caller_does_not_know_drops_its_transaction() {
    let bytes = [0, 1].map(|nonce| encode(&sign(&user(1), call(nonce, contract(0), 1))));
    let inputs = inputs(bytes);
    for executor in EXECUTORS.iter() {
        let only_second = |index, tx: &_| if index == 2 { sender(index, tx) } else { None };
        let done = rollup::execute(executor, state(), &RULES, &parent(), &inputs, only_second).unwrap();
        let reasons: Vec<_> = done.executed.dropped.iter().map(|dropped| &dropped.reason).collect();
        assert_eq!(reasons, [&Rejected::Signature, &Rejected::NonceTooHigh { tx: 1, state: 0 }]);
    }
}

#[test]
fn a_block_that_stf_refuses_is_refused() {
    let executor = &EXECUTORS[0];
    let mut headless = inputs([]);
    headless.transactions.clear();
    let result = rollup::execute(executor, state(), &RULES, &parent(), &headless, sender);
    assert!(matches!(result, Err(StfError::MissingAttributes)));
    let mut late = inputs([]);
    late.timestamp = parent().timestamp;
    let result = rollup::execute(executor, state(), &RULES, &parent(), &late, sender);
    assert!(matches!(result, Err(StfError::Timestamp { .. })));
}

#[test]
fn every_transaction_that_ran_has_an_access_set_and_a_place_in_the_schedule() {
    use lockstep_executor::{Executor, Key, Mode, Options};
    let options = Options { threads: 2, record_access: true, record_schedule: true, ..Options::default() };
    let bytes = [1, 2, 3].map(|number| encode(&sign(&user(number), call(0, contract(0), 1))));
    for mode in [Mode::Sequential, Mode::Locks, Mode::Optimistic] {
        let executor = Executor::new(Options { mode, ..options.clone() }).unwrap();
        let done =
            rollup::execute(&executor, state(), &RULES, &parent(), &inputs(bytes.clone()), sender).unwrap();
        assert_eq!(done.stats.transactions, 3);
        assert!(done.schedule.unwrap().runs.len() >= 3);
        let access = done.access.unwrap();
        assert_eq!(access.len(), 3);
        let counter = Key::Slot(contract(0), alloy::primitives::U256::ZERO);
        assert!(access.iter().all(|set| set.mode(&counter).is_some()));
    }
}
