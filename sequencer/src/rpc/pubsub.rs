//! `eth_subscribe`: new heads and logs as blocks are sealed.

use std::collections::VecDeque;
use std::sync::Arc;

use alloy::rpc::types::{
    Filter,
    pubsub::{Params as Wanted, SubscriptionKind},
};
use jsonrpsee::core::SubscriptionResult;
use jsonrpsee::types::Params;
use jsonrpsee::{PendingSubscriptionSink, SubscriptionSink};
use lockstep_index::block;
use lockstep_primitives::{BlockNumber, SealedBlock};
use serde::Serialize;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{api::Api, args::Args, error::RpcError, view};

/// Blocks that a subscription remembers, to take their logs back if they are rewound.
const REMEMBERED: usize = 64;

/// What a subscription sends.
#[derive(Debug)]
enum Topic {
    Heads,
    Logs(Box<Filter>),
}

/// Serves one subscription until the client or the sequencer goes.
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
    let blocks = api.context.new_blocks.subscribe(); // before accepting: no block is missed
    let sink = pending.accept().await?;
    serve(&api, &topic, blocks, &sink).await;
    Ok(())
}

fn topic(params: &Params<'_>) -> Result<Topic, RpcError> {
    let mut args = Args::new(params)?;
    let kind: SubscriptionKind = args.required("subscription")?;
    let wanted: Option<Wanted> = args.optional("filter")?;
    args.end()?;
    match (kind, wanted) {
        (SubscriptionKind::NewHeads, _) => Ok(Topic::Heads),
        (SubscriptionKind::Logs, Some(Wanted::Logs(filter))) => Ok(Topic::Logs(filter)),
        (SubscriptionKind::Logs, _) => Ok(Topic::Logs(Box::default())),
        _ => Err(RpcError::Unsupported("only newHeads and logs can be subscribed to")),
    }
}

async fn serve(api: &Api, topic: &Topic, mut blocks: Receiver<Arc<SealedBlock>>, sink: &SubscriptionSink) {
    let mut follower = Follower::default();
    loop {
        let block = tokio::select! {
            () = sink.closed() => return,
            block = blocks.recv() => match block {
                Ok(block) => block,
                Err(RecvError::Lagged(_)) => continue, // the next block shows the gap
                Err(RecvError::Closed) => return,
            },
        };
        for missed in follower.gap_before(&block) {
            let Ok(Some(missed)) = block::by_number(api.context.index.pool(), missed).await else { return };
            if send(topic, &mut follower, Arc::new(missed), sink).await.is_err() {
                return;
            }
        }
        if send(topic, &mut follower, block, sink).await.is_err() {
            return;
        }
    }
}

struct Gone;

async fn send(
    topic: &Topic,
    follower: &mut Follower,
    block: Arc<SealedBlock>,
    sink: &SubscriptionSink,
) -> Result<(), Gone> {
    let removed = follower.push(Arc::clone(&block));
    match topic {
        Topic::Heads => notify(sink, &view::header(&block.header, block.hash, None)).await,
        Topic::Logs(filter) => {
            let taken_back = removed.iter().flat_map(|block| view::logs(block, true));
            for log in taken_back.chain(view::logs(&block, false)) {
                if filter.matches(&log.inner) {
                    notify(sink, &log).await?;
                }
            }
            Ok(())
        }
    }
}

async fn notify<T: Serialize + Sync>(sink: &SubscriptionSink, message: &T) -> Result<(), Gone> {
    let message = serde_json::value::to_raw_value(message).map_err(|_| Gone)?;
    sink.send(message).await.map_err(|_| Gone)
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
    fn kinds_that_are_not_served_are_refused() {
        let heads = topic(&Params::new(Some(r#"["newHeads"]"#))).unwrap();
        assert!(matches!(heads, Topic::Heads));
        let logs = topic(&Params::new(Some(r#"["logs",{"address":[]}]"#))).unwrap();
        assert!(matches!(logs, Topic::Logs(_)));
        let pending = topic(&Params::new(Some(r#"["newPendingTransactions"]"#)));
        assert!(matches!(pending, Err(RpcError::Unsupported(_))));
        assert!(matches!(topic(&Params::new(Some("[]"))), Err(RpcError::Missing { .. })));
    }
}
