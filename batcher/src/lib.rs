//! The batcher: posts sealed blocks to the inbox on L1.
//!
//! It reads blocks from Postgres, packs consecutive ones into a channel, and sends each channel in one L1
//! transaction, a few at a time under consecutive nonces. What it is about to do is in the journal (`l1_submission`, `l1_attempt`) before it
//! is done, so a crash between any two lines loses nothing and posts nothing twice. It knows no EVM and no state.

mod channel;
mod config;
mod driver;
mod error;
mod fit;
mod flights;
mod history;
mod pending;
mod policy;
mod price;
#[cfg(test)]
mod simulation;
mod telemetry;

pub use config::{BatcherConfig, BatcherHooks, DataAvailability};
pub use history::history;

use std::{fs, time::Duration};

use alloy::{providers::Provider, rpc::types::TransactionRequest, sol_types::SolCall};
use eyre::WrapErr;
use jsonrpsee::RpcModule;
use lockstep_contracts::l1::Inbox;
use lockstep_index::Index;
use lockstep_l1::{L1Error, TxManager, preload_kzg};
use lockstep_primitives::RollupConfig;
use lockstep_service::{HttpOptions, Readiness, http};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use driver::Batcher;
use error::BatcherError;

/// Time between two tries to reach L1 at the start.
const RETRY: Duration = Duration::from_secs(1);

/// Runs a batcher until `shutdown`.
///
/// # Errors
/// Whatever keeps it from starting, or needs a person: Postgres out of reach, no key, an inbox that refuses.
pub async fn run(
    config: BatcherConfig,
    hooks: BatcherHooks,
    shutdown: CancellationToken,
) -> eyre::Result<()> {
    let path = config.rollup_config.display();
    let text = fs::read(&config.rollup_config).wrap_err_with(|| format!("cannot read {path}"))?;
    let rollup: RollupConfig =
        serde_json::from_slice(&text).wrap_err_with(|| format!("{path} is not an addresses file"))?;
    let signer = config.key.load_for(rollup.chain.l1_chain_id)?;
    if config.data_availability != DataAvailability::Calldata {
        preload_kzg();
    }
    telemetry::describe();
    let index = Index::connect(config.database_url.expose()).await.wrap_err("cannot reach Postgres")?;
    let readiness = Readiness::new(["work"]);
    let options = HttpOptions::new(config.listen);
    let pages = shutdown.child_token();
    let server = http::serve(options, RpcModule::new(()), readiness.clone(), pages.clone()).await?;

    let expected = rollup.chain.l1_chain_id;
    let tx = loop {
        match connect(&config, signer.clone(), &rollup).await {
            Ok(tx) => break tx,
            Err(BatcherError::L1(error @ L1Error::Rpc { .. })) => {
                warn!(%error, "waiting for L1 chain {expected}");
                readiness.set_waiting("work", error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(server.stopped().await?),
            () = tokio::time::sleep(RETRY) => {}
        }
    };
    info!(batcher = %tx.address(), inbox = %rollup.contracts.inbox, "batcher started");
    if let Some(on_ready) = hooks.on_ready {
        // A caller that no longer listens does not need to know.
        let _ = on_ready.send(server.local_addr());
    }
    readiness.set_ready("work");
    let policy = config.policy(rollup.chain.force_delay);
    let batcher = Batcher::new(index, tx, rollup.contracts.inbox, readiness, &config, policy);
    let worked = batcher.run(&shutdown).await;
    pages.cancel();
    server.stopped().await?;
    Ok(worked?)
}

/// Connects to L1 and makes sure that this account may post.
async fn connect(
    config: &BatcherConfig,
    signer: alloy::signers::local::PrivateKeySigner,
    rollup: &RollupConfig,
) -> Result<TxManager, BatcherError> {
    let tx = TxManager::connect(&config.l1_rpc, signer, config.tx.clone()).await?;
    let expected = rollup.chain.l1_chain_id;
    if tx.chain_id() != expected {
        return Err(L1Error::WrongChain { expected, actual: tx.chain_id() }.into());
    }
    let inbox = rollup.contracts.inbox;
    let question = TransactionRequest::default().to(inbox).input(Inbox::batcherCall {}.abi_encode().into());
    let answer = tx.provider().call(question).await;
    let answer = answer.map_err(|source| L1Error::Rpc { what: "Inbox.batcher", source })?;
    let expected = Inbox::batcherCall::abi_decode_returns(&answer)
        .map_err(|error| L1Error::Malformed(format!("{inbox} is not an inbox: {error}")))?;
    if expected == tx.address() {
        Ok(tx)
    } else {
        Err(BatcherError::NotBatcher { inbox, expected, ours: tx.address() })
    }
}
