//! Clients that submit: each has a connection and accounts of its own, and one request under way.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Barrier;
use tokio::task::LocalSet;

use crate::accounts::SignedTx;
use crate::net::{Endpoint, Link, acknowledgements, submission};

use super::clock::{Clock, Micros};
use super::words::general;

/// A late timer is the generator's own fault, up to this: tokio's have whole milliseconds.
const TIMER_SLACK: Micros = Micros(2_000);
/// Time before what was refused is offered again.
const RETRY_AFTER: Duration = Duration::from_millis(50);
/// Cores for each thread of the generator; the server needs the others.
const CORES_PER_THREAD: usize = 4;

/// How clients submit.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    pub(crate) endpoint: Endpoint,
    pub(crate) clients: usize,
    /// Accounts that took turns when the transactions were signed.
    pub(crate) accounts: usize,
    /// Transactions of a request; 1 sends no JSON-RPC batch.
    pub(crate) batch: usize,
    pub(crate) sync: bool,
    /// How often a refused transaction is offered again.
    pub(crate) retries: u32,
    /// Time between two transactions, all clients together; `None`: each follows the answer to the one before.
    pub(crate) interval: Option<Duration>,
    /// No request is begun after it.
    pub(crate) duration: Option<Duration>,
    /// How long to wait for an answer.
    pub(crate) patience: Duration,
}

/// What clients share while they run.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// No request is begun any more.
    pub(crate) stop: AtomicBool,
    pub(crate) accepted: AtomicUsize,
    pub(crate) refused: AtomicUsize,
    clock: OnceLock<Clock>,
}

impl Shared {
    /// The clock of the run, which starts for whoever asks first.
    pub(crate) fn clock(&self) -> Clock {
        *self.clock.get_or_init(|| Clock::starting_at(Instant::now()))
    }
}

/// What became of a transaction at the server's door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Accepted,
    Refused,
    /// Not offered: an earlier transaction of its account was refused.
    Skipped,
}

/// A transaction that was offered, or would have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) index: usize,
    /// When it was due, for the first time.
    pub(crate) due: Micros,
    /// When the answer was there.
    pub(crate) answered: Micros,
    pub(crate) fate: Fate,
}

/// What one client saw.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) offers: Vec<Offer>,
    pub(crate) errors: HashMap<String, usize>,
}

/// Submits `txs` and gives the logs of all clients. They wait for `start` when they are connected.
pub(crate) fn spawn(
    manner: &Arc<Manner>,
    txs: &Arc<Vec<SignedTx>>,
    shared: &Arc<Shared>,
    start: &Arc<Barrier>,
) -> io::Result<Vec<thread::JoinHandle<io::Result<Vec<Log>>>>> {
    let threads = threads(manner.clients);
    let spawn = |thread: usize| {
        let (manner, txs) = (Arc::clone(manner), Arc::clone(txs));
        let (shared, start) = (Arc::clone(shared), Arc::clone(start));
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(LocalSet::new().block_on(&runtime, clients_of(thread, threads, manner, txs, shared, start)))
        };
        thread::Builder::new().name(format!("load-{thread}")).spawn(work)
    };
    (0..threads).map(spawn).collect()
}

/// Threads that serve `clients`.
pub(crate) fn threads(clients: usize) -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    (cores / CORES_PER_THREAD).clamp(1, clients.max(1))
}

async fn clients_of(
    thread: usize,
    threads: usize,
    manner: Arc<Manner>,
    txs: Arc<Vec<SignedTx>>,
    shared: Arc<Shared>,
    start: Arc<Barrier>,
) -> Vec<Log> {
    let mut clients = Vec::new();
    for number in (thread..manner.clients).step_by(threads) {
        let mut client = Client::new(number, Arc::clone(&manner), Arc::clone(&txs), Arc::clone(&shared));
        // If it fails, so will the first request, which counts it.
        let _ = client.link.open().await;
        clients.push(client);
    }
    start.wait().await;
    let clock = shared.clock();
    let running: Vec<_> =
        clients.into_iter().map(|client| tokio::task::spawn_local(client.run(clock))).collect();
    let mut logs = Vec::with_capacity(running.len());
    for client in running {
        logs.push(client.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
    }
    logs
}

/// A transaction that waits for its turn.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    index: usize,
    /// When it was offered for the first time.
    due: Option<Micros>,
    retries: u32,
}

struct Client {
    manner: Arc<Manner>,
    txs: Arc<Vec<SignedTx>>,
    shared: Arc<Shared>,
    link: Link,
    queue: VecDeque<Waiting>,
    /// Accounts of which a transaction was refused for good.
    broken: HashSet<usize>,
    body: Vec<u8>,
    log: Log,
}

impl Client {
    fn new(number: usize, manner: Arc<Manner>, txs: Arc<Vec<SignedTx>>, shared: Arc<Shared>) -> Self {
        let queue = turns(number, manner.clients, manner.accounts, txs.len())
            .map(|index| Waiting { index, due: None, retries: manner.retries })
            .collect();
        let link = Link::new(manner.endpoint.clone());
        let (broken, body, log) = (HashSet::new(), Vec::new(), Log::default());
        Self { manner, txs, shared, link, queue, broken, body, log }
    }

    async fn run(mut self, clock: Clock) -> Log {
        loop {
            let batch = self.next_batch(clock);
            let Some(first) = batch.first() else { break };
            let Some(due) = self.turn(first.index, clock).await else { break };
            let answers = self.submit(&batch).await;
            if self.note(batch, answers, due, clock.now()) {
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
        self.log
    }

    fn next_batch(&mut self, clock: Clock) -> Vec<Waiting> {
        let mut batch = Vec::with_capacity(self.manner.batch);
        while batch.len() < self.manner.batch {
            let Some(next) = self.queue.pop_front() else { break };
            if self.broken.contains(&(next.index % self.manner.accounts)) {
                let now = clock.now();
                self.log.offers.push(Offer {
                    index: next.index,
                    due: now,
                    answered: now,
                    fate: Fate::Skipped,
                });
            } else {
                batch.push(next);
            }
        }
        batch
    }

    /// Waits until transaction `index` is due, and gives the time that its latency counts from; `None` once the run is
    /// over.
    ///
    /// In an open loop that is when it should have been sent, however late this client is: a server that stalls is not
    /// asked less, so its stall is seen in full.
    async fn turn(&self, index: usize, clock: Clock) -> Option<Micros> {
        let mut due = clock.now();
        if let Some(interval) = self.manner.interval {
            let intended = Micros::of(interval.as_secs_f64() * index as f64);
            if due < intended {
                tokio::time::sleep_until(clock.instant(intended).into()).await;
            }
            let timely = intended > due;
            due = if timely { clock.now().min(intended + TIMER_SLACK) } else { intended };
        }
        let over = self.manner.duration.is_some_and(|duration| due >= Micros::from(duration));
        let stopped = self.shared.stop.load(Ordering::Relaxed);
        (!over && !stopped).then_some(due)
    }

    async fn submit(&mut self, batch: &[Waiting]) -> Vec<Result<(), String>> {
        let method = if self.manner.sync { "eth_sendRawTransactionSync" } else { "eth_sendRawTransaction" };
        let raws = batch.iter().map(|waiting| &*self.txs[waiting.index].raw);
        submission(&mut self.body, method, raws, self.manner.batch > 1);
        let failure = match tokio::time::timeout(self.manner.patience, self.link.exchange(&self.body)).await {
            Ok(Ok(response)) => return acknowledgements(response.status, response.body, batch.len()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer for {:?}", self.manner.patience),
        };
        vec![Err(failure); batch.len()]
    }

    /// Whether something has to be offered again.
    fn note(
        &mut self,
        batch: Vec<Waiting>,
        answers: Vec<Result<(), String>>,
        due: Micros,
        now: Micros,
    ) -> bool {
        let mut again = Vec::new();
        for (waiting, answer) in batch.into_iter().zip(answers) {
            let due = waiting.due.unwrap_or(due);
            let Waiting { index, retries, .. } = waiting;
            let fate = match answer {
                Ok(()) => Fate::Accepted,
                Err(words) => {
                    *self.log.errors.entry(general(&words)).or_default() += 1;
                    self.shared.refused.fetch_add(1, Ordering::Relaxed);
                    if retries > 0 {
                        again.push(Waiting { index, due: Some(due), retries: retries - 1 });
                        continue;
                    }
                    self.broken.insert(index % self.manner.accounts);
                    Fate::Refused
                }
            };
            self.shared.accepted.fetch_add(usize::from(fate == Fate::Accepted), Ordering::Relaxed);
            self.log.offers.push(Offer { index, due, answered: now, fate });
        }
        let retry = !again.is_empty();
        again.into_iter().rev().for_each(|waiting| self.queue.push_front(waiting));
        retry
    }
}

/// The transactions of client `number`, in their order: those of its accounts, which no other client has.
fn turns(number: usize, clients: usize, accounts: usize, txs: usize) -> impl Iterator<Item = usize> {
    (0..txs).filter(move |index| index % accounts % clients == number)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_transaction_has_one_client_and_every_account_too() {
        let (clients, accounts, txs) = (3, 7, 40);
        let mut seen = BTreeSet::new();
        let mut owners = HashMap::new();
        for client in 0..clients {
            let turns: Vec<_> = turns(client, clients, accounts, txs).collect();
            assert!(turns.is_sorted());
            for index in turns {
                assert!(seen.insert(index));
                assert_eq!(*owners.entry(index % accounts).or_insert(client), client);
            }
        }
        assert_eq!(seen.len(), txs);
        assert_eq!(owners.len(), accounts);
    }
}
