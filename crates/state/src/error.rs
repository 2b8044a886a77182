//! What can go wrong with the state store.

use std::path::PathBuf;

use alloy_primitives::B256;
use lockstep_primitives::BlockNumber;
use revm::database_interface::DBErrorMarker;

/// Why the state store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The directory cannot be created or written.
    #[error("cannot use {} as state directory", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Another process has the store open.
    #[error("the state in {} is open in another process", .0.display())]
    Locked(PathBuf),
    /// The database below refused a read or a write.
    #[error("state database failed")]
    Database(#[source] Box<redb::Error>),
    /// The files were written by another version of this crate.
    #[error("state format {found} cannot be read, this version reads format {expected}")]
    Format {
        /// Format in the files.
        found: u64,
        /// Format of this version.
        expected: u64,
    },
    /// A stored value does not decode: the files are damaged and must be rebuilt.
    #[error("corrupted state: {0}")]
    Corrupted(String),
    /// No genesis was written yet.
    #[error("the state store has no genesis")]
    Uninitialised,
    /// The store holds another chain.
    #[error("the state store belongs to genesis {found}, not to {expected}")]
    OtherGenesis {
        /// Genesis hash asked for.
        expected: B256,
        /// Genesis hash in the store.
        found: B256,
    },
    /// The state of that block is not kept: too old, or not there yet.
    #[error("state of block {number} is outside the history of blocks {first} to {head}")]
    OutsideHistory {
        /// Block asked for.
        number: BlockNumber,
        /// Oldest block that can be read.
        first: BlockNumber,
        /// Newest block.
        head: BlockNumber,
    },
    /// A staged block does not stand on the head any more, or its number is not the next one.
    #[error("cannot commit block {number} staged on {staged_on}: the head is {head}")]
    Stale {
        /// Number given to `commit`.
        number: BlockNumber,
        /// Block that the stage was computed on.
        staged_on: BlockNumber,
        /// The head now.
        head: BlockNumber,
    },
    /// Code was asked for by a hash that no account has.
    #[error("no code with hash {0}")]
    UnknownCode(B256),
}

impl DBErrorMarker for StateError {}

macro_rules! from_redb {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for StateError {
            fn from(error: redb::$error) -> Self {
                Self::Database(Box::new(error.into()))
            }
        }
    )*};
}

from_redb!(CommitError, DatabaseError, SetDurabilityError, StorageError, TableError, TransactionError);
