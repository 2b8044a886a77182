//! A batch of transactions on several threads: tickets, execution, retirement.
//!
//! Every worker does everything. Taking tickets and retiring are roles that one worker at a time plays, when nobody
//! else does and there is something to do.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Instant,
};

use alloy_primitives::U256;
use lockstep_locks::{AccessSet, TxIndex};
use revm::{DatabaseRef, context::Transaction};
use smallvec::SmallVec;

use super::{
    attempt::looks_plain,
    board::{Batch, Board, State},
    cells::Seq,
    ground::Ground,
    reads::HUGE,
    retire::Retired,
    spare::Spare,
    tickets::{Holders, Lock, Tables},
    view::{Hashing, View},
    worker::Worker,
};
use crate::{
    ExecutorError, Limits, Mode, Options, Run, Vm,
    fault::caught,
    predict::{Confidence, Prediction, Predictor},
    serial::{OutcomeOf, Record},
    sync::{AtomicU32, Mutex, Ordering},
};

/// Transactions that get their tickets at once: as many as a [`Batch`] holds.
const CHUNK: u32 = 64;
/// Transactions that are prepared at once.
const PREPARED: u32 = 16;
/// Estimated work: a plain transfer is 1, a call such as a token transfer 16, a call with much gas 64.
const CALL: u64 = 16;
const LARGE_CALL: u64 = 64;
/// Gas limit from which a call counts as large.
const LARGE_GAS: u64 = 200_000;
/// Work of one dispatch.
const DISPATCH: u64 = 64;
/// Transactions among which a few calls are looked for.
const LOOKED_AT: usize = 1024;
/// Transactions that are looked at before threads are woken.
const SURVEY: u32 = 128;
/// Parallelism below which threads are not worth waking, in percent.
const WORTH_PERCENT: u64 = 150;

/// What an engine runs on and with.
pub(crate) struct Setting<'e, V: Vm, D> {
    pub(crate) vm: &'e V,
    pub(crate) ground: Ground<'e, D>,
    pub(crate) options: &'e Options,
    pub(crate) predictor: &'e Predictor,
    pub(crate) txs: &'e [V::Tx],
    pub(crate) recorded: &'e [AccessSet],
    /// Sequence number of the first transaction.
    pub(crate) first: Seq,
    /// What the fee accounts have, without what they have received since.
    pub(crate) fee_balances: SmallVec<[U256; 4]>,
}

impl<V: Vm, D> Setting<'_, V, D> {
    /// Whether no fee can leave 256 bits, if the fee accounts have received `sums`: beyond, revm leaves fees unpaid.
    pub(crate) fn is_modest(&self, sums: &[U256]) -> bool {
        let mut balances = self.fee_balances.iter().zip(sums);
        balances.all(|(balance, sum)| *balance < HUGE && balance.wrapping_add(*sum) < HUGE)
    }
}

/// What is known when tickets are taken.
#[derive(Default)]
pub(crate) struct Tickets {
    tables: Tables,
    waits: Vec<TxIndex>,
    /// Longest chain of work that ends at each transaction of the survey.
    depths: Vec<u64>,
    conflicts: Vec<(TxIndex, TxIndex)>,
}

/// One batch on its way.
pub(crate) struct Engine<'e, V: Vm, D> {
    pub(crate) setting: Setting<'e, V, D>,
    pub(crate) board: Board<V::Halt, V::Invalid>,
    tickets: Mutex<Tickets>,
    pub(crate) retired: Mutex<Retired<V>>,
    /// The oldest transaction that wrote something without a lock, or wrote something else at its turn: whoever is
    /// younger must be compared with the true state.
    surprise: AtomicU32,
    /// Tickets are taken up to here.
    pub(crate) end: AtomicU32,
    /// Gas left after what has retired.
    pub(crate) gas_left: AtomicU64,
    /// Sum of gas limits of all that have retired; of all that have tickets.
    pub(crate) retired_gas: AtomicU64,
    ticketed_gas: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) start: Instant,
    pub(crate) runs: Mutex<Vec<Run>>,
}

impl<'e, V: Vm, D: DatabaseRef<Error: Send + Sync + 'static> + Sync> Engine<'e, V, D> {
    pub(crate) fn new(
        setting: Setting<'e, V, D>,
        spare: &Spare,
        limits: Limits,
        fees: SmallVec<[U256; 4]>,
        record: &Record,
    ) -> Self {
        let count = u32::try_from(setting.txs.len()).expect("a batch has fewer than 2^32 transactions");
        let surprise = if setting.options.mode == Mode::Optimistic { 0 } else { u32::MAX };
        Self {
            board: spare.board(setting.options.window()),
            tickets: Mutex::new(Tickets { tables: spare.tables(), ..Tickets::default() }),
            retired: Mutex::new(Retired::new(limits, fees, record)),
            surprise: AtomicU32::new(surprise),
            end: AtomicU32::new(count),
            gas_left: AtomicU64::new(limits.gas),
            retired_gas: AtomicU64::new(0),
            ticketed_gas: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            start: record.start,
            runs: Mutex::default(),
            setting,
        }
    }

    /// Whether several threads have something to win: looks at the first transactions, and keeps their tickets.
    pub(crate) fn is_worth_it(&self) -> bool {
        let plain = |tx: &V::Tx| self.setting.options.native_transfers && looks_plain(tx);
        let calls = self.setting.txs.iter().take(LOOKED_AT).filter(|tx| !plain(tx)).take(4).count();
        // A plain transfer costs less than its locks.
        if calls < 4 {
            return false;
        }
        if self.setting.options.mode == Mode::Optimistic {
            return true;
        }
        while self.board.ticketed.load(Ordering::Relaxed) < SURVEY.min(self.end.load(Ordering::Relaxed)) {
            if !self.take_tickets() && !self.prepare(&mut AccessSet::default()) {
                break;
            }
        }
        let tickets = self.tickets.lock();
        let total: u64 = self.setting.txs.iter().take(tickets.depths.len()).map(|tx| self.weight(tx)).sum();
        let longest = tickets.depths.iter().copied().max().unwrap_or_default();
        total * 100 >= longest * WORTH_PERCENT
    }

    /// Gives memory back, nothing having been executed; and how often the database panicked.
    pub(crate) fn abandon(self, spare: &Spare) -> u64 {
        spare.keep_tables(self.tickets.into_inner().tables);
        spare.keep_board(self.board);
        self.panics.into_inner()
    }

    /// Executes the batch, or what can be executed well: appends to `outcomes` one for each transaction up to where
    /// threads ceased to be of use.
    pub(crate) fn run(
        mut self,
        pool: Option<&rayon::ThreadPool>,
        spare: &Spare,
        outcomes: Outcomes<V>,
    ) -> Result<Retired<V>, ExecutorError> {
        self.retired.get_mut().outcomes = outcomes;
        let threads = self.setting.options.threads;
        match pool {
            Some(pool) if threads > 1 => pool.in_place_scope(|scope| {
                let engine = &self;
                for id in 1..threads {
                    scope.spawn(move |_| Worker::new(engine, id).work());
                }
                Worker::new(engine, 0).work();
            }),
            _ => Worker::new(&self, 0).work(),
        }
        let Tickets { tables, conflicts, .. } = std::mem::take(self.tickets.get_mut());
        spare.keep_tables(tables);
        let runs = std::mem::take(self.runs.get_mut());
        let panics = self.panics.load(Relaxed);
        let mut retired = self.retired.into_inner();
        if let Some(error) = retired.error.take() {
            return Err(error);
        }
        if !retired.is_outsize {
            spare.keep_board(self.board);
        }
        retired.stats.panics += panics;
        retired.runs = runs;
        retired.conflicts = conflicts;
        Ok(retired)
    }

    pub(crate) fn seq(&self, tx: u32) -> Seq {
        self.setting.first + tx
    }

    /// Everybody below is final.
    pub(crate) fn final_below(&self) -> Seq {
        self.seq(self.board.head())
    }

    pub(crate) fn lane(&self) -> V::Lane<View<'_, D>> {
        let holders: Option<&dyn Holders> =
            (self.setting.options.mode == Mode::Locks).then_some(self as &dyn Holders);
        let view =
            View::new(self.setting.ground, self.setting.vm.fee_accounts(), holders, self.setting.predictor);
        self.setting.vm.watched_lane(view)
    }

    /// `tx` did something that locks did not announce.
    pub(crate) fn surprise(&self, tx: u32) {
        self.surprise.fetch_min(tx, Ordering::AcqRel);
    }

    /// Whether something older than `tx` did what locks did not announce.
    pub(crate) fn is_surprised(&self, tx: u32) -> bool {
        self.surprise.load(Ordering::Acquire) < tx
    }

    fn weight(&self, tx: &V::Tx) -> u64 {
        if looks_plain(tx) && self.setting.options.native_transfers {
            1
        } else if tx.gas_limit() < LARGE_GAS {
            CALL
        } else {
            LARGE_CALL
        }
    }

    /// Predicts what some of the next transactions will touch and finds the cells; false if there are none, or no room.
    pub(crate) fn prepare(&self, set: &mut AccessSet) -> bool {
        let end = self.end.load(Ordering::Acquire).min(self.board.room_until());
        let first = self.board.claimed.load(Ordering::Acquire);
        let last = (first + PREPARED).min(end);
        let claim = || self.board.claimed.compare_exchange(first, last, Ordering::AcqRel, Ordering::Relaxed);
        if first >= last || claim().is_err() {
            return false;
        }
        for tx in first..last {
            self.prepare_one(tx, set);
        }
        true
    }

    fn prepare_one(&self, tx: u32, set: &mut AccessSet) {
        let setting = &self.setting;
        let env = &setting.txs[tx as usize];
        let entry = self.board.entry(tx);
        let mut work = entry.work.lock();
        work.grants.clear();
        work.outcome = None;
        work.waits = 0;
        work.attempts = 0;
        work.stale = false;
        work.hashing = Hashing::Plain;
        work.predicted = false;
        work.head_only = setting.vm.fee_accounts().contains(&env.caller());
        work.asks = false;
        if setting.options.mode == Mode::Locks {
            set.clear();
            let recorded = setting.recorded.get(tx as usize);
            let prediction = setting.predictor.predict(env, || self.code_hash_of_callee(env), recorded, set);
            work.hashing = match prediction {
                Prediction { learn: true, .. } => Hashing::Record,
                Prediction { confidence: Confidence::Exact | Confidence::Careless, .. } => Hashing::Plain,
                _ => Hashing::Recall,
            };
            work.asks = prediction.confidence != Confidence::Careless;
            work.predicted = work.asks && !set.is_empty();
            work.head_only |= prediction.confidence == Confidence::Hopeless;
            work.grants.fill(set, setting.ground.cells);
        }
        drop(work);
        entry.set(State::Prepared);
    }

    /// Gives the next transactions their tickets; false if somebody else does, or there is none that is prepared.
    pub(crate) fn take_tickets(&self) -> bool {
        let Some(mut tickets) = self.tickets.try_lock() else { return false };
        let first = self.board.ticketed.load(Ordering::Acquire);
        let last = (first + CHUNK)
            .min(self.board.claimed.load(Ordering::Acquire))
            .min(self.end.load(Ordering::Acquire));
        let mut batch = Batch { first, members: 0 };
        let mut work = 0;
        let mut did = false;
        for tx in first..last {
            if self.board.entry(tx).state() != State::Prepared {
                break;
            }
            did = true;
            let ready = self.ticket(&mut tickets, tx);
            self.board.ticketed.store(tx + 1, Ordering::Release);
            if ready {
                batch.members |= 1 << (tx - first);
                work += self.weight(&self.setting.txs[tx as usize]);
            }
            if work >= DISPATCH {
                self.board.offer(std::mem::replace(&mut batch, Batch { first, members: 0 }));
                work = 0;
            }
        }
        if batch.members != 0 {
            self.board.offer(batch);
        }
        did
    }

    /// Gives `tx` its ticket; true if it may run at once.
    fn ticket(&self, tickets: &mut Tickets, tx: u32) -> bool {
        let Tickets { tables, waits, depths, conflicts } = tickets;
        let setting = &self.setting;
        let env = &setting.txs[tx as usize];
        let entry = self.board.entry(tx);
        waits.clear();
        entry.gate.arm();
        let mut head_only = {
            let work = entry.work.lock();
            if setting.options.mode == Mode::Locks {
                tables.ticket(TxIndex(tx), &work.grants, TxIndex(self.board.head()), waits);
            }
            work.head_only
        };
        let ticketed = self.ticketed_gas.fetch_add(env.gas_limit(), Relaxed) + env.gas_limit();
        // Whether it fits is certain only at its turn, unless everything under way fits.
        head_only |= ticketed.saturating_sub(self.retired_gas.load(Relaxed)) > self.gas_left.load(Relaxed);

        if depths.len() < SURVEY as usize && depths.len() == tx as usize {
            let waited = waits.iter().filter_map(|older| depths.get(older.0 as usize)).max();
            // Its turn comes after everything older.
            let before = if head_only { depths.iter().max() } else { waited };
            depths.push(before.copied().unwrap_or_default() + self.weight(env));
        }
        if setting.options.record_schedule {
            conflicts.extend(waits.iter().map(|older| (*older, TxIndex(tx))));
        }
        if head_only {
            entry.set(State::Head);
            return false;
        }
        self.board.wait_for(tx, waits)
    }

    fn code_hash_of_callee(&self, tx: &V::Tx) -> Option<alloy_primitives::B256> {
        let to = tx.kind().into_to()?;
        let ground = self.setting.ground;
        let cell = ground.cells.account_id(&to);
        if tx.input().is_empty() && ground.cells.account(cell).known_base().is_none() {
            // Most who receive without calldata have no code; to look would be the ticket taker's time.
            return Some(revm::primitives::KECCAK_EMPTY);
        }
        // Whatever is wrong with the state shows when the transaction runs.
        let account = caught(|| ground.account(cell, self.final_below()));
        self.panics.fetch_add(account.is_err().into(), Relaxed);
        let account = account.ok()?.ok()?;
        Some(account.map_or(revm::primitives::KECCAK_EMPTY, |info| info.code_hash))
    }

    /// Takes no more tickets; false if somebody is taking some.
    pub(crate) fn close(&self) -> bool {
        let Some(_tickets) = self.tickets.try_lock() else { return false };
        self.end.fetch_min(self.board.ticketed.load(Ordering::Acquire), Ordering::AcqRel);
        true
    }

    /// Makes `tx` wait for those in `waits`; true if they are all done by now. Tickets stand still meanwhile, so that
    /// no place on the board changes hands.
    pub(crate) fn wait_again(&self, tx: u32, waits: &[TxIndex]) -> bool {
        let _tickets = self.tickets.lock();
        self.board.wait_for(tx, waits)
    }

    pub(crate) fn now_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl<V: Vm, D: DatabaseRef<Error: Send + Sync + 'static> + Sync> Holders for Engine<'_, V, D> {
    fn escape(&self, seq: Seq, lock: Lock, waits: &mut Vec<TxIndex>) -> bool {
        let Some(mut tickets) = self.tickets.try_lock() else { return false };
        let done = self.board.head();
        tickets.tables.escape(TxIndex(seq - self.setting.first), lock, TxIndex(done), waits);
        waits.retain(|older| older.0 >= done && !self.board.entry(older.0).gate.is_finished());
        true
    }
}

/// What a batch of `V` gives, per transaction.
pub(crate) type Outcomes<V> = Vec<OutcomeOf<V>>;
