//! Who conflicts with whom, when everything is known.

use alloc::{collections::BTreeMap, vec, vec::Vec};

use crate::{AccessSet, LockId, LockTable, TxIndex};

/// Group size above which the graph is as sparse as a [`LockTable`]'s: the first of a group stands for it.
const MAX_FAN: usize = 1_024;

/// For every transaction the older ones that it must wait for. A transaction is its position.
///
/// Waits are transitive, and so are written down only where they do not follow from others of the same key.
///
/// ```
/// use lockstep_locks::{AccessSet, ConflictGraph, Key, Mode, TxIndex};
/// # use alloy_primitives::Address;
/// let writes = |n| AccessSet::from_iter([(Key::Balance(Address::repeat_byte(n)), Mode::Exclusive)]);
/// let graph = ConflictGraph::of(&[writes(1), writes(2), writes(1)]);
///
/// assert_eq!(graph.waits(TxIndex(2)), [TxIndex(0)]);
/// assert_eq!(graph.critical_path(&[10, 25, 20]).cost, 30);
/// assert_eq!(graph.parallelism(&[10, 25, 20]), 55.0 / 30.0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConflictGraph {
    waits: Vec<TxIndex>,
    /// Where the waits of each transaction end.
    ends: Vec<usize>,
}

/// The chain of transactions that takes longest: no number of workers is faster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CriticalPath {
    /// Sum of the costs along the path.
    pub cost: u64,
    /// The path, oldest first.
    pub txs: Vec<TxIndex>,
}

impl ConflictGraph {
    /// From what each transaction touches.
    #[must_use]
    pub fn of(sets: &[AccessSet]) -> Self {
        let (mut table, mut ids) = (LockTable::with_fan(MAX_FAN), BTreeMap::new());
        let (mut locks, mut graph) = (Vec::new(), Self::default());
        for (tx, set) in (0..).zip(sets) {
            locks.clear();
            for (key, mode) in set.iter() {
                let next = u32::try_from(ids.len()).expect("a block has fewer than 2^32 keys");
                locks.push((LockId(*ids.entry(key).or_insert(next)), mode));
            }
            table.grow(u32::try_from(ids.len()).expect("a block has fewer than 2^32 keys"));
            table.ticket(TxIndex(tx), &locks, TxIndex(0), &mut graph.waits);
            graph.ends.push(graph.waits.len());
        }
        graph
    }

    /// From edges `(older, younger)` between `transactions` positions, in any order.
    ///
    /// # Panics
    /// If an edge names a position that is not below `transactions`, or does not go from older to younger.
    #[must_use]
    pub fn from_edges(transactions: usize, edges: &[(TxIndex, TxIndex)]) -> Self {
        let mut edges: Vec<_> = edges.iter().map(|(older, younger)| (*younger, *older)).collect();
        edges.sort_unstable();
        edges.dedup();
        assert!(edges.iter().all(|(younger, older)| older < younger), "an edge goes from older to younger");
        let mut counts = vec![0; transactions];
        edges.iter().for_each(|(younger, _)| counts[younger.0 as usize] += 1);
        let mut end = 0;
        let ends = counts.into_iter().map(|count: usize| {
            end += count;
            end
        });
        Self { ends: ends.collect(), waits: edges.into_iter().map(|(_, older)| older).collect() }
    }

    /// Number of transactions.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no transaction.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Whom `tx` waits for.
    ///
    /// # Panics
    /// If `tx` is not below [`len`](Self::len).
    #[must_use]
    pub fn waits(&self, tx: TxIndex) -> &[TxIndex] {
        let place = tx.0 as usize;
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.waits[start..self.ends[place]]
    }

    /// All edges `(older, younger)`, by younger.
    pub fn edges(&self) -> impl Iterator<Item = (TxIndex, TxIndex)> + '_ {
        self.txs().flat_map(|younger| self.waits(younger).iter().map(move |older| (*older, younger)))
    }

    /// The most expensive chain, given the cost of each transaction; of several, one.
    ///
    /// # Panics
    /// If there are fewer costs than transactions.
    #[must_use]
    pub fn critical_path(&self, costs: &[u64]) -> CriticalPath {
        let mut ends_at: Vec<(u64, Option<TxIndex>)> = Vec::with_capacity(self.len());
        for tx in self.txs() {
            let before = self.waits(tx).iter().max_by_key(|older| ends_at[older.0 as usize].0).copied();
            let start = before.map_or(0, |older| ends_at[older.0 as usize].0);
            ends_at.push((start + costs[tx.0 as usize], before));
        }
        let Some(last) = self.txs().max_by_key(|tx| ends_at[tx.0 as usize].0) else {
            return CriticalPath::default();
        };
        let path = core::iter::successors(Some(last), |tx| ends_at[tx.0 as usize].1);
        let mut txs: Vec<_> = path.collect();
        txs.reverse();
        CriticalPath { cost: ends_at[last.0 as usize].0, txs }
    }

    /// Sum of all costs over that of the critical path: the speedup that any number of workers may give at most.
    /// 1 if nothing costs anything.
    ///
    /// # Panics
    /// If there are fewer costs than transactions.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a ratio of times, for people")]
    pub fn parallelism(&self, costs: &[u64]) -> f64 {
        let total: u64 = costs[..self.len()].iter().sum();
        match self.critical_path(costs).cost {
            0 => 1.0,
            longest => total as f64 / longest as f64,
        }
    }

    fn txs(&self) -> impl Iterator<Item = TxIndex> + use<> {
        (0..self.len())
            .map(|place| TxIndex(u32::try_from(place).expect("a block has fewer than 2^32 transactions")))
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;
    use proptest::prelude::*;

    use super::*;
    use crate::{Key, Mode};

    fn sets() -> impl Strategy<Value = Vec<AccessSet>> {
        let mode = prop_oneof![Just(Mode::Shared), Just(Mode::Delta), Just(Mode::Exclusive)];
        let key = (0..6_u8).prop_map(|n| Key::Balance(Address::repeat_byte(n)));
        let set = proptest::collection::vec((key, mode), 0..3).prop_map(AccessSet::from_iter);
        proptest::collection::vec(set, 0..40)
    }

    fn conflict(a: &AccessSet, b: &AccessSet) -> bool {
        a.iter().any(|(key, mode)| b.mode(&key).is_some_and(|other| !mode.is_compatible(other)))
    }

    proptest! {
        #[test]
        fn critical_path_is_the_longest_chain_of_all_conflicting_pairs(
            sets in sets(),
            costs in proptest::collection::vec(0..100_u64, 40),
        ) {
            let mut longest = Vec::new();
            for (place, set) in sets.iter().enumerate() {
                let before = (0..place).filter(|older| conflict(&sets[*older], set)).map(|older| longest[older]);
                longest.push(costs[place] + before.max().unwrap_or(0));
            }
            let graph = ConflictGraph::of(&sets);
            let path = graph.critical_path(&costs);
            prop_assert_eq!(path.cost, longest.into_iter().max().unwrap_or(0));
            prop_assert_eq!(path.cost, path.txs.iter().map(|tx| costs[tx.0 as usize]).sum::<u64>());
            for pair in path.txs.windows(2) {
                prop_assert!(conflict(&sets[pair[0].0 as usize], &sets[pair[1].0 as usize]));
            }
            prop_assert!(graph.edges().all(|(a, b)| conflict(&sets[a.0 as usize], &sets[b.0 as usize])));
        }

        #[test]
        fn a_graph_is_its_edges(sets in sets()) {
            let graph = ConflictGraph::of(&sets);
            let edges: Vec<_> = graph.edges().collect();
            let same = ConflictGraph::from_edges(sets.len(), &edges);
            prop_assert_eq!(same.len(), graph.len());
            prop_assert!(graph.edges().all(|(older, younger)| same.waits(younger).contains(&older)));
            prop_assert_eq!(same.edges().count(), edges.len());
        }
    }

    #[test]
    fn independent_transactions_are_as_parallel_as_they_are_many() {
        let graph = ConflictGraph::from_edges(4, &[]);
        assert!((graph.parallelism(&[5; 4]) - 4.0).abs() < 1e-9);
        assert!((ConflictGraph::default().parallelism(&[]) - 1.0).abs() < 1e-9);
    }
}
