//! What nodes mean when they do not take a transaction. Pure.

use alloy::transports::{RpcError, TransportErrorKind};

/// Why a node did not take a transaction, by the words that geth and its peers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Known,
    NonceTooLow,
    Underpriced,
    Funds,
    /// The proofs beside the blobs are of another fork's kind.
    Sidecar,
    Reverted,
    Other,
}

/// geth; reth after and before Osaka; Nethermind; Erigon.
const SIDECAR: &[&str] = &[
    "unexpected sidecar version",
    "unexpected eip-4844 sidecar",
    "unexpected eip-7594 sidecar",
    "invalidtxproofversion",
    "kzgcommitments must match the corresponding blobs and proofs",
];

impl Refusal {
    /// Reads a failed call: [`Self::Other`] if the node did not refuse it itself.
    pub(crate) fn of_answer(error: &RpcError<TransportErrorKind>) -> Self {
        error.as_error_resp().map_or(Self::Other, |answer| Self::of(&answer.message))
    }

    /// Reads a node's message.
    pub(crate) fn of(message: &str) -> Self {
        let message = message.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
        if says(&["already known", "already imported", "known transaction"]) {
            Self::Known
        } else if says(&["nonce too low"]) {
            Self::NonceTooLow
        } else if says(&["underpriced", "fee too low", "less than block base fee"]) {
            Self::Underpriced
        } else if says(&["insufficient funds"]) {
            Self::Funds
        } else if says(SIDECAR) {
            Self::Sidecar
        } else if says(&["revert"]) {
            Self::Reverted
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_nodes_are_understood() {
        for (message, refusal) in [
            ("already known", Refusal::Known),
            ("transaction already imported", Refusal::Known),
            ("nonce too low: next nonce 5, tx nonce 4", Refusal::NonceTooLow),
            ("replacement transaction underpriced", Refusal::Underpriced),
            ("max fee per gas less than block base fee", Refusal::Underpriced),
            ("Insufficient funds for gas * price + value", Refusal::Funds),
            ("unexpected sidecar version, want: 1, got: 0", Refusal::Sidecar),
            ("unexpected eip-4844 sidecar after osaka", Refusal::Sidecar),
            ("unexpected eip-7594 sidecar before osaka", Refusal::Sidecar),
            (
                "Invalid, InvalidTxProofVersion: Version of network wrapper is not supported.",
                Refusal::Sidecar,
            ),
            ("INVALID: KZGcommitments must match the corresponding blobs and proofs", Refusal::Sidecar),
            ("execution reverted: custom error 0x1f2a2005", Refusal::Reverted),
            ("txpool is full", Refusal::Other),
        ] {
            assert_eq!(Refusal::of(message), refusal, "{message}");
        }
    }
}
