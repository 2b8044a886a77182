//! Arrival order across senders, nonce order within each.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use super::{PoolTx, queue::Arrived};

/// The ready transactions, oldest first. A snapshot: the pool may change meanwhile.
#[derive(Debug)]
pub(crate) struct ReadyTxs {
    queues: Vec<std::vec::IntoIter<Arrived>>,
    heads: BinaryHeap<Reverse<Head>>,
    /// Queue of the transaction that was given last; its successor becomes a head with the next call.
    last: Option<usize>,
}

#[derive(Debug)]
struct Head {
    arrival: u64,
    queue: usize,
    tx: Arc<PoolTx>,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.arrival == other.arrival
    }
}
impl Eq for Head {}
impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.arrival.cmp(&other.arrival)
    }
}

impl ReadyTxs {
    pub(super) fn new(queues: impl Iterator<Item = impl Iterator<Item = Arrived>>) -> Self {
        let queues = queues.map(|queue| queue.collect::<Vec<_>>().into_iter()).collect::<Vec<_>>();
        let mut ready = Self { heads: BinaryHeap::with_capacity(queues.len()), queues, last: None };
        for queue in 0..ready.queues.len() {
            ready.push_head(queue);
        }
        ready
    }

    /// Leaves out the rest of the sender whose transaction was given last: it cannot run in this block.
    pub(crate) const fn skip_sender(&mut self) {
        self.last = None;
    }

    fn push_head(&mut self, queue: usize) {
        if let Some((arrival, tx)) = self.queues[queue].next() {
            self.heads.push(Reverse(Head { arrival, queue, tx }));
        }
    }
}

impl Iterator for ReadyTxs {
    type Item = Arc<PoolTx>;

    fn next(&mut self) -> Option<Arc<PoolTx>> {
        if let Some(queue) = self.last.take() {
            self.push_head(queue);
        }
        let Reverse(Head { queue, tx, .. }) = self.heads.pop()?;
        self.last = Some(queue);
        Some(tx)
    }
}
