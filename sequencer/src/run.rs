//! Wiring: opens the stores, starts the tasks, stops them together.

use std::{path::Path, sync::Arc, time::Duration};

use eyre::{Context, eyre};
use lockstep_executor::Executor;
use lockstep_index::{Index, lease as stored_lease};
use lockstep_l1::{L1Error, L1Reader};
use lockstep_primitives::RollupConfig;
use lockstep_service::{HttpOptions, Readiness, http};
use lockstep_state::{StateOptions, StateStore};
use tokio::{
    sync::{broadcast, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    backpressure,
    chain::{Chain, blocking},
    config::{SequencerConfig, SequencerHooks},
    engine::{Engine, EngineOptions, READY_DATABASE, READY_HEAD, READY_L1, Wires},
    l1::{self, FollowOptions},
    lease,
    pending::Pending,
    pool::PoolLimits,
    rpc::{self, Heads, NodeView, RpcContext},
    safe::{self, DerivedChain, VerifierRpc},
    submit::Pool,
};

/// How long tasks may take to end.
const GRACE: Duration = Duration::from_secs(10);
/// How long Postgres may take to hear that we leave.
const LEAVE: Duration = Duration::from_secs(3);
/// Sealed blocks that a slow subscriber may lag behind.
const BLOCK_CHANNEL: usize = 256;

/// Runs a sequencer until `shutdown`.
///
/// # Errors
/// Whatever keeps it from starting or makes it unsafe to go on: Postgres out of reach, a lost lease, data of
/// another chain.
pub async fn run(
    config: SequencerConfig,
    hooks: SequencerHooks,
    shutdown: CancellationToken,
) -> eyre::Result<()> {
    let rollup = Arc::new(read_rollup(&config.rollup_config)?);
    let l1 = L1Reader::without_batches(&config.l1_rpc, &rollup)?;
    check_l1(&l1).await?;
    let verifier = config.verifier_rpc.as_deref().map(VerifierRpc::new).transpose()?;
    let state = open_state(&config).await?;
    let index = Index::connect(config.database_url.expose()).await.wrap_err("cannot open the database")?;
    index.migrate().await?;
    let Some(term) = lease::acquire(&index, config.lease_ttl, &shutdown).await? else { return Ok(()) };
    // From here on every failure, and the end of any task, stops all of them.
    let stop = shutdown.child_token();
    let mut tasks = JoinSet::new();
    tasks.spawn({
        let keeping = lease::keep(index.clone(), term, config.lease_ttl, stop.clone());
        async move { keeping.await.map_err(eyre::Report::from) }
    });
    let started = start(
        &config,
        hooks,
        Parts { rollup, l1, verifier, state, index: index.clone(), term },
        &mut tasks,
        &stop,
    )
    .await;
    let outcome = match started {
        Ok(()) => join(&mut tasks, &stop).await,
        Err(error) => Err(error),
    };
    stop.cancel();
    let ended = async { while tasks.join_next().await.is_some() {} };
    if timeout(GRACE, ended).await.is_err() {
        warn!(grace_ms = GRACE.as_millis(), "tasks were cut off; what they had not stored is done again");
        tasks.shutdown().await;
    }
    let leave = async {
        stored_lease::release(index.pool(), term).await.ok(); // it lapses anyway
        index.close().await;
    };
    if timeout(LEAVE, leave).await.is_err() {
        warn!("Postgres does not answer; the lease lapses by itself");
    }
    outcome
}

/// A wrong L1 is an error; one that does not answer yet is waited for while blocks are made.
async fn check_l1(l1: &L1Reader) -> eyre::Result<()> {
    match l1.check().await {
        Err(error @ L1Error::WrongChain { .. }) => Err(error.into()),
        Err(error) => {
            warn!(error = &error as &dyn std::error::Error, "L1 does not answer");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// What is open before the first task starts.
struct Parts {
    rollup: Arc<RollupConfig>,
    l1: L1Reader,
    verifier: Option<VerifierRpc>,
    state: StateStore,
    index: Index,
    term: u64,
}

async fn start(
    config: &SequencerConfig,
    hooks: SequencerHooks,
    parts: Parts,
    tasks: &mut JoinSet<eyre::Result<()>>,
    stop: &CancellationToken,
) -> eyre::Result<()> {
    let Parts { rollup, l1, verifier, state, index, term } = parts;
    let readiness = Readiness::new([READY_L1, READY_DATABASE, READY_HEAD]);
    let executor = Arc::new(Executor::new(config.executor_options())?);
    let chain = Chain::open(index.clone(), state.clone(), executor, rollup.clone(), term).await?;
    readiness.set_ready(READY_DATABASE);
    let limits = PoolLimits {
        per_sender: config.pool_account_limit,
        total: config.pool_limit,
        tx_bytes: config.throttle.loosest().tx_bytes,
    };
    let (pending, questions) = Pending::new();
    let (pool, writer) = Pool::new(index.clone(), limits, chain.head_view().await?, pending.clone());
    pool.reload(chain.head_view().await?).await?;

    let (limits, limits_seen) = watch::channel(config.throttle.loosest());
    let (heads, heads_seen) = watch::channel(Heads::default());
    let (anchor, anchors) = watch::channel(chain.head().block_ref.l1_origin);
    let (views, views_seen) = watch::channel(l1::L1View::default());
    let (derived, derived_seen) = watch::channel(None);
    let (l1_heads, l1_heads_seen) = watch::channel(None);
    let (new_blocks, _) = broadcast::channel(BLOCK_CHANNEL);
    let l1: Arc<dyn crate::L1Source> = Arc::new(l1);
    let verifier: Option<Arc<dyn DerivedChain>> = verifier.map(|rpc| Arc::new(rpc) as _);
    let wires = Wires {
        l1: l1.clone(),
        views: views_seen,
        anchor,
        verifier: verifier.clone(),
        derived: derived_seen,
        limits: limits_seen.clone(),
        heads,
        new_blocks: new_blocks.clone(),
        pending: pending.clone(),
        questions,
        readiness: readiness.clone(),
    };
    let options = EngineOptions {
        block_time: config.block_time,
        mode: config.block_mode,
        max_drift: rollup.chain.max_sequencer_drift,
        ignore_deposits: config.dangerous_ignore_deposits,
    };
    let engine = Engine::new(chain, pool.clone(), options, wires).await?;

    let follow = FollowOptions { confirmations: config.l1_confirmations, poll: config.l1_poll };
    let context = RpcContext {
        // Connections of its own: queries of clients must not hold up sealing.
        index: Index::connect(config.database_url.expose()).await?,
        state,
        rollup,
        pool: Arc::new(pool),
        pending: Arc::new(pending),
        heads: heads_seen,
        new_blocks,
        limits: config.calls,
        node: NodeView { data_limits: limits_seen, l1: l1_heads_seen, executor: config.executor_options() },
    };
    if let Some(listen) = config.admin_listen {
        let admin = rpc::admin_module(context.clone())?;
        let server = http::serve(HttpOptions::admin(listen), admin, readiness.clone(), stop.clone()).await?;
        info!(address = %server.local_addr(), "sequencer serves admin methods");
        tasks.spawn(async move { Ok(server.stopped().await?) });
    }
    let http = HttpOptions {
        limits: config.rpc.clone(),
        priority: rpc::SUBMISSIONS,
        ..HttpOptions::new(config.listen)
    };
    let server = http::serve(http, rpc::module(context)?, readiness, stop.clone()).await?;
    info!(address = %server.local_addr(), "sequencer serves JSON-RPC");
    let address = server.local_addr();
    tasks.spawn(async move { Ok(server.stopped().await?) });
    tasks.spawn(done(writer.run(stop.clone())));
    tasks.spawn(done(l1::follow(l1, follow, anchors, views, stop.clone())));
    tasks.spawn(done(backpressure::follow(index, config.throttle, limits, stop.clone())));
    if let Some(verifier) = verifier {
        tasks.spawn(done(safe::follow(verifier, config.verifier_poll, derived, l1_heads, stop.clone())));
    }
    let engine_stop = stop.clone();
    tasks.spawn(async move { Ok(engine.run(engine_stop).await?) });
    if let Some(on_ready) = hooks.on_ready {
        let _ = on_ready.send(address); // the caller may have lost interest
    }
    Ok(())
}

async fn done(task: impl Future<Output = ()>) -> eyre::Result<()> {
    task.await;
    Ok(())
}

/// Waits for the first task that ends; after a stop that is no fault.
async fn join(tasks: &mut JoinSet<eyre::Result<()>>, stop: &CancellationToken) -> eyre::Result<()> {
    match tasks.join_next().await {
        None => Ok(()),
        Some(Ok(Ok(()))) if stop.is_cancelled() => Ok(()),
        Some(Ok(Ok(()))) => Err(eyre!("a task ended that should run for ever")),
        Some(Ok(Err(error))) => Err(error),
        Some(Err(error)) => Err(eyre!("a task panicked: {error}")),
    }
}

fn read_rollup(path: &Path) -> eyre::Result<RollupConfig> {
    let json = std::fs::read(path).wrap_err_with(|| format!("cannot read {}", path.display()))?;
    let rollup: RollupConfig = serde_json::from_slice(&json)
        .wrap_err_with(|| format!("{} is not an addresses file of `lockstep deploy`", path.display()))?;
    rollup.chain.validate()?;
    Ok(rollup)
}

async fn open_state(config: &SequencerConfig) -> eyre::Result<StateStore> {
    let options = StateOptions {
        cache_bytes: config.state_cache_mib.saturating_mul(1 << 20),
        history_blocks: config.state_history,
    };
    let directory = config.data_dir.join("state");
    Ok(blocking(move || StateStore::open(&directory, options)).await??)
}
