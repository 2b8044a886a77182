//! The line of those that are ready: in the order in which they became so.

use std::{collections::BTreeMap, sync::Arc};

use super::PoolTx;

/// Ready transactions by turn. A transaction gets its turn when it arrives, or when the gap before it is filled, so
/// the line is in order of arrival across senders and in order of nonces within each.
#[derive(Debug, Default)]
pub(crate) struct Line {
    by_turn: BTreeMap<u64, Arc<PoolTx>>,
    next: u64,
}

impl Line {
    /// The transactions from `turn` on.
    pub(crate) fn from(&self, turn: u64) -> impl Iterator<Item = (u64, &Arc<PoolTx>)> {
        self.by_turn.range(turn..).map(|(turn, tx)| (*turn, tx))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_turn.is_empty()
    }

    /// Puts `tx` at the end, and gives its turn.
    pub(super) fn join(&mut self, tx: Arc<PoolTx>) -> u64 {
        let turn = self.next;
        self.next += 1;
        self.by_turn.insert(turn, tx);
        turn
    }

    /// Puts `tx` back where it was.
    pub(super) fn rejoin(&mut self, turn: u64, tx: Arc<PoolTx>) {
        self.by_turn.insert(turn, tx);
    }

    pub(super) fn leave(&mut self, turn: u64) {
        self.by_turn.remove(&turn);
    }
}
