//! The pool against a naive model, and its rules one by one.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};

use alloy::{
    consensus::{Signed, TxEip1559},
    primitives::Signature,
};
use proptest::prelude::*;

use super::*;

const RICH: U256 = U256::from_limbs([u64::MAX, 0, 0, 0]);

fn tx(sender: u8, nonce: u64, fee: u128) -> Arc<PoolTx> {
    let body = TxEip1559 {
        nonce,
        max_fee_per_gas: fee,
        max_priority_fee_per_gas: fee,
        chain_id: u64::from(sender), // makes the hash differ by sender
        ..TxEip1559::default()
    };
    let signed = Signed::new_unhashed(body, Signature::test_signature());
    Arc::new(PoolTx {
        hash: *signed.hash(),
        transaction: signed.into(),
        raw: Bytes::new(),
        sender: Address::with_last_byte(sender),
        nonce,
        max_fee_per_gas: fee,
        max_priority_fee_per_gas: fee,
        cost: U256::from(1),
        condition: None,
    })
}

const fn account(nonce: u64) -> AccountView {
    AccountView { nonce, balance: RICH }
}

fn pool(per_sender: usize, total: usize) -> TxPool {
    TxPool::new(PoolLimits { per_sender, total, tx_bytes: 1_000 })
}

fn order(pool: &TxPool) -> Vec<(u8, u64)> {
    pool.line().from(0).map(|(_, tx)| (tx.sender[19], tx.nonce)).collect()
}

#[test]
fn transactions_leave_in_order_of_arrival_and_never_before_an_earlier_nonce() {
    let mut pool = pool(10, 10);
    for (sender, nonce) in [(1, 1), (2, 0), (1, 0), (3, 0), (2, 1)] {
        pool.insert(tx(sender, nonce, 100), account(0)).unwrap();
    }
    assert_eq!(order(&pool), [(2, 0), (1, 0), (1, 1), (3, 0), (2, 1)]);
}

#[test]
fn a_gap_holds_later_nonces_until_it_is_filled() {
    let mut pool = pool(10, 10);
    pool.insert(tx(1, 2, 100), account(0)).unwrap();
    pool.insert(tx(1, 0, 100), account(0)).unwrap();
    assert_eq!(pool.status(), PoolStatus { pending: 1, queued: 1 });
    assert_eq!(pool.pending_nonce(&Address::with_last_byte(1)), Some(1));
    pool.insert(tx(1, 1, 100), account(0)).unwrap();
    assert_eq!(pool.status(), PoolStatus { pending: 3, queued: 0 });
}

#[test]
fn a_replacement_must_offer_a_tenth_more() {
    let mut pool = pool(10, 10);
    pool.insert(tx(1, 0, 1_000), account(0)).unwrap();
    assert_eq!(pool.insert(tx(1, 0, 1_099), account(0)).err(), Some(SubmitError::ReplacementUnderpriced));
    let gone = pool.insert(tx(1, 0, 1_100), account(0)).unwrap();
    assert_eq!(gone[0].max_fee_per_gas, 1_000);
    assert_eq!(pool.status(), PoolStatus { pending: 1, queued: 0 });
    assert!(pool.get(&gone[0].hash).is_none());
}

#[test]
fn a_replacement_of_one_wei_must_still_offer_more() {
    let mut pool = pool(10, 10);
    pool.insert(tx(1, 0, 1), account(0)).unwrap();
    let again = Arc::new(PoolTx { hash: B256::repeat_byte(9), ..(*tx(1, 0, 1)).clone() });
    assert_eq!(pool.insert(again, account(0)).err(), Some(SubmitError::ReplacementUnderpriced));
}

#[test]
fn the_same_transaction_twice_is_already_known() {
    let mut pool = pool(10, 10);
    pool.insert(tx(1, 0, 100), account(0)).unwrap();
    assert_eq!(pool.insert(tx(1, 0, 100), account(0)).err(), Some(SubmitError::AlreadyKnown));
}

#[test]
fn all_transactions_of_a_sender_together_must_be_payable() {
    let mut pool = pool(10, 10);
    let poor = AccountView { nonce: 0, balance: U256::from(1) };
    pool.insert(tx(1, 0, 100), poor).unwrap();
    let refused = pool.insert(tx(1, 1, 100), poor).err();
    let (sender, balance) = (Address::with_last_byte(1), U256::from(1));
    assert_eq!(refused, Some(SubmitError::InsufficientFunds { sender, balance, cost: U256::from(2) }));
}

#[test]
fn a_nonce_beyond_the_senders_limit_is_not_held() {
    let mut pool = pool(4, 10);
    assert_eq!(
        pool.insert(tx(1, 9, 100), account(5)).err(),
        Some(SubmitError::NonceTooHigh { next: 5, tx: 9 })
    );
    pool.insert(tx(1, 8, 100), account(5)).unwrap();
}

#[test]
fn a_full_pool_drops_what_is_held_before_it_refuses_what_is_ready() {
    let mut pool = pool(10, 2);
    pool.insert(tx(1, 0, 100), account(0)).unwrap();
    pool.insert(tx(2, 5, 100), account(0)).unwrap();
    assert_eq!(pool.insert(tx(3, 5, 100), account(0)).err(), Some(SubmitError::PoolFull));
    let gone = pool.insert(tx(3, 0, 100), account(0)).unwrap();
    assert_eq!((gone[0].sender[19], gone[0].nonce), (2, 5));
    assert_eq!(pool.insert(tx(4, 0, 100), account(0)).err(), Some(SubmitError::PoolFull));
}

#[test]
fn a_sealed_nonce_takes_everything_at_or_below_it_out() {
    let mut pool = pool(10, 10);
    for nonce in 0..4 {
        pool.insert(tx(1, nonce, 100), account(0)).unwrap();
    }
    let used = pool.set_nonce(Address::with_last_byte(1), 2);
    assert_eq!(used.iter().map(|tx| tx.nonce).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(order(&pool), [(1, 2), (1, 3)]);
}

#[test]
fn after_a_rewind_later_nonces_wait_for_the_returned_ones() {
    let mut pool = pool(10, 10);
    pool.insert(tx(1, 3, 100), account(3)).unwrap();
    pool.set_nonce(Address::with_last_byte(1), 2);
    assert_eq!(pool.status(), PoolStatus { pending: 0, queued: 1 });
    pool.insert(tx(1, 2, 100), account(2)).unwrap();
    assert_eq!(order(&pool), [(1, 2), (1, 3)]);
}

#[test]
fn a_replacement_goes_to_the_end_of_the_line_and_those_behind_it_with_it() {
    let mut pool = pool(10, 10);
    for (sender, nonce) in [(1, 0), (1, 1), (1, 2), (2, 0)] {
        pool.insert(tx(sender, nonce, 100), account(0)).unwrap();
    }
    pool.insert(tx(1, 1, 200), account(0)).unwrap();
    assert_eq!(order(&pool), [(1, 0), (2, 0), (1, 1), (1, 2)]);
}

#[test]
fn what_the_open_block_holds_cannot_be_replaced_and_leaves_the_line() {
    let mut pool = pool(10, 10);
    for (sender, nonce) in [(1, 0), (1, 1), (2, 0)] {
        pool.insert(tx(sender, nonce, 100), account(0)).unwrap();
    }
    pool.take(&tx(1, 0, 100));
    assert_eq!(order(&pool), [(1, 1), (2, 0)]);
    let refused = pool.insert(tx(1, 0, 900), account(0)).err();
    assert_eq!(refused, Some(SubmitError::NonceTooLow { next: 1, tx: 0 }));
    assert_eq!(pool.taken_cost(&Address::with_last_byte(1)), U256::from(1));
    assert_eq!(pool.status(), PoolStatus { pending: 3, queued: 0 });
    assert_eq!(pool.pending_nonce(&Address::with_last_byte(1)), Some(2));
}

#[test]
fn what_a_given_up_block_held_stands_where_it_stood() {
    let mut pool = pool(10, 10);
    for (sender, nonce) in [(1, 0), (2, 0), (1, 1)] {
        pool.insert(tx(sender, nonce, 100), account(0)).unwrap();
    }
    pool.take(&tx(1, 0, 100));
    pool.take(&tx(2, 0, 100));
    pool.insert(tx(3, 0, 100), account(0)).unwrap();
    pool.give_back();
    assert_eq!(order(&pool), [(1, 0), (2, 0), (1, 1), (3, 0)]);
}

#[test]
fn what_a_block_leaves_out_is_ready_again_with_those_behind_it() {
    let mut pool = pool(10, 10);
    for (sender, nonce) in [(1, 0), (1, 1), (2, 0), (1, 2)] {
        pool.insert(tx(sender, nonce, 100), account(0)).unwrap();
    }
    for (sender, nonce) in [(1, 0), (1, 1), (2, 0), (1, 2)] {
        pool.take(&tx(sender, nonce, 100));
    }
    pool.give_back_from(&tx(1, 2, 100));
    pool.give_back_from(&tx(1, 1, 100));
    assert_eq!(order(&pool), [(1, 1), (1, 2)]);
    assert!(pool.insert(tx(1, 1, 200), account(0)).is_ok(), "what is in no block can be replaced");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Insert {
        sender: u8,
        nonce: u64,
        fee: u128,
    },
    Remove {
        sender: u8,
        nonce: u64,
    },
    SetNonce {
        sender: u8,
        nonce: u64,
    },
    /// The open block takes the first in line.
    Take,
    GiveBack,
}

fn step() -> impl Strategy<Value = Step> {
    let place = (0..3u8, 0..12u64);
    prop_oneof![
        6 => (place.clone(), 100..140u128)
            .prop_map(|((sender, nonce), fee)| Step::Insert { sender, nonce, fee }),
        1 => place.clone().prop_map(|(sender, nonce)| Step::Remove { sender, nonce }),
        1 => place.prop_map(|(sender, nonce)| Step::SetNonce { sender, nonce }),
        2 => Just(Step::Take),
        1 => Just(Step::GiveBack),
    ]
}

/// What is pooled, found by asking for every hash that was ever inserted.
#[derive(Default)]
struct Model {
    nonces: HashMap<u8, u64>,
    pooled: BTreeMap<(u8, u64), B256>,
    /// First nonce of each sender that the open block does not hold.
    taken: HashMap<u8, u64>,
}

impl Model {
    fn apply(&mut self, pool: &mut TxPool, step: Step) {
        match step {
            Step::Insert { sender, nonce, fee } => {
                let next = *self.nonces.entry(sender).or_default();
                let tx = tx(sender, nonce, fee);
                if let Ok(gone) = pool.insert(tx.clone(), account(next)) {
                    assert!(nonce >= next && nonce >= self.taken(sender), "a used nonce entered");
                    self.pooled.retain(|_, hash| gone.iter().all(|old| old.hash != *hash));
                    self.pooled.insert((sender, nonce), tx.hash);
                }
            }
            Step::Remove { sender, nonce } => {
                if let Some(hash) = self.pooled.remove(&(sender, nonce)) {
                    assert_eq!(pool.remove(hash).map(|tx| tx.hash), Some(hash));
                    self.taken.entry(sender).and_modify(|end| *end = nonce.min(*end));
                }
            }
            Step::Take => {
                let first = pool.line().from(0).next().map(|(_, tx)| tx.clone());
                if let Some(tx) = first {
                    pool.take(&tx);
                    self.taken.insert(tx.sender[19], tx.nonce + 1);
                }
            }
            Step::GiveBack => {
                pool.give_back();
                self.taken.clear();
            }
            Step::SetNonce { sender, nonce } => {
                if self.nonces.insert(sender, nonce).is_some_and(|before| nonce < before) {
                    self.taken.remove(&sender);
                }
                pool.set_nonce(Address::with_last_byte(sender), nonce);
                self.pooled.retain(|(owner, old), _| *owner != sender || *old >= nonce);
            }
        }
    }

    /// First nonce of `sender` that may still be replaced.
    fn taken(&self, sender: u8) -> u64 {
        let next = self.nonces.get(&sender).copied().unwrap_or_default();
        self.taken.get(&sender).copied().unwrap_or_default().max(next)
    }

    /// Nonces from the account's on without a gap.
    fn ready(&self, sender: u8) -> Vec<u64> {
        let next = self.nonces.get(&sender).copied().unwrap_or_default();
        (next..).take_while(|nonce| self.pooled.contains_key(&(sender, *nonce))).collect()
    }
}

proptest! {
    #[test]
    fn the_pool_holds_what_the_model_holds(steps in proptest::collection::vec(step(), 1..80)) {
        let mut pool = pool(8, 12);
        let mut model = Model::default();
        for step in steps {
            model.apply(&mut pool, step);
            let ready: Vec<_> = (0..3).map(|sender| model.ready(sender)).collect();
            let given = order(&pool);
            for sender in 0..3u8 {
                let nonces: Vec<_> =
                    given.iter().filter(|(owner, _)| *owner == sender).map(|(_, nonce)| *nonce).collect();
                let waiting = ready[usize::from(sender)].iter().filter(|nonce| **nonce >= model.taken(sender));
                prop_assert!(nonces.iter().eq(waiting), "sender {}: {:?}", sender, nonces);
            }
            let pending: usize = ready.iter().map(Vec::len).sum();
            prop_assert_eq!(
                pool.status(),
                PoolStatus { pending, queued: model.pooled.len() - pending }
            );
            prop_assert!(model.pooled.len() <= 12);
            for hash in model.pooled.values() {
                prop_assert!(pool.get(hash).is_some());
            }
            prop_assert_eq!(pool.has_ready(), !given.is_empty());
        }
    }
}
