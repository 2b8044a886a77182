//! How a block went, as a picture and as text.
//!
//! Pure rendering of a [`Schedule`]: the same input gives the same bytes.
//!
//! ```
//! use lockstep_executor::{Run, RunKind, Schedule, TxIndex, trace::Trace};
//!
//! let run = Run { tx: TxIndex(0), worker: 0, start_ns: 0, end_ns: 900, kind: RunKind::Transfer };
//! let schedule = Schedule { threads: 1, runs: vec![run], total_ns: 1_000, ..Schedule::default() };
//! let trace = Trace { title: "Block 7", transactions: 1, gas: 21_000, serial_ns: None, schedule: &schedule, access: &[] };
//! assert!(trace.svg().starts_with("<svg"));
//! assert!(trace.text().contains("1 transaction"));
//! ```

mod canvas;
mod digest;
mod graph;
mod hot;
mod layout;
mod picture;
mod text;
mod timeline;
mod units;

use lockstep_locks::{AccessSet, ConflictGraph};

use crate::Schedule;

pub use digest::Digest;
pub use hot::{HotKey, hot_keys};

/// A block to be drawn or described.
#[derive(Clone, Copy, Debug)]
pub struct Trace<'a> {
    /// Heading.
    pub title: &'a str,
    /// Transactions of the block.
    pub transactions: usize,
    /// Gas that they used.
    pub gas: u64,
    /// What serial execution of the same block took, if that was measured.
    pub serial_ns: Option<u64>,
    /// What happened when.
    pub schedule: &'a Schedule,
    /// What each transaction touched: gives the conflicts, and the keys that make them. Empty if that was not
    /// recorded; then whoever waited for another conflicts with it, and no keys are named.
    pub access: &'a [AccessSet],
}

impl Trace<'_> {
    /// A stand-alone SVG document: the workers over time, the conflict graph, the hottest keys.
    #[must_use]
    pub fn svg(&self) -> String {
        picture::draw(self)
    }

    /// A summary for a terminal, several lines.
    #[must_use]
    pub fn text(&self) -> String {
        text::describe(self)
    }

    /// The figures of both.
    #[must_use]
    pub fn digest(&self) -> Digest {
        if self.access.is_empty() {
            Digest::new(self.schedule, self.schedule.conflicts.iter().copied(), self.transactions)
        } else {
            Digest::new(self.schedule, ConflictGraph::of(self.access).edges(), self.transactions)
        }
    }

    /// The keys that cost most, worst first.
    #[must_use]
    pub fn hot_keys(&self) -> Vec<HotKey> {
        hot_keys(self.access, &self.digest().durations_ns())
    }
}

#[cfg(test)]
mod tests;
