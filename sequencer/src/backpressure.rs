//! Backpressure: the more sealed data waits for L1, the less of it new blocks may hold.
//!
//! The limits are a pure function of the bytes that are not on L1 yet. A task reads those from Postgres, where the
//! batcher records what it has posted; the engine takes the limits with it into each block. Transactions that do
//! not fit wait in the pool.

use std::time::Duration;

use lockstep_index::{Index, backlog};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::admission::MAX_TX_BYTES;

/// The largest limit of a block: a channel holds such a block alone, even if nothing of it compresses.
pub const MAX_BLOCK_BYTES: usize = 3_000_000;
/// What a block may hold however much waits: some transfers.
const MIN_BLOCK_BYTES: usize = 4_000;
/// What a transaction may have then.
const MIN_TX_BYTES: usize = 400;
/// What a block without users' transactions takes in Postgres, about: nothing of it is posted.
pub(crate) const EMPTY_BLOCK_BYTES: u64 = 900;
/// Time between two looks at the backlog.
const POLL: Duration = Duration::from_secs(1);

/// How blocks shrink while L1 lags behind. Sizes are bytes of users' transactions, before compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Args)]
pub struct Throttle {
    /// Bytes of users' transactions in a block, always; at most 3000000, which a channel holds.
    #[arg(long, env = "LOCKSTEP_MAX_BLOCK_BYTES", value_name = "BYTES", default_value_t = MAX_BLOCK_BYTES, value_parser = parse_block_bytes)]
    pub max_block_bytes: usize,
    /// Unposted bytes above which blocks shrink.
    #[arg(long, env = "LOCKSTEP_BACKLOG_LOWER", value_name = "BYTES", default_value_t = 4_000_000)]
    pub backlog_lower: u64,
    /// Unposted bytes from which on blocks hold 4000 bytes, and transactions 400.
    #[arg(long, env = "LOCKSTEP_BACKLOG_UPPER", value_name = "BYTES", default_value_t = 16_000_000)]
    pub backlog_upper: u64,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { max_block_bytes: MAX_BLOCK_BYTES, backlog_lower: 4_000_000, backlog_upper: 16_000_000 }
    }
}

fn parse_block_bytes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes) if (MIN_BLOCK_BYTES..=MAX_BLOCK_BYTES).contains(&bytes) => Ok(bytes),
        _ => Err(format!("a number from {MIN_BLOCK_BYTES} to {MAX_BLOCK_BYTES}")),
    }
}

/// What a block may hold, in EIP-2718 bytes of users' transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DataLimits {
    /// All transactions together.
    pub(crate) block_bytes: usize,
    /// One transaction; never more than a block.
    pub(crate) tx_bytes: usize,
}

impl Throttle {
    /// The limits while nothing waits. What exceeds them is in no block, ever.
    pub(crate) fn loosest(&self) -> DataLimits {
        DataLimits { block_bytes: self.max_block_bytes, tx_bytes: self.max_block_bytes.min(MAX_TX_BYTES) }
    }

    /// The limits with `unposted` bytes not on L1: the loosest up to the lower bound, then tightening with the square
    /// of the way to the upper one.
    pub(crate) fn limits(&self, unposted: u64) -> DataLimits {
        let loosest = self.loosest();
        let span = u128::from(self.backlog_upper.saturating_sub(self.backlog_lower).max(1));
        let over = u128::from(unposted.saturating_sub(self.backlog_lower)).min(span);
        let tighten = |most: usize, least: usize| {
            let give = most.saturating_sub(least) as u128 * over * over / (span * span);
            most - usize::try_from(give).unwrap_or(most)
        };
        DataLimits {
            block_bytes: tighten(loosest.block_bytes, MIN_BLOCK_BYTES),
            tx_bytes: tighten(loosest.tx_bytes, MIN_TX_BYTES),
        }
    }
}

/// How hard the limits press; each change is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pressure {
    None,
    Some,
    Full,
}

impl Throttle {
    const fn pressure(&self, unposted: u64) -> Pressure {
        match unposted {
            unposted if unposted >= self.backlog_upper => Pressure::Full,
            unposted if unposted > self.backlog_lower => Pressure::Some,
            _ => Pressure::None,
        }
    }
}

/// Publishes the limits until `shutdown`.
pub(crate) async fn follow(
    index: Index,
    throttle: Throttle,
    limits: watch::Sender<DataLimits>,
    shutdown: CancellationToken,
) {
    let mut pressure = Pressure::None;
    loop {
        // Without Postgres no block is made either.
        if let Ok(waiting) = backlog::unposted(index.pool()).await {
            let unposted = waiting.size_bytes.saturating_sub(waiting.blocks * EMPTY_BLOCK_BYTES);
            let now = throttle.limits(unposted);
            limits.send_replace(now);
            measure(unposted, now);
            let before = std::mem::replace(&mut pressure, throttle.pressure(unposted));
            if pressure != before {
                tell(pressure, unposted, now);
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = sleep(POLL) => {}
        }
    }
}

fn tell(pressure: Pressure, unposted_bytes: u64, limits: DataLimits) {
    let DataLimits { block_bytes, tx_bytes } = limits;
    match pressure {
        Pressure::None => info!(unposted_bytes, block_bytes, "L1 has caught up, blocks are full-size"),
        Pressure::Some => info!(unposted_bytes, block_bytes, tx_bytes, "L1 lags behind, blocks shrink"),
        Pressure::Full => {
            warn!(unposted_bytes, block_bytes, tx_bytes, "L1 is far behind, blocks are smallest")
        }
    }
}

#[allow(clippy::cast_precision_loss)] // gauges
fn measure(unposted: u64, limits: DataLimits) {
    metrics::gauge!("lockstep_sequencer_unposted_bytes").set(unposted as f64);
    metrics::gauge!("lockstep_sequencer_block_bytes_limit").set(limits.block_bytes as f64);
    metrics::gauge!("lockstep_sequencer_tx_bytes_limit").set(limits.tx_bytes as f64);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy::primitives::{B256, Bytes, keccak256};
    use lockstep_codec::{
        BatchBlock, Channel, History, MAX_BODY_BYTES, MAX_CHANNEL_BYTES, MAX_TRANSACTIONS, Options, encode,
    };

    use super::*;

    const MB: u64 = 1_000_000;

    #[test]
    fn blocks_are_full_size_until_the_lower_bound_and_smallest_from_the_upper_on() {
        let throttle = Throttle::default();
        for unposted in [0, 1, 4 * MB] {
            assert_eq!(throttle.limits(unposted), throttle.loosest());
        }
        let least = DataLimits { block_bytes: MIN_BLOCK_BYTES, tx_bytes: MIN_TX_BYTES };
        for unposted in [16 * MB, 17 * MB, u64::MAX] {
            assert_eq!(throttle.limits(unposted), least);
        }
    }

    #[test]
    fn half_way_a_quarter_is_taken() {
        let half = Throttle::default().limits(10 * MB).block_bytes;
        assert_eq!(half, MAX_BLOCK_BYTES - (MAX_BLOCK_BYTES - MIN_BLOCK_BYTES) / 4);
    }

    #[test]
    fn limits_only_tighten_without_a_leap_and_a_transaction_always_fits_a_block() {
        for max_block_bytes in [MIN_BLOCK_BYTES, 110_000, MAX_BLOCK_BYTES] {
            let throttle = Throttle { max_block_bytes, ..Throttle::default() };
            let mut before = throttle.loosest();
            for unposted in (0..20 * MB).step_by(10_000) {
                let now = throttle.limits(unposted);
                assert!(now.block_bytes <= before.block_bytes && now.tx_bytes <= before.tx_bytes);
                assert!(before.block_bytes - now.block_bytes < 8_000, "leap at {unposted}");
                assert!(now.tx_bytes <= now.block_bytes && now.block_bytes >= MIN_BLOCK_BYTES);
                before = now;
            }
        }
    }

    #[test]
    fn bounds_in_the_wrong_order_are_a_step() {
        let step = Throttle { backlog_lower: 5 * MB, backlog_upper: MB, ..Throttle::default() };
        assert_eq!(step.limits(5 * MB), step.loosest());
        assert_eq!(step.limits(5 * MB + 1).block_bytes, MIN_BLOCK_BYTES);
    }

    /// Blocks may hold what derivation takes in one channel, or a block could never be posted.
    #[test]
    fn the_largest_block_fits_one_channel_even_if_nothing_compresses() {
        for tx_bytes in [100, 1_000, MAX_TX_BYTES] {
            let noise = |tx: usize| {
                let word = move |i: u64| keccak256([(tx as u64).to_be_bytes(), i.to_be_bytes()].concat());
                Bytes::from_iter((0_u64..).flat_map(word).take(tx_bytes))
            };
            let transactions: Vec<_> = (0..MAX_BLOCK_BYTES / tx_bytes).map(noise).collect();
            assert!(transactions.len() <= MAX_TRANSACTIONS);
            let block = BatchBlock { timestamp: u64::MAX, transactions, ..BatchBlock::default() };
            let channel = Channel { parent_hash: B256::ZERO, blocks: vec![block], ..Channel::default() };
            assert!(
                encode(&channel, &[], &History::default(), Options::default()).unwrap().len()
                    <= MAX_CHANNEL_BYTES,
                "{tx_bytes}"
            );
        }
        const { assert!(2 * MAX_BLOCK_BYTES < MAX_BODY_BYTES) };
    }
}
