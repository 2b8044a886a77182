//! Building in batches is building one by one.

use lockstep_executor::rollup::Prelude;
use lockstep_primitives::{OpTxEnvelope, TxDeposit};
use lockstep_stf::{BlockBuilder, Draft, PushError, Rejected, StfError};
use lockstep_testkit::l2::{RULES, attributes, inputs, parent};
use proptest::prelude::*;

use crate::world::{EXECUTORS, any_deposit, assert_same, block_of, recovered, state, step, transactions};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn batches_of_any_size_give_the_block_of_single_pushes(
        deposits in prop::collection::vec(any_deposit(), 0..3),
        steps in prop::collection::vec(step(), 0..40),
        sizes in prop::collection::vec(0..12usize, 1..8),
        gas_limit in prop_oneof![Just(30_000_000u64), 1_700_000..3_000_000u64],
    ) {
        let (db, inputs) = (state(), block_of(deposits, Vec::new(), gas_limit));
        let txs: Vec<_> = transactions(&steps).iter().filter_map(recovered).collect();
        for executor in EXECUTORS.iter() {
            let mut single = BlockBuilder::new(db.clone(), &RULES, &parent(), &inputs).unwrap();
            let prelude = Prelude::new(&db, &RULES, &parent(), &inputs).unwrap();
            let mut builder = prelude.builder(executor);
            let mut rest = &txs[..];
            for size in sizes.iter().cycle().take(200).chain([&usize::MAX]) {
                let (batch, others) = rest.split_at(rest.len().min(*size));
                rest = others;
                let expected: Vec<_> = batch.iter().map(|tx| one(&mut single, tx.clone())).collect();
                prop_assert_eq!(builder.push_all(batch.to_vec()).unwrap(), expected);
                prop_assert_eq!(builder.gas_left(), single.gas_left());
                prop_assert_eq!(builder.da_footprint_left(), single.da_footprint_left());
                prop_assert_eq!(builder.receipts(), single.receipts());
                prop_assert_eq!(builder.transactions(), single.transactions());
                prop_assert_eq!(builder.header(), single.header());
            }
            assert_same(&builder.finish().unwrap().executed, &single.finish().unwrap(), &format!("{:?}", executor.options()));
        }
    }
}

fn one(
    builder: &mut BlockBuilder<revm::database::InMemoryDB>,
    tx: alloy::consensus::transaction::Recovered<OpTxEnvelope>,
) -> Result<(), Rejected> {
    match builder.push(tx) {
        Ok(_) => Ok(()),
        Err(PushError::Rejected(reason)) => Err(reason),
        Err(PushError::Fatal(error)) => panic!("{error}"),
    }
}

#[test]
fn types_that_are_not_for_users_are_rejected_in_their_place() {
    use alloy::consensus::{Sealed, transaction::Recovered};
    use lockstep_testkit::l2::{call, recovered, user};
    let post_exec = OpTxEnvelope::PostExec(Sealed::new(Default::default()));
    let stranger = |tx| Recovered::new_unchecked(tx, alloy::primitives::Address::ZERO);
    let txs = vec![
        stranger(attributes()),
        recovered(&user(1), call(0, alloy::primitives::Address::ZERO, 1)),
        stranger(OpTxEnvelope::from(TxDeposit::default())),
        stranger(post_exec),
    ];
    let prelude = Prelude::new(state(), &RULES, &parent(), &inputs([])).unwrap();
    let mut builder = prelude.builder(&EXECUTORS[0]);
    let results = builder.push_all(txs).unwrap();
    assert_eq!(
        results,
        [Err(Rejected::Type(0x7e)), Ok(()), Err(Rejected::Type(0x7e)), Err(Rejected::Type(0x7d))]
    );
    assert_eq!(builder.transactions().len(), 2);
}

#[test]
fn a_draft_runs_with_the_deposits_that_it_is_given() {
    let draft = Draft::new(&parent(), &inputs([])).unwrap();
    let OpTxEnvelope::Deposit(deposit) = attributes() else { unreachable!() };
    let db = state();
    let prelude = Prelude::from_draft(&db, &RULES, draft.clone(), [deposit.clone()]).unwrap();
    let built = prelude.builder(&EXECUTORS[0]).finish().unwrap().executed;
    let mut truth = BlockBuilder::from_draft(db.clone(), &RULES, draft.clone()).unwrap();
    truth.force(deposit).unwrap();
    assert_same(&built, &truth.finish().unwrap(), "draft");

    let large =
        alloy::consensus::Sealable::seal_slow(TxDeposit { gas_limit: 30_000_001, ..TxDeposit::default() });
    let refused = Prelude::from_draft(&db, &RULES, draft, [large]);
    assert!(matches!(refused, Err(StfError::Forced { index: 0, reason: Rejected::Gas { .. } })));
}
