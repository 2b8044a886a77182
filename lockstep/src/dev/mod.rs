//! `lockstep dev`: a whole rollup on this machine, started by one command and stopped by Ctrl-C.
//!
//! Real parts only: anvil as L1, Postgres, the contracts, and the roles exactly as they run apart, as tasks of
//! one process that talk through Postgres, L1 and JSON-RPC.

mod data_dir;
mod keys;
mod roles;
mod summary;

use std::{path::PathBuf, time::Duration};

use alloy::providers::{MULTICALL3_ADDRESS, Provider, ProviderBuilder, ext::AnvilApi};
use data_dir::{DataDir, write_atomically};
use eyre::{WrapErr, bail, eyre};
use keys::Keys;
use lockstep_contracts::runtime_code;
use lockstep_deploy::DeployPlan;
use lockstep_devnet::{Anvil, AnvilOptions, Postgres, PostgresOptions, Tools};
use lockstep_index::DatabaseUrl;
use lockstep_l1::{TxManager, TxOptions, check_not_public};
use lockstep_primitives::RollupConfig;
use tokio_util::sync::CancellationToken;

/// Flags of `lockstep dev`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DevArgs {
    /// Folder of the chain: L1, Postgres, state. A second start in it resumes.
    #[arg(long, env = "LOCKSTEP_DEV_DATA_DIR", value_name = "PATH", default_value = ".lockstep")]
    data_dir: PathBuf,
    /// Forget the chain in the data directory and start a new one.
    #[arg(long)]
    fresh: bool,
    /// A chain file, as for `lockstep deploy`, in place of the built-in one. Who runs the chain, and above which L1, stays
    /// as it is here.
    #[arg(long, env = "LOCKSTEP_DEV_CHAIN_CONFIG", value_name = "PATH")]
    chain_config: Option<PathBuf>,
    /// Port of the private L1; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 8545)]
    l1_port: u16,
    /// Port of the L2 JSON-RPC, HTTP and WebSocket; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 9545)]
    l2_port: u16,
    /// Port of the verifier's JSON-RPC; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    verifier_port: u16,
    /// An L1 to use instead of a private anvil.
    #[arg(long, env = "LOCKSTEP_L1_RPC", value_name = "URL")]
    l1_rpc: Option<String>,
    /// A Postgres database to use instead of a private one.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<DatabaseUrl>,
    /// Where to write a JSON file once all is up.
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
    /// Time between L1 blocks of the private anvil.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    l1_block_time: Duration,
    #[command(flatten)]
    roles: roles::RoleArgs,
}

/// The L1 and the Postgres of a run: private ones, or those that the user named.
struct Backing {
    l1_rpc: String,
    database_url: DatabaseUrl,
    anvil: Option<Anvil>,
    postgres: Option<Postgres>,
}

/// Starts everything, tells where it is, and runs until `shutdown` or until a part fails.
///
/// # Errors
/// One sentence that says what to do, for whatever keeps a part from starting; the failure of the first part
/// that fails later.
pub(crate) async fn run(args: DevArgs, shutdown: CancellationToken) -> eyre::Result<()> {
    let chain = keys::chain(args.chain_config.as_deref())?;
    if let Some(path) = &args.ready_file {
        // An old file would tell a script that a chain is up which is not.
        remove_if_there(path)?;
    }
    let dir = DataDir::open(&args.data_dir, args.fresh)?;
    let mut backing = tokio::select! {
        backing = start_backing(&args, &dir) => backing?,
        () = shutdown.cancelled() => return Ok(()),
    };
    let result = run_on(&args, chain, &dir, &mut backing, &shutdown).await;
    shutdown.cancel();
    backing.stop().await?;
    result
}

async fn run_on(
    args: &DevArgs,
    chain: DeployPlan,
    dir: &DataDir,
    backing: &mut Backing,
    shutdown: &CancellationToken,
) -> eyre::Result<()> {
    let keys = Keys::from_env();
    let rollup = deploy(chain, dir, &backing.l1_rpc, &keys, shutdown).await?;
    equip(&backing.l1_rpc, &rollup).await?;
    let mut roles = roles::start(args, dir, backing, &keys, &rollup, shutdown).await?;
    println!("{}", roles.summary);
    if let Some(path) = &args.ready_file {
        let json = serde_json::to_vec_pretty(&roles.summary)?;
        write_atomically(path, &json).wrap_err_with(|| format!("cannot write {}", path.display()))?;
    }
    tokio::select! {
        result = roles.finished(shutdown) => result,
        report = backing.lost() => {
            shutdown.cancel();
            roles.finished(shutdown).await.ok();
            Err(report)
        }
    }
}

async fn start_backing(args: &DevArgs, dir: &DataDir) -> eyre::Result<Backing> {
    let tools = Tools::from_env();
    let anvil = async {
        if args.l1_rpc.is_some() {
            return Ok(None);
        }
        progress("starting L1 (anvil)");
        let options = AnvilOptions {
            port: args.l1_port,
            block_time: Some(args.l1_block_time),
            ..AnvilOptions::new(dir.l1())
        };
        Anvil::start(&tools, options).await.map(Some).map_err(eyre::Report::from)
    };
    let postgres = async {
        if args.database_url.is_some() {
            return Ok(None);
        }
        progress("starting Postgres");
        let options = PostgresOptions::new(dir.postgres());
        Postgres::start(&tools, options).await.map(Some).map_err(eyre::Report::from)
    };
    let (anvil, postgres) = tokio::try_join!(anvil, postgres)?;
    let l1_rpc = match (&args.l1_rpc, &anvil) {
        (Some(url), _) => url.clone(),
        (None, Some(anvil)) => anvil.rpc_url(),
        (None, None) => bail!("no L1 was started"),
    };
    let database_url = match (&args.database_url, &postgres) {
        (Some(url), _) => url.clone(),
        (None, Some(postgres)) => postgres.url().into(),
        (None, None) => bail!("no Postgres was started"),
    };
    Ok(Backing { l1_rpc, database_url, anvil, postgres })
}

/// Gives an anvil what every public L1 has and bridge clients look for, Multicall3, and the portal of a new chain
/// the ETH that L2's genesis accounts may withdraw. Leaves any other L1 alone.
async fn equip(l1_rpc: &str, rollup: &RollupConfig) -> eyre::Result<()> {
    let l1 = ProviderBuilder::new().connect(l1_rpc).await?;
    if !l1.get_client_version().await?.starts_with("anvil/") {
        return Ok(());
    }
    if l1.get_code_at(MULTICALL3_ADDRESS).await?.is_empty() {
        let code =
            runtime_code("MultiCall3").ok_or_else(|| eyre!("the bytecode of Multicall3 is missing"))?;
        l1.anvil_set_code(MULTICALL3_ADDRESS, code).await?;
    }
    let portal = rollup.contracts.portal;
    if l1.get_balance(portal).await?.is_zero() {
        let owed = rollup.chain.accounts.iter().map(|account| account.balance).sum();
        l1.anvil_set_balance(portal, owed).await?;
    }
    Ok(())
}

impl Backing {
    /// The private Postgres; never the user's own, whose URL may hold a password.
    fn shown_database(&self) -> String {
        self.postgres.as_ref().map_or_else(|| "yours".to_owned(), Postgres::url)
    }

    /// Waits until a private part dies by itself; for ever if there is none.
    async fn lost(&mut self) -> eyre::Report {
        let anvil = async {
            match &mut self.anvil {
                Some(anvil) => eyre!("the private L1 stopped: {:?}", anvil.exited().await),
                None => std::future::pending().await,
            }
        };
        let postgres = async {
            match &mut self.postgres {
                Some(postgres) => eyre!("the private Postgres stopped: {:?}", postgres.exited().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! { report = anvil => report, report = postgres => report }
    }

    async fn stop(self) -> eyre::Result<()> {
        if let Some(anvil) = self.anvil {
            anvil.stop().await.wrap_err("cannot stop the private L1")?;
        }
        if let Some(postgres) = self.postgres {
            postgres.stop().await.wrap_err("cannot stop the private Postgres")?;
        }
        Ok(())
    }
}

/// Deploys the contracts, or finds those of an earlier start and checks them.
async fn deploy(
    chain: DeployPlan,
    dir: &DataDir,
    l1_rpc: &str,
    keys: &Keys,
    shutdown: &CancellationToken,
) -> eyre::Result<RollupConfig> {
    progress("deploying contracts");
    let tx = TxManager::connect(l1_rpc, keys.deployer.load()?, TxOptions::local()).await?;
    let plan = keys.run(chain, tx.chain_id())?;
    for key in keys.all() {
        check_not_public(key.load()?.address(), plan.chain.l1_chain_id)?;
    }
    lockstep_deploy::deploy(&plan, &tx, &dir.rollup_config(), shutdown)
        .await
        .wrap_err("the contracts of this chain cannot be used; if its L1 is gone, or --chain-config was another, start over with --fresh")
}

fn progress(what: &str) {
    eprintln!("lockstep: {what} …");
}

fn remove_if_there(path: &std::path::Path) -> eyre::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).wrap_err_with(|| format!("cannot replace the ready file {}", path.display()))
        }
        _ => Ok(()),
    }
}
