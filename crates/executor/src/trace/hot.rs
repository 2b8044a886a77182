//! Which keys make a block slow.

use std::collections::BTreeMap;

use lockstep_locks::{AccessSet, Key, Mode};

/// A key that transactions have to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HotKey {
    /// The key.
    pub key: Key,
    /// Transactions that touch it.
    pub transactions: usize,
    /// What takes turns because of it: with endless workers the block cannot be faster than this.
    pub in_turn_ns: u64,
    /// What all transactions together wait because of it, with endless workers. A transaction waits along a chain of
    /// others; each link of the chain counts for the key that makes it.
    pub waited_ns: u64,
}

/// The keys that transactions with these accesses and durations wait for, worst first: most waiting, then longest in
/// turn, then by key. With fewer durations than access sets the missing ones are zero.
#[must_use]
pub fn hot_keys(access: &[AccessSet], durations_ns: &[u64]) -> Vec<HotKey> {
    let mut queues: BTreeMap<Key, Queue> = BTreeMap::new();
    let mut links: Vec<Option<Link>> = Vec::with_capacity(access.len());
    let mut starts_ns = Vec::with_capacity(access.len());
    for (tx, set) in access.iter().enumerate() {
        let duration = durations_ns.get(tx).copied().unwrap_or(0);
        let link = set.iter().filter_map(|(key, mode)| queues.get(&key)?.link(key, mode)).max_by_key(rank);
        let start = link.map_or(0, |link| link.free_ns);
        for (key, mode) in set.iter() {
            queues.entry(key).or_default().join(tx, mode, start + duration, duration);
        }
        links.push(link);
        starts_ns.push(start);
    }
    credit(&mut queues, &links, durations_ns);
    let mut hot: Vec<HotKey> = queues.into_iter().filter_map(|(key, queue)| queue.hot(key)).collect();
    hot.sort_by_key(|hot| (std::cmp::Reverse((hot.waited_ns, hot.in_turn_ns)), hot.key));
    hot
}

/// Adds to each key what it makes transactions wait: a link delays its transaction and all that stand behind it.
fn credit(queues: &mut BTreeMap<Key, Queue>, links: &[Option<Link>], durations_ns: &[u64]) {
    let mut behind = vec![1_u64; links.len()];
    for tx in (0..links.len()).rev() {
        let Some(link) = &links[tx] else { continue };
        behind[link.holder] += behind[tx];
        if let Some(queue) = queues.get_mut(&link.key) {
            let held = durations_ns.get(link.holder).copied().unwrap_or(0);
            queue.waited_ns = queue.waited_ns.saturating_add(held.saturating_mul(behind[tx]));
        }
    }
}

/// The holder of a key that a transaction has to wait for.
#[derive(Clone, Copy)]
struct Link {
    key: Key,
    holder: usize,
    free_ns: u64,
    in_turn_ns: u64,
}

/// The key that is free last holds a transaction up; of two, the one with the longer queue.
const fn rank(link: &Link) -> (u64, u64) {
    (link.free_ns, link.in_turn_ns)
}

/// The holders of one key so far: groups of compatible ones, one after the other.
#[derive(Default)]
struct Queue {
    mode: Option<Mode>,
    transactions: usize,
    conflicts: bool,
    /// Last holder to end in the group before the current one, and when.
    before: (usize, u64),
    /// The same in the current group.
    last: (usize, u64),
    /// Longest duration in the current group.
    longest_ns: u64,
    /// Durations of the groups before the current one.
    in_turn_ns: u64,
    waited_ns: u64,
}

impl Queue {
    /// Whom a holder in this mode would wait for.
    fn link(&self, key: Key, mode: Mode) -> Option<Link> {
        let joins = self.mode.is_some_and(|held| held.is_compatible(mode));
        let (holder, free_ns) = if joins { self.before } else { self.last };
        let in_turn_ns = self.in_turn_ns + self.longest_ns;
        (!joins || self.conflicts).then_some(Link { key, holder, free_ns, in_turn_ns })
    }

    fn join(&mut self, tx: usize, mode: Mode, end_ns: u64, duration_ns: u64) {
        self.transactions += 1;
        match self.mode {
            Some(held) if held.is_compatible(mode) => {}
            None => self.mode = Some(mode),
            Some(_) => {
                self.conflicts = true;
                self.mode = Some(mode);
                self.before = self.last;
                self.last = (tx, 0);
                self.in_turn_ns += std::mem::take(&mut self.longest_ns);
            }
        }
        if end_ns >= self.last.1 {
            self.last = (tx, end_ns);
        }
        self.longest_ns = self.longest_ns.max(duration_ns);
    }

    fn hot(self, key: Key) -> Option<HotKey> {
        let Self { transactions, waited_ns, .. } = self;
        let in_turn_ns = self.in_turn_ns + self.longest_ns;
        self.conflicts.then_some(HotKey { key, transactions, in_turn_ns, waited_ns })
    }
}
