//! Where every transaction of a batch stands, and the work that is ready.

use std::time::Duration;

use alloy_primitives::U256;
use crossbeam_deque::{Injector, Steal};
use lockstep_locks::TxIndex;
use revm::state::EvmState;
use smallvec::SmallVec;

use super::{
    handover::{Gate, Successors},
    reads::{Footprint, Grants},
    view::Hashing,
};
use crate::{
    Outcome,
    sync::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Condvar, Mutex, Ordering},
};

/// What a transaction is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// Waits for older ones.
    Waiting,
    /// May run; in some queue.
    Ready,
    /// A worker has it.
    Running,
    /// Its result waits to be retired.
    Executed,
    /// Is executed at its turn.
    Head,
    /// What it will touch is predicted; it has no ticket yet.
    Prepared,
}

impl State {
    const ALL: [Self; 6] =
        [Self::Waiting, Self::Ready, Self::Running, Self::Executed, Self::Head, Self::Prepared];

    /// The state in a word; above it is the transaction that has the place.
    const fn of(word: u64) -> Self {
        Self::ALL[(word & 0xff) as usize]
    }

    const fn word(self, tx: u32) -> u64 {
        ((tx as u64) << 8) | self as u64
    }

    /// The same place in this state.
    const fn after(self, word: u64) -> u64 {
        (word & !0xff) | self as u64
    }
}

/// What a transaction takes along.
#[derive(Debug)]
pub(crate) struct Work<H, I> {
    /// Boxed, as the next: what nobody needs at retirement stays in the cache of the core that executed.
    pub(crate) grants: Box<Grants>,
    pub(crate) seen: Box<Footprint>,
    pub(crate) outcome: Option<Outcome<H, I>>,
    /// What the EVM loaded, if that is recorded.
    pub(crate) state: EvmState,
    /// What each fee account received, modulo 2^256.
    pub(crate) rewards: SmallVec<[U256; 4]>,
    /// Locks made the result certain.
    pub(crate) covered: bool,
    /// A contract paid out what it must still have at the transaction's turn.
    pub(crate) spends: bool,
    /// Accounts and slots loaded.
    pub(crate) loads: u32,
    /// Those of them that no lock covered.
    pub(crate) misses: u32,
    pub(crate) native: bool,
    /// Data footprint in gas, computed by whoever executed.
    pub(crate) footprint: u64,
    pub(crate) waits: u8,
    pub(crate) attempts: u8,
    /// Its result was thrown away at its turn.
    pub(crate) stale: bool,
    pub(crate) predicted: bool,
    /// It has predicted locks, and asks who holds what else it touches. False if careless or optimistic.
    pub(crate) asks: bool,
    pub(crate) hashing: Hashing,
    /// There is no use in executing it before its turn.
    pub(crate) head_only: bool,
}

impl<H, I> Default for Work<H, I> {
    fn default() -> Self {
        Self {
            grants: Box::default(),
            seen: Box::default(),
            outcome: None,
            state: EvmState::default(),
            rewards: SmallVec::new(),
            covered: false,
            spends: false,
            loads: 0,
            misses: 0,
            native: false,
            footprint: 0,
            waits: 0,
            attempts: 0,
            stale: false,
            predicted: false,
            asks: false,
            hashing: Hashing::Plain,
            head_only: false,
        }
    }
}

/// One transaction of the window.
#[derive(Debug)]
pub(crate) struct Entry<H, I> {
    state: AtomicU64,
    pub(crate) gate: Gate,
    pub(crate) work: Mutex<Work<H, I>>,
}

impl<H, I> Default for Entry<H, I> {
    fn default() -> Self {
        Self { state: AtomicU64::new(State::Waiting.word(0)), gate: Gate::default(), work: Mutex::default() }
    }
}

impl<H, I> Entry<H, I> {
    pub(crate) fn state(&self) -> State {
        State::of(self.state.load(Ordering::Acquire))
    }

    /// Changes the state of a transaction that nobody else changes now.
    pub(crate) fn set(&self, state: State) {
        let word = self.state.load(Ordering::Relaxed);
        self.state.store(state.after(word), Ordering::Release);
    }

    /// Takes the transaction from one state to another; false if it was elsewhere.
    pub(crate) fn advance(&self, from: State, to: State) -> bool {
        let word = self.state.load(Ordering::Acquire);
        State::of(word) == from && self.swap(word, to.after(word))
    }

    fn swap(&self, from: u64, to: u64) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Up to 64 neighbours that may run, dispatched as one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Batch {
    pub(crate) first: u32,
    pub(crate) members: u64,
}

impl Batch {
    /// The oldest member, taken out.
    pub(crate) fn pop(&mut self) -> Option<u32> {
        if self.members == 0 {
            return None;
        }
        let offset = self.members.trailing_zeros();
        self.members &= self.members - 1;
        Some(self.first + offset)
    }
}

/// The transactions of a batch that are between ticket and retirement, and what is ready among them.
#[derive(Debug)]
pub(crate) struct Board<H, I> {
    ring: Box<[Entry<H, I>]>,
    /// Everything below has retired.
    head: AtomicU32,
    /// Everything below has its ticket.
    pub(crate) ticketed: AtomicU32,
    /// Everything below is prepared, or somebody is at it.
    pub(crate) claimed: AtomicU32,
    queue: Injector<Batch>,
    stop: AtomicBool,
    sleepers: AtomicUsize,
    bed: Mutex<()>,
    bell: Condvar,
}

impl<H, I> Board<H, I> {
    /// For batches of any length, of which `window` transactions at a time are under way.
    pub(crate) fn new(window: usize) -> Self {
        Self {
            ring: (0..window).map(|_| Entry::default()).collect(),
            head: AtomicU32::new(0),
            ticketed: AtomicU32::new(0),
            claimed: AtomicU32::new(0),
            queue: Injector::new(),
            stop: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            bed: Mutex::new(()),
            bell: Condvar::new(),
        }
    }

    /// Transactions that are under way at a time.
    pub(crate) const fn window(&self) -> usize {
        self.ring.len()
    }

    /// Begins again; what entries hold is overwritten when a transaction takes its place.
    pub(crate) fn clear(&mut self) {
        for entry in &mut self.ring {
            entry.state = AtomicU64::new(State::Waiting.word(0));
        }
        self.head = AtomicU32::new(0);
        self.ticketed = AtomicU32::new(0);
        self.claimed = AtomicU32::new(0);
        self.stop = AtomicBool::new(false);
        while self.take().is_some() {}
    }

    pub(crate) fn entry(&self, tx: u32) -> &Entry<H, I> {
        &self.ring[tx as usize % self.ring.len()]
    }

    pub(crate) fn head(&self) -> u32 {
        self.head.load(Ordering::Acquire)
    }

    pub(crate) fn set_head(&self, head: u32) {
        self.head.store(head, Ordering::Release);
    }

    /// The first transaction for which there is no room yet.
    pub(crate) fn room_until(&self) -> u32 {
        self.head().saturating_add(u32::try_from(self.ring.len()).unwrap_or(u32::MAX))
    }

    /// Offers work to whoever comes first.
    pub(crate) fn offer(&self, batch: Batch) {
        self.queue.push(batch);
        if self.sleepers.load(Ordering::Relaxed) > 0 {
            let _bed = self.bed.lock();
            self.bell.notify_one();
        }
    }

    pub(crate) fn take(&self) -> Option<Batch> {
        loop {
            match self.queue.steal() {
                Steal::Success(batch) => return Some(batch),
                Steal::Empty => return None,
                Steal::Retry => {}
            }
        }
    }

    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Takes `tx` to execute it; false if somebody else has or had it. Whoever comes so late that a younger transaction has
    /// the place by now, ready to run, gets nothing.
    pub(crate) fn claim(&self, tx: u32) -> bool {
        self.entry(tx).swap(State::Ready.word(tx), State::Running.word(tx))
    }

    /// A wait of `tx` is over, or its guard is down; true if it may run now.
    pub(crate) fn pass(&self, tx: u32) -> bool {
        let entry = self.entry(tx);
        entry.gate.pass() && entry.advance(State::Waiting, State::Ready)
    }

    /// Makes `tx`, which nobody else touches, wait for `older`; true if it may run at once.
    pub(crate) fn wait_for(&self, tx: u32, older: &[TxIndex]) -> bool {
        let entry = self.entry(tx);
        entry.gate.guard();
        entry.state.store(State::Waiting.word(tx), Ordering::Release);
        let head = self.head();
        for TxIndex(older) in older {
            if *older >= head {
                self.entry(*older).gate.add_successor(tx, &entry.gate);
            }
        }
        self.pass(tx)
    }

    /// `tx` is done: gives those that may run now.
    pub(crate) fn finish(&self, tx: u32) -> Successors {
        let mut successors = self.entry(tx).gate.finish();
        successors.retain(|younger| self.pass(*younger));
        successors
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        let _bed = self.bed.lock();
        self.bell.notify_all();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Sleeps until there is work, or for a while.
    pub(crate) fn sleep(&self, at_most: Duration) {
        let mut bed = self.bed.lock();
        self.sleepers.fetch_add(1, Ordering::AcqRel);
        if self.queue.is_empty() && !self.is_stopped() {
            self.bell.wait_for(&mut bed, at_most);
        }
        self.sleepers.fetch_sub(1, Ordering::AcqRel);
    }
}
