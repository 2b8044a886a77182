//! The whole role above a real anvil and a real Postgres.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use alloy::{
    eips::BlockNumberOrTag,
    primitives::U256,
    providers::{Provider, ProviderBuilder},
    signers::local::PrivateKeySigner,
};
use lockstep_devnet::{Anvil, AnvilOptions, Tools, test_database};
use lockstep_sequencer::BlockMode;
use support::{NOBODY, rollup, start, transfer};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn blocks_are_made_above_anvil_and_a_restart_goes_on_also_on_demand() {
    let dir = TempDir::new().unwrap();
    let database = test_database().await.unwrap();
    let options = AnvilOptions { persist: false, ..AnvilOptions::new(dir.path().join("l1")) };
    let anvil = Anvil::start(&Tools::from_env(), options).await.unwrap();
    let l1 = ProviderBuilder::default().connect_http(anvil.rpc_url().parse().unwrap());
    let key = PrivateKeySigner::random();
    let rollup = rollup(&l1, key.address()).await;
    std::fs::write(dir.path().join("rollup.json"), serde_json::to_vec(&rollup).unwrap()).unwrap();

    let sequencer = start(database.url(), &anvil.rpc_url(), dir.path(), BlockMode::Interval).await;
    sequencer.wait_for_block(2).await;
    let hash = *sequencer.rpc.send_raw_transaction(&transfer(&key, 0)).await.unwrap().tx_hash();
    let sent_at = sequencer.rpc.get_block_number().await.unwrap();
    sequencer.wait_for_block(sent_at + 2).await;
    assert!(sequencer.rpc.get_transaction_by_hash(hash).await.unwrap().unwrap().block_number.is_some());
    assert_eq!(sequencer.rpc.get_balance(NOBODY).await.unwrap(), U256::from(5));
    let head = sequencer.rpc.get_block_by_number(BlockNumberOrTag::Latest).await.unwrap().unwrap().header;
    sequencer.stop().await;

    let sequencer = start(database.url(), &anvil.rpc_url(), dir.path(), BlockMode::Interval).await;
    sequencer.wait_for_block(head.number + 1).await;
    let same = sequencer.rpc.get_block_by_number(head.number.into()).await.unwrap().unwrap().header;
    assert_eq!(same.hash, head.hash);
    sequencer.stop().await;

    let sequencer = start(database.url(), &anvil.rpc_url(), dir.path(), BlockMode::OnDemand).await;
    let before = sequencer.rpc.get_block_number().await.unwrap();
    let _pending = sequencer.rpc.send_raw_transaction(&transfer(&key, 1)).await.unwrap();
    sequencer.wait_for_block(before + 1).await;
    while sequencer.rpc.get_balance(NOBODY).await.unwrap() < U256::from(10) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sequencer.stop().await;
}
