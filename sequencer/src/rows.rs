//! Which rows of the pool's table still hold something that is pooled. Pure.

use std::collections::{HashMap, HashSet};

use alloy::primitives::B256;

/// A row is written anew when at most one in so many of its transactions is still pooled.
const SPARSE: usize = 8;

/// The rows of the pool's table, and the pooled transactions that each of them holds.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    row_of: HashMap<B256, u64>,
    rows: HashMap<u64, Row>,
    obsolete: Vec<u64>,
    sparse: HashSet<u64>,
}

#[derive(Debug, Default)]
struct Row {
    /// Transactions that it was stored with.
    stored: usize,
    pooled: HashSet<B256>,
}

impl Rows {
    /// Row `id` holds `hashes`. What another row holds too counts there.
    pub(crate) fn add(&mut self, id: u64, hashes: impl IntoIterator<Item = B256>) {
        let mut row = Row::default();
        for hash in hashes {
            row.stored += 1;
            if let std::collections::hash_map::Entry::Vacant(place) = self.row_of.entry(hash) {
                place.insert(id);
                row.pooled.insert(hash);
            }
        }
        self.judge(id, &row);
        self.rows.insert(id, row);
    }

    /// The transaction is no longer pooled.
    pub(crate) fn leave(&mut self, hash: B256) {
        let Some(id) = self.row_of.remove(&hash) else { return };
        let Some(mut row) = self.rows.remove(&id) else { return };
        row.pooled.remove(&hash);
        self.judge(id, &row);
        if !row.pooled.is_empty() {
            self.rows.insert(id, row);
        }
    }

    /// Rows that hold nothing any more; each is given once.
    pub(crate) fn take_obsolete(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.obsolete)
    }

    /// Rows that hold little, and what they hold; they are forgotten here.
    pub(crate) fn take_sparse(&mut self) -> (Vec<u64>, Vec<B256>) {
        let ids: Vec<u64> = self.sparse.drain().collect();
        let rows = ids.iter().filter_map(|id| self.rows.remove(id));
        let hashes: Vec<B256> = rows.flat_map(|row| row.pooled).collect();
        for hash in &hashes {
            self.row_of.remove(hash);
        }
        (ids, hashes)
    }

    fn judge(&mut self, id: u64, row: &Row) {
        if row.pooled.is_empty() {
            self.sparse.remove(&id);
            self.obsolete.push(id);
        } else if row.pooled.len() * SPARSE <= row.stored {
            self.sparse.insert(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u8) -> B256 {
        B256::with_last_byte(n)
    }

    #[test]
    fn a_row_is_obsolete_when_nothing_in_it_is_pooled() {
        let mut rows = Rows::default();
        rows.add(7, [hash(1), hash(2)]);
        rows.add(8, [hash(3)]);
        rows.leave(hash(1));
        assert!(rows.take_obsolete().is_empty());
        rows.leave(hash(2));
        rows.leave(hash(2));
        assert_eq!(rows.take_obsolete(), [7]);
        assert!(rows.take_obsolete().is_empty());
    }

    #[test]
    fn what_two_rows_hold_counts_in_the_first() {
        let mut rows = Rows::default();
        rows.add(7, [hash(1)]);
        rows.add(8, [hash(1)]);
        assert_eq!(rows.take_obsolete(), [8]);
        rows.leave(hash(1));
        assert_eq!(rows.take_obsolete(), [7]);
    }

    #[test]
    fn a_row_that_holds_little_is_given_once_with_what_it_holds() {
        let mut rows = Rows::default();
        rows.add(7, (0..16).map(hash));
        (0..13).for_each(|n| rows.leave(hash(n)));
        assert!(rows.take_sparse().0.is_empty());
        rows.leave(hash(13));
        let (ids, mut hashes) = rows.take_sparse();
        hashes.sort();
        assert_eq!((ids, hashes), (vec![7], vec![hash(14), hash(15)]));
        assert!(rows.take_sparse().0.is_empty() && rows.take_obsolete().is_empty());
    }
}
