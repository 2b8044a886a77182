//! Several transactions on their way at once.

use lockstep_batcher::{BatcherConfig, DataAvailability};
use lockstep_index::submission;
use lockstep_l1::{NoJournal, TxManager, TxOptions, TxRequest, dev_key};
use lockstep_testkit::l1_proxy::{Action, L1Proxy};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::world::*;

#[tokio::test]
async fn channels_on_their_way_at_once_land_in_order_and_no_more_than_allowed() {
    for max in [1, 3] {
        let world = World::start().await;
        let genesis = world.head().await.hash_slow();
        world.stop_mining().await;
        let settings = world.settings(DataAvailability::Blobs);
        let batcher = Running::start(BatcherConfig { max_pending_txs: max, ..settings });
        for value in 1..=max as u64 {
            world.seal_into_pool(value, value).await;
        }
        let more = max as u64 + 1;
        let tip = world.seal(more).await;
        assert_eq!(submission::open(world.index.pool()).await.unwrap().len(), max);
        let channels = world.mine_until_posted(&tip).await;
        assert_chain(&channels, genesis, more);
        assert_eq!(channels.len(), max + 1);
        batcher.stop().await;
    }
}

#[tokio::test]
async fn one_dropped_by_the_pool_comes_back_in_its_place() {
    let world = World::start().await;
    let genesis = world.head().await.hash_slow();
    world.stop_mining().await;
    let batcher = world.batcher(DataAvailability::Calldata);
    for value in 1..=3 {
        world.seal_into_pool(value, value).await;
    }
    let pooled = world.pooled(3).await;
    world.rpc("anvil_dropTransaction", [pooled[1]]).await;
    let tip = world.seal(4).await;
    assert_chain(&world.mine_until_posted(&tip).await, genesis, 4);
    batcher.stop().await;
}

#[tokio::test]
async fn transactions_with_blobs_and_others_never_wait_together() {
    let world = World::start().await;
    let genesis = world.head().await.hash_slow();
    world.stop_mining().await;
    let batcher = world.batcher(DataAvailability::Blobs);
    world.seal_into_pool(1, 1).await;
    batcher.stop().await;
    let batcher = world.batcher(DataAvailability::Calldata);
    let tip = world.seal(2).await;
    while submission::open(world.index.pool()).await.unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    let second = submission::open(world.index.pool()).await.unwrap()[1];
    assert_eq!((second.step, second.nonce), (submission::Step::Sealed, None));
    world.pooled(1).await;
    assert_chain(&world.mine_until_posted(&tip).await, genesis, 2);
    batcher.stop().await;
}

#[tokio::test]
async fn abandoned_transactions_leave_no_gap_and_land_before_what_replaces_them() {
    let world = World::start().await;
    world.stop_mining().await;
    let batcher = world.batcher(DataAvailability::Calldata);
    let kept = world.seal_into_pool(1, 1).await;
    world.mine_until_posted(&kept).await;
    world.at_rest().await;
    for value in 2..=3 {
        world.seal_into_pool(value, value - 1).await;
    }
    world.rewind(1).await;
    let other = world.seal_into_pool(20, 3).await;
    let channels = world.mine_until_posted(&other).await;
    world.at_rest().await;
    batcher.stop().await;
    let firsts: Vec<u64> = channels.iter().map(|channel| channel.first_number.0).collect();
    assert_eq!(firsts, [1, 2, 3, 2]);
    assert_eq!(channels[3].parent_hash, kept.hash);
}

#[tokio::test]
async fn a_channel_whose_nonce_a_stranger_took_is_posted_again_with_all_that_follow() {
    let world = World::start().await;
    let genesis = world.head().await.hash_slow();
    world.stop_mining().await;
    let batcher = world.batcher(DataAvailability::Calldata);
    for value in 1..=3 {
        world.seal_into_pool(value, value).await;
    }
    batcher.stop().await;
    world.rpc("anvil_dropAllTransactions", ()).await;
    world.rpc("evm_setAutomine", [true]).await;
    let stranger = TxManager::connect(&world.anvil.rpc_url(), dev_key(8), TxOptions::local()).await.unwrap();
    let nothing = TxRequest { to: Some(dev_key(8).address()), ..TxRequest::default() };
    stranger.send(nothing, &NoJournal, &CancellationToken::new()).await.unwrap();

    let batcher = world.batcher(DataAvailability::Calldata);
    let tip = world.seal(4).await;
    let channels = world.posted(&tip).await;
    world.at_rest().await;
    batcher.stop().await;
    assert_chain(&accepted(&channels, genesis), genesis, 4);
}

#[tokio::test]
async fn a_nonce_that_was_told_too_high_does_not_block_the_account() {
    let world = World::start().await;
    let genesis = world.head().await.hash_slow();
    let proxy = L1Proxy::start(&world.anvil.rpc_url()).await.unwrap();
    let mut sent = false;
    proxy.behave(move |method, _| match method {
        "eth_sendRawTransaction" => {
            sent = true;
            Action::Forward
        }
        "eth_getTransactionCount" if !sent => Action::Answer(json!("0x2")),
        _ => Action::Forward,
    });
    let settings = world.settings(DataAvailability::Calldata);
    let batcher = Running::start(BatcherConfig { l1_rpc: proxy.url().to_owned(), ..settings });
    for value in 1..=2 {
        let tip = world.seal(value).await;
        assert_chain(&world.posted(&tip).await, genesis, value);
    }
    batcher.stop().await;
}

#[tokio::test]
async fn what_another_key_had_on_its_way_is_sealed_again() {
    let world = World::start().await;
    let genesis = world.head().await.hash_slow();
    world.stop_mining().await;
    let batcher = world.batcher(DataAvailability::Calldata);
    for value in 1..=2 {
        world.seal_into_pool(value, value).await;
    }
    batcher.stop().await;
    world.rpc("anvil_dropAllTransactions", ()).await;
    sqlx::query("update l1_attempt set sender = $1, nonce = nonce + 1000")
        .bind(dev_key(7).address().as_slice())
        .execute(world.index.pool())
        .await
        .unwrap();
    // Other fees: what is signed anew has hashes that the journal does not know.
    world.rpc("anvil_setNextBlockBaseFeePerGas", [json!("0x77359400")]).await;
    world.mine().await;
    let batcher = world.batcher(DataAvailability::Calldata);
    let tip = world.seal(3).await;
    assert_chain(&world.mine_until_posted(&tip).await, genesis, 3);
    batcher.stop().await;
}
