//! How long a block would take on more workers than there are here.
//!
//! [`makespan`] plays the parallel engine with a clock instead of threads: measured times per transaction go in, with the
//! waits between them, and what the engine itself costs. Transactions that may run are started oldest first by whichever
//! worker is free. Tickets are taken in order by one worker at a time, results are retired in order by one at a time; both
//! keep their worker from executing, so one worker takes the sum of everything.
//!
//! What the model leaves out, so that its results are a bound from below and no promise:
//!
//! - A transaction takes as long among 64 neighbours as it took when it was measured: no contention for memory bandwidth,
//!   shared caches, the allocator or a hyperthread's other half, and no lower clock when all cores are busy.
//! - Which runs are wasted depends on timing. Of a recorded schedule, each transaction's wasted runs count as part of its
//!   cost, as often as they were measured, whatever the number of workers.
//! - Handing a transaction to another core costs the same as running it on the core that holds its data.
//! - Nothing besides the block runs on the machine.

use std::{cmp::Reverse, collections::BinaryHeap};

use lockstep_locks::{ConflictGraph, TxIndex};

use crate::Schedule;

/// Numbers of workers that reports show; the last stands for any number.
pub const WORKERS: [usize; 8] = [1, 2, 4, 8, 16, 32, 64, usize::MAX];

/// Transactions that get tickets, or are retired, before a worker looks around again.
const CHUNK: usize = 64;

/// What a block has to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Who waits for whom.
    pub graph: ConflictGraph,
    /// Execution time of each transaction in nanoseconds.
    pub costs_ns: Vec<u64>,
}

/// What executes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Workers, at least 1; `usize::MAX` for as many as help.
    pub workers: usize,
    /// Transactions that may be between ticket and retirement at once, at least 1.
    pub window: usize,
    /// Time to predict one transaction and queue it for its locks, in nanoseconds; one worker at a time.
    pub ticket_ns: u64,
    /// Time to hand out one transaction and to release those that wait for it, in nanoseconds; by each worker for itself.
    pub dispatch_ns: u64,
    /// Time to retire one transaction in nanoseconds; one worker at a time, in order.
    pub retire_ns: u64,
}

impl Machine {
    /// Workers without an engine around them: what no engine can beat.
    #[must_use]
    pub const fn ideal(workers: usize) -> Self {
        Self { workers, window: usize::MAX, ticket_ns: 0, dispatch_ns: 0, retire_ns: 0 }
    }
}

impl Load {
    /// From a recorded schedule of `transactions` transactions. The runs of a transaction add up, wasted ones included; one
    /// without a run costs nothing.
    ///
    /// # Panics
    /// If the schedule names a transaction that is not below `transactions`.
    #[must_use]
    pub fn recorded(schedule: &Schedule, transactions: usize) -> Self {
        let mut costs_ns = vec![0; transactions];
        for run in &schedule.runs {
            costs_ns[run.tx.0 as usize] += run.end_ns.saturating_sub(run.start_ns);
        }
        Self { graph: ConflictGraph::from_edges(transactions, &schedule.conflicts), costs_ns }
    }

    /// Time of the block on one thread without an engine, in nanoseconds.
    #[must_use]
    pub fn total_ns(&self) -> u64 {
        self.costs_ns.iter().sum()
    }

    /// Time of the longest chain of waits in nanoseconds: what no number of workers can beat.
    #[must_use]
    pub fn critical_ns(&self) -> u64 {
        self.graph.critical_path(&self.costs_ns).cost
    }
}

/// Makespans for every number of [`WORKERS`], in nanoseconds, on machines that are otherwise like `machine`.
///
/// # Panics
/// As [`makespan`].
#[must_use]
pub fn makespans(load: &Load, machine: Machine) -> [(usize, u64); WORKERS.len()] {
    WORKERS.map(|workers| (workers, makespan(load, Machine { workers, ..machine })))
}

/// Time from the first ticket to the last retirement, in nanoseconds.
///
/// # Panics
/// If there is not one cost for each transaction, no worker, or no window.
#[must_use]
pub fn makespan(load: &Load, machine: Machine) -> u64 {
    assert_eq!(load.graph.len(), load.costs_ns.len(), "one cost for each transaction");
    assert!(machine.workers > 0 && machine.window > 0, "a machine has a worker and a window");
    Play::new(load, machine).run()
}

/// What a worker is busy with, and for how many transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Retire(usize),
    Ticket(usize),
    Run(usize),
}

/// The engine between two instants.
struct Play<'l> {
    load: &'l Load,
    machine: Machine,
    younger: Vec<Vec<usize>>,
    /// Unfinished transactions that each one waits for.
    pending: Vec<usize>,
    executed: Vec<bool>,
    /// May run, oldest first.
    ready: BinaryHeap<Reverse<usize>>,
    /// Tasks by the time at which they end.
    busy: BinaryHeap<Reverse<(u64, Task)>>,
    /// Tickets are taken up to here, and being taken up to there.
    ticketed: usize,
    ticketing: usize,
    retired: usize,
    retiring: usize,
    now_ns: u64,
}

impl<'l> Play<'l> {
    fn new(load: &'l Load, machine: Machine) -> Self {
        let count = load.costs_ns.len();
        let mut younger = vec![Vec::new(); count];
        for (older, tx) in load.graph.edges() {
            younger[older.0 as usize].push(tx.0 as usize);
        }
        let position = |tx| TxIndex(u32::try_from(tx).expect("a block has fewer than 2^32 transactions"));
        Self {
            load,
            machine,
            younger,
            pending: (0..count).map(|tx| load.graph.waits(position(tx)).len()).collect(),
            executed: vec![false; count],
            ready: BinaryHeap::new(),
            busy: BinaryHeap::new(),
            ticketed: 0,
            ticketing: 0,
            retired: 0,
            retiring: 0,
            now_ns: 0,
        }
    }

    fn run(mut self) -> u64 {
        loop {
            while self.busy.len() < self.machine.workers
                && let Some((task, takes_ns)) = self.next()
            {
                self.busy.push(Reverse((self.now_ns + takes_ns, task)));
            }
            // Tasks that end together end before new ones start.
            let Some(Reverse((end_ns, _))) = self.busy.peek().copied() else { return self.now_ns };
            self.now_ns = end_ns;
            while let Some(Reverse((at_ns, task))) = self.busy.peek().copied()
                && at_ns == end_ns
            {
                self.busy.pop();
                self.end(task);
            }
        }
    }

    /// What a free worker does: retire, see that others have enough to do, execute.
    fn next(&mut self) -> Option<(Task, u64)> {
        let Machine { ticket_ns, dispatch_ns, retire_ns, .. } = self.machine;
        if self.retiring == self.retired
            && let count @ 1.. =
                self.executed[self.retired..].iter().take(CHUNK).take_while(|done| **done).count()
        {
            self.retiring += count;
            return Some((Task::Retire(count), retire_ns * count as u64));
        }
        let room = self.retired.saturating_add(self.machine.window).min(self.executed.len());
        let hungry = self.ready.len() < self.machine.workers.saturating_mul(2);
        if hungry && self.ticketing == self.ticketed && room > self.ticketed {
            let count = CHUNK.min(room - self.ticketed);
            self.ticketing += count;
            return Some((Task::Ticket(count), ticket_ns * count as u64));
        }
        let Reverse(tx) = self.ready.pop()?;
        Some((Task::Run(tx), self.load.costs_ns[tx] + dispatch_ns))
    }

    fn end(&mut self, task: Task) {
        match task {
            Task::Retire(count) => self.retired += count,
            Task::Ticket(count) => {
                let first = self.ticketed;
                self.ticketed += count;
                self.ready.extend((first..self.ticketed).filter(|tx| self.pending[*tx] == 0).map(Reverse));
            }
            Task::Run(tx) => {
                self.executed[tx] = true;
                for younger in &self.younger[tx] {
                    self.pending[*younger] -= 1;
                    if self.pending[*younger] == 0 && *younger < self.ticketed {
                        self.ready.push(Reverse(*younger));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Run, RunKind};

    fn load(costs_ns: &[u64], edges: &[(u32, u32)]) -> Load {
        let edges: Vec<_> =
            edges.iter().map(|(older, younger)| (TxIndex(*older), TxIndex(*younger))).collect();
        Load { graph: ConflictGraph::from_edges(costs_ns.len(), &edges), costs_ns: costs_ns.to_vec() }
    }

    fn ideal(load: &Load, workers: usize) -> u64 {
        makespan(load, Machine::ideal(workers))
    }

    fn loads() -> impl Strategy<Value = Load> {
        (1..150_u32).prop_flat_map(|count| {
            let edge = (0..count, 0..count)
                .prop_filter_map("an edge", |(a, b)| (a != b).then_some((a.min(b), a.max(b))));
            let costs = proptest::collection::vec(0..1_000_u64, count as usize);
            let edges = proptest::collection::vec(edge, 0..if count > 1 { 200 } else { 1 });
            (costs, edges).prop_map(|(costs, edges)| load(&costs, &edges))
        })
    }

    #[test]
    fn independent_transactions_share_the_workers() {
        let load = load(&[10; 128], &[]);
        assert_eq!([1, 2, 4, 64, usize::MAX].map(|workers| ideal(&load, workers)), [1_280, 640, 320, 20, 10]);
    }

    #[test]
    fn a_chain_takes_its_length_on_any_number_of_workers() {
        let edges: Vec<_> = (1..100).map(|tx| (tx - 1, tx)).collect();
        let load = load(&[7; 100], &edges);
        assert!(makespans(&load, Machine::ideal(1)).iter().all(|(_, time_ns)| *time_ns == 700));
    }

    #[test]
    fn a_fork_that_joins_takes_its_longest_branch() {
        let load = load(&[5, 10, 20, 30, 5], &[(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)]);
        assert_eq!([1, 2, 3, 8].map(|workers| ideal(&load, workers)), [70, 50, 40, 40]);
    }

    #[test]
    fn tickets_and_retirement_bound_what_workers_can_do() {
        let load = load(&[100; 10_000], &[]);
        let machine = Machine { ticket_ns: 50, dispatch_ns: 10, retire_ns: 20, ..Machine::ideal(usize::MAX) };
        let time_ns = makespan(&load, machine);
        assert!((500_000..500_000 + 64 * 50 + 2 * 64 * 20 + 110).contains(&time_ns), "{time_ns}");
    }

    #[test]
    fn a_window_of_one_is_one_by_one() {
        let load = load(&[10; 20], &[]);
        assert_eq!(makespan(&load, Machine { window: 1, ..Machine::ideal(8) }), 200);
    }

    #[test]
    fn wasted_runs_are_part_of_the_cost() {
        let run = |tx, start_ns, end_ns, kind| Run { tx: TxIndex(tx), worker: 0, start_ns, end_ns, kind };
        let schedule = Schedule {
            threads: 2,
            runs: vec![
                run(0, 0, 10, RunKind::Executed),
                run(1, 0, 4, RunKind::Escaped(TxIndex(0))),
                run(1, 10, 20, RunKind::Executed),
            ],
            conflicts: vec![(TxIndex(0), TxIndex(1))],
            total_ns: 20,
        };
        let load = Load::recorded(&schedule, 2);
        assert_eq!(load.costs_ns, [10, 14]);
        assert_eq!(load.critical_ns(), 24);
    }

    #[test]
    fn an_empty_block_takes_no_time() {
        assert_eq!(ideal(&Load::default(), 1), 0);
    }

    proptest! {
        /// Graham 1966: no greedy schedule is longer than the critical path plus an even share of the rest.
        #[test]
        fn makespans_stay_within_the_bounds_of_list_scheduling(load in loads(), workers in 1..20_usize) {
            let (total_ns, critical_ns, time_ns) = (load.total_ns(), load.critical_ns(), ideal(&load, workers));
            let workers = workers as u64;
            prop_assert!(time_ns >= critical_ns.max(total_ns.div_ceil(workers)));
            prop_assert!(time_ns * workers <= total_ns + (workers - 1) * critical_ns);
            prop_assert_eq!(ideal(&load, usize::MAX), critical_ns);
        }

        #[test]
        fn one_worker_takes_the_sum_of_everything(
            load in loads(),
            window in 1..200_usize,
            overhead in proptest::array::uniform3(0..50_u64),
        ) {
            let [ticket_ns, dispatch_ns, retire_ns] = overhead;
            let machine = Machine { workers: 1, window, ticket_ns, dispatch_ns, retire_ns };
            let per_transaction = (ticket_ns + dispatch_ns + retire_ns) * load.costs_ns.len() as u64;
            prop_assert_eq!(makespan(&load, machine), load.total_ns() + per_transaction);
        }
    }
}
