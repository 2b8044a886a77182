//! What channel and reader both know before the channel: the chain's latest transactions.

use alloc::collections::VecDeque;

use alloy_primitives::{Address, Bytes};
use lockstep_primitives::BlockNumber;

/// Most blocks that a history goes back.
pub const HISTORY_BLOCKS: u64 = 8_192;
/// Most transactions of a history.
pub const HISTORY_TRANSACTIONS: usize = 2_048;
/// Most bytes of its transactions.
pub const HISTORY_BYTES: usize = 512 * 1024;

/// The user transactions of the chain right before a channel's first block: the latest ones, as many as
/// [`HISTORY_BLOCKS`], [`HISTORY_TRANSACTIONS`] and [`HISTORY_BYTES`] allow, without a gap.
///
/// It is what addresses, words and fees of a channel refer to. The channel's parent hash commits to it, and whoever
/// derives the chain has executed it: there is nothing to store for it on L1, nothing that a lost or reorged
/// channel could put out of step, and a bound on its memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    transactions: VecDeque<Entry>,
    size_bytes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    block: BlockNumber,
    sender: Address,
    transaction: Bytes,
}

impl History {
    /// Adds the next block of the chain: its user transactions (EIP-2718 bytes) with their senders. What is beyond a
    /// limit is forgotten.
    pub fn push(&mut self, block: BlockNumber, transactions: impl IntoIterator<Item = (Address, Bytes)>) {
        for (sender, transaction) in transactions {
            self.size_bytes += transaction.len();
            self.transactions.push_back(Entry { block, sender, transaction });
        }
        while self.transactions.front().is_some_and(|oldest| self.exceeds(block, oldest)) {
            let oldest = self.transactions.pop_front();
            self.size_bytes -= oldest.map_or(0, |oldest| oldest.transaction.len());
        }
    }

    fn exceeds(&self, last: BlockNumber, oldest: &Entry) -> bool {
        self.transactions.len() > HISTORY_TRANSACTIONS
            || self.size_bytes > HISTORY_BYTES
            || oldest.block.0.saturating_add(HISTORY_BLOCKS) <= last.0
    }

    /// The transactions, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Address, &Bytes)> {
        self.transactions.iter().map(|entry| (entry.sender, &entry.transaction))
    }

    /// Number of transactions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.transactions.len()
    }

    /// Whether there is none, as at genesis.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn transaction(length: usize) -> Bytes {
        vec![1; length].into()
    }

    fn one(length: usize) -> [(Address, Bytes); 1] {
        [(Address::ZERO, transaction(length))]
    }

    #[test]
    fn the_latest_stay_within_all_limits() {
        let mut history = History::default();
        let transactions = (0..HISTORY_TRANSACTIONS + 5)
            .map(|number| (Address::left_padding_from(&number.to_be_bytes()), transaction(1)));
        history.push(BlockNumber(1), transactions);
        assert_eq!(history.len(), HISTORY_TRANSACTIONS);
        assert_eq!(history.iter().next().map(|(sender, _)| sender), Some(Address::with_last_byte(5)));

        history.push(BlockNumber(2), one(HISTORY_BYTES));
        assert_eq!(history.len(), 1);
        history.push(BlockNumber(3), one(1));
        assert_eq!(history.len(), 1);
        history.push(BlockNumber(2 + HISTORY_BLOCKS), []);
        assert_eq!(history.len(), 1);
        history.push(BlockNumber(3 + HISTORY_BLOCKS), []);
        assert!(history.is_empty());
        history.push(BlockNumber(4 + HISTORY_BLOCKS), one(HISTORY_BYTES + 1));
        assert!(history.is_empty());
    }

    #[test]
    fn it_does_not_matter_where_one_begins_to_push() {
        let pushed = |from: u64| {
            let mut history = History::default();
            for block in from..4_000 {
                let length = 1 + usize::try_from(block * 7_919 % 600).unwrap_or(0);
                history.push(BlockNumber(block), one(length));
            }
            history
        };
        assert_eq!(pushed(0), pushed(1_500));
        assert!(pushed(0).len() < 2_000);
    }
}
