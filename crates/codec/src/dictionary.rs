//! Things that recur, ranked by how often and how lately they did.

use alloc::{collections::BTreeMap, vec, vec::Vec};

use crate::range::{Coder, Fault, Part};

/// Most entries of one dictionary; later ones are coded, and not remembered.
pub(crate) const MAX_ENTRIES: usize = 1 << 17;

/// Weight of a new entry.
const FIRST_WEIGHT: u32 = 4;
/// Above this sum all weights are halved: what is old counts less.
const MOST_WEIGHT: u32 = 1 << 24;

/// Weights with running sums (a Fenwick tree): the entry at a point, and the sum before an entry, in
/// logarithmic time.
#[derive(Clone, Debug)]
pub(crate) struct Ranks {
    /// `sums[i]` covers the `lowest_bit(i)` weights that end with weight `i - 1`.
    sums: Vec<u32>,
    weights: Vec<u32>,
    total: u32,
    /// What a use adds.
    step: u32,
}

const fn lowest_bit(index: usize) -> usize {
    index & index.wrapping_neg()
}

impl Ranks {
    /// No entries; each use of one will add `step` to the [`FIRST_WEIGHT`] that it comes with.
    pub(crate) fn new(step: u32) -> Self {
        Self { sums: vec![0], weights: Vec::new(), total: 0, step }
    }

    pub(crate) const fn len(&self) -> usize {
        self.weights.len()
    }

    /// Adds an entry.
    pub(crate) fn push(&mut self) {
        let index = self.len() + 1;
        let covered = self.before(index - 1) - self.before(index - lowest_bit(index));
        self.sums.push(covered);
        self.weights.push(0);
        self.add(index - 1, FIRST_WEIGHT);
    }

    /// Counts a use that was coded elsewhere.
    pub(crate) fn raise(&mut self, index: usize) {
        self.add(index, self.step);
    }

    /// Codes an entry, and counts the use.
    ///
    /// # Errors
    /// [`Fault::Dangling`] if there is none.
    pub(crate) fn code<C: Coder>(
        &mut self,
        coder: &mut C,
        what: &'static str,
        index: usize,
    ) -> Result<usize, Fault> {
        if self.weights.is_empty() {
            return Err(Fault::Dangling(what));
        }
        let mut found = index;
        let part = if C::READS {
            Part::default()
        } else {
            Part { start: self.before(index), size: self.weights[index] }
        };
        coder.part(part, self.total, |point| {
            let start;
            (found, start) = self.at(point);
            Part { start, size: self.weights[found] }
        });
        self.raise(found);
        Ok(found)
    }

    /// Sum of the first `count` weights.
    fn before(&self, mut count: usize) -> u32 {
        let mut sum = 0;
        while count > 0 {
            sum += self.sums[count];
            count -= lowest_bit(count);
        }
        sum
    }

    /// The entry whose part holds `point`, which is below the total, and where the part starts.
    fn at(&self, point: u32) -> (usize, u32) {
        let (mut index, mut start) = (0, 0);
        let mut step = self.len().next_power_of_two();
        while step > 0 {
            if let Some(sum) = self.sums.get(index + step)
                && start + sum <= point
            {
                index += step;
                start += sum;
            }
            step >>= 1;
        }
        (index, start)
    }

    fn add(&mut self, index: usize, amount: u32) {
        self.weights[index] += amount;
        self.total += amount;
        let mut at = index + 1;
        while let Some(sum) = self.sums.get_mut(at) {
            *sum += amount;
            at += lowest_bit(at);
        }
        if self.total > MOST_WEIGHT {
            self.halve();
        }
    }

    fn halve(&mut self) {
        self.weights.iter_mut().for_each(|weight| *weight = weight.div_ceil(2));
        self.total = self.weights.iter().sum();
        self.sums = core::iter::once(0).chain(self.weights.iter().copied()).collect();
        for index in 1..self.sums.len() {
            let sum = self.sums[index];
            if let Some(above) = self.sums.get_mut(index + lowest_bit(index)) {
                *above += sum;
            }
        }
    }
}

/// Values with ranks.
#[derive(Clone, Debug)]
pub(crate) struct Dictionary<T> {
    what: &'static str,
    ranks: Ranks,
    values: Vec<T>,
    /// A reader never looks a value up.
    ids: BTreeMap<T, u32>,
}

impl<T: Copy + Ord> Dictionary<T> {
    /// An empty dictionary of `what`; each use of an entry weighs `step`.
    pub(crate) fn new(what: &'static str, step: u32) -> Self {
        Self { what, ranks: Ranks::new(step), values: Vec::new(), ids: BTreeMap::new() }
    }

    /// The entry of `value`; a reader does not know.
    pub(crate) fn find<C: Coder>(&self, value: &T) -> Option<u32> {
        if C::READS { None } else { self.ids.get(value).copied() }
    }

    /// Adds `value`, unless the dictionary is full.
    pub(crate) fn push<C: Coder>(&mut self, value: T) -> Option<u32> {
        let id = u32::try_from(self.values.len()).ok().filter(|_| self.values.len() < MAX_ENTRIES)?;
        self.ranks.push();
        self.values.push(value);
        if !C::READS {
            self.ids.insert(value, id);
        }
        Some(id)
    }

    /// Codes entry `id`.
    ///
    /// # Errors
    /// [`Fault::Dangling`] if the dictionary is empty.
    pub(crate) fn code<C: Coder>(&mut self, coder: &mut C, id: Option<u32>) -> Result<(u32, T), Fault> {
        let index = self.ranks.code(coder, self.what, id.unwrap_or(0) as usize)?;
        // There are at most MAX_ENTRIES.
        Ok((u32::try_from(index).unwrap_or(u32::MAX), self.values[index]))
    }

    /// The value of an entry that [`Self::push`] or [`Self::code`] gave, with one use more.
    pub(crate) fn reuse(&mut self, id: u32) -> T {
        self.ranks.raise(id as usize);
        self.values[id as usize]
    }

    /// The value of an entry.
    pub(crate) fn get(&self, id: u32) -> T {
        self.values[id as usize]
    }
}

/// Puts `value` in front of the at most `most` values used last.
pub(crate) fn touch<T: PartialEq>(recent: &mut Vec<T>, value: T, most: usize) {
    match recent.iter().position(|other| *other == value) {
        Some(place) => recent[..=place].rotate_right(1),
        None => {
            recent.truncate(most - 1);
            recent.insert(0, value);
        }
    }
}

#[cfg(all(test, feature = "encode"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::range::{Reader, Writer};
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn entries_come_back_and_sums_stay_right(uses in vec((any::<bool>(), any::<usize>()), 1..300)) {
            let (mut ranks, mut writer) = (Ranks::new(1 << 18), Writer::new(0));
            let mut coded = Vec::new();
            for (push, index) in uses {
                if push || ranks.len() == 0 {
                    ranks.push();
                    coded.push(None);
                } else {
                    let index = index % ranks.len();
                    ranks.code(&mut writer, "entry", index).unwrap();
                    coded.push(Some(index));
                }
                prop_assert_eq!(ranks.before(ranks.len()), ranks.total);
            }
            let streams = writer.finish();
            let (mut ranks, mut reader) = (Ranks::new(1 << 18), Reader::new(&streams.coded, &[], &[], 0));
            for index in coded {
                match index {
                    None => ranks.push(),
                    Some(index) => prop_assert_eq!(ranks.code(&mut reader, "entry", 0), Ok(index)),
                }
            }
        }
    }

    #[test]
    fn nothing_can_be_read_from_an_empty_dictionary() {
        let mut reader = Reader::new(&[1; 9], &[], &[], 0);
        let mut words = Dictionary::<u8>::new("word", 16);
        assert_eq!(words.code(&mut reader, None), Err(Fault::Dangling("word")));
    }

    #[test]
    fn a_full_dictionary_takes_no_more() {
        let mut numbers = Dictionary::new("number", 16);
        for number in 0..MAX_ENTRIES {
            assert!(numbers.push::<Writer>(number).is_some());
        }
        assert_eq!(numbers.push::<Writer>(MAX_ENTRIES), None);
        assert_eq!(numbers.find::<Writer>(&MAX_ENTRIES), None);
    }

    #[test]
    fn the_last_used_come_first() {
        let mut recent = vec![1, 2, 3];
        touch(&mut recent, 3, 3);
        touch(&mut recent, 4, 3);
        assert_eq!(recent, [4, 3, 1]);
    }
}
