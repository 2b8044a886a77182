//! Every workload in every way.

use lockstep_executor::{Ethereum, Executor, Limits, Options, Stats};
use lockstep_testkit::workloads::{self, KINDS, Workload};

use crate::oracle::{Case, Expected, THREADS, Way, parallel_equals_sequential, plain, same};

fn check(workload: &Workload, gas: u64, ways: &[Way]) {
    let vm = Ethereum::new(workload.cfg.clone(), workload.block.clone());
    let limits = Limits { gas, ..Limits::NONE };
    let case = Case { name: workload.name, vm: &vm, db: &workload.state, limits, txs: &workload.txs };
    parallel_equals_sequential(&case, ways);
}

/// Every kind of block, with few transactions where they are long.
fn all(seed: u64) -> impl Iterator<Item = Workload> {
    KINDS.iter().map(move |kind| (kind.build)(if kind.name.starts_with("uniswap") { 10 } else { 30 }, seed))
}

#[test]
fn every_workload_in_every_way() {
    let ways = Way::all(&THREADS);
    for workload in all(7) {
        check(&workload, workload.block.gas_limit, &ways);
    }
}

#[test]
fn every_workload_in_a_block_that_is_too_small() {
    let ways: Vec<Way> = Way::all(&[2, 5]).into_iter().filter(|way| !way.adaptive).collect();
    for workload in all(8) {
        let gas: u64 = workload.txs.iter().map(|tx| tx.gas_limit).sum();
        check(&workload, gas / 3, &ways);
    }
}

/// More transactions than are under way at once, so that their places are used again.
#[test]
fn workloads_longer_than_the_window() {
    for name in ["erc20-random", "adversarial-slots", "mainnet-mix"] {
        let workload = workloads::by_name(name, 1_300, 9).unwrap();
        let ways: Vec<Way> = Way::all(&[4]).into_iter().filter(|way| !way.adaptive && way.native).collect();
        check(&workload, workload.block.gas_limit, &ways);
    }
}

/// What is not predicted is compared: so it is as long as nothing was executed in vain.
#[test]
fn careless_transactions_run_in_parallel() {
    let workload = workloads::by_name("erc20-independent", 600, 12).unwrap();
    let vm = Ethereum::new(workload.cfg.clone(), workload.block.clone());
    let executor = Executor::new(Options { threads: 3, ..Options::default() }).unwrap();
    let (outcomes, output) = executor.execute(&vm, &workload.state, Limits::NONE, &workload.txs).unwrap();
    let (by_plain, changes) = plain(&vm, &workload.state, Limits::NONE, &workload.txs);
    let expected: Expected<Ethereum> = Expected { outcomes: by_plain, changes, access: Vec::new() };
    same(&expected, &outcomes, &output, || "careless".to_owned());
    let Stats { serial, predicted, .. } = output.stats;
    assert_eq!((serial, predicted), (0, 0), "{:?}", output.stats);
}
