//! Which blocks of a channel become L2 blocks, and which blocks L1 forces. Pure predicates.

use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::Bytes;
use lockstep_codec::BatchBlock;
use lockstep_primitives::{
    ChainConfig, L1BlockNumber, L1BlockRef, L2BlockRef, OpTxEnvelope, RollupConfig, SystemConfig,
};

use crate::context::L1Window;

/// Why a block of a channel is not derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Time stands still or goes back.
    #[error("timestamp {timestamp} is not after the parent's {parent}")]
    NotAfterParent {
        /// The block's timestamp.
        timestamp: u64,
        /// The parent's.
        parent: u64,
    },
    /// The origin is below the parent's.
    #[error("L1 origin {origin} is below the parent's {parent}")]
    OriginBack {
        /// The block's origin.
        origin: L1BlockNumber,
        /// The parent's.
        parent: L1BlockNumber,
    },
    /// The origin is not below the L1 block that holds the channel.
    #[error("L1 origin {origin} is not below the including L1 block {included}")]
    OriginAhead {
        /// The block's origin.
        origin: L1BlockNumber,
        /// The L1 block with the channel.
        included: L1BlockNumber,
    },
    /// The block is older than its origin.
    #[error("timestamp {timestamp} is before the L1 origin's {origin}")]
    BeforeOrigin {
        /// The block's timestamp.
        timestamp: u64,
        /// The origin's.
        origin: u64,
    },
    /// The block runs too far ahead of its origin.
    #[error("timestamp {timestamp} is after {latest}, the L1 origin's plus the allowed drift")]
    Drift {
        /// The block's timestamp.
        timestamp: u64,
        /// The last one allowed.
        latest: u64,
    },
    /// The deposits of the skipped L1 blocks do not fit.
    #[error("deposits of {gas} gas exceed the {available} of the block")]
    DepositGas {
        /// Gas of all deposits up to the origin.
        gas: u64,
        /// Gas limit without the attributes transaction.
        available: u64,
    },
    /// Not a transaction that users may send: type 0, 1, 2 or 4 in its only encoding.
    #[error("transaction {0} is not one that users may send")]
    Transaction(usize),
}

/// The L1 side of a block: its origin, and the configuration as of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) header: L1BlockRef,
    pub(crate) system: SystemConfig,
}

/// What rules look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) config: &'a RollupConfig,
    pub(crate) window: &'a L1Window,
    /// Configuration as of the safe head's origin.
    pub(crate) system: SystemConfig,
    pub(crate) safe: &'a L2BlockRef,
    /// The L1 block being processed.
    pub(crate) included: L1BlockNumber,
}

impl Rules<'_> {
    /// Checks one block of a channel on top of the safe head.
    pub(crate) fn check(&self, block: &BatchBlock) -> Result<Origin, BlockError> {
        let timestamp = block.timestamp;
        if timestamp <= self.safe.timestamp {
            return Err(BlockError::NotAfterParent { timestamp, parent: self.safe.timestamp });
        }
        let origin = self.origin(block.l1_origin_number)?;
        if timestamp < origin.header.timestamp {
            return Err(BlockError::BeforeOrigin { timestamp, origin: origin.header.timestamp });
        }
        let latest = origin.header.timestamp.saturating_add(self.config.chain.max_sequencer_drift);
        if timestamp > latest {
            return Err(BlockError::Drift { timestamp, latest });
        }
        self.check_deposit_gas(&origin)?;
        match block.transactions.iter().position(|tx| !is_user_transaction(tx)) {
            Some(index) => Err(BlockError::Transaction(index)),
            None => Ok(origin),
        }
    }

    fn origin(&self, origin: L1BlockNumber) -> Result<Origin, BlockError> {
        let parent = self.parent_origin();
        if origin < parent {
            return Err(BlockError::OriginBack { origin, parent });
        }
        let ahead = BlockError::OriginAhead { origin, included: self.included };
        if origin >= self.included {
            return Err(ahead);
        }
        let block = self.window.get(origin).ok_or(ahead)?;
        Ok(Origin { header: block.header, system: self.window.updated(self.system, parent, origin) })
    }

    /// Deposits of one L1 block always fit (the portal bounds them); those of several must.
    fn check_deposit_gas(&self, origin: &Origin) -> Result<(), BlockError> {
        let parent = self.parent_origin();
        if origin.header.number <= parent.next() {
            return Ok(());
        }
        let skipped = self.window.between(parent, origin.header.number);
        let gas = skipped.fold(0u64, |sum, block| sum.saturating_add(block.deposit_gas()));
        let available = available_gas(&origin.system);
        if gas > available { Err(BlockError::DepositGas { gas, available }) } else { Ok(()) }
    }

    /// The origin of the block that L1 forces now, if a deposit has waited too long.
    ///
    /// This is asked after every L1 block, so of the blocks that are due only the newest can hold deposits that
    /// are not in L2 yet. It becomes the origin; the deposits of one L1 block always fit.
    pub(crate) fn forced(&self) -> Option<Origin> {
        let due = L1BlockNumber(self.included.0.checked_sub(self.config.chain.force_delay)?);
        let parent = self.parent_origin();
        let waiting = self.window.between(parent, due).any(|block| !block.deposits.is_empty());
        let header = self.window.get(due).filter(|_| waiting)?.header;
        Some(Origin { header, system: self.window.updated(self.system, parent, due) })
    }

    const fn parent_origin(&self) -> L1BlockNumber {
        L1BlockNumber(self.safe.l1_origin.number)
    }
}

const fn available_gas(system: &SystemConfig) -> u64 {
    system.gas_limit.saturating_sub(ChainConfig::ATTRIBUTES_GAS)
}

/// Whether these are the only EIP-2718 bytes of a transaction of type 0, 1, 2 or 4.
fn is_user_transaction(bytes: &Bytes) -> bool {
    let mut rest = &bytes[..];
    OpTxEnvelope::decode_2718(&mut rest)
        .is_ok_and(|tx| rest.is_empty() && !tx.is_deposit() && tx.encoded_2718() == bytes[..])
}
