//! The same block over and over: nothing depends on who is first.

use std::thread;

use lockstep_executor::{Executor, Mode, Options, Sources};
use lockstep_testkit::workloads;

use crate::{expected, limits, oracle::same, rules};

/// Runs a small block of `name` a thousand times: by turns with what was learned, with exact sets, with nothing, and with
/// what seems worth its time.
fn repeat(name: &str, threads: usize) {
    let workload = workloads::by_name(name, 16, 11).unwrap();
    let vm = rules(&workload);
    let expected = expected(&workload);
    let options = Options { threads, adaptive: false, ..Options::default() };
    let executors = [
        Options { sources: Sources { recorded: false, ..Sources::default() }, ..options.clone() },
        Options { sources: Sources { recorded: true, ..Sources::NONE }, ..options.clone() },
        Options { sources: Sources::NONE, ..options.clone() },
        Options { mode: Mode::Optimistic, ..options.clone() },
        Options { adaptive: true, ..options },
    ];
    let executors = executors.map(|options| Executor::new(options).unwrap());
    for round in 0..1_000 {
        let executor = &executors[round % executors.len()];
        let mut block = executor.block(&vm, &workload.state, limits(&workload));
        let outcomes = block.run(&workload.txs, &expected.access).unwrap();
        same(&expected, &outcomes, &block.finish(), || {
            format!("{name} round {round} {:?}", executor.options())
        });
    }
}

#[test]
fn a_thousand_runs_of_one_contended_block_end_alike() {
    for name in ["erc20-hot-recipient", "adversarial-slots", "adversarial-destruct"] {
        repeat(name, 3);
    }
}

#[test]
fn four_threads_for_every_core_end_alike() {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    for name in ["uniswap-v2-one-pool", "adversarial-balances"] {
        repeat(name, 4 * cores);
    }
}
