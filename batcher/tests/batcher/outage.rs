//! L1 goes away and comes back.

use std::time::{Duration, Instant};

use lockstep_batcher::DataAvailability;
use lockstep_codec::MAX_CHANNEL_BYTES;

use crate::world::*;

/// Blocks of one hour.
const HOUR: usize = 3_600;

/// Takes L1 away, seals an hour's worth of blocks of `payload` bytes each meanwhile, brings L1 back, and gives the
/// time until it holds all of them.
async fn hour_without_l1(world: &World, payload: usize) -> Duration {
    let genesis = world.head().await.hash_slow();
    let batcher = world.batcher(DataAvailability::Blobs);
    let first = world.seal_many(1, payload).await;
    world.posted(&first).await;
    world.at_rest().await;

    world.anvil.pause();
    let tip = world.seal_many(HOUR as u64, payload).await;
    world.anvil.resume();
    let back = Instant::now();
    world.journaled(&tip).await;
    let took = back.elapsed();

    world.at_rest().await;
    batcher.stop().await;
    let channels = world.channels().await;
    assert_chain(&channels, genesis, 1 + HOUR as u64);
    let full = (HOUR * payload).div_ceil(MAX_CHANNEL_BYTES);
    // One more that was closed while L1 went, and one of the rest; all others are full.
    assert!(channels.len() <= 1 + full + 2, "{} channels", channels.len());
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_without_l1_drains_in_full_channels_and_loses_nothing() {
    hour_without_l1(&World::start().await, 400).await;
}

/// As much as the sequencer lets in while its limits are tightest. `--ignored --nocapture` prints the figure.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn how_fast_an_hour_without_l1_drains() {
    const PAYLOAD: usize = 3_900;
    let took = hour_without_l1(&World::start().await, PAYLOAD).await.as_secs_f64();
    let bytes = HOUR as f64 * PAYLOAD as f64;
    println!(
        "result drain/payload={PAYLOAD} blocks={HOUR} secs={took:.1} blocks_per_s={:.0} bytes_per_s={:.0}",
        HOUR as f64 / took,
        bytes / took,
    );
}
