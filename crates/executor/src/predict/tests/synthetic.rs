//! Contracts that exist as a list of what they touch.

use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use lockstep_locks::{AccessSet, Key, Mode};
use proptest::prelude::*;
use revm::{context::TxEnv, primitives::TxKind};

use super::{
    super::{
        expr::address_value,
        memory::MAX_SLOTS,
        shelf::{MAX_TEMPLATES, MAX_TEMPLATES_PER_CODE, MAX_TOTAL_WEIGHT},
        template::{MAX_KEYS, MAX_WEIGHT},
    },
    Confidence, Predictor, Seen, predictor,
};
use crate::Sources;

const CODE: B256 = B256::repeat_byte(7);
const SELECTOR: [u8; 4] = [1, 2, 3, 4];
const WORDS: usize = 4;

/// A call with random arguments: two addresses and two numbers.
fn call(callee: Address, seed: u64) -> TxEnv {
    let random = |index: u64| keccak256([seed.to_be_bytes(), index.to_be_bytes()].concat());
    let number = |index| U256::from_be_bytes(random(index).0) % U256::from(1_000_000);
    let words = [
        address_value(Address::from_word(random(1))),
        address_value(Address::from_word(random(2))),
        number(3),
        number(4),
    ];
    let words = words.iter().flat_map(U256::to_be_bytes::<32>);
    TxEnv {
        caller: Address::from_word(random(0)),
        kind: TxKind::Call(callee),
        data: SELECTOR.into_iter().chain(words).collect(),
        ..TxEnv::default()
    }
}

fn word(tx: &TxEnv, index: usize) -> U256 {
    U256::from_be_slice(&tx.data[4 + 32 * index..][..32])
}

fn mapping(seen: &mut Seen, key: U256, base: U256) -> U256 {
    let input = [key.to_be_bytes::<32>(), base.to_be_bytes::<32>()].concat();
    let hash = keccak256(&input);
    seen.preimages.push(&input, hash);
    hash.into()
}

/// What a slot is made of.
#[derive(Clone, Debug)]
enum Slot {
    Variable(u8),
    Mapping(Arg, Box<Self>),
    Member(Box<Self>, u8),
    Element(Box<Self>, Arg),
}

#[derive(Clone, Copy, Debug)]
enum Arg {
    Caller,
    Callee,
    Word(usize),
}

impl Arg {
    fn value(self, tx: &TxEnv) -> U256 {
        match self {
            Self::Caller => address_value(tx.caller),
            Self::Callee => address_value(*tx.kind.to().unwrap()),
            Self::Word(index) => word(tx, index),
        }
    }
}

impl Slot {
    fn value(&self, tx: &TxEnv, seen: &mut Seen) -> U256 {
        match self {
            Self::Variable(number) => U256::from(*number),
            Self::Mapping(key, base) => {
                let base = base.value(tx, seen);
                mapping(seen, key.value(tx), base)
            }
            Self::Member(base, offset) => base.value(tx, seen) + U256::from(*offset),
            Self::Element(base, index) => {
                let base = base.value(tx, seen).to_be_bytes::<32>();
                let hash = keccak256(base);
                seen.preimages.push(&base, hash);
                U256::from_be_bytes(hash.0).wrapping_add(index.value(tx))
            }
        }
    }
}

fn run(slots: &[(Slot, Mode)], tx: &TxEnv) -> Seen {
    let mut seen = Seen::default();
    let callee = *tx.kind.to().unwrap();
    for (slot, mode) in slots {
        let slot = slot.value(tx, &mut seen);
        seen.set.add(Key::Slot(callee, slot), *mode);
    }
    seen
}

fn slots() -> impl Strategy<Value = Vec<(Slot, Mode)>> {
    let arg = prop_oneof![Just(Arg::Caller), Just(Arg::Callee), (0..WORDS).prop_map(Arg::Word)];
    let number = prop_oneof![Just(Arg::Word(2)), Just(Arg::Word(3))];
    let variable = (0..20_u8).prop_map(Slot::Variable);
    let mapping = variable.prop_recursive(3, 3, 1, move |base| {
        (arg.clone(), base).prop_map(|(key, base)| Slot::Mapping(key, Box::new(base)))
    });
    let slot = prop_oneof![
        mapping.clone(),
        (mapping.clone(), 0..5_u8).prop_map(|(base, offset)| match base {
            Slot::Variable(number) => Slot::Variable(number),
            base => Slot::Member(Box::new(base), offset),
        }),
        (mapping, number).prop_map(|(base, index)| Slot::Element(Box::new(base), index)),
    ];
    let mode = prop_oneof![Just(Mode::Shared), Just(Mode::Exclusive)];
    proptest::collection::vec((slot, mode), 1..8)
}

/// What is predicted beyond what the transaction says itself, and how sure.
fn predicted(predictor: &Predictor, tx: &TxEnv) -> (AccessSet, Confidence, bool) {
    let mut set = AccessSet::default();
    let prediction = predictor.predict(tx, || Some(CODE), None, &mut set);
    let slots = set.iter().filter(|(key, _)| matches!(key, Key::Slot(..)));
    (slots.collect(), prediction.confidence, prediction.learn)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_arguments_decide_is_predicted_exactly(slots in slots(), seed in any::<u32>()) {
        let predictor = predictor();
        let callee = Address::repeat_byte(0xcc);
        for round in 0..6 {
            let tx = call(callee, (u64::from(seed) << 8) + round);
            let seen = run(&slots, &tx);
            predictor.learn(&tx, CODE, &seen);
        }
        let tx = call(Address::repeat_byte(0xdd), u64::from(seed) << 8 | 0xff);
        let (set, confidence, _) = predicted(&predictor, &tx);
        prop_assert_eq!(confidence, Confidence::Known);
        prop_assert_eq!(set, run(&slots, &tx).set);
    }

    #[test]
    fn any_calldata_is_predicted_and_learned_without_panic(
        slots in slots(),
        calls in proptest::collection::vec(
            (proptest::collection::vec(any::<u8>(), 0..300), any::<bool>(), any::<u64>()), 1..8,
        ),
    ) {
        let predictor = predictor();
        for (data, is_create, seed) in calls {
            let model = call(Address::repeat_byte(0xcc), seed);
            predictor.learn(&model, CODE, &run(&slots, &model));
            let data: Bytes = SELECTOR.into_iter().chain(data).collect();
            let kind = if is_create { TxKind::Create } else { model.kind };
            let tx = TxEnv { data, kind, ..model.clone() };
            let mut set = AccessSet::default();
            predictor.predict(&tx, || Some(CODE), None, &mut set);
            predictor.learn(&tx, CODE, &run(&slots, &model));
        }
    }
}

#[test]
fn what_is_called_once_is_not_learned() {
    let predictor = predictor();
    let tx = call(Address::repeat_byte(0xcc), 1);
    assert_eq!(predicted(&predictor, &tx), (AccessSet::default(), Confidence::Guess, false));
    assert_eq!(predicted(&predictor, &tx), (AccessSet::default(), Confidence::Guess, true));
}

#[test]
fn keys_that_are_touched_sometimes_are_predicted_while_they_are_worth_it() {
    let predictor = predictor();
    let (often, seldom) = ((Slot::Variable(1), Mode::Exclusive), (Slot::Variable(2), Mode::Exclusive));
    let callee = Address::repeat_byte(0xcc);
    let learn = |rounds: std::ops::Range<u64>, every: u64| {
        for round in rounds {
            let tx = call(callee, round);
            let slots =
                if round % every == 0 { vec![often.clone(), seldom.clone()] } else { vec![often.clone()] };
            predictor.learn(&tx, CODE, &run(&slots, &tx));
        }
    };
    learn(0..12, 3);
    assert_eq!(predicted(&predictor, &call(callee, 1_000)).0.len(), 2);
    learn(13..60, 100);
    assert_eq!(predicted(&predictor, &call(callee, 1_001)).0.len(), 1);
}

#[test]
fn a_slot_that_is_only_read_is_shared() {
    let predictor = predictor();
    let slots = [(Slot::Variable(1), Mode::Shared)];
    for round in 0..3 {
        let tx = call(Address::repeat_byte(0xcc), round);
        predictor.learn(&tx, CODE, &run(&slots, &tx));
    }
    let tx = call(Address::repeat_byte(0xcc), 9);
    assert_eq!(predicted(&predictor, &tx).0, run(&slots, &tx).set);
}

#[test]
fn lessons_take_a_small_part_of_the_time() {
    let predictor = Predictor::new(Sources::default(), true);
    let slots = [(Slot::Variable(1), Mode::Shared)];
    let tx = call(Address::repeat_byte(0xcc), 1);
    let lesson = || {
        let start = Instant::now();
        predictor.learn(&tx, CODE, &run(&slots, &tx));
        start.elapsed()
    };
    let (mut lessons, mut saved) = (0, Duration::ZERO);
    while predictor.may_learn_after(0) {
        saved += lesson();
        lessons += 1;
    }
    assert!(lessons > 1, "some time is there from the start");
    assert!(saved >= Duration::from_millis(2), "{saved:?}");
    assert!(predictor.may_learn_after(u64::MAX), "but nobody saves up more than a little");
    while predictor.may_learn_after(0) {
        lesson();
    }
}

/// A pair's token: its address is in a slot of the pair, its balances are in a mapping.
fn run_pair(tx: &TxEnv, token: Address) -> Seen {
    let mut seen = Seen::default();
    let pair = *tx.kind.to().unwrap();
    seen.set.add(Key::Slot(pair, U256::from(6)), Mode::Shared);
    seen.loads.push((pair, U256::from(6), address_value(token)));
    let balance = mapping(&mut seen, address_value(pair), U256::ZERO);
    seen.set.add(Key::Slot(token, balance), Mode::Exclusive);
    seen
}

#[test]
fn addresses_that_contracts_store_are_remembered() {
    let predictor = predictor();
    let pair = |number: u8| (Address::repeat_byte(number), Address::repeat_byte(0x80 + number));
    for round in 0..4 {
        let (pair, token) = pair(1 + round % 2);
        let tx = call(pair, round.into());
        predictor.learn(&tx, CODE, &run_pair(&tx, token));
    }
    let (second, token) = pair(2);
    let tx = call(second, 100);
    let (set, confidence, _) = predicted(&predictor, &tx);
    assert_eq!((set, confidence), (run_pair(&tx, token).set, Confidence::Known));

    let (stranger, token) = pair(3);
    let tx = call(stranger, 101);
    let (_, confidence, learn) = predicted(&predictor, &tx);
    assert_eq!((confidence, learn), (Confidence::Guess, true));
    predictor.learn(&tx, CODE, &run_pair(&tx, token));
    let (set, confidence, _) = predicted(&predictor, &call(stranger, 102));
    assert_eq!((set, confidence), (run_pair(&tx, token).set, Confidence::Known));
}

#[test]
fn proxies_of_one_code_are_told_apart() {
    let predictor = predictor();
    let proxies: Vec<_> = (0..4_u8).map(|number| Address::repeat_byte(1 + number)).collect();
    let layout = |proxy: usize| {
        let base = |offset: u8| Box::new(Slot::Variable(40 * u8::try_from(proxy).unwrap() + offset));
        (0..30).map(|offset| (Slot::Mapping(Arg::Caller, base(offset)), Mode::Exclusive)).collect::<Vec<_>>()
    };
    for round in 0..400 {
        let proxy = round % proxies.len();
        let tx = call(proxies[proxy], round as u64);
        let mut set = AccessSet::default();
        predictor.predict(&tx, || Some(CODE), None, &mut set);
        predictor.learn(&tx, CODE, &run(&layout(proxy), &tx));
    }
    for (proxy, address) in proxies.iter().enumerate() {
        let tx = call(*address, 1_000);
        assert_eq!(predicted(&predictor, &tx).0, run(&layout(proxy), &tx).set, "proxy {proxy}");
    }
}

/// Touches slots that nothing predicts.
fn run_hostile(tx: &TxEnv, keys: u64) -> Seen {
    let mut seen = Seen { wasted: true, ..Seen::default() };
    for number in 0..keys {
        let slot = keccak256([tx.caller.as_slice(), &number.to_be_bytes()].concat());
        seen.set.add(Key::Slot(*tx.kind.to().unwrap(), slot.into()), Mode::Exclusive);
    }
    seen.preimages.push(b"unrelated", keccak256(b"unrelated"));
    seen
}

#[test]
fn a_contract_that_misses_every_time_is_given_up_and_tried_again() {
    let predictor = predictor();
    let callee = Address::repeat_byte(0xcc);
    let mut round = 0;
    let mut confidences = |executions: usize, behaves: bool| {
        let mut seen = Vec::new();
        for _ in 0..executions {
            round += 1;
            let tx = call(callee, round);
            let (_, confidence, _) = predicted(&predictor, &tx);
            seen.push(confidence);
            let speculated = confidence != Confidence::Hopeless;
            let execution = match behaves {
                true => {
                    run(&[(Slot::Mapping(Arg::Caller, Box::new(Slot::Variable(0))), Mode::Exclusive)], &tx)
                }
                false => Seen { wasted: speculated, ..run_hostile(&tx, 4) },
            };
            predictor.learn(&tx, CODE, &execution);
        }
        seen
    };
    let hostile = confidences(2_000, false);
    let hopeless = hostile.iter().filter(|confidence| **confidence == Confidence::Hopeless).count();
    assert!(hopeless > 1_700, "{hopeless} of 2000");
    assert!(
        hostile[1_000..].iter().any(|confidence| *confidence != Confidence::Hopeless),
        "it is tried again"
    );
    let reformed = confidences(6_000, true);
    assert!(reformed[5_000..].iter().all(|confidence| *confidence == Confidence::Known));
}

#[test]
fn memory_is_bounded() {
    let predictor = predictor();
    for number in 0..20_000_u64 {
        let tx = call(Address::repeat_byte(0xcc), number);
        let code = keccak256(number.to_be_bytes());
        let mut seen = run_hostile(&tx, 4);
        for slot in 0..8_u64 {
            seen.loads.push((tx.caller, U256::from(slot), address_value(Address::from_word(code))));
        }
        seen.set.add(Key::Code(Address::from_word(code)), Mode::Shared);
        predictor.learn(&tx, code, &seen);
    }
    let lessons = predictor.lessons.lock();
    assert!(lessons.templates() <= MAX_TEMPLATES);
    assert!(lessons.weight() <= MAX_TOTAL_WEIGHT + 2 * MAX_WEIGHT);
    assert_eq!(lessons.weight(), lessons.counted_weight());
    assert!(predictor.shelf.read().memory().len() <= MAX_SLOTS);
}

#[test]
fn one_code_has_a_share_of_all_templates() {
    let predictor = predictor();
    for selector in 0..3 * MAX_TEMPLATES_PER_CODE {
        let selector = u32::try_from(selector).unwrap().to_be_bytes();
        let tx = TxEnv { data: selector.into(), ..call(Address::repeat_byte(0xcc), 0) };
        predictor.learn(&tx, CODE, &run(&[(Slot::Variable(1), Mode::Shared)], &tx));
    }
    assert_eq!(predictor.lessons.lock().templates(), MAX_TEMPLATES_PER_CODE);
}

#[test]
fn one_template_is_bounded() {
    let predictor = predictor();
    for number in 0..40 {
        let tx = call(Address::repeat_byte(0xcc), number);
        predictor.learn(&tx, CODE, &run_hostile(&tx, 500));
    }
    let (set, _, _) = predicted(&predictor, &call(Address::repeat_byte(0xcc), 99));
    assert!(set.len() <= MAX_KEYS);
    assert!(predictor.lessons.lock().weight() <= 2 * MAX_WEIGHT);
}
