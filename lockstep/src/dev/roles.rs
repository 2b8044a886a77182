//! The roles of a `dev` chain, as tasks of this process.

use std::{future::Future, net::SocketAddr, time::Duration};

use eyre::{WrapErr, eyre};
use lockstep_batcher::{BatcherConfig, BatcherHooks, DataAvailability};
use lockstep_executor::Mode;
use lockstep_l1::TxOptions;
use lockstep_primitives::RollupConfig;
use lockstep_sequencer::{BlockMode, SequencerConfig, SequencerHooks, Throttle};
use lockstep_verifier::{ProposeFrom, ProposerConfig, VerifierConfig, VerifierHooks};
use tokio::{sync::oneshot, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    Backing, DevArgs,
    data_dir::DataDir,
    keys::{self, Keys},
    progress,
    summary::Summary,
};

/// Flags of `lockstep dev` that are passed on to roles.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct RoleArgs {
    /// Time between L2 blocks.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    block_time: Duration,
    /// When L2 blocks are made.
    #[arg(long, value_enum, default_value_t = BlockMode::Interval)]
    block_mode: BlockMode,
    /// Where channels are posted.
    #[arg(long, value_enum, default_value_t = DataAvailability::Blobs)]
    data_availability: DataAvailability,
    /// Longest time that a sealed block waits before its channel is posted.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = humantime::parse_duration)]
    max_channel_duration: Duration,
    /// Time between output proposals.
    #[arg(long, value_name = "DURATION", default_value = "4s", value_parser = humantime::parse_duration)]
    proposal_interval: Duration,
    /// How the roles execute blocks: `sequential`, `locks` or `optimistic`. The result is the same.
    #[arg(long, value_name = "MODE", default_value_t = Mode::Locks)]
    executor_mode: Mode,
    /// Threads with which each role executes blocks, 1 to 256; none: one for each core, 32 at most.
    #[arg(long, value_name = "THREADS", value_parser = clap::value_parser!(u16).range(1..=256))]
    executor_threads: Option<u16>,
    /// Never includes deposits, as a hostile sequencer would. For tests of forced inclusion only.
    #[arg(long, hide = true)]
    dangerous_ignore_deposits: bool,
}

/// Running roles.
pub(super) struct Roles {
    tasks: JoinSet<(&'static str, eyre::Result<()>)>,
    /// Where everything is.
    pub(super) summary: Summary,
}

/// Starts verifier, sequencer and batcher, each once the one that it asks answers.
pub(super) async fn start(
    args: &DevArgs,
    dir: &DataDir,
    backing: &Backing,
    keys: &Keys,
    rollup: &RollupConfig,
    shutdown: &CancellationToken,
) -> eyre::Result<Roles> {
    let mut roles = Starting { tasks: JoinSet::new(), shutdown };
    let verifier = roles
        .start("verifier", |on_ready| {
            let config = verifier(args, dir, backing, keys);
            lockstep_verifier::run(config, VerifierHooks { on_ready }, shutdown.clone())
        })
        .await?;
    let verifier_rpc = format!("http://{verifier}");
    let sequencer = roles
        .start("sequencer", |on_ready| {
            let config = sequencer(args, dir, backing, verifier_rpc.clone());
            lockstep_sequencer::run(config, SequencerHooks { on_ready }, shutdown.clone())
        })
        .await?;
    roles
        .start("batcher", |on_ready| {
            let config = batcher(args, dir, backing, keys);
            lockstep_batcher::run(config, BatcherHooks { on_ready }, shutdown.clone())
        })
        .await?;
    let summary = Summary {
        l1_rpc: backing.l1_rpc.clone(),
        l2_rpc: format!("http://{sequencer}"),
        l2_ws: format!("ws://{sequencer}"),
        verifier_rpc,
        database: backing.shown_database(),
        l1_chain_id: rollup.chain.l1_chain_id,
        l2_chain_id: rollup.chain.l2_chain_id,
        contracts: rollup.contracts,
        rollup_config: dir.rollup_config().display().to_string(),
        accounts: keys::funded(rollup),
    };
    Ok(Roles { tasks: roles.tasks, summary })
}

struct Starting<'a> {
    tasks: JoinSet<(&'static str, eyre::Result<()>)>,
    shutdown: &'a CancellationToken,
}

impl Starting<'_> {
    /// Runs a role and waits until it serves.
    ///
    /// # Errors
    /// That of the role, if it stops before it serves.
    async fn start<F>(
        &mut self,
        name: &'static str,
        run: impl FnOnce(Option<oneshot::Sender<SocketAddr>>) -> F,
    ) -> eyre::Result<SocketAddr>
    where
        F: Future<Output = eyre::Result<()>> + Send + 'static,
    {
        progress(&format!("starting {name}"));
        let (on_ready, ready) = oneshot::channel();
        let task = run(Some(on_ready));
        self.tasks.spawn(async move { (name, task.await) });
        tokio::select! {
            Ok(address) = ready => Ok(address),
            Some(ended) = self.tasks.join_next() => {
                let result = outcome(ended);
                self.shutdown.cancel();
                while self.tasks.join_next().await.is_some() {}
                Err(result.err().unwrap_or_else(|| eyre!("stopped before {name} was up")))
            }
        }
    }
}

impl Roles {
    /// Waits until every role has stopped. The first that ends by itself stops the others.
    ///
    /// # Errors
    /// That of the first role that failed.
    pub(super) async fn finished(&mut self, shutdown: &CancellationToken) -> eyre::Result<()> {
        let mut result = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            shutdown.cancel();
            result = result.and(outcome(ended));
        }
        result
    }
}

type Ended = Result<(&'static str, eyre::Result<()>), tokio::task::JoinError>;

fn outcome(ended: Ended) -> eyre::Result<()> {
    let (name, result) = ended.wrap_err("a role panicked")?;
    result.wrap_err_with(|| format!("the {name} stopped"))
}

fn local(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn verifier(args: &DevArgs, dir: &DataDir, backing: &Backing, keys: &Keys) -> VerifierConfig {
    VerifierConfig {
        rollup_config: dir.rollup_config(),
        data_dir: dir.verifier(),
        l1_rpc: backing.l1_rpc.clone(),
        l1_beacon: None,
        l1_poll: POLL,
        listen: local(args.verifier_port),
        state_cache_mib: CACHE_MIB,
        state_history: HISTORY,
        executor_mode: args.roles.executor_mode,
        executor_threads: args.roles.executor_threads,
        proposer: ProposerConfig {
            proposer_key: Some(keys.proposer.clone()),
            proposal_interval: args.roles.proposal_interval,
            propose: ProposeFrom::Safe,
            tx: TxOptions::local(),
        },
    }
}

fn sequencer(args: &DevArgs, dir: &DataDir, backing: &Backing, verifier_rpc: String) -> SequencerConfig {
    SequencerConfig {
        rollup_config: dir.rollup_config(),
        database_url: backing.database_url.clone(),
        data_dir: dir.sequencer(),
        l1_rpc: backing.l1_rpc.clone(),
        verifier_rpc: Some(verifier_rpc),
        listen: local(args.l2_port),
        admin_listen: None,
        block_time: args.roles.block_time,
        block_mode: args.roles.block_mode,
        l1_confirmations: 0,
        l1_poll: POLL,
        verifier_poll: POLL,
        lease_ttl: Duration::from_secs(5),
        pool_account_limit: 1_000,
        pool_limit: 100_000,
        state_cache_mib: CACHE_MIB,
        state_history: HISTORY,
        executor_mode: args.roles.executor_mode,
        executor_threads: args.roles.executor_threads,
        throttle: Throttle::default(),
        rpc: Default::default(),
        calls: Default::default(),
        dangerous_ignore_deposits: args.roles.dangerous_ignore_deposits,
    }
}

fn batcher(args: &DevArgs, dir: &DataDir, backing: &Backing, keys: &Keys) -> BatcherConfig {
    BatcherConfig {
        rollup_config: dir.rollup_config(),
        database_url: backing.database_url.clone(),
        l1_rpc: backing.l1_rpc.clone(),
        key: keys.batcher.clone(),
        max_channel_duration: args.roles.max_channel_duration,
        // A safe head that moves is worth more here than fees.
        max_idle_channel_duration: args.roles.max_channel_duration,
        target_blobs: lockstep_codec::MAX_BLOBS,
        data_availability: args.roles.data_availability,
        max_pending_txs: 4,
        poll: POLL,
        listen: local(0),
        tx: TxOptions::local(),
    }
}

const POLL: Duration = Duration::from_millis(200);
const CACHE_MIB: usize = 64;
const HISTORY: u64 = 10_000;
