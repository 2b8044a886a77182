//! A real anvil: starts, refuses what it must, and resumes its chain.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use alloy::consensus::{BlobTransactionSidecarEip7594, SidecarBuilder, SimpleCoder};
use alloy::network::{EthereumWallet, TransactionBuilder, TransactionBuilder4844};
use alloy::primitives::Address;
use alloy::providers::{Provider, ProviderBuilder};
use alloy::rpc::types::TransactionRequest;
use alloy::signers::local::{MnemonicBuilder, coins_bip39::English};
use lockstep_devnet::{Anvil, AnvilError, AnvilOptions, DEV_MNEMONIC, Tools};

fn options(dir: &tempfile::TempDir) -> AnvilOptions {
    AnvilOptions { block_time: Some(Duration::from_millis(200)), ..AnvilOptions::new(dir.path().join("l1")) }
}

async fn provider(anvil: &Anvil) -> impl Provider + use<> {
    let signer = MnemonicBuilder::<English>::default().phrase(DEV_MNEMONIC).build().unwrap();
    ProviderBuilder::new().wallet(EthereumWallet::from(signer)).connect(&anvil.rpc_url()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn chain_with_its_blobs_resumes_after_a_stop() {
    let dir = tempfile::tempdir().unwrap();
    let tools = Tools::from_env();
    let anvil = Anvil::start(&tools, options(&dir)).await.unwrap();
    let l1 = provider(&anvil).await;
    assert_eq!(l1.get_chain_id().await.unwrap(), 31337);

    let mut builder = SidecarBuilder::<SimpleCoder>::new();
    builder.ingest(b"blobs must survive");
    let sidecar: BlobTransactionSidecarEip7594 = builder.build_7594().unwrap();
    let request = TransactionRequest::default()
        .with_to(Address::repeat_byte(7))
        .with_max_fee_per_blob_gas(1_000_000_000)
        .with_blob_sidecar_7594(sidecar);
    let receipt = l1.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
    let hash = receipt.transaction_hash;
    let blobs = blobs_of(&l1, hash).await;
    assert_eq!(blobs.as_array().expect("a list of blobs").len(), 1);
    let genesis = l1.get_block_by_number(0.into()).await.unwrap().unwrap().header.hash;
    drop(l1);
    anvil.stop().await.unwrap();

    // Twice, as anvil loses its first block only when it saves what it has loaded.
    Anvil::start(&tools, options(&dir)).await.unwrap().stop().await.unwrap();
    let anvil = Anvil::start(&tools, options(&dir)).await.unwrap();
    let l1 = provider(&anvil).await;
    let again = l1.get_transaction_receipt(hash).await.unwrap().expect("the receipt survives");
    assert_eq!(again.block_hash, receipt.block_hash);
    assert_eq!(blobs_of(&l1, hash).await, blobs);
    assert_eq!(l1.get_block_by_number(0.into()).await.unwrap().unwrap().header.hash, genesis);
    let by_hash = l1.get_block_by_number(receipt.block_number.unwrap().into()).await.unwrap().unwrap();
    assert_eq!(Some(by_hash.header.hash), receipt.block_hash);
}

async fn blobs_of(l1: &impl Provider, hash: alloy::primitives::B256) -> serde_json::Value {
    l1.raw_request("anvil_getBlobsByTransactionHash".into(), [hash]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn taken_port_is_named_in_the_error() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = Anvil::start(&Tools::from_env(), AnvilOptions { port, ..options(&dir) }).await.unwrap_err();
    assert!(matches!(error, AnvilError::PortInUse(named) if named == port), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn folder_that_is_a_file_is_named_in_the_error() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("l1"), "").unwrap();
    let error = Anvil::start(&Tools::from_env(), options(&dir)).await.unwrap_err();
    assert!(matches!(error, AnvilError::Dir { .. }), "{error}");
}
