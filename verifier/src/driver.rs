//! Follows L1 and feeds the machine; goes back where L1 does.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use eyre::eyre;
use futures::TryStreamExt;
use lockstep_derive::{Checkpoint, L1Block};
use lockstep_l1::{Follower, L1Error, L1Event, L1Reader, Severity};
use lockstep_primitives::{BlockId, Genesis, L1BlockNumber, L1BlockRef, RollupConfig};
use lockstep_service::Readiness;
use metrics::{counter, gauge};
use tokio::{task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    StoreError,
    audit::{AUDIT_RANGE, AuditError, audit},
    machine::{Machine, MachineError, Report},
    status::SharedStatus,
    store::Store,
};

/// Name of the driver in `/readyz`.
pub(crate) const COMPONENT: &str = "derivation";

/// While far behind L1's head, results become durable every so many L1 blocks.
const DURABLE_EVERY: u64 = 64;

/// Wait after a failed read of L1.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a session with L1 ended.
#[derive(Debug)]
enum Fault {
    /// Try again later.
    Retry(eyre::Report),
    /// Go back to a checkpoint that is still true.
    Reset(eyre::Report),
    /// A person must look.
    Halt(eyre::Report),
    /// We were asked to stop.
    Shutdown,
}

impl From<L1Error> for Fault {
    fn from(error: L1Error) -> Self {
        match (&error, error.severity()) {
            (L1Error::Shutdown, _) => Self::Shutdown,
            (_, Severity::Retry) => Self::Retry(error.into()),
            (_, Severity::Reset) => Self::Reset(error.into()),
            (_, Severity::Halt) => Self::Halt(error.into()),
        }
    }
}

impl From<MachineError> for Fault {
    fn from(error: MachineError) -> Self {
        match error {
            MachineError::Push(_) => Self::Reset(error.into()),
            _ => Self::Halt(error.into()),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Halt(error.into())
    }
}

impl From<AuditError> for Fault {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::L1(_) => Self::Retry(error.into()),
            AuditError::Store(error) => error.into(),
        }
    }
}

/// What the driver works with.
#[derive(Clone, Debug)]
pub(crate) struct Driver {
    pub(crate) config: RollupConfig,
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) reader: L1Reader,
    pub(crate) machine: Arc<Mutex<Machine>>,
    pub(crate) store: Arc<Store>,
    pub(crate) status: SharedStatus,
    pub(crate) readiness: Readiness,
    pub(crate) poll_interval: Duration,
}

impl Driver {
    /// Follows L1 until `shutdown`, or until L1 block `until` is processed.
    pub(crate) async fn run(&self, until: Option<u64>, shutdown: &CancellationToken) -> eyre::Result<()> {
        self.reader.check().await?;
        loop {
            match self.session(until, shutdown).await {
                Ok(()) | Err(Fault::Shutdown) => return Ok(()),
                Err(Fault::Halt(error)) => return Err(error),
                Err(Fault::Reset(error)) => {
                    counter!("lockstep_verifier_l1_reorgs_total").increment(1);
                    warn!(error = %error, "going back to an earlier L1 block");
                }
                Err(Fault::Retry(error)) => {
                    warn!(error = format!("{error:#}"), "cannot read L1, trying again");
                    self.readiness.set_waiting(COMPONENT, "L1 does not answer");
                    tokio::select! {
                        () = shutdown.cancelled() => return Ok(()),
                        () = sleep(RETRY_AFTER) => {}
                    }
                }
            }
        }
    }

    /// From a checkpoint on, until something ends it.
    async fn session(&self, until: Option<u64>, shutdown: &CancellationToken) -> Result<(), Fault> {
        let checkpoint = tokio::select! {
            () = shutdown.cancelled() => return Err(Fault::Shutdown),
            checkpoint = self.resume() => checkpoint?,
        };
        info!(l1 = checkpoint.l1.number, block = checkpoint.safe_head.number.0, "deriving from checkpoint");
        let mut follower = Follower::new(self.reader.clone(), checkpoint.l1, self.poll_interval);
        let mut current = checkpoint.l1.number;
        loop {
            if current >= self.status.get().head_l1.number.0 {
                self.look_around(current).await?;
            }
            if until.is_some_and(|until| current >= until) {
                return Ok(());
            }
            match follower.next(shutdown).await? {
                L1Event::Block(block) => {
                    current = block.header.number.0;
                    self.take(*block).await?;
                }
                L1Event::Reorg { common_ancestor } => {
                    let number = common_ancestor.number;
                    return Err(Fault::Reset(eyre!("L1 reorganised above block {number}")));
                }
            }
        }
    }

    /// Goes to the newest checkpoint that state and L1 both still agree with.
    async fn resume(&self) -> Result<Checkpoint, Fault> {
        let mut below = u64::MAX;
        let checkpoint = loop {
            let Some(candidate) = self.store.checkpoint(below)? else { break self.restart().await? };
            let l1 = candidate.l1;
            let usable = self.on_thread(move |machine| machine.can_resume(&candidate)).await?;
            if usable && self.is_canonical(l1).await? {
                self.on_thread(move |machine| machine.resume(&candidate)).await?;
                break candidate;
            }
            let Some(next) = l1.number.checked_sub(1) else { break self.restart().await? };
            below = next;
        };
        self.give_context(&checkpoint).await?;
        Ok(checkpoint)
    }

    async fn restart(&self) -> Result<Checkpoint, Fault> {
        let anchor = self.config.genesis.l1;
        if !self.is_canonical(anchor).await? {
            let BlockId { number, hash } = anchor;
            return Err(Fault::Halt(eyre!(
                "L1 has no block {number} {hash}, on which the chain is anchored"
            )));
        }
        self.on_thread(Machine::restart).await
    }

    async fn is_canonical(&self, l1: BlockId) -> Result<bool, Fault> {
        Ok(self.reader.id(L1BlockNumber(l1.number)).await? == Some(l1))
    }

    /// Shows the machine the L1 blocks that its next blocks build on.
    async fn give_context(&self, checkpoint: &Checkpoint) -> Result<(), Fault> {
        let first = checkpoint.first_l1().0;
        let mut blocks = std::pin::pin!(self.reader.range(first..=checkpoint.l1.number));
        let mut last = None;
        while let Some(block) = blocks.try_next().await? {
            last = Some(block.header);
            self.on_thread(move |machine| machine.process(block, false)).await?;
        }
        match last {
            Some(header) if header.id() == checkpoint.l1 => {
                self.publish(header, checkpoint)?;
                Ok(())
            }
            _ => Err(Fault::Retry(eyre!("L1 node lost block {}", checkpoint.l1.number))),
        }
    }

    /// Processes the next L1 block.
    async fn take(&self, block: L1Block) -> Result<(), Fault> {
        let header = block.header;
        let status = self.status.get();
        let durable = header.number >= status.head_l1.number || header.number.0.is_multiple_of(DURABLE_EVERY);
        let report = self.on_thread(move |machine| machine.process(block, durable)).await?;
        if let Some(report) = report {
            count(&report);
            debug!(l1 = header.number.0, derived = report.derived, "L1 block processed");
            self.publish(header, &report.checkpoint)?;
        }
        Ok(())
    }

    fn publish(&self, current_l1: L1BlockRef, checkpoint: &Checkpoint) -> Result<(), Fault> {
        let finalized_l1 = self.status.get().finalized_l1.number;
        let finalized_l2 = self.finalized(finalized_l1)?;
        self.status.update(|status| {
            status.current_l1 = current_l1;
            status.safe_l2 = checkpoint.safe_head;
            status.finalized_l2 = finalized_l2;
        });
        set_gauge("lockstep_verifier_l1_block", current_l1.number.0);
        set_gauge("lockstep_verifier_safe_block", checkpoint.safe_head.number.0);
        set_gauge("lockstep_verifier_finalized_block", finalized_l2.number.0);
        Ok(())
    }

    fn finalized(&self, l1: L1BlockNumber) -> Result<lockstep_primitives::L2BlockRef, Fault> {
        let checkpoint = self.store.checkpoint(l1.0)?;
        Ok(checkpoint.map_or_else(|| self.genesis.block_ref(&self.config), |checkpoint| checkpoint.safe_head))
    }

    /// Learns L1's heads; at the newest one, also compares proposals.
    async fn look_around(&self, current: u64) -> Result<(), Fault> {
        let heads = self.reader.heads().await?;
        let known = self.status.get();
        let head_l1 = self.header(known.head_l1, heads.latest).await?;
        let safe_l1 = self.header(known.safe_l1, heads.safe).await?;
        let finalized_l1 = self.header(known.finalized_l1, heads.finalized).await?;
        let finalized_l2 = self.finalized(finalized_l1.number)?;
        let caught_up = current >= heads.latest.number;
        self.status.update(|status| {
            (status.head_l1, status.safe_l1, status.finalized_l1) = (head_l1, safe_l1, finalized_l1);
            status.finalized_l2 = finalized_l2;
            status.caught_up |= caught_up;
        });
        if caught_up {
            self.readiness.set_ready(COMPONENT);
        } else {
            self.readiness
                .set_waiting(COMPONENT, format!("at L1 block {current} of {}", heads.latest.number));
        }
        self.audit(current).await
    }

    async fn header(&self, known: L1BlockRef, wanted: BlockId) -> Result<L1BlockRef, Fault> {
        if known.id() == wanted {
            return Ok(known);
        }
        let number = L1BlockNumber(wanted.number);
        Ok(self.reader.header(number).await?.ok_or(L1Error::Missing(number))?)
    }

    /// Compares the proposals of all processed L1 blocks that were not looked at yet.
    async fn audit(&self, current: u64) -> Result<(), Fault> {
        let mut audited = self.store.audited()?.unwrap_or(self.config.genesis.l1.number);
        while audited < current {
            let to = current.min(audited + AUDIT_RANGE);
            let assertions = self.config.contracts.assertions;
            let range = (audited + 1, to);
            let mismatches = audit(&self.reader, assertions, &self.store, &self.genesis, range).await?;
            count_mismatches(mismatches.len());
            self.store.record_audit(&mismatches, to)?;
            audited = to;
        }
        Ok(())
    }

    /// Runs `work` on the machine, off the async threads.
    async fn on_thread<T, F>(&self, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&mut Machine) -> Result<T, MachineError> + Send + 'static,
    {
        let machine = Arc::clone(&self.machine);
        // A panic in `work` comes back as a join error and stops the verifier: the lock may be poisoned then.
        let done =
            spawn_blocking(move || work(&mut machine.lock().unwrap_or_else(PoisonError::into_inner))).await;
        done.map_err(|error| Fault::Halt(error.into()))?.map_err(Fault::from)
    }
}

fn count(report: &Report) {
    counter!("lockstep_verifier_derived_blocks_total").increment(wide(report.derived));
    counter!("lockstep_verifier_forced_blocks_total").increment(wide(report.forced));
    counter!("lockstep_verifier_dropped_transactions_total").increment(wide(report.dropped_transactions));
    counter!("lockstep_verifier_dropped_channels_total").increment(wide(report.dropped_channels));
    count_mismatches(report.mismatches);
}

fn count_mismatches(mismatches: usize) {
    counter!("lockstep_verifier_mismatches_total").increment(wide(mismatches));
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[allow(clippy::cast_precision_loss)] // block numbers stay far below 2^53
fn set_gauge(name: &'static str, number: u64) {
    gauge!(name).set(number as f64);
}
