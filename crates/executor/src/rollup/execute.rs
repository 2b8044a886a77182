//! A whole block from its inputs.

use std::fmt::Debug;

use alloy_consensus::Header;
use alloy_primitives::{Address, keccak256};
use lockstep_primitives::BlockInputs;
use lockstep_stf::{Dropped, Rejected, Rules, StfError, decode_user};
use op_alloy_consensus::OpTxEnvelope;
use revm::DatabaseRef;

use super::{Done, Prelude, spread::spread};
use crate::Executor;

/// Executes the child of `parent` that `inputs` define, on the state `db` after `parent`.
///
/// `sender(index, tx)` gives the sender of transaction `index`, or `None` if its signature is invalid; it is called on
/// the executor's threads and must agree with `SignerRecoverable::recover_signer`. What [`lockstep_stf::execute_with`]
/// says of blocks, dropped transactions and errors is true here.
///
/// # Errors
/// As [`lockstep_stf::execute_with`].
pub fn execute<D: DatabaseRef + Debug + Sync>(
    executor: &Executor,
    db: D,
    rules: &Rules,
    parent: &Header,
    inputs: &BlockInputs,
    sender: impl Fn(usize, &OpTxEnvelope) -> Option<Address> + Sync,
) -> Result<Done, StfError> {
    let prelude = Prelude::new(db, rules, parent, inputs)?;
    let mut builder = prelude.builder(executor);
    let first = builder.transactions().len();
    let users = &inputs.transactions[first..];
    let decoded = spread(executor, users, |index, bytes| decode_user(bytes, |tx| sender(first + index, tx)));

    let mut reasons: Vec<Option<Rejected>> = Vec::with_capacity(decoded.len());
    let mut txs = Vec::with_capacity(decoded.len());
    for tx in decoded {
        reasons.push(tx.map(|tx| txs.push(tx)).err());
    }
    let mut results = builder.push_all(txs)?.into_iter();
    for reason in reasons.iter_mut().filter(|reason| reason.is_none()) {
        *reason = results.next().and_then(Result::err);
    }
    let mut done = builder.finish()?;
    let dropped = reasons.into_iter().enumerate().filter_map(|(index, reason)| {
        Some(Dropped { index: first + index, hash: keccak256(&users[index]), reason: reason? })
    });
    done.executed.dropped = dropped.collect();
    Ok(done)
}
