//! Accounts that follow from a seed, and their signatures.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B256, Signature, keccak256};
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey};

/// A key and the address that it signs for.
#[derive(Clone)]
pub struct Account {
    key: SecretKey,
    address: Address,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.address.fmt(f)
    }
}

/// A transaction as it is submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedTx {
    /// EIP-2718 bytes.
    pub(crate) raw: Box<[u8]>,
    pub(crate) hash: B256,
}

impl Account {
    /// The account of a private key; `None` if the bytes are none (0, or above the order of the curve).
    #[must_use]
    pub fn new(key: B256) -> Option<Self> {
        let key = SecretKey::from_slice(key.as_slice()).ok()?;
        let public = PublicKey::from_secret_key_global(&key).serialize_uncompressed();
        Some(Self { key, address: Address::from_raw_public_key(&public[1..]) })
    }

    /// Account `index` of those that `seed` and `role` name.
    pub(crate) fn derived(seed: u64, role: &[u8], index: u64) -> Self {
        let parts: [&[u8]; 4] = [b"lockstep load", role, &seed.to_be_bytes(), &index.to_be_bytes()];
        Self::new(keccak256(parts.concat())).expect("one hash in 2^127 is no key")
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    pub(crate) fn sign(&self, tx: TxEip1559) -> SignedTx {
        let message = Message::from_digest(tx.signature_hash().0);
        let (parity, bytes) = SECP256K1.sign_ecdsa_recoverable(&message, &self.key).serialize_compact();
        let signature = Signature::from_bytes_and_parity(&bytes, i32::from(parity) == 1);
        let signed = tx.into_signed(signature);
        SignedTx { raw: signed.encoded_2718().into(), hash: *signed.hash() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy_consensus::{TxEnvelope, transaction::SignerRecoverable};
    use alloy_eips::Decodable2718;
    use alloy_primitives::{TxKind, U256, address, b256};

    use super::*;

    #[test]
    fn a_known_key_has_its_known_address() {
        let key = b256!("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
        let expected = address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
        assert_eq!(Account::new(key).unwrap().address(), expected);
        assert!(Account::new(B256::ZERO).is_none());
    }

    #[test]
    fn accounts_differ_by_seed_role_and_index_alone() {
        let address = |seed, role: &[u8], index| Account::derived(seed, role, index).address();
        let first = address(1, b"sender", 0);
        assert_eq!(first, address(1, b"sender", 0));
        for other in [address(2, b"sender", 0), address(1, b"deployer", 0), address(1, b"sender", 1)] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn the_sender_is_recovered_from_what_is_submitted() {
        for index in 0..20 {
            let account = Account::derived(7, b"sender", index);
            let tx = TxEip1559 {
                chain_id: 1,
                nonce: index,
                gas_limit: 21_000,
                max_fee_per_gas: 2,
                max_priority_fee_per_gas: 1,
                to: TxKind::Call(Address::repeat_byte(1)),
                value: U256::from(3),
                ..TxEip1559::default()
            };
            let signed = account.sign(tx);
            let envelope = TxEnvelope::decode_2718_exact(&signed.raw).unwrap();
            assert_eq!(envelope.recover_signer().unwrap(), account.address());
            assert_eq!(*envelope.tx_hash(), signed.hash);
        }
    }
}
