//! Which calls meet others.
//!
//! To learn and to predict what a call touches takes time, which is lost where calls of its kind seldom meet: those are
//! better executed at once, and compared at their turn.

use std::{
    fmt,
    hash::BuildHasher,
    sync::atomic::{AtomicU16, Ordering::Relaxed},
};

use alloy_primitives::map::DefaultHashBuilder;
use revm::context::Transaction;

/// Kinds of calls that are told apart.
const KINDS: usize = 1 << 12;
/// Calls that are predicted because one was executed in vain; then it is tried whether they still must be.
const PATIENCE: u16 = 64;
/// The most that this grows to.
const MAX: u16 = 8192;

/// Counts, for each account and function, how much trouble is to be expected. Threads share it; a count that gets lost
/// costs nobody but time.
pub(crate) struct Trouble {
    counts: Box<[AtomicU16]>,
    hasher: DefaultHashBuilder,
}

impl fmt::Debug for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trouble").finish_non_exhaustive()
    }
}

impl Default for Trouble {
    fn default() -> Self {
        Self {
            counts: (0..KINDS).map(|_| AtomicU16::new(0)).collect(),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl Trouble {
    /// Whether calls like `tx` met others lately.
    pub(crate) fn is_expected(&self, tx: &impl Transaction) -> bool {
        self.count(tx).load(Relaxed) > 0
    }

    /// `tx` met others, and was executed in vain.
    pub(crate) fn met(&self, tx: &impl Transaction) {
        let count = self.count(tx);
        count.store(count.load(Relaxed).saturating_add(PATIENCE).min(MAX), Relaxed);
    }

    /// `tx` was predicted.
    pub(crate) fn avoided(&self, tx: &impl Transaction) {
        let count = self.count(tx);
        count.store(count.load(Relaxed).saturating_sub(1), Relaxed);
    }

    fn count(&self, tx: &impl Transaction) -> &AtomicU16 {
        let hash = self.hasher.hash_one((tx.kind().into_to(), tx.input().get(..4)));
        &self.counts[usize::try_from(hash % KINDS as u64).expect("a small number")]
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, Bytes};
    use revm::{context::TxEnv, primitives::TxKind};

    use super::*;

    #[test]
    fn a_kind_that_met_others_is_predicted_for_a_while() {
        let call = |data: &'static [u8]| TxEnv {
            kind: TxKind::Call(Address::repeat_byte(1)),
            data: Bytes::from_static(data),
            ..TxEnv::default()
        };
        let (one, same, other) = (call(&[1; 36]), call(&[1, 1, 1, 1, 9]), call(&[2; 4]));
        let trouble = Trouble::default();
        assert!(!trouble.is_expected(&one));
        trouble.met(&one);
        assert!(trouble.is_expected(&same) && !trouble.is_expected(&other));
        for _ in 0..PATIENCE {
            assert!(trouble.is_expected(&one));
            trouble.avoided(&one);
        }
        assert!(!trouble.is_expected(&one));
    }
}
