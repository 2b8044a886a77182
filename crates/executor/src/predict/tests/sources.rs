//! What transactions say themselves, and which sources are used.

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use lockstep_locks::{AccessSet, Key, Mode};
use revm::{
    context::{
        TxEnv,
        either::Either,
        transaction::{
            AccessList, AccessListItem, Authorization, RecoveredAuthority, RecoveredAuthorization,
        },
    },
    primitives::TxKind,
};

use super::{Confidence, Predictor};
use crate::Sources;

const CALLER: Address = Address::repeat_byte(1);
const TO: Address = Address::repeat_byte(2);
const OTHER: Address = Address::repeat_byte(3);

fn set(keys: impl IntoIterator<Item = (Key, Mode)>) -> AccessSet {
    keys.into_iter().collect()
}

fn sender() -> [(Key, Mode); 3] {
    [
        (Key::Balance(CALLER), Mode::Delta),
        (Key::Nonce(CALLER), Mode::Exclusive),
        (Key::Code(CALLER), Mode::Shared),
    ]
}

fn predict(sources: Sources, tx: &TxEnv, code_hash: B256) -> (AccessSet, Confidence) {
    let mut set = AccessSet::default();
    let prediction = Predictor::new(sources, false).predict(tx, || Some(code_hash), None, &mut set);
    (set, prediction.confidence)
}

fn transfer() -> TxEnv {
    TxEnv { caller: CALLER, kind: TxKind::Call(TO), value: U256::ONE, ..TxEnv::default() }
}

#[test]
fn a_transfer_is_predicted_exactly() {
    let expected =
        set(sender().into_iter().chain([(Key::Balance(TO), Mode::Delta), (Key::Code(TO), Mode::Shared)]));
    assert_eq!(predict(Sources::default(), &transfer(), KECCAK256_EMPTY), (expected, Confidence::Exact));
}

#[test]
fn who_receives_nothing_keeps_the_balance() {
    let tx = TxEnv { value: U256::ZERO, ..transfer() };
    let expected = set(sender().into_iter().chain([(Key::Code(TO), Mode::Shared)]));
    assert_eq!(predict(Sources::default(), &tx, B256::ZERO), (expected, Confidence::Exact));
}

#[test]
fn a_transfer_to_oneself_adds_and_subtracts() {
    let tx = TxEnv { kind: TxKind::Call(CALLER), ..transfer() };
    assert_eq!(predict(Sources::default(), &tx, KECCAK256_EMPTY).0, set(sender()));
}

#[test]
fn a_creation_sets_the_new_account() {
    let tx = TxEnv { kind: TxKind::Create, nonce: 5, ..transfer() };
    let created = CALLER.create(5);
    let expected = set(sender().into_iter().chain([
        (Key::Balance(created), Mode::Delta),
        (Key::Nonce(created), Mode::Exclusive),
        (Key::Code(created), Mode::Exclusive),
    ]));
    assert_eq!(predict(Sources::default(), &tx, B256::ZERO), (expected, Confidence::Guess));
}

#[test]
fn the_creation_of_a_deposit_is_unknown() {
    let tx = TxEnv { kind: TxKind::Create, tx_type: 0x7e, ..transfer() };
    assert_eq!(predict(Sources::default(), &tx, B256::ZERO).0, set(sender()));
}

#[test]
fn who_delegates_is_changed() {
    let authorization = Authorization { chain_id: U256::ONE, address: TO, nonce: 0 };
    let recovered = RecoveredAuthorization::new_unchecked(authorization, RecoveredAuthority::Valid(OTHER));
    let tx = TxEnv { tx_type: 4, authorization_list: vec![Either::Right(recovered)], ..transfer() };
    let (set, _) = predict(Sources::default(), &tx, KECCAK256_EMPTY);
    assert_eq!(set.mode(&Key::Nonce(OTHER)), Some(Mode::Exclusive));
    assert_eq!(set.mode(&Key::Code(OTHER)), Some(Mode::Exclusive));
}

#[test]
fn listed_slots_are_exclusive() {
    let item = AccessListItem { address: OTHER, storage_keys: vec![B256::with_last_byte(9)] };
    let tx = TxEnv { tx_type: 1, access_list: AccessList(vec![item]), ..transfer() };
    let (set, _) = predict(Sources::default(), &tx, B256::repeat_byte(1));
    assert_eq!(set.mode(&Key::Code(OTHER)), Some(Mode::Shared));
    assert_eq!(set.mode(&Key::Slot(OTHER, U256::from(9))), Some(Mode::Exclusive));
}

#[test]
fn a_recorded_set_is_used_as_it_is() {
    let recorded = set([(Key::Nonce(OTHER), Mode::Shared)]);
    let mut set = AccessSet::default();
    let predictor = Predictor::new(Sources::default(), false);
    let prediction = predictor.predict(&transfer(), || None, Some(&recorded), &mut set);
    assert_eq!((set, prediction.confidence), (recorded, Confidence::Exact));
}

#[test]
fn every_source_can_be_switched_off() {
    let recorded = set([(Key::Nonce(OTHER), Mode::Shared)]);
    let item = AccessListItem { address: OTHER, storage_keys: Vec::new() };
    let tx = TxEnv { tx_type: 1, access_list: AccessList(vec![item]), ..transfer() };
    let predictor = Predictor::new(Sources::NONE, false);
    let mut set = AccessSet::default();
    for _ in 0..3 {
        let prediction = predictor.predict(&tx, || Some(B256::repeat_byte(1)), Some(&recorded), &mut set);
        assert!(set.is_empty());
        assert!(!prediction.learn);
    }
}

#[test]
fn a_thrifty_predictor_looks_up_what_was_executed_in_vain() {
    let predictor = Predictor::new(Sources::default(), true);
    let item = AccessListItem { address: OTHER, storage_keys: vec![B256::with_last_byte(9)] };
    let tx = TxEnv { tx_type: 1, access_list: AccessList(vec![item]), ..transfer() };
    let predict = || {
        let mut set = AccessSet::default();
        let prediction = predictor.predict(&tx, || Some(B256::repeat_byte(1)), None, &mut set);
        assert_eq!(set.len(), 7, "what it says itself is in any case");
        prediction.confidence
    };
    assert_eq!(predict(), Confidence::Careless);
    predictor.met(&tx);
    assert_eq!(predict(), Confidence::Guess);
    for _ in 0..64 {
        predictor.avoided(&tx);
    }
    assert_eq!(predict(), Confidence::Careless);
}
