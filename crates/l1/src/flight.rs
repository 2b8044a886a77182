//! The attempts of one request on their way into a block.

use std::time::{Duration, Instant};

use alloy::providers::Provider;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{Included, Journal, L1Error, PreparedTx, TxManager, error::rpc, refusal::Refusal, sidecar};

/// Looks in a row that must find a nonce used and no attempt in a block: nodes behind one address may differ.
const NONCE_TAKEN_LOOKS: u32 = 3;

/// Where the attempts of one request stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxStatus {
    /// One of them is in a block.
    Included(Included),
    /// The node holds one of them, and no earlier nonce is missing.
    Pending {
        /// Whether it is the last one.
        latest: bool,
    },
    /// Nothing can be done now: an earlier nonce is missing, or the node contradicts itself.
    Waiting,
    /// The node knows none of them, and their nonce is free.
    Absent,
    /// Another transaction has their nonce.
    NonceTaken,
}

/// What a look at a request on its way found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is in a block with the configured number of confirmations.
    Included(Included),
    /// It is on its way.
    Waiting,
    /// It waits for something outside; these words say for what.
    Held(&'static str),
}

/// One request on its way: attempts under one nonce, oldest first, all of them journaled.
#[derive(Debug)]
pub struct InFlight {
    attempts: Vec<PreparedTx>,
    waiting_since: Instant,
    taken_looks: u32,
    held: Option<&'static str>,
}

impl InFlight {
    /// Takes up what the journal holds.
    #[must_use]
    pub fn new(attempts: Vec<PreparedTx>) -> Self {
        Self { attempts, waiting_since: Instant::now(), taken_looks: 0, held: None }
    }

    /// The nonce of all attempts.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        self.attempts.last().map_or(0, |tx| tx.nonce)
    }

    /// Tells, at most once in each `patience`, that the last attempt has had its chance.
    fn is_due(&mut self, patience: Duration) -> bool {
        let due = self.waiting_since.elapsed() >= patience;
        if due {
            self.waiting_since = Instant::now();
        }
        due
    }

    fn hold(&mut self, reason: Option<&'static str>) {
        if self.held != reason
            && let Some(reason) = reason
        {
            warn!(nonce = self.nonce(), "transaction waits {reason}");
        }
        self.held = reason;
    }
}

impl TxManager {
    /// Takes journaled attempts of one request, oldest first, and sees them into a block.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub async fn drive(
        &self,
        attempts: Vec<PreparedTx>,
        journal: &impl Journal,
        shutdown: &CancellationToken,
    ) -> Result<Included, L1Error> {
        let mut flight = InFlight::new(attempts);
        loop {
            let next = self.nonce().await?;
            if let Progress::Included(included) = self.advance(&mut flight, next, journal).await? {
                return Ok(included);
            }
            self.pause(shutdown).await?;
        }
    }

    /// Looks once, and does what is to be done: sends the last attempt again where the node lost it, replaces it
    /// by a dearer one when it waits too long. `next` is the account's next nonce by the latest block; while it
    /// is lower than ours, dearer fees would not help.
    ///
    /// # Errors
    /// [`L1Error::NonceTaken`] if another transaction has the nonce; else see [`L1Error`].
    pub async fn advance(
        &self,
        flight: &mut InFlight,
        next: u64,
        journal: &impl Journal,
    ) -> Result<Progress, L1Error> {
        let taken_looks = std::mem::take(&mut flight.taken_looks);
        match self.status_at(&flight.attempts, next).await? {
            TxStatus::Included(included) => {
                flight.hold(None);
                if self.confirmations(&included).await? >= self.options.tx_confirmations {
                    return Ok(Progress::Included(included));
                }
            }
            TxStatus::NonceTaken if taken_looks + 1 >= NONCE_TAKEN_LOOKS => {
                return Err(L1Error::NonceTaken { sender: self.address(), nonce: flight.nonce() });
            }
            TxStatus::NonceTaken => flight.taken_looks = taken_looks + 1,
            TxStatus::Waiting => {
                flight.waiting_since = Instant::now();
                flight.hold(None);
            }
            TxStatus::Absent => {
                flight.waiting_since = Instant::now();
                self.offer(flight, journal).await?;
            }
            TxStatus::Pending { latest } if flight.is_due(self.options.tx_resubmit_after) => {
                if latest {
                    self.replace(flight, journal).await?
                } else {
                    self.offer(flight, journal).await?
                }
            }
            TxStatus::Pending { .. } => {}
        }
        Ok(flight.held.map_or(Progress::Waiting, Progress::Held))
    }

    /// Looks once at where the attempts of one request stand.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn status(&self, attempts: &[PreparedTx]) -> Result<TxStatus, L1Error> {
        self.status_at(attempts, self.nonce().await?).await
    }

    /// A receipt counts only if the rest of what the node says agrees: the nonce is used, the block canonical.
    async fn status_at(&self, attempts: &[PreparedTx], next: u64) -> Result<TxStatus, L1Error> {
        let Some(last) = attempts.last() else { return Ok(TxStatus::Absent) };
        if next > last.nonce {
            for tx in attempts.iter().rev() {
                if let Some(included) = self.included(tx.hash).await? {
                    let canonical = self.is_canonical(included.block).await?;
                    return Ok(if canonical { TxStatus::Included(included) } else { TxStatus::Waiting });
                }
            }
            return Ok(TxStatus::NonceTaken);
        }
        for tx in attempts.iter().rev() {
            let found = self.provider.get_transaction_by_hash(tx.hash).await;
            if found.map_err(rpc("eth_getTransactionByHash"))?.is_some() {
                let latest = tx.hash == last.hash;
                return Ok(if next == last.nonce { TxStatus::Pending { latest } } else { TxStatus::Waiting });
            }
        }
        Ok(TxStatus::Absent)
    }

    /// Sends the last attempt, or a dearer one if the node asks for that.
    async fn offer(&self, flight: &mut InFlight, journal: &impl Journal) -> Result<(), L1Error> {
        let Some(last) = flight.attempts.last() else { return Ok(()) };
        match self.broadcast(last).await? {
            Sent::Known => flight.hold(None),
            Sent::Underpriced => self.replace(flight, journal).await?,
            Sent::Behind => flight.hold(Some("behind other transactions of the account in the node's pool")),
        }
        Ok(())
    }

    /// Stores and sends a dearer version of the last attempt, unless the limits forbid it.
    async fn replace(&self, flight: &mut InFlight, journal: &impl Journal) -> Result<(), L1Error> {
        let Some(last) = flight.attempts.last() else { return Ok(()) };
        let Some(replacement) = self.replacement(last).await? else {
            flight.hold(Some("at the highest fee allowed"));
            return Ok(());
        };
        self.store(journal, &replacement).await?;
        metrics::counter!("lockstep_l1_tx_replacements_total").increment(1);
        flight.hold(None);
        flight.attempts.push(replacement.clone());
        self.broadcast(&replacement).await?;
        Ok(())
    }

    pub(crate) async fn broadcast(&self, tx: &PreparedTx) -> Result<Sent, L1Error> {
        let mut sent = self.provider.send_raw_transaction(&tx.raw).await;
        if sent.as_ref().is_err_and(|error| Refusal::of_answer(error) == Refusal::Sidecar) {
            info!(hash = %tx.hash, "L1 wants the other kind of blob proofs");
            sent = self.provider.send_raw_transaction(&sidecar::converted(tx).await?).await;
        }
        let Err(error) = sent else { return Ok(Sent::Known) };
        match Refusal::of_answer(&error) {
            // It is there, or its nonce is used: the next look says which.
            Refusal::Known | Refusal::NonceTooLow => Ok(Sent::Known),
            Refusal::Underpriced => {
                info!(hash = %tx.hash, %error, "the node wants higher fees");
                Ok(Sent::Underpriced)
            }
            Refusal::Behind => Ok(Sent::Behind),
            _ => Err(self.refusal("eth_sendRawTransaction", error)),
        }
    }

    /// Blocks on top of the transaction's, its own included.
    async fn confirmations(&self, included: &Included) -> Result<u64, L1Error> {
        let latest = self.provider.get_block_number().await.map_err(rpc("eth_blockNumber"))?;
        Ok((latest + 1).saturating_sub(included.block.number))
    }
}

/// What became of a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The node has it, or has seen it in a block.
    Known,
    /// Another transaction with this nonce pays too much to be replaced by it, or the fees are too low at all.
    Underpriced,
    /// The node takes it only after others of the account have left its pool or come there.
    Behind,
}
