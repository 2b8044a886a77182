//! What a transaction touches, and how.

use alloc::vec::Vec;

use alloy_primitives::{Address, U256};

/// One thing that transactions can conflict about.
///
/// An account has three keys, because most transactions that meet at an account meet at its balance alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// The balance of an account.
    Balance(Address),
    /// The nonce of an account.
    Nonce(Address),
    /// The code of an account, and whether its storage is still the same storage: contract creation,
    /// SELFDESTRUCT and EIP-7702 write this key, every call into the account and every slot access reads it.
    Code(Address),
    /// One storage slot.
    Slot(Address, U256),
}

/// How a transaction uses a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// Reads. Compatible with other reads.
    Shared,
    /// Adds to or subtracts from a balance whose value does not matter to it. Compatible with others of the kind.
    Delta,
    /// Reads and writes, or sets.
    Exclusive,
}

impl Mode {
    /// Whether two transactions may hold a key at once.
    #[must_use]
    pub const fn is_compatible(self, other: Self) -> bool {
        matches!((self, other), (Self::Shared, Self::Shared) | (Self::Delta, Self::Delta))
    }

    /// The weakest mode that allows what both allow.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        if self == other { self } else { Self::Exclusive }
    }

    /// Whether holding `self` allows an access in mode `wanted`.
    #[must_use]
    pub fn covers(self, wanted: Self) -> bool {
        self == wanted || self == Self::Exclusive
    }
}

/// The keys of one transaction, each once, in the order in which they came.
///
/// Filling one that has room allocates nothing: callers that need many sets in turn [`clear`](Self::clear) one.
#[derive(Debug, Default)]
pub struct AccessSet {
    entries: Vec<(Key, Mode)>,
    /// Places of all keys, ordered by key; empty while there are few.
    index: Vec<u32>,
}

/// Up to so many keys are searched one by one: that predicts well, and costs a few nanoseconds.
const FEW: usize = 32;

impl AccessSet {
    /// Adds a key, or widens the mode that it has.
    pub fn add(&mut self, key: Key, mode: Mode) {
        match self.find(&key) {
            Ok(found) => self.entries[found].1 = self.entries[found].1.join(mode),
            Err(rank) => self.push(rank, key, mode),
        }
    }

    /// The mode in which the set holds `key`.
    #[must_use]
    pub fn mode(&self, key: &Key) -> Option<Mode> {
        self.find(key).ok().map(|found| self.entries[found].1)
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.index.clear();
    }

    /// Keys in the order in which they came, each with its mode.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Key, Mode)> + '_ {
        self.entries.iter().copied()
    }

    /// Number of keys.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The place of a key, or its rank in the index.
    #[inline]
    fn find(&self, key: &Key) -> Result<usize, usize> {
        if self.index.is_empty() {
            return self.entries.iter().position(|(known, _)| known == key).ok_or(0);
        }
        let rank = self.index.binary_search_by(|place| self.entries[*place as usize].0.cmp(key))?;
        Ok(self.index[rank] as usize)
    }

    #[inline]
    fn push(&mut self, rank: usize, key: Key, mode: Mode) {
        self.entries.push((key, mode));
        if self.entries.len() > FEW {
            self.order(rank);
        }
    }

    /// Takes the newest key into the index.
    #[cold]
    fn order(&mut self, rank: usize) {
        let count = u32::try_from(self.entries.len()).expect("a transaction has fewer than 2^32 keys");
        if self.index.is_empty() {
            self.index.extend(0..count);
            self.index.sort_unstable_by_key(|place| self.entries[*place as usize].0);
        } else {
            self.index.insert(rank, count - 1);
        }
    }
}

impl Clone for AccessSet {
    fn clone(&self) -> Self {
        Self { entries: self.entries.clone(), index: self.index.clone() }
    }

    fn clone_from(&mut self, source: &Self) {
        self.entries.clone_from(&source.entries);
        self.index.clone_from(&source.index);
    }
}

/// Sets are equal if they hold the same keys in the same modes, whatever came first.
impl PartialEq for AccessSet {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(key, mode)| other.mode(&key) == Some(mode))
    }
}

impl Eq for AccessSet {}

impl FromIterator<(Key, Mode)> for AccessSet {
    fn from_iter<I: IntoIterator<Item = (Key, Mode)>>(keys: I) -> Self {
        let mut set = Self::default();
        set.extend(keys);
        set
    }
}

impl Extend<(Key, Mode)> for AccessSet {
    fn extend<I: IntoIterator<Item = (Key, Mode)>>(&mut self, keys: I) {
        keys.into_iter().for_each(|(key, mode)| self.add(key, mode));
    }
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeMap, vec::Vec};

    use alloy_primitives::{Address, U256};
    use proptest::prelude::*;

    use super::{AccessSet, Key, Mode};

    fn keys() -> impl Strategy<Value = (Key, Mode)> {
        let address = || any::<u8>().prop_map(|n| Address::repeat_byte(n % 8));
        let key = prop_oneof![
            address().prop_map(Key::Balance),
            address().prop_map(Key::Nonce),
            address().prop_map(Key::Code),
            (address(), 0..16_u64).prop_map(|(address, slot)| Key::Slot(address, U256::from(slot))),
        ];
        (key, prop_oneof![Just(Mode::Shared), Just(Mode::Delta), Just(Mode::Exclusive)])
    }

    proptest! {
        #[test]
        fn a_set_is_a_map_that_joins_modes(keys in proptest::collection::vec(keys(), 0..120)) {
            let mut map = BTreeMap::new();
            for (key, mode) in &keys {
                map.entry(*key).and_modify(|held: &mut Mode| *held = held.join(*mode)).or_insert(*mode);
            }
            let mut set = AccessSet::from_iter([keys.first().copied().unwrap_or((Key::Nonce(Address::ZERO), Mode::Shared))]);
            set.clear();
            set.extend(keys.iter().copied());
            prop_assert_eq!(set.len(), map.len());
            prop_assert_eq!(set.iter().collect::<BTreeMap<_, _>>(), map.clone());
            prop_assert!(map.iter().all(|(key, mode)| set.mode(key) == Some(*mode)));
            prop_assert_eq!(set.mode(&Key::Nonce(Address::repeat_byte(0xff))), None);
            let backwards: Vec<_> = set.iter().collect();
            prop_assert_eq!(&backwards.into_iter().rev().collect::<AccessSet>(), &set);
        }
    }

    #[test]
    fn sets_differ_if_a_key_or_a_mode_does() {
        let set = |address, mode| AccessSet::from_iter([(Key::Balance(Address::repeat_byte(address)), mode)]);
        assert_ne!(set(1, Mode::Shared), set(2, Mode::Shared));
        assert_ne!(set(1, Mode::Shared), set(1, Mode::Delta));
        assert_ne!(set(1, Mode::Shared), AccessSet::default());
    }
}
