//! From L1 blocks to the inputs of L2 blocks. The rules stand in `docs/format.md`, "Derivation".
//!
//! Pure: [`Derivation`] is fed L1 blocks in order and asked for the next L2 block; the caller executes it and
//! tells its hash by asking again. Equal L1 blocks give equal inputs, also after a restart from a
//! [`Checkpoint`]. The sequencer uses the same [`block_inputs`], so a block is sealed as it is derived.

#![no_std]

extern crate alloc;

mod abi;
mod attributes;
mod config_update;
mod context;
mod deposit;
mod derivation;
mod frames;
mod inputs;
mod rules;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use attributes::{L1Attributes, attributes_deposit};
pub use config_update::{CONFIG_UPDATE_TOPIC, ConfigUpdate, ConfigUpdateError, parse_config_update};
pub use context::PushError;
pub use deposit::{DepositError, TRANSACTION_DEPOSITED_TOPIC, parse_deposit};
pub use derivation::{Checkpoint, Derivation, Derived, DropReason, Dropped, Step};
pub use inputs::{L1Block, Submission, block_inputs, block_ref};
pub use lockstep_codec::{HISTORY_BLOCKS, HISTORY_BYTES, HISTORY_TRANSACTIONS, History};
pub use rules::BlockError;
