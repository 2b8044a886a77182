//! What can go wrong between the chain and Postgres.

use alloy_primitives::B256;
use lockstep_primitives::BlockNumber;

/// Why the index could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Another sequencer leads: this one must stop sealing at once.
    #[error("the lease of term {term} is lost")]
    LeaseLost {
        /// The term that was presented.
        term: u64,
    },
    /// A block was sealed or a head set on something other than the stored chain.
    #[error("block {number} does not follow the stored head: parent {parent} is not it")]
    NotOnHead {
        /// The refused block.
        number: BlockNumber,
        /// Its parent.
        parent: B256,
    },
    /// The database holds another chain.
    #[error("the database belongs to another chain: its genesis is {stored}, this chain's is {expected}")]
    OtherGenesis {
        /// Hash of the stored block 0.
        stored: B256,
        /// Hash of this chain's block 0.
        expected: B256,
    },
    /// A rewind would undo what L1 made final: a person must look.
    #[error("cannot rewind to block {to}: block {finalized} is final")]
    Finalized {
        /// The wanted head.
        to: BlockNumber,
        /// The finalized head.
        finalized: BlockNumber,
    },
    /// The block to be stored contradicts itself.
    #[error("malformed block: {0}")]
    Malformed(&'static str),
    /// A value does not fit its column, or a row does not decode: the database was written by something else.
    #[error("{0} in the database is not valid")]
    Corrupt(&'static str),
    /// A number above `i64::MAX`, which Postgres cannot hold.
    #[error("{0} exceeds what Postgres can hold")]
    TooLarge(u64),
    /// A submission is not in the state that the step needs.
    #[error("submission {id} cannot become {to}: it is not {from}")]
    WrongStep {
        /// The submission.
        id: i64,
        /// State that the step needs.
        from: &'static str,
        /// State that the step leads to.
        to: &'static str,
    },
    /// Postgres failed or is out of reach.
    #[error("postgres: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
}
