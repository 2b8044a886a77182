//! The official Ethereum state and block tests through the executor: each passes, under OP rules and under Ethereum's
//! own, and on the way every block and every transaction comes out as from `lockstep-stf` and from plain revm.
//!
//! Data: `LOCKSTEP_DATA`; unset, the run says that they were left out.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::LazyLock;

use alloy_consensus::transaction::Recovered;
use lockstep_executor::{
    Changes, Ethereum, Executor, Limits, Mode, Options, Outcome, Rejected, Sources, rollup::Prelude,
};
use lockstep_stf::{Draft, Dropped, Executed, Rules, StfError};
use lockstep_testkit::{
    ethereum_tests::{
        Execute, Report, World, block_tests, by_stf,
        mainnet::{self, Done, Transact},
        state_tests,
    },
    real::say,
};
use op_alloy_consensus::OpTxEnvelope;
use revm::context::{BlockEnv, CfgEnv, TxEnv};

/// What `lockstep-stf` and plain revm pass, and what OP rules leave out.
static OP_STATES: LazyLock<Option<Report>> = LazyLock::new(|| state_tests(&by_stf));
static OP_BLOCKS: LazyLock<Option<Report>> = LazyLock::new(|| block_tests(&by_stf));
static STATES: LazyLock<Option<Report>> = LazyLock::new(|| mainnet::state_tests(&mainnet::by_revm));
static BLOCKS: LazyLock<Option<Report>> = LazyLock::new(|| mainnet::block_tests(&mainnet::by_revm));

/// The block by the executor, which must be equal to that of `lockstep-stf`.
fn execute(
    executor: &Executor,
    world: &World,
    rules: &Rules,
    draft: Draft,
    txs: &[Recovered<OpTxEnvelope>],
) -> Result<Executed, StfError> {
    let expected = by_stf(world, rules, draft.clone(), txs);
    let executed = by_executor(executor, &world.unread(), rules, draft, txs);
    match (&executed, &expected) {
        (Ok(executed), Ok(expected)) => assert_same(executed, expected),
        (Err(_), Err(_)) => {}
        (Ok(_), Err(error)) => panic!("stf stops: {error:?}"),
        (Err(error), Ok(_)) => panic!("the executor stops: {error:?}"),
    }
    executed
}

fn by_executor(
    executor: &Executor,
    world: &World,
    rules: &Rules,
    draft: Draft,
    txs: &[Recovered<OpTxEnvelope>],
) -> Result<Executed, StfError> {
    let prelude = Prelude::from_draft(world, rules, draft, [])?;
    let mut builder = prelude.builder(executor);
    let results = builder.push_all(txs.to_vec())?;
    let dropped = results.into_iter().zip(txs).enumerate().filter_map(|(index, (result, tx))| {
        Some(Dropped { index, hash: tx.tx_hash(), reason: result.err()? })
    });
    Ok(Executed { dropped: dropped.collect(), ..builder.finish()?.executed })
}

fn assert_same(executed: &Executed, expected: &Executed) {
    assert_eq!(executed.receipts, expected.receipts);
    assert_eq!(executed.dropped, expected.dropped);
    assert_eq!(executed.draft, expected.draft);
    assert_eq!(executed.transactions, expected.transactions);
    assert_eq!(executed.senders, expected.senders);
    assert_changes(&Changes::from_bundle(&executed.bundle), &Changes::from_bundle(&expected.bundle));
}

/// Names the first difference.
fn assert_changes(changes: &Changes, expected: &Changes) {
    for (address, change) in &expected.accounts {
        assert_eq!(changes.accounts.get(address), Some(change), "{address}");
    }
    assert_eq!(changes, expected);
}

/// The transactions by the executor, which must do what plain revm does.
fn transact(executor: &Executor, world: &World, cfg: &CfgEnv, block: &BlockEnv, txs: &[TxEnv]) -> Done {
    let vm = Ethereum::new(cfg.clone(), block.clone());
    let limits = Limits { gas: block.gas_limit, footprint: u64::MAX };
    let (outcomes, output) = executor.execute(&vm, world, limits, txs).unwrap();
    let results = outcomes.into_iter().map(|outcome| match outcome {
        Outcome::Included(result) => Ok(result),
        Outcome::Rejected(Rejected::Invalid(error)) => Err(Some(error)),
        Outcome::Rejected(_) => Err(None),
    });
    let expected = mainnet::by_revm(world, cfg, block, txs);
    assert_eq!(results.collect::<Vec<_>>(), expected.results);
    assert_changes(&output.changes, &Changes::from_bundle(&expected.bundle));
    Done { bundle: output.changes.into_bundle(), ..expected }
}

fn judge(name: &str, report: Option<Report>, expected: Option<&Report>, options: &Options) {
    let (Some(report), Some(expected)) = (report, expected) else {
        return say(&format!("official Ethereum {name}: left out, LOCKSTEP_DATA is not set"));
    };
    assert_eq!(&report, expected, "{name} with {options:?}");
    assert!(expected.failures.is_empty(), "{name}: {expected}");
    let Options { mode, threads, adaptive, .. } = options;
    let passed = expected.passed;
    say(&format!("official {name}: {passed} passed; {mode}, {threads} threads, adaptive {adaptive}"));
}

/// All tests by one executor.
fn all(options: Options) {
    let executor = Executor::new(options).unwrap();
    let options = executor.options();
    let op: &Execute<'_> = &|world, rules, draft, txs| execute(&executor, world, rules, draft, txs);
    judge("state tests, OP rules", state_tests(op), OP_STATES.as_ref(), options);
    judge("block tests, OP rules", block_tests(op), OP_BLOCKS.as_ref(), options);
    let ethereum: &Transact<'_> = &|world, cfg, block, txs| transact(&executor, world, cfg, block, txs);
    judge("state tests", mainnet::state_tests(ethereum), STATES.as_ref(), options);
    judge("block tests", mainnet::block_tests(ethereum), BLOCKS.as_ref(), options);
}

/// Without the way out for blocks that have nothing to win.
fn options(mode: Mode, threads: usize) -> Options {
    Options { mode, threads, adaptive: false, ..Options::default() }
}

#[test]
fn official_tests_pass_on_one_thread() {
    all(options(Mode::Sequential, 1));
}

#[test]
fn official_tests_pass_under_locks() {
    all(options(Mode::Locks, 3));
}

#[test]
fn official_tests_pass_with_optimistic_execution() {
    all(options(Mode::Optimistic, 2));
}

#[test]
fn official_tests_pass_where_the_executor_chooses() {
    all(Options { adaptive: true, ..options(Mode::Locks, 4) });
}

/// `cargo test -p lockstep-executor --test ethereum -- --ignored`
#[test]
#[ignore = "long"]
fn official_tests_pass_in_every_mode_with_every_number_of_threads() {
    for threads in [1, 2, 3, 4, 8, 16, 32] {
        for mode in [Mode::Sequential, Mode::Locks, Mode::Optimistic] {
            all(options(mode, threads));
            all(Options { adaptive: true, ..options(mode, threads) });
            all(Options { native_transfers: false, ..options(mode, threads) });
            all(Options { sources: Sources::NONE, ..options(mode, threads) });
        }
    }
}
