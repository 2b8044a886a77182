//! Numbers that must not be mixed up.

use alloy_primitives::B256;
use derive_more::{Display, From, Into};
use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, Display, PartialEq, Eq, PartialOrd, Ord, Hash, From, Into,
            Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);
    };
}

number!(
    /// Number of an L2 block; genesis is 0.
    BlockNumber(u64)
);
number!(
    /// Number of an L1 block.
    L1BlockNumber(u64)
);
number!(
    /// Position of a transaction in its block.
    TxIndex(u32)
);

impl BlockNumber {
    /// The number of the child block.
    ///
    /// # Panics
    /// At `u64::MAX`, which no chain reaches.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl L1BlockNumber {
    /// The number of the child block.
    ///
    /// # Panics
    /// At `u64::MAX`, which no chain reaches.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A block by number and hash, on either layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlockId {
    /// Block number.
    pub number: u64,
    /// Block hash.
    pub hash: B256,
}
