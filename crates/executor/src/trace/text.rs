//! The same for a terminal.

use std::fmt::Write;

use super::{Trace, digest::ratio, units};

/// Keys that are named.
const KEYS: usize = 10;

pub(super) fn describe(trace: &Trace<'_>) -> String {
    let mut out = String::new();
    write(trace, &mut out).expect("writing to a string does not fail");
    out
}

fn write(trace: &Trace<'_>, out: &mut String) -> std::fmt::Result {
    let digest = trace.digest();
    let total_ns = trace.schedule.total_ns;
    writeln!(out, "{}", trace.title)?;
    let transactions = units::count(trace.transactions, "transaction");
    writeln!(out, "  {transactions}, {} gas", units::grouped(trace.gas))?;
    let workers = units::count(trace.schedule.threads, "worker");
    write!(out, "  time        {} with {workers}", units::time(total_ns))?;
    match trace.serial_ns.filter(|_| total_ns > 0) {
        Some(serial) => writeln!(out, ", {} serially: {:.2}x", units::time(serial), ratio(serial, total_ns))?,
        None => writeln!(out)?,
    }
    writeln!(
        out,
        "  bound       {} in {} one after the other: {:.2}x with endless workers",
        units::time(digest.critical_ns),
        units::count(digest.critical.len(), "transaction"),
        digest.parallelism(),
    )?;
    let widest = digest.waves.iter().max().copied().unwrap_or(0);
    writeln!(
        out,
        "  waves       {}, the widest of {}",
        digest.waves.len(),
        units::count(widest, "transaction")
    )?;
    writeln!(
        out,
        "  mispredicted {} stopped to wait, {} thrown away, {} executed at their turn; {} lost",
        digest.escaped,
        digest.stale,
        digest.at_head,
        units::time(digest.lost_ns),
    )?;
    let hot = trace.hot_keys();
    if hot.is_empty() {
        return Ok(());
    }
    writeln!(out, "  hottest keys: transactions, what they waited together, what takes turns")?;
    for key in hot.iter().take(KEYS) {
        let (waited, turn) = (units::time(key.waited_ns), units::time(key.in_turn_ns));
        writeln!(
            out,
            "    {:>6}  {waited:>9}  {turn:>9}  {}",
            key.transactions,
            units::key(&key.key, false)
        )?;
    }
    Ok(())
}
