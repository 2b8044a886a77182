//! What reaches L1, with nothing in the way.

use std::{fs, time::Duration};

use lockstep_batcher::{BatcherConfig, BatcherHooks, DataAvailability};
use lockstep_index::submission;
use lockstep_l1::{KeySource, dev_key};
use lockstep_primitives::{BlockNumber, Genesis};
use tokio_util::sync::CancellationToken;

use crate::world::*;

#[tokio::test]
async fn every_sealed_block_reaches_l1_once_in_blobs_or_calldata() {
    for data_availability in [DataAvailability::Blobs, DataAvailability::Calldata, DataAvailability::Auto] {
        let world = World::start().await;
        let genesis = world.head().await.hash_slow();
        let batcher = world.batcher(data_availability);
        for value in 1..=3 {
            let tip = world.seal(value).await;
            world.posted(&tip).await;
        }
        world.at_rest().await;
        batcher.stop().await;
        assert_chain(&world.channels().await, genesis, 3);
    }
}

#[tokio::test]
async fn killed_again_and_again_it_posts_nothing_twice() {
    let world = World::start().await;
    let genesis = world.head().await.hash_slow();
    for value in 1..=12u64 {
        let tip = world.seal(value).await;
        let batcher = world.batcher(DataAvailability::Auto);
        // Dies at a point that differs from round to round.
        tokio::time::sleep(Duration::from_millis(value * 17 % 120)).await;
        batcher.kill().await;
        if value == 12 {
            let batcher = world.batcher(DataAvailability::Auto);
            world.posted(&tip).await;
            world.at_rest().await;
            batcher.stop().await;
        }
    }
    assert_chain(&world.channels().await, genesis, 12);
}

/// Bytes of noise that take three inbox transactions, of a blob each or with calldata.
const THREE_FRAMES: usize = 300_000;

#[tokio::test]
async fn a_block_that_no_inbox_transaction_holds_goes_in_frames() {
    for data_availability in [DataAvailability::Blobs, DataAvailability::Calldata] {
        let world = World::start().await;
        let genesis = world.head().await.hash_slow();
        world.seal(1).await;
        world.seal_many(2, THREE_FRAMES).await;
        let tip = world.seal(4).await;
        let batcher = Running::start(BatcherConfig { target_blobs: 1, ..world.settings(data_availability) });
        assert_chain(&world.posted(&tip).await, genesis, 4);
        batcher.stop().await;
        assert!(world.submissions().await.unwrap().len() >= 7);
    }
}

#[tokio::test]
async fn killed_between_frames_it_goes_on_with_the_next_one() {
    let world = World::start().await;
    let genesis = world.head().await.hash_slow();
    for round in 1..=6u64 {
        let tip = world.seal_many(1, THREE_FRAMES).await;
        let batcher = world.batcher(DataAvailability::Calldata);
        // Dies at a point that differs from round to round.
        tokio::time::sleep(Duration::from_millis(100 + round * 37 % 150)).await;
        batcher.kill().await;
        if round == 6 {
            let batcher = world.batcher(DataAvailability::Calldata);
            world.posted(&tip).await;
            world.at_rest().await;
            batcher.stop().await;
        }
    }
    assert_chain(&world.channels().await, genesis, 6);
    assert_eq!(world.submissions().await.unwrap().len(), 18, "each frame once");
}

#[tokio::test]
async fn blocks_that_were_rewound_are_encoded_anew() {
    let world = World::start().await;
    let batcher = world.batcher(DataAvailability::Calldata);
    let first = world.seal(1).await;
    world.posted(&first).await;
    let stale = world.seal(2).await;
    world.posted(&stale).await;
    world.at_rest().await;
    world.rewind(1).await;
    let other = world.seal(20).await;
    let channels = world.posted(&other).await;
    batcher.stop().await;
    let last = channels.last().unwrap();
    assert_eq!((last.first_number, last.parent_hash), (BlockNumber(2), first.hash));
}

#[tokio::test]
async fn final_channels_leave_the_journal() {
    let world = World::start().await;
    let batcher = world.batcher(DataAvailability::Calldata);
    let tip = world.seal(1).await;
    world.posted(&tip).await;
    world.rpc("anvil_mine", [12]).await;
    while !submission::open(world.index.pool()).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    batcher.stop().await;
    assert_eq!(submission::latest(world.index.pool()).await.unwrap().unwrap().step, submission::Step::Final);
}

#[tokio::test]
async fn a_key_that_may_not_post_is_named_at_the_start() {
    let world = World::start().await;
    let mut rollup = world.config.clone();
    // The portal's inbox knows account 8 only.
    rollup.chain.name = "other".to_owned();
    fs::write(world.rollup_config(), serde_json::to_vec(&rollup).unwrap()).unwrap();
    let config = BatcherConfig { key: KeySource::Dev(3), ..world.settings(DataAvailability::Calldata) };
    let run = lockstep_batcher::run(config, BatcherHooks::default(), CancellationToken::new());
    let error = run.await.unwrap_err().to_string();
    assert!(error.contains(&dev_key(3).address().to_string()), "{error}");
}

#[tokio::test]
async fn the_bound_address_is_told() {
    let world = World::start().await;
    let mut batcher = world.batcher(DataAvailability::Calldata);
    let address = (&mut batcher.ready).await.unwrap();
    assert_ne!(address.port(), 0);
    batcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_batchers_one_posts_and_the_other_takes_over() {
    let world = World::start().await;
    let genesis = Genesis::new(&world.config).hash;
    let first = world.batcher(DataAvailability::Calldata);
    let first_block = world.seal(1).await;
    world.posted(&first_block).await;
    let second = world.batcher(DataAvailability::Calldata);
    for value in 2..=6 {
        let tip = world.seal(value).await;
        assert_chain(&world.posted(&tip).await, genesis, value);
    }
    first.kill().await;
    let tip = world.seal(7).await;
    assert_chain(&world.posted(&tip).await, genesis, 7);
    second.stop().await;
}
