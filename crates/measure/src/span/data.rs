//! `tx_datas`: what a span batch keeps of a transaction in one piece.

use alloy_consensus::{Transaction, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy, TxType};
use alloy_eips::{eip2930::AccessList, eip7702::SignedAuthorization};
use alloy_primitives::{Bytes, Signature, TxKind, U256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};

use super::SpanError;

/// Lowest first byte of an RLP list: a legacy transaction.
const RLP_LIST: u8 = 0xc0;

#[derive(RlpEncodable, RlpDecodable)]
struct Legacy {
    value: U256,
    gas_price: u128,
    input: Bytes,
}

#[derive(RlpEncodable, RlpDecodable)]
struct Eip2930 {
    value: U256,
    gas_price: u128,
    input: Bytes,
    access_list: AccessList,
}

#[derive(RlpEncodable, RlpDecodable)]
struct Eip1559 {
    value: U256,
    tip: u128,
    max_fee: u128,
    input: Bytes,
    access_list: AccessList,
}

#[derive(RlpEncodable, RlpDecodable)]
struct Eip7702 {
    value: U256,
    tip: u128,
    max_fee: u128,
    input: Bytes,
    access_list: AccessList,
    authorizations: Vec<SignedAuthorization>,
}

/// What stands in columns of its own.
#[derive(Clone, Copy)]
pub(super) struct Rest {
    pub(super) to: TxKind,
    pub(super) nonce: u64,
    pub(super) gas_limit: u64,
    pub(super) signature: Signature,
    /// Chain id; `None` for a legacy transaction that any chain takes.
    pub(super) chain_id: Option<u64>,
}

/// Appends the data of `tx`; `None` for a type that span batches do not hold.
pub(super) fn put(out: &mut Vec<u8>, tx: &TxEnvelope) -> Option<()> {
    let (value, input) = (tx.value(), tx.input().clone());
    let (tip, max_fee) = (tx.max_priority_fee_per_gas().unwrap_or_default(), tx.max_fee_per_gas());
    let gas_price = tx.gas_price().unwrap_or_default();
    let access_list = tx.access_list().cloned().unwrap_or_default();
    let kind = tx.tx_type();
    if kind != TxType::Legacy {
        out.push(kind.into());
    }
    match kind {
        TxType::Legacy => Legacy { value, gas_price, input }.encode(out),
        TxType::Eip2930 => Eip2930 { value, gas_price, input, access_list }.encode(out),
        TxType::Eip1559 => Eip1559 { value, tip, max_fee, input, access_list }.encode(out),
        TxType::Eip7702 => {
            let authorizations = tx.authorization_list()?.to_vec();
            Eip7702 { value, tip, max_fee, input, access_list, authorizations }.encode(out);
        }
        TxType::Eip4844 => return None,
    }
    Some(())
}

/// The data of one transaction, of which the columns are not known yet.
pub(super) enum Data {
    Legacy(TxLegacy),
    Eip2930(TxEip2930),
    Eip1559(TxEip1559),
    Eip7702(TxEip7702),
}

impl Data {
    /// Reads what [`put`] wrote and advances `input` past it.
    pub(super) fn read(input: &mut &[u8]) -> Result<Self, SpanError> {
        const MALFORMED: SpanError = SpanError::Malformed("tx_datas");
        let kind = *input.first().ok_or(MALFORMED)?;
        if kind < RLP_LIST {
            *input = &input[1..];
        }
        Self::of_kind(if kind < RLP_LIST { kind } else { 0 }, input).map_err(|_| MALFORMED)
    }

    fn of_kind(kind: u8, from: &mut &[u8]) -> alloy_rlp::Result<Self> {
        Ok(match kind {
            0 => {
                let Legacy { value, gas_price, input } = Legacy::decode(from)?;
                Self::Legacy(TxLegacy { value, gas_price, input, ..TxLegacy::default() })
            }
            1 => {
                let Eip2930 { value, gas_price, input, access_list } = Eip2930::decode(from)?;
                Self::Eip2930(TxEip2930 { value, gas_price, input, access_list, ..TxEip2930::default() })
            }
            2 => {
                let data = Eip1559::decode(from)?;
                Self::Eip1559(TxEip1559 {
                    value: data.value,
                    max_priority_fee_per_gas: data.tip,
                    max_fee_per_gas: data.max_fee,
                    input: data.input,
                    access_list: data.access_list,
                    ..TxEip1559::default()
                })
            }
            4 => {
                let data = Eip7702::decode(from)?;
                Self::Eip7702(TxEip7702 {
                    value: data.value,
                    max_priority_fee_per_gas: data.tip,
                    max_fee_per_gas: data.max_fee,
                    input: data.input,
                    access_list: data.access_list,
                    authorization_list: data.authorizations,
                    ..TxEip7702::default()
                })
            }
            _ => return Err(alloy_rlp::Error::Custom("unknown transaction type")),
        })
    }

    pub(super) const fn is_legacy(&self) -> bool {
        matches!(self, Self::Legacy(_))
    }

    /// The whole transaction; `None` for a type 4 that creates a contract, which there is not.
    pub(super) fn complete(self, rest: Rest) -> Option<TxEnvelope> {
        use alloy_consensus::SignableTransaction;
        let Rest { to, nonce, gas_limit, signature, chain_id } = rest;
        let id = chain_id.unwrap_or_default();
        Some(match self {
            Self::Legacy(tx) => {
                TxLegacy { to, nonce, gas_limit, chain_id, ..tx }.into_signed(signature).into()
            }
            Self::Eip2930(tx) => {
                TxEip2930 { to, nonce, gas_limit, chain_id: id, ..tx }.into_signed(signature).into()
            }
            Self::Eip1559(tx) => {
                TxEip1559 { to, nonce, gas_limit, chain_id: id, ..tx }.into_signed(signature).into()
            }
            Self::Eip7702(tx) => {
                let to = *to.to()?;
                TxEip7702 { to, nonce, gas_limit, chain_id: id, ..tx }.into_signed(signature).into()
            }
        })
    }
}
