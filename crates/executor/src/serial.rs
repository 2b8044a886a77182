//! One transaction after the other, on the caller's thread.

use std::{marker::PhantomData, time::Instant};

use alloy_primitives::Bytes;
use lockstep_locks::{AccessSet, TxIndex};
use revm::{
    Database,
    context::{
        Transaction,
        result::{ExecutionResult, Output as CallOutput, ResultGas, SuccessReason},
    },
    primitives::hardfork::SpecId,
    state::EvmState,
};

use crate::{
    ExecutorError, Lane, Limits, Options, Outcome, Rejected, Run, RunKind, Schedule, Stats, Transfer, Vm,
    fault::caught,
    flat::{Base, Flat},
    list::List,
    recorder::Recorder,
};

/// What becomes of a transaction in a block of `V`.
pub(crate) type OutcomeOf<V> = Outcome<<V as Vm>::Halt, <V as Vm>::Invalid>;

/// What is kept of how a block went.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) stats: Stats,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) access: Option<Vec<AccessSet>>,
    pub(crate) list: Option<List>,
    /// When the block started.
    pub(crate) start: Instant,
    /// Number of the next transaction in the block.
    pub(crate) next: TxIndex,
}

/// What a batch on several threads leaves to be kept; transactions count from its first.
#[derive(Debug, Default)]
pub(crate) struct BatchRecord {
    pub(crate) stats: Stats,
    pub(crate) access: Option<Vec<AccessSet>>,
    pub(crate) list: Option<List>,
    pub(crate) runs: Vec<Run>,
    pub(crate) conflicts: Vec<(TxIndex, TxIndex)>,
}

impl Record {
    pub(crate) fn new(options: &Options) -> Self {
        let schedule = || Schedule { threads: options.threads, ..Schedule::default() };
        Self {
            stats: Stats::default(),
            schedule: options.record_schedule.then(schedule),
            access: options.record_access.then(Vec::new),
            list: options.record_access.then(List::default),
            start: Instant::now(),
            next: TxIndex(0),
        }
    }

    /// Nanoseconds since the start of the block.
    pub(crate) fn now_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// A batch has run on several threads.
    pub(crate) fn join(&mut self, batch: BatchRecord, done: usize) {
        self.stats += batch.stats;
        let first = self.next.0;
        if let (Some(sets), Some(more)) = (&mut self.access, batch.access) {
            sets.extend(more);
        }
        if let (Some(list), Some(later)) = (&mut self.list, batch.list) {
            list.append(later);
        }
        if let Some(schedule) = &mut self.schedule {
            let of_block = |tx: TxIndex| TxIndex(first + tx.0);
            schedule.runs.extend(batch.runs.into_iter().map(|run| {
                let kind = match run.kind {
                    RunKind::Escaped(older) => RunKind::Escaped(of_block(older)),
                    kind => kind,
                };
                Run { tx: of_block(run.tx), kind, ..run }
            }));
            let conflicts = batch.conflicts.into_iter();
            schedule.conflicts.extend(conflicts.map(|(older, tx)| (of_block(older), of_block(tx))));
        }
        self.next = TxIndex(first + u32::try_from(done).expect("a block has fewer than 2^32 transactions"));
    }

    /// The next transaction has run, alone.
    fn ended(&mut self, start_ns: Option<u64>, kind: RunKind) {
        if let Some(start_ns) = start_ns {
            let end_ns = self.now_ns();
            let run = Run { tx: self.next, worker: 0, start_ns, end_ns, kind };
            self.schedule.iter_mut().for_each(|schedule| schedule.runs.push(run));
        }
        self.next = TxIndex(self.next.0 + 1);
        self.stats.transactions += 1;
        self.stats.serial += 1;
    }
}

/// A database over a [`Flat`], for an EVM to run on.
pub(crate) trait OnFlat<B: Base>: Database<Error = B::Error> {
    /// The state.
    fn flat(&mut self) -> &mut Flat<B>;

    /// A transaction is about to run.
    fn start(&mut self, _tx: &impl Transaction) {}

    /// A transaction has run, and is about to be committed.
    fn ran(&mut self, _state: &EvmState) {}

    /// What the transaction touched, if that is recorded.
    fn take_access(&mut self) -> Option<AccessSet> {
        None
    }
}

impl<B: Base> OnFlat<B> for &mut Flat<B> {
    fn flat(&mut self) -> &mut Flat<B> {
        self
    }
}

/// Runs transactions in order on `flat`, plain transfers without an EVM if `native`, and appends their outcomes.
///
/// # Errors
/// If the database or the EVM fails, or a transaction makes it panic twice; the transactions before stand.
pub(crate) fn run<V: Vm, B: Base>(
    vm: &V,
    flat: &mut Flat<B>,
    native: bool,
    limits: &mut Limits,
    txs: &[V::Tx],
    record: &mut Record,
    outcomes: &mut Vec<OutcomeOf<V>>,
) -> Result<(), ExecutorError> {
    let first = outcomes.len();
    let mut panicked = None;
    loop {
        let rest = &txs[outcomes.len() - first..];
        match caught(|| run_on(vm, flat, native, limits, rest, record, outcomes)) {
            Ok(ran) => return ran,
            Err(_) if panicked != Some(outcomes.len()) => {
                record.stats.panics += 1;
                panicked = Some(outcomes.len());
            }
            Err(message) => return Err(ExecutorError::Panicked { tx: record.next, message }),
        }
    }
}

/// Runs them on one EVM.
fn run_on<V: Vm, B: Base>(
    vm: &V,
    flat: &mut Flat<B>,
    native: bool,
    limits: &mut Limits,
    txs: &[V::Tx],
    record: &mut Record,
    outcomes: &mut Vec<OutcomeOf<V>>,
) -> Result<(), ExecutorError> {
    if record.access.is_some() {
        let lane = vm.watched_lane(Recorder::new(flat, vm.fee_accounts()));
        return Serial { vm, lane, native: false, limits, record, base: PhantomData }.run(txs, outcomes);
    }
    // Before EIP-161 a touched account comes into being even if it is empty, which only the EVM does right.
    let native = native && vm.spec().is_enabled_in(SpecId::SPURIOUS_DRAGON);
    let lane = vm.lane(flat);
    Serial { vm, lane, native, limits, record, base: PhantomData }.run(txs, outcomes)
}

struct Serial<'a, V: Vm, B: Base, D: OnFlat<B>> {
    vm: &'a V,
    lane: V::Lane<D>,
    native: bool,
    limits: &'a mut Limits,
    record: &'a mut Record,
    base: PhantomData<B>,
}

impl<V: Vm, B: Base, D: OnFlat<B>> Serial<'_, V, B, D> {
    fn run(&mut self, txs: &[V::Tx], outcomes: &mut Vec<OutcomeOf<V>>) -> Result<(), ExecutorError> {
        for tx in txs {
            let start_ns = self.record.schedule.is_some().then(|| self.record.now_ns());
            self.lane.db().start(tx);
            let (outcome, kind) = self.execute(tx)?;
            self.record.ended(start_ns, kind);
            self.record.access.iter_mut().for_each(|sets| {
                sets.push(self.lane.db().take_access().unwrap_or_default());
            });
            outcomes.push(outcome);
        }
        Ok(())
    }

    /// Room first, then what state says: the order of `stf`.
    fn execute(&mut self, tx: &V::Tx) -> Result<(OutcomeOf<V>, RunKind), ExecutorError> {
        let footprint = self.vm.footprint(tx);
        if let Some(rejected) = self.limits.reject(tx.gas_limit(), footprint) {
            return Ok((Outcome::Rejected(rejected), RunKind::Executed));
        }
        self.record.stats.executions += 1;
        let (result, kind) = match self.transfer(tx)? {
            Some(result) => (result, RunKind::Transfer),
            None => match self.lane.execute(tx.clone()) {
                Ok(result) => {
                    let (db, state) = self.lane.parts();
                    db.ran(state);
                    if let Some(list) = &mut self.record.list {
                        list.include();
                        state.iter().for_each(|(address, account)| list.touched(*address, account));
                    }
                    db.flat().commit(state);
                    (result, RunKind::Executed)
                }
                Err(error) => {
                    return match ExecutorError::unless_invalid(error) {
                        Ok(error) => Err(error),
                        Err(invalid) => {
                            Ok((Outcome::Rejected(Rejected::Invalid(invalid)), RunKind::Executed))
                        }
                    };
                }
            },
        };
        self.limits.take(result.tx_gas_used(), footprint);
        Ok((Outcome::Included(result), kind))
    }

    /// Runs `tx` without an EVM, if it is a plain transfer and nothing is in its way.
    fn transfer(&mut self, tx: &V::Tx) -> Result<Option<ExecutionResult<V::Halt>>, ExecutorError> {
        let Some(transfer) = self.native.then(|| self.vm.transfer(tx)).flatten() else { return Ok(None) };
        let flat = self.lane.db().flat();
        let done = flat.transfer(tx.caller(), &transfer, self.vm.fee_accounts());
        if !done.map_err(ExecutorError::database)? {
            return Ok(None);
        }
        self.record.stats.native += 1;
        Ok(Some(transfer_result(&transfer, self.vm.spec())))
    }
}

/// What revm says of a transaction that only moves value.
pub(crate) fn transfer_result<H>(transfer: &Transfer, spec: SpecId) -> ExecutionResult<H> {
    let gas = ResultGas::default().with_total_gas_spent(transfer.gas);
    // EIP-7623: such a transaction pays its floor, as it carries no data.
    let floor = if spec.is_enabled_in(SpecId::PRAGUE) { transfer.gas } else { 0 };
    ExecutionResult::Success {
        reason: SuccessReason::Stop,
        gas: gas.with_floor_gas(floor),
        logs: Vec::new(),
        output: CallOutput::Call(Bytes::new()),
    }
}
