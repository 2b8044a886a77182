//! What an operator sets, as flags or `LOCKSTEP_…` variables.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use lockstep_executor::{Mode, Options};
use lockstep_index::DatabaseUrl;
use lockstep_service::RpcLimits;
use tokio::sync::oneshot;

use crate::{backpressure::Throttle, rpc::CallLimits};

/// Flags of `lockstep sequencer`.
#[derive(Clone, Debug, clap::Args)]
pub struct SequencerConfig {
    /// The addresses file that `lockstep deploy` wrote.
    #[arg(long, env = "LOCKSTEP_ROLLUP_CONFIG", value_name = "PATH")]
    pub rollup_config: PathBuf,
    /// Postgres, the log of the chain. May hold a password: prefer the variable to the flag.
    #[arg(long, env = "LOCKSTEP_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: DatabaseUrl,
    /// Folder of the state store; it is rebuilt from Postgres when missing.
    #[arg(
        long,
        env = "LOCKSTEP_SEQUENCER_DATA_DIR",
        value_name = "PATH",
        default_value = "lockstep-data/sequencer"
    )]
    pub data_dir: PathBuf,
    /// JSON-RPC of an L1 node.
    #[arg(long, env = "LOCKSTEP_L1_RPC", value_name = "URL")]
    pub l1_rpc: String,
    /// JSON-RPC of the verifier whose derivation gives the safe and finalized heads; none: they stay at genesis.
    #[arg(long, env = "LOCKSTEP_VERIFIER_RPC", value_name = "URL")]
    pub verifier_rpc: Option<String>,
    /// Address of the L2 JSON-RPC, HTTP and WebSocket; port 0 takes a free one.
    #[arg(long, env = "LOCKSTEP_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:9545")]
    pub listen: SocketAddr,
    /// Address of the `admin_` methods, on this machine only; none: they are not served.
    #[arg(long, env = "LOCKSTEP_ADMIN_LISTEN", value_name = "ADDRESS", value_parser = parse_loopback)]
    pub admin_listen: Option<SocketAddr>,
    /// Time between blocks. Timestamps are whole seconds, so there is at most one block each second.
    #[arg(long, env = "LOCKSTEP_BLOCK_TIME", value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    pub block_time: Duration,
    /// When blocks are made.
    #[arg(long, env = "LOCKSTEP_BLOCK_MODE", value_enum, default_value_t = BlockMode::Interval)]
    pub block_mode: BlockMode,
    /// L1 blocks that must stand on top of a block before it may become an origin.
    #[arg(long, env = "LOCKSTEP_L1_CONFIRMATIONS", value_name = "BLOCKS", default_value_t = 0)]
    pub l1_confirmations: u64,
    /// How often L1 is asked for its head.
    #[arg(long, env = "LOCKSTEP_L1_POLL", value_name = "DURATION", default_value = "500ms", value_parser = humantime::parse_duration)]
    pub l1_poll: Duration,
    /// How often the verifier is asked for its heads.
    #[arg(long, env = "LOCKSTEP_VERIFIER_POLL", value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    pub verifier_poll: Duration,
    /// Time after which a standby may take over from a sequencer that went silent.
    #[arg(long, env = "LOCKSTEP_LEASE_TTL", value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    pub lease_ttl: Duration,
    /// Pooled transactions of one account.
    #[arg(long, env = "LOCKSTEP_POOL_ACCOUNT_LIMIT", value_name = "TRANSACTIONS", default_value_t = 1_000)]
    pub pool_account_limit: usize,
    /// Pooled transactions of all accounts.
    #[arg(long, env = "LOCKSTEP_POOL_LIMIT", value_name = "TRANSACTIONS", default_value_t = 100_000)]
    pub pool_limit: usize,
    /// Memory for recently used state, MiB.
    #[arg(long, env = "LOCKSTEP_STATE_CACHE_MIB", value_name = "MIB", default_value_t = 256)]
    pub state_cache_mib: usize,
    /// Blocks whose state `eth_call` and `eth_getProof` can read.
    #[arg(long, env = "LOCKSTEP_STATE_HISTORY", value_name = "BLOCKS", default_value_t = 4_096)]
    pub state_history: u64,
    /// How blocks shrink while L1 lags behind.
    #[command(flatten)]
    pub throttle: Throttle,
    /// How blocks are executed: `sequential`, `locks` or `optimistic`. The result is the same.
    #[arg(long, env = "LOCKSTEP_EXECUTOR_MODE", value_name = "MODE", default_value_t = Mode::Locks)]
    pub executor_mode: Mode,
    /// Threads that execute blocks, 1 to 256; none: one for each core, 32 at most.
    #[arg(long, env = "LOCKSTEP_EXECUTOR_THREADS", value_name = "THREADS", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub executor_threads: Option<u16>,
    /// What JSON-RPC clients may ask for.
    #[command(flatten)]
    pub rpc: RpcLimits,
    /// What one call may cost.
    #[command(flatten)]
    pub calls: CallLimits,
    /// Never includes deposits, as a hostile sequencer would. For tests of forced inclusion only.
    #[arg(long, env = "LOCKSTEP_DANGEROUS_IGNORE_DEPOSITS", hide = true)]
    pub dangerous_ignore_deposits: bool,
}

impl SequencerConfig {
    /// The defaults of every flag that has one.
    #[must_use]
    pub fn new(rollup_config: PathBuf, database_url: impl Into<DatabaseUrl>, l1_rpc: String) -> Self {
        Self {
            rollup_config,
            database_url: database_url.into(),
            data_dir: "lockstep-data/sequencer".into(),
            l1_rpc,
            verifier_rpc: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 9545)),
            admin_listen: None,
            block_time: Duration::from_secs(1),
            block_mode: BlockMode::Interval,
            l1_confirmations: 0,
            l1_poll: Duration::from_millis(500),
            verifier_poll: Duration::from_secs(1),
            lease_ttl: Duration::from_secs(5),
            pool_account_limit: 1_000,
            pool_limit: 100_000,
            state_cache_mib: 256,
            state_history: 4_096,
            throttle: Throttle::default(),
            executor_mode: Mode::Locks,
            executor_threads: None,
            rpc: RpcLimits::default(),
            calls: CallLimits::default(),
            dangerous_ignore_deposits: false,
        }
    }

    pub(crate) fn executor_options(&self) -> Options {
        Options::new(self.executor_mode, self.executor_threads.map(usize::from))
    }
}

/// Whoever reaches the address may do what an operator may.
fn parse_loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|error| format!("{error}"))?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("must be an address of this machine alone".into())
    }
}

/// When blocks are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum BlockMode {
    /// One each block time, empty or not.
    #[default]
    Interval,
    /// As soon as a transaction or an L1 block with deposits waits; time still passes only in whole seconds.
    OnDemand,
}

/// What a caller wants to hear from a running sequencer.
#[derive(Debug, Default)]
pub struct SequencerHooks {
    /// Receives the bound address once the RPC answers.
    pub on_ready: Option<oneshot::Sender<SocketAddr>>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        config: SequencerConfig,
    }

    #[test]
    fn flags_have_the_defaults_of_new() {
        let flags =
            ["sequencer", "--rollup-config", "rollup.json", "--database-url", "url", "--l1-rpc", "l1"];
        let parsed = Command::try_parse_from(flags).unwrap().config;
        let new = SequencerConfig::new("rollup.json".into(), "url", "l1".into());
        assert_eq!(format!("{parsed:?}"), format!("{new:?}"));
    }

    #[test]
    fn admin_methods_are_served_on_this_machine_alone() {
        for address in ["127.0.0.1:9549", "[::1]:0"] {
            assert_eq!(parse_loopback(address).unwrap().to_string(), address);
        }
        for address in ["0.0.0.0:9549", "192.0.2.1:9549", "[::]:9549", "localhost"] {
            assert!(parse_loopback(address).is_err(), "{address}");
        }
    }
}
