//! For any list of transactions: dropping leaves no trace, and building equals executing.

use alloy::primitives::{Address, B256, Bytes};
use lockstep_primitives::OpTxEnvelope;
use lockstep_stf::{BlockBuilder, Executed};
use proptest::prelude::*;

use crate::kit::{RULES, block, call, db, encode, inputs, parent, put_code, recovered, user};

/// `sstore(0, sload(0) + 1)`, and a revert if the call carries no value.
const COUNTER: [u8; 15] =
    [0x34, 0x60, 6, 0x57, 0x5f, 0x5f, 0x5b, 0x5f, 0x54, 0x60, 1, 0x01, 0x5f, 0x55, 0x00];

#[derive(Clone, Copy, Debug)]
struct Step {
    /// 1 to 3 have a balance, 4 has none.
    user: u8,
    nonce: u64,
    gas_limit: u64,
    value: u128,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (1..=4u8, 0..3u64, 20_000..80_000u64, 0..3u128)
        .prop_map(|(user, nonce, gas_limit, value)| Step { user, nonce, gas_limit, value });
    prop::collection::vec(step, 0..24)
}

fn transaction(step: Step) -> alloy_consensus::transaction::Recovered<OpTxEnvelope> {
    let mut tx = call(step.nonce, contract(), step.value);
    tx.gas_limit = step.gas_limit;
    recovered(&user(step.user), tx)
}

const fn contract() -> Address {
    Address::repeat_byte(0xc0)
}

fn state() -> revm::database::InMemoryDB {
    let mut db = db();
    put_code(&mut db, contract(), &COUNTER);
    db
}

fn hash(executed: Executed) -> B256 {
    executed.seal(B256::ZERO, B256::ZERO).hash
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn dropped_transactions_leave_no_trace(steps in steps()) {
        let bytes: Vec<Bytes> = steps.iter().map(|step| encode(&transaction(*step))).collect();
        let all = block(state(), bytes.clone());
        let kept = bytes.into_iter().enumerate().filter(|(index, _)| {
            all.dropped.iter().all(|dropped| dropped.index != index + 1)
        });
        let clean = block(state(), kept.map(|(_, bytes)| bytes));
        prop_assert!(clean.dropped.is_empty());
        prop_assert_eq!(&clean.bundle, &all.bundle);
        prop_assert_eq!(hash(clean), hash(all));
    }

    #[test]
    fn building_equals_executing(steps in steps()) {
        let txs: Vec<_> = steps.into_iter().map(transaction).collect();
        let mut builder = BlockBuilder::new(state(), &RULES, &parent(), &inputs([])).unwrap();
        for tx in &txs {
            let before = builder.receipts().len();
            let included = builder.push(tx.clone()).is_ok();
            prop_assert_eq!(builder.receipts().len(), before + usize::from(included));
        }
        let executed = block(state(), txs.iter().map(|tx| encode(tx)));
        let built = builder.finish().unwrap();
        prop_assert_eq!(&built.bundle, &executed.bundle);
        prop_assert_eq!(hash(built), hash(executed));
    }
}
