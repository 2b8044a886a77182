//! Merkle proofs of accounts and storage (EIP-1186).

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_trie::TrieAccount;

/// Proof that an account is in the state, or that it is not (EIP-1186).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProof {
    /// The account's address.
    pub address: Address,
    /// The account; `None` if it does not exist, which `account_proof` then proves.
    pub account: Option<TrieAccount>,
    /// RLP of the trie nodes from the state root down.
    pub account_proof: Vec<Bytes>,
    /// Proofs of the slots asked for, in that order.
    pub storage_proof: Vec<StorageProof>,
}

/// Proof of one storage slot's value, zero if the slot is not set (EIP-1186).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageProof {
    /// The slot.
    pub key: B256,
    /// Its value.
    pub value: U256,
    /// RLP of the trie nodes from the account's storage root down.
    pub proof: Vec<Bytes>,
}
