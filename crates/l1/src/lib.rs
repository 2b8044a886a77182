//! Everything that talks to L1: a reader with reorg detection and a transaction manager.
//!
//! [`L1Reader`] turns an L1 block into what derivation needs: deposits, configuration changes and posted
//! channels. [`Follower`] walks the chain and reports reorgs. [`TxManager`] sends the transactions of one key;
//! a [`Journal`] stores each of them before it leaves the process. Errors say by [`L1Error::severity`] who must
//! act.

mod blob_fee;
mod blobs;
mod client;
mod error;
mod fees;
mod flight;
mod follow;
mod journal;
mod keys;
mod kzg;
mod manager;
mod options;
mod reader;
mod refusal;
mod sidecar;

pub use alloy::eips::eip4844::Blob;
pub use blob_fee::BlobSchedule;
pub use client::connect;
pub use error::{Cause, L1Error, Severity};
pub use fees::{FeeLimits, Fees, Market};
pub use flight::{InFlight, Progress, TxStatus};
pub use follow::{Follower, L1Event};
pub use journal::{Journal, NoJournal, PooledTx, PreparedTx};
pub use keys::{
    DEV_CHAIN_IDS, DEV_MNEMONIC, KEYSTORE_PASSWORD, KeyError, KeySource, check_not_public, dev_key,
};
pub use kzg::preload_kzg;
pub use manager::{Included, TxManager, TxRequest};
pub use options::TxOptions;
pub use reader::{L1Heads, L1Reader, PostedBatch};
