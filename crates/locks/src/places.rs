//! Places in queues, in the order of tickets; those of finished transactions make room for new ones.

use alloc::vec::Vec;

use crate::{Mode, TxIndex};

/// Where a place lies. Numbers only rise; 0 is no place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PlaceId(u32);

/// One transaction in one queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) tx: TxIndex,
    pub(crate) mode: Mode,
    /// Of the first of a group: more than [`MAX_FAN`](crate::MAX_FAN) stood before it, so others of the group wait for it instead.
    pub(crate) wide: bool,
    /// The place before this one in the same queue.
    pub(crate) before: PlaceId,
    /// The first place of the group; its own for the first.
    pub(crate) first: PlaceId,
    /// The oldest exclusive escape that waits for this place.
    pub(crate) cover: TxIndex,
}

impl Place {
    const VACANT: Self = Self {
        tx: TxIndex(0),
        mode: Mode::Shared,
        wide: false,
        before: PlaceId(0),
        first: PlaceId(0),
        cover: TxIndex(u32::MAX),
    };
}

/// A ring of the places whose transactions are unfinished, plus a few more.
///
/// Tickets come in block order, so places rise by transaction and the finished ones are a prefix. A link into
/// that prefix leads nowhere, which is what empties a queue without a visit to it.
#[derive(Debug)]
pub(crate) struct Places {
    /// A power of two; the place `id` lies at `id % len`.
    ring: Vec<Place>,
    head: u32,
    next: u32,
}

impl Default for Places {
    fn default() -> Self {
        Self { ring: alloc::vec![Place::VACANT; 64], head: 1, next: 1 }
    }
}

impl Places {
    /// The place, unless its transaction has finished or there is none.
    #[inline]
    pub(crate) fn get(&self, id: PlaceId) -> Option<&Place> {
        if id.0 < self.head { None } else { self.ring.get(self.slot(id.0)) }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: PlaceId) -> Option<&mut Place> {
        let slot = self.slot(id.0);
        if id.0 < self.head { None } else { self.ring.get_mut(slot) }
    }

    /// The id that [`push`](Self::push) gives next.
    #[inline]
    pub(crate) const fn next(&self) -> PlaceId {
        PlaceId(self.next)
    }

    /// Adds a place of a transaction that is no older than any other here.
    #[inline]
    pub(crate) fn push(&mut self, place: Place) {
        if (self.next - self.head) as usize == self.ring.len() {
            self.widen();
        }
        let slot = self.slot(self.next);
        self.ring[slot] = place;
        self.next += 1;
    }

    /// Forgets the places of transactions below `done`.
    #[inline]
    pub(crate) fn retire(&mut self, done: TxIndex) {
        while self.head < self.next && self.ring[self.slot(self.head)].tx < done {
            self.head += 1;
        }
    }

    /// Forgets every place. False if the numbers start anew, so that old links must be forgotten, too.
    pub(crate) const fn clear(&mut self) -> bool {
        let keep = self.next < u32::MAX / 2;
        self.head = if keep { self.next } else { 1 };
        self.next = self.head;
        keep
    }

    #[inline]
    const fn slot(&self, id: u32) -> usize {
        id as usize & (self.ring.len() - 1)
    }

    #[cold]
    fn widen(&mut self) {
        let old = self.ring.len();
        let mut ring = alloc::vec![Place::VACANT; old * 2];
        for id in self.head..self.next {
            ring[id as usize & (old * 2 - 1)] = self.ring[self.slot(id)];
        }
        self.ring = ring;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_follows_what_is_under_way_and_not_the_block() {
        let mut places = Places::default();
        for tx in (0..100_000).map(TxIndex) {
            places.retire(TxIndex(tx.0.saturating_sub(30)));
            places.push(Place { tx, first: places.next(), ..Place::VACANT });
        }
        assert_eq!(places.ring.len(), 64);
    }

    #[test]
    fn places_survive_a_wider_ring() {
        let mut places = Places::default();
        let ids: Vec<_> = (0..1_000)
            .map(|tx| {
                let first = places.next();
                places.push(Place { tx: TxIndex(tx), first, ..Place::VACANT });
                first
            })
            .collect();
        assert!((0..).zip(&ids).all(|(tx, id)| places.get(*id).is_some_and(|place| place.tx == TxIndex(tx))));
    }

    #[test]
    fn numbers_start_anew_before_they_run_out() {
        let mut places = Places { head: u32::MAX / 2, next: u32::MAX / 2, ..Places::default() };
        assert!(!places.clear());
        assert_eq!(places.next(), PlaceId(1));
        assert!(places.clear());
    }
}
