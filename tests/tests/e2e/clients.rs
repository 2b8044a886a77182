//! Client libraries, each doing what dApps do with it.

use lockstep_tests::{Devnet, DevnetOptions, run_script};
use serde_json::json;

use crate::bridge::describe;

#[tokio::test(flavor = "multi_thread")]
async fn viem_ethers_web3_and_foundry_deploy_call_listen_and_send() {
    let net = Devnet::start(DevnetOptions::default()).await.unwrap();
    let input = json!({ "net": describe(&net) });
    // Each has an account of its own.
    tokio::try_join!(
        run_script("clients/viem.js", &input),
        run_script("clients/ethers.js", &input),
        run_script("clients/web3.js", &input),
        run_script("clients/foundry.js", &input),
    )
    .unwrap();
}
