//! Every workload in every way.

use lockstep_executor::{Ethereum, Limits};
use lockstep_testkit::workloads::{self, KINDS, Workload};

use crate::oracle::{Case, THREADS, Way, parallel_equals_sequential};

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
