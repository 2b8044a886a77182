//! What a run of tests gives.

use std::{
    collections::BTreeMap,
    fmt,
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::rules::OpRule;

/// Outcome of one test.
pub(super) enum Outcome {
    Passed,
    LeftOut(OpRule),
}

/// Counts of outcomes, and the failures in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Tests that passed.
    pub passed: usize,
    left_out: BTreeMap<OpRule, usize>,
    blocks_left_out: BTreeMap<OpRule, usize>,
    /// Tests that failed, and why.
    pub failures: Vec<String>,
}

impl Report {
    pub(super) fn add(&mut self, path: &Path, name: &str, outcome: Result<Outcome, String>) {
        match outcome {
            Ok(Outcome::Passed) => self.passed += 1,
            Ok(Outcome::LeftOut(rule)) => *self.left_out.entry(rule).or_default() += 1,
            Err(why) => self.failures.push(format!("{}: {name}: {why}", path.display())),
        }
    }

    /// Counts a block of a test that is otherwise run: Ethereum calls it invalid, OP has no such rule.
    pub(super) fn skip_block(&mut self, rule: OpRule) {
        *self.blocks_left_out.entry(rule).or_default() += 1;
    }

    fn merge(mut self, other: Self) -> Self {
        self.passed += other.passed;
        sum(&mut self.left_out, other.left_out);
        sum(&mut self.blocks_left_out, other.blocks_left_out);
        self.failures.extend(other.failures);
        self
    }
}

fn sum(into: &mut BTreeMap<OpRule, usize>, from: BTreeMap<OpRule, usize>) {
    for (rule, count) in from {
        *into.entry(rule).or_default() += count;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failures.len())?;
        for (rule, count) in &self.left_out {
            write!(f, "\n  {count} left out: {rule}")?;
        }
        for (rule, count) in &self.blocks_left_out {
            write!(f, "\n  {count} invalid blocks of them left out: {rule}")?;
        }
        for failure in &self.failures {
            write!(f, "\n  FAILED {failure}")?;
        }
        Ok(())
    }
}

/// Runs `file` over `files` on all cores.
pub(super) fn over(files: &[PathBuf], file: impl Fn(&Path, &mut Report) + Sync) -> Report {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut report = Report::default();
        while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            file(path, &mut report);
        }
        report
    };
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let reports =
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        reports.fold(Report::default(), Report::merge)
    })
}
