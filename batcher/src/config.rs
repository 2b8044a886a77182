//! What an operator sets, as flags or `LOCKSTEP_…` variables.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use lockstep_codec::MAX_BLOBS;
use lockstep_index::DatabaseUrl;
use lockstep_l1::{KeySource, TxOptions};
use tokio::sync::oneshot;

use crate::policy::Policy;

/// Flags of `lockstep batcher`.
#[derive(Clone, Debug, clap::Args)]
pub struct BatcherConfig {
    /// The addresses file that `lockstep deploy` wrote.
    #[arg(long, env = "LOCKSTEP_ROLLUP_CONFIG", value_name = "PATH")]
    pub rollup_config: PathBuf,
    /// Postgres, where the sequencer seals blocks. May hold a password: prefer the variable to the flag.
    #[arg(long, env = "LOCKSTEP_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: DatabaseUrl,
    /// JSON-RPC of an L1 node.
    #[arg(long, env = "LOCKSTEP_L1_RPC", value_name = "URL")]
    pub l1_rpc: String,
    /// The batcher's key: `env:NAME` or `keystore:PATH`.
    #[arg(
        long = "batcher-key",
        env = "LOCKSTEP_BATCHER_KEY_SOURCE",
        value_name = "SOURCE",
        default_value = "env:LOCKSTEP_BATCHER_KEY"
    )]
    pub key: KeySource,
    /// Longest time that a block with users' transactions waits before it is posted.
    #[arg(long, env = "LOCKSTEP_MAX_CHANNEL_DURATION", value_name = "DURATION", default_value = "36s", value_parser = humantime::parse_duration)]
    pub max_channel_duration: Duration,
    /// Longest time that blocks without users' transactions wait; never less than the flag above, and never longer
    /// than derivation allows.
    #[arg(long, env = "LOCKSTEP_MAX_IDLE_CHANNEL_DURATION", value_name = "DURATION", default_value = "10m", value_parser = humantime::parse_duration)]
    pub max_idle_channel_duration: Duration,
    /// Blobs that a channel should fill before it is posted early.
    #[arg(long, env = "LOCKSTEP_TARGET_BLOBS", value_name = "BLOBS", default_value_t = MAX_BLOBS, value_parser = parse_blobs)]
    pub target_blobs: usize,
    /// Where channels are posted.
    #[arg(long, env = "LOCKSTEP_DATA_AVAILABILITY", value_enum, default_value_t = DataAvailability::Auto)]
    pub data_availability: DataAvailability,
    /// Transactions that may be on their way to L1 at once; nodes hold at most 16 with blobs of one account.
    #[arg(long, env = "LOCKSTEP_MAX_PENDING_TXS", value_name = "COUNT", default_value_t = 4, value_parser = parse_pending)]
    pub max_pending_txs: usize,
    /// How often Postgres is asked for new blocks.
    #[arg(long = "batcher-poll", env = "LOCKSTEP_BATCHER_POLL", value_name = "DURATION", default_value = "500ms", value_parser = humantime::parse_duration)]
    pub poll: Duration,
    /// Address of the health and metrics pages; port 0 takes a free one.
    #[arg(
        long = "batcher-listen",
        env = "LOCKSTEP_BATCHER_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9548"
    )]
    pub listen: SocketAddr,
    /// How transactions are sent.
    #[command(flatten)]
    pub tx: TxOptions,
}

/// Where channels are posted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum DataAvailability {
    /// EIP-4844 blobs.
    Blobs,
    /// Calldata of the inbox transaction.
    Calldata,
    /// Whichever is cheaper for a channel.
    #[default]
    Auto,
}

impl BatcherConfig {
    /// When channels are closed on a chain that forces deposits after `force_delay` L1 blocks.
    pub(crate) const fn policy(&self, force_delay: u64) -> Policy {
        let sizes = match self.data_availability {
            DataAvailability::Calldata => Policy::calldata(self.max_channel_duration),
            places => Policy { places, ..Policy::blobs(self.max_channel_duration, self.target_blobs) },
        };
        Policy { max_idle_age: self.max_idle_channel_duration, force_delay, ..sizes }
    }
}

/// What a caller wants to hear from a running batcher.
#[derive(Debug, Default)]
pub struct BatcherHooks {
    /// Receives the bound address once the batcher works.
    pub on_ready: Option<oneshot::Sender<SocketAddr>>,
}

/// Half of what geth's blob pool holds for one account: transactions of abandoned channels need room too.
const MAX_PENDING_TXS: usize = 8;

fn parse_pending(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=MAX_PENDING_TXS).contains(&count) => Ok(count),
        _ => Err(format!("a number from 1 to {MAX_PENDING_TXS}")),
    }
}

fn parse_blobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(blobs) if (1..=MAX_BLOBS).contains(&blobs) => Ok(blobs),
        _ => Err(format!("a number from 1 to {MAX_BLOBS}")),
    }
}
