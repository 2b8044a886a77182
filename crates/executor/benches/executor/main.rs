//! `cargo bench -p lockstep-executor`: the parallel executor beside plain sequential revm.
//!
//! Every workload of the testkit and, where `LOCKSTEP_DATA` is set, real blocks. Flags come after `--`:
//!
//! ```text
//! --workload TEXT    only workloads whose name contains TEXT; may be repeated
//! --size N           transactions of a block; by default as many as use about 120 Mgas, 500 at least, 10,000 at most
//! --seed N           seed of the workloads; 7
//! --threads A,B,…    thread counts; 1,2,4,8 (or LOCKSTEP_BENCH_THREADS)
//! --rounds N         rounds; by default as many as take 2 s, 5 at least, 25 at most
//! --per-block        a row for each real block too
//! --quick            a quarter of the size, 3 rounds, 2 threads
//! ```
//!
//! What is compared:
//!
//! - `serial`: revm, one EVM for the block, `transact_commit` on a state in memory, no parallel machinery.
//! - `locks`, `optimistic`: [`Executor`] in these modes, kept from round to round, on the same state.
//!
//! What is timed: from transactions in hand with known senders to all results, with the state after the block in memory:
//! for serial, `transact_commit` of everything; for the others, [`Block::run`](lockstep_executor::Block::run). `finish` is
//! beside it: [`Block::finish`](lockstep_executor::Block::finish) sorts out what is different after the block, which serial
//! revm on a state in memory does not. State is copied before and dropped after. All sides use the default allocator.
//! All but `cold` have executed such blocks before. The sides take turns within a round, another one first in each. Figures
//! are medians over the rounds; `spread` is the distance of the quartiles of the rounds' ratios, divided by their median.
//! Before anything is timed, outcomes and state are compared.

mod args;
mod case;
mod clock;
mod model;
#[path = "../../tests/oracle/mod.rs"]
mod oracle;
mod plain;
mod report;
mod round;
mod subjects;

use args::Args;

fn main() {
    let args = Args::from_env().unwrap_or_else(|error| {
        eprintln!("error: {error}");
        std::process::exit(2)
    });
    if !args.measure {
        println!("not a bench run: outcomes and state are compared, nothing is timed");
    } else {
        report::machine();
    }
    subjects::each(&args, |subject| subject.bench(&args));
}
