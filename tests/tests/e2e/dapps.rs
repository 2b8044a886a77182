//! dApps from npm that we did not write.

use lockstep_tests::{Devnet, DevnetOptions, run_script};
use serde_json::json;

use crate::bridge::describe;

#[tokio::test(flavor = "multi_thread")]
async fn uniswap_openzeppelin_permit2_and_multicall3_run_unmodified() {
    let net = Devnet::start(DevnetOptions::default()).await.unwrap();
    let input = json!({ "net": describe(&net) });
    run_script("uniswap.js", &input).await.unwrap();
    run_script("openzeppelin.js", &input).await.unwrap();
    run_script("preinstalls.js", &input).await.unwrap();
    net.assert_l1_alone_gives_the_same_chain().await.unwrap();
}
