//! The Merkle-Patricia trie over values that are stored beside it.
//!
//! Nodes are stored by path and leaves hold no values, so a trie of any size is updated by loading only the nodes
//! on the paths that change.

mod node;
mod proof;
mod update;

use alloy_primitives::{B256, Bytes};
use alloy_trie::Nibbles;

pub(crate) use proof::prove;
pub(crate) use update::{Change, Update, update};

use crate::StateError;

/// Where a trie's nodes and values are read.
pub(crate) trait Source: Sync {
    /// The stored form of the node whose path starts at `path`.
    fn node(&self, path: &Nibbles) -> Result<Option<Bytes>, StateError>;

    /// The value at the leaf with this hashed key.
    fn value(&self, hashed: &B256) -> Result<Option<Bytes>, StateError>;
}

/// The value at a leaf that a stored node says exists.
fn leaf_value(source: &impl Source, key: &Nibbles) -> Result<Bytes, StateError> {
    let hashed = B256::from_slice(&key.pack());
    source
        .value(&hashed)?
        .ok_or_else(|| StateError::Corrupted(format!("the trie's leaf {hashed} has no value")))
}

fn missing_node(path: &Nibbles) -> StateError {
    StateError::Corrupted(format!("no trie node at {path:?}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
mod tests;
