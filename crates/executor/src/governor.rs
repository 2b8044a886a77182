//! Whether threads pay, which nothing tells but the clock.
//!
//! Both ways of executing are timed on the transactions that come anyway: most go the way that was faster, a few the other
//! way, so that a change is noticed. Times decide how fast a block is, never what its result is.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "averages, and pauses of about so many transactions"
)]

use std::{ops::RangeInclusive, time::Duration};

use alloy_primitives::{Address, map::HashMap};
use parking_lot::Mutex;
use revm::context::Transaction;

/// So few transactions show nothing.
const FEW: usize = 32;
/// Transactions after which times are looked at. Parts of a block are not like the whole: its beginning finds nothing in
/// caches, its end much.
const SLICE: usize = 4096;
/// Transactions on several threads after which one thread is timed: at first, and when it is known well.
const REFRESH: [usize; 2] = [1024, 131_072];
/// Transactions on one thread after which several are tried again, if they were slower: at first, and after many vain
/// tries.
const PAUSES: RangeInclusive<usize> = 4096..=262_144;
/// The same, if they stopped early because there was not enough to do beside each other.
const SHORT_PAUSES: RangeInclusive<usize> = 256..=8192;
/// Pauses are at least so much longer than what the vain try lost.
const PATIENCE: f64 = 64.0;
/// What several threads must at least win, as a logarithm.
const GAIN: f64 = 0.02;
/// Times that are remembered.
const MEMORY: u32 = 48;
/// Times without which nothing is proven.
const EVIDENCE: u32 = 6;
/// Standard errors that make a difference. Blocks differ: on mainnet a unit of gas takes a hundred times as long in one as in
/// another.
const DOUBT: f64 = 3.0;
/// Transactions that are asked what they have in common.
const LOOKED_AT: usize = 64;
/// Loads that are remembered.
const MAX_LOADS: usize = 256;

/// How to execute the next transactions, and how many of them at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spell {
    /// On one thread.
    Serial(usize),
    /// On several.
    Parallel(usize),
}

/// What most transactions have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Load {
    /// They call this account.
    Account(Address),
    /// They call this function of different accounts, or none and just pay.
    Function(Option<[u8; 4]>),
    /// They create contracts.
    Creation,
    /// Nothing.
    Mixed,
}

impl Load {
    /// Looks at some of `txs`.
    pub(crate) fn of<T: Transaction>(txs: &[T]) -> Self {
        let some = || txs.iter().step_by(txs.len().div_ceil(LOOKED_AT).max(1));
        majority(some().map(|tx| tx.kind().into_to().map_or(Self::Creation, Self::Account)))
            .or_else(|| majority(some().map(|tx| Self::Function(tx.input().first_chunk().copied()))))
            .unwrap_or(Self::Mixed)
    }
}

/// What three quarters of `all` are.
fn majority<T: Copy + PartialEq>(all: impl Iterator<Item = T> + Clone) -> Option<T> {
    // The vote of Boyer and Moore.
    let (candidate, _) = all.clone().fold((None, 0), |(candidate, votes), next| match votes {
        0 => (Some(next), 1),
        _ if candidate == Some(next) => (candidate, votes + 1),
        _ => (candidate, votes - 1),
    });
    let votes = all.clone().filter(|one| candidate == Some(*one)).count();
    candidate.filter(|_| votes * 4 >= all.count() * 3)
}

/// Nanoseconds for a unit of gas, as a logarithm.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    /// Times that were added, at most [`MEMORY`].
    count: u32,
    mean: f64,
    variance: f64,
}

impl Pace {
    fn add(&mut self, ran: &Ran) {
        let now = (ran.took.as_nanos().max(1) as f64 / ran.gas as f64).ln();
        self.count = (self.count + 1).min(MEMORY);
        let weight = 1.0 / f64::from(self.count);
        let off = now - self.mean;
        self.mean += weight * off;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
    }

    /// Square of the standard error of the mean.
    fn uncertainty(&self) -> f64 {
        self.variance / f64::from(self.count)
    }
}

/// One way of executing.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    pace: Pace,
    /// It was taken before, so that what it needs is not all new.
    is_known: bool,
}

impl Way {
    /// Whether `ran` shows how fast it is.
    const fn shows(&mut self, ran: &Ran) -> bool {
        ran.gas > 0 && ran.transactions >= FEW && std::mem::replace(&mut self.is_known, true)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Record {
    serial: Way,
    parallel: Way,
    /// Several threads were slower when they were tried last.
    is_futile: bool,
    /// Transactions on one thread until several are tried again.
    pause: usize,
    /// How long the last pause was, because they were slower.
    last_pause: usize,
    /// The same, because they stopped.
    last_short_pause: usize,
    /// Transactions on several threads since one was timed.
    since_serial: usize,
}

impl Record {
    /// The next spell, if `left` transactions are at hand, in a block that is new or not.
    fn next(&self, left: usize, is_new: bool) -> Spell {
        let refresh = REFRESH[usize::from(self.serial.pace.count >= EVIDENCE)];
        if self.is_futile && self.pause > 0 {
            Spell::Serial(left)
        } else if self.pause > 0 {
            Spell::Serial(self.pause.min(left))
        } else if is_new && !self.is_futile && self.since_serial >= refresh {
            Spell::Serial(SLICE.min(left))
        } else {
            Spell::Parallel(SLICE.min(left))
        }
    }

    fn ran_serially(&mut self, ran: &Ran) {
        if self.serial.shows(ran) {
            self.serial.pace.add(ran);
        }
        self.since_serial = 0;
        self.pause = self.pause.saturating_sub(ran.transactions);
    }

    fn ran_in_parallel(&mut self, ran: &Ran) {
        self.since_serial += ran.transactions;
        if !self.parallel.shows(ran) {
            return;
        }
        let was_futile = std::mem::take(&mut self.is_futile);
        if was_futile {
            self.parallel.pace = Pace::default(); // of before the pause
        }
        self.parallel.pace.add(ran);
        let (serial, parallel) = (&self.serial.pace, &self.parallel.pace);
        let known = if was_futile { serial.count } else { serial.count.min(parallel.count) };
        if known < EVIDENCE {
            return;
        }
        let slower = parallel.mean - serial.mean;
        // Threads are of use until the opposite is proven, and again when they were faster once.
        let doubt = DOUBT * (serial.uncertainty() + parallel.uncertainty()).sqrt();
        if slower + GAIN > if was_futile { 0.0 } else { doubt } {
            self.give_up(slower.exp_m1() * ran.transactions as f64);
        } else {
            self.last_pause = 0;
        }
    }

    /// A try on several threads was in vain, and lost the time of `lost` transactions.
    fn give_up(&mut self, lost: f64) {
        let least = (lost * PATIENCE) as usize;
        self.last_pause = longer(self.last_pause, &PAUSES).clamp(least.min(*PAUSES.end()), *PAUSES.end());
        self.pause = self.last_pause;
        self.is_futile = true;
    }

    /// Several threads did all they were asked for, or not.
    fn stopped(&mut self, early: bool) {
        self.last_short_pause = if early { longer(self.last_short_pause, &SHORT_PAUSES) } else { 0 };
        self.pause = self.pause.max(self.last_short_pause);
    }
}

/// The next pause after `last`.
fn longer(last: usize, range: &RangeInclusive<usize>) -> usize {
    (last * 2).clamp(*range.start(), *range.end())
}

/// What a spell came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran {
    pub(crate) transactions: usize,
    pub(crate) gas: u64,
    pub(crate) took: Duration,
}

/// Remembers for each [`Load`] which way was faster.
#[derive(Debug, Default)]
pub(crate) struct Governor(Mutex<HashMap<Load, Record>>);

impl Governor {
    /// How to execute the next of `left` transactions, in a block that is new or not.
    pub(crate) fn next(&self, load: Load, left: usize, is_new: bool) -> Spell {
        let record = self.0.lock().get(&load).copied().unwrap_or_default();
        record.next(left, is_new)
    }

    /// `spell` is over. One on several threads may have ended early, where these were of no use.
    pub(crate) fn ended(&self, load: Load, spell: Spell, ran: &Ran) {
        let (Spell::Serial(wanted) | Spell::Parallel(wanted)) = spell;
        let mut loads = self.0.lock();
        if !loads.contains_key(&load) {
            if wanted < FEW {
                return; // nothing is known, and this says nothing
            }
            if loads.len() >= MAX_LOADS {
                loads.clear();
            }
        }
        let record = loads.entry(load).or_default();
        match spell {
            Spell::Serial(_) => record.ran_serially(ran),
            Spell::Parallel(_) => {
                record.ran_in_parallel(ran);
                record.stopped(ran.transactions < wanted);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: Load = Load::Creation;
    const SLOW: Duration = Duration::from_micros(3);
    const FAST: Duration = Duration::from_micros(2);

    fn run(governor: &Governor, spell: Spell, took: Duration) {
        let (Spell::Serial(transactions) | Spell::Parallel(transactions)) = spell;
        let took = took * u32::try_from(transactions).expect("few");
        governor.ended(LOAD, spell, &Ran { transactions, gas: 50_000 * transactions as u64, took });
    }

    /// Transactions on one thread and on several in `blocks` blocks of `size`.
    fn blocks(
        governor: &Governor,
        blocks: usize,
        size: usize,
        serial: Duration,
        parallel: Duration,
    ) -> [usize; 2] {
        let mut ran = [0; 2];
        for _ in 0..blocks {
            let mut left = size;
            while left > 0 {
                let spell = governor.next(LOAD, left, left == size);
                let (count, took, way) = match spell {
                    Spell::Serial(count) => (count, serial, 0),
                    Spell::Parallel(count) => (count, parallel, 1),
                };
                run(governor, spell, took);
                ran[way] += count;
                left -= count;
            }
        }
        ran
    }

    #[test]
    fn the_faster_way_is_taken_and_the_other_is_not_forgotten() {
        let governor = Governor::default();
        for _ in 0..2 {
            blocks(&governor, 1000, 2_000, SLOW, FAST);
            let [serial, parallel] = blocks(&governor, 1000, 2_000, SLOW, FAST);
            assert!(serial > 0 && serial < parallel / 50, "{serial} {parallel}");
            blocks(&governor, 1000, 2_000, FAST, SLOW);
            let [serial, parallel] = blocks(&governor, 1000, 2_000, FAST, SLOW);
            assert!(parallel > 0 && parallel < serial / 50, "{serial} {parallel}");
        }
    }

    /// Transactions on one thread and on several, where times differ from block to block, up to twofold.
    fn noisy_blocks(serial: Duration, parallel: Duration) -> [usize; 2] {
        let governor = Governor::default();
        let mut ran = [0; 2];
        for block in 0..1000_u32 {
            let noise = 1.0 + f64::from(block * 7 % 11) / 10.0;
            let [one, several] = blocks(&governor, 1, 400, serial.mul_f64(noise), parallel.mul_f64(noise));
            ran = [ran[0] + one, ran[1] + several];
        }
        ran
    }

    #[test]
    fn noise_misleads_nobody_for_long() {
        let [serial, parallel] = noisy_blocks(SLOW, FAST);
        assert!(parallel > serial * 10, "{serial} {parallel}");
        let [serial, parallel] = noisy_blocks(FAST, SLOW);
        assert!(serial > parallel * 4, "{serial} {parallel}");
    }

    #[test]
    fn threads_that_find_nothing_to_do_are_tried_later() {
        let governor = Governor::default();
        let mut serial = Vec::new();
        for _ in 0..8 {
            while let Spell::Serial(count) = governor.next(LOAD, 9_000, false) {
                run(&governor, Spell::Serial(count), FAST);
                serial.push(count);
            }
            let nothing = Ran { transactions: 0, gas: 0, took: FAST };
            governor.ended(LOAD, Spell::Parallel(SLICE), &nothing);
        }
        assert_eq!(serial, [256, 512, 1024, 2048, 4096, 8192, 8192]);
        run(&governor, Spell::Serial(8192), FAST);
        run(&governor, governor.next(LOAD, 9_000, false), FAST);
        assert_eq!(governor.next(LOAD, 9_000, false), Spell::Parallel(SLICE), "there was something to do");
    }

    #[test]
    fn a_load_is_what_most_have_in_common() {
        use alloy_primitives::Bytes;
        use revm::{context::TxEnv, primitives::TxKind};
        let call = |to, function| TxEnv {
            kind: TxKind::Call(Address::repeat_byte(to)),
            data: Bytes::copy_from_slice(&[function; 36]),
            ..TxEnv::default()
        };
        let one = Load::Account(Address::repeat_byte(1));
        assert_eq!(Load::of(&[call(1, 1), call(2, 2), call(1, 3), call(1, 4)]), one);
        let function = Load::Function(Some([7; 4]));
        assert_eq!(Load::of(&[call(1, 7), call(2, 7), call(3, 7), call(4, 5)]), function);
        assert_eq!(Load::of(&[call(1, 1), call(2, 2), call(1, 1), call(2, 2)]), Load::Mixed);
        assert_eq!(Load::of::<TxEnv>(&[]), Load::Mixed);
        let plain = |to| TxEnv { data: Bytes::new(), ..call(to, 0) };
        assert_eq!(Load::of(&[plain(1), plain(2), plain(3)]), Load::Function(None));
        let create = || TxEnv { kind: TxKind::Create, ..TxEnv::default() };
        assert_eq!(Load::of(&[create(), create()]), Load::Creation);
        let many: Vec<_> = (0..1000).map(|tx| call(1 + u8::from(tx > 900), 1)).collect();
        assert_eq!(Load::of(&many), one);
    }
}
