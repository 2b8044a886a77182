//! A block while it is made.

use std::{fmt, time::Instant};

use alloy_primitives::{Address, U256};
use lockstep_locks::AccessSet;
use revm::{Database, DatabaseRef, primitives::hardfork::SpecId, state::AccountInfo};

use crate::{
    Changes, Executor, ExecutorError, Limits, Mode, Output, Vm,
    flat::{Base, Flat},
    governor::{Load, Ran, Spell},
    list::List,
    parallel::{Batch, Cellular},
    serial::{self, OutcomeOf, Record},
};

/// Transactions that one thread executes after several refused.
const REFUSED: usize = 256;

/// A block while it is made: batches of transactions in, outcomes out.
///
/// The outcome of a transaction is final when [`Self::run`] returns; nothing that comes after changes it. After an
/// error the block must be dropped.
pub struct Block<'a, V: Vm, D> {
    executor: &'a Executor,
    vm: &'a V,
    db: &'a D,
    limits: Limits,
    state: State<'a, D>,
    record: Record,
}

/// Where the state of the block is.
#[allow(clippy::large_enum_variant, reason = "there is one per block, and it stays where it is")]
enum State<'a, D> {
    /// No threads were of use so far.
    Flat(Flat<&'a D>),
    Cells(Box<Cellular>),
}

impl<'a, V: Vm, D: DatabaseRef<Error: Send + Sync + 'static> + Sync> Block<'a, V, D> {
    pub(crate) fn new(executor: &'a Executor, vm: &'a V, db: &'a D, limits: Limits) -> Self {
        let record = Record::new(executor.options());
        Self { executor, vm, db, limits, state: State::Flat(Flat::new(db, executor.spare())), record }
    }

    /// Takes over what precedes the transactions and was executed elsewhere: system calls, deposits. `before` must
    /// have been made on the state as this block shows it now.
    pub fn apply(&mut self, before: Changes) {
        match &mut self.state {
            State::Flat(flat) => flat.apply(before),
            State::Cells(cells) => cells.apply(before),
        }
    }

    /// Room that is left.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Runs transactions behind those that ran before, and gives their outcomes in order.
    ///
    /// `recorded` is empty, or holds for every transaction what it is known or believed to touch. Wrong sets cost
    /// time and change no outcome.
    ///
    /// # Errors
    /// If the database fails, the EVM fails where it must not, or a transaction makes it panic twice.
    pub fn run(&mut self, txs: &[V::Tx], recorded: &[AccessSet]) -> Result<Vec<OutcomeOf<V>>, ExecutorError> {
        let mut outcomes = Vec::with_capacity(txs.len());
        let governor = self.is_governed().then(|| (self.executor.governor(), Load::of(txs)));
        let mut refused = false;
        while outcomes.len() < txs.len() {
            let done = outcomes.len();
            let rest = &txs[done..];
            let spell = match governor {
                _ if !self.may_be_parallel() => Spell::Serial(rest.len()),
                _ if refused => Spell::Serial(rest.len().min(REFUSED)),
                Some((governor, load)) => {
                    governor.next(load, rest.len(), matches!(self.state, State::Flat(_)))
                }
                None => Spell::Parallel(rest.len()),
            };
            let (start, gas) = (Instant::now(), self.limits.gas);
            match spell {
                Spell::Serial(count) => self.run_serially(&rest[..count], &mut outcomes)?,
                Spell::Parallel(count) => {
                    let recorded = recorded.get(done..).unwrap_or_default();
                    self.run_in_parallel(&rest[..count], recorded, &mut outcomes)?;
                }
            }
            let ran = outcomes.len() - done;
            if let Some((governor, load)) = governor {
                let gas = gas - self.limits.gas;
                governor.ended(load, spell, &Ran { transactions: ran, gas, took: start.elapsed() });
            }
            refused = ran == 0;
        }
        Ok(outcomes)
    }

    /// What is different so far. Costs time for everything that the block has touched.
    #[must_use]
    pub fn changes(&mut self) -> Changes {
        match &mut self.state {
            State::Flat(flat) => flat.changes(),
            State::Cells(cells) => {
                cells.settle_fees(self.vm.fee_accounts());
                cells.changes()
            }
        }
    }

    /// An account as the next transaction would find it.
    ///
    /// # Errors
    /// If the database fails.
    pub fn account(&mut self, address: Address) -> Result<Option<AccountInfo>, D::Error> {
        match &mut self.state {
            State::Flat(flat) => flat.basic(address),
            State::Cells(cells) => {
                cells.settle_fees(self.vm.fee_accounts());
                cells.state(self.db).account(address)
            }
        }
    }

    /// A storage slot as the next transaction would find it.
    ///
    /// # Errors
    /// If the database fails.
    pub fn storage(&mut self, address: Address, slot: U256) -> Result<U256, D::Error> {
        match &mut self.state {
            State::Flat(flat) => flat.storage(address, slot),
            State::Cells(cells) => cells.state(self.db).slot(address, slot),
        }
    }

    /// Ends the block.
    #[must_use]
    pub fn finish(mut self) -> Output {
        let total_ns = self.record.now_ns();
        let changes = match &mut self.state {
            State::Flat(flat) => flat.take_changes(),
            State::Cells(_) => self.changes(),
        };
        let Record { stats, mut schedule, access, list, .. } = self.record;
        schedule.iter_mut().for_each(|schedule| {
            schedule.total_ns = total_ns;
            schedule.runs.sort_unstable_by_key(|run| (run.start_ns, run.worker));
        });
        Output { changes, stats, schedule, access, access_list: list.map(List::into_bal) }
    }

    /// Whether the clock decides how many threads are used.
    fn is_governed(&self) -> bool {
        self.executor.options().adaptive && self.may_be_parallel()
    }

    fn may_be_parallel(&self) -> bool {
        let options = self.executor.options();
        options.mode != Mode::Sequential
            && (options.threads > 1 || !options.adaptive)
            // Before EIP-161 it matters whether an empty account exists, which no key stands for.
            && self.vm.spec().is_enabled_in(SpecId::SPURIOUS_DRAGON)
    }

    /// Runs the beginning of `txs`, as far as threads are of use.
    fn run_in_parallel(
        &mut self,
        txs: &[V::Tx],
        recorded: &[AccessSet],
        outcomes: &mut Vec<OutcomeOf<V>>,
    ) -> Result<(), ExecutorError> {
        let mut fresh = None;
        let (cells, handover) = match &mut self.state {
            State::Flat(flat) => {
                let fresh = fresh.insert(Box::new(Cellular::new(self.executor.parallel_spare())));
                (fresh, Some(flat))
            }
            State::Cells(cells) => (cells, None),
        };
        let mut batch = Batch { txs, recorded, limits: &mut self.limits, record: &mut self.record, outcomes };
        let before = || handover.map(Flat::take_changes);
        let done = cells.run(self.executor, self.vm, self.db, &mut batch, before)?;
        if done > 0
            && let Some(fresh) = fresh
        {
            self.state = State::Cells(fresh);
        }
        Ok(())
    }

    fn run_serially(&mut self, txs: &[V::Tx], outcomes: &mut Vec<OutcomeOf<V>>) -> Result<(), ExecutorError> {
        let native = self.executor.options().native_transfers;
        let (limits, record) = (&mut self.limits, &mut self.record);
        match &mut self.state {
            State::Flat(flat) => serial::run(self.vm, flat, native, limits, txs, record, outcomes),
            State::Cells(cells) => {
                cells.settle_fees(self.vm.fee_accounts());
                let mut flat = Flat::new(cells.state(self.db), self.executor.spare());
                serial::run(self.vm, &mut flat, native, limits, txs, record, outcomes)?;
                let changes = flat.take_changes();
                drop(flat);
                cells.apply(changes);
                Ok(())
            }
        }
    }
}

impl<V: Vm, D> fmt::Debug for Block<'_, V, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("limits", &self.limits)
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}
