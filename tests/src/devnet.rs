//! A running `lockstep dev`.

use std::env;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use alloy::network::EthereumWallet;
use alloy::primitives::{Address, B256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::signers::local::PrivateKeySigner;
use eyre::{OptionExt, WrapErr, bail};
use lockstep_devnet::{Process, TestDatabase, docker, test_database};
use lockstep_primitives::L1Contracts;
use nix::sys::signal::Signal;
use serde::Deserialize;

use crate::binary::lockstep_binary;
use crate::replica::Replica;
use crate::until;

/// What a test wants from its chain.
#[derive(Clone, Debug, Default)]
pub struct DevnetOptions {
    /// An L1 to use; `None` starts one.
    pub l1_rpc: Option<String>,
    /// More flags of `lockstep dev`.
    pub flags: Vec<String>,
}

/// The content of the ready file.
#[derive(Clone, Debug, Deserialize)]
pub struct Ready {
    /// JSON-RPC of L1.
    pub l1_rpc: String,
    /// JSON-RPC of L2.
    pub l2_rpc: String,
    /// WebSocket of L2.
    pub l2_ws: String,
    /// JSON-RPC of the verifier.
    pub verifier_rpc: String,
    /// Chain id of L1.
    pub l1_chain_id: u64,
    /// Chain id of L2.
    pub l2_chain_id: u64,
    /// L1 contracts.
    pub contracts: L1Contracts,
    /// The addresses file.
    pub rollup_config: PathBuf,
    /// Accounts with ETH on both layers.
    pub accounts: Vec<Account>,
}

/// A funded account.
#[derive(Clone, Debug, Deserialize)]
pub struct Account {
    /// Its address.
    pub address: Address,
    /// Its private key.
    pub key: B256,
}

impl Account {
    /// Signs for it.
    ///
    /// # Errors
    /// The key is not one.
    pub fn signer(&self) -> eyre::Result<PrivateKeySigner> {
        PrivateKeySigner::from_bytes(&self.key).wrap_err("the key of a funded account is not one")
    }
}

/// A chain of its own in a folder of its own. Dropping it stops everything and removes the folder.
#[derive(Debug)]
pub struct Devnet {
    ready: Ready,
    process: Option<Process>,
    options: DevnetOptions,
    backing: Backing,
    folder: tempfile::TempDir,
}

/// What `DATABASE_URL` or Docker supplies; everything else is private to `lockstep dev`.
#[derive(Debug, Default)]
struct Backing {
    l1: Option<docker::Anvil>,
    postgres: Option<Database>,
}

#[derive(Debug)]
enum Database {
    Named(TestDatabase),
    Docker(Box<docker::Postgres>),
}

impl Database {
    async fn find() -> eyre::Result<Option<Self>> {
        if env::var_os("DATABASE_URL").is_some() {
            return Ok(Some(Self::Named(test_database().await?)));
        }
        Ok(docker::postgres().await.map(Box::new).map(Self::Docker))
    }

    fn url(&self) -> &str {
        match self {
            Self::Named(database) => database.url(),
            Self::Docker(container) => container.url(),
        }
    }
}

impl Devnet {
    /// Starts a chain and waits until all of it is up.
    ///
    /// # Errors
    /// It does not come up; the message holds the end of its log.
    pub async fn start(options: DevnetOptions) -> eyre::Result<Self> {
        // Root's Postgres runs as another user, who must be able to enter the folder.
        let folder = tempfile::Builder::new()
            .prefix("lockstep-e2e-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir()?;
        let l1 = if options.l1_rpc.is_none() { docker::anvil().await } else { None };
        let backing = Backing { l1, postgres: Database::find().await? };
        let (process, ready) = start(&folder, &options, &backing).await?;
        Ok(Self { ready, process: Some(process), options, backing, folder })
    }

    /// Where everything is.
    pub const fn ready(&self) -> &Ready {
        &self.ready
    }

    /// L2, without keys.
    pub fn l2(&self) -> DynProvider {
        reader(&self.ready.l2_rpc)
    }

    /// L1, without keys.
    pub fn l1(&self) -> DynProvider {
        reader(&self.ready.l1_rpc)
    }

    /// L2, signing as the funded account `index`.
    ///
    /// # Errors
    /// There is no such account.
    pub fn l2_as(&self, index: usize) -> eyre::Result<DynProvider> {
        Ok(writer(&self.ready.l2_rpc, self.account(index)?.signer()?))
    }

    /// L1, signing as the funded account `index`.
    ///
    /// # Errors
    /// There is no such account.
    pub fn l1_as(&self, index: usize) -> eyre::Result<DynProvider> {
        Ok(writer(&self.ready.l1_rpc, self.account(index)?.signer()?))
    }

    /// The funded account `index`.
    ///
    /// # Errors
    /// There is no such account.
    pub fn account(&self, index: usize) -> eyre::Result<&Account> {
        self.ready.accounts.get(index).ok_or_else(|| eyre::eyre!("there is no funded account {index}"))
    }

    /// Kills the process as a power cut would, and waits until it is gone.
    ///
    /// # Errors
    /// It is not running.
    pub fn kill(&mut self) -> eyre::Result<()> {
        self.running()?.kill()?;
        Ok(())
    }

    /// Interrupts it as Ctrl-C does, and waits until it has stopped.
    ///
    /// # Errors
    /// It is not running.
    pub async fn interrupt(&mut self) -> eyre::Result<ExitStatus> {
        Ok(self.running()?.stop().await?)
    }

    fn running(&mut self) -> eyre::Result<Process> {
        self.process.take().ok_or_eyre("lockstep dev is not running")
    }

    /// Starts it again on the same folder, with `more` flags.
    ///
    /// # Errors
    /// As [`Devnet::start`].
    pub async fn start_again(&mut self, more: &[&str]) -> eyre::Result<()> {
        let mut options = self.options.clone();
        options.flags.extend(more.iter().map(|flag| (*flag).to_owned()));
        let (process, ready) = start(&self.folder, &options, &self.backing).await?;
        (self.process, self.ready) = (Some(process), ready);
        Ok(())
    }

    /// Waits until every L2 block up to the present head is on L1, rebuilds the chain with a fresh verifier
    /// that sees nothing but L1, and compares every block hash.
    ///
    /// # Errors
    /// A difference, or it takes too long.
    pub async fn assert_l1_alone_gives_the_same_chain(&self) -> eyre::Result<()> {
        let l2 = self.l2();
        let head = l2.get_block_number().await?;
        let replica = Replica::start(&self.ready.rollup_config, &self.ready.l1_rpc).await?;
        replica.wait_for(head).await?;
        for number in 1..=head {
            let sealed = l2.get_block_by_number(number.into()).await?;
            let sealed = sealed.ok_or_else(|| eyre::eyre!("L2 has lost block {number}"))?.header.hash;
            let derived = replica.derived_hash(number).await?;
            eyre::ensure!(sealed == derived, "block {number}: sealed {sealed}, derived from L1 {derived}");
        }
        Ok(())
    }
}

fn reader(url: &str) -> DynProvider {
    ProviderBuilder::new().connect_http(url.parse().expect("the ready file holds URLs")).erased()
}

fn writer(url: &str, signer: PrivateKeySigner) -> DynProvider {
    let url = url.parse().expect("the ready file holds URLs");
    // No nonce is remembered: tests also sign by hand for the same account.
    let provider = ProviderBuilder::default()
        .with_gas_estimation()
        .with_simple_nonce_management()
        .fetch_chain_id()
        .wallet(EthereumWallet::from(signer))
        .connect_http(url);
    provider.client().set_poll_interval(Duration::from_millis(100));
    provider.erased()
}

async fn start(
    folder: &tempfile::TempDir,
    options: &DevnetOptions,
    backing: &Backing,
) -> eyre::Result<(Process, Ready)> {
    let ready_file = folder.path().join("ready.json");
    let log = folder.path().join("dev.log");
    let _ = fs::remove_file(&ready_file);
    let mut command = Command::new(lockstep_binary().await?);
    command.arg("dev").arg("--data-dir").arg(folder.path().join("data"));
    command.args(["--l1-port", "0", "--l2-port", "0", "--ready-file"]).arg(&ready_file);
    let l1_rpc = options.l1_rpc.as_deref().or(backing.l1.as_ref().map(|l1| l1.url()));
    command.args(l1_rpc.into_iter().flat_map(|url| ["--l1-rpc", url]));
    command.args(&options.flags).env_remove("LOCKSTEP_L1_RPC").env_remove("DATABASE_URL");
    if let Some(url) = backing.postgres.as_ref().map(Database::url) {
        command.env("DATABASE_URL", url);
    }
    let output = File::options().create(true).append(true).open(&log)?;
    command.stdin(Stdio::null()).stderr(output.try_clone()?).stdout(output);
    let mut process = Process::spawn(command, Signal::SIGINT).await.wrap_err("cannot start lockstep dev")?;
    let ready = wait_until_ready(&mut process, &ready_file, &log).await?;
    Ok((process, ready))
}

async fn wait_until_ready(process: &mut Process, ready_file: &Path, log: &Path) -> eyre::Result<Ready> {
    let waiting = until("lockstep dev is up", async || {
        if let Some(status) = process.try_wait()? {
            bail!("lockstep dev ended with {status}");
        }
        match fs::read(ready_file) {
            Ok(json) => {
                Ok(Some(serde_json::from_slice(&json).wrap_err("the ready file is not as specified")?))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    });
    waiting.await.wrap_err_with(|| last_lines(log))
}

/// The end of a log, for the message of a failed test.
pub(crate) fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
