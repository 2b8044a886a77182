//! What nodes mean when they do not take a transaction. Pure.

use alloy::transports::{RpcError, TransportErrorKind};

/// Why a node did not take a transaction, by the words of geth, reth, Nethermind, Erigon and anvil.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It has it already.
    Known,
    /// A block holds another transaction with this nonce.
    NonceTooLow,
    /// The fees are below the market, or too low to replace what the pool holds.
    Underpriced,
    /// Earlier nonces are missing, or the pool holds transactions of this account that must leave first: too many,
    /// or with blobs where this one has none, or the reverse.
    Behind,
    /// The sender cannot pay.
    Funds,
    /// The proofs beside the blobs are of another fork's kind.
    Sidecar,
    /// It would fail.
    Reverted,
    /// Anything else.
    Other,
}

/// The first line with a match counts.
const WORDS: [(Refusal, &[&str]); 7] = [
    (Refusal::Known, &["already known", "already imported", "known transaction", "alreadyknown"]),
    (Refusal::NonceTooLow, &["nonce too low", "oldnonce"]),
    (
        Refusal::Behind,
        &[
            "already reserved",
            "nonce too high",
            "noncegap",
            "account limit exceeded",
            "conflicts with existing transaction",
            "pendingtxsofconflictingtype",
        ],
    ),
    (
        Refusal::Underpriced,
        &[
            "underpriced",
            "fee too low",
            "feetoolow",
            "less than block",
            "below minimum",
            "replacementnotallowed",
        ],
    ),
    (Refusal::Funds, &["insufficient funds", "insufficientfunds"]),
    // geth; reth after and before Osaka; Nethermind; Erigon.
    (
        Refusal::Sidecar,
        &[
            "unexpected sidecar version",
            "unexpected eip-4844 sidecar",
            "unexpected eip-7594 sidecar",
            "invalidtxproofversion",
            "kzgcommitments must match the corresponding blobs and proofs",
        ],
    ),
    (Refusal::Reverted, &["revert"]),
];

impl Refusal {
    /// Reads a failed call: [`Self::Other`] if the node did not refuse it itself.
    pub(crate) fn of_answer(error: &RpcError<TransportErrorKind>) -> Self {
        error.as_error_resp().map_or(Self::Other, |answer| Self::of(&answer.message))
    }

    /// Reads a node's message.
    pub(crate) fn of(message: &str) -> Self {
        let message = message.to_lowercase();
        let said = WORDS.iter().find(|(_, words)| words.iter().any(|word| message.contains(word)));
        said.map_or(Self::Other, |(refusal, _)| *refusal)
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
            ("AlreadyKnown", Refusal::Known),
            ("nonce too low: next nonce 5, tx nonce 4", Refusal::NonceTooLow),
            ("OldNonce, Current nonce: 5, nonce of rejected tx: 4", Refusal::NonceTooLow),
            ("replacement transaction underpriced: new tx gas fee cap 1 <= 1 queued", Refusal::Underpriced),
            ("max fee per gas less than block base fee", Refusal::Underpriced),
            ("max fee per blob gas less than block blob gas fee", Refusal::Underpriced),
            ("transaction gas price below minimum: gas tip cap 0, minimum needed 1", Refusal::Underpriced),
            ("FeeTooLow, MaxFeePerGas too low", Refusal::Underpriced),
            ("address already reserved", Refusal::Behind),
            ("nonce too high: tx nonce 9, gapped nonce 7", Refusal::Behind),
            ("account limit exceeded: pooled 16 txs", Refusal::Behind),
            ("transaction type 2 conflicts with existing transaction for 0x00", Refusal::Behind),
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
