//! `eth_subscribe`: what happens to the chain and in the pool, as it happens.
//!
//! | Name | What is sent |
//! |---|---|
//! | `newHeads` | the header of each sealed block |
//! | `logs` (filter) | matching logs of sealed blocks; `removed: true` when their block is taken back |
//! | `transactionReceipts` (hashes) | the receipts of each sealed block, as a list |
//! | `pendingReceipts` (hashes) | each receipt as its transaction is executed, with `blockHash` null |
//! | `newPendingTransactions` (full) | hash, or the transaction, of what enters the pool |
//! | `syncing` | `false`, once |
//!
//! Sealed blocks are not lost: whoever lags behind is served from the index. Who lags too far behind the others hears so
//! in a last message, which has `error` in place of `result`.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use alloy::primitives::B256;
use alloy::rpc::types::{
    Filter,
    pubsub::{Params as Wanted, TransactionReceiptsParams},
};
use jsonrpsee::core::{SubscriptionError, SubscriptionResult};
use jsonrpsee::types::Params;
use jsonrpsee::{PendingSubscriptionSink, SubscriptionSink};
use lockstep_index::block;
use lockstep_primitives::{BlockNumber, SealedBlock};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{PooledTransaction, api::Api, args::Args, error::RpcError, view};

/// Blocks that a subscription remembers, to take their logs back if they are rewound.
const REMEMBERED: usize = 64;

/// What a subscription sends.
#[derive(Debug)]
enum Topic {
    Blocks(BlockTopic),
    PendingReceipts(Hashes),
    NewTransactions { full: bool },
    Syncing,
}

/// What of each sealed block.
#[derive(Debug)]
enum BlockTopic {
    Header,
    Logs(Box<Filter>),
    Receipts(Hashes),
}

/// Transactions that matter; none named: all.
#[derive(Debug, Default)]
struct Hashes(HashSet<B256>);

impl Hashes {
    fn matter(&self, hash: B256) -> bool {
        self.0.is_empty() || self.0.contains(&hash)
    }
}

/// Why a subscription ends.
enum End {
    /// The client or the sequencer goes.
    Gone,
    /// The client did not keep up.
    Lagged(u64),
}

/// Serves one subscription.
pub(super) async fn subscribe(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    api: Arc<Api>,
) -> SubscriptionResult {
    let topic = match topic(&params) {
        Ok(topic) => topic,
        Err(error) => {
            pending.reject(error).await;
            return Ok(());
        }
    };
    // Listening begins before accepting: nothing is missed.
    let end = match topic {
        Topic::Blocks(topic) => {
            let blocks = api.context.new_blocks.subscribe();
            serve_blocks(&api, &topic, blocks, &pending.accept().await?).await
        }
        Topic::PendingReceipts(hashes) => {
            let batches = api.context.pending.subscribe();
            serve(batches, &pending.accept().await?, |batch| {
                let receipts = view::pending_receipts(&batch).into_iter();
                receipts.filter(|receipt| hashes.matter(receipt.inner.transaction_hash)).map(json).collect()
            })
            .await
        }
        Topic::NewTransactions { full } => {
            let entered = api.context.pool.subscribe();
            serve(entered, &pending.accept().await?, |txs| {
                let show = |tx: &PooledTransaction| match full {
                    true => json(view::pooled(&tx.transaction, tx.sender)),
                    false => json(tx.transaction.tx_hash()),
                };
                txs.iter().map(show).collect()
            })
            .await
        }
        Topic::Syncing => {
            let sink = pending.accept().await?;
            match send(&sink, json(false)).await {
                Ok(()) => sink.closed().await,
                Err(_) => return Ok(()),
            }
            End::Gone
        }
    };
    match end {
        End::Gone => Ok(()),
        End::Lagged(missed) => {
            metrics::counter!("lockstep_rpc_subscriptions_lagged_total").increment(1);
            Err(SubscriptionError::from(format!("the reader is too slow: {missed} messages were lost")))
        }
    }
}

fn topic(params: &Params<'_>) -> Result<Topic, RpcError> {
    let mut args = Args::new(params)?;
    let name: String = args.required("subscription")?;
    let wanted = args.optional("filter")?.unwrap_or(Wanted::None);
    args.end()?;
    match (name.as_str(), wanted) {
        ("newHeads", _) => Ok(Topic::Blocks(BlockTopic::Header)),
        ("logs", Wanted::Logs(filter)) => Ok(Topic::Blocks(BlockTopic::Logs(filter))),
        ("logs", Wanted::None) => Ok(Topic::Blocks(BlockTopic::Logs(Box::default()))),
        ("transactionReceipts", wanted) => Ok(Topic::Blocks(BlockTopic::Receipts(hashes(wanted)?))),
        ("pendingReceipts", wanted) => Ok(Topic::PendingReceipts(hashes(wanted)?)),
        ("newPendingTransactions", Wanted::None) => Ok(Topic::NewTransactions { full: false }),
        ("newPendingTransactions", Wanted::Bool(full)) => Ok(Topic::NewTransactions { full }),
        ("syncing", _) => Ok(Topic::Syncing),
        ("logs" | "newPendingTransactions", _) => Err(not_understood()),
        _ => Err(RpcError::NoSubscription(name)),
    }
}

fn hashes(wanted: Wanted) -> Result<Hashes, RpcError> {
    match wanted {
        Wanted::None => Ok(Hashes::default()),
        Wanted::TransactionReceipts(TransactionReceiptsParams { transaction_hashes }) => {
            Ok(Hashes(transaction_hashes.unwrap_or_default().into_iter().collect()))
        }
        _ => Err(not_understood()),
    }
}

fn not_understood() -> RpcError {
    RpcError::InvalidField { name: "filter", reason: "not one of this subscription".to_owned() }
}

/// Hands on what `source` says, as `show` shows it.
async fn serve<T: Clone>(
    mut source: Receiver<T>,
    sink: &SubscriptionSink,
    show: impl Fn(T) -> Vec<Message>,
) -> End {
    loop {
        let said = tokio::select! {
            () = sink.closed() => return End::Gone,
            said = source.recv() => said,
        };
        let messages = match said {
            Ok(said) => show(said),
            Err(RecvError::Lagged(missed)) => return End::Lagged(missed),
            Err(RecvError::Closed) => return End::Gone,
        };
        for message in messages {
            if let Err(end) = send(sink, message).await {
                return end;
            }
        }
    }
}

async fn serve_blocks(
    api: &Api,
    topic: &BlockTopic,
    mut blocks: Receiver<Arc<SealedBlock>>,
    sink: &SubscriptionSink,
) -> End {
    let mut follower = Follower::default();
    loop {
        let block = tokio::select! {
            () = sink.closed() => return End::Gone,
            block = blocks.recv() => match block {
                Ok(block) => block,
                Err(RecvError::Lagged(_)) => continue, // the next block shows the gap
                Err(RecvError::Closed) => return End::Gone,
            },
        };
        for missed in follower.gap_before(&block) {
            let Ok(Some(missed)) = block::by_number(api.context.index.pool(), missed).await else {
                return End::Gone;
            };
            if let Err(end) = send_block(topic, &mut follower, Arc::new(missed), sink).await {
                return end;
            }
        }
        if let Err(end) = send_block(topic, &mut follower, block, sink).await {
            return end;
        }
    }
}

async fn send_block(
    topic: &BlockTopic,
    follower: &mut Follower,
    block: Arc<SealedBlock>,
    sink: &SubscriptionSink,
) -> Result<(), End> {
    let removed = follower.push(Arc::clone(&block));
    match topic {
        BlockTopic::Header => send(sink, json(view::header(&block.header, block.hash, None))).await,
        BlockTopic::Logs(filter) => {
            let taken_back = removed.iter().flat_map(|block| view::logs(block, true));
            for log in taken_back.chain(view::logs(&block, false)) {
                if filter.matches(&log.inner) {
                    send(sink, json(&log)).await?;
                }
            }
            Ok(())
        }
        BlockTopic::Receipts(hashes) => {
            let mut receipts = view::receipts(&block);
            receipts.retain(|receipt| hashes.matter(receipt.inner.transaction_hash));
            if receipts.is_empty() { Ok(()) } else { send(sink, json(&receipts)).await }
        }
    }
}

/// A message; none if it cannot be written as JSON.
type Message = Option<Box<RawValue>>;

#[allow(clippy::needless_pass_by_value)] // so that it can be mapped over
fn json(message: impl Serialize) -> Message {
    serde_json::value::to_raw_value(&message).ok()
}

async fn send(sink: &SubscriptionSink, message: Message) -> Result<(), End> {
    sink.send(message.ok_or(End::Gone)?).await.map_err(|_| End::Gone)
}

/// Keeps the order of blocks: finds gaps, and what a rewind took back.
#[derive(Debug, Default)]
struct Follower {
    recent: VecDeque<Arc<SealedBlock>>,
}

impl Follower {
    /// Numbers between the last block and `block` that were never seen.
    fn gap_before(&self, block: &SealedBlock) -> impl Iterator<Item = BlockNumber> + use<> {
        let next = self.recent.back().map_or(block.header.number, |last| last.header.number + 1);
        (next..block.header.number).map(BlockNumber)
    }

    /// Takes `block` as the head and gives the blocks that it replaces, newest first.
    fn push(&mut self, block: Arc<SealedBlock>) -> Vec<Arc<SealedBlock>> {
        let mut removed = Vec::new();
        while self.recent.back().is_some_and(|last| last.header.number >= block.header.number) {
            removed.extend(self.recent.pop_back());
        }
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(block);
        removed
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use lockstep_primitives::{BlockId, Header};

    use super::*;

    fn block(number: u64) -> Arc<SealedBlock> {
        let header = Header { number, ..Header::default() };
        Arc::new(SealedBlock {
            hash: header.hash_slow(),
            header,
            l1_origin: BlockId::default(),
            sequence_number: 0,
            transactions: Vec::new(),
            senders: Vec::new(),
            receipts: Vec::new(),
        })
    }

    fn numbers(blocks: &[Arc<SealedBlock>]) -> Vec<u64> {
        blocks.iter().map(|block| block.header.number).collect()
    }

    #[test]
    fn missed_blocks_are_found() {
        let mut follower = Follower::default();
        assert_eq!(follower.gap_before(&block(5)).count(), 0);
        follower.push(block(5));
        assert_eq!(follower.gap_before(&block(6)).count(), 0);
        assert_eq!(follower.gap_before(&block(8)).collect::<Vec<_>>(), [BlockNumber(6), BlockNumber(7)]);
    }

    #[test]
    fn rewound_blocks_are_given_back_newest_first() {
        let mut follower = Follower::default();
        for number in 1..=4 {
            assert!(follower.push(block(number)).is_empty());
        }
        assert_eq!(numbers(&follower.push(block(3))), [4, 3]);
        assert!(follower.push(block(4)).is_empty());
    }

    #[test]
    fn memory_of_blocks_is_bounded() {
        let mut follower = Follower::default();
        for number in 0..1_000 {
            follower.push(block(number));
        }
        assert_eq!(follower.recent.len(), REMEMBERED);
    }

    #[test]
    fn subscriptions_are_known_by_name_and_take_their_own_filters_only() {
        let topic = |json: &str| topic(&Params::new(Some(json)));
        assert!(matches!(topic(r#"["newHeads"]"#), Ok(Topic::Blocks(BlockTopic::Header))));
        assert!(matches!(topic(r#"["logs",{"address":[]}]"#), Ok(Topic::Blocks(BlockTopic::Logs(_)))));
        let full = topic(r#"["newPendingTransactions", true]"#);
        assert!(matches!(full, Ok(Topic::NewTransactions { full: true })));
        let hash = B256::repeat_byte(1);
        let json = format!(r#"["pendingReceipts", {{"transactionHashes": ["{hash}"]}}]"#);
        let one = topic(&json).unwrap();
        let Topic::PendingReceipts(hashes) = one else { panic!("{one:?}") };
        assert!(hashes.matter(hash) && !hashes.matter(B256::ZERO) && Hashes::default().matter(hash));
        assert!(matches!(topic(r#"["newPendingTransactions", {}]"#), Err(RpcError::InvalidField { .. })));
        assert!(matches!(topic(r#"["nothing"]"#), Err(RpcError::NoSubscription(_))));
        assert!(matches!(topic("[]"), Err(RpcError::Missing { .. })));
    }
}
