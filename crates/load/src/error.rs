//! Why there is no load, or no good one.

use std::path::PathBuf;
use std::time::Duration;

use alloy_primitives::{Address, U256, utils::format_ether};

use crate::net::{EndpointError, RpcError};

/// Why a run stopped, or does not count.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The command line asks for something that cannot be.
    #[error("{0}")]
    Usage(String),
    /// A target is not an address.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A target does not answer as it should.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// A target is another chain than the user says.
    #[error("{target} is chain {found}, not {expected}")]
    WrongChain {
        /// The target.
        target: String,
        /// Its chain id.
        found: u64,
        /// That of `--chain-id`.
        expected: u64,
    },
    /// The key cannot pay for the accounts.
    #[error(
        "{address} has {} ETH on {target}, and its accounts need up to {} ETH: give it more, or run with fewer \
         --transactions or a lower --max-fee-gwei", format_ether(*balance), format_ether(*needed)
    )]
    NoFunds {
        /// The target.
        target: String,
        /// The account of `--key`.
        address: Address,
        /// What it has, wei.
        balance: U256,
        /// What it would have to spend, wei.
        needed: U256,
    },
    /// An earlier run left transactions in the pool.
    #[error(
        "{accounts} accounts still have transactions in the pool of {target} after {patience:?}: a new one would be \
         behind them or replace them. Wait, or take other accounts with --seed"
    )]
    Leftovers {
        /// The target.
        target: String,
        /// How many accounts.
        accounts: usize,
        /// How long they were waited for.
        patience: Duration,
    },
    /// A transaction that prepares the accounts had no effect.
    #[error("{target} could not {what}: the transaction {}", if *.reverted { "reverted" } else { "was not included in time" })]
    Setup {
        /// The target.
        target: String,
        /// What it was for.
        what: &'static str,
        /// It is in a block, and failed.
        reverted: bool,
    },
    /// `--sync` needs a method that the server does not have.
    #[error("{target} has no eth_sendRawTransactionSync (EIP-7966): run without --sync")]
    NoSync {
        /// The target.
        target: String,
    },
    /// A process of `--pid` cannot be watched.
    #[error("cannot read the CPU time of process {pid}")]
    Process {
        /// Its id.
        pid: u32,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// A thread or a file failed.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// A result cannot be written.
    #[error("cannot write {}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// The plot cannot be drawn.
    #[error("cannot draw the plot: {0}")]
    Plot(String),
    /// Everything was measured, but not every transaction went as it should.
    #[error("{0}; --tolerate-errors accepts that")]
    Flawed(String),
    /// The user stopped it.
    #[error("stopped")]
    Stopped,
}
