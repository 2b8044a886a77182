//! What can go wrong between us and L1, and who must act.

use std::error::Error as StdError;

use alloy::{
    primitives::{Address, B256},
    transports::{RpcError, TransportErrorKind},
};
use lockstep_primitives::L1BlockNumber;

/// What the caller should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Try again later.
    Retry,
    /// Go back to the last safe point and continue from there.
    Reset,
    /// A person must look.
    Halt,
}

/// The cause of an error that another part reports to us.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// A failed use of L1.
#[derive(Debug, thiserror::Error)]
pub enum L1Error {
    /// The node did not answer, or answered with an error.
    #[error("L1 node: {what} failed")]
    Rpc {
        /// The call.
        what: &'static str,
        /// The transport's own words.
        #[source]
        source: RpcError<TransportErrorKind>,
    },
    /// The address of the node cannot be used.
    #[error("L1 URL is not usable: {0}")]
    Url(String),
    /// The node serves another chain.
    #[error("the L1 node serves chain {actual}, the rollup is configured for chain {expected}")]
    WrongChain {
        /// Configured chain id.
        expected: u64,
        /// The node's chain id.
        actual: u64,
    },
    /// The node does not have a block that it announced.
    #[error("the L1 node has no block {0}")]
    Missing(L1BlockNumber),
    /// The block left the canonical chain while it was being read.
    #[error("L1 block {0} was reorged out")]
    Reorged(L1BlockNumber),
    /// The reorg reaches below everything that is remembered.
    #[error("L1 reorg is deeper than the {0} blocks that are remembered")]
    ReorgTooDeep(usize),
    /// A node lacks a field that every supported L1 has, or sent one that cannot be.
    #[error("L1 node sent {0}")]
    Malformed(String),
    /// The beacon node did not answer, or answered with an error.
    #[error("beacon node: {0}")]
    Beacon(String),
    /// Neither a beacon node nor anvil: blobs cannot be read.
    #[error("blobs cannot be read: give the URL of a beacon node (L1 node answered: {0})")]
    NoBlobSource(String),
    /// The blobs of a block are not served, not yet or no longer.
    #[error(
        "blobs of L1 block {0} are not served: the beacon node is behind, or has pruned them and one that keeps all is needed"
    )]
    BlobsGone(L1BlockNumber),
    /// A blob is not the one that its transaction commits to.
    #[error("blob {expected} of L1 block {block}: the source served other data")]
    BlobMismatch {
        /// The L1 block.
        block: L1BlockNumber,
        /// Versioned hash that the transaction names.
        expected: B256,
    },
    /// KZG arithmetic failed.
    #[error("KZG: {0}")]
    Kzg(String),
    /// Signing failed.
    #[error("cannot sign: {0}")]
    Sign(String),
    /// A stored transaction cannot be read back.
    #[error("journaled transaction {hash} is not readable: {reason}")]
    Journaled {
        /// Its hash.
        hash: B256,
        /// What is wrong with its bytes.
        reason: String,
    },
    /// The journal could not store an intent; nothing was sent.
    #[error("cannot store the intent to send a transaction")]
    Journal(#[source] Cause),
    /// The transaction would fail.
    #[error("L1 refuses the transaction: {0}")]
    Reverted(String),
    /// The sender cannot pay.
    #[error("{sender} cannot pay for the transaction: {message}")]
    InsufficientFunds {
        /// The account that needs ETH.
        sender: Address,
        /// The node's words.
        message: String,
    },
    /// Another transaction has used this nonce for good.
    #[error("nonce {nonce} of {sender} was used by a transaction that is not ours")]
    NonceTaken {
        /// Our account.
        sender: Address,
        /// The nonce.
        nonce: u64,
    },
    /// The process is shutting down.
    #[error("shutting down")]
    Shutdown,
}

impl L1Error {
    /// What the caller should do.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Rpc { .. }
            | Self::Missing(_)
            | Self::Beacon(_)
            | Self::BlobsGone(_)
            | Self::BlobMismatch { .. }
            | Self::InsufficientFunds { .. }
            | Self::Journal(_)
            | Self::Shutdown => Severity::Retry,
            Self::Reorged(_) | Self::ReorgTooDeep(_) | Self::NonceTaken { .. } => Severity::Reset,
            Self::Url(_)
            | Self::WrongChain { .. }
            | Self::Malformed(_)
            | Self::NoBlobSource(_)
            | Self::Kzg(_)
            | Self::Sign(_)
            | Self::Journaled { .. }
            | Self::Reverted(_) => Severity::Halt,
        }
    }
}

/// Names the call that failed.
pub(crate) fn rpc(what: &'static str) -> impl FnOnce(RpcError<TransportErrorKind>) -> L1Error {
    move |source| L1Error::Rpc { what, source }
}
