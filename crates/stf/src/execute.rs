//! A whole block from its inputs.

use alloc::vec::Vec;

use alloy_consensus::{
    Header,
    transaction::{Recovered, SignerRecoverable},
};
use alloy_eips::Decodable2718;
use alloy_evm::Database;
use alloy_primitives::{Address, Bytes, keccak256};
use lockstep_primitives::BlockInputs;
use op_alloy_consensus::{DEPOSIT_TX_TYPE_ID, OpTxEnvelope};

use crate::{BlockBuilder, Dropped, Executed, PushError, Rejected, Rules, StfError};

/// Executes the child of `parent` that `inputs` define. User transactions that are invalid where they stand
/// are dropped and listed; all else goes on as if they had not been there.
///
/// # Errors
/// [`StfError`] if the inputs do not fit the parent, a deposit does not fit the block, or the state fails.
pub fn execute<DB: Database>(
    db: DB,
    rules: &Rules,
    parent: &Header,
    inputs: &BlockInputs,
) -> Result<Executed, StfError> {
    execute_with(db, rules, parent, inputs, |_, tx| tx.recover_signer().ok())
}

/// [`execute`] with senders from elsewhere: `sender(index, tx)` gives the sender of transaction `index`, or
/// `None` if its signature is invalid. It must agree with [`SignerRecoverable::recover_signer`].
///
/// # Errors
/// As [`execute`].
pub fn execute_with<DB: Database>(
    db: DB,
    rules: &Rules,
    parent: &Header,
    inputs: &BlockInputs,
    sender: impl FnMut(usize, &OpTxEnvelope) -> Option<Address>,
) -> Result<Executed, StfError> {
    finish(BlockBuilder::new(db, rules, parent, inputs)?, inputs, sender)
}

/// [`execute_with`], and keeps [`Executed::access_list`].
///
/// # Errors
/// As [`execute`].
pub fn execute_with_access_list<DB: Database>(
    db: DB,
    rules: &Rules,
    parent: &Header,
    inputs: &BlockInputs,
    sender: impl FnMut(usize, &OpTxEnvelope) -> Option<Address>,
) -> Result<Executed, StfError> {
    finish(BlockBuilder::with_access_list(db, rules, parent, inputs)?, inputs, sender)
}

fn finish<DB: Database>(
    mut builder: BlockBuilder<DB>,
    inputs: &BlockInputs,
    mut sender: impl FnMut(usize, &OpTxEnvelope) -> Option<Address>,
) -> Result<Executed, StfError> {
    let mut dropped = Vec::new();
    for (index, bytes) in inputs.transactions.iter().enumerate().skip(builder.transactions().len()) {
        let included = decode_user(bytes, |tx| sender(index, tx))
            .map_err(PushError::from)
            .and_then(|tx| builder.push(tx).map(|_| ()));
        match included {
            Ok(()) => {}
            Err(PushError::Rejected(reason)) => {
                dropped.push(Dropped { index, hash: keccak256(bytes), reason });
            }
            Err(PushError::Fatal(error)) => return Err(error),
        }
    }
    Ok(Executed { dropped, ..builder.finish()? })
}

/// A user's transaction out of `inputs.transactions`, with the sender that `sender` gives it.
///
/// # Errors
/// [`Rejected::Undecodable`], [`Rejected::Type`] for a deposit, [`Rejected::Signature`] without a sender.
pub fn decode_user(
    bytes: &Bytes,
    sender: impl FnOnce(&OpTxEnvelope) -> Option<Address>,
) -> Result<Recovered<OpTxEnvelope>, Rejected> {
    // A deposit among the users' transactions must not act for the account that it names.
    if bytes.first() == Some(&DEPOSIT_TX_TYPE_ID) {
        return Err(Rejected::Type(DEPOSIT_TX_TYPE_ID));
    }
    let tx = OpTxEnvelope::decode_2718_exact(bytes).map_err(|_| Rejected::Undecodable)?;
    let sender = sender(&tx).ok_or(Rejected::Signature)?;
    Ok(Recovered::new_unchecked(tx, sender))
}
