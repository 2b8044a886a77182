//! Where the contracts stand that calls go to (`contracts/sol/load/Market.sol`).

use alloy_primitives::{Address, B256, Bytes, keccak256};
use lockstep_contracts::creation_code;

/// Pairs of a market.
pub(crate) const PAIRS: usize = 4;

/// A market, its pairs and their coins. Addresses follow from who deploys it (EIP-161: a contract's first nonce is 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Market {
    pub(crate) address: Address,
    pub(crate) pairs: [Pair; PAIRS],
}

/// A pair and its two coins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) address: Address,
    pub(crate) coins: [Address; 2],
}

impl Market {
    /// The market that `deployer` makes with its first transaction.
    pub(crate) fn of(deployer: Address) -> Self {
        let address = deployer.create(0);
        let pairs = [1, 2, 3, 4].map(|nonce| {
            let pair = address.create(nonce);
            Pair { address: pair, coins: [pair.create(1), pair.create(2)] }
        });
        Self { address, pairs }
    }

    /// Creation code.
    pub(crate) fn code() -> Bytes {
        creation_code("Market").expect("the artifact is embedded")
    }

    /// Another one for other code, so that nobody takes an old market for a new one.
    pub(crate) fn version() -> B256 {
        keccak256(Self::code())
    }
}
