//! `seal/transfers=1000`: the time that the whole sequencer needs for a block of 1,000 transfers, from the pool
//! to the commit of the state, durable Postgres included.
//!
//! `cargo bench -p lockstep-sequencer`. Transactions are signed and admitted over JSON-RPC before the block is
//! due; a block that did not hold all of them is not counted, and said so.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    fmt,
    sync::mpsc,
    time::{Duration, Instant},
};

use alloy::{
    primitives::{B256, Bytes},
    providers::{Provider, ProviderBuilder},
    rpc::client::BatchRequest,
    signers::local::PrivateKeySigner,
};
use lockstep_devnet::{Anvil, AnvilOptions, Postgres, PostgresOptions, Tools};
use lockstep_sequencer::BlockMode;
use tempfile::TempDir;
use tracing::field::{Field, Visit};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt, util::SubscriberInitExt};

const TRANSFERS: u64 = 1_000;
const ROUNDS: u64 = 12;
/// Transfers in one JSON-RPC batch.
const BATCH: usize = 100;

/// What the engine says of a block.
#[derive(Clone, Copy, Debug, Default)]
struct Sealed {
    transactions: u64,
    milliseconds: u64,
}

impl Visit for Sealed {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "txs" => self.transactions = value,
            "took_ms" => self.milliseconds = value,
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if let Ok(value) = format!("{value:?}").parse() {
            self.record_u64(field, value);
        }
    }
}

/// Hears "block sealed" events.
struct Listener(mpsc::Sender<Sealed>);

impl<S: tracing::Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "lockstep_sequencer::engine" {
            let mut sealed = Sealed::default();
            event.record(&mut sealed);
            if sealed.transactions > 0 {
                let _ = self.0.send(sealed);
            }
        }
    }
}

#[tokio::main]
async fn main() {
    let (sender, blocks) = mpsc::channel();
    tracing_subscriber::registry().with(Listener(sender)).init();
    let dir = TempDir::new_in("/var/tmp").unwrap();
    let tools = Tools::from_env();
    let postgres = Postgres::start(&tools, PostgresOptions::new(dir.path().join("postgres"))).await.unwrap();
    let options = AnvilOptions { persist: false, ..AnvilOptions::new(dir.path().join("l1")) };
    let anvil = Anvil::start(&tools, options).await.unwrap();
    let l1 = ProviderBuilder::default().connect_http(anvil.rpc_url().parse().unwrap());
    let key = PrivateKeySigner::random();
    let rollup = support::rollup(&l1, key.address()).await;
    std::fs::write(dir.path().join("rollup.json"), serde_json::to_vec(&rollup).unwrap()).unwrap();
    let sequencer = support::start(&postgres.url(), &anvil.rpc_url(), dir.path(), BlockMode::Interval).await;

    let mut samples = Vec::new();
    for round in 0..ROUNDS {
        let raw: Vec<Bytes> =
            (0..TRANSFERS).map(|n| support::transfer(&key, round * TRANSFERS + n).into()).collect();
        let head = sequencer.rpc.get_block_number().await.unwrap();
        sequencer.wait_for_block(head + 1).await;
        while blocks.try_recv().is_ok() {}
        let admitting = Instant::now();
        submit(&sequencer, &raw).await;
        let admitted = admitting.elapsed();
        let mut left = TRANSFERS;
        while left > 0 {
            match blocks.recv_timeout(Duration::from_secs(20)).unwrap() {
                // The L1 attributes are a transaction too.
                sealed if sealed.transactions == TRANSFERS + 1 => {
                    samples.push(sealed.milliseconds);
                    left = 0;
                }
                sealed => {
                    if sealed.transactions > 1 {
                        println!(
                            "round {round}: split over blocks ({} here), not counted",
                            sealed.transactions - 1
                        );
                    }
                    left = left.saturating_sub(sealed.transactions - 1);
                }
            }
        }
        println!("round {round}: admitted over JSON-RPC in {} ms", admitted.as_millis());
    }
    sequencer.stop().await;
    samples.sort_unstable();
    let [first, .., last] = samples[..] else {
        panic!("no block held all transfers: the machine is too busy")
    };
    let median = samples[samples.len() / 2];
    println!(
        "seal/transfers={TRANSFERS}: median {median} ms, min {first} ms, max {last} ms, {} blocks",
        samples.len()
    );
}

async fn submit(sequencer: &support::Running, raw: &[Bytes]) {
    for transactions in raw.chunks(BATCH) {
        let mut batch = BatchRequest::new(sequencer.rpc.client());
        let hashes: Vec<_> = transactions
            .iter()
            .map(|raw| batch.add_call::<_, B256>("eth_sendRawTransaction", &[raw]).unwrap())
            .collect();
        batch.send().await.unwrap();
        for hash in hashes {
            hash.await.unwrap();
        }
    }
}
