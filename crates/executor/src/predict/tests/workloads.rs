//! Blocks of the testkit: real compiled contracts.

use lockstep_testkit::workloads::{self, Workload};

use super::{Example, Score, examples, predictor};
use crate::AccessSet;

const SEED: u64 = 0x1ea2_0001;

fn run(workload: &Workload) -> Vec<Example> {
    examples(&workload.state, &workload.cfg, &workload.block, &workload.txs)
}

/// Scores of the first quarter of a block of 400, and of the rest.
fn scores(name: &str) -> [Score; 2] {
    let workload = workloads::by_name(name, 400, SEED).expect("a kind of block");
    let mut all = run(&workload);
    let (first, rest) = all.split_at_mut(100);
    let predictor = predictor();
    [first, rest].map(|part| predictor.steps(part))
}

#[test]
fn token_transfers_are_predicted_exactly() {
    for name in ["erc20-independent", "erc20-random", "erc20-clusters", "erc20-hot-recipient"] {
        let [first, rest] = scores(name);
        assert!(first.covered >= 98, "{name}: {first:?}");
        assert_eq!((first.extra, rest.missed, rest.extra), (0, 0, 0), "{name}: {rest:?}");
    }
}

#[test]
fn swaps_are_predicted_on_pools_that_were_never_met() {
    for (name, covered) in [
        ("uniswap-v2-one-pool", 100),
        ("uniswap-v2-pools", 100),
        ("uniswap-v3-one-pool", 97),
        ("uniswap-v3-pools", 95),
    ] {
        let [first, rest] = scores(name);
        assert!(first.covered >= 90, "{name}: {first:?}");
        assert!(rest.covered * 100 >= rest.txs * covered, "{name}: {rest:?}");
        assert!(rest.extra <= 4 * rest.txs, "{name}: {rest:?}");
    }
}

#[test]
fn recipients_of_an_airdrop_are_predicted() {
    let [_, rest] = scores("airdrop");
    assert_eq!((rest.missed, rest.extra), (0, 0), "{rest:?}");
}

#[test]
fn the_same_lessons_give_the_same_predictions() {
    let workload = workloads::by_name("mainnet-mix", 200, SEED).expect("a kind of block");
    let predictions = || {
        let predictor = predictor();
        let predict = |mut example: Example| {
            let mut set = AccessSet::default();
            let prediction = predictor.predict(&example.tx, || Some(example.code_hash), None, &mut set);
            predictor.step(&mut example);
            (prediction, set.iter().collect::<Vec<_>>())
        };
        run(&workload).into_iter().map(predict).collect::<Vec<_>>()
    };
    assert_eq!(predictions(), predictions());
}
