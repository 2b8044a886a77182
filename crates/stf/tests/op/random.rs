//! For any list of transactions: dropping leaves no trace, and building equals executing. For any bytes and any
//! deposit: a block comes out.

use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use lockstep_primitives::{OpTxEnvelope, TxDeposit};
use lockstep_stf::{BlockBuilder, Executed};
use proptest::prelude::*;

use lockstep_testkit::l2::{
    RULES, block, call, db, deposit, encode, inputs, nonce, parent, put_code, recovered, user,
};

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

    #[test]
    fn bytes_that_are_no_transactions_are_dropped(garbage in prop::collection::vec(any::<Vec<u8>>(), 0..8)) {
        let count = garbage.len();
        let garbage = garbage.into_iter().map(|mut bytes| {
            bytes.insert(0, 2); // not a deposit's type, which would be forced
            Bytes::from(bytes)
        });
        let executed = block(state(), garbage);
        prop_assert_eq!(executed.dropped.len(), count);
        prop_assert_eq!(executed.transactions.len(), 1);
    }

    #[test]
    fn any_deposit_that_fits_is_included(
        gas_limit in prop_oneof![0..30_000u64, 0..28_000_000u64],
        mint in prop_oneof![0..10u128, any::<u128>()],
        value in prop_oneof![(0..10u64).prop_map(U256::from), any::<[u8; 32]>().prop_map(U256::from_be_bytes)],
        from in prop_oneof![Just(Address::ZERO), Just(contract()), Just(user(1).address())],
        to in prop_oneof![Just(TxKind::Create), Just(TxKind::Call(contract())), Just(TxKind::Call(Address::ZERO))],
        input in any::<Vec<u8>>(),
        is_system_transaction in any::<bool>(),
    ) {
        let tx = TxDeposit {
            from, to, gas_limit, mint, value, is_system_transaction,
            input: input.into(),
            ..TxDeposit::default()
        };
        let executed = block(state(), [encode(&deposit(tx))]);
        prop_assert_eq!(executed.receipts.len(), 2);
        prop_assert!(executed.draft.header.gas_used <= executed.draft.header.gas_limit);
        let before = state().load_account(from).unwrap().info.nonce;
        prop_assert_eq!(nonce(&executed, from), before + 1);
    }
}
