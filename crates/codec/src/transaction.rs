//! A transaction as its fields.

use alloc::vec::Vec;

use alloy_primitives::{Address, B256, FixedBytes, U256};
use alloy_rlp::{Encodable, Header};

/// How the fields are wrapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// EIP-1559.
    #[default]
    DynamicFee,
    /// EIP-155.
    Legacy,
    /// A legacy transaction for any chain.
    Unprotected,
    /// EIP-2930.
    AccessList,
    /// EIP-7702.
    SetCode,
    /// Bytes that are no transaction as we would write it; they are the calldata here.
    Opaque,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::DynamicFee, Self::Legacy, Self::Unprotected, Self::AccessList, Self::SetCode, Self::Opaque];

    /// Whether priority fee and fee cap are two fields.
    pub(crate) const fn has_tip(self) -> bool {
        matches!(self, Self::DynamicFee | Self::SetCode)
    }

    pub(crate) const fn has_chain_id(self) -> bool {
        !matches!(self, Self::Unprotected)
    }

    pub(crate) const fn has_access_list(self) -> bool {
        matches!(self, Self::DynamicFee | Self::AccessList | Self::SetCode)
    }

    /// EIP-2718 type, where there is one.
    const fn type_byte(self) -> Option<u8> {
        match self {
            Self::AccessList => Some(1),
            Self::DynamicFee => Some(2),
            Self::SetCode => Some(4),
            Self::Legacy | Self::Unprotected | Self::Opaque => None,
        }
    }
}

/// A signature in 64 bytes: the parity of y takes the highest bit of s, which no valid signature uses (EIP-2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signature(pub(crate) FixedBytes<64>);

/// Where the parity is.
const PARITY_BYTE: usize = 32;
const PARITY: u8 = 0x80;

impl Signature {
    fn new(odd: bool, r: U256, s: U256) -> Option<Self> {
        let mut bytes = FixedBytes::<64>::default();
        bytes[..32].copy_from_slice(&r.to_be_bytes::<32>());
        bytes[32..].copy_from_slice(&s.to_be_bytes::<32>());
        if bytes[PARITY_BYTE] & PARITY != 0 {
            return None;
        }
        bytes[PARITY_BYTE] |= if odd { PARITY } else { 0 };
        Some(Self(bytes))
    }

    fn is_odd(&self) -> bool {
        self.0[PARITY_BYTE] & PARITY != 0
    }

    fn r(&self) -> U256 {
        U256::from_be_slice(&self.0[..32])
    }

    fn s(&self) -> U256 {
        U256::from_be_slice(&self.0[32..]) & (U256::MAX >> 1)
    }
}

/// An entry of an access list (EIP-2930).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) address: Address,
    pub(crate) keys: Vec<B256>,
}

/// An authorization (EIP-7702).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Authorization {
    pub(crate) chain_id: U256,
    pub(crate) address: Address,
    pub(crate) nonce: u64,
    pub(crate) signature: Signature,
}

/// The fields of all kinds; those that a kind lacks are empty, and `tip` is `max_fee`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) kind: Kind,
    pub(crate) chain_id: u64,
    pub(crate) nonce: u64,
    pub(crate) tip: u128,
    pub(crate) max_fee: u128,
    pub(crate) gas_limit: u64,
    pub(crate) to: Option<Address>,
    pub(crate) value: U256,
    pub(crate) data: Vec<u8>,
    pub(crate) access_list: Vec<Access>,
    pub(crate) authorizations: Vec<Authorization>,
    pub(crate) signature: Signature,
}

impl Transaction {
    /// The fields of `bytes`; bytes that [`Self::encode`] would not give back are opaque.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let opaque = || Self { kind: Kind::Opaque, data: bytes.to_vec(), ..Self::default() };
        Self::fields(bytes).filter(|tx| tx.encode() == bytes).unwrap_or_else(opaque)
    }

    /// EIP-2718 bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        if self.kind == Kind::Opaque {
            return self.data.clone();
        }
        let mut fields = Vec::with_capacity(self.data.len() + 192);
        if let Some(type_byte) = self.kind.type_byte() {
            self.put_typed_fields(&mut fields);
            let mut out = Vec::with_capacity(fields.len() + 8);
            out.push(type_byte);
            put_list(&mut out, &fields);
            out
        } else {
            self.put_legacy_fields(&mut fields);
            let mut out = Vec::with_capacity(fields.len() + 8);
            put_list(&mut out, &fields);
            out
        }
    }

    fn put_typed_fields(&self, out: &mut Vec<u8>) {
        self.chain_id.encode(out);
        self.nonce.encode(out);
        self.tip.encode(out);
        if self.kind.has_tip() {
            self.max_fee.encode(out);
        }
        self.put_call(out);
        put_access_list(out, &self.access_list);
        if self.kind == Kind::SetCode {
            put_authorizations(out, &self.authorizations);
        }
        self.signature.is_odd().encode(out);
        self.signature.r().encode(out);
        self.signature.s().encode(out);
    }

    fn put_legacy_fields(&self, out: &mut Vec<u8>) {
        self.nonce.encode(out);
        self.max_fee.encode(out);
        self.put_call(out);
        let parity = u128::from(self.signature.is_odd());
        match self.kind {
            Kind::Unprotected => (27 + parity).encode(out),
            _ => (35 + 2 * u128::from(self.chain_id) + parity).encode(out),
        }
        self.signature.r().encode(out);
        self.signature.s().encode(out);
    }

    fn put_call(&self, out: &mut Vec<u8>) {
        self.gas_limit.encode(out);
        match &self.to {
            Some(to) => to.encode(out),
            None => out.push(alloy_rlp::EMPTY_STRING_CODE),
        }
        self.value.encode(out);
        self.data.as_slice().encode(out);
    }
}

fn put_list(out: &mut Vec<u8>, payload: &[u8]) {
    Header { list: true, payload_length: payload.len() }.encode(out);
    out.extend_from_slice(payload);
}

fn put_access_list(out: &mut Vec<u8>, list: &[Access]) {
    let (mut entries, mut entry, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for access in list {
        entry.clear();
        keys.clear();
        access.address.encode(&mut entry);
        access.keys.iter().for_each(|key| key.encode(&mut keys));
        put_list(&mut entry, &keys);
        put_list(&mut entries, &entry);
    }
    put_list(out, &entries);
}

fn put_authorizations(out: &mut Vec<u8>, authorizations: &[Authorization]) {
    let (mut entries, mut entry) = (Vec::new(), Vec::new());
    for authorization in authorizations {
        entry.clear();
        authorization.chain_id.encode(&mut entry);
        authorization.address.encode(&mut entry);
        authorization.nonce.encode(&mut entry);
        authorization.signature.is_odd().encode(&mut entry);
        authorization.signature.r().encode(&mut entry);
        authorization.signature.s().encode(&mut entry);
        put_list(&mut entries, &entry);
    }
    put_list(out, &entries);
}

/// Reading: lenient where [`Transaction::parse`] compares anyway.
mod parse {
    use super::*;

    /// RLP items, one after the other.
    struct Items<'a>(&'a [u8]);

    impl<'a> Items<'a> {
        /// The items of the list that is all of `bytes`.
        fn of_list(mut bytes: &'a [u8]) -> Option<Self> {
            let items = Self(Header::decode_bytes(&mut bytes, true).ok()?);
            bytes.is_empty().then_some(items)
        }

        fn string(&mut self) -> Option<&'a [u8]> {
            Header::decode_bytes(&mut self.0, false).ok()
        }

        fn number(&mut self) -> Option<U256> {
            U256::try_from_be_slice(self.string()?)
        }

        fn small<T: TryFrom<U256>>(&mut self) -> Option<T> {
            T::try_from(self.number()?).ok()
        }

        fn fixed<T: for<'b> TryFrom<&'b [u8]>>(&mut self) -> Option<T> {
            T::try_from(self.string()?).ok()
        }

        fn flag(&mut self) -> Option<bool> {
            match self.small::<u8>()? {
                0 => Some(false),
                1 => Some(true),
                _ => None,
            }
        }

        fn signature(&mut self, odd: bool) -> Option<Signature> {
            Signature::new(odd, self.number()?, self.number()?)
        }

        fn recipient(&mut self) -> Option<Option<Address>> {
            match self.string()? {
                [] => Some(None),
                address => Address::try_from(address).ok().map(Some),
            }
        }

        /// What `read` makes of each list in the list that comes next.
        fn lists<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
            let mut lists = Items(Header::decode_bytes(&mut self.0, true).ok()?);
            let mut out = Vec::new();
            while !lists.0.is_empty() {
                let mut items = Items(Header::decode_bytes(&mut lists.0, true).ok()?);
                out.push(read(&mut items)?);
                items.0.is_empty().then_some(())?;
            }
            Some(out)
        }

        fn keys(&mut self) -> Option<Vec<B256>> {
            let mut keys = Items(Header::decode_bytes(&mut self.0, true).ok()?);
            let mut out = Vec::new();
            while !keys.0.is_empty() {
                out.push(keys.fixed()?);
            }
            Some(out)
        }
    }

    impl Transaction {
        pub(super) fn fields(bytes: &[u8]) -> Option<Self> {
            match bytes.split_first()? {
                (1, rest) => Self::typed(Kind::AccessList, Items::of_list(rest)?),
                (2, rest) => Self::typed(Kind::DynamicFee, Items::of_list(rest)?),
                (4, rest) => Self::typed(Kind::SetCode, Items::of_list(rest)?),
                (0xc0.., _) => Self::legacy(Items::of_list(bytes)?),
                _ => None,
            }
        }

        fn typed(kind: Kind, mut items: Items<'_>) -> Option<Self> {
            let (chain_id, nonce, tip) = (items.small()?, items.small()?, items.small()?);
            let max_fee = if kind.has_tip() { items.small()? } else { tip };
            let call = Self { kind, chain_id, nonce, tip, max_fee, ..Self::call(&mut items)? };
            let access_list =
                items.lists(|entry| Some(Access { address: entry.fixed()?, keys: entry.keys()? }))?;
            let authorizations = if kind == Kind::SetCode { items.lists(authorization)? } else { Vec::new() };
            let odd = items.flag()?;
            let signature = items.signature(odd)?;
            items.0.is_empty().then_some(Self { access_list, authorizations, signature, ..call })
        }

        fn legacy(mut items: Items<'_>) -> Option<Self> {
            let (nonce, price) = (items.small()?, items.small()?);
            let call = Self::call(&mut items)?;
            let (kind, chain_id, odd) = match items.small::<u128>()? {
                27 => (Kind::Unprotected, 0, false),
                28 => (Kind::Unprotected, 0, true),
                v => (Kind::Legacy, u64::try_from(v.checked_sub(35)? / 2).ok()?, v % 2 == 0),
            };
            let signature = items.signature(odd)?;
            let tx = Self { kind, chain_id, nonce, tip: price, max_fee: price, signature, ..call };
            items.0.is_empty().then_some(tx)
        }

        fn call(items: &mut Items<'_>) -> Option<Self> {
            Some(Self {
                gas_limit: items.small()?,
                to: items.recipient()?,
                value: items.number()?,
                data: items.string()?.to_vec(),
                ..Self::default()
            })
        }
    }

    fn authorization(items: &mut Items<'_>) -> Option<Authorization> {
        let (chain_id, address, nonce) = (items.number()?, items.fixed()?, items.small()?);
        let odd = items.flag()?;
        Some(Authorization { chain_id, address, nonce, signature: items.signature(odd)? })
    }
}
