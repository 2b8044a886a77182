//! Compares the output roots that proposals claim on L1 with the derived ones.

use alloy::{
    primitives::{Address, B256, U256},
    providers::Provider,
    rpc::types::{Filter, Log},
    sol_types::SolEvent,
    transports::{RpcError, TransportErrorKind},
};
use lockstep_contracts::l1::Assertions::Proposed;
use lockstep_l1::L1Reader;
use lockstep_primitives::{BlockId, BlockNumber, Genesis};
use tracing::{error, info};

use crate::{Claim, Mismatch, StoreError, store::Store};

/// L1 blocks asked for at once: nodes limit the range of `eth_getLogs`.
pub(crate) const AUDIT_RANGE: u64 = 1_000;

/// Why proposals could not be compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuditError {
    #[error("cannot read proposals from L1")]
    L1(#[from] RpcError<TransportErrorKind>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A claimed output root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) index: u64,
    pub(crate) number: BlockNumber,
    pub(crate) output_root: B256,
    pub(crate) l1: BlockId,
}

/// Looks at the proposals of L1 blocks `from..=to`, all of which are processed.
pub(crate) async fn audit(
    reader: &L1Reader,
    assertions: Address,
    store: &Store,
    genesis: &Genesis,
    (from, to): (u64, u64),
) -> Result<Vec<Mismatch>, AuditError> {
    let filter = Filter::new()
        .address(assertions)
        .event_signature(Proposed::SIGNATURE_HASH)
        .from_block(from)
        .to_block(to);
    let logs = reader.provider().get_logs(&filter).await?;
    let mut mismatches = Vec::new();
    for proposal in logs.iter().filter_map(proposal) {
        let derived = derived_root(store, genesis, &proposal)?;
        mismatches.extend(judge(&proposal, derived));
    }
    Ok(mismatches)
}

/// The output root that L1 gave for this block when the claim was made.
fn derived_root(store: &Store, genesis: &Genesis, proposal: &Proposal) -> Result<Option<B256>, StoreError> {
    if proposal.number == BlockNumber(0) {
        return Ok(Some(genesis.output_root()));
    }
    let block = store.block(proposal.number)?;
    Ok(block.filter(|block| block.l1_inclusion.number <= proposal.l1.number).map(|block| block.output_root()))
}

/// A mismatch unless the claim is the derived root.
pub(crate) fn judge(proposal: &Proposal, derived: Option<B256>) -> Option<Mismatch> {
    let Proposal { index, number, output_root: claimed, l1 } = *proposal;
    if derived == Some(claimed) {
        info!(proposal = index, block = number.0, "proposed output root confirmed");
        return None;
    }
    error!(proposal = index, block = number.0, %claimed, ?derived, l1 = l1.number, "a proposal claims another output root than L1 gives");
    Some(Mismatch { l1, number, claim: Claim::OutputRoot { proposal: index }, claimed, derived })
}

fn proposal(log: &Log) -> Option<Proposal> {
    let event = Proposed::decode_log(&log.inner).ok()?.data;
    Some(Proposal {
        index: saturated(event.index),
        number: BlockNumber(saturated(event.l2BlockNumber)),
        output_root: event.outputRoot,
        l1: BlockId { number: log.block_number?, hash: log.block_hash? },
    })
}

/// Numbers that no chain reaches compare as the largest one.
fn saturated(value: U256) -> u64 {
    value.try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROPOSAL: Proposal = Proposal {
        index: 4,
        number: BlockNumber(9),
        output_root: B256::repeat_byte(7),
        l1: BlockId { number: 20, hash: B256::ZERO },
    };

    #[test]
    fn a_true_claim_passes() {
        assert_eq!(judge(&PROPOSAL, Some(B256::repeat_byte(7))), None);
    }

    #[test]
    fn a_false_claim_and_one_about_an_unknown_block_are_mismatches() {
        for derived in [None, Some(B256::repeat_byte(8))] {
            let found = judge(&PROPOSAL, derived);
            let claim = Claim::OutputRoot { proposal: 4 };
            let claimed = PROPOSAL.output_root;
            let expected = Mismatch { l1: PROPOSAL.l1, number: BlockNumber(9), claim, claimed, derived };
            assert_eq!(found, Some(expected));
        }
    }
}
