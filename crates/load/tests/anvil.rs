//! Small loads on a real anvil: every transaction is included, counted, and does what it is for.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use alloy_primitives::b256;
use clap::Parser;
use lockstep_devnet::{Anvil, AnvilOptions, Tools};
use lockstep_load::{Account, Figures, LoadError, LoadOptions, Outcome, run};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

#[derive(Debug, clap::Parser)]
struct Cli {
    #[command(flatten)]
    options: LoadOptions,
}

/// A chain with a block five times a second.
async fn anvil() -> (Anvil, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let options = AnvilOptions {
        block_time: Some(Duration::from_millis(200)),
        persist: false,
        ..AnvilOptions::new(folder.path().to_owned())
    };
    (Anvil::start(&Tools::from_env(), options).await.unwrap(), folder)
}

/// The first account of every development chain.
fn funder() -> Account {
    Account::new(b256!("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")).unwrap()
}

fn options(flags: &str) -> LoadOptions {
    Cli::try_parse_from(["load"].into_iter().chain(flags.split_whitespace())).unwrap().options
}

async fn load(anvil: &Anvil, flags: &str) -> Result<Outcome, LoadError> {
    let options = options(&format!("--target anvil={} {flags}", anvil.rpc_url()));
    run(&options, &funder(), &CancellationToken::new()).await
}

fn only(outcome: &Outcome) -> &Figures {
    let [(_, rounds)] = outcome.targets() else { panic!("one target") };
    let [figures] = rounds.as_slice() else { panic!("one round") };
    figures
}

#[tokio::test(flavor = "multi_thread")]
async fn every_transaction_of_every_workload_is_included_and_succeeds() {
    let (anvil, _folder) = anvil().await;
    let workloads = ["transfers", "erc20", "swaps", "mixed"];
    let manners = ["", "--batch 7", "--rate 400", "--batch 3 --rate 600"];
    for (workload, manner) in workloads.into_iter().zip(manners) {
        let flags = format!("--workload {workload} --accounts 25 --clients 6 --transactions 180 {manner}");
        let outcome = load(&anvil, &flags).await.unwrap();
        outcome.verdict().unwrap();
        let figures = only(&outcome);
        let counts = [figures.offered, figures.accepted, figures.included, figures.receipts];
        assert_eq!(counts, [180; 4], "{workload}: {}", outcome.text());
        let seen: u32 = figures.seconds.iter().map(|second| second.included).sum();
        assert_eq!(seen, 180);
        assert!(figures.inclusion.unwrap().p50 >= figures.acknowledged.unwrap().p50);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_goes_on_with_accounts_and_contracts_of_the_first() {
    let (anvil, _folder) = anvil().await;
    let flags = "--workload erc20 --accounts 10 --transactions 30";
    load(&anvil, flags).await.unwrap().verdict().unwrap();
    // Who cannot pay can only run if there is nothing to pay for.
    let options = options(&format!("--target anvil={} {flags}", anvil.rpc_url()));
    let poor = Account::new([7; 32].into()).unwrap();
    let outcome = run(&options, &poor, &CancellationToken::new()).await.unwrap();
    outcome.verdict().unwrap();
    assert_eq!(only(&outcome).included, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_sync_the_answer_is_the_receipt() {
    let (anvil, _folder) = anvil().await;
    let outcome = load(&anvil, "--sync --accounts 8 --clients 8 --transactions 16").await.unwrap();
    outcome.verdict().unwrap();
    let figures = only(&outcome);
    assert_eq!([figures.accepted, figures.included], [16, 16]);
    assert_eq!(figures.acknowledged, figures.inclusion);
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_take_turns_and_the_files_hold_every_round() {
    let (anvil, folder) = anvil().await;
    let (svg, json) = (folder.path().join("load.svg"), folder.path().join("load.json"));
    let flags = format!(
        "--target again={} --rounds 2 --accounts 5 --transactions 50 --pid anvil={} --svg {} --json {}",
        anvil.rpc_url(),
        anvil.id(),
        svg.display(),
        json.display(),
    );
    let outcome = load(&anvil, &flags).await.unwrap();
    outcome.verdict().unwrap();
    outcome.save(&options(&format!("--target anvil={} {flags}", anvil.rpc_url()))).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    for (target, name) in ["anvil", "again"].into_iter().enumerate() {
        assert_eq!(file["targets"][target]["name"], name);
        for round in 0..2 {
            let figures = &file["targets"][target]["rounds"][round];
            assert_eq!(figures["included"], 50);
            assert_eq!(figures["server_cpu_ms"].is_number(), name == "anvil");
        }
    }
    assert!(std::fs::read_to_string(svg).unwrap().contains("again, included"));
    let text = outcome.text();
    assert!(text.contains("anvil/again") && text.contains("server CPU per tx"), "{text}");
}
