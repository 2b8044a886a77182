//! Filters that a client installs and polls.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::primitives::{B256, U64};
use alloy::rpc::types::{Filter, FilterBlockOption, FilterChanges, Log};
use lockstep_index::block;
use lockstep_primitives::BlockNumber;
use op_alloy_rpc_types::Transaction;
use parking_lot::Mutex;
use tokio::sync::broadcast::{Receiver, error::TryRecvError};

use super::{PooledTransaction, api::Api, args::Args, error::RpcError, hex::Number, logs, view};

/// What a filter reports.
#[derive(Clone, Debug)]
enum Kind {
    Blocks,
    Logs(Box<Filter>),
    /// What entered the pool; the channel bounds what waits for a client that does not poll.
    Transactions {
        entering: Arc<Mutex<Entering>>,
        full: bool,
    },
}

/// What enters the pool, in batches.
type Entering = Receiver<Arc<Vec<PooledTransaction>>>;

#[derive(Debug)]
struct Installed {
    kind: Kind,
    /// First block that was not reported yet.
    next: BlockNumber,
    polled: Instant,
}

/// Installed filters, bounded in number and in idle time.
#[derive(Debug)]
pub(super) struct Filters {
    installed: Mutex<HashMap<u64, Installed>>,
    max: usize,
    lifetime: Duration,
}

impl Filters {
    pub(super) fn new(max: usize, lifetime: Duration) -> Self {
        Self { installed: Mutex::default(), max, lifetime }
    }

    fn install(&self, kind: Kind, next: BlockNumber, now: Instant) -> Result<U64, RpcError> {
        let mut installed = self.installed.lock();
        installed.retain(|_, filter| now.duration_since(filter.polled) < self.lifetime);
        if installed.len() >= self.max {
            return Err(RpcError::Limit(format!("too many filters: limit {}", self.max)));
        }
        // Not guessable, so that no client polls another's filter.
        let mut id = random();
        while installed.contains_key(&id) {
            id = random();
        }
        installed.insert(id, Installed { kind, next, polled: now });
        Ok(U64::from(id))
    }

    fn remove(&self, id: u64) -> bool {
        self.installed.lock().remove(&id).is_some()
    }

    fn kind(&self, id: u64) -> Result<Kind, RpcError> {
        let installed = self.installed.lock();
        installed.get(&id).map(|filter| filter.kind.clone()).ok_or(RpcError::UnknownFilter)
    }

    /// Takes what is to be reported up to `head`: the kind, and the blocks if there are any.
    fn take(&self, id: u64, head: BlockNumber, now: Instant) -> Result<(Kind, Option<Blocks>), RpcError> {
        let mut installed = self.installed.lock();
        let filter = installed.get_mut(&id).ok_or(RpcError::UnknownFilter)?;
        filter.polled = now;
        let from = filter.next;
        filter.next = head.next(); // after a rewind this goes back, and the new blocks are reported
        Ok((filter.kind.clone(), (from <= head).then_some((from, head))))
    }

    /// Undoes a `take` whose answer could not be had.
    fn put_back(&self, id: u64, from: BlockNumber) {
        if let Some(filter) = self.installed.lock().get_mut(&id) {
            filter.next = filter.next.min(from);
        }
    }
}

/// First and last block.
type Blocks = (BlockNumber, BlockNumber);

fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0_u8)
}

pub(super) async fn new_filter(api: &Api, mut args: Args) -> Result<U64, RpcError> {
    let logs::Wanted(filter) = args.required("filter")?;
    args.end()?;
    if let FilterBlockOption::Range { from_block: Some(from), to_block: Some(to) } = filter.block_option
        && from.is_number()
        && to.is_number()
        && api.number(from) > api.number(to)
    {
        return Err(RpcError::Params("invalid block range params".to_owned()));
    }
    let next = api.heads().unsafe_head.number.next();
    api.filters.install(Kind::Logs(Box::new(filter)), next, Instant::now())
}

pub(super) async fn new_block_filter(api: &Api, args: Args) -> Result<U64, RpcError> {
    args.end()?;
    api.filters.install(Kind::Blocks, api.heads().unsafe_head.number.next(), Instant::now())
}

pub(super) async fn new_pending_transaction_filter(api: &Api, mut args: Args) -> Result<U64, RpcError> {
    let full = args.optional("full transactions")?.unwrap_or(false);
    args.end()?;
    let entering = Arc::new(Mutex::new(api.context.pool.subscribe()));
    let head = api.heads().unsafe_head.number;
    api.filters.install(Kind::Transactions { entering, full }, head.next(), Instant::now())
}

pub(super) async fn uninstall_filter(api: &Api, mut args: Args) -> Result<bool, RpcError> {
    let Number(id) = args.required("filter id")?;
    args.end()?;
    Ok(api.filters.remove(id))
}

/// All logs of a filter, reported or not.
pub(super) async fn filter_logs(api: &Api, mut args: Args) -> Result<Vec<Log>, RpcError> {
    let Number(id) = args.required("filter id")?;
    args.end()?;
    match api.filters.kind(id)? {
        Kind::Logs(filter) => logs::matching(api, &filter).await,
        Kind::Blocks | Kind::Transactions { .. } => Err(RpcError::UnknownFilter),
    }
}

/// What happened since the last call.
pub(super) async fn filter_changes(
    api: &Api,
    mut args: Args,
) -> Result<FilterChanges<Transaction>, RpcError> {
    let Number(id) = args.required("filter id")?;
    args.end()?;
    let (kind, blocks) = api.filters.take(id, api.heads().unsafe_head.number, Instant::now())?;
    if let Kind::Transactions { entering, full } = &kind {
        let entered = entered(&mut entering.lock());
        let entered = entered.iter().flat_map(|batch| batch.iter());
        return Ok(if *full {
            let view = |pooled: &PooledTransaction| view::pooled(&pooled.transaction, pooled.sender);
            FilterChanges::Transactions(entered.map(view).collect())
        } else {
            FilterChanges::Hashes(entered.map(|pooled| pooled.transaction.tx_hash()).collect())
        });
    }
    let Some(blocks) = blocks else { return Ok(FilterChanges::Empty) };
    let changes = changes(api, &kind, blocks).await;
    if changes.is_err() {
        api.filters.put_back(id, blocks.0);
    }
    changes
}

async fn changes(api: &Api, kind: &Kind, (from, to): Blocks) -> Result<FilterChanges<Transaction>, RpcError> {
    match kind {
        Kind::Transactions { .. } => Ok(FilterChanges::Empty),
        Kind::Blocks => {
            let headers = block::headers(api.context.index.pool(), from, to).await?;
            let hashes: Vec<B256> = headers.iter().map(|stored| stored.hash).collect();
            Ok(FilterChanges::Hashes(hashes))
        }
        Kind::Logs(filter) => {
            let (first, last) = bounds(filter);
            let (from, to) = (from.max(first), to.min(last));
            if from > to {
                return Ok(FilterChanges::Empty);
            }
            Ok(FilterChanges::Logs(logs::in_range(api, filter, from, to).await?))
        }
    }
}

/// What entered since the last call, but for what the channel had no room for.
fn entered(entering: &mut Entering) -> Vec<Arc<Vec<PooledTransaction>>> {
    let mut batches = Vec::new();
    loop {
        match entering.try_recv() {
            Ok(batch) => batches.push(batch),
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return batches,
        }
    }
}

/// The blocks that a filter names by number; tags do not bound what is yet to come.
fn bounds(filter: &Filter) -> Blocks {
    let FilterBlockOption::Range { from_block, to_block } = filter.block_option else {
        return (BlockNumber(1), BlockNumber(0)); // one old block: nothing new can match
    };
    let first = from_block.and_then(|block| block.as_number()).unwrap_or(0);
    let last = to_block.and_then(|block| block.as_number()).unwrap_or(u64::MAX);
    (BlockNumber(first), BlockNumber(last))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy::primitives::{Address, U256};
    use lockstep_primitives::TxDeposit;

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(10);

    #[test]
    fn each_block_is_reported_once() {
        let (filters, now) = (Filters::new(10, LIFETIME), Instant::now());
        let id = filters.install(Kind::Blocks, BlockNumber(6), now).unwrap().to();
        let take = |head| filters.take(id, BlockNumber(head), now).unwrap().1;
        assert_eq!(take(5), None);
        assert_eq!(take(7), Some((BlockNumber(6), BlockNumber(7))));
        assert_eq!(take(7), None);
        filters.put_back(id, BlockNumber(6));
        assert_eq!(take(7), Some((BlockNumber(6), BlockNumber(7))));
    }

    #[test]
    fn blocks_after_a_rewind_are_reported() {
        let (filters, now) = (Filters::new(10, LIFETIME), Instant::now());
        let id = filters.install(Kind::Blocks, BlockNumber(6), now).unwrap().to();
        let take = |head| filters.take(id, BlockNumber(head), now).unwrap().1;
        assert_eq!(take(9), Some((BlockNumber(6), BlockNumber(9))));
        assert_eq!(take(7), None);
        assert_eq!(take(8), Some((BlockNumber(8), BlockNumber(8))));
    }

    #[test]
    fn transactions_that_waited_too_long_are_lost_and_the_rest_reported() {
        let (sender, mut receiver) = tokio::sync::broadcast::channel(2);
        let pooled = |nonce| PooledTransaction {
            transaction: TxDeposit { value: U256::from(nonce), ..TxDeposit::default() }.into(),
            sender: Address::ZERO,
        };
        let hash = |nonce| pooled(nonce).transaction.tx_hash();
        let entered = |receiver: &mut Entering| -> Vec<B256> {
            let batches = entered(receiver);
            batches.iter().flat_map(|batch| batch.iter()).map(|pooled| pooled.transaction.tx_hash()).collect()
        };
        sender.send(Arc::new(vec![pooled(0), pooled(1)])).unwrap();
        assert_eq!(entered(&mut receiver), [hash(0), hash(1)]);
        assert!(entered(&mut receiver).is_empty());
        for nonce in 2..5 {
            sender.send(Arc::new(vec![pooled(nonce)])).unwrap();
        }
        assert_eq!(entered(&mut receiver), [hash(3), hash(4)]);
    }

    #[test]
    fn filters_are_bounded_and_idle_ones_make_room() {
        let (filters, now) = (Filters::new(1, LIFETIME), Instant::now());
        let id = filters.install(Kind::Blocks, BlockNumber(0), now).unwrap().to();
        assert!(matches!(filters.install(Kind::Blocks, BlockNumber(0), now), Err(RpcError::Limit(_))));
        filters.install(Kind::Blocks, BlockNumber(0), now + LIFETIME).unwrap();
        assert!(!filters.remove(id));
        assert!(matches!(filters.take(id, BlockNumber(1), now), Err(RpcError::UnknownFilter)));
    }
}
