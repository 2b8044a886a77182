//! Reorgs of L1: the same bytes again, in order.

use lockstep_batcher::DataAvailability;
use lockstep_primitives::L1BlockNumber;

use crate::world::*;

/// Three channels in three L1 blocks, two empty blocks above, a reorg, a fourth channel.
async fn reorg(depth: u64, data_availability: DataAvailability) {
    let world = World::start().await;
    let genesis = world.head().await.hash_slow();
    let batcher = world.batcher(data_availability);
    for value in 1..=3 {
        let tip = world.seal(value).await;
        world.posted(&tip).await;
        world.at_rest().await;
    }
    world.rpc("anvil_mine", [2]).await;
    let before = world.channels().await;
    let head = world.l1().head().await.unwrap();
    world.rpc("anvil_reorg", (depth, [(); 0])).await;
    assert_ne!(world.l1().id(L1BlockNumber(head.number)).await.unwrap(), Some(head));
    let tip = world.seal(4).await;
    let after = world.posted(&tip).await;
    world.at_rest().await;
    batcher.stop().await;
    assert_eq!(after[..3], before, "depth {depth}");
    assert_chain(&after, genesis, 4);
}

#[tokio::test]
async fn a_reorg_above_the_channels_changes_nothing() {
    reorg(2, DataAvailability::Calldata).await;
}

#[tokio::test]
async fn after_a_reorg_the_channels_in_it_are_posted_again() {
    reorg(4, DataAvailability::Calldata).await;
    reorg(4, DataAvailability::Blobs).await;
}

#[tokio::test]
async fn a_reorg_below_the_channels_brings_all_of_them_back_up_to_finality() {
    reorg(5, DataAvailability::Blobs).await;
    reorg(8, DataAvailability::Calldata).await; // anvil's finalized block is eight below the latest
}

#[tokio::test]
async fn a_reorg_while_the_batcher_is_down_is_made_good_by_the_next_one() {
    let world = World::start().await;
    let genesis = world.head().await.hash_slow();
    let batcher = world.batcher(DataAvailability::Calldata);
    for value in 1..=3 {
        let tip = world.seal(value).await;
        world.posted(&tip).await;
        world.at_rest().await;
    }
    batcher.kill().await;
    let before = world.channels().await;
    world.rpc("anvil_reorg", (2, [(); 0])).await;
    let batcher = world.batcher(DataAvailability::Calldata);
    let tip = world.seal(4).await;
    let after = world.posted(&tip).await;
    world.at_rest().await;
    batcher.stop().await;
    assert_eq!(after[..3], before);
    assert_chain(&after, genesis, 4);
}
