//! What stops or delays the batcher.

use alloy::primitives::{Address, B256};
use lockstep_index::IndexError;
use lockstep_l1::{L1Error, Severity};

use crate::channel::CloseError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum BatcherError {
    /// Postgres.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// L1.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// Blocks that make no channel.
    #[error(transparent)]
    Close(#[from] CloseError),
    /// Another process posts.
    #[error("another batcher posts for this database; standing by")]
    Standby,
    /// The transaction is in a block and failed.
    #[error("the inbox refused submission {id} in transaction {hash}")]
    Refused { id: i64, hash: B256 },
    /// Another account may post.
    #[error("inbox {inbox} takes batches from {expected}, but the key given is that of {ours}")]
    NotBatcher { inbox: Address, expected: Address, ours: Address },
    /// A thread died.
    #[error("a worker thread failed: {0}")]
    Worker(#[from] tokio::task::JoinError),
}

impl BatcherError {
    pub(crate) const fn severity(&self) -> Severity {
        match self {
            Self::L1(error) => error.severity(),
            Self::Index(IndexError::Database(_)) | Self::Standby => Severity::Retry,
            _ => Severity::Halt,
        }
    }
}
