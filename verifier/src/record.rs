//! What the verifier remembers.

use alloy::{
    consensus::transaction::SignerRecoverable,
    eips::Decodable2718,
    primitives::{Address, B256, Bytes},
};
use lockstep_primitives::{BlockId, BlockInputs, BlockNumber, Header, L2BlockRef, OpTxEnvelope, output_root};
use serde::{Deserialize, Serialize};

/// An L2 block as L1 alone defines it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DerivedBlock {
    /// Its place.
    pub block: L2BlockRef,
    /// Its header.
    pub header: Header,
    /// What was executed.
    pub inputs: BlockInputs,
    /// The L1 block that it follows from.
    pub l1_inclusion: BlockId,
    /// Whether L1 forced it, without the sequencer.
    pub forced: bool,
    /// The hash that the sequencer claimed, where it claimed one.
    pub claimed_hash: Option<B256>,
    /// Positions of user transactions in the inputs that were invalid and are not in the block.
    pub dropped: Vec<usize>,
}

impl DerivedBlock {
    /// The user transactions of the block, with their senders.
    pub(crate) fn user_transactions(&self) -> impl Iterator<Item = (Address, Bytes)> {
        let kept =
            self.inputs.transactions.iter().enumerate().filter(|(place, _)| !self.dropped.contains(place));
        kept.filter_map(|(_, bytes)| {
            let tx = OpTxEnvelope::decode_2718_exact(bytes).ok().filter(|tx| !tx.is_deposit())?;
            Some((tx.recover_signer().ok()?, bytes.clone()))
        })
    }

    /// Version-0 output root.
    #[must_use]
    pub fn output_root(&self) -> B256 {
        header_output_root(&self.header, self.block.hash)
    }
}

/// Version-0 output root of the block with this header.
pub(crate) fn header_output_root(header: &Header, hash: B256) -> B256 {
    output_root(header.state_root, header.withdrawals_root.unwrap_or_default(), hash)
}

/// Somebody claimed something else than what L1 says. A person must look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mismatch {
    /// The L1 block with the claim.
    pub l1: BlockId,
    /// The L2 block that the claim is about.
    pub number: BlockNumber,
    /// What kind of claim it is.
    pub claim: Claim,
    /// The claimed hash or root.
    pub claimed: B256,
    /// The derived hash or root; none where the block could not be derived at all when it was claimed.
    pub derived: Option<B256>,
}

/// What was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Claim {
    /// The hash of a channel's last block, by the sequencer.
    BlockHash,
    /// An output root, by a proposer.
    OutputRoot {
        /// Index of the proposal.
        proposal: u64,
    },
}
