//! The reader against a real anvil, and blobs from a beacon node.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use alloy::{primitives::B256, providers::Provider};
use futures::TryStreamExt;
use lockstep_devnet::{Anvil, AnvilOptions, Tools};
use lockstep_l1::{Follower, L1Error, L1Event, L1Reader};
use lockstep_primitives::{BlockId, ChainConfig, L1BlockNumber, RollupConfig};
use lockstep_testkit::{chain, rollup};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const POLL: Duration = Duration::from_millis(10);

struct L1 {
    anvil: Anvil,
    reader: L1Reader,
    _dir: TempDir,
}

impl L1 {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options =
            AnvilOptions { block_time: None, persist: false, ..AnvilOptions::new(dir.path().into()) };
        let anvil = Anvil::start(&Tools::from_env(), options).await.unwrap();
        let reader = L1Reader::new(&anvil.rpc_url(), None, &config(31_337)).unwrap();
        Self { anvil, reader, _dir: dir }
    }

    async fn rpc(&self, method: &'static str, params: impl serde::Serialize) {
        let params = serde_json::value::to_raw_value(&params).unwrap();
        let provider = self.reader.provider();
        let _: serde_json::Value = provider.raw_request(method.into(), params).await.unwrap();
    }

    async fn mine(&self, blocks: u64) {
        self.rpc("anvil_mine", [blocks]).await;
    }

    async fn id(&self, number: u64) -> BlockId {
        self.reader.id(L1BlockNumber(number)).await.unwrap().unwrap()
    }
}

fn config(l1_chain_id: u64) -> RollupConfig {
    rollup(ChainConfig { l1_chain_id, ..chain() })
}

async fn blocks(follower: &mut Follower, count: usize) -> Vec<BlockId> {
    let mut ids = Vec::new();
    while ids.len() < count {
        match follower.next(&CancellationToken::new()).await.unwrap() {
            L1Event::Block(block) => ids.push(block.header.id()),
            L1Event::Reorg { common_ancestor } => panic!("reorg to {common_ancestor:?}"),
        }
    }
    ids
}

#[tokio::test]
async fn heads_are_ordered_and_a_young_chain_has_its_first_block() {
    let l1 = L1::start().await;
    let young = l1.reader.heads().await.unwrap();
    assert_eq!((young.safe.number, young.finalized.number), (0, 0));
    l1.mine(20).await;
    let heads = l1.reader.heads().await.unwrap();
    assert_eq!((heads.latest.number, heads.safe.number, heads.finalized.number), (20, 16, 12));
}

#[tokio::test]
async fn a_node_of_another_chain_is_refused() {
    let l1 = L1::start().await;
    let reader = L1Reader::new(&l1.anvil.rpc_url(), None, &config(1)).unwrap();
    assert!(matches!(reader.check().await, Err(L1Error::WrongChain { expected: 1, actual: 31_337 })));
}

#[tokio::test]
async fn a_range_comes_in_order_and_ends_at_the_head() {
    let l1 = L1::start().await;
    l1.mine(40).await;
    let blocks: Vec<_> = l1.reader.range(1..=60).try_collect().await.unwrap();
    assert_eq!(blocks.len(), 40);
    assert!(blocks.windows(2).all(|pair| pair[1].header.parent_hash == pair[0].header.hash));
}

#[tokio::test]
async fn a_reorg_is_told_with_the_last_common_block() {
    let l1 = L1::start().await;
    l1.mine(10).await;
    let mut follower = Follower::new(l1.reader.clone(), l1.id(0).await, POLL);
    let before = blocks(&mut follower, 10).await;
    l1.rpc("anvil_reorg", (3, [(); 0])).await;
    let event = follower.next(&CancellationToken::new()).await.unwrap();
    assert_eq!(event, L1Event::Reorg { common_ancestor: before[6] });
    let after = blocks(&mut follower, 3).await;
    assert_eq!(after[2], l1.id(10).await);
    assert!(
        after.iter().zip(&before[7..]).all(|(new, old)| new.number == old.number && new.hash != old.hash)
    );
}

#[tokio::test]
async fn blocks_known_from_before_a_restart_find_the_common_ancestor() {
    let l1 = L1::start().await;
    l1.mine(10).await;
    let history = [l1.id(6).await, l1.id(7).await, l1.id(8).await];
    let mut follower = Follower::new(l1.reader.clone(), l1.id(9).await, POLL).with_history(history);
    l1.rpc("anvil_reorg", (3, [(); 0])).await;
    let event = follower.next(&CancellationToken::new()).await.unwrap();
    assert_eq!(event, L1Event::Reorg { common_ancestor: history[1] });
}

#[tokio::test]
async fn a_reorg_below_every_known_block_is_an_error() {
    let l1 = L1::start().await;
    l1.mine(5).await;
    let foreign = BlockId { number: 5, hash: B256::repeat_byte(1) };
    let mut follower = Follower::new(l1.reader.clone(), foreign, POLL);
    let error = follower.next(&CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, L1Error::ReorgTooDeep(1)));
}

#[tokio::test]
async fn waiting_ends_with_shutdown() {
    let l1 = L1::start().await;
    let mut follower = Follower::new(l1.reader.clone(), l1.id(0).await, POLL);
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    assert!(matches!(follower.next(&shutdown).await, Err(L1Error::Shutdown)));
}
