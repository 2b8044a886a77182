//! Values in memory, with a bound on their size.
//!
//! A [`Recent`] map has two generations: lookups move entries to the young one, and when that is half full the
//! old one is dropped. [`ValueCache`] holds the *newest* value of each key with the number of a block since which it
//! is known not to have changed, so a view of that block or a later one may use it.

use std::hash::{BuildHasher, Hash};

use alloy_primitives::{
    Bytes,
    map::{DefaultHashBuilder, HashMap},
};
use parking_lot::Mutex;

use crate::key::{Key, Write};

const SHARDS: usize = 16;

/// Memory of one entry beside the value's bytes: key, links, allocator and the map's free places.
const ENTRY_BYTES: usize = 256;

/// A map that forgets what was not used lately and stays below a weight.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    young: HashMap<K, (V, usize)>,
    old: HashMap<K, (V, usize)>,
    young_bytes: usize,
    max_young_bytes: usize,
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    pub(crate) fn new(max_bytes: usize) -> Self {
        let (young, old) = (HashMap::default(), HashMap::default());
        Self { young, old, young_bytes: 0, max_young_bytes: max_bytes / 2 }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        if let Some((value, _)) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, (value, bytes)) = self.old.remove_entry(key)?;
        self.insert(key, value.clone(), bytes);
        Some(value)
    }

    /// Keeps `value`, which takes `bytes` of memory; drops it if that alone is too much.
    pub(crate) fn insert(&mut self, key: K, value: V, bytes: usize) {
        self.old.remove(&key);
        if let Some((_, before)) = self.young.remove(&key) {
            self.young_bytes -= before;
        }
        if bytes > self.max_young_bytes {
            return;
        }
        if self.young_bytes + bytes > self.max_young_bytes {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        self.young.insert(key, (value, bytes));
    }

    fn clear(&mut self) {
        *self = Self::new(self.max_young_bytes * 2);
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.young_bytes + self.old.values().map(|(_, bytes)| bytes).sum::<usize>()
    }
}

/// The number of a block and the value since then.
type Since = (u64, Option<Bytes>);

/// Which chain of commits a reader or the cache belongs to, and where it ends.
///
/// `fork` counts rewinds, after which the same number may mean another block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) fork: u64,
    pub(crate) number: u64,
}

/// The newest values, shared by all views.
pub(crate) struct ValueCache {
    shards: [Mutex<Shard>; SHARDS],
    hasher: DefaultHashBuilder,
}

struct Shard {
    tip: Tip,
    values: Recent<Key, Since>,
}

impl ValueCache {
    pub(crate) fn new(max_bytes: usize, tip: Tip) -> Self {
        let shard = |_| Mutex::new(Shard { tip, values: Recent::new(max_bytes / SHARDS) });
        Self { shards: std::array::from_fn(shard), hasher: DefaultHashBuilder::default() }
    }

    /// The value of `key` as a view of block `number` on fork `fork` must see it, if it is here.
    pub(crate) fn get(&self, key: &Key, at: Tip) -> Option<Option<Bytes>> {
        let mut shard = self.shard(key).lock();
        if shard.tip.fork != at.fork {
            return None;
        }
        let (since, value) = shard.values.get(key)?;
        (since <= at.number).then_some(value)
    }

    /// Keeps what a view of the newest block has read. Does nothing if a commit came between.
    pub(crate) fn fill(&self, key: Key, value: Option<Bytes>, read_at: Tip) {
        let mut shard = self.shard(&key).lock();
        if shard.tip == read_at {
            shard.insert(key, (read_at.number, value));
        }
    }

    /// Takes in a commit, before any view of it exists.
    pub(crate) fn advance(&self, tip: Tip, writes: &[Write]) {
        let mut parts: [Vec<&Write>; SHARDS] = Default::default();
        for write in writes {
            parts[self.index(&write.0)].push(write);
        }
        for (shard, part) in self.shards.iter().zip(parts) {
            let mut shard = shard.lock();
            shard.tip = tip;
            for (key, value) in part {
                shard.insert(*key, (tip.number, value.clone()));
            }
        }
    }

    /// Forgets everything: blocks were taken back.
    pub(crate) fn reset(&self, tip: Tip) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.tip = tip;
            shard.values.clear();
        }
    }

    fn index(&self, key: &Key) -> usize {
        usize::try_from(self.hasher.hash_one(key) >> 32).unwrap_or_default() % SHARDS
    }

    fn shard(&self, key: &Key) -> &Mutex<Shard> {
        &self.shards[self.index(key)]
    }
}

impl Shard {
    fn insert(&mut self, key: Key, since: Since) {
        let bytes = ENTRY_BYTES + since.1.as_ref().map_or(0, |value| value.len());
        self.values.insert(key, since, bytes);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::key::Trie;
    use alloy_primitives::B256;

    fn key(n: u8) -> Key {
        Trie::Accounts.value(&B256::repeat_byte(n))
    }

    const fn tip(fork: u64, number: u64) -> Tip {
        Tip { fork, number }
    }

    #[test]
    fn recent_never_exceeds_its_bound_and_keeps_what_is_used() {
        let mut recent = Recent::new(100);
        for n in 0..1_000u32 {
            recent.insert(n, n, 10);
            assert!(recent.bytes() <= 100);
            assert_eq!(recent.get(&0), Some(0), "used after every insert");
        }
        assert_eq!(recent.get(&500), None);
        recent.insert(7, 7, 51);
        assert_eq!(recent.get(&7), None, "more than a generation holds");
    }

    #[test]
    fn older_views_do_not_see_newer_values() {
        let cache = ValueCache::new(1 << 20, tip(0, 5));
        cache.fill(key(1), Some(Bytes::from_static(b"five")), tip(0, 5));
        assert!(cache.get(&key(1), tip(0, 4)).is_none());
        assert_eq!(cache.get(&key(1), tip(0, 5)).unwrap().unwrap(), b"five"[..]);
        cache.advance(tip(0, 6), &[]);
        assert_eq!(cache.get(&key(1), tip(0, 6)).unwrap().unwrap(), b"five"[..]);
        cache.advance(tip(0, 7), &[(key(1), None)]);
        assert!(cache.get(&key(1), tip(0, 6)).is_none());
        assert_eq!(cache.get(&key(1), tip(0, 7)), Some(None));
    }

    #[test]
    fn values_read_before_a_commit_or_a_rewind_are_not_kept_after_it() {
        let cache = ValueCache::new(1 << 20, tip(0, 5));
        cache.advance(tip(0, 6), &[]);
        cache.fill(key(1), None, tip(0, 5));
        assert!(cache.get(&key(1), tip(0, 6)).is_none());
        cache.reset(tip(1, 6));
        cache.fill(key(1), None, tip(0, 6));
        assert!(cache.get(&key(1), tip(1, 6)).is_none());
    }
}
