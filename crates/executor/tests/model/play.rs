//! Workers without an EVM.

use std::{sync::Mutex as Unmodelled, time::Duration};

use lockstep_executor::{LockMode, TxIndex};
use lockstep_locks::{LockId, LockTable};
use shuttle::{sync::Arc, thread};

use crate::{
    board::{Batch, Board, State},
    sync::{AtomicU32, Mutex, Ordering},
};

/// Schedules that each test tries.
const SCHEDULES: usize = 4_000;
/// Context switches at the worst moment that a schedule of the second kind has.
const DEPTH: usize = 3;
const LOCKS: u32 = 4;
/// Transactions that are prepared at once, so that batches have several members.
const PREPARED: u32 = 2;
const NAP: Duration = Duration::from_micros(1);

/// What the workers have to do.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// Predicted locks of each transaction.
    pub(crate) locks: Vec<Vec<(LockId, LockMode)>>,
    /// Transactions that may be under way.
    pub(crate) window: usize,
    /// A transaction and the lock that it touches, exclusively, without having predicted it.
    pub(crate) escapes: Vec<(u32, u32)>,
    /// Transactions that do not run before their turn.
    pub(crate) at_turn: Vec<u32>,
}

impl Block {
    pub(crate) fn new(locks: &[&[(u32, LockMode)]]) -> Self {
        let ids = |locks: &&[(u32, LockMode)]| locks.iter().map(|(id, mode)| (LockId(*id), *mode)).collect();
        Self {
            locks: locks.iter().map(ids).collect(),
            window: locks.len(),
            escapes: Vec::new(),
            at_turn: Vec::new(),
        }
    }

    fn len(&self) -> u32 {
        u32::try_from(self.locks.len()).expect("a model is small")
    }

    fn conflict(&self, a: u32, b: u32) -> bool {
        let held = |tx: u32| self.locks[tx as usize].iter();
        held(a).any(|(id, mode)| held(b).any(|(other, with)| id == other && !mode.is_compatible(*with)))
    }
}

/// What happened to each transaction.
#[derive(Clone, Debug, Default)]
struct Fate {
    running: bool,
    /// Whom it waits for since it escaped.
    met: Vec<u32>,
    escaped: bool,
    done: bool,
    retired: bool,
}

struct Engine {
    block: Block,
    board: Board<(), ()>,
    claimed: AtomicU32,
    tickets: Mutex<LockTable>,
    retired: Mutex<u32>,
    executing: AtomicU32,
    /// Not part of the model: no thread gives way while it has this.
    fates: Unmodelled<Vec<Fate>>,
}

/// Plays `block` with so many workers under many schedules.
pub(crate) fn check(block: &Block, workers: usize) {
    let play = |block: Block| {
        move || {
            let engine = Arc::new(Engine::new(block.clone()));
            let others: Vec<_> = (1..workers)
                .map(|id| {
                    let engine = Arc::clone(&engine);
                    thread::spawn(move || Worker { engine: &engine, id, local: Vec::new() }.work())
                })
                .collect();
            Worker { engine: &engine, id: 0, local: Vec::new() }.work();
            others.into_iter().for_each(|other| other.join().expect("a worker ends well"));
            assert!(engine.fates.lock().expect("no worker panicked").iter().all(|fate| fate.retired));
        }
    };
    shuttle::check_random(play(block.clone()), SCHEDULES);
    shuttle::check_pct(play(block.clone()), SCHEDULES, DEPTH);
}

impl Engine {
    fn new(block: Block) -> Self {
        let mut table = LockTable::default();
        table.grow(LOCKS);
        Self {
            board: Board::new(block.window),
            claimed: AtomicU32::new(0),
            tickets: Mutex::new(table),
            retired: Mutex::new(0),
            executing: AtomicU32::new(0),
            fates: Unmodelled::new(vec![Fate::default(); block.locks.len()]),
            block,
        }
    }

    fn prepare(&self) -> bool {
        let first = self.claimed.load(Ordering::Acquire);
        let last = (first + PREPARED).min(self.block.len()).min(self.board.room_until());
        let claim = || self.claimed.compare_exchange(first, last, Ordering::AcqRel, Ordering::Relaxed);
        if first >= last || claim().is_err() {
            return false;
        }
        (first..last).for_each(|tx| self.board.entry(tx).set(State::Prepared));
        true
    }

    fn take_tickets(&self) -> bool {
        let Some(mut table) = self.tickets.try_lock() else { return false };
        let first = self.board.ticketed.load(Ordering::Acquire);
        let mut batch = Batch { first, members: 0 };
        let mut did = false;
        for tx in first..self.claimed.load(Ordering::Acquire) {
            let entry = self.board.entry(tx);
            if entry.state() != State::Prepared {
                break;
            }
            did = true;
            let mut waits = Vec::new();
            entry.gate.arm();
            let done = TxIndex(self.board.head());
            table.ticket(TxIndex(tx), &self.block.locks[tx as usize], done, &mut waits);
            let ready = if self.block.at_turn.contains(&tx) {
                entry.set(State::Head);
                false
            } else {
                self.board.wait_for(tx, &waits)
            };
            self.board.ticketed.store(tx + 1, Ordering::Release);
            batch.members |= u64::from(ready) << (tx - first);
        }
        if batch.members != 0 {
            self.board.offer(batch);
        }
        did
    }

    /// The lock that `tx` has not predicted, the first time it touches it.
    fn unpredicted(&self, tx: u32) -> Option<LockId> {
        let first_time = !self.fates.lock().expect("no worker panicked")[tx as usize].escaped;
        let escape = self.block.escapes.iter().find(|(who, _)| *who == tx);
        escape.filter(|_| first_time).map(|(_, lock)| LockId(*lock))
    }

    /// Executes `tx`; gives whom it must wait for first.
    fn execute(&self, tx: u32, early: bool) -> Vec<TxIndex> {
        self.start(tx);
        self.executing.load(Ordering::Acquire); // others may act here
        let mut waits = Vec::new();
        if let Some(lock) = self.unpredicted(tx).filter(|_| early)
            && let Some(mut table) = self.tickets.try_lock()
        {
            let done = self.board.head();
            table.escape(TxIndex(tx), lock, LockMode::Exclusive, TxIndex(done), &mut waits);
            waits.retain(|older| older.0 >= done && !self.board.entry(older.0).gate.is_finished());
        }
        let mut fates = self.fates.lock().expect("no worker panicked");
        let fate = &mut fates[tx as usize];
        fate.running = false;
        fate.done = waits.is_empty();
        fate.escaped = true;
        fate.met = waits.iter().map(|older| older.0).collect();
        waits
    }

    /// Everything that `tx` waits for is done, and nobody else has it.
    fn start(&self, tx: u32) {
        let mut fates = self.fates.lock().expect("no worker panicked");
        assert!(!fates[tx as usize].running && !fates[tx as usize].done, "{tx} is executed twice");
        for older in (0..tx).filter(|older| self.block.conflict(*older, tx)) {
            assert!(fates[older as usize].done, "{tx} runs before {older} is done");
        }
        for older in &fates[tx as usize].met {
            assert!(fates[*older as usize].done, "{tx} runs again before {older} is done");
        }
        fates[tx as usize].running = true;
    }
}

struct Worker<'e> {
    engine: &'e Engine,
    id: usize,
    local: Vec<u32>,
}

impl Worker<'_> {
    fn work(mut self) {
        while !self.engine.board.is_stopped() {
            if !self.step() {
                let nap = if self.id == 0 { NAP } else { Duration::MAX };
                self.engine.board.sleep(nap);
            }
        }
    }

    fn step(&mut self) -> bool {
        let engine = self.engine;
        if let Some(tx) = self.local.pop() {
            self.try_early(tx);
            return true;
        }
        let mut did = self.retire();
        did |= engine.take_tickets() || engine.prepare();
        if let Some(mut batch) = engine.board.take() {
            while let Some(tx) = batch.pop() {
                self.try_early(tx);
                while let Some(next) = self.local.pop() {
                    self.try_early(next);
                }
            }
            did = true;
        }
        did
    }

    fn try_early(&mut self, tx: u32) {
        let engine = self.engine;
        if !engine.board.claim(tx) {
            return;
        }
        let waits = engine.execute(tx, true);
        if waits.is_empty() {
            let ready = engine.board.finish(tx);
            engine.board.entry(tx).set(State::Executed);
            self.dispatch(&ready);
        } else {
            let tickets = engine.tickets.lock();
            let ready = engine.board.wait_for(tx, &waits);
            drop(tickets);
            self.local.extend(ready.then_some(tx));
        }
    }

    fn dispatch(&mut self, ready: &[u32]) {
        let mut ready = ready.iter();
        self.local.extend(ready.next());
        ready.for_each(|tx| self.engine.board.offer(Batch { first: *tx, members: 1 }));
    }

    fn retire(&mut self) -> bool {
        let engine = self.engine;
        let Some(mut retired) = engine.retired.try_lock() else { return false };
        let mut did = false;
        while !engine.board.is_stopped() {
            let tx = *retired;
            if tx == engine.block.len() {
                engine.board.stop();
                return true;
            }
            if tx >= engine.board.ticketed.load(Ordering::Acquire) {
                break;
            }
            let entry = engine.board.entry(tx);
            match entry.state() {
                State::Executed => {}
                State::Head => self.execute_at_head(tx),
                State::Ready if entry.advance(State::Ready, State::Running) => self.execute_at_head(tx),
                _ => break,
            }
            let mut fates = engine.fates.lock().expect("no worker panicked");
            assert!(
                fates[tx as usize].done && !fates[tx as usize].retired,
                "{tx} retires once, when it is done"
            );
            fates[tx as usize].retired = true;
            drop(fates);
            *retired += 1;
            engine.board.set_head(*retired);
            did = true;
        }
        did
    }

    fn execute_at_head(&mut self, tx: u32) {
        let waits = self.engine.execute(tx, false);
        assert!(waits.is_empty(), "nobody is older");
        let ready = self.engine.board.finish(tx);
        self.dispatch(&ready);
    }
}
