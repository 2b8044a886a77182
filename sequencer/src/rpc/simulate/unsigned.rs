//! Transactions of simulated blocks.

use alloy::consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxLegacy};
use alloy::eips::eip7702::SignedAuthorization;
use alloy::primitives::{Signature, U256};
use lockstep_primitives::OpTxEnvelope;
use revm::context::{TxEnv, either::Either};

/// The transaction that `message` would be, with a signature of zeros, as geth shows it.
pub(super) fn unsigned(message: &TxEnv) -> OpTxEnvelope {
    let (nonce, gas_limit, value) = (message.nonce, message.gas_limit, message.value);
    let (chain_id, access_list) = (message.chain_id.unwrap_or_default(), message.access_list.clone());
    let (gas_price, input, to) = (message.gas_price, message.data.clone(), message.kind);
    let (max_fee_per_gas, max_priority_fee_per_gas) = (gas_price, message.gas_priority_fee.unwrap_or(0));
    match message.tx_type {
        0 => {
            let chain_id = None; // part of a legacy transaction's signature, which there is not
            sealed(TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input })
        }
        1 => sealed(TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input }),
        4 => sealed(TxEip7702 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to: to.into_to().unwrap_or_default(),
            value,
            access_list,
            authorization_list: authorizations(message),
            input,
        }),
        _ => sealed(TxEip1559 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to,
            value,
            access_list,
            input,
        }),
    }
}

fn sealed<T: SignableTransaction<Signature>>(transaction: T) -> OpTxEnvelope
where
    OpTxEnvelope: From<alloy::consensus::Signed<T>>,
{
    transaction.into_signed(Signature::new(U256::ZERO, U256::ZERO, false)).into()
}

fn authorizations(message: &TxEnv) -> Vec<SignedAuthorization> {
    let signed = |authorization: &Either<SignedAuthorization, _>| authorization.as_ref().left().cloned();
    message.authorization_list.iter().filter_map(signed).collect()
}
