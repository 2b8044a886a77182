//! What the verifier knows right now, shared between driver, RPC and proposer.

use std::sync::{Arc, PoisonError, RwLock};

use lockstep_primitives::{L1BlockRef, L2BlockRef};

/// The heads of both layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// Newest L1 block.
    pub(crate) head_l1: L1BlockRef,
    /// Newest L1 block that is unlikely to be reorged out.
    pub(crate) safe_l1: L1BlockRef,
    /// Newest final L1 block.
    pub(crate) finalized_l1: L1BlockRef,
    /// Newest L1 block that is fully processed.
    pub(crate) current_l1: L1BlockRef,
    /// Derived from `current_l1`.
    pub(crate) safe_l2: L2BlockRef,
    /// Derived from `finalized_l1`.
    pub(crate) finalized_l2: L2BlockRef,
    /// Whether everything up to `head_l1` was processed at least once since the start.
    pub(crate) caught_up: bool,
}

/// A [`Status`] that one task writes and others read.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedStatus(Arc<RwLock<Status>>);

impl SharedStatus {
    pub(crate) fn get(&self) -> Status {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}
