//! What became of a transaction.

use revm::context::result::ExecutionResult;

/// Room in a block. What counts is the sum over the included transactions before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Gas left. A transaction fits if its gas limit does; it then takes the gas that it used.
    pub gas: u64,
    /// Data-availability footprint left, in gas (OP Jovian); `u64::MAX` where there is none.
    pub footprint: u64,
}

impl Limits {
    /// Room without end.
    pub const NONE: Self = Self { gas: u64::MAX, footprint: u64::MAX };

    /// Why a transaction with this gas limit and footprint does not fit, if it does not. Gas is looked at first.
    #[must_use]
    pub const fn reject<I>(&self, gas_limit: u64, footprint: u64) -> Option<Rejected<I>> {
        if gas_limit > self.gas {
            return Some(Rejected::Gas { limit: gas_limit, left: self.gas });
        }
        if footprint > self.footprint {
            return Some(Rejected::Footprint { footprint, left: self.footprint });
        }
        None
    }

    /// Takes what an included transaction used.
    pub const fn take(&mut self, gas_used: u64, footprint: u64) {
        self.gas = self.gas.saturating_sub(gas_used);
        self.footprint = self.footprint.saturating_sub(footprint);
    }
}

/// Why a transaction is not in the block. The state is as if it had never been tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected<I> {
    /// Less gas is left than the transaction may use.
    #[error("gas limit {limit} exceeds the {left} gas left in the block")]
    Gas {
        /// Gas limit of the transaction.
        limit: u64,
        /// Gas left in the block.
        left: u64,
    },
    /// Less room for data is left than the transaction takes.
    #[error("data footprint {footprint} exceeds the {left} left in the block")]
    Footprint {
        /// Footprint of the transaction, in gas.
        footprint: u64,
        /// Footprint left in the block, in gas.
        left: u64,
    },
    /// The transaction is not valid after those before it.
    #[error("{0}")]
    Invalid(I),
}

/// What became of a transaction: `H` says why execution halted, `I` why a transaction is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<H, I> {
    /// It is in the block; it may have reverted or halted.
    Included(ExecutionResult<H>),
    /// It is not.
    Rejected(Rejected<I>),
}

impl<H, I> Outcome<H, I> {
    /// Gas that it takes from the block.
    #[must_use]
    pub fn gas_used(&self) -> u64 {
        match self {
            Self::Included(result) => result.tx_gas_used(),
            Self::Rejected(_) => 0,
        }
    }
}
