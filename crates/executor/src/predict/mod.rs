//! What a transaction will probably touch.
//!
//! A prediction decides how fast a block is, never what its result is. The same calls of [`Predictor::predict`] and
//! [`Predictor::learn`] in the same order give the same predictions.
//!
//! What transactions say themselves is in [`given`]. The rest is learned: an execution that records what it hashes shows
//! what its slots are made of ([`expr`]), calls of the same function differ only in their arguments ([`template`]), so
//! the next call's keys are computed from its own ([`program`]).

mod expr;
mod facts;
mod given;
mod memo;
mod memory;
mod program;
mod record;
mod seen;
mod shelf;
mod template;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod trouble;

use std::{
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::Instant,
};

use alloy_primitives::{B256, KECCAK256_EMPTY, TxKind};
use lockstep_locks::{AccessSet, Key, Mode};
use parking_lot::{Mutex, RwLock};
use revm::context::Transaction;

use crate::options::Sources;

use facts::Call;
use memo::Memo;
use shelf::{Class, Lessons, Shelf};
use trouble::Trouble;

#[allow(unused_imports, reason = "named by the engine")]
pub(crate) use seen::{Preimages, Seen};

/// Keys of an execution that is learned from: what touches more is not predicted.
const MAX_TOUCHED: usize = 1024;

/// Lessons take at most one part in so many of the time that passes.
const LEISURE: u64 = 256;
/// Time for lessons that can be saved up, in nanoseconds.
const MAX_LEISURE_NS: i64 = 2_000_000;

/// How much a prediction is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confidence {
    /// Everything is in it: recorded, or no code is called.
    Exact,
    /// Calls of this function were seen, and predictions of it have a good record.
    Known,
    /// Nothing, or not enough, is known about the code that is called.
    Guess,
    /// Predictions of this function keep missing: it is cheaper to run it at the head than to run it twice.
    Hopeless,
    /// Calls of this function seldom meet others: nothing was looked up.
    Careless,
}

/// A prediction beside the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prediction {
    /// How much it is worth.
    pub(crate) confidence: Confidence,
    /// Whether the execution should record what it hashes, and go to [`Predictor::learn`]. One that touched something
    /// unpredicted goes there in any case.
    pub(crate) learn: bool,
}

impl Prediction {
    const EXACT: Self = Self { confidence: Confidence::Exact, learn: false };
    const CARELESS: Self = Self { confidence: Confidence::Careless, learn: false };
}

/// Predicts access sets from what is known of a transaction and from what earlier ones taught.
///
/// Threads share it: predictions read under one lock, lessons are prepared beside it. Its memory is bounded by
/// [`shelf::MAX_TOTAL_WEIGHT`], [`memory::MAX_SLOTS`] and the fixed size of its memo of hashes: about 100 MiB if somebody
/// fills it on purpose.
#[derive(Debug)]
pub(crate) struct Predictor {
    sources: Sources,
    /// Whether it spares itself what seems not worth its time.
    thrifty: bool,
    trouble: Trouble,
    memo: Memo,
    shelf: RwLock<Shelf>,
    lessons: Mutex<Lessons>,
    /// Time for lessons, in nanoseconds.
    leisure_ns: AtomicI64,
}

impl Predictor {
    pub(crate) fn new(sources: Sources, thrifty: bool) -> Self {
        Self {
            sources,
            thrifty,
            trouble: Trouble::default(),
            memo: Memo::default(),
            shelf: RwLock::default(),
            lessons: Mutex::default(),
            leisure_ns: AtomicI64::new(MAX_LEISURE_NS),
        }
    }

    /// Adds the keys that `tx` will probably touch to `set`, which is empty.
    ///
    /// `code_hash_of_to` is asked at most once, and only if it matters; `None` if it is not known.
    pub(crate) fn predict<T: Transaction>(
        &self,
        tx: &T,
        code_hash_of_to: impl FnOnce() -> Option<B256>,
        recorded: Option<&AccessSet>,
        set: &mut AccessSet,
    ) -> Prediction {
        if let Some(recorded) = recorded.filter(|_| self.sources.recorded) {
            set.clone_from(recorded);
            return Prediction::EXACT;
        }
        if self.sources.transfers {
            given::ends(tx, set);
        }
        let prediction = if self.thrifty && !self.trouble.is_expected(tx) {
            Prediction::CARELESS
        } else {
            let code_hash = match tx.kind() {
                TxKind::Call(_) => code_hash_of_to(),
                TxKind::Create => Some(B256::ZERO),
            };
            if tx.kind().is_call() && code_hash.is_some_and(is_no_code) {
                Prediction::EXACT
            } else {
                self.recall(tx, code_hash, set)
            }
        };
        if self.sources.access_lists {
            given::listed(tx, set);
        }
        prediction
    }

    /// KECCAK256 of what a prediction hashed a moment ago.
    #[inline]
    pub(crate) fn recall_hash(&self, input: &[u8]) -> Option<B256> {
        self.memo.recall(input)
    }

    /// `tx` met others, and was executed in vain.
    pub(crate) fn met(&self, tx: &impl Transaction) {
        if self.thrifty {
            self.trouble.met(tx);
        }
    }

    /// `tx` was predicted, and not carelessly.
    pub(crate) fn avoided(&self, tx: &impl Transaction) {
        if self.thrifty {
            self.trouble.avoided(tx);
        }
    }

    /// Adds what earlier calls taught.
    fn recall<T: Transaction>(&self, tx: &T, code_hash: Option<B256>, set: &mut AccessSet) -> Prediction {
        let unknown = Prediction { confidence: Confidence::Guess, learn: self.sources.templates };
        if !self.sources.templates {
            return unknown;
        }
        let (Some(call), Some(code_hash)) = (Call::new(tx), code_hash) else { return unknown };
        self.shelf.read().predict(&call, &Class::new(&call, code_hash), &self.memo, set)
    }

    /// Whether there is time for [`Self::learn`], now that `passed_ns` more have passed: what lessons take is lost to
    /// execution.
    pub(crate) fn may_learn_after(&self, passed_ns: u64) -> bool {
        if !self.thrifty {
            return true;
        }
        let more = i64::try_from(passed_ns / LEISURE).unwrap_or(MAX_LEISURE_NS);
        let grown = |leisure: i64| Some(leisure.saturating_add(more).min(MAX_LEISURE_NS));
        self.leisure_ns
            .fetch_update(Relaxed, Relaxed, grown)
            .is_ok_and(|before| before.saturating_add(more) > 0)
    }

    /// Learns from an execution of `tx` whose result stood; `code_hash` is that of the called account, anything if `tx`
    /// creates one.
    pub(crate) fn learn<T: Transaction>(&self, tx: &T, code_hash: B256, seen: &Seen) {
        let is_useless = !self.sources.templates || tx.kind().is_call() && is_no_code(code_hash);
        let Some(call) = Call::new(tx).filter(|_| !is_useless) else { return };
        let mut lessons = self.lessons.lock();
        let start = Instant::now();
        lessons.touched.clear();
        lessons.touched.extend(self.beyond_given(tx, &seen.set).take(MAX_TOUCHED + 1));
        lessons.touched.sort_unstable();
        if lessons.touched.len() <= MAX_TOUCHED {
            let class = Class::new(&call, code_hash);
            lessons.learn(&call, class, seen, &self.shelf);
        }
        // Of a thread that was stopped meanwhile, no more is charged than can be saved up.
        let took = i64::try_from(start.elapsed().as_nanos()).unwrap_or(i64::MAX);
        self.leisure_ns.fetch_sub(took.min(MAX_LEISURE_NS), Relaxed);
    }

    /// What `set` has beyond what the transaction says itself.
    fn beyond_given<'a, T: Transaction>(
        &self,
        tx: &T,
        set: &'a AccessSet,
    ) -> impl Iterator<Item = (Key, Mode)> + 'a {
        let mut given = AccessSet::default();
        if self.sources.transfers {
            given::ends(tx, &mut given);
        }
        set.iter().filter(move |(key, mode)| !given.mode(key).is_some_and(|held| held.covers(*mode)))
    }
}

/// Hash of no code, or of no account.
fn is_no_code(code_hash: B256) -> bool {
    code_hash == KECCAK256_EMPTY || code_hash == B256::ZERO
}
