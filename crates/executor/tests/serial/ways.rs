//! Every way of executing one transaction after the other, and transactions whose nonces fit.

use alloy_eips::eip7702::RecoveredAuthorization;
use lockstep_executor::{Changes, Ethereum, Executor, Lane, Limits, Mode, Options, Output, Vm};
use revm::{
    Database, DatabaseCommit,
    context::TxEnv,
    context_interface::either::Either,
    database::{InMemoryDB, State},
};

use crate::oracle::{self, plain};

pub(crate) type Outcomes = oracle::Outcomes<Ethereum>;

/// Adds to every nonce in `txs` the one that the account has by then.
pub(crate) fn with_nonces(vm: &Ethereum, db: &InMemoryDB, mut txs: Vec<TxEnv>) -> Vec<TxEnv> {
    let mut state = State::builder().with_database_ref(db).build();
    let mut lane = vm.lane(&mut state);
    for tx in &mut txs {
        let mut nonce = |address| {
            let account = lane.db().basic(address).expect("a state in memory does not fail");
            account.map_or(0, |account| account.nonce)
        };
        tx.nonce += nonce(tx.caller);
        for signed in &mut tx.authorization_list {
            let Either::Right(recovered) = signed else { panic!("nothing is signed here") };
            let (mut inner, authority) = recovered.clone().into_parts();
            let by = authority.address().expect("it is valid");
            // The sender's nonce has been counted up by then.
            inner.nonce += nonce(by) + u64::from(by == tx.caller);
            *recovered = RecoveredAuthorization::new_unchecked(inner, authority);
        }
        if let Ok(ran) = lane.run(tx.clone()) {
            lane.db().commit(ran.state);
        }
    }
    txs
}

/// Outcomes and output by the executor.
pub(crate) fn executed(
    options: Options,
    vm: &Ethereum,
    db: &InMemoryDB,
    limits: Limits,
    txs: &[TxEnv],
) -> (Outcomes, Output) {
    let executor = Executor::new(options).expect("threads start");
    executor.execute(vm, db, limits, txs).expect("a state in memory does not fail")
}

/// Every way of executing one after the other.
pub(crate) fn ways() -> Vec<Options> {
    let sequential = Options { threads: 1, mode: Mode::Sequential, ..Options::default() };
    vec![
        sequential.clone(),
        Options { native_transfers: false, ..sequential.clone() },
        Options { record_schedule: true, ..sequential.clone() },
        Options { record_access: true, ..sequential },
    ]
}

/// Checks every way against plain revm, and gives its outcomes and changes.
pub(crate) fn check(vm: &Ethereum, db: &InMemoryDB, limits: Limits, txs: &[TxEnv]) -> (Outcomes, Changes) {
    let (outcomes, changes) = plain(vm, db, limits, txs);
    for options in ways() {
        let (found, output) = executed(options.clone(), vm, db, limits, txs);
        assert_eq!(found, outcomes, "outcomes by {options:?}");
        assert_eq!(output.changes, changes, "changes by {options:?}");
        assert_eq!(output.stats.transactions, txs.len() as u64);
        if let Some(access) = output.access {
            assert_eq!(access.len(), txs.len());
        }
        if let Some(schedule) = output.schedule {
            assert_eq!(schedule.runs.len(), txs.len());
        }
    }
    let bundle = changes.clone().into_bundle();
    assert_eq!(Changes::from_bundle(&bundle), changes, "a bundle holds all of the changes");
    let size: usize = bundle.state.values().map(revm::database::BundleAccount::size_hint).sum();
    assert_eq!(bundle.state_size, size);
    (outcomes, changes)
}
