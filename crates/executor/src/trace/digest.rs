//! What a schedule says about its block.

use lockstep_locks::TxIndex;

use crate::{Run, RunKind, Schedule};

/// The figures of one schedule.
///
/// A transaction counts with the run whose result stood: its last one. Times are measured ones, so they differ
/// from run to run; waves and the conflict graph do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// The run that stood, for each transaction that ran.
    pub stood: Vec<Option<Run>>,
    /// Whom each transaction must come after, ascending; what follows from others may be left out.
    pub waits_for: Vec<Vec<u32>>,
    /// Length of the longest chain of transactions behind which each one stands.
    pub depth: Vec<usize>,
    /// Number of transactions at each depth: what could run at once if all took equally long.
    pub waves: Vec<usize>,
    /// The chain of conflicts that takes longest, oldest first.
    pub critical: Vec<TxIndex>,
    /// Its duration: no number of workers is faster.
    pub critical_ns: u64,
    /// Time of the runs that stood.
    pub work_ns: u64,
    /// Time of the runs that did not.
    pub lost_ns: u64,
    /// Runs stopped to wait for a key that nobody had predicted.
    pub escaped: usize,
    /// Runs that had read something old.
    pub stale: usize,
    /// Runs behind everything older.
    pub at_head: usize,
    /// Runs whose worker panicked.
    pub panicked: usize,
}

impl Digest {
    /// Of a block of `transactions` with these conflicts `(older, younger)`; runs and conflicts of others are ignored.
    #[must_use]
    pub fn new(
        schedule: &Schedule,
        conflicts: impl IntoIterator<Item = (TxIndex, TxIndex)>,
        transactions: usize,
    ) -> Self {
        let mut digest = Self {
            stood: vec![None; transactions],
            waits_for: vec![Vec::new(); transactions],
            depth: vec![0; transactions],
            ..Self::default()
        };
        digest.count_runs(&schedule.runs);
        digest.link(conflicts);
        digest.measure();
        digest
    }

    /// How long the run that stood took, for each transaction.
    #[must_use]
    pub fn durations_ns(&self) -> Vec<u64> {
        self.stood.iter().map(|run| run.as_ref().map_or(0, duration_ns)).collect()
    }

    /// How often the critical path fits into all the work: the speed-up of endless workers.
    #[must_use]
    pub fn parallelism(&self) -> f64 {
        if self.critical_ns == 0 { 1.0 } else { ratio(self.work_ns, self.critical_ns) }
    }

    fn count_runs(&mut self, runs: &[Run]) {
        for run in runs {
            let Some(stood) = self.stood.get_mut(index(run.tx)) else { continue };
            match run.kind {
                RunKind::Escaped(_) => self.escaped += 1,
                RunKind::Stale => self.stale += 1,
                RunKind::Panicked => self.panicked += 1,
                RunKind::Head => self.at_head += 1,
                RunKind::Executed | RunKind::Transfer => {}
            }
            if stands(run.kind) {
                *stood = Some(*run);
            } else {
                self.lost_ns += duration_ns(run);
            }
        }
        self.work_ns = self.stood.iter().flatten().map(duration_ns).sum();
    }

    fn link(&mut self, conflicts: impl IntoIterator<Item = (TxIndex, TxIndex)>) {
        for (older, younger) in conflicts {
            if older < younger
                && let Some(waits) = self.waits_for.get_mut(index(younger))
            {
                waits.push(older.0);
            }
        }
        for waits in &mut self.waits_for {
            waits.sort_unstable();
            waits.dedup();
        }
    }

    /// Depths, waves and the critical path; the older of two transactions has the smaller index.
    fn measure(&mut self) {
        let durations = self.durations_ns();
        let mut end_ns = vec![0_u64; durations.len()];
        let mut behind = vec![None; durations.len()];
        for tx in 0..durations.len() {
            for older in self.waits_for[tx].iter().map(|older| *older as usize) {
                self.depth[tx] = self.depth[tx].max(self.depth[older] + 1);
                if behind[tx].is_none_or(|known: usize| end_ns[older] > end_ns[known]) {
                    behind[tx] = Some(older);
                }
            }
            end_ns[tx] = durations[tx] + behind[tx].map_or(0, |older| end_ns[older]);
            let depth = self.depth[tx];
            self.waves.resize(self.waves.len().max(depth + 1), 0);
            self.waves[depth] += 1;
        }
        let last = (0..durations.len()).rev().max_by_key(|tx| end_ns[*tx]);
        self.critical_ns = last.map_or(0, |tx| end_ns[tx]);
        let chain = std::iter::successors(last, |tx| behind[*tx]);
        self.critical = chain.filter_map(|tx| u32::try_from(tx).ok().map(TxIndex)).collect();
        self.critical.reverse();
    }
}

/// Whether a run of this kind gives the transaction's result.
pub(super) const fn stands(kind: RunKind) -> bool {
    matches!(kind, RunKind::Executed | RunKind::Transfer | RunKind::Head)
}

pub(super) const fn duration_ns(run: &Run) -> u64 {
    run.end_ns.saturating_sub(run.start_ns)
}

pub(super) const fn index(tx: TxIndex) -> usize {
    tx.0 as usize
}

#[allow(clippy::cast_precision_loss, reason = "a quotient for people")]
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
