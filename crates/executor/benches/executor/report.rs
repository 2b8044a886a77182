//! What is printed: a table for people, lines that begin with `result` for scripts.

use std::{env, fs, process::Command};

use lockstep_executor::Vm;
use lockstep_locks::ConflictGraph;

use crate::{
    args::Args,
    case::Block,
    clock::{median, spread},
    model::Model,
    round::{Round, Sides, overhead_ns, per_transaction, rounds},
};

/// Workers of the makespan report.
const WORKERS: [usize; 6] = [1, 2, 4, 8, 16, 64];

/// Where this ran.
pub(crate) fn machine() {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("machine  {}, {cores} cores, load {}", model.map_or("unknown", |(_, name)| name), load.trim());
    println!("commit   {}", commit());
    println!("command  {}", env::args().collect::<Vec<_>>().join(" "));
    if cfg!(debug_assertions) {
        println!("profile  dev: figures of an unoptimised build, for comparison with nothing");
    }
}

/// The commit that is checked out, marked if files differ from it.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(hash) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".to_owned() };
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|files| !files.is_empty());
    if changed { format!("{hash} and uncommitted changes") } else { hash }
}

/// What is known of some blocks without running them in parallel.
struct Facts {
    transactions: usize,
    gas: u64,
    work_ns: u64,
    critical_ns: u64,
    /// For each worker count that was asked for.
    bounds_ns: Vec<u64>,
}

impl Facts {
    fn new<V: Vm>(blocks: &[&Block<V>], threads: &[usize]) -> Self {
        let mut facts = Self {
            transactions: blocks.iter().map(|block| block.txs.len()).sum(),
            gas: blocks.iter().map(|block| block.gas).sum(),
            work_ns: 0,
            critical_ns: 0,
            bounds_ns: vec![0; threads.len()],
        };
        for block in blocks {
            let work: u64 = block.times_ns.iter().sum();
            let critical = ConflictGraph::of(&block.access).critical_path(&block.times_ns).cost;
            facts.work_ns += work;
            facts.critical_ns += critical;
            for (bound, threads) in facts.bounds_ns.iter_mut().zip(threads) {
                *bound += critical.max(work / *threads as u64);
            }
        }
        facts
    }

    /// No schedule on so many workers can be so many times faster than one worker.
    fn bound(&self, position: usize) -> f64 {
        quotient(self.work_ns, self.bounds_ns[position])
    }
}

/// Measures `blocks` and prints what came of it.
pub(crate) fn case<V: Vm>(name: &str, blocks: &[&Block<V>], sides: &mut [Sides], args: &Args) {
    let facts = Facts::new(blocks, &args.threads);
    let overhead = overhead_ns(blocks, args);
    let overhead = median(overhead);
    let mut measured = Measured::default();
    for (position, sides) in sides.iter_mut().enumerate() {
        let rounds = rounds(blocks, sides, args);
        if position == 0 {
            measured.serial_ms = heading(name, &facts, &rounds, overhead);
        }
        let rows =
            Rows { name, facts: &facts, overhead, bound: facts.bound(position), threads: sides.threads };
        for (place, side) in sides.locks.iter().enumerate() {
            let locks_ms = rows.print(&rounds, place, side.prediction, side.native);
            if place == 0 {
                measured.locks_ms.push((sides.threads, locks_ms));
            }
        }
    }
    let serial_ms = measured.serial_ms;
    makespan(&Model::of(blocks), serial_ms, &measured.locks_ms);
}

/// Returns the milliseconds of serial revm.
fn heading(name: &str, facts: &Facts, rounds: &[Round], overhead: f64) -> f64 {
    let serial_ms = milliseconds(rounds, |round| round.serial.wall_ns);
    println!(
        "\n{name}: {} transactions, {:.1} Mgas; serial {:.3} ms, {:.0} ns each, {:.2} Ggas/s; \
         critical path {:.3} ms: at most {:.2}x; machinery {:.0} ns each",
        facts.transactions,
        mega(facts.gas),
        serial_ms,
        per(serial_ms * 1e6, facts.transactions),
        mega(facts.gas) / serial_ms,
        mega(facts.critical_ns),
        quotient(facts.work_ns, facts.critical_ns),
        overhead,
    );
    println!(
        "  threads prediction native   locks ms  optimistic ms   ratio  spread   bound reached   Ggas/s  ns/tx  finish  \
         CPU ns/tx more  escapes  stale  executions"
    );
    serial_ms
}

/// What the makespan report is compared with.
#[derive(Default)]
struct Measured {
    serial_ms: f64,
    /// By threads, with what the executor learned.
    locks_ms: Vec<(usize, f64)>,
}

/// What the rows of one thread count have in common.
struct Rows<'a> {
    name: &'a str,
    facts: &'a Facts,
    overhead: f64,
    bound: f64,
    threads: usize,
}

impl Rows<'_> {
    /// Prints the side at `place`; returns its milliseconds.
    fn print(&self, rounds: &[Round], place: usize, prediction: &str, native: bool) -> f64 {
        let Self { name, facts, overhead, bound, threads } = self;
        let serial_ms = milliseconds(rounds, |round| round.serial.wall_ns);
        let optimistic_ms = milliseconds(rounds, |round| round.optimistic.run.wall_ns);
        let locks_ms = milliseconds(rounds, |round| round.locks[place].run.wall_ns);
        let finish_ms = milliseconds(rounds, |round| round.locks[place].finish.wall_ns);
        let ratios: Vec<f64> = rounds
            .iter()
            .map(|round| quotient(round.serial.wall_ns, round.locks[place].run.wall_ns))
            .collect();
        let (ratio, spread) = (serial_ms / locks_ms, spread(&ratios));
        let cpu = median(rounds.iter().map(|round| {
            per_transaction(round.locks[place].run.cpu_ns, round.serial.cpu_ns, facts.transactions)
        }));
        let stats = rounds.last().map(|round| round.locks[place].stats).unwrap_or_default();
        let finish_ns = per(finish_ms * 1e6, facts.transactions);
        let native = if native { "on" } else { "off" };
        println!(
            "  {threads:>7} {prediction:<10} {native:<6} {locks_ms:>10.3} {optimistic_ms:>14.3} {ratio:>7.3} {spread:>7.3} \
             {bound:>7.2} {:>6.0}% {:>8.2} {:>6.0} {finish_ns:>7.0} {cpu:>15.0} {:>8} {:>6} {:>11}",
            100.0 * ratio / bound,
            mega(facts.gas) / locks_ms,
            per(locks_ms * 1e6, facts.transactions),
            stats.escapes,
            stats.stale,
            stats.executions,
        );
        println!(
            "result workload={name} threads={threads} serial_ms={serial_ms:.4} locks_ms={locks_ms:.4} \
             optimistic_ms={optimistic_ms:.4} ratio={ratio:.4} spread={spread:.4} bound={bound:.4} \
             overhead_ns={overhead:.1} escapes={} prediction={prediction} native={native} stale={} waits={} \
             at_head={} executions={} in_serial={} cpu_overhead_ns={cpu:.1} finish_ns={finish_ns:.1} transactions={} \
             gas={} rounds={}",
            stats.escapes,
            stats.stale,
            stats.waits,
            stats.at_head,
            stats.executions,
            stats.serial,
            facts.transactions,
            facts.gas,
            rounds.len(),
        );
        locks_ms
    }
}

/// What other numbers of workers would take, and beside it what was measured, for as many threads as there are cores.
fn makespan(model: &Model, serial_ms: f64, measured: &[(usize, f64)]) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let parts = WORKERS.map(|workers| {
        let span = mega(model.makespan_ns(workers));
        let real = measured.iter().find(|(threads, _)| *threads == workers && workers <= cores);
        let real = real.map_or_else(String::new, |(_, ms)| {
            format!(" (measured {ms:.3} ms, model/reality {:.2})", span / ms)
        });
        format!("{workers}: {span:.3} ms {:.2}x{real}", serial_ms / span)
    });
    println!("  makespan, workers: {}", parts.join("; "));
}

fn milliseconds(rounds: &[Round], of: impl Fn(&Round) -> u64) -> f64 {
    median(rounds.iter().map(|round| mega(of(round))))
}

/// Nanoseconds as milliseconds, gas as Mgas.
#[allow(clippy::cast_precision_loss, reason = "for people")]
fn mega(number: u64) -> f64 {
    number as f64 / 1e6
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn per(value: f64, transactions: usize) -> f64 {
    value / transactions.max(1) as f64
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn quotient(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}
