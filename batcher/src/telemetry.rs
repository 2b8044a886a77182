//! Metrics of the batcher.

use std::time::Duration;

use alloy::primitives::{U256, utils::format_ether};
use lockstep_index::submission::DaType;
use lockstep_l1::Included;

use crate::{
    channel::Closed,
    policy::Reason,
    price::{blob_capacity, blobs},
};

pub(crate) fn describe() {
    metrics::describe_gauge!("lockstep_batcher_backlog_blocks", "Sealed blocks that no channel holds");
    metrics::describe_gauge!("lockstep_batcher_backlog_bytes", "Their transactions, before compression");
    metrics::describe_gauge!("lockstep_batcher_last_batch_age_seconds", "Time since a channel was posted");
    metrics::describe_gauge!("lockstep_batcher_balance_ether", "What the batcher's account holds on L1");
    metrics::describe_gauge!(
        "lockstep_batcher_compression_ratio",
        "Encoded over raw bytes of the last channel"
    );
    metrics::describe_gauge!(
        "lockstep_batcher_bytes_per_tx",
        "Encoded bytes per transaction of the last channel"
    );
    metrics::describe_gauge!(
        "lockstep_batcher_blob_fill_ratio",
        "Encoded bytes over the capacity of the blobs of the last channel that went to blobs"
    );
    metrics::describe_counter!("lockstep_batcher_blobs_total", "Blobs posted");
    metrics::describe_counter!("lockstep_batcher_closed_total", "Channels closed, by reason");
    metrics::describe_gauge!("lockstep_batcher_pending_txs", "Transactions on their way to L1");
    metrics::describe_counter!("lockstep_batcher_channels_total", "Channels posted, by where their data is");
    metrics::describe_counter!("lockstep_batcher_posted_bytes_total", "Encoded bytes posted");
    metrics::describe_counter!("lockstep_batcher_fees_gwei_total", "Fees paid on L1");
    metrics::describe_counter!("lockstep_batcher_errors_total", "Rounds that failed and were tried again");
}

pub(crate) fn backlog(blocks: usize, size_bytes: usize, last_batch_age: Option<Duration>) {
    metrics::gauge!("lockstep_batcher_backlog_blocks").set(blocks as f64);
    metrics::gauge!("lockstep_batcher_backlog_bytes").set(size_bytes as f64);
    if let Some(age) = last_batch_age {
        metrics::gauge!("lockstep_batcher_last_batch_age_seconds").set(age.as_secs_f64());
    }
}

pub(crate) fn pending_txs(count: usize) {
    metrics::gauge!("lockstep_batcher_pending_txs").set(count as f64);
}

pub(crate) fn balance(wei: U256) {
    if let Ok(ether) = format_ether(wei).parse::<f64>() {
        metrics::gauge!("lockstep_batcher_balance_ether").set(ether);
    }
}

pub(crate) fn closed(channel: &Closed, reason: Reason) {
    metrics::counter!("lockstep_batcher_closed_total", "reason" => reason.as_str()).increment(1);
    metrics::gauge!("lockstep_batcher_compression_ratio").set(channel.ratio());
    if channel.txs > 0 {
        metrics::gauge!("lockstep_batcher_bytes_per_tx").set(channel.data.len() as f64 / channel.txs as f64);
    }
}

pub(crate) fn posted(da_type: DaType, size_bytes: usize, included: &Included) {
    let place = match da_type {
        DaType::Calldata => "calldata",
        DaType::Blobs => "blobs",
    };
    if da_type == DaType::Blobs {
        let count = blobs(size_bytes);
        metrics::counter!("lockstep_batcher_blobs_total").increment(count as u64);
        metrics::gauge!("lockstep_batcher_blob_fill_ratio")
            .set(size_bytes as f64 / blob_capacity(count) as f64);
    }
    metrics::counter!("lockstep_batcher_channels_total", "data" => place).increment(1);
    metrics::counter!("lockstep_batcher_posted_bytes_total").increment(size_bytes as u64);
    let gwei = u64::try_from(included.fee / 1_000_000_000).unwrap_or(u64::MAX);
    metrics::counter!("lockstep_batcher_fees_gwei_total").increment(gwei);
}
