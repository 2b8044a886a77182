//! Asks the verifier what L1 alone says: the safe and finalized heads, and the blocks behind them.

use std::{sync::Arc, time::Duration};

use alloy::{
    primitives::B256,
    providers::{Provider, RootProvider},
};
use jsonrpsee::core::async_trait;
use lockstep_l1::connect;
use lockstep_primitives::{BlockId, BlockInputs, BlockNumber};
use serde::{Deserialize, Serialize};
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

/// A block of L1, as op-node tells of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct L1Ref {
    /// Hash of the block.
    pub hash: B256,
    /// Number of the block.
    pub number: u64,
    /// Hash of its parent.
    pub parent_hash: B256,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
}

/// L1 as the verifier sees it, with op-node's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct L1Heads {
    /// Newest block that is fully processed.
    pub current_l1: L1Ref,
    /// As `finalized_l1`; op-node keeps this name for old clients.
    pub current_l1_finalized: L1Ref,
    /// Newest block.
    pub head_l1: L1Ref,
    /// Newest block that is unlikely to be reorganised out.
    pub safe_l1: L1Ref,
    /// Newest final block.
    pub finalized_l1: L1Ref,
}

/// What the verifier says: of the chain, and of L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DerivedStatus {
    /// The heads that L1 alone gives.
    pub heads: DerivedHeads,
    /// L1 itself.
    pub l1: L1Heads,
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
    /// The heads of both layers.
    ///
    /// # Errors
    /// [`VerifierError`] if it does not answer.
    async fn status(&self) -> Result<DerivedStatus, VerifierError>;

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
    #[serde(flatten)]
    l1: L1Heads,
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
    async fn status(&self) -> Result<DerivedStatus, VerifierError> {
        let status: SyncStatus = self
            .provider
            .raw_request("optimism_syncStatus".into(), ())
            .await
            .map_err(|error| VerifierError(error.to_string()))?;
        let heads = DerivedHeads { safe: status.safe_l2.into(), finalized: status.finalized_l2.into() };
        Ok(DerivedStatus { heads, l1: status.l1 })
    }

    async fn block(&self, number: BlockNumber) -> Result<Option<DerivedBlock>, VerifierError> {
        self.provider
            .raw_request("lockstep_derivedBlock".into(), (number.0,))
            .await
            .map_err(|error| VerifierError(error.to_string()))
    }
}

/// Publishes what the verifier says until `shutdown`.
pub(crate) async fn follow(
    verifier: Arc<dyn DerivedChain>,
    poll: Duration,
    heads: watch::Sender<Option<DerivedHeads>>,
    l1: watch::Sender<Option<L1Heads>>,
    shutdown: CancellationToken,
) {
    let mut answers = true;
    loop {
        let asked = tokio::select! {
            () = shutdown.cancelled() => return,
            asked = verifier.status() => asked,
        };
        match (&asked, answers) {
            (Ok(_), false) => info!("verifier answers"),
            (Err(error), true) => warn!(%error, "verifier does not answer"),
            _ => {}
        }
        answers = asked.is_ok();
        if let Ok(found) = asked {
            // Also if nothing changed: the engine may not have managed to follow yet.
            heads.send_replace(Some(found.heads));
            l1.send_replace(Some(found.l1));
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
            "current_l1": {"number": 9, "hash": B256::ZERO, "parentHash": B256::ZERO, "timestamp": 5},
            "safe_l2": {"number": 7, "hash": B256::repeat_byte(1), "sequenceNumber": 0},
            "finalized_l2": {"number": 3, "hash": B256::repeat_byte(2)},
        }))
        .unwrap();
        assert_eq!((status.l1.current_l1.number, status.l1.current_l1.timestamp), (9, 5));
        assert_eq!(BlockId::from(status.safe_l2), BlockId { number: 7, hash: B256::repeat_byte(1) });
    }
}
