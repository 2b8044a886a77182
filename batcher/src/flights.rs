//! Transactions on their way to L1, in order of their nonces.

use std::collections::{BTreeMap, btree_map::Entry};

use lockstep_index::{
    Index,
    submission::{self, Attempt, DaType, Step, Submission},
};
use lockstep_l1::{
    Cause, InFlight, Included, Journal, L1Error, NoJournal, PreparedTx, Progress, TxManager, TxRequest,
};
use lockstep_primitives::alloy::Address;
use tracing::warn;

use crate::error::BatcherError;

/// Looks in a row that must find a nonce below all of ours unused before it is used up.
const GAP_LOOKS: u32 = 3;
/// Gas of a transfer to an account without code.
const TRANSFER_GAS: u64 = 21_000;

/// What is on its way at one moment: submissions with a nonce that no block has used, lowest nonce first. A
/// transaction whose channel was abandoned is among them, since whoever has its bytes can still bring it into a
/// block; nodes are made to take it as any other, and derivation drops its channel. So no nonce is ever skipped,
/// and everything abandoned is in the inbox before what was closed afterwards.
#[derive(Debug, Default)]
pub(crate) struct Flying {
    /// The account's next nonce by the latest block.
    next: u64,
    submissions: Vec<Submission>,
}

/// What a look at them found.
#[derive(Debug)]
pub(crate) enum Seen {
    /// Nothing that the journal must know.
    Nothing,
    /// They wait for something outside.
    Held(&'static str),
    /// An open submission is in a block.
    Included(Submission, Included),
    /// A stranger's transaction, or one of another key of ours, took the place of this submission's.
    Displaced(Submission),
}

impl Flying {
    /// Reads the journal, and asks L1 for the nonce if there is anything to see.
    pub(crate) async fn look(
        index: &Index,
        tx: &TxManager,
        open: &[Submission],
    ) -> Result<Self, BatcherError> {
        let mut submissions = submission::stale(index.pool()).await?;
        submissions.retain(|stale| is_signed_by(stale, tx.address()));
        submissions.extend(open.iter().filter(|submission| submission.step == Step::Prepared));
        if submissions.is_empty() {
            return Ok(Self::default());
        }
        let next = tx.nonce().await?;
        submissions.retain(|one| one.step == Step::Prepared || one.nonce >= Some(next));
        submissions.sort_by_key(|submission| submission.nonce);
        Ok(Self { next, submissions })
    }

    pub(crate) const fn count(&self) -> usize {
        self.submissions.len()
    }

    /// Whether one more of this kind may be sent. Nodes refuse transactions with blobs while an account has others
    /// in their pool, and the reverse.
    pub(crate) fn leaves_room(&self, da_type: DaType, max: usize) -> bool {
        self.submissions.len() < max && self.submissions.iter().all(|other| other.da_type == da_type)
    }

    /// Whether the nonce that L1 waits for belongs to none of them.
    fn has_gap(&self) -> bool {
        self.submissions.first().is_some_and(|first| first.nonce > Some(self.next))
    }
}

/// Keeps what is on its way between two looks.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    by_id: BTreeMap<i64, InFlight>,
    filler: Option<InFlight>,
    gap_looks: u32,
}

impl Flights {
    /// Stores `tx` as the first attempt of `submission`. The next look sends it.
    pub(crate) async fn add(
        &mut self,
        index: &Index,
        account: Address,
        id: i64,
        tx: PreparedTx,
    ) -> Result<(), BatcherError> {
        submission::prepare(index.pool(), id, account, &attempt(&tx)).await?;
        self.by_id.insert(id, InFlight::new(vec![tx]));
        Ok(())
    }

    /// Looks at each in order, and does what it needs. Stops at the first that the journal must know of.
    pub(crate) async fn advance(
        &mut self,
        index: &Index,
        tx: &TxManager,
        flying: &Flying,
    ) -> Result<Seen, BatcherError> {
        self.by_id.retain(|id, _| flying.submissions.iter().any(|submission| submission.id == *id));
        self.fill_gap(tx, flying).await?;
        let mut held = None;
        for submission in &flying.submissions {
            if !is_signed_by(submission, tx.address()) {
                return Ok(Seen::Displaced(*submission));
            }
            let flight = self.flight(index, submission.id).await?;
            let journal = AttemptJournal { index, submission, account: tx.address() };
            match tx.advance(flight, flying.next, &journal).await {
                Ok(Progress::Included(included)) if submission.step == Step::Prepared => {
                    return Ok(Seen::Included(*submission, included));
                }
                Ok(Progress::Included(_) | Progress::Waiting) => {}
                Ok(Progress::Held(reason)) => held = held.or(Some(reason)),
                Err(L1Error::NonceTaken { .. }) => return Ok(Seen::Displaced(*submission)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(held.map_or(Seen::Nothing, Seen::Held))
    }

    async fn flight(&mut self, index: &Index, id: i64) -> Result<&mut InFlight, BatcherError> {
        Ok(match self.by_id.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let attempts =
                    submission::attempts(index.pool(), id).await?.into_iter().map(prepared).collect();
                unknown.insert(InFlight::new(attempts))
            }
        })
    }

    /// Uses a nonce up that nobody owns: all of ours are above it and would wait for ever. A reorg can take away
    /// what a person sent by hand, and a node can tell a nonce that is too high.
    async fn fill_gap(&mut self, tx: &TxManager, flying: &Flying) -> Result<(), BatcherError> {
        if !flying.has_gap() {
            (self.filler, self.gap_looks) = (None, 0);
            return Ok(());
        }
        self.gap_looks = self.gap_looks.saturating_add(1);
        if self.gap_looks < GAP_LOOKS {
            return Ok(());
        }
        if self.filler.as_ref().is_none_or(|filler| filler.nonce() != flying.next) {
            warn!(nonce = flying.next, "nobody uses a nonce that L1 waits for: sending nothing to ourselves");
            let nothing =
                TxRequest { to: Some(tx.address()), gas_limit: Some(TRANSFER_GAS), ..TxRequest::default() };
            self.filler = Some(InFlight::new(vec![tx.prepare(nothing, flying.next).await?]));
        }
        if let Some(filler) = &mut self.filler {
            tx.advance(filler, flying.next, &NoJournal).await?;
        }
        Ok(())
    }
}

/// Stores attempts under their submission.
struct AttemptJournal<'a> {
    index: &'a Index,
    submission: &'a Submission,
    account: Address,
}

impl Journal for AttemptJournal<'_> {
    async fn prepared(&self, tx: &PreparedTx) -> Result<(), Cause> {
        let (pool, id, attempt) = (self.index.pool(), self.submission.id, attempt(tx));
        if self.submission.step == Step::Abandoned {
            submission::replace_stale(pool, id, self.account, &attempt).await?;
        } else {
            submission::prepare(pool, id, self.account, &attempt).await?;
        }
        Ok(())
    }
}

/// An attempt whose account was not stored is of the present one.
fn is_signed_by(submission: &Submission, account: Address) -> bool {
    submission.sender.is_none_or(|sender| sender == account)
}

fn attempt(tx: &PreparedTx) -> Attempt {
    Attempt { nonce: tx.nonce, tx_hash: tx.hash, raw: tx.raw.clone() }
}

fn prepared(attempt: Attempt) -> PreparedTx {
    PreparedTx { nonce: attempt.nonce, hash: attempt.tx_hash, raw: attempt.raw }
}
