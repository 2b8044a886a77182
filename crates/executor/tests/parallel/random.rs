//! Random programs and transactions that meet at few accounts and slots.

use std::{
    cell::{Cell, RefCell},
    time::{Instant, SystemTime},
};

use alloy_primitives::{Address, U256};
use lockstep_executor::{Mode, Outcome, Stats};
use proptest::{
    prelude::*,
    sample::select,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use revm::{bytecode::opcode as op, primitives::hardfork::SpecId};

use crate::{
    code::{CREATED, CallKind, Expr, Place, Step},
    oracle::{Prediction, THREADS, Way, parallel_equals_sequential, plain},
    world::{
        Blueprint, CONTRACTS, EMPTY, FACTORY, MINER, NOBODY, PEOPLE, Plan, Target, Value, child, everybody,
        names, person, program,
    },
};

fn place() -> impl Strategy<Value = Place> + Clone {
    prop_oneof![
        6 => select(everybody()).prop_map(Place::Fixed),
        2 => (0..2_u8).prop_map(Place::Word),
        2 => Just(Place::Caller),
        1 => Just(Place::Coinbase),
        1 => Just(Place::Own),
        1 => prop_oneof![Just(CREATED), 0..4_u8].prop_map(Place::Slot),
    ]
}

const ENVIRONMENT: [u8; 12] = [
    op::CALLER,
    op::CALLVALUE,
    op::ORIGIN,
    op::GASPRICE,
    op::GAS,
    op::NUMBER,
    op::TIMESTAMP,
    op::COINBASE,
    op::BASEFEE,
    op::CHAINID,
    op::CALLDATASIZE,
    op::RETURNDATASIZE,
];

fn expr() -> impl Strategy<Value = Expr> + Clone {
    let leaf = prop_oneof![
        4 => (0..4_u8).prop_map(Expr::Small),
        3 => (0..2_u8).prop_map(Expr::Word),
        2 => place().prop_map(Expr::Balance),
        1 => Just(Expr::SelfBalance),
        1 => place().prop_map(Expr::CodeHash),
        1 => place().prop_map(Expr::CodeSize),
        2 => select(ENVIRONMENT.to_vec()).prop_map(Expr::Env),
        1 => (0..2_u8).prop_map(Expr::Transient),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        let pair = (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        prop_oneof![
            3 => inner.prop_map(Box::new).prop_map(Expr::Slot),
            1 => pair.clone().prop_map(|(left, right)| Expr::Add(left, right)),
            1 => pair.clone().prop_map(|(left, right)| Expr::Sub(left, right)),
            1 => pair.clone().prop_map(|(left, right)| Expr::Less(left, right)),
            1 => pair.prop_map(|(left, right)| Expr::Hash(left, right)),
        ]
    })
}

fn amount() -> impl Strategy<Value = Expr> {
    prop_oneof![
        3 => Just(Expr::Small(0)),
        3 => (1..100_u8).prop_map(Expr::Small),
        1 => Just(Expr::SelfBalance),
        1 => Just(Expr::Env(op::CALLVALUE)),
        1 => expr(),
    ]
}

fn call() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        5 => Just(CallKind::Call),
        1 => Just(CallKind::CallCode),
        1 => Just(CallKind::Delegate),
        1 => Just(CallKind::Static),
    ];
    (kind, place(), amount(), prop::bool::weighted(0.2), expr(), any::<bool>())
        .prop_map(|(kind, to, value, little, word, keep)| Step::Call { kind, to, value, little, word, keep })
}

fn step() -> impl Strategy<Value = Step> + Clone {
    let leaf = prop_oneof![
        8 => (expr(), expr()).prop_map(|(slot, value)| Step::Store(slot, value)),
        4 => call(),
        1 => (0..2_u8, expr()).prop_map(|(slot, value)| Step::TransientStore(slot, value)),
        1 => expr().prop_map(Step::Log),
        3 => Just(Step::Pause),
        1 => place().prop_map(Step::Copy),
        1 => place().prop_map(Step::Destroy),
        1 => select(vec![Step::Revert, Step::Stop, Step::Fail]),
    ]
    .boxed();
    let steps = |inner: BoxedStrategy<Step>, most| prop::collection::vec(inner, 0..most);
    leaf.prop_recursive(2, 8, 3, move |inner| {
        let inner = inner.boxed();
        let create = (prop::option::of(expr()), amount(), steps(inner.clone(), 3), steps(inner.clone(), 3));
        prop_oneof![
            2 => (expr(), steps(inner.clone(), 3)).prop_map(|(condition, steps)| Step::If(condition, steps)),
            1 => (1..4_u8, steps(inner, 2)).prop_map(|(times, steps)| Step::Loop(times, steps)),
            2 => create.prop_map(|(salt, value, init, left)| Step::Create { salt, value, init, left }),
        ]
    })
    .boxed()
}

fn plan() -> impl Strategy<Value = Plan> {
    let target = prop_oneof![
        8 => (0..CONTRACTS).prop_map(|index| Target::Call(program(index))),
        4 => select(everybody()).prop_map(Target::Call),
        1 => (prop::collection::vec(step(), 0..3), prop::collection::vec(step(), 0..3))
            .prop_map(|(init, left)| Target::Create(init, left)),
    ];
    let value = prop_oneof![
        12 => Just(Value::Wei(0)),
        12 => (1..100_u64).prop_map(Value::Wei),
        1 => (-1..2_i8).prop_map(Value::All),
        1 => Just(Value::Half),
    ];
    let word = prop_oneof![3 => (0..4_u64).prop_map(U256::from), 1 => select(names())];
    let words = prop_oneof![1 => Just(Vec::new()), 3 => prop::collection::vec(word, 1..3)];
    let gas = prop_oneof![1 => Just(21_000_u64), 2 => 24_000..120_000_u64, 9 => Just(200_000)];
    let price = prop_oneof![1 => Just(0_u128), 4 => 7..12_u128];
    let tip = prop::option::weighted(0.3, 0..4_u128);
    let gap = prop_oneof![30 => Just(0_u64), 1 => 1..3_u64];
    let list = prop::option::weighted(0.2, prop::collection::vec((select(everybody()), 0..4_u8), 0..4));
    let to_whom = select(vec![Address::ZERO, program(0), program(1), FACTORY, NOBODY, person(0)]);
    let signed = (0..PEOPLE, to_whom, prop_oneof![8 => Just(0_u64), 1 => Just(1_u64)]);
    let delegations = prop_oneof![6 => Just(Vec::new()), 1 => prop::collection::vec(signed, 1..3)];
    let fair = prop::bool::weighted(0.95);
    (0..PEOPLE, target, value, words, gas, (price, tip, fair), (gap, list, delegations)).prop_map(
        |(from, target, value, words, gas, (price, tip, fair), (gap, list, delegations))| Plan {
            from,
            target,
            value,
            words,
            gas,
            price,
            tip,
            fair,
            gap,
            list,
            delegations,
        },
    )
}

const SPECS: [SpecId; 11] = [
    SpecId::SPURIOUS_DRAGON,
    SpecId::BYZANTIUM,
    SpecId::PETERSBURG,
    SpecId::ISTANBUL,
    SpecId::BERLIN,
    SpecId::LONDON,
    SpecId::MERGE,
    SpecId::SHANGHAI,
    SpecId::CANCUN,
    SpecId::PRAGUE,
    SpecId::OSAKA,
];

fn balance() -> impl Strategy<Value = U256> {
    let bit = |exponent: usize| U256::ONE << exponent;
    prop_oneof![
        8 => (1..1_000_000_000_u64).prop_map(|wei| U256::from(wei) << 20),
        4 => (1..8_u64).prop_map(|transactions| U256::from(transactions * 10 * 200_000)),
        1 => Just(U256::ZERO),
        1 => select(vec![bit(192) - U256::ONE, bit(192), bit(192) + U256::from(3_000_000), bit(199), bit(202)]),
    ]
}

/// Balances whose sum leaves 256 bits, which no chain has.
fn impossible_balance() -> impl Strategy<Value = U256> {
    prop_oneof![
        2 => (1..1_000_000_000_u64).prop_map(|wei| U256::from(wei) << 20),
        1 => (0..200_u64).prop_map(|wei| U256::MAX - U256::from(wei)),
        1 => (0..200_u64).prop_map(|wei| (U256::ONE << 255) + U256::from(wei)),
    ]
}

fn blueprint(balance: impl Strategy<Value = U256>) -> impl Strategy<Value = Blueprint> {
    let spec = prop_oneof![
        2 => select(SPECS.to_vec()),
        1 => Just(SpecId::SHANGHAI),
        2 => Just(SpecId::PRAGUE),
        1 => Just(SpecId::OSAKA),
    ];
    let beneficiary = prop_oneof![
        4 => Just(MINER),
        4 => select(vec![person(0), person(1), program(0), EMPTY, NOBODY, child(0)]),
    ];
    let gas = prop_oneof![6 => Just(u64::MAX), 1 => 500_000..3_000_000_u64];
    let programs = prop::collection::vec(prop::collection::vec(step(), 1..6), CONTRACTS);
    let plans = prop::collection::vec(plan(), 4..40);
    let balances = prop::collection::vec(balance, PEOPLE);
    let base_fee = select(vec![0_u64, 7]);
    (spec, beneficiary, balances, programs, plans, gas, base_fee).prop_map(
        |(spec, beneficiary, balances, programs, plans, gas, base_fee)| Blueprint {
            spec,
            beneficiary,
            balances,
            programs,
            plans,
            gas,
            base_fee,
        },
    )
}

fn way() -> impl Strategy<Value = Way> {
    let mode = prop_oneof![3 => Just(Mode::Locks), 1 => Just(Mode::Optimistic)];
    let first = prop_oneof![3 => Just(0_usize), 1 => 1..20_usize];
    let flags = (any::<bool>(), prop::bool::weighted(0.15), any::<bool>(), any::<bool>());
    (select(THREADS.to_vec()), mode, select(Prediction::ALL.to_vec()), flags, first).prop_map(
        |(threads, mode, prediction, (native, adaptive, record, apply), first)| Way {
            threads,
            mode,
            prediction,
            native,
            adaptive,
            record,
            first,
            apply: apply && first > 0,
        },
    )
}

fn cases() -> impl Strategy<Value = (Blueprint, Vec<Way>)> {
    let blueprint =
        prop_oneof![20 => blueprint(balance()).boxed(), 1 => blueprint(impossible_balance()).boxed()];
    (blueprint, prop::collection::vec(way(), 4))
}

fn config(cases: u32) -> ProptestConfig {
    // A failure prints what failed, and the seed where it is not from the operating system.
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() }
}

/// `way`, without access sets if a balance is huge: which balances count as that, and are ordered like any other value,
/// depends on what was known when they were read.
pub(crate) fn comparable(blueprint: &Blueprint, way: Way) -> Way {
    let is_huge = blueprint.balances.iter().any(|balance| balance.bit_len() > 190);
    Way { record: way.record && !is_huge, ..way }
}

fn check(blueprint: &Blueprint, ways: &[Way]) -> Stats {
    let block = blueprint.build();
    let ways: Vec<Way> = ways.iter().map(|way| comparable(blueprint, *way)).collect();
    parallel_equals_sequential(&block.case("random programs"), &ways)
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn random_programs_come_out_as_from_plain_revm((blueprint, ways) in cases()) {
        check(&blueprint, &ways);
    }
}

/// `name` from the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// As many random blocks as `RANDOM_BLOCKS` says, from `RANDOM_SEED`; both are printed.
#[test]
#[ignore = "runs for an hour: cargo test -p lockstep-executor --test parallel -- --ignored --nocapture random_blocks"]
fn random_blocks_come_out_as_from_plain_revm() {
    const ROUND: u64 = 1_000;
    let blocks = number("RANDOM_BLOCKS").unwrap_or(100_000);
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let seed = number("RANDOM_SEED").unwrap_or_else(now);
    let start = Instant::now();
    let (sum, outcomes) = (Cell::new(Stats::default()), RefCell::new([0_u64; 3]));
    for (round, done) in (0..blocks).step_by(usize::try_from(ROUND).unwrap()).enumerate() {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&(round as u64).to_le_bytes());
        let count = u32::try_from(ROUND.min(blocks - done)).unwrap();
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(config(count), rng);
        let ran = runner.run(&cases(), |(blueprint, ways)| {
            let mut total = sum.get();
            total += check(&blueprint, &ways);
            sum.set(total);
            count_outcomes(&blueprint, &mut outcomes.borrow_mut());
            Ok(())
        });
        if let Err(error) = ran {
            panic!("RANDOM_SEED={seed}, round {round}: {error}");
        }
        let [succeeded, failed, rejected] = *outcomes.borrow();
        eprintln!(
            "{} random blocks, RANDOM_SEED={seed}, {:.0?}: {succeeded} transactions succeeded, {failed} failed, \
             {rejected} were rejected; {:?}",
            done + u64::from(count),
            start.elapsed(),
            sum.get()
        );
    }
}

/// Adds how many transactions succeed, fail, and are rejected.
fn count_outcomes(blueprint: &Blueprint, counts: &mut [u64; 3]) {
    let block = blueprint.build();
    for outcome in plain(&block.vm, &block.db, block.limits, &block.txs).0 {
        counts[match outcome {
            Outcome::Included(result) if result.is_success() => 0,
            Outcome::Included(_) => 1,
            Outcome::Rejected(_) => 2,
        }] += 1;
    }
}
