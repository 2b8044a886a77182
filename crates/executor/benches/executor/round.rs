//! Sides taking turns.

use std::time::{Duration, Instant};

use lockstep_executor::{AccessSet, Executor, Limits, Mode, Options, Outcome, Output, Stats, Vm};

use crate::{
    args::Args,
    case::Block,
    clock::{Took, timed},
};

/// How long the rounds of one row may take, if their number is not asked for.
const BUDGET: Duration = Duration::from_secs(2);
/// Rounds, if their number is not asked for.
const ROUNDS: std::ops::RangeInclusive<usize> = 5..=25;
/// Blocks in which an executor gets to know a load before it is timed, and how long this may take.
const WARM_UP: (usize, Duration) = (24, Duration::from_secs(1));

/// An executor that is compared with serial revm.
pub(crate) struct Side {
    /// Where predictions come from.
    pub(crate) prediction: &'static str,
    pub(crate) native: bool,
    executor: Executor,
}

type OutcomesOf<V> = Vec<Outcome<<V as Vm>::Halt, <V as Vm>::Invalid>>;

impl Side {
    pub(crate) fn new(prediction: &'static str, options: &Options) -> Self {
        let executor = Executor::new(options.clone()).expect("threads can be started");
        Self { prediction, native: options.native_transfers, executor }
    }

    /// Gets to know the load.
    fn warm_up<V: Vm>(&self, blocks: &[&Block<V>]) {
        let (count, time) = WARM_UP;
        let start = Instant::now();
        for block in blocks.iter().cycle().take(count.max(blocks.len())) {
            drop(self.execute(block));
            if start.elapsed() > time {
                break;
            }
        }
    }

    /// Forgets what it learned.
    fn renew(&mut self) {
        if self.prediction == "cold" {
            *self = Self::new("cold", &self.executor.options().clone());
        }
    }

    pub(crate) fn execute<V: Vm>(&self, on: &Block<V>) -> (OutcomesOf<V>, Output) {
        let mut block = self.executor.block(&on.vm, &on.state, Limits::NONE);
        let outcomes = block.run(&on.txs, self.recorded(on)).expect("state in memory does not fail");
        (outcomes, block.finish())
    }

    fn recorded<'b, V: Vm>(&self, on: &'b Block<V>) -> &'b [AccessSet] {
        if self.prediction == "exact" { &on.access } else { &[] }
    }

    fn measure<V: Vm>(&self, on: &Block<V>) -> Timed {
        let recorded = self.recorded(on);
        let (run, (block, outcomes)) = timed(|| {
            let mut block = self.executor.block(&on.vm, &on.state, Limits::NONE);
            let outcomes = block.run(&on.txs, recorded).expect("state in memory does not fail");
            (block, outcomes)
        });
        let (finish, output) = timed(|| block.finish());
        drop(outcomes);
        Timed { run, finish, stats: output.stats }
    }
}

/// Everything that is compared with one thread count.
pub(crate) struct Sides {
    pub(crate) threads: usize,
    /// Under predicted locks.
    pub(crate) locks: Vec<Side>,
    optimistic: Side,
}

impl Sides {
    pub(crate) fn new(threads: usize) -> Self {
        let optimistic = Options { threads, mode: Mode::Optimistic, ..Options::default() };
        Self { threads, locks: Vec::new(), optimistic: Side::new("none", &optimistic) }
    }

    pub(crate) fn add(&mut self, prediction: &'static str, options: &Options) {
        self.locks.push(Side::new(prediction, options));
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Side> {
        self.locks.iter().chain([&self.optimistic])
    }
}

/// What one side took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timed {
    /// Until all results are there, and the state in memory.
    pub(crate) run: Took,
    /// To say what is different after the block.
    pub(crate) finish: Took,
    pub(crate) stats: Stats,
}

impl std::ops::AddAssign for Timed {
    fn add_assign(&mut self, other: Self) {
        self.run += other.run;
        self.finish += other.finish;
        self.stats += other.stats;
    }
}

/// What one round took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    pub(crate) serial: Took,
    pub(crate) optimistic: Timed,
    /// One each.
    pub(crate) locks: Vec<Timed>,
}

/// Rounds over all `blocks`: all sides, block by block.
pub(crate) fn rounds<V: Vm>(blocks: &[&Block<V>], sides: &mut Sides, args: &Args) -> Vec<Round> {
    sides.all().for_each(|side| side.warm_up(blocks));
    let mut rounds = Vec::new();
    let start = Instant::now();
    while args.rounds.map_or_else(|| goes_on(rounds.len(), start), |wanted| rounds.len() < wanted) {
        rounds.push(round(blocks, sides, rounds.len()));
    }
    rounds
}

fn goes_on(done: usize, start: Instant) -> bool {
    done < *ROUNDS.start() || (done < *ROUNDS.end() && start.elapsed() < BUDGET)
}

/// Who comes first changes from round to round: who comes later finds the block in more caches.
fn round<V: Vm>(blocks: &[&Block<V>], sides: &mut Sides, number: usize) -> Round {
    let mut round = Round { locks: vec![Default::default(); sides.locks.len()], ..Round::default() };
    sides.locks.iter_mut().for_each(Side::renew);
    let turns = sides.locks.len() + 2;
    for block in blocks {
        for turn in 0..turns {
            match (turn + number) % turns {
                0 => round.serial += serial(block),
                1 => round.optimistic += sides.optimistic.measure(block),
                side => round.locks[side - 2] += sides.locks[side - 2].measure(block),
            }
        }
    }
    round
}

pub(crate) fn serial<V: Vm>(block: &Block<V>) -> Took {
    let mut plain = (block.plain)(block.state.clone());
    let txs = block.txs.clone();
    timed(|| plain.run(txs)).0
}

/// What a transaction costs beyond the EVM, in nanoseconds: one worker with all the machinery, less serial revm.
pub(crate) fn overhead_ns<V: Vm>(blocks: &[&Block<V>], args: &Args) -> Vec<f64> {
    let options = Options { threads: 1, adaptive: false, native_transfers: false, ..Options::default() };
    let forced = Side::new("learned", &options);
    let transactions: usize = blocks.iter().map(|block| block.txs.len()).sum();
    let mut rounds = Vec::new();
    let start = Instant::now();
    while args.rounds.map_or_else(|| goes_on(rounds.len(), start), |wanted| rounds.len() < wanted) {
        let (mut plain, mut locks) = (Took::default(), Took::default());
        for block in blocks {
            plain += serial(block);
            locks += forced.measure(block).run;
        }
        rounds.push(per_transaction(locks.wall_ns, plain.wall_ns, transactions));
    }
    rounds
}

#[allow(clippy::cast_precision_loss, reason = "nanoseconds of a block")]
pub(crate) fn per_transaction(locks_ns: u64, serial_ns: u64, transactions: usize) -> f64 {
    (locks_ns as f64 - serial_ns as f64) / transactions as f64
}
