//! Blocks that were wrong once, or nearly: the smallest of each kind.

use alloy_primitives::{Address, U256};
use revm::{bytecode::opcode as op, primitives::hardfork::SpecId};

use crate::{
    code::{CallKind, Expr, Place, Step},
    oracle::{Way, parallel_equals_sequential},
    random::comparable,
    world::{Blueprint, EMPTY, MINER, PEOPLE, Plan, Target, Value, person, program},
};

/// A block in which nothing happens yet.
fn block(spec: SpecId, beneficiary: Address, program: Vec<Step>, plans: Vec<Plan>) -> Blueprint {
    Blueprint {
        spec,
        beneficiary,
        balances: vec![U256::from(10_u64.pow(12)); PEOPLE],
        programs: vec![program],
        plans,
        gas: u64::MAX,
        base_fee: 0,
    }
}

fn call(from: usize, to: Address, value: u64) -> Plan {
    Plan {
        from,
        target: Target::Call(to),
        value: Value::Wei(value),
        words: vec![U256::ONE],
        gas: 200_000,
        price: 10,
        tip: None,
        fair: true,
        gap: 0,
        list: None,
        delegations: Vec::new(),
    }
}

fn check(blueprint: &Blueprint) {
    let block = blueprint.build();
    let ways: Vec<Way> = Way::all(&[1, 2, 4]).into_iter().map(|way| comparable(blueprint, way)).collect();
    parallel_equals_sequential(&block.case("a small block"), &ways);
}

/// Something for every thread to be busy with.
fn busy() -> Vec<Step> {
    vec![Step::Pause, Step::Store(Expr::Word(0), Expr::Env(op::CALLER))]
}

#[test]
fn an_empty_beneficiary_that_is_paid_nothing_vanishes() {
    for price in [0, 10] {
        for words in [Vec::new(), vec![U256::ONE]] {
            let plan = |from| Plan { price, words: words.clone(), ..call(from, program(0), 0) };
            let transfer = |from| Plan { price, words: Vec::new(), ..call(from, person(0), 5) };
            let plans =
                vec![transfer(1), plan(1), plan(2), transfer(2), Plan { price: 3, ..plan(3) }, plan(4)];
            check(&block(SpecId::LONDON, EMPTY, busy(), plans));
        }
    }
}

#[test]
fn an_empty_account_vanishes_though_somebody_seemed_to_have_paid_it() {
    let slot = || Expr::Small(0);
    let busy = Step::Loop(60, vec![Step::Log(Expr::Env(op::GAS))]);
    let pay = Step::Call {
        kind: CallKind::Call,
        to: Place::Fixed(EMPTY),
        value: Expr::Small(1),
        little: false,
        word: Expr::Small(0),
        keep: false,
    };
    // Who comes with value sets the slot, slowly; who comes without pays as long as it is not set.
    let set = vec![Step::Pause, busy, Step::Store(slot(), Expr::Small(1)), Step::Stop];
    let steps = vec![
        Step::If(Expr::Env(op::CALLVALUE), set),
        Step::If(Expr::Slot(Box::new(slot())), vec![Step::Stop]),
        pay,
    ];
    let plans = vec![call(1, program(0), 1), call(2, program(0), 0), call(3, EMPTY, 0), call(4, EMPTY, 0)];
    let blueprint = block(SpecId::SHANGHAI, MINER, steps, plans);
    for _ in 0..20 {
        check(&blueprint);
    }
}

#[test]
fn a_beneficiary_that_destroys_itself_loses_what_it_was_paid() {
    let destroy = vec![Step::If(Expr::Env(op::CALLVALUE), vec![Step::Destroy(Place::Caller)]), Step::Pause];
    for spec in [SpecId::BYZANTIUM, SpecId::SHANGHAI, SpecId::CANCUN] {
        let plans = vec![
            call(1, program(0), 0),
            call(2, person(0), 7),
            call(3, program(0), 1),
            call(4, program(0), 0),
            call(1, person(2), 3),
            call(2, program(0), 1),
            call(3, person(2), 3),
        ];
        check(&block(spec, program(0), destroy.clone(), plans));
    }
}

#[test]
fn a_beneficiary_that_lends_its_code_is_read() {
    let miner = person(0);
    let delegating = |from, by, to| Plan { delegations: vec![(by, to, 0)], ..call(from, program(0), 0) };
    let plans = vec![
        delegating(1, 2, miner),
        call(3, person(2), 0),
        delegating(1, 0, program(0)),
        call(3, person(2), 0),
        call(4, person(2), 1),
        delegating(1, 0, Address::ZERO),
        call(3, person(2), 0),
    ];
    check(&block(SpecId::PRAGUE, miner, busy(), plans));
}

#[test]
fn a_beneficiary_looked_at_has_every_fee_so_far() {
    let look = vec![Step::Store(Expr::Env(op::CALLER), Expr::Balance(Place::Coinbase)), Step::Pause];
    let plans =
        (0..12).map(|index| call(index % PEOPLE, if index % 3 == 0 { person(1) } else { program(0) }, 0));
    check(&block(SpecId::OSAKA, MINER, look, plans.collect()));
}

#[test]
fn a_credit_that_overflows_because_of_an_older_one_fails() {
    let mut blueprint = block(SpecId::OSAKA, MINER, busy(), Vec::new());
    let most = U256::MAX - U256::from(5);
    blueprint.balances[0] = most;
    let all = Plan { value: Value::All(0), ..call(0, person(4), 0) };
    let plans = (0..4).map(|_| call(1, person(4), 3_000_000));
    blueprint.balances[4] = U256::from(0);
    blueprint.plans = [vec![call(2, program(0), 0), all], plans.collect()].concat();
    check(&blueprint);
}

#[test]
fn a_payment_that_an_older_credit_makes_possible_is_paid() {
    let mut blueprint = block(SpecId::OSAKA, MINER, busy(), Vec::new());
    blueprint.balances[4] = U256::from(2_000_000 + 100);
    // Person 4 can pay for gas, and for its second transfer only with what person 0 sends in between.
    let send = |value| Plan { gas: 30_000, ..call(4, person(3), value) };
    blueprint.plans = vec![
        send(50),
        call(0, program(0), 0),
        call(0, person(4), 3_000_000),
        send(1_000_000),
        Plan { value: Value::All(0), ..send(0) },
        send(1),
        call(1, person(4), 400_000),
        send(1),
    ];
    check(&blueprint);
}

#[test]
fn a_contract_that_runs_dry_pays_nobody_more() {
    // It has 1,000 wei; what it pays commutes, so nobody waits for anybody.
    let pay = |to| Step::Call {
        kind: CallKind::Call,
        to,
        value: Expr::Word(1),
        little: false,
        word: Expr::Small(0),
        keep: false,
    };
    for word in [150, 300, 600] {
        let steps =
            vec![Step::Pause, pay(Place::Caller), Step::Pause, Step::Store(Expr::Word(0), Expr::Small(1))];
        let plan = |from: usize| Plan {
            words: vec![U256::from(from), U256::from(word)],
            ..call(from, program(0), if from == 2 { 100 } else { 0 })
        };
        let plans = (0..15).map(|index| plan(index % PEOPLE)).collect();
        check(&block(SpecId::OSAKA, MINER, steps, plans));
    }
}
