//! Rust bindings of the contracts, their bytecode, and the accounts that exist at L2 genesis.

#![no_std]

extern crate alloc;

mod artifacts;
pub mod l1;
pub mod l2;

pub use artifacts::{creation_code, runtime_code};

use alloc::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};

/// Accounts at L2 genesis by address.
pub type GenesisAlloc = BTreeMap<Address, GenesisAccount>;

/// One account at L2 genesis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenesisAccount {
    /// Wei.
    pub balance: U256,
    /// Nonce.
    pub nonce: u64,
    /// Runtime code; empty for a plain account.
    pub code: Bytes,
    /// Storage slots that are not zero.
    pub storage: BTreeMap<B256, B256>,
}

/// What L2's predeploys need to know about L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenesisParams {
    /// The L1 `StandardBridge`, counterpart of `L2StandardBridge`.
    pub l1_standard_bridge: Address,
}

/// Predeploys and preinstalls of L2.
#[must_use]
pub fn genesis_alloc(_params: &GenesisParams) -> GenesisAlloc {
    BTreeMap::new()
}
