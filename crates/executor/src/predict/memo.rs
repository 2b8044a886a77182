//! Hashes that were computed a moment ago.
//!
//! Nearly every slot that a transaction touches is the hash of two words, a key and the number of a mapping, and some
//! addresses are the hash of 85 bytes (EIP-1014). A prediction computes them, then execution does, and so do all
//! transactions that meet there.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

use alloy_primitives::{B256, keccak256};

/// Hashes kept: of a few hundred transactions, 128 bytes each.
const ENTRIES: usize = 1 << 12;
const INPUT_WORDS: usize = 11;
/// Longest input that is kept, in bytes. One more byte says how long it is.
const MAX_INPUT_BYTES: usize = 8 * INPUT_WORDS - 1;
const WORDS: usize = INPUT_WORDS + 4;

/// Hashes of short inputs, each in the one place that its input gives. Threads share it and never wait for each other.
#[derive(Debug)]
pub(super) struct Memo {
    entries: Box<[Entry]>,
}

/// An input and its hash. `version` is odd while somebody writes; who reads the same even version before and after has
/// read what belongs together.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Entry {
    version: AtomicU64,
    words: [AtomicU64; WORDS],
}

impl Default for Memo {
    fn default() -> Self {
        Self { entries: (0..ENTRIES).map(|_| Entry::default()).collect() }
    }
}

impl Memo {
    /// KECCAK256, if it is kept.
    pub(super) fn recall(&self, input: &[u8]) -> Option<B256> {
        let words = words(input)?;
        self.entries[place(&words)].get(&words)
    }

    /// KECCAK256.
    pub(super) fn keccak256(&self, input: &[u8]) -> B256 {
        let Some(words) = words(input) else { return keccak256(input) };
        let entry = &self.entries[place(&words)];
        entry.get(&words).unwrap_or_else(|| {
            let hash = keccak256(input);
            entry.put(&words, &hash);
            hash
        })
    }
}

impl Entry {
    fn get(&self, input: &[u64; INPUT_WORDS]) -> Option<B256> {
        let version = self.version.load(Acquire);
        let is_it = self.words.iter().zip(input).all(|(word, wanted)| word.load(Relaxed) == *wanted);
        // Zero is the version before the first write, when everything is zero.
        if !is_it || version == 0 || version % 2 == 1 {
            return None;
        }
        let mut hash = B256::ZERO;
        for (bytes, word) in hash.chunks_exact_mut(8).zip(&self.words[INPUT_WORDS..]) {
            bytes.copy_from_slice(&word.load(Relaxed).to_le_bytes());
        }
        fence(Acquire);
        (self.version.load(Relaxed) == version).then_some(hash)
    }

    /// Keeps a hash, unless somebody else writes here at this moment.
    fn put(&self, input: &[u64; INPUT_WORDS], hash: &B256) {
        let version = self.version.load(Relaxed);
        if version % 2 == 1 || self.version.compare_exchange(version, version + 1, Acquire, Relaxed).is_err()
        {
            return;
        }
        fence(Release);
        let hash = hash.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().expect("8 bytes")));
        for (word, value) in self.words.iter().zip(input.iter().copied().chain(hash)) {
            word.store(value, Relaxed);
        }
        self.version.store(version + 2, Release);
    }
}

/// The input, filled up with zeros, and its length; `None` if it is too long.
fn words(input: &[u8]) -> Option<[u64; INPUT_WORDS]> {
    let mut bytes = [0; 8 * INPUT_WORDS];
    bytes[..MAX_INPUT_BYTES].get_mut(..input.len())?.copy_from_slice(input);
    bytes[MAX_INPUT_BYTES] = u8::try_from(input.len()).expect("at most 87");
    let mut words = [0; INPUT_WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(bytes.try_into().expect("8 bytes"));
    }
    Some(words)
}

fn place(words: &[u64; INPUT_WORDS]) -> usize {
    let mixed = words
        .iter()
        .fold(0_u64, |mixed, word| (mixed.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    usize::try_from(mixed >> (64 - ENTRIES.trailing_zeros())).expect("a few bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(input: &[u8]) -> [u64; INPUT_WORDS] {
        words(input).expect("it is short")
    }

    /// Inputs that all have the same place.
    fn rivals() -> Vec<[u8; 64]> {
        let input = |number: u64| {
            let mut input = [0; 64];
            input[20..28].copy_from_slice(&number.to_be_bytes());
            input
        };
        let wanted = place(&key(&input(0)));
        (0..).map(input).filter(|input| place(&key(input)) == wanted).take(4).collect()
    }

    #[test]
    fn hashes_are_true_at_first_and_again() {
        let memo = Memo::default();
        for input in [[0; 64], [1; 64], [0; 64], [1; 64]] {
            assert_eq!(memo.keccak256(&input), keccak256(input));
        }
        for byte in [0, 7] {
            for length in (0..200).chain(0..200) {
                assert_eq!(memo.keccak256(&vec![byte; length]), keccak256(vec![byte; length]));
            }
        }
    }

    #[test]
    fn a_hash_is_kept_until_another_takes_its_place() {
        let (memo, rivals) = (Memo::default(), rivals());
        let entry = &memo.entries[place(&key(&rivals[0]))];
        for (input, other) in rivals.iter().zip(rivals.iter().cycle().skip(1)) {
            memo.keccak256(input);
            assert_eq!(entry.get(&key(input)), Some(keccak256(input)));
            assert_eq!(entry.get(&key(other)), None);
        }
    }

    #[test]
    fn threads_that_fight_for_a_place_get_true_hashes() {
        let (memo, rivals) = (Memo::default(), rivals());
        let hashes: Vec<_> = rivals.iter().map(keccak256).collect();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (memo, rivals, hashes) = (&memo, &rivals, &hashes);
                scope.spawn(move || {
                    for round in 0..20_000 {
                        let at = (round * (thread + 1) + round / 7) % rivals.len();
                        assert_eq!(memo.keccak256(&rivals[at]), hashes[at]);
                    }
                });
            }
        });
    }
}
