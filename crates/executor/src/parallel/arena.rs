//! A list that threads append to, whose elements stay where they are, and whose memory can be used again.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

/// Elements of the first bucket; each further one holds twice as many.
const FIRST: u32 = 1 << 10;
const BUCKETS: usize = 22;

type Bucket<T> = Box<[OnceLock<T>]>;

/// Append-only to those who share it.
#[derive(Debug)]
pub(crate) struct Arena<T> {
    buckets: [OnceLock<Bucket<T>>; BUCKETS],
    len: AtomicU32,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self { buckets: [const { OnceLock::new() }; BUCKETS], len: AtomicU32::new(0) }
    }
}

impl<T> Arena<T> {
    /// Appends `value` and gives its index.
    ///
    /// # Panics
    /// Beyond 2^32 - 1024 elements, which no block has.
    pub(crate) fn push(&self, value: T) -> u32 {
        let index = self.len.fetch_add(1, Ordering::Relaxed);
        let (bucket, offset) = place(index);
        let elements =
            self.buckets[bucket].get_or_init(|| (0..FIRST << bucket).map(|_| OnceLock::new()).collect());
        let is_new = elements[offset].set(value).is_ok();
        assert!(is_new, "an index is given away once");
        index
    }

    /// The element at `index`, which [`Self::push`] gave.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> &T {
        let (bucket, offset) = place(index);
        let element = self.buckets[bucket].get().and_then(|elements| elements[offset].get());
        element.expect("indices come from `push`")
    }

    pub(crate) fn len(&self) -> u32 {
        self.len.load(Ordering::Relaxed)
    }

    /// All elements, while nobody appends.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..self.len()).map(|index| (index, self.get(index)))
    }

    /// Drops all elements, keeps their memory.
    pub(crate) fn clear(&mut self) {
        for index in 0..std::mem::take(self.len.get_mut()) {
            let (bucket, offset) = place(index);
            if let Some(elements) = self.buckets[bucket].get_mut() {
                elements[offset].take();
            }
        }
    }
}

/// Bucket and place in it.
#[inline]
const fn place(index: u32) -> (usize, usize) {
    let shifted = index + FIRST;
    let bucket = shifted.ilog2() - FIRST.ilog2();
    (bucket as usize, (shifted - (FIRST << bucket)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_fill_one_bucket_after_the_other() {
        assert_eq!(
            [0, 1_023, 1_024, 3_071, 3_072].map(place),
            [(0, 0), (0, 1_023), (1, 0), (1, 2_047), (2, 0)]
        );
        assert_eq!(place(u32::MAX - FIRST).0, BUCKETS - 1);
    }

    #[test]
    fn elements_of_several_threads_are_found_by_their_index_and_memory_is_used_again() {
        let mut arena = Arena::default();
        for round in 0..3 {
            std::thread::scope(|scope| {
                for thread in 0..4_u32 {
                    let arena = &arena;
                    scope.spawn(move || {
                        for number in 0..2_000 {
                            let value = (round, thread, number);
                            assert_eq!(*arena.get(arena.push(value)), value);
                        }
                    });
                }
            });
            assert_eq!(arena.iter().count(), 8_000);
            assert!(arena.iter().all(|(_, value)| value.0 == round));
            let at = std::ptr::from_ref(arena.get(0));
            arena.clear();
            assert_eq!(arena.len(), 0);
            arena.push((9, 9, 9));
            assert!(std::ptr::eq(at, arena.get(0)));
            arena.clear();
        }
    }
}
