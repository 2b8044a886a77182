//! A local L1 and a local Postgres, real ones, for `lockstep dev` and for tests.
//!
//! [`Tools`] finds the programs or fetches pinned builds of them; [`Anvil`] and [`Postgres`] start them,
//! wait until they serve, keep their data across restarts, and leave nothing running, even when this
//! process is killed. [`test_database`] gives each test a database of its own.
//!
//! ```no_run
//! use lockstep_devnet::{Anvil, AnvilOptions, Postgres, PostgresOptions, Tools};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let tools = Tools::from_env();
//! let anvil = Anvil::start(&tools, AnvilOptions::new("data/l1".into())).await?;
//! let postgres = Postgres::start(&tools, PostgresOptions::new("data/postgres".into())).await?;
//! println!("{} {}", anvil.rpc_url(), postgres.url());
//! # Ok(())
//! # }
//! ```

mod anvil;
pub mod docker;
mod npm;
mod postgres;
mod privileges;
mod process;
mod testing;
mod tools;

pub use anvil::{Anvil, AnvilError, AnvilOptions, DEV_MNEMONIC};
pub use npm::FetchError;
pub use postgres::{Postgres, PostgresError, PostgresOptions};
pub use privileges::Unreachable;
pub use process::Process;
pub use testing::{TestDatabase, TestDatabaseError, TestPostgres, test_database};
pub use tools::{PostgresTools, ToolError, Tools};
