//! How a transaction learns that everything it waits for is done.

use smallvec::SmallVec;

use crate::sync::{AtomicU32, Mutex, Ordering};

/// Transactions that wait for another one, by position in their batch.
pub(crate) type Successors = SmallVec<[u32; 4]>;

#[derive(Debug, Default)]
struct Links {
    finished: bool,
    successors: Successors,
}

/// One transaction's place in the graph of waits.
///
/// `pending` counts the older transactions it waits for, and one guard that is dropped when all waits are known: so it
/// reaches zero exactly once.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    pending: AtomicU32,
    links: Mutex<Links>,
}

impl Gate {
    /// Prepares the gate for a transaction that nobody knows yet.
    pub(crate) fn arm(&self) {
        self.guard();
        let mut links = self.links.lock();
        links.finished = false;
        links.successors.clear();
    }

    /// Puts the guard up, before waits are added.
    pub(crate) fn guard(&self) {
        self.pending.store(1, Ordering::Release);
    }

    /// Makes `younger`, whose guard is up, wait for this one; false if this one has finished.
    pub(crate) fn add_successor(&self, younger: u32, gate: &Self) -> bool {
        let mut links = self.links.lock();
        if links.finished {
            return false;
        }
        gate.pending.fetch_add(1, Ordering::AcqRel);
        links.successors.push(younger);
        true
    }

    /// One wait less, or the guard down; true if it was the last.
    pub(crate) fn pass(&self) -> bool {
        self.pending.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// The transaction is done: gives those that waited for it. Nobody waits for it from here on.
    pub(crate) fn finish(&self) -> Successors {
        let mut links = self.links.lock();
        links.finished = true;
        std::mem::take(&mut links.successors)
    }

    /// Whether the transaction is done.
    pub(crate) fn is_finished(&self) -> bool {
        self.links.lock().finished
    }
}
