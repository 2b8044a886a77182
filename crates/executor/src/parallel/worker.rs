//! A worker: one thread, one EVM.

use std::{mem, sync::atomic::Ordering::Relaxed, thread, time::Duration};

use lockstep_locks::{AccessSet, TxIndex};
use revm::DatabaseRef;

use super::{
    attempt::{Attempt, Writes, attempt, looks_plain, transfer},
    board::{Batch, State, Work},
    engine::Engine,
    view::{Stand, View},
};
use crate::{
    Lane, Outcome, Rejected, Run, RunKind, Vm, fault::caught, serial::transfer_result, sync::Ordering,
};

/// Turns without work before a worker gives its time to others, and before it sleeps.
const SPINS: u32 = 64;
const YIELDS: u32 = 16;
/// Longest sleep while there may be work that nobody offers: tickets to take, results to retire.
const NAP: Duration = Duration::from_micros(200);
/// Runs that may stop to wait for a key before the transaction is left to its turn.
const MAX_WAITS: u8 = 2;
/// Runs queued per thread before more tickets are taken.
const QUEUED_PER_THREAD: usize = 2;

/// One thread's tools.
pub(crate) struct Worker<'w, 'e, V: Vm, D: DatabaseRef> {
    pub(crate) engine: &'w Engine<'e, V, D>,
    pub(crate) id: usize,
    pub(crate) lane: V::Lane<View<'w, D>>,
    pub(crate) writes: Writes,
    /// Ready, and better run here: what they waited for is in this core's cache.
    local: Vec<u32>,
    runs: Vec<Run>,
    set: AccessSet,
}

/// What an execution, early or at its turn, leaves to be done.
pub(crate) enum Verdict<E> {
    Done { native: bool },
    Wait,
    Head,
    Base(E),
    Evm(String),
}

impl<'w, 'e, V: Vm, D: DatabaseRef<Error: Send + Sync + 'static> + Sync> Worker<'w, 'e, V, D> {
    pub(crate) fn new(engine: &'w Engine<'e, V, D>, id: usize) -> Self {
        Self {
            engine,
            id,
            lane: engine.lane(),
            writes: Writes::default(),
            local: Vec::new(),
            runs: Vec::new(),
            set: AccessSet::default(),
        }
    }

    /// Works until the batch is done.
    pub(crate) fn work(mut self) {
        let mut idle = 0;
        while !self.engine.board.is_stopped() {
            if self.step() {
                idle = 0;
            } else {
                idle += 1;
                self.rest(idle);
            }
        }
        self.engine.runs.lock().append(&mut self.runs);
    }

    /// Does one thing; false if there is nothing to do.
    fn step(&mut self) -> bool {
        let engine = self.engine;
        if let Some(tx) = self.local.pop() {
            self.try_early(tx);
            if engine.board.entry(engine.board.head()).state() == State::Executed {
                engine.retire(self);
            }
            return true;
        }
        let mut did = engine.retire(self);
        if engine.board.queued() < engine.setting.options.threads * QUEUED_PER_THREAD {
            did |= engine.take_tickets() || engine.prepare(&mut self.set);
        }
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

    fn rest(&self, idle: u32) {
        if idle <= SPINS {
            std::hint::spin_loop();
        } else if idle <= SPINS + YIELDS {
            thread::yield_now();
        } else {
            let ticketing =
                self.engine.board.ticketed.load(Ordering::Acquire) < self.engine.end.load(Ordering::Acquire);
            let nap = if self.id == 0 || ticketing { NAP } else { NAP * 50 };
            self.engine.board.sleep(nap);
        }
    }

    /// Executes `tx` before its turn, if it is still to be had.
    fn try_early(&mut self, tx: u32) {
        let engine = self.engine;
        let entry = engine.board.entry(tx);
        if !engine.board.claim(tx) {
            return;
        }
        let start_ns = engine.setting.options.record_schedule.then(|| engine.now_ns());
        let verdict = self.caught(|worker| {
            let mut work = entry.work.lock();
            worker.execute(tx, &mut work, Stand::Early)
        });
        let kind = match verdict {
            Ok(Verdict::Done { native }) => {
                let ready = engine.board.finish(tx);
                entry.set(State::Executed);
                self.dispatch(&ready);
                if native { RunKind::Transfer } else { RunKind::Executed }
            }
            Ok(Verdict::Wait) => self.wait(tx),
            // What fails before the turn may not fail at it: it may have seen what never was.
            Ok(Verdict::Head | Verdict::Base(_) | Verdict::Evm(_)) => {
                entry.set(State::Head);
                RunKind::Stale
            }
            Err(_) => {
                engine.panics.fetch_add(1, Relaxed);
                entry.work.lock().grants.clear(); // they were lost with the EVM
                entry.set(State::Head);
                RunKind::Panicked
            }
        };
        self.note(tx, start_ns, kind);
    }

    fn wait(&mut self, tx: u32) -> RunKind {
        let engine = self.engine;
        let waits = mem::take(&mut self.lane.db().waits);
        let entry = engine.board.entry(tx);
        let often = {
            let mut work = entry.work.lock();
            work.waits += 1;
            work.waits > MAX_WAITS
        };
        if often {
            entry.set(State::Head);
        } else if engine.wait_again(tx, &waits) {
            self.local.push(tx);
        }
        let holder = waits.last().copied().unwrap_or_default();
        self.lane.db().waits = waits;
        RunKind::Escaped(holder)
    }

    /// Keeps one of those that may run now, offers the others.
    pub(crate) fn dispatch(&mut self, ready: &[u32]) {
        let mut ready = ready.iter();
        self.local.extend(ready.next());
        for tx in ready {
            self.engine.board.offer(Batch { first: *tx, members: 1 });
        }
    }

    pub(crate) fn note(&mut self, tx: u32, start_ns: Option<u64>, kind: RunKind) {
        let Some(start_ns) = start_ns else { return };
        let worker = u32::try_from(self.id).unwrap_or(u32::MAX);
        self.runs.push(Run { tx: TxIndex(tx), worker, start_ns, end_ns: self.engine.now_ns(), kind });
    }

    /// Runs `body`; after a panic this worker gets a new EVM.
    pub(crate) fn caught<T>(&mut self, body: impl FnOnce(&mut Self) -> T) -> Result<T, String> {
        caught(|| body(self)).inspect_err(|_| {
            self.lane = self.engine.lane();
            self.writes = Writes::default();
        })
    }

    /// Executes `tx` and makes what it wrote visible.
    pub(crate) fn execute(
        &mut self,
        tx: u32,
        work: &mut Work<V::Halt, V::Invalid>,
        stand: Stand,
    ) -> Verdict<D::Error> {
        let engine = self.engine;
        let setting = &engine.setting;
        let env = &setting.txs[tx as usize];
        let view = self.lane.db();
        mem::swap(&mut view.grants, &mut work.grants);
        mem::swap(&mut view.seen, &mut work.seen);
        view.turn_to(engine.seq(tx), env, stand, work.hashing, work.asks);
        work.footprint = setting.vm.footprint(env);
        work.attempts += 1;
        let verdict = self.decide(tx, env, work);
        let view = self.lane.db();
        mem::swap(&mut view.grants, &mut work.grants);
        mem::swap(&mut view.seen, &mut work.seen);
        verdict
    }

    fn decide(&mut self, tx: u32, env: &V::Tx, work: &mut Work<V::Halt, V::Invalid>) -> Verdict<D::Error> {
        let setting = &self.engine.setting;
        let vm = setting.vm;
        work.native = false;
        let is_modest = match &self.lane.db().stand {
            Stand::Early => true, // looked at again at the turn
            Stand::Head(sums) => setting.is_modest(sums),
        };
        if setting.options.native_transfers
            && is_modest
            && looks_plain(env)
            && let Some(plain) = vm.transfer(env)
        {
            match transfer(self.lane.db(), env, &plain, &mut self.writes) {
                Ok(Some(())) => {
                    work.outcome = Some(Outcome::Included(transfer_result(&plain, vm.spec())));
                    self.publish(tx, work);
                    work.native = true;
                    return Verdict::Done { native: true };
                }
                Ok(None) => {}
                Err(error) => return Verdict::Base(error),
            }
        }
        self.lane.db().set_max_cost(vm.max_cost(env));
        match attempt::<V, D>(&mut self.lane, env, &mut self.writes) {
            Attempt::Ran(result) => {
                if self.engine.setting.options.record_access {
                    work.state.clone_from(self.lane.parts().1);
                }
                work.outcome = Some(Outcome::Included(result));
                self.publish(tx, work);
                Verdict::Done { native: false }
            }
            Attempt::Invalid(reason) => {
                work.outcome = Some(Outcome::Rejected(Rejected::Invalid(reason)));
                self.publish(tx, work);
                Verdict::Done { native: false }
            }
            Attempt::Wait => Verdict::Wait,
            Attempt::Head => Verdict::Head,
            Attempt::Base(error) => Verdict::Base(error),
            Attempt::Evm(message) => Verdict::Evm(message),
        }
    }

    fn publish(&mut self, tx: u32, work: &mut Work<V::Halt, V::Invalid>) {
        let engine = self.engine;
        let view = self.lane.db();
        let cells = engine.setting.ground.cells;
        let (seq, below) = (view.seq, engine.final_below());
        let covered = self.writes.publish(cells, seq, below, &view.grants, &mut view.seen);
        if !covered {
            engine.surprise(tx);
        }
        let loads = view.seen.accounts.len() + view.seen.slots.len();
        work.loads = u32::try_from(loads).unwrap_or(u32::MAX);
        work.misses = view.seen.uncovered();
        work.covered = work.misses == 0;
        work.spends = view.seen.spends();
        work.rewards.clone_from(&view.seen.rewards);
    }
}
