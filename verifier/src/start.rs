//! Wiring: from flags to running tasks.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use alloy::primitives::B256;
use eyre::WrapErr;
use lockstep_derive::Checkpoint;
use lockstep_executor::Executor;
use lockstep_l1::{L1Reader, TxManager};
use lockstep_primitives::{BlockNumber, Genesis, RollupConfig};
use lockstep_service::{HttpOptions, Readiness, http};
use lockstep_state::StateOptions;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    VerifierConfig, VerifierHooks,
    driver::{self, Driver},
    machine::{Machine, Setup},
    proposer::Proposer,
    rpc,
    status::{SharedStatus, Status},
    store::Store,
};

/// Runs a verifier until `shutdown`.
///
/// # Errors
/// Whatever keeps it from starting or makes it unsafe to go on: data of another chain, an L1 node of another
/// chain, a block that cannot be executed.
pub async fn run(
    config: VerifierConfig,
    hooks: VerifierHooks,
    shutdown: CancellationToken,
) -> eyre::Result<()> {
    let driver = open(&config)?;
    let proposer = proposer(&config, &driver).await?;
    let context = rpc::Context {
        config: driver.config.clone(),
        genesis: Arc::clone(&driver.genesis),
        store: Arc::clone(&driver.store),
        status: driver.status.clone(),
    };
    let stop = shutdown.child_token();
    let options = HttpOptions::new(config.listen);
    let server = http::serve(options, rpc::module(context)?, driver.readiness.clone(), stop.clone()).await?;
    if let Some(on_ready) = hooks.on_ready {
        // Nobody waits any more: that is the caller's choice.
        let _ = on_ready.send(server.local_addr());
    }
    let proposing = async {
        match &proposer {
            Some(proposer) => proposer.run(&stop).await,
            None => stop.cancelled().await,
        }
    };
    let deriving = async {
        let result = driver.run(None, &stop).await;
        stop.cancel();
        result
    };
    let ((), derived) = tokio::join!(proposing, deriving);
    server.stopped().await?;
    derived
}

/// Derives the whole chain up to L1's newest block at the time of the call, from `config.data_dir` on; number
/// and hash of every block, genesis first. With an empty folder it uses nothing but L1. If `shutdown` is
/// cancelled, the chain is as long as it got.
///
/// # Errors
/// As [`run`].
pub async fn rebuild(
    config: &VerifierConfig,
    shutdown: &CancellationToken,
) -> eyre::Result<Vec<(BlockNumber, B256)>> {
    let driver = open(config)?;
    let head = driver.reader.head().await?;
    driver.run(Some(head.number), shutdown).await?;
    let genesis = (BlockNumber(0), driver.genesis.hash);
    let mut blocks = vec![genesis];
    while let Some(block) = driver.store.block(BlockNumber(blocks.len() as u64))? {
        blocks.push((block.block.number, block.block.hash));
    }
    info!(blocks = blocks.len(), "chain rebuilt from L1");
    Ok(blocks)
}

/// Opens the data folder and the connection to L1.
fn open(config: &VerifierConfig) -> eyre::Result<Driver> {
    let rollup = read_rollup_config(&config.rollup_config)?;
    let genesis = Arc::new(Genesis::new(&rollup));
    lockstep_l1::preload_kzg();
    let reader = L1Reader::new(&config.l1_rpc, config.l1_beacon.as_deref(), &rollup)?;
    fs::create_dir_all(&config.data_dir)
        .wrap_err_with(|| format!("cannot create {}", config.data_dir.display()))?;
    let start = Checkpoint::genesis(&rollup, &genesis);
    let store = Arc::new(Store::open(&config.data_dir.join("derived.redb"), &start)?);
    let setup = Setup {
        config: rollup.clone(),
        genesis: Arc::clone(&genesis),
        state_dir: config.data_dir.join("state"),
        state_options: StateOptions {
            cache_bytes: config.state_cache_mib << 20,
            history_blocks: config.state_history,
        },
        executor: Arc::new(Executor::new(config.executor_options())?),
    };
    let machine = Machine::open(setup, Arc::clone(&store))?;
    let status = SharedStatus::default();
    status.update(|status| {
        *status = Status { safe_l2: start.safe_head, finalized_l2: start.safe_head, ..Status::default() };
    });
    Ok(Driver {
        config: rollup,
        genesis,
        reader,
        machine: Arc::new(Mutex::new(machine)),
        store,
        status,
        readiness: Readiness::new([driver::COMPONENT]),
        poll_interval: config.l1_poll,
    })
}

fn read_rollup_config(path: &Path) -> eyre::Result<RollupConfig> {
    let json = fs::read(path).wrap_err_with(|| format!("cannot read {}", path.display()))?;
    let config: RollupConfig =
        serde_json::from_slice(&json).wrap_err_with(|| format!("{} is malformed", path.display()))?;
    config.chain.validate().wrap_err_with(|| format!("{} cannot work", path.display()))?;
    Ok(config)
}

async fn proposer(config: &VerifierConfig, driver: &Driver) -> eyre::Result<Option<Proposer>> {
    let Some(source) = config.proposer.key_source() else { return Ok(None) };
    let signer = source.load_for(driver.config.chain.l1_chain_id)?;
    let manager = TxManager::connect(&config.l1_rpc, signer, config.proposer.tx.clone()).await?;
    Ok(Some(Proposer {
        manager,
        assertions: driver.config.contracts.assertions,
        store: Arc::clone(&driver.store),
        genesis: Arc::clone(&driver.genesis),
        status: driver.status.clone(),
        interval: config.proposer.proposal_interval,
        from: config.proposer.propose,
    }))
}
