//! A verifier that starts from nothing and sees only L1.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use alloy::primitives::B256;
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use eyre::{WrapErr, bail};
use lockstep_devnet::Process;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::binary::lockstep_binary;
use crate::devnet::last_lines;
use crate::until;

/// A running `lockstep verifier` with an empty data directory. Dropping it stops it.
#[derive(Debug)]
pub struct Replica {
    process: Process,
    rpc: DynProvider,
    folder: tempfile::TempDir,
}

impl Replica {
    /// Starts it, and waits until its RPC answers.
    ///
    /// # Errors
    /// It does not come up; the message holds the end of its log.
    pub async fn start(rollup_config: &Path, l1_rpc: &str) -> eyre::Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let log = File::create(folder.path().join("verifier.log"))?;
        let mut command = Command::new(lockstep_binary().await?);
        command
            .args([
                "verifier",
                "--l1-rpc",
                l1_rpc,
                "--l1-poll",
                "100ms",
                "--listen",
                &format!("127.0.0.1:{port}"),
            ])
            .arg("--rollup-config")
            .arg(rollup_config)
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .env_remove("LOCKSTEP_PROPOSER_KEY")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let process =
            Process::spawn(command, Signal::SIGTERM).await.wrap_err("cannot start lockstep verifier")?;
        let rpc = ProviderBuilder::new().connect_http(format!("http://127.0.0.1:{port}").parse()?).erased();
        let mut replica = Self { process, rpc, folder };
        until("the verifier is up", async || Ok(replica.sync_status().await?)).await?;
        Ok(replica)
    }

    /// Waits until the safe head has reached block `number`.
    ///
    /// # Errors
    /// It ends or takes too long; the message holds the end of its log.
    pub async fn wait_for(&self, number: u64) -> eyre::Result<()> {
        let waiting = until("the verifier has derived all blocks", async || {
            let status: Value = self.rpc.raw_request("optimism_syncStatus".into(), ()).await?;
            let safe = status["safe_l2"]["number"].as_u64();
            Ok(safe.filter(|safe| number <= *safe))
        });
        waiting.await.map(drop).wrap_err_with(|| last_lines(&self.folder.path().join("verifier.log")))
    }

    /// The safe head, once L1 has been processed up to and including block `l1`.
    ///
    /// # Errors
    /// It takes too long; the message holds the end of its log.
    pub async fn safe_head_after_l1(&self, l1: u64) -> eyre::Result<u64> {
        let waiting = until("the verifier has processed L1", async || {
            let status: Value = self.rpc.raw_request("optimism_syncStatus".into(), ()).await?;
            let current = status["current_l1"]["number"].as_u64();
            Ok(current.filter(|current| l1 <= *current).and(status["safe_l2"]["number"].as_u64()))
        });
        waiting.await.wrap_err_with(|| last_lines(&self.folder.path().join("verifier.log")))
    }

    /// Hash of the block `number` as derived from L1.
    ///
    /// # Errors
    /// It has not been derived.
    pub async fn derived_hash(&self, number: u64) -> eyre::Result<B256> {
        let block: Value = self.rpc.raw_request("lockstep_derivedBlock".into(), (number,)).await?;
        serde_json::from_value(block["hash"].clone())
            .wrap_err_with(|| format!("block {number} is not derived: {block}"))
    }

    async fn sync_status(&mut self) -> eyre::Result<Option<Value>> {
        if let Some(status) = self.process.try_wait()? {
            let log = last_lines(&self.folder.path().join("verifier.log"));
            bail!("lockstep verifier ended with {status}\n{log}");
        }
        Ok(self.rpc.raw_request("optimism_syncStatus".into(), ()).await.ok())
    }
}
