//! Ethereum state on disk: accounts, storage and code, with their Merkle-Patricia trie.
//!
//! [`StateStore`] keeps the state of the head block and of the blocks in a window behind it. A block is applied
//! in two steps: [`StateStore::stage`] computes the new roots without writing, [`StateStore::commit`] writes.
//! [`StateView`] reads the state as it was after one block and stays the same while commits go on.
//!
//! ```no_run
//! # use lockstep_state::{StateError, StateOptions, StateStore};
//! # fn main() -> Result<(), StateError> {
//! let store = StateStore::open("data/state".as_ref(), StateOptions::default())?;
//! let view = store.latest()?;
//! println!("block {} has state root {}", view.number(), view.state_root());
//! # Ok(())
//! # }
//! ```
//!
//! The store is a cache of the chain, not its record: after a crash it may lack the last few blocks, which are
//! then replayed, but what it has is whole.

mod cache;
mod error;
mod history;
mod key;
mod overlay;
mod proof;
mod stage;
mod store;
mod tables;
mod trie;
mod view;
mod write;

pub use error::StateError;
pub use overlay::Overlay;
pub use proof::{AccountProof, StorageProof};
pub use stage::Staged;
pub use store::{StateHead, StateOptions, StateStore};
pub use view::StateView;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
