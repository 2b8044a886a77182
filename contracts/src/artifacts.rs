//! The bytecode of our contracts, as `contracts/tools/build` wrote it.

use alloy_primitives::Bytes;

/// Code that makes the contract `name` when constructor arguments are appended; `None` for an unknown name.
#[must_use]
pub const fn creation_code(_name: &str) -> Option<Bytes> {
    None
}

/// Code that stands on chain for the contract `name`; `None` for an unknown name.
///
/// Immutables are zero in it: only contracts without immutables are placed with it.
#[must_use]
pub const fn runtime_code(_name: &str) -> Option<Bytes> {
    None
}
