//! The transactions that one waits for.

use alloc::vec::Vec;

use crate::{
    TxIndex,
    places::{PlaceId, Places},
};

/// The transactions that one must wait for, each once.
pub(crate) struct Waits<'a> {
    pub(crate) tx: TxIndex,
    pub(crate) done: TxIndex,
    pub(crate) marks: &'a mut Marks,
    pub(crate) wait_for: &'a mut Vec<TxIndex>,
}

impl Waits<'_> {
    #[inline]
    pub(crate) fn add(&mut self, older: TxIndex) {
        debug_assert!(older <= self.tx, "tickets are taken in block order");
        if older >= self.done && older != self.tx && self.marks.mark(older) {
            self.wait_for.push(older);
        }
    }

    /// Adds the group that ends at `last`; gives its size.
    #[inline]
    pub(crate) fn add_group(&mut self, places: &Places, last: PlaceId) -> usize {
        let Some(mut place) = places.get(last) else { return 0 };
        let (first, mut count) = (place.first, 0);
        while place.first == first && place.cover > self.tx {
            self.add(place.tx);
            count += 1;
            match places.get(place.before) {
                Some(before) => place = before,
                None => break,
            }
        }
        count
    }
}

/// Whether a transaction was named already, without a search.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// Per transaction the call that named it last.
    calls: Vec<u32>,
    call: u32,
}

impl Marks {
    #[inline]
    pub(crate) fn start(&mut self, tx: TxIndex) {
        if self.calls.len() <= tx.0 as usize {
            self.calls.resize((tx.0 as usize + 1).next_power_of_two(), 0);
        }
        self.call = self.call.wrapping_add(1);
        if self.call == 0 {
            self.calls.fill(0);
            self.call = 1;
        }
    }

    /// True the first time in a call. `tx` is not above that of [`start`](Self::start).
    #[inline]
    fn mark(&mut self, tx: TxIndex) -> bool {
        core::mem::replace(&mut self.calls[tx.0 as usize], self.call) != self.call
    }
}
