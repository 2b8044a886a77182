//! Killed in the middle, stopped in the middle: the same chain goes on.

use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use lockstep_tests::{Devnet, DevnetOptions, until};

#[tokio::test(flavor = "multi_thread")]
async fn chain_goes_on_after_sigkill_and_after_ctrl_c() {
    let mut net = Devnet::start(DevnetOptions::default()).await.unwrap();
    let to = Address::repeat_byte(0xcc);
    let first = send_all(&net, to, 5).await;
    let before = hashes(&net).await;

    net.kill().unwrap();
    net.start_again(&[]).await.unwrap();
    assert_kept(&net, &before, &first, to, 5).await;

    let second = send_all(&net, to, 5).await;
    let before = hashes(&net).await;
    let status = net.interrupt().await.unwrap();
    assert!(status.success(), "Ctrl-C is a clean end: {status}");
    net.start_again(&[]).await.unwrap();
    assert_kept(&net, &before, &second, to, 10).await;

    send_all(&net, to, 1).await;
    net.assert_l1_alone_gives_the_same_chain().await.unwrap();
}

async fn send_all(net: &Devnet, to: Address, count: usize) -> Vec<B256> {
    let l2 = net.l2_as(0).unwrap();
    let mut hashes = Vec::new();
    for _ in 0..count {
        let request = TransactionRequest::default().with_to(to).with_value(U256::from(1));
        let receipt = l2.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
        assert!(receipt.status());
        hashes.push(receipt.transaction_hash);
    }
    hashes
}

async fn hashes(net: &Devnet) -> Vec<B256> {
    let l2 = net.l2();
    let mut hashes = Vec::new();
    for number in 0..=l2.get_block_number().await.unwrap() {
        hashes.push(l2.get_block_by_number(number.into()).await.unwrap().unwrap().header.hash);
    }
    hashes
}

async fn assert_kept(net: &Devnet, before: &[B256], transactions: &[B256], to: Address, balance: u64) {
    let after = hashes(net).await;
    assert!(after.starts_with(before), "the chain before the restart is a prefix of the one after it");
    let l2 = net.l2();
    for hash in transactions {
        assert!(l2.get_transaction_receipt(*hash).await.unwrap().is_some(), "{hash} was acknowledged");
    }
    assert_eq!(l2.get_balance(to).await.unwrap(), U256::from(balance));
    let head = after.len() as u64;
    until("the chain grows again", async || Ok((head < l2.get_block_number().await?).then_some(())))
        .await
        .unwrap();
}
