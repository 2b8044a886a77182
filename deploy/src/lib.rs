//! Puts the L1 contracts of a chain on L1 and writes the one file that every role reads.
//!
//! Every address is decided before the first transaction (CREATE2 through a factory that has the same address
//! on every chain), and so is the L2 genesis. So all transactions are sent at once, a deployment that was cut
//! off continues where it stopped, and one that is complete changes nothing.

mod anchor;
mod factory;
mod file;
mod layout;
mod plan;
mod start;
mod verify;

pub use file::read as read_rollup_config;
pub use plan::{DeployPlan, PlanError, Roles};

use std::{
    io,
    path::{Path, PathBuf},
};

use alloy::{
    primitives::{Address, B256},
    providers::Provider,
};
use lockstep_l1::{
    KeyError, KeySource, L1Error, NoJournal, TxManager, TxOptions, TxRequest, check_not_public,
};
use lockstep_primitives::{Genesis, RollupConfig};
use tokio_util::sync::CancellationToken;
use tracing::info;

use layout::{FACTORY, Layout};

/// Flags of `lockstep deploy`.
#[derive(Clone, Debug, clap::Args)]
pub struct DeployConfig {
    /// The chain file, see `deploy/chains/`.
    #[arg(long, env = "LOCKSTEP_DEPLOY_CONFIG", value_name = "PATH")]
    pub config: PathBuf,
    /// JSON-RPC of an L1 node.
    #[arg(long, env = "LOCKSTEP_L1_RPC", value_name = "URL")]
    pub l1_rpc: String,
    /// The addresses file to write; an existing one is completed and checked.
    #[arg(long, env = "LOCKSTEP_ROLLUP_CONFIG", value_name = "PATH", default_value = "rollup.json")]
    pub out: PathBuf,
    /// The deployer's key: `env:NAME` or `keystore:PATH`.
    #[arg(
        long = "deployer-key",
        env = "LOCKSTEP_DEPLOYER_KEY_SOURCE",
        value_name = "SOURCE",
        default_value = "env:LOCKSTEP_DEPLOYER_KEY"
    )]
    pub key: KeySource,
    /// How transactions are sent.
    #[command(flatten)]
    pub tx: TxOptions,
}

/// Why a deployment stopped. Running it again continues it.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// L1 cannot be used, or refuses.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// A role has a key that everybody knows.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The addresses file cannot be read or written.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: String,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The node serves another chain.
    #[error("the chain file is for L1 chain {expected}, the node serves chain {actual}")]
    WrongChain {
        /// Of the chain file.
        expected: u64,
        /// Of the node.
        actual: u64,
    },
    /// The addresses file is of another chain.
    #[error("{path} describes another chain: choose another --out, or remove it to deploy anew")]
    OtherChain {
        /// The file.
        path: String,
    },
    /// The addresses file is of another L1.
    #[error("{path} belongs to another L1: its first block {anchor} is not on this one")]
    OtherL1 {
        /// The file.
        path: String,
        /// The L1 block that genesis follows.
        anchor: u64,
    },
    /// Without a timelock only the owner can start the chain.
    #[error(
        "deployer {deployer} is not the owner {owner}: deploy with the owner's key, or set timelock_delay"
    )]
    NotOwner {
        /// The account that sends.
        deployer: Address,
        /// The owner in the chain file.
        owner: Address,
    },
    /// The program was built without the contract.
    #[error("no bytecode for contract {0}")]
    NoCode(String),
    /// A number does not fit the contract.
    #[error("{0} is too large")]
    TooLarge(&'static str),
    /// A transaction is in a block and failed.
    #[error("{what}: transaction {hash} failed on L1")]
    Failed {
        /// What it should have done.
        what: String,
        /// Its hash.
        hash: B256,
    },
    /// Something stands on chain that should not.
    #[error("{what} is {found} on chain, but should be {expected}")]
    Mismatch {
        /// The value.
        what: String,
        /// As planned.
        expected: String,
        /// As found.
        found: String,
    },
    /// The chain was started, but with an anchor that cannot be found again.
    #[error(
        "the chain has started on L1, and the block that its genesis follows is not known: restore the addresses file"
    )]
    LostAnchor,
}

/// Deploys as the flags say.
///
/// # Errors
/// See [`DeployError`] and [`PlanError`].
pub async fn run(config: DeployConfig, shutdown: CancellationToken) -> eyre::Result<RollupConfig> {
    let plan = DeployPlan::read(&config.config)?;
    let signer = config.key.load_for(plan.chain.l1_chain_id)?;
    let tx = TxManager::connect(&config.l1_rpc, signer, config.tx).await?;
    Ok(deploy(&plan, &tx, &config.out, &shutdown).await?)
}

/// Deploys `plan` with the account of `tx`, or completes and checks what stands already, and writes the
/// addresses file to `out`.
///
/// # Errors
/// See [`DeployError`].
pub async fn deploy(
    plan: &DeployPlan,
    tx: &TxManager,
    out: &Path,
    shutdown: &CancellationToken,
) -> Result<RollupConfig, DeployError> {
    check(plan, tx)?;
    let layout = Layout::new(plan, tx.address())?;
    let anchor = anchor::choose(plan, &layout, tx.provider(), out).await?;
    let config = RollupConfig { chain: plan.chain.clone(), contracts: layout.contracts, genesis: anchor };
    let output_root = Genesis::new(&config).output_root();

    factory::ensure(tx, shutdown).await?;
    let mut calls = Vec::new();
    for creation in &layout.creations {
        if code_size(tx, creation.address).await? == 0 {
            calls.push(Call {
                what: format!("create {}", creation.name),
                request: TxRequest {
                    to: Some(FACTORY),
                    input: creation.call.clone(),
                    gas_limit: Some(creation.gas_limit),
                    ..TxRequest::default()
                },
            });
        }
    }
    calls.extend(start::calls(plan, &config.contracts, output_root, tx).await?);
    send(calls, tx, shutdown).await?;

    verify::verify(plan, &layout, output_root, tx.provider()).await?;
    file::write(out, &config)?;
    info!(path = %out.display(), l2_chain_id = config.chain.l2_chain_id, "contracts are deployed and checked");
    Ok(config)
}

/// A transaction and its purpose.
pub(crate) struct Call {
    pub(crate) what: String,
    pub(crate) request: TxRequest,
}

async fn send(calls: Vec<Call>, tx: &TxManager, shutdown: &CancellationToken) -> Result<(), DeployError> {
    let (whats, requests): (Vec<_>, Vec<_>) = calls.into_iter().map(|call| (call.what, call.request)).unzip();
    let included = tx.send_all(requests, &NoJournal, shutdown).await?;
    for (what, included) in whats.into_iter().zip(included) {
        info!(%what, tx = %included.hash, gas_used = included.gas_used, "done on L1");
        if !included.success {
            return Err(DeployError::Failed { what, hash: included.hash });
        }
    }
    Ok(())
}

fn check(plan: &DeployPlan, tx: &TxManager) -> Result<(), DeployError> {
    let expected = plan.chain.l1_chain_id;
    if tx.chain_id() != expected {
        return Err(DeployError::WrongChain { expected, actual: tx.chain_id() });
    }
    for account in plan.accounts().into_iter().chain([tx.address()]) {
        check_not_public(account, expected)?;
    }
    let (deployer, owner) = (tx.address(), plan.roles.owner);
    if plan.roles.timelock_delay.is_none() && deployer != owner {
        return Err(DeployError::NotOwner { deployer, owner });
    }
    Ok(())
}

pub(crate) async fn code_size(tx: &TxManager, address: Address) -> Result<usize, DeployError> {
    let code = tx.provider().get_code_at(address).await;
    Ok(code.map_err(|source| L1Error::Rpc { what: "eth_getCode", source })?.len())
}
