//! How long more workers would take than there are cores here.
//!
//! One worker runs the whole machinery and keeps its schedule: what each transaction took. What else the block took is the
//! engine's: tickets, dispatch and retirement, in equal parts, since they are not measured apart. Who waits for whom comes
//! from what each transaction touches, as if it had been predicted exactly: a schedule names only those that had not
//! finished yet. [`makespan`] plays that with other numbers of workers. Where one lane without the machinery is faster than
//! all of them, it counts, since the engine then takes that.

use lockstep_executor::{
    Mode, Options, Schedule, Stats, Vm,
    makespan::{Load, Machine, makespan},
};
use lockstep_locks::ConflictGraph;

use crate::{case::Block, round::Side};

/// Recorded runs, of which the shortest counts.
const RUNS: usize = 3;

/// What some blocks have to do, one after the other.
pub(crate) struct Model(Vec<Play>);

/// One block.
struct Play {
    load: Load,
    costs: Machine,
    /// On one lane, without the machinery.
    lane_ns: u64,
}

impl Model {
    /// Measures `blocks` on one worker.
    pub(crate) fn of<V: Vm>(blocks: &[&Block<V>]) -> Self {
        let options = Options { threads: 1, adaptive: false, record_schedule: true, ..Options::default() };
        let side = Side::new("learned", &options);
        for block in blocks {
            drop(side.execute(block));
        }
        let lane = Side::new("none", &Options { mode: Mode::Sequential, ..options });
        Self(blocks.iter().map(|block| model(&side, &lane, block)).collect())
    }

    /// With so many workers.
    pub(crate) fn makespan_ns(&self, workers: usize) -> u64 {
        let spans = self
            .0
            .iter()
            .map(|Play { load, costs, lane_ns }| makespan(load, on(workers, *costs)).min(*lane_ns));
        spans.sum()
    }
}

fn on(workers: usize, costs: Machine) -> Machine {
    let options = Options { threads: workers, ..Options::default() };
    Machine { workers, window: options.window(), ..costs }
}

fn model<V: Vm>(side: &Side, lane: &Side, block: &Block<V>) -> Play {
    let (schedule, stats) = shortest(side, block);
    let (lane, _) = shortest(lane, block);
    let lane_ns = lane.total_ns;
    let transactions = block.txs.len();
    if stats.serial == stats.transactions {
        // The rules of the block leave no choice.
        let load = Load { graph: ConflictGraph::from_edges(1, &[]), costs_ns: vec![lane_ns] };
        return Play { load, costs: Machine::ideal(1), lane_ns };
    }
    let recorded = Load::recorded(&schedule, transactions);
    let load = Load { graph: ConflictGraph::of(&block.access), ..recorded };
    let rest = schedule.total_ns.saturating_sub(load.total_ns());
    let each = rest / transactions.max(1) as u64 / 3;
    let costs = Machine { ticket_ns: each, dispatch_ns: each, retire_ns: each, ..on(1, Machine::ideal(1)) };
    Play { load, costs, lane_ns }
}

fn shortest<V: Vm>(side: &Side, block: &Block<V>) -> (Schedule, Stats) {
    let runs = (0..RUNS).map(|_| {
        let (_, output) = side.execute(block);
        (output.schedule.expect("it was asked for"), output.stats)
    });
    runs.min_by_key(|(schedule, _)| schedule.total_ns).expect("there is more than one run")
}
