//! Counts of one block.

use std::ops::AddAssign;

/// How a block went. Sums over blocks are sums of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Transactions included or rejected.
    pub transactions: u64,
    /// Times that a transaction was executed, native transfers and repetitions included.
    pub executions: u64,
    /// Transactions that ran as native transfers.
    pub native: u64,
    /// Transactions of which more was predicted than they say themselves, or might have been: not careless ones.
    pub predicted: u64,
    /// Keys that these touched and had predicted.
    pub hits: u64,
    /// Keys that these touched and had not predicted.
    pub misses: u64,
    /// Of these, transactions that touched something unpredicted.
    pub escapes: u64,
    /// Runs stopped in order to wait for an older transaction that held an unpredicted key.
    pub waits: u64,
    /// Runs whose result was thrown away at the transaction's turn.
    pub stale: u64,
    /// Transactions executed at their turn, behind everything older.
    pub at_head: u64,
    /// Transactions executed on one thread without locks.
    pub serial: u64,
    /// Worker panics that were survived.
    pub panics: u64,
}

impl Stats {
    /// Every count with its name, for metrics.
    #[must_use]
    pub const fn counts(&self) -> [(&'static str, u64); 12] {
        [
            ("transactions", self.transactions),
            ("executions", self.executions),
            ("native", self.native),
            ("predicted", self.predicted),
            ("hits", self.hits),
            ("misses", self.misses),
            ("escapes", self.escapes),
            ("waits", self.waits),
            ("stale", self.stale),
            ("at_head", self.at_head),
            ("serial", self.serial),
            ("panics", self.panics),
        ]
    }
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        let Self {
            transactions,
            executions,
            native,
            predicted,
            hits,
            misses,
            escapes,
            waits,
            stale,
            at_head,
            serial,
            panics,
        } = other;
        self.transactions += transactions;
        self.executions += executions;
        self.native += native;
        self.predicted += predicted;
        self.hits += hits;
        self.misses += misses;
        self.escapes += escapes;
        self.waits += waits;
        self.stale += stale;
        self.at_head += at_head;
        self.serial += serial;
        self.panics += panics;
    }
}
