//! Load on Ethereum JSON-RPC servers, and what they made of it.
//!
//! [`run`] takes each [`Target`] in turn, round by round: it makes the chain ready (contracts, funded accounts), signs all
//! transactions, and only then starts the clock. Clients submit over one connection each while a watcher looks for the
//! transactions in new blocks. It knows nothing about any server but its JSON-RPC.
//!
//! What is sent ([`Workload`]) follows from a seed and the nonces of the accounts. The clients cost little, since they
//! share the machine with the server: requests are bytes, answers are read as far as needed.
//!
//! ```no_run
//! # async fn example(options: lockstep_load::LoadOptions) -> Result<(), lockstep_load::LoadError> {
//! use lockstep_load::{Account, run};
//!
//! let funder = Account::new([0xab; 32].into()).expect("a key");
//! let outcome = run(&options, &funder, &Default::default()).await?;
//! println!("{}", outcome.text());
//! # Ok(())
//! # }
//! ```

mod accounts;
mod error;
mod market;
mod net;
mod options;
mod parallel;
mod progress;
mod report;
mod run;
mod session;
mod setup;
mod workload;

pub use accounts::Account;
pub use error::LoadError;
pub use net::{EndpointError, RpcError};
pub use options::{LoadOptions, Pids, Target};
pub use report::{Figures, Latency, Second};
pub use session::{Outcome, run};
pub use workload::Workload;
