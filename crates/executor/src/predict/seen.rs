//! What an execution is learned from.

use std::ops::Range;

use alloy_primitives::{Address, B256, U256};
use lockstep_locks::AccessSet;

/// Preimages kept per execution.
const MAX_PREIMAGES: usize = 256;
/// Longest preimage kept, in bytes: storage locations are hashes of a few words.
const MAX_PREIMAGE_BYTES: usize = 256;

/// An execution whose result stood.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Everything that it touched.
    pub(crate) set: AccessSet,
    /// What it hashed; empty if that was not recorded.
    pub(crate) preimages: Preimages,
    /// Slots that it read and left as they were, with their values.
    pub(crate) loads: Vec<(Address, U256, U256)>,
    /// An earlier attempt was thrown away, or stopped to wait for somebody: the transaction ran more than once. Touching
    /// something unpredicted is no waste as long as the result stands.
    pub(crate) wasted: bool,
}

impl Seen {
    /// Forgets everything, keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.set.clear();
        self.preimages.clear();
        self.loads.clear();
        self.wasted = false;
    }
}

/// Inputs of KECCAK256 and their hashes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Preimages {
    bytes: Vec<u8>,
    entries: Vec<(B256, Range<usize>)>,
}

impl Preimages {
    /// Keeps `input`, unless there is too much.
    pub(crate) fn push(&mut self, input: &[u8], hash: B256) {
        if input.len() <= MAX_PREIMAGE_BYTES && self.entries.len() < MAX_PREIMAGES {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(input);
            self.entries.push((hash, start..self.bytes.len()));
        }
    }

    /// Whether nothing was hashed, or nobody listened.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Hashes and what was hashed.
    pub(super) fn iter(&self) -> impl Iterator<Item = (B256, &[u8])> + '_ {
        self.entries.iter().map(|(hash, range)| (*hash, &self.bytes[range.clone()]))
    }

    /// Forgets everything, keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }
}
