//! CPU time of processes, from `/proc` (proc(5)).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::time::Duration;

/// Clock ticks of a second in `/proc`, on every Linux (`USER_HZ`).
const TICKS: u64 = 100;

/// What a process says of itself in `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// User and system time of its own and of children that it has waited for, ticks.
    ticks: u64,
}

impl Stat {
    fn of(pid: u32) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Self::parse(&text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// The name, field 2, is in parentheses and may hold anything; parent is field 4, times are fields 14 to 17.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let ticks = number(14)? + number(15)? + number(16)? + number(17)?;
        Some(Self { parent: u32::try_from(number(4)?).ok()?, ticks })
    }
}

/// CPU time that the processes `pids` and all below them have used so far.
///
/// A child that has ended is in the time of its parent, so the difference of two readings misses nothing but what
/// nobody waited for.
///
/// # Errors
/// The first of `pids` that cannot be read, and why.
pub(crate) fn cpu_time(pids: &[u32]) -> Result<Duration, (u32, io::Error)> {
    for pid in pids {
        Stat::of(*pid).map_err(|error| (*pid, error))?;
    }
    let processes = processes();
    let ticks =
        tree(pids, &processes).iter().filter_map(|pid| processes.get(pid)).map(|stat| stat.ticks).sum();
    Ok(from_ticks(ticks))
}

/// CPU time that this process has used so far.
pub(crate) fn own_cpu_time() -> Duration {
    Stat::of(std::process::id()).map_or(Duration::ZERO, |stat| from_ticks(stat.ticks))
}

const fn from_ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / TICKS)
}

fn processes() -> BTreeMap<u32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, Stat::of(pid).ok()?))).collect()
}

/// `roots` and everything below them.
fn tree(roots: &[u32], processes: &BTreeMap<u32, Stat>) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut open = roots.to_vec();
    while let Some(pid) = open.pop() {
        if found.insert(pid) {
            open.extend(processes.iter().filter(|(_, stat)| stat.parent == pid).map(|(child, _)| *child));
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let text = "42 (a (b) c 1 2) S 7 42 42 0 -1 4194304 1 2 3 4 10 20 300 4000 20 0 9 0";
        assert_eq!(Stat::parse(text), Some(Stat { parent: 7, ticks: 4330 }));
        assert_eq!(Stat::parse("42 (name) S 7"), None);
    }

    #[test]
    fn a_tree_holds_each_process_below_its_roots_once() {
        let stat = |parent| Stat { parent, ticks: 1 };
        let processes =
            BTreeMap::from([(1, stat(0)), (2, stat(1)), (3, stat(2)), (4, stat(1)), (5, stat(0))]);
        assert_eq!(tree(&[2, 3], &processes), BTreeSet::from([2, 3]));
        assert_eq!(tree(&[1], &processes), BTreeSet::from([1, 2, 3, 4]));
    }

    #[test]
    fn work_shows_in_the_time_of_a_process() {
        let own = [std::process::id()];
        let before = cpu_time(&own).unwrap();
        let mut sum = 0_u64;
        while cpu_time(&own).unwrap() == before {
            sum = (0..1_000_000_u64).fold(sum, u64::wrapping_add);
            std::hint::black_box(sum);
        }
        assert!(own_cpu_time() > before);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert_eq!(cpu_time(&[u32::MAX]).unwrap_err().0, u32::MAX);
    }
}
