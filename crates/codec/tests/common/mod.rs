//! Transactions of every type, signed by nobody.

#![allow(dead_code)] // each test file uses its own part

use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy};
use alloy_eips::{eip2718::Encodable2718, eip2930::AccessList, eip7702::SignedAuthorization};
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256, keccak256};

/// EIP-2718 bytes of `tx` with a signature that depends on `seed`, below the limits that every signature keeps.
pub(crate) fn signed<T: SignableTransaction<Signature>>(tx: T, seed: u64) -> Bytes
where
    TxEnvelope: From<alloy_consensus::Signed<T>>,
{
    let number =
        |name: u8| U256::from_be_bytes(keccak256([&[name][..], &seed.to_be_bytes()].concat()).0) >> 1;
    let signature = Signature::new(number(0), number(1), seed % 2 == 1);
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

/// What a transaction says, whatever its type.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    pub(crate) chain_id: u64,
    pub(crate) nonce: u64,
    pub(crate) tip: u128,
    pub(crate) max_fee: u128,
    pub(crate) gas_limit: u64,
    pub(crate) to: TxKind,
    pub(crate) value: U256,
    pub(crate) input: Bytes,
    pub(crate) access_list: AccessList,
    pub(crate) authorizations: Vec<SignedAuthorization>,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            chain_id: 901,
            nonce: 0,
            tip: 1_000_000_000,
            max_fee: 2_000_000_000,
            gas_limit: 21_000,
            to: TxKind::Call(Address::repeat_byte(0x11)),
            value: U256::ZERO,
            input: Bytes::new(),
            access_list: AccessList::default(),
            authorizations: Vec::new(),
        }
    }
}

impl Fields {
    pub(crate) fn dynamic_fee(&self, seed: u64) -> Bytes {
        let Self { chain_id, nonce, gas_limit, to, value, .. } = *self;
        let tx = TxEip1559 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: self.max_fee,
            max_priority_fee_per_gas: self.tip,
            to,
            value,
            access_list: self.access_list.clone(),
            input: self.input.clone(),
        };
        signed(tx, seed)
    }

    pub(crate) fn access_list(&self, seed: u64) -> Bytes {
        let Self { chain_id, nonce, gas_limit, to, value, .. } = *self;
        let (access_list, input) = (self.access_list.clone(), self.input.clone());
        signed(
            TxEip2930 { chain_id, nonce, gas_price: self.max_fee, gas_limit, to, value, access_list, input },
            seed,
        )
    }

    pub(crate) fn legacy(&self, seed: u64, protected: bool) -> Bytes {
        let Self { nonce, gas_limit, to, value, .. } = *self;
        let chain_id = protected.then_some(self.chain_id);
        let input = self.input.clone();
        signed(TxLegacy { chain_id, nonce, gas_price: self.max_fee, gas_limit, to, value, input }, seed)
    }

    pub(crate) fn set_code(&self, seed: u64) -> Bytes {
        let Self { chain_id, nonce, gas_limit, value, .. } = *self;
        let tx = TxEip7702 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: self.max_fee,
            max_priority_fee_per_gas: self.tip,
            to: self.to.to().copied().unwrap_or_default(),
            value,
            access_list: self.access_list.clone(),
            authorization_list: self.authorizations.clone(),
            input: self.input.clone(),
        };
        signed(tx, seed)
    }

    /// The same fields in every type.
    pub(crate) fn all(&self, seed: u64) -> Vec<Bytes> {
        vec![
            self.dynamic_fee(seed),
            self.access_list(seed),
            self.legacy(seed, true),
            self.legacy(seed, false),
            self.set_code(seed),
        ]
    }
}

/// Calldata of a method with `words` as its arguments.
pub(crate) fn call(selector: [u8; 4], words: &[U256]) -> Bytes {
    let words = words.iter().flat_map(|word| word.to_be_bytes::<32>());
    selector.into_iter().chain(words).collect()
}
