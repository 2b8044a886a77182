//! One round: submits signed transactions to one target and watches its blocks until they are in.

mod clients;
mod clock;
mod cpu;
mod receipts;
mod watch;
mod words;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

use crate::accounts::SignedTx;
use crate::error::LoadError;
use crate::net::{Rpc, RpcError};
use crate::progress::Bar;

pub(crate) use clients::{Fate, Manner, Offer};
use clients::{Log, Shared};
use clock::Clock;
pub(crate) use clock::Micros;
use receipts::reverted;
use watch::{Inclusions, Watcher};
use words::general;

/// How long a run that was told to stop waits for the next of what was accepted: its figures are to be soon, and true.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// What a round is, beside its transactions.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    pub(crate) manner: Manner,
    /// Processes of the server.
    pub(crate) pids: Vec<u32>,
    /// Time between two looks at the head.
    pub(crate) poll: Duration,
    /// How long to wait for transactions that were accepted and are in no block.
    pub(crate) patience: Duration,
    /// Receipts that are looked at afterwards.
    pub(crate) receipts: usize,
}

/// What happened in a round.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pub(crate) offers: Vec<Offer>,
    /// When each transaction was seen in a block.
    pub(crate) included: Vec<Option<Micros>>,
    pub(crate) errors: HashMap<String, usize>,
    /// CPU time of the server and of this process, from the first transaction to the last inclusion.
    pub(crate) server_cpu: Option<Duration>,
    pub(crate) own_cpu: Duration,
    /// Of how many included transactions the receipt was looked at, and how many of those had failed.
    pub(crate) receipts: usize,
    pub(crate) reverted: usize,
}

/// Submits `txs`, which `rpc`'s server has to have accounts and code for.
pub(crate) async fn round(
    rpc: Rpc,
    txs: Arc<Vec<SignedTx>>,
    round: &Round,
    bar: &Bar,
    shutdown: &CancellationToken,
) -> Result<Events, LoadError> {
    let inclusions = Inclusions::of(&txs);
    let watcher = Watcher::start(rpc).await?;
    let manner = Arc::new(round.manner.clone());
    let shared = Arc::new(Shared::default());
    let start = Arc::new(Barrier::new(clients::threads(manner.clients) + 1));
    let before = Cpu::now(&round.pids)?;
    let threads = clients::spawn(&manner, &txs, &shared, &start).map_err(no_thread)?;
    let joined = tokio::task::spawn_blocking(move || join(threads));
    // From here to the join nothing may fail: the clients wait for the start.
    start.wait().await;
    let mut running = Running { round, bar, shutdown, clock: shared.clock(), shared, watcher, inclusions };
    let mut log = running.until_answered(joined).await?;
    if let Some(trouble) = running.until_included(&log).await {
        *log.errors.entry(general(&trouble.to_string())).or_default() += 1;
    }
    let used = Cpu::now(&round.pids)?;
    Ok(running.events(&txs, log, used, before).await)
}

fn no_thread(source: io::Error) -> LoadError {
    LoadError::Io { what: "start the threads of the clients", source }
}

fn join(threads: Vec<JoinHandle<io::Result<Vec<Log>>>>) -> io::Result<Log> {
    let mut all = Log::default();
    for thread in threads {
        for log in thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))? {
            all.offers.extend(log.offers);
            log.errors.into_iter().for_each(|(words, count)| *all.errors.entry(words).or_default() += count);
        }
    }
    Ok(all)
}

/// CPU times at one moment.
struct Cpu {
    server: Option<Duration>,
    own: Duration,
}

impl Cpu {
    fn now(pids: &[u32]) -> Result<Self, LoadError> {
        let server = (!pids.is_empty()).then(|| cpu::cpu_time(pids)).transpose();
        let server = server.map_err(|(pid, source)| LoadError::Process { pid, source })?;
        Ok(Self { server, own: cpu::own_cpu_time() })
    }
}

/// A round under way.
struct Running<'a> {
    round: &'a Round,
    bar: &'a Bar,
    shutdown: &'a CancellationToken,
    clock: Clock,
    shared: Arc<Shared>,
    watcher: Watcher,
    inclusions: Inclusions,
}

impl Running<'_> {
    async fn until_answered(
        &mut self,
        mut clients: tokio::task::JoinHandle<io::Result<Log>>,
    ) -> Result<Log, LoadError> {
        let log = loop {
            tokio::select! {
                log = &mut clients => break log,
                () = tokio::time::sleep(self.round.poll) => {}
            }
            if self.shutdown.is_cancelled() {
                self.shared.stop.store(true, Ordering::Relaxed);
            }
            if let Err(error) = self.look().await {
                // A server that fails under load is what a run is to find out; that it is gone shows below.
                self.bar.say(error.to_string());
            }
        };
        let log =
            log.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())).map_err(no_thread)?;
        if self.round.manner.sync {
            let accepted = log.offers.iter().filter(|offer| offer.fate == Fate::Accepted);
            accepted.for_each(|offer| self.inclusions.receipt(offer.index, offer.answered));
        }
        Ok(log)
    }

    /// Waits for accepted transactions, as long as more of them come in before patience ends. Gives what is wrong with
    /// the server, if it does not answer any more.
    async fn until_included(&mut self, log: &Log) -> Option<RpcError> {
        let accepted = log.offers.iter().filter(|offer| offer.fate == Fate::Accepted);
        let mut missing: Vec<usize> = accepted.map(|offer| offer.index).collect();
        let mut since = Instant::now();
        let mut trouble = None;
        loop {
            let before = missing.len();
            missing.retain(|index| self.inclusions.at(*index).is_none());
            if missing.len() < before {
                since = Instant::now();
            }
            if missing.is_empty() || since.elapsed() > self.patience() {
                return trouble;
            }
            tokio::time::sleep(self.round.poll).await;
            trouble = self.look().await.err();
        }
    }

    fn patience(&self) -> Duration {
        let patience = self.round.patience;
        if self.shutdown.is_cancelled() { patience.min(LAST_PATIENCE) } else { patience }
    }

    async fn look(&mut self) -> Result<(), RpcError> {
        self.watcher.poll(self.clock, &mut self.inclusions).await?;
        self.bar.reach(self.inclusions.count());
        let [accepted, refused] =
            [&self.shared.accepted, &self.shared.refused].map(|it| it.load(Ordering::Relaxed));
        let refused = if refused == 0 { String::new() } else { format!(", {refused} refused") };
        self.bar.say(format!("{accepted} accepted{refused}"));
        Ok(())
    }

    async fn events(self, txs: &[SignedTx], log: Log, used: Cpu, before: Cpu) -> Events {
        let included: Vec<_> = (0..txs.len()).map(|index| self.inclusions.at(index)).collect();
        let hashes: Vec<_> =
            txs.iter().zip(&included).filter(|(_, at)| at.is_some()).map(|(tx, _)| tx.hash).collect();
        let looked_at = reverted(&mut self.watcher.into_rpc(), &hashes, self.round.receipts).await;
        // A server that has died has no receipts; what it did before counts all the same.
        let (receipts, reverted) = looked_at.unwrap_or_default();
        let server_cpu = used.server.zip(before.server).map(|(after, before)| after.saturating_sub(before));
        let own_cpu = used.own.saturating_sub(before.own);
        Events { offers: log.offers, included, errors: log.errors, server_cpu, own_cpu, receipts, reverted }
    }
}
