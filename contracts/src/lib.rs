//! Rust bindings of the contracts, their bytecode, and the accounts that exist at L2 genesis.
//!
//! The Solidity stands in `contracts/sol`; `contracts/tools/build` compiles it into `contracts/artifacts`, which this
//! crate embeds, so that building it needs no compiler.
//!
//! ```
//! use lockstep_contracts::{creation_code, l1};
//!
//! assert!(creation_code("Portal").is_some());
//! assert_eq!(l1::Inbox::appendBlobsCall::SELECTOR.len(), 4);
//! # use alloy_sol_types::SolCall;
//! ```

#![no_std]

extern crate alloc;

mod artifacts;
mod genesis;
pub mod l1;
pub mod l2;
pub mod load;

pub use artifacts::{creation_code, runtime_code};
pub use genesis::{GenesisAccount, GenesisAlloc, GenesisParams, genesis_alloc};
