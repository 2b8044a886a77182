//! The bridge, both ways, by viem's own OP Stack actions.

use lockstep_tests::{Devnet, DevnetOptions, run_script};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn viem_bridges_eth_and_tokens_both_ways() {
    let net = Devnet::start(DevnetOptions::default()).await.unwrap();
    run_script("bridge.js", &json!({ "net": describe(&net) })).await.unwrap();
    net.assert_l1_alone_gives_the_same_chain().await.unwrap();
}

/// The chain as scripts need it.
pub(crate) fn describe(net: &Devnet) -> serde_json::Value {
    let ready = net.ready();
    json!({
        "l1Rpc": ready.l1_rpc,
        "l2Rpc": ready.l2_rpc,
        "l2Ws": ready.l2_ws,
        "l1ChainId": ready.l1_chain_id,
        "l2ChainId": ready.l2_chain_id,
        "contracts": ready.contracts,
        "keys": ready.accounts.iter().map(|account| account.key).collect::<Vec<_>>(),
    })
}
