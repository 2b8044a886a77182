//! The log of the chain in Postgres: what is sealed, what waits, what goes to L1.
//!
//! A block is sealed when [`seal`] has stored it in one transaction, which also checks the sequencer's lease.
//! Each table has one module of functions over a pool or an open transaction; nothing here knows rules of
//! execution or of L1.
//!
//! ```no_run
//! # async fn example() -> Result<(), lockstep_index::IndexError> {
//! use lockstep_index::{Index, block};
//! use lockstep_primitives::BlockNumber;
//!
//! let index = Index::connect("postgres://localhost/lockstep").await?;
//! index.migrate().await?;
//! let genesis = block::header(index.pool(), BlockNumber(0)).await?;
//! # Ok(()) }
//! ```

pub mod backlog;
pub mod batch;
pub mod block;
mod convert;
pub mod deposit;
mod error;
pub mod head;
pub mod lease;
pub mod log;
pub mod open_block;
pub mod pool_batch;
pub mod receipt;
mod seal;
pub mod submission;
pub mod transaction;
mod url;
pub mod withdrawal;

pub use error::IndexError;
pub use seal::{init_genesis, rewind, seal};
pub use sqlx::PgTransaction;
pub use url::DatabaseUrl;

use std::time::Duration;

use sqlx::{PgPool, postgres::PgPoolOptions};

/// Connections that one process keeps open at most.
const MAX_CONNECTIONS: u32 = 16;
/// Time to wait for a connection before giving up.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// A handle on the database; clones share its connections.
#[derive(Clone, Debug)]
pub struct Index {
    pool: PgPool,
}

impl Index {
    /// Connects to `url` (`postgres://user:password@host:port/database`).
    ///
    /// # Errors
    /// [`IndexError::Database`] if the address is malformed or nothing answers there.
    pub async fn connect(url: &str) -> Result<Self, IndexError> {
        let options = PgPoolOptions::new().max_connections(MAX_CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT);
        Ok(Self { pool: options.connect(url).await? })
    }

    /// Uses connections that exist.
    #[must_use]
    pub const fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Brings the schema up to date. Safe to call from several processes at once.
    ///
    /// # Errors
    /// [`IndexError::Migration`] if the schema was made by a newer or a changed version.
    pub async fn migrate(&self) -> Result<(), IndexError> {
        Ok(sqlx::migrate!("../../migrations").run(&self.pool).await?)
    }

    /// The connections, to pass to the functions of the modules.
    #[must_use]
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Opens a transaction; dropped without `commit`, it leaves no trace.
    ///
    /// # Errors
    /// [`IndexError::Database`].
    pub async fn begin(&self) -> Result<PgTransaction<'static>, IndexError> {
        Ok(self.pool.begin().await?)
    }

    /// Closes the connections and waits until they are gone.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
