//! `lockstep batch`: a posted batch, looked into from L1 alone.

use std::fs;

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, U256},
    providers::Provider,
    rpc::types::{Filter, TransactionRequest},
    sol_types::SolEvent,
};
use lockstep_contracts::l1::Inbox;
use lockstep_tests::{Devnet, DevnetOptions, lockstep_binary, until};
use serde_json::Value;
use tokio::process::Command;

/// Output of `lockstep batch` with `args`.
async fn batch(args: &[&str]) -> eyre::Result<String> {
    let output = Command::new(lockstep_binary().await?).arg("batch").args(args).output().await?;
    eyre::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[tokio::test]
async fn a_posted_batch_is_shown_from_its_l1_transaction() -> eyre::Result<()> {
    let devnet = Devnet::start(DevnetOptions::default()).await?;
    let l2 = devnet.l2_as(0)?;
    let request = TransactionRequest::default().with_to(Address::repeat_byte(7)).with_value(U256::from(1));
    let receipt = l2.send_transaction(request).await?.get_receipt().await?;
    let block = receipt.block_number.ok_or_else(|| eyre::eyre!("a receipt names its block"))?;
    let ready = devnet.ready();
    let config = ready.rollup_config.to_string_lossy();

    // The batch that holds the block, found by looking at each.
    let inspected = until("the block is on L1", async || {
        let appended = Filter::new()
            .address(ready.contracts.inbox)
            .event_signature(Inbox::BatchAppended::SIGNATURE_HASH)
            .from_block(0);
        for log in devnet.l1().get_logs(&appended).await? {
            let hash = log.transaction_hash.unwrap_or_default().to_string();
            let args = ["inspect", &hash, "--json", "--l1-rpc", &ready.l1_rpc, "--rollup-config", &config];
            let shown: Value = serde_json::from_str(&batch(&args).await?)?;
            if shown["last_block"].as_u64() >= Some(block) {
                return Ok(Some((hash, shown)));
            }
        }
        Ok(None)
    });
    let (hash, shown) = inspected.await?;

    let blocks = shown["blocks"].as_array().unwrap();
    let ours = blocks.iter().find(|found| found["number"] == block).unwrap();
    assert_eq!(ours["transactions"][0]["hash"], receipt.transaction_hash.to_string());
    assert_eq!(ours["transactions"][0]["from"], receipt.from.to_string().to_lowercase());
    let sealed = devnet.l2().get_block_by_number(block.into()).await?.unwrap();
    assert_eq!(ours["timestamp"], sealed.header.timestamp);

    let on_l1 = devnet.l1().get_transaction_receipt(hash.parse()?).await?.unwrap();
    let gas = u128::from(on_l1.gas_used) * on_l1.effective_gas_price;
    let blob_gas = on_l1.blob_gas_used.map(u128::from).zip(on_l1.blob_gas_price);
    let cost = gas + blob_gas.map_or(0, |(used, price)| used * price);
    assert_eq!(shown["posted"]["cost_wei"].to_string(), cost.to_string());
    assert_eq!(shown["posted"]["data"], "blobs");

    let args = ["inspect", &hash, "--transactions", "--l1-rpc", &ready.l1_rpc, "--rollup-config", &config];
    let words = batch(&args).await?;
    assert!(words.contains(&receipt.transaction_hash.to_string()), "{words}");
    assert!(words.contains(&format!("cost          {cost} wei")), "{words}");
    Ok(())
}

#[tokio::test]
async fn measuring_prints_a_line_for_each_codec_and_names_bad_lines() -> eyre::Result<()> {
    let folder = tempfile::tempdir()?;
    let (good, bad) = (folder.path().join("good.hex"), folder.path().join("bad.hex"));
    let transfer = "0xf86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef\
                    61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf5\
                    55c9f3dc64214b297fb1966a3b6d83";
    fs::write(&good, format!("{transfer}\n\n"))?;
    fs::write(&bad, format!("{transfer}\n\n0x7e00\n"))?;
    let out = batch(&["measure", &good.to_string_lossy()]).await?;
    assert_eq!(out.lines().filter(|line| line.starts_with("result codec=")).count(), 5, "{out}");
    let error = batch(&["measure", &bad.to_string_lossy()]).await.unwrap_err().to_string();
    assert!(error.contains("bad.hex:3: a transaction of type 126"), "{error}");
    Ok(())
}
