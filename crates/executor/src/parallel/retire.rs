//! Retirement: transactions become final one after the other.

use std::sync::atomic::Ordering::Relaxed;

use alloy_primitives::{KECCAK256_EMPTY, U256};
use lockstep_locks::{AccessSet, TxIndex};
use revm::{DatabaseRef, context::Transaction, state::Account};
use smallvec::SmallVec;

use super::{
    board::{State, Work},
    cells::Seq,
    engine::{Engine, Outcomes, Setting},
    reads::{AccountRead, BalanceSeen, Footprint, HUGE, NonceSeen, Written},
    view::{Hashing, Stand},
    worker::{Verdict, Worker},
};
use crate::{
    ExecutorError, Limits, Mode, Outcome, Rejected, Run, RunKind, Stats, Vm, list::List, predict::Seen,
    serial::Record, sync::Ordering,
};

/// Retired transactions over which wasted work is counted.
const SPELL: u32 = 64;
/// Executions thrown away in a spell after which threads cost more than they give.
const MAX_WASTED: u32 = 24;

/// Accounts and slots loaded by one transaction from which its memory is not kept for the next batch.
const OUTSIZE: u32 = 4096;

/// What has become final.
pub(crate) struct Retired<V: Vm> {
    /// The next transaction to retire.
    pub(crate) head: u32,
    /// Of this batch, behind those that came before it.
    pub(crate) outcomes: Outcomes<V>,
    pub(crate) limits: Limits,
    /// What the fee accounts have received, modulo 2^256.
    pub(crate) fees: SmallVec<[U256; 4]>,
    pub(crate) stats: Stats,
    pub(crate) access: Option<Vec<AccessSet>>,
    pub(crate) list: Option<List>,
    pub(crate) runs: Vec<Run>,
    pub(crate) conflicts: Vec<(TxIndex, TxIndex)>,
    pub(crate) error: Option<ExecutorError>,
    /// A transaction loaded so much that its memory is not to be kept.
    pub(crate) is_outsize: bool,
    wasted: u32,
    spell: u32,
    /// When somebody last asked for time to learn.
    looked_ns: u64,
    seen: Seen,
}

impl<V: Vm> Retired<V> {
    pub(crate) fn new(limits: Limits, fees: SmallVec<[U256; 4]>, record: &Record) -> Self {
        Self {
            head: 0,
            outcomes: Vec::new(),
            limits,
            fees,
            stats: Stats::default(),
            access: record.access.is_some().then(Vec::new),
            list: record.list.as_ref().map(List::next),
            runs: Vec::new(),
            conflicts: Vec::new(),
            error: None,
            is_outsize: false,
            wasted: 0,
            spell: 0,
            looked_ns: record.now_ns(),
            seen: Seen::default(),
        }
    }

    /// Why a transaction does not fit the block, if it does not.
    fn misfit<I>(&self, gas_limit: u64, footprint: u64) -> Option<Rejected<I>> {
        let Limits { gas, footprint: room } = self.limits;
        if gas_limit > gas {
            return Some(Rejected::Gas { limit: gas_limit, left: gas });
        }
        (footprint > room).then_some(Rejected::Footprint { footprint, left: room })
    }
}

impl<V: Vm, D: DatabaseRef<Error: Send + Sync + 'static> + Sync> Engine<'_, V, D> {
    /// Retires what can be; false if somebody else does, or nothing can.
    pub(crate) fn retire(&self, worker: &mut Worker<'_, '_, V, D>) -> bool {
        let Some(mut retired) = self.retired.try_lock() else { return false };
        let mut did = false;
        while !self.board.is_stopped() {
            let tx = retired.head;
            if tx == self.end.load(Ordering::Acquire) {
                self.board.stop();
                return true;
            }
            if tx >= self.board.ticketed.load(Ordering::Acquire) {
                break;
            }
            let entry = self.board.entry(tx);
            let result = match entry.state() {
                State::Executed => self.settle(&mut retired, worker, tx),
                State::Head => self.execute_at_head(&mut retired, worker, tx, false),
                State::Ready if entry.advance(State::Ready, State::Running) => {
                    self.execute_at_head(&mut retired, worker, tx, false)
                }
                _ => break,
            };
            if let Err(error) = result {
                retired.error = Some(error);
                self.board.stop();
                return true;
            }
            did = true;
        }
        did
    }

    /// Retires an executed transaction, again at its turn if it read something old.
    fn settle(
        &self,
        retired: &mut Retired<V>,
        worker: &mut Worker<'_, '_, V, D>,
        tx: u32,
    ) -> Result<(), ExecutorError> {
        let stands = {
            let work = self.board.entry(tx).work.lock();
            let misfit = retired.misfit::<V::Invalid>(self.gas_limit(tx), work.footprint).is_some();
            let certain = work.covered && !self.is_surprised(tx);
            let seq = self.seq(tx);
            let same = worker.caught(|_| {
                if certain {
                    if work.spends { self.is_solvent(seq, &work.seen, &retired.fees) } else { Ok(true) }
                } else {
                    self.is_unchanged(seq, &work.seen, &retired.fees)
                }
            });
            self.panics.fetch_add(same.is_err().into(), Relaxed);
            // What fails here may be of no concern to the transaction at its turn.
            // Beyond this, revm may leave a fee unpaid, which is known only at the turn.
            let modest = self.setting.is_modest(&retired.fees);
            !misfit && modest && matches!(same, Ok(Ok(true)))
        };
        if stands {
            return self.conclude(retired, tx);
        }
        self.withdraw(tx);
        {
            let mut work = self.board.entry(tx).work.lock();
            work.stale = true;
            retired.stats.misses += if work.asks { u64::from(work.misses) } else { 0 };
        }
        retired.stats.stale += 1;
        retired.wasted += 1;
        self.execute_at_head(retired, worker, tx, true)
    }

    /// Takes back what `tx` made visible, and warns everybody who may have seen it.
    fn withdraw(&self, tx: u32) {
        let work = self.board.entry(tx).work.lock();
        let cells = self.setting.ground.cells;
        let seq = self.seq(tx);
        for written in &work.seen.writes {
            match *written {
                Written::Account { cell, .. } => cells.account(cell).withdraw(seq),
                Written::Slot { cell, .. } => cells.slot(cell).withdraw(seq),
            }
        }
        self.surprise(tx);
    }

    /// Executes a transaction when everything older is final.
    fn execute_at_head(
        &self,
        retired: &mut Retired<V>,
        worker: &mut Worker<'_, '_, V, D>,
        tx: u32,
        again: bool,
    ) -> Result<(), ExecutorError> {
        let entry = self.board.entry(tx);
        let start_ns = self.setting.options.record_schedule.then(|| self.now_ns());
        let footprint = self.setting.vm.footprint(&self.setting.txs[tx as usize]);
        if let Some(misfit) = retired.misfit(self.gas_limit(tx), footprint) {
            let mut work = entry.work.lock();
            work.seen.clear();
            work.rewards.clear();
            (work.loads, work.misses) = (0, 0);
            work.outcome = Some(Outcome::Rejected(misfit));
        } else {
            let mut tries = 2;
            loop {
                tries -= 1;
                let fees = retired.fees.clone();
                let verdict = worker.caught(|worker| {
                    let mut work = entry.work.lock();
                    worker.execute(tx, &mut work, Stand::Head(fees))
                });
                match verdict {
                    Ok(Verdict::Done { .. }) => break,
                    Ok(Verdict::Base(error)) => return Err(ExecutorError::database(error)),
                    Ok(Verdict::Evm(message)) => return Err(ExecutorError::Evm(message)),
                    Ok(Verdict::Wait | Verdict::Head) => {
                        return Err(ExecutorError::Evm("a transaction waits at its turn".to_owned()));
                    }
                    Err(_) if tries > 0 => {
                        self.panics.fetch_add(1, Relaxed);
                        entry.work.lock().grants.clear(); // they were lost with the EVM
                    }
                    Err(message) => return Err(ExecutorError::Panicked { tx: TxIndex(tx), message }),
                }
            }
        }
        retired.stats.at_head += 1;
        let ready = if again { Default::default() } else { self.board.finish(tx) };
        self.conclude(retired, tx)?;
        worker.dispatch(&ready);
        worker.note(tx, start_ns, if again { RunKind::Stale } else { RunKind::Head });
        Ok(())
    }

    /// The result of `tx` is final.
    fn conclude(&self, retired: &mut Retired<V>, tx: u32) -> Result<(), ExecutorError> {
        let entry = self.board.entry(tx);
        let mut work = entry.work.lock();
        self.list(retired, tx, &mut work).map_err(ExecutorError::database)?;
        for (sum, reward) in retired.fees.iter_mut().zip(&work.rewards) {
            *sum = sum.wrapping_add(*reward);
        }
        let outcome = work.outcome.take().expect("an executed transaction has an outcome");
        if let Outcome::Included(result) = &outcome {
            retired.limits.gas = retired.limits.gas.saturating_sub(result.tx_gas_used());
            retired.limits.footprint = retired.limits.footprint.saturating_sub(work.footprint);
        }
        self.count(retired, tx, &work);
        retired.outcomes.push(outcome);
        drop(work);
        self.gas_left.store(retired.limits.gas, Relaxed);
        self.retired_gas.fetch_add(self.gas_limit(tx), Relaxed);
        retired.head += 1;
        self.board.set_head(retired.head);
        self.end_spell(retired);
        Ok(())
    }

    /// Adds `tx`, which is about to be concluded, to the block access list.
    fn list(
        &self,
        retired: &mut Retired<V>,
        tx: u32,
        work: &mut Work<V::Halt, V::Invalid>,
    ) -> Result<(), D::Error> {
        let (Some(list), Some(Outcome::Included(_))) = (&mut retired.list, &work.outcome) else {
            return Ok(());
        };
        list.include();
        let fee_accounts = self.setting.vm.fee_accounts();
        let mut state = std::mem::take(&mut work.state);
        if work.native {
            let parties = work.seen.accounts.iter().map(|read| &read.address);
            state.clear();
            state.extend(parties.chain(fee_accounts).map(|address| (*address, Account::default())));
        }
        let Setting { ground, .. } = self.setting;
        let seq = self.seq(tx);
        for (address, mut account) in state {
            // A sum that many add to was not known when the transaction ran, and what it did not look at may be old.
            let cell = ground.cells.account_id(&address);
            let mut before = ground.bare_account(cell, seq)?.unwrap_or_default();
            let mut after = ground.bare_account(cell, seq + 1)?.unwrap_or_default();
            if let Some(fee) = fee_accounts.iter().position(|known| *known == address) {
                let reward = work.rewards.get(fee).copied().unwrap_or_default();
                before.balance = before.balance.wrapping_add(retired.fees[fee]);
                after.balance = after.balance.wrapping_add(retired.fees[fee]).wrapping_add(reward);
            }
            after.code = account.info.code.take();
            (*account.original_info, account.info) = (before, after);
            list.touched(address, &account);
        }
        Ok(())
    }

    fn count(&self, retired: &mut Retired<V>, tx: u32, work: &Work<V::Halt, V::Invalid>) {
        retired.is_outsize |= work.loads > OUTSIZE;
        let stats = &mut retired.stats;
        stats.transactions += 1;
        stats.native += u64::from(work.native);
        stats.predicted += u64::from(work.predicted);
        stats.waits += u64::from(work.waits);
        stats.executions += u64::from(work.attempts);
        if work.asks {
            stats.misses += u64::from(work.misses);
            stats.hits += u64::from(work.loads - work.misses);
        }
        if self.setting.options.mode == Mode::Locks {
            let env = &self.setting.txs[tx as usize];
            if work.stale || work.waits > 0 {
                self.setting.predictor.met(env);
            } else if work.asks {
                self.setting.predictor.avoided(env);
            }
            let escaped = work.asks && !work.covered;
            stats.escapes += u64::from(escaped);
            if (work.hashing == Hashing::Record || escaped || work.waits > 0) && self.may_learn(retired) {
                self.learn(retired, tx, work);
            }
        }
        if let Some(access) = &mut retired.access {
            access.push(work.seen.access_set());
        }
    }

    /// Whether there is time for a lesson.
    fn may_learn(&self, retired: &mut Retired<V>) -> bool {
        let now_ns = self.now_ns();
        let passed_ns = now_ns.saturating_sub(std::mem::replace(&mut retired.looked_ns, now_ns));
        self.setting.predictor.may_learn_after(passed_ns)
    }

    fn learn(&self, retired: &mut Retired<V>, tx: u32, work: &Work<V::Halt, V::Invalid>) {
        let env = &self.setting.txs[tx as usize];
        let callee = env.kind().into_to();
        let read = callee.and_then(|to| work.seen.accounts.iter().find(|read| read.address == to));
        let code_hash = read.map_or(KECCAK256_EMPTY, |read| read.code_hash);
        let seen = &mut retired.seen;
        seen.clear();
        work.seen.keys(|key, mode| seen.set.add(key, mode));
        seen.preimages.clone_from(&work.seen.preimages);
        work.seen.unwritten(|address, slot, value| seen.loads.push((address, slot, value)));
        seen.wasted = work.attempts > 1;
        self.setting.predictor.learn(env, code_hash, seen);
    }

    /// Gives up on threads where much work was wasted: the rest of the batch goes to one.
    fn end_spell(&self, retired: &mut Retired<V>) {
        retired.spell += 1;
        if retired.spell < SPELL {
            return;
        }
        let options = self.setting.options;
        let futile = options.adaptive && options.mode == Mode::Locks && retired.wasted > MAX_WASTED;
        if futile && !self.close() {
            return; // the next one asks again
        }
        retired.spell = 0;
        retired.wasted = 0;
    }

    fn gas_limit(&self, tx: u32) -> u64 {
        self.setting.txs[tx as usize].gas_limit()
    }

    /// Whether contracts still have what they paid out: their debits commute, so locks do not order them.
    fn is_solvent(&self, seq: Seq, seen: &Footprint, fees: &[U256]) -> Result<bool, D::Error> {
        for read in seen.accounts.iter().filter(|read| read.has_code) {
            if let BalanceSeen::AtLeast(least) = read.balance_seen
                && !least.is_zero()
                && self.true_balance(seq, read, fees)? < least
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn true_balance(&self, seq: Seq, read: &AccountRead, fees: &[U256]) -> Result<U256, D::Error> {
        let account = self.setting.ground.bare_account(read.cell, seq)?;
        let balance = account.map_or(U256::ZERO, |info| info.balance);
        Ok(read.fee.map_or(balance, |fee| balance.wrapping_add(fees[usize::from(fee)])))
    }

    /// Whether everything that an execution observed is so, now that everything older is final.
    fn is_unchanged(&self, seq: Seq, seen: &Footprint, fees: &[U256]) -> Result<bool, D::Error> {
        let ground = self.setting.ground;
        for read in seen.accounts.iter().filter(|read| !read.passive) {
            let now = ground.bare_account(read.cell, seq)?;
            let exists = now.is_some();
            let now = now.unwrap_or_default();
            let balance =
                read.fee.map_or(now.balance, |fee| now.balance.wrapping_add(fees[usize::from(fee)]));
            let nonce_same = match read.nonce_seen {
                NonceSeen::No => true,
                NonceSeen::Used => now.nonce > 0,
                NonceSeen::Exactly => {
                    now.nonce == read.nonce && (exists == read.exists || read.fee.is_some())
                }
            };
            let balance_same = match read.balance_seen {
                // A credit to more than this may overflow.
                BalanceSeen::No => balance < HUGE,
                BalanceSeen::AtLeast(least) => (least..HUGE).contains(&balance),
                BalanceSeen::Exactly => balance == read.balance,
            };
            // What is touched ends if it is empty then.
            let ends_same = exists == read.exists && now.is_empty() == read.is_empty();
            let rest_same = now.code_hash == read.code_hash && (!read.left_empty || ends_same);
            if !rest_same || !nonce_same || !balance_same {
                return Ok(false);
            }
        }
        for read in &seen.slots {
            if ground.slot(read.cell, seq)? != read.value {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
