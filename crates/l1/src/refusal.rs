//! What nodes mean when they do not take a transaction. Pure.

/// Why a node did not take a transaction, by the words that geth and its peers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Known,
    NonceTooLow,
    Underpriced,
    Funds,
    Reverted,
    Other,
}

impl Refusal {
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
            ("execution reverted: custom error 0x1f2a2005", Refusal::Reverted),
            ("txpool is full", Refusal::Other),
        ] {
            assert_eq!(Refusal::of(message), refusal, "{message}");
        }
    }
}
