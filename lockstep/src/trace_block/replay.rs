//! Executes a block as it was executed, and watches.

use std::thread::available_parallelism;

use eyre::{WrapErr, eyre};
use lockstep_executor::{
    AccessSet, Changes, Executor, Mode, Options, RunKind, Schedule, TxIndex,
    rollup::{self, Done},
    trace::Trace,
};

use super::chain::StoredBlock;

/// How to execute it.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    pub(super) threads: usize,
    pub(super) mode: Mode,
    /// Without having seen the block's contracts before.
    pub(super) cold: bool,
}

/// What was seen.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) title: String,
    transactions: usize,
    gas: u64,
    serial_ns: u64,
    schedule: Schedule,
    access: Vec<AccessSet>,
}

impl Replay {
    pub(super) fn trace(&self) -> Trace<'_> {
        Trace {
            title: &self.title,
            transactions: self.transactions,
            gas: self.gas,
            serial_ns: Some(self.serial_ns),
            schedule: &self.schedule,
            access: &self.access,
        }
    }
}

/// One thread for each core.
pub(super) fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// Executes `stored` serially and as `how` says, and compares both with what the chain holds.
///
/// # Errors
/// One of them gives another block.
pub(super) fn replay(stored: &StoredBlock, how: How) -> eyre::Result<Replay> {
    let serial = || Options { threads: 1, mode: Mode::Sequential, ..Options::default() };
    let observer = Executor::new(Options { record_access: true, ..serial() })?;
    let expected = execute(stored, &observer)?;
    // The state is in memory by now: both times are those of execution alone.
    let timer = Executor::new(Options { record_schedule: true, ..serial() })?;
    let serial_ns = execute(stored, &timer)?.schedule.total_ns;

    let options =
        Options { threads: how.threads, mode: how.mode, record_schedule: true, ..Options::default() };
    let executor = Executor::new(options)?;
    if !how.cold {
        execute(stored, &executor)?;
    }
    let ran = execute(stored, &executor)?;
    if ran.changes != expected.changes {
        return Err(eyre!("in mode {} the block changes the state in another way than serially", how.mode));
    }
    let transactions = stored.block.transactions.len();
    let first = stored.block.transactions.iter().take_while(|tx| tx.is_deposit()).count();
    Ok(Replay {
        title: format!("Block {}", stored.block.header.number),
        transactions,
        gas: stored.block.header.gas_used,
        serial_ns,
        schedule: behind(first, ran.schedule)?,
        access: std::iter::repeat_n(AccessSet::default(), first).chain(expected.access).collect(),
    })
}

/// One execution of the block.
struct Ran {
    changes: Changes,
    schedule: Schedule,
    access: Vec<AccessSet>,
}

fn execute(stored: &StoredBlock, executor: &Executor) -> eyre::Result<Ran> {
    let StoredBlock { rules, parent, block, inputs, view, .. } = stored;
    let mode = executor.options().mode;
    let senders = &block.senders;
    let done =
        rollup::execute(executor, view.clone(), rules, parent, inputs, |tx, _| senders.get(tx).copied())
            .wrap_err_with(|| format!("cannot execute the block in mode {mode}"))?;
    let Done { executed, schedule, access, .. } = done;
    let changes = Changes::from_bundle(&executed.bundle);
    // The roots of the state are the header's own; gas, receipts and transactions must come out as it has them.
    let header = &block.header;
    let sealed = executed.seal(header.state_root, header.withdrawals_root.unwrap_or_default());
    if sealed.hash != block.hash {
        return Err(eyre!(
            "in mode {mode} block {} executes to {}, but the chain has {}",
            header.number,
            sealed.hash,
            block.hash
        ));
    }
    let (schedule, access) = (schedule.unwrap_or_default(), access.unwrap_or_default());
    Ok(Ran { changes, schedule, access })
}

/// The schedule of transactions that stand behind `first` others in their block.
fn behind(first: usize, mut schedule: Schedule) -> eyre::Result<Schedule> {
    let first = u32::try_from(first)?;
    let place = |tx: &mut TxIndex| tx.0 += first;
    for run in &mut schedule.runs {
        place(&mut run.tx);
        if let RunKind::Escaped(older) = &mut run.kind {
            place(older);
        }
    }
    for (older, younger) in &mut schedule.conflicts {
        place(older);
        place(younger);
    }
    Ok(schedule)
}
