//! The state transition of one L2 block: the only definition of truth.
//!
//! [`execute`] turns a parent header, a view of its state and [`BlockInputs`] into an executed block;
//! [`Executed::seal`] adds the state root and gives the final header. [`BlockBuilder`] is the same thing one
//! transaction at a time, for a sequencer that learns its transactions as it goes; what it builds and what
//! [`execute`] derives from the same inputs are equal, byte for byte.
//!
//! Execution is that of `op-revm` and `alloy-op-evm`; this crate adds block assembly and no rule of its own. A
//! block depends on its parent's header and state and on its inputs, on nothing else: hashes of earlier blocks
//! come out of the state too (EIP-2935), `Database::block_hash` is not asked.
//! Sequential, deterministic, `no_std`: no clock, no thread, no randomness. The root is not computed here,
//! since it belongs to whoever keeps the trie.
//!
//! ```text
//! let executed = execute(view, &rules, &parent, &inputs)?;
//! let staged = store.stage(&executed.bundle)?;
//! let block = executed.seal(staged.state_root(), staged.storage_root(L2_TO_L1_MESSAGE_PASSER)?);
//! ```

#![no_std]

extern crate alloc;

mod builder;
mod draft;
mod error;
mod execute;
mod executed;
mod fee;
mod hashes;
mod rules;

pub use builder::BlockBuilder;
pub use draft::Draft;
pub use error::{PushError, Rejected, StfError};
pub use execute::{decode_user, execute, execute_with, execute_with_access_list};
pub use executed::{Dropped, Executed, commit_to_contents};
pub use fee::next_base_fee;
pub use hashes::WithHashes;
pub use rules::{Rules, evm_env};

pub use lockstep_primitives::{BlockInputs, SealedBlock};
pub use op_revm::{L1BlockInfo, OpSpecId};
