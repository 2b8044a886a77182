//! When each transaction ran, and whom it waited for.

use lockstep_locks::TxIndex;

/// Why a piece of work was done, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunKind {
    /// Executed with all its locks; the result stood.
    Executed,
    /// A plain transfer, without an interpreter.
    Transfer,
    /// Stopped at a key that it had not predicted, to wait for this transaction.
    Escaped(TxIndex),
    /// Executed, and found at its turn to have read something old.
    Stale,
    /// Executed at its turn, when all older ones were done.
    Head,
    /// The worker panicked.
    Panicked,
}

/// One attempt at one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which transaction.
    pub tx: TxIndex,
    /// Which thread; 0 is the caller's.
    pub worker: u32,
    /// Start, in nanoseconds after the block's.
    pub start_ns: u64,
    /// End, in nanoseconds after the block's start.
    pub end_ns: u64,
    /// What it was.
    pub kind: RunKind,
}

/// What happened when, in one block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Threads that were allowed.
    pub threads: usize,
    /// Every attempt, ordered by start.
    pub runs: Vec<Run>,
    /// `(older, younger)`: the younger had to wait for the older.
    pub conflicts: Vec<(TxIndex, TxIndex)>,
    /// Duration of the whole block.
    pub total_ns: u64,
}
