//! Deposits reach L2 with a sequencer that is gone, and with one that ignores them.

use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::{DynProvider, Provider};
use alloy::sol;
use lockstep_devnet::{Anvil, AnvilOptions, Tools};
use lockstep_tests::{Devnet, DevnetOptions, Replica, until};

sol! {
    #[sol(rpc)]
    interface Portal {
        function depositTransaction(address to, uint256 value, uint64 gasLimit, bool isCreation, bytes data)
            external payable;
    }
}

/// L1 blocks after which `deploy/chains/dev.toml` forces a deposit.
const FORCE_DELAY: u64 = 30;

#[tokio::test(flavor = "multi_thread")]
async fn deposit_is_forced_without_and_against_the_sequencer() {
    // An L1 of our own goes on while the rollup is down.
    let folder = tempfile::tempdir().unwrap();
    let options = AnvilOptions {
        block_time: Some(Duration::from_secs(1)),
        persist: false,
        ..AnvilOptions::new(folder.path().join("l1"))
    };
    let anvil = Anvil::start(&Tools::from_env(), options).await.unwrap();
    let options = DevnetOptions { l1_rpc: Some(anvil.rpc_url()), ..DevnetOptions::default() };
    let mut net = Devnet::start(options).await.unwrap();

    net.interrupt().await.unwrap();
    let (to, value) = (Address::repeat_byte(0xd0), U256::from(1_000));
    let included = deposit(&net, to, value).await;
    let replica = Replica::start(&net.ready().rollup_config, &net.ready().l1_rpc).await.unwrap();
    wait_for_l1(&net.l1(), included + FORCE_DELAY + 1).await;
    let forced = replica.safe_head_after_l1(included + FORCE_DELAY).await.unwrap();
    let hash = replica.derived_hash(forced).await.unwrap();

    net.start_again(&[]).await.unwrap();
    arrives(&net, to, value).await;
    becomes(&net, forced, hash).await;
    net.interrupt().await.unwrap();

    net.start_again(&["--dangerous-ignore-deposits"]).await.unwrap();
    let to = Address::repeat_byte(0xd1);
    deposit(&net, to, value).await;
    arrives(&net, to, value).await;
    net.assert_l1_alone_gives_the_same_chain().await.unwrap();
}

async fn deposit(net: &Devnet, to: Address, value: U256) -> u64 {
    let portal = Portal::new(net.ready().contracts.portal, net.l1_as(0).unwrap());
    let call = portal.depositTransaction(to, value, 100_000, false, Bytes::new()).value(value);
    let receipt = call.send().await.unwrap().get_receipt().await.unwrap();
    assert!(receipt.status());
    receipt.block_number.unwrap()
}

async fn wait_for_l1(l1: &DynProvider, number: u64) {
    until("L1 has grown", async || Ok((number <= l1.get_block_number().await?).then_some(()))).await.unwrap();
}

/// Waits until the sequencer goes on from what L1 forced. What it seals until its verifier has told it is unsafe.
async fn becomes(net: &Devnet, number: u64, hash: B256) {
    let l2 = net.l2();
    until("the forced block is on L2", async || {
        let block = l2.get_block_by_number(number.into()).await?;
        Ok(block.filter(|block| block.header.hash == hash).map(drop))
    })
    .await
    .unwrap();
}

async fn arrives(net: &Devnet, to: Address, value: U256) {
    let l2 = net.l2();
    until("the deposit is on L2", async || Ok((l2.get_balance(to).await? == value).then_some(())))
        .await
        .unwrap();
}
