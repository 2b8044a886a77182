//! What an operator sets, as flags or `LOCKSTEP_…` variables.

use std::{env, net::SocketAddr, path::PathBuf, time::Duration};

use lockstep_executor::{Mode, Options};
use lockstep_l1::{KeySource, TxOptions};
use tokio::sync::oneshot;

/// The variable that holds the proposer's key where no `--proposer-key` names another source.
pub const PROPOSER_KEY: &str = "LOCKSTEP_PROPOSER_KEY";

/// Flags of `lockstep verifier`.
#[derive(Clone, Debug, clap::Args)]
pub struct VerifierConfig {
    /// The addresses file that `lockstep deploy` wrote.
    #[arg(long, env = "LOCKSTEP_ROLLUP_CONFIG", value_name = "PATH")]
    pub rollup_config: PathBuf,
    /// Folder of derived blocks and state; it is rebuilt from L1 when missing.
    #[arg(
        long,
        env = "LOCKSTEP_VERIFIER_DATA_DIR",
        value_name = "PATH",
        default_value = "lockstep-data/verifier"
    )]
    pub data_dir: PathBuf,
    /// JSON-RPC of an L1 node.
    #[arg(long, env = "LOCKSTEP_L1_RPC", value_name = "URL")]
    pub l1_rpc: String,
    /// Beacon API of an L1 node, for blobs; none where the L1 node is anvil.
    #[arg(long, env = "LOCKSTEP_L1_BEACON", value_name = "URL")]
    pub l1_beacon: Option<String>,
    /// How often L1 is asked for its head.
    #[arg(long, env = "LOCKSTEP_L1_POLL", value_name = "DURATION", default_value = "500ms", value_parser = humantime::parse_duration)]
    pub l1_poll: Duration,
    /// Address of the verifier's JSON-RPC; port 0 takes a free one.
    #[arg(long, env = "LOCKSTEP_VERIFIER_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:9547")]
    pub listen: SocketAddr,
    /// Memory for recently used state, MiB.
    #[arg(long, env = "LOCKSTEP_STATE_CACHE_MIB", value_name = "MIB", default_value_t = 256)]
    pub state_cache_mib: usize,
    /// Blocks that an L1 reorg can take back without a rebuild.
    #[arg(long, env = "LOCKSTEP_STATE_HISTORY", value_name = "BLOCKS", default_value_t = 100_000)]
    pub state_history: u64,
    /// How blocks are executed: `sequential`, `locks` or `optimistic`. The result is the same.
    #[arg(long, env = "LOCKSTEP_EXECUTOR_MODE", value_name = "MODE", default_value_t = Mode::Locks)]
    pub executor_mode: Mode,
    /// Threads that execute blocks, 1 to 256; none: one for each core, 32 at most.
    #[arg(long, env = "LOCKSTEP_EXECUTOR_THREADS", value_name = "THREADS", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub executor_threads: Option<u16>,
    /// Proposing of output roots.
    #[command(flatten)]
    pub proposer: ProposerConfig,
}

impl VerifierConfig {
    pub(crate) fn executor_options(&self) -> Options {
        Options::new(self.executor_mode, self.executor_threads.map(usize::from))
    }
}

/// Flags of the proposer inside the verifier.
#[derive(Clone, Debug, clap::Args)]
pub struct ProposerConfig {
    /// Key that proposes output roots, `env:NAME` or `keystore:PATH`; without one, and without the variable
    /// `LOCKSTEP_PROPOSER_KEY`, nothing is proposed.
    #[arg(long, env = "LOCKSTEP_PROPOSER_KEY_SOURCE", value_name = "SOURCE")]
    pub proposer_key: Option<KeySource>,
    /// Time between proposals.
    #[arg(long, env = "LOCKSTEP_PROPOSAL_INTERVAL", value_name = "DURATION", default_value = "1h", value_parser = humantime::parse_duration)]
    pub proposal_interval: Duration,
    /// Which blocks are proposed.
    #[arg(long, env = "LOCKSTEP_PROPOSE", value_enum, default_value_t = ProposeFrom::Finalized)]
    pub propose: ProposeFrom,
    /// How transactions are sent.
    #[command(flatten)]
    pub tx: TxOptions,
}

/// Which blocks are proposed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ProposeFrom {
    /// Derived from L1 blocks that may still be reorged out: fast, for local chains.
    Safe,
    /// Derived from final L1 blocks.
    #[default]
    Finalized,
}

impl ProposerConfig {
    /// Where the key comes from, if there is to be one.
    #[must_use]
    pub fn key_source(&self) -> Option<KeySource> {
        let variable = || env::var_os(PROPOSER_KEY).map(|_| KeySource::Env(PROPOSER_KEY.to_owned()));
        self.proposer_key.clone().or_else(variable)
    }
}

/// What a caller wants to hear from a running verifier.
#[derive(Debug, Default)]
pub struct VerifierHooks {
    /// Receives the bound address once the RPC answers.
    pub on_ready: Option<oneshot::Sender<SocketAddr>>,
}
