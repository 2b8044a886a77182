//! Real blocks: whatever the mode, the number of threads and the predictions, each must come out as from plain revm,
//! with the gas, receipts root and logs bloom of its header.
//!
//! Data: `LOCKSTEP_DATA`, see `lockstep_testkit::real`; unset, the run says that they were left out.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::LazyLock;

use alloy_consensus::transaction::Recovered;
use lockstep_executor::{
    AccessSet, Changes, Ethereum, Executor, Key, Limits, LockMode, Mode, Options, Outcome, Output, Sources,
    rollup::Prelude,
};
use lockstep_testkit::real::{L2, Mainnet, RealBlock, RealL2Block, say};
use op_alloy_consensus::OpTxEnvelope;
use revm::context::result::{HaltReason, InvalidTransaction};

type Outcomes = Vec<Outcome<HaltReason, InvalidTransaction>>;

/// Mainnet blocks with what plain revm makes of them.
static MAINNET: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let Some(mainnet) = Mainnet::open() else {
        say("real mainnet blocks: left out, LOCKSTEP_DATA is not set");
        return Vec::new();
    };
    mainnet.blocks().map(Case::new).collect()
});

struct Case {
    block: RealBlock,
    vm: Ethereum,
    outcomes: Outcomes,
    changes: Changes,
}

impl Case {
    fn new(block: RealBlock) -> Self {
        let (results, bundle) = block.sequential();
        block.check(&results).unwrap();
        Self {
            vm: Ethereum::new(block.cfg.clone(), block.block.clone()),
            block,
            outcomes: results.into_iter().map(Outcome::Included).collect(),
            changes: Changes::from_bundle(&bundle),
        }
    }

    /// # Panics
    /// If the block does not come out as from plain revm.
    fn run(&self, executor: &Executor, recorded: &[AccessSet]) -> Output {
        let limits = Limits { gas: self.block.header.gas_limit, footprint: u64::MAX };
        let mut block = executor.block(&self.vm, &self.block.state, limits);
        let outcomes = block.run(&self.block.txs, recorded).unwrap();
        let output = block.finish();
        let place = format!("block {} with {:?}", self.block.number(), executor.options());
        assert_same(&outcomes, &output.changes, self, &place);
        output
    }
}

/// Names the first difference: whole blocks are too long to read.
fn assert_same(outcomes: &Outcomes, changes: &Changes, expected: &Case, place: &str) {
    for (index, (outcome, expected)) in outcomes.iter().zip(&expected.outcomes).enumerate() {
        assert_eq!(outcome, expected, "transaction {index} of {place}");
    }
    assert_eq!(outcomes.len(), expected.outcomes.len(), "{place}");
    assert_changes(changes, &expected.changes, place);
}

fn assert_changes(changes: &Changes, expected: &Changes, place: &str) {
    for (address, change) in &expected.accounts {
        assert_eq!(changes.accounts.get(address), Some(change), "{address} in {place}");
    }
    for (address, change) in &changes.accounts {
        assert!(expected.accounts.contains_key(address), "{address}: {change:?} in {place}");
    }
    assert_eq!(changes.codes, expected.codes, "codes in {place}");
}

/// Without the way out for blocks that have nothing to win.
fn options(mode: Mode, threads: usize) -> Options {
    Options { mode, threads, adaptive: false, ..Options::default() }
}

/// All blocks one after the other by one executor, which learns on the way.
fn mainnet(options: Options) {
    let executor = Executor::new(options).unwrap();
    for case in &*MAINNET {
        case.run(&executor, &[]);
    }
}

#[test]
fn mainnet_blocks_come_out_of_one_thread_as_from_plain_revm() {
    mainnet(options(Mode::Sequential, 1));
}

#[test]
fn mainnet_blocks_come_out_of_locks_as_from_plain_revm() {
    mainnet(options(Mode::Locks, 2));
    mainnet(options(Mode::Locks, 8));
}

#[test]
fn mainnet_blocks_come_out_of_optimistic_execution_as_from_plain_revm() {
    mainnet(options(Mode::Optimistic, 3));
}

#[test]
fn mainnet_blocks_come_out_as_from_plain_revm_where_the_executor_chooses() {
    mainnet(Options { adaptive: true, ..options(Mode::Locks, 4) });
}

#[test]
fn recorded_access_sets_right_or_wrong_change_no_mainnet_block() {
    let recorder = Executor::new(Options { record_access: true, ..options(Mode::Locks, 2) }).unwrap();
    let executor = Executor::new(options(Mode::Locks, 4)).unwrap();
    for case in MAINNET.iter().filter(|case| !case.block.txs.is_empty()).step_by(6) {
        let exact = case.run(&recorder, &[]).access.unwrap();
        case.run(&executor, &exact);
        for wrong in wrong(&exact) {
            case.run(&executor, &wrong);
        }
    }
}

/// What a prediction says instead of the truth about one key.
type Change = fn((Key, LockMode)) -> Option<(Key, LockMode)>;

/// Predictions that mislead: another transaction's set; half a set; the set in other modes; one lock for all.
fn wrong(exact: &[AccessSet]) -> [Vec<AccessSet>; 4] {
    let mut others = exact.to_vec();
    others.rotate_left(1);
    let each = |change: Change| exact.iter().map(|set| set.iter().filter_map(change).collect()).collect();
    let half = each(|(key, mode)| match key {
        Key::Balance(address) | Key::Nonce(address) | Key::Code(address) => {
            address[19].is_multiple_of(2).then_some((key, mode))
        }
        Key::Slot(_, slot) => (!slot.bit(0)).then_some((key, mode)),
    });
    let turned = each(|(key, mode)| {
        let turned = match mode {
            LockMode::Shared => LockMode::Exclusive,
            LockMode::Delta | LockMode::Exclusive => LockMode::Shared,
        };
        Some((key, turned))
    });
    let hot = exact.first().and_then(|set| set.iter().next()).expect("a transaction touches its sender").0;
    let one = exact.iter().map(|_| AccessSet::from_iter([(hot, LockMode::Exclusive)])).collect();
    [others, half, turned, one]
}

/// `cargo test -p lockstep-executor --test real_blocks -- --ignored`; `ROUNDS` says how often.
#[test]
#[ignore = "long"]
fn mainnet_blocks_come_out_as_from_plain_revm_however_often() {
    let rounds = std::env::var("ROUNDS").map_or(3, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        for threads in [1, 2, 3, 4, 8, 16, 32] {
            for mode in [Mode::Sequential, Mode::Locks, Mode::Optimistic] {
                mainnet(options(mode, threads));
                mainnet(Options { adaptive: true, ..options(mode, threads) });
                mainnet(Options { native_transfers: false, ..options(mode, threads) });
                mainnet(Options { sources: Sources::NONE, ..options(mode, threads) });
            }
            say(&format!("real mainnet blocks: round {round}, {threads} threads passed"));
        }
    }
}

/// L2 blocks with at most `txs` transactions, down to the hashes of their headers.
fn l2(txs: usize, options: &[Options]) {
    let Some(l2) = L2::open() else {
        return say("real L2 blocks: left out, LOCKSTEP_DATA is not set");
    };
    for block in l2.blocks().filter(|block| block.txs.len() <= txs) {
        let (_, bundle) = block.sequential();
        let changes = Changes::from_bundle(&bundle);
        for options in options {
            l2_block(&block, &changes, &Executor::new(options.clone()).unwrap());
        }
    }
}

fn l2_block(block: &RealL2Block, changes: &Changes, executor: &Executor) {
    let place = format!("block {} with {:?}", block.number(), executor.options());
    let (deposits, users) = block.transactions.split_at(block.deposits());
    let deposits = deposits.iter().map(|tx: &Recovered<OpTxEnvelope>| tx.as_deposit().unwrap().clone());
    let prelude = Prelude::from_draft(&block.state, &block.rules, block.draft(), deposits).unwrap();
    let mut builder = prelude.builder(executor);
    let results = builder.push_all(users.to_vec()).unwrap();
    assert!(results.iter().all(Result::is_ok), "{place}: {results:?}");
    let executed = builder.finish().unwrap().executed;
    assert_changes(&Changes::from_bundle(&executed.bundle), changes, &place);
    // A part of the state has no root.
    let sealed = executed.seal(block.header.state_root, block.header.withdrawals_root.unwrap());
    assert_eq!(sealed.header, block.header, "{place}");
}

#[test]
fn l2_blocks_come_out_with_their_hashes() {
    l2(usize::MAX, &[Options { threads: 3, ..Options::default() }]);
}

#[test]
fn a_small_l2_block_comes_out_with_its_hash_in_every_mode() {
    l2(100, &[options(Mode::Sequential, 1), options(Mode::Locks, 3), options(Mode::Optimistic, 3)]);
}

#[test]
#[ignore = "long"]
fn l2_blocks_come_out_with_their_hashes_for_every_number_of_threads() {
    for threads in [1, 2, 3, 4, 8, 16, 32] {
        let modes = [Mode::Sequential, Mode::Locks, Mode::Optimistic];
        let forced = modes.map(|mode| options(mode, threads));
        let free = modes.map(|mode| Options { adaptive: true, ..options(mode, threads) });
        l2(usize::MAX, &[forced, free].concat());
        say(&format!("real L2 blocks: {threads} threads passed"));
    }
}
