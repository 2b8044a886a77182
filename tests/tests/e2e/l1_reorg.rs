//! L1 takes blocks back under a running rollup.

use alloy::eips::BlockNumberOrTag;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::TransactionRequest;
use alloy::sol;
use lockstep_primitives::predeploys;
use lockstep_tests::{Devnet, DevnetOptions, until};

sol! {
    #[sol(rpc)]
    interface L1Block {
        function number() external view returns (uint64);
    }
}

/// More L1 blocks than are taken back.
const DEEP: u64 = 12;

#[tokio::test(flavor = "multi_thread")]
async fn after_an_l1_reorg_the_chain_goes_on_from_the_common_block() {
    let net = Devnet::start(DevnetOptions::default()).await.unwrap();
    let (l1, l2) = (net.l1(), net.l2());
    let (kept, again) = (Address::repeat_byte(0xe1), Address::repeat_byte(0xe2));
    let old = send(&net, kept).await;
    becomes_safe(&l2, old).await;
    let hash = hash_of(&l2, old).await.unwrap();
    // So far back that neither its origin nor its batch is taken away.
    let deep = l1.get_block_number().await.unwrap() + DEEP;
    until("L1 has grown", async || Ok((l1.get_block_number().await? >= deep).then_some(()))).await.unwrap();

    let young = send(&net, again).await;
    becomes_safe(&l2, young).await;
    let replaced = hash_of(&l2, young).await.unwrap();
    let depth = l1.get_block_number().await.unwrap() - origin_of(&l2, young).await + 1;
    assert!(depth < DEEP, "{depth}");
    let params = serde_json::value::to_raw_value(&(depth, [(); 0])).unwrap();
    let _: serde_json::Value = l1.raw_request("anvil_reorg".into(), params).await.unwrap();

    until("the block on the lost L1 fork is gone", async || {
        Ok(hash_of(&l2, young).await.is_some_and(|hash| hash != replaced).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(hash_of(&l2, old).await, Some(hash));
    until("its transaction is there again", async || {
        // While blocks are taken back, state is not to be had.
        let balance = l2.get_balance(again).await.unwrap_or_default();
        Ok((balance == U256::from(1)).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(l2.get_balance(kept).await.unwrap(), U256::from(1));
    net.assert_l1_alone_gives_the_same_chain().await.unwrap();
}

/// Sends one wei to `to`, and gives the block.
async fn send(net: &Devnet, to: Address) -> u64 {
    let request = TransactionRequest::default().with_to(to).with_value(U256::from(1));
    let sent = net.l2_as(0).unwrap().send_transaction(request).await.unwrap();
    sent.get_receipt().await.unwrap().block_number.unwrap()
}

async fn becomes_safe(l2: &DynProvider, number: u64) {
    until("the block is safe", async || {
        let safe = l2.get_block_by_number(BlockNumberOrTag::Safe).await?;
        Ok(safe.filter(|safe| safe.header.number >= number).map(drop))
    })
    .await
    .unwrap();
}

/// Number of the block's L1 origin.
async fn origin_of(l2: &DynProvider, number: u64) -> u64 {
    L1Block::new(predeploys::L1_BLOCK, l2).number().block(number.into()).call().await.unwrap()
}

async fn hash_of(l2: &DynProvider, number: u64) -> Option<B256> {
    let block = l2.get_block_by_number(number.into()).await.ok().flatten();
    block.map(|block| block.header.hash)
}
