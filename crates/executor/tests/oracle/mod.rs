//! Parallel equals sequential: the one oracle of the executor's tests and benches.
//!
//! [`plain`] is what a block must do; [`parallel_equals_sequential`] runs it in many [`Way`]s and compares outcomes,
//! changes and access sets.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, missing_docs)]

use std::{
    error::Error,
    fmt::Debug,
    sync::{Arc, Mutex},
};

use alloy_primitives::U256;
use lockstep_executor::{
    AccessSet, Changes, Executor, Key, Lane, Limits, LockMode, Mode, Options, Outcome, Output, Rejected,
    Sources, Stats, Vm,
};
use revm::{
    DatabaseCommit, DatabaseRef,
    context::{Transaction, result::EVMError},
    database::{State, states::bundle_state::BundleRetention},
};

pub type OutcomeOf<V> = Outcome<<V as Vm>::Halt, <V as Vm>::Invalid>;
pub type Outcomes<V> = Vec<OutcomeOf<V>>;

/// Every number of threads that issue 3 names.
pub const THREADS: [usize; 7] = [1, 2, 3, 4, 8, 16, 32];

/// A block to execute.
#[derive(Debug)]
pub struct Case<'a, V: Vm, D> {
    pub name: &'a str,
    pub vm: &'a V,
    pub db: &'a D,
    pub limits: Limits,
    pub txs: &'a [V::Tx],
}

/// What plain revm says of one, and what one thread says that each transaction touches.
#[derive(Debug)]
pub struct Expected<V: Vm> {
    pub outcomes: Outcomes<V>,
    pub changes: Changes,
    pub access: Vec<AccessSet>,
}

/// Outcomes and changes by plain revm, committed into revm's own `State` as `stf` does it.
///
/// # Panics
/// If revm fails for another reason than an invalid transaction.
pub fn plain<V: Vm, D: DatabaseRef<Error: Send + Sync + Debug + 'static>>(
    vm: &V,
    db: &D,
    limits: Limits,
    txs: &[V::Tx],
) -> (Outcomes<V>, Changes) {
    let mut left = limits;
    let mut state = State::builder().with_database_ref(db).with_bundle_update().build();
    let mut lane = vm.lane(&mut state);
    let outcomes = txs.iter().map(|tx| plain_one(vm, &mut lane, &mut left, tx)).collect();
    drop(lane);
    state.merge_transitions(BundleRetention::Reverts);
    (outcomes, Changes::from_bundle(&state.take_bundle()))
}

/// One transaction by plain revm, committed. Takes from `left` what it used.
///
/// # Panics
/// As [`plain`].
pub fn plain_one<V: Vm, D: revm::Database<Error: Debug> + DatabaseCommit>(
    vm: &V,
    lane: &mut V::Lane<D>,
    left: &mut Limits,
    tx: &V::Tx,
) -> OutcomeOf<V> {
    let footprint = vm.footprint(tx);
    if tx.gas_limit() > left.gas {
        return Outcome::Rejected(Rejected::Gas { limit: tx.gas_limit(), left: left.gas });
    }
    if footprint > left.footprint {
        return Outcome::Rejected(Rejected::Footprint { footprint, left: left.footprint });
    }
    match lane.run(tx.clone()) {
        Ok(ran) => {
            lane.db().commit(ran.state);
            left.gas -= ran.result.tx_gas_used();
            left.footprint -= footprint;
            Outcome::Included(ran.result)
        }
        Err(EVMError::Transaction(invalid)) => Outcome::Rejected(Rejected::Invalid(invalid)),
        Err(error) => panic!("plain revm failed: {error:?}"),
    }
}

/// What is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// What one thread recorded.
    Exact,
    /// Every second key of that.
    Partial,
    None,
    /// What another transaction touches, slots moved by one, modes exchanged.
    Wrong,
    /// By the executor's own sources, which have seen the block before in every second run.
    Learned,
}

impl Prediction {
    pub const ALL: [Self; 5] = [Self::Exact, Self::Partial, Self::None, Self::Wrong, Self::Learned];

    const fn sources(self) -> Sources {
        match self {
            Self::Learned => {
                Sources { transfers: true, access_lists: true, templates: true, recorded: false }
            }
            _ => Sources { recorded: true, ..Sources::NONE },
        }
    }

    fn of(self, exact: &[AccessSet]) -> Vec<AccessSet> {
        let swapped = |(key, mode)| match key {
            Key::Slot(address, slot) => (Key::Slot(address, slot ^ U256::ONE), mode),
            key if mode == LockMode::Shared => (key, LockMode::Delta),
            key => (key, LockMode::Shared),
        };
        let stray = |index: usize| exact[(index * 7 + 3) % exact.len()].iter().map(swapped).collect();
        match self {
            Self::Exact => exact.iter().map(|set| set.iter().collect()).collect(),
            Self::Partial => exact.iter().map(|set| set.iter().step_by(2).collect()).collect(),
            Self::None | Self::Learned => Vec::new(),
            Self::Wrong => (0..exact.len()).map(stray).collect(),
        }
    }
}

/// A way of executing a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub threads: usize,
    pub mode: Mode,
    pub prediction: Prediction,
    pub native: bool,
    pub adaptive: bool,
    /// Whether to record access sets and the schedule.
    pub record: bool,
    /// Transactions that run in a call of their own before the others.
    pub first: usize,
    /// Whether these are executed elsewhere, and their changes applied.
    pub apply: bool,
}

impl Way {
    /// Every combination of threads, predictions, modes, native transfers and adaptivity; recording now and then.
    pub fn all(threads: &[usize]) -> Vec<Self> {
        let mut ways = Vec::new();
        for prediction in Prediction::ALL {
            for &threads in threads {
                for mode in [Mode::Locks, Mode::Optimistic] {
                    for (native, adaptive) in [(true, true), (true, false), (false, true), (false, false)] {
                        let record = native != adaptive;
                        ways.push(Self {
                            threads,
                            mode,
                            prediction,
                            native,
                            adaptive,
                            record,
                            first: 0,
                            apply: false,
                        });
                    }
                }
            }
        }
        ways
    }

    fn options(&self) -> Options {
        Options {
            threads: self.threads,
            mode: self.mode,
            sources: self.prediction.sources(),
            native_transfers: self.native,
            adaptive: self.adaptive,
            record_schedule: self.record,
            record_access: self.record,
        }
    }
}

/// Executors that are kept from case to case, as a node keeps its own: threads, and what was learned. Adaptive ones are not:
/// what they have seen, they spare themselves.
static EXECUTORS: Mutex<Vec<Arc<Executor>>> = Mutex::new(Vec::new());

fn executor(options: &Options) -> Arc<Executor> {
    if options.adaptive && options.mode != Mode::Sequential {
        return Arc::new(Executor::new(options.clone()).unwrap());
    }
    let mut executors = EXECUTORS.lock().unwrap();
    if let Some(executor) = executors.iter().find(|executor| executor.options() == options) {
        return Arc::clone(executor);
    }
    let executor = Arc::new(Executor::new(options.clone()).unwrap());
    executors.push(Arc::clone(&executor));
    executor
}

impl<V: Vm, D: DatabaseRef<Error: Error + Send + Sync + 'static> + Sync> Case<'_, V, D> {
    /// By plain revm, and by one thread that records.
    ///
    /// # Panics
    /// If these two differ.
    pub fn expected(&self) -> Expected<V> {
        let (outcomes, changes) = plain(self.vm, self.db, self.limits, self.txs);
        let mut expected = Expected { outcomes, changes, access: Vec::new() };
        let options =
            Options { threads: 1, mode: Mode::Sequential, record_access: true, ..Options::default() };
        let ran = executor(&options).execute(self.vm, self.db, self.limits, self.txs);
        let (outcomes, output) = ran.unwrap();
        same(&expected, &outcomes, &output, || format!("{} by one thread", self.name));
        expected.access = output.access.unwrap();
        expected
    }

    /// Executes in one way.
    ///
    /// # Panics
    /// If the executor fails.
    pub fn run(&self, way: &Way, access: &[AccessSet]) -> (Outcomes<V>, Output) {
        let executor = executor(&way.options());
        let sets = way.prediction.of(access);
        let first = way.first.min(self.txs.len());
        let (head, tail) = self.txs.split_at(first);
        let (head_sets, tail_sets) = sets.split_at(first.min(sets.len()));
        let mut outcomes = Vec::new();
        let mut limits = self.limits;
        let mut before = None;
        if way.apply {
            let (by_plain, changes) = plain(self.vm, self.db, limits, head);
            for (outcome, tx) in by_plain.iter().zip(head) {
                if let Outcome::Included(result) = outcome {
                    limits.gas -= result.tx_gas_used();
                    limits.footprint -= self.vm.footprint(tx);
                }
            }
            outcomes = by_plain;
            before = Some(changes);
        }
        let mut block = executor.block(self.vm, self.db, limits);
        match before {
            Some(changes) => block.apply(changes),
            None => outcomes = block.run(head, head_sets).unwrap(),
        }
        outcomes.extend(block.run(tail, tail_sets).unwrap());
        (outcomes, block.finish())
    }
}

/// Compares what happened with what must happen.
///
/// # Panics
/// At the first difference.
pub fn same<V: Vm>(
    expected: &Expected<V>,
    outcomes: &[OutcomeOf<V>],
    output: &Output,
    place: impl Fn() -> String,
) {
    for (index, (found, expected)) in outcomes.iter().zip(&expected.outcomes).enumerate() {
        assert_eq!(found, expected, "transaction {index}: {}", place());
    }
    assert_eq!(outcomes.len(), expected.outcomes.len(), "number of outcomes: {}", place());
    same_changes(&output.changes, &expected.changes, &place);
}

fn same_changes(found: &Changes, expected: &Changes, place: impl Fn() -> String) {
    if found == expected {
        return;
    }
    for (address, change) in &expected.accounts {
        assert_eq!(found.accounts.get(address), Some(change), "{address}: {}", place());
    }
    for (address, change) in &found.accounts {
        assert_eq!(Some(change), expected.accounts.get(address), "{address}: {}", place());
    }
    assert_eq!(found.codes, expected.codes, "codes: {}", place());
}

/// Compares what included transactions touched. Two kinds of accounts are left out: fee accounts, since who pays them
/// does not touch them and who looks at them runs at its turn; and those that are empty before the block, which end
/// when they are touched (EIP-161).
fn same_access<V: Vm>(
    case: &Case<'_, V, impl DatabaseRef<Error: Debug>>,
    expected: &Expected<V>,
    found: &[AccessSet],
    place: impl Fn() -> String,
) {
    let first = expected.access.len() - found.len();
    let was_empty = |address| case.db.basic_ref(address).unwrap().is_some_and(|info| info.is_empty());
    let is_left_out = |key: &Key| match *key {
        Key::Balance(address) | Key::Nonce(address) | Key::Code(address) => {
            case.vm.fee_accounts().contains(&address) || was_empty(address)
        }
        Key::Slot(..) => false,
    };
    let sorted = |set: &AccessSet| {
        let mut keys: Vec<_> = set.iter().filter(|(key, _)| !is_left_out(key)).collect();
        keys.sort_unstable();
        keys
    };
    for (index, found) in found.iter().enumerate() {
        let index = first + index;
        if matches!(expected.outcomes[index], Outcome::Included(_)) {
            let expected = &expected.access[index];
            assert_eq!(sorted(found), sorted(expected), "access set of transaction {index}: {}", place());
        }
    }
}

/// Executes the block in every one of `ways`: outcomes and changes must be those of plain revm, access sets those
/// that one thread records. Gives the sum of all counts.
///
/// # Panics
/// At the first difference.
pub fn parallel_equals_sequential<V: Vm, D>(case: &Case<'_, V, D>, ways: &[Way]) -> Stats
where
    D: DatabaseRef<Error: Error + Send + Sync + 'static> + Sync,
{
    let expected = case.expected();
    let mut sum = Stats::default();
    for way in ways {
        let rounds = if way.prediction == Prediction::Learned { 2 } else { 1 };
        for round in 0..rounds {
            let place = || format!("{} round {round} {way:?}", case.name);
            let (outcomes, output) = case.run(way, &expected.access);
            same(&expected, &outcomes, &output, place);
            let first = if way.apply { way.first.min(case.txs.len()) } else { 0 };
            let stats = output.stats;
            sum += stats;
            assert_eq!(stats.transactions, (case.txs.len() - first) as u64, "{}: {stats:?}", place());
            assert_eq!(stats.panics, 0, "{}", place());
            if let Some(access) = &output.access {
                assert_eq!(access.len() + first, case.txs.len(), "number of access sets: {}", place());
                same_access(case, &expected, access, place);
            }
        }
    }
    sum
}
