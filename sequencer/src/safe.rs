//! Asks the verifier what L1 alone says: the safe and finalized heads, and the blocks behind them.

use std::{sync::Arc, time::Duration};

use alloy::{
    primitives::B256,
    providers::{Provider, RootProvider},
};
use jsonrpsee::core::async_trait;
use lockstep_l1::connect;
use lockstep_primitives::{BlockId, BlockInputs, BlockNumber};
use serde::Deserialize;
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// What L1 says about the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DerivedHeads {
    /// Latest block derivable from L1.
    pub safe: BlockId,
    /// Latest block derivable from final L1 blocks.
    pub finalized: BlockId,
}

/// A block as L1 defines it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DerivedBlock {
    /// What it is made from; transactions that are invalid in execution may be among them.
    pub inputs: BlockInputs,
    /// Its hash.
    pub hash: B256,
}

/// The verifier did not answer.
#[derive(Debug, thiserror::Error)]
#[error("verifier: {0}")]
pub struct VerifierError(pub String);

/// A verifier, as far as the sequencer asks it.
#[async_trait]
pub trait DerivedChain: Send + Sync + 'static {
    /// The heads.
    ///
    /// # Errors
    /// [`VerifierError`] if it does not answer.
    async fn heads(&self) -> Result<DerivedHeads, VerifierError>;

    /// A derived block; `None` if it is not derived, or not kept any more.
    ///
    /// # Errors
    /// [`VerifierError`] if it does not answer.
    async fn block(&self, number: BlockNumber) -> Result<Option<DerivedBlock>, VerifierError>;
}

/// A verifier behind JSON-RPC.
#[derive(Clone, Debug)]
pub struct VerifierRpc {
    provider: RootProvider,
}

impl VerifierRpc {
    /// A verifier at `url`; nothing is asked yet.
    ///
    /// # Errors
    /// [`VerifierError`] if `url` is not an HTTP URL.
    pub fn new(url: &str) -> Result<Self, VerifierError> {
        Ok(Self { provider: connect(url).map_err(|error| VerifierError(error.to_string()))? })
    }
}

#[derive(Debug, Deserialize)]
struct SyncStatus {
    safe_l2: SyncedBlock,
    finalized_l2: SyncedBlock,
}

#[derive(Debug, Deserialize)]
struct SyncedBlock {
    number: u64,
    hash: B256,
}

impl From<SyncedBlock> for BlockId {
    fn from(block: SyncedBlock) -> Self {
        Self { number: block.number, hash: block.hash }
    }
}

#[async_trait]
impl DerivedChain for VerifierRpc {
    async fn heads(&self) -> Result<DerivedHeads, VerifierError> {
        let status: SyncStatus = self
            .provider
            .raw_request("optimism_syncStatus".into(), ())
            .await
            .map_err(|error| VerifierError(error.to_string()))?;
        Ok(DerivedHeads { safe: status.safe_l2.into(), finalized: status.finalized_l2.into() })
    }

    async fn block(&self, number: BlockNumber) -> Result<Option<DerivedBlock>, VerifierError> {
        self.provider
            .raw_request("lockstep_derivedBlock".into(), (number.0,))
            .await
            .map_err(|error| VerifierError(error.to_string()))
    }
}

/// Publishes the verifier's heads until `shutdown`.
pub(crate) async fn follow(
    verifier: Arc<dyn DerivedChain>,
    poll: Duration,
    heads: watch::Sender<Option<DerivedHeads>>,
    shutdown: CancellationToken,
) {
    let mut answers = true;
    loop {
        let asked = tokio::select! {
            () = shutdown.cancelled() => return,
            asked = verifier.heads() => asked,
        };
        match (&asked, answers) {
            (Ok(_), false) => info!("verifier answers"),
            (Err(error), true) => warn!(%error, "verifier does not answer"),
            _ => {}
        }
        answers = asked.is_ok();
        if let Ok(found) = asked {
            // Also if nothing changed: the engine may not have managed to follow yet.
            heads.send_replace(Some(found));
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = sleep(poll) => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn op_nodes_sync_status_is_understood() {
        let status: SyncStatus = serde_json::from_value(serde_json::json!({
            "current_l1": {"number": 9, "hash": B256::ZERO},
            "safe_l2": {"number": 7, "hash": B256::repeat_byte(1), "sequenceNumber": 0},
            "finalized_l2": {"number": 3, "hash": B256::repeat_byte(2)},
        }))
        .unwrap();
        assert_eq!(BlockId::from(status.safe_l2), BlockId { number: 7, hash: B256::repeat_byte(1) });
    }
}
