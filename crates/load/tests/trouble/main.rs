//! Servers that refuse, stall, forget or are something else: each is seen for what it is.
#![allow(clippy::unwrap_used, missing_docs)]

mod node;

use std::time::Duration;

use clap::Parser;
use lockstep_load::{Account, Figures, LoadError, LoadOptions, Outcome, run};
use tokio_util::sync::CancellationToken;

use node::{Answer, Node};

#[derive(Debug, clap::Parser)]
struct Cli {
    #[command(flatten)]
    options: LoadOptions,
}

async fn load(url: &str, flags: &str) -> Result<Outcome, LoadError> {
    load_until(&CancellationToken::new(), url, flags).await
}

async fn load_until(stop: &CancellationToken, url: &str, flags: &str) -> Result<Outcome, LoadError> {
    let flags = format!("load --target node={url} {flags}");
    let options = Cli::try_parse_from(flags.split_whitespace()).unwrap().options;
    let funder = Account::new([7; 32].into()).unwrap();
    run(&options, &funder, stop).await
}

async fn figures(node: Node, flags: &str) -> Figures {
    let outcome = load(&node.serve().await, flags).await.unwrap();
    outcome.targets()[0].1[0].clone()
}

async fn failure(node: Node, flags: &str) -> String {
    load(&node.serve().await, flags).await.unwrap_err().to_string()
}

const INCLUDES: fn(usize, usize) -> Answer = |_, _| Answer::Include;

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_refused_transaction_those_of_its_account_are_skipped_and_no_others() {
    let node =
        Node::new(|others, _| if others == 0 { Answer::Refuse("pool 17 is full") } else { Answer::Include });
    let url = node.serve().await;
    let outcome = load(&url, "--accounts 4 --clients 2 --transactions 40").await.unwrap();
    let figures = &outcome.targets()[0].1[0];
    assert_eq!([figures.refused, figures.skipped, figures.accepted, figures.included], [1, 9, 30, 30]);
    assert_eq!(figures.errors, [("pool # is full".to_owned(), 1)]);
    assert!(matches!(outcome.verdict(), Err(LoadError::Flawed(_))));
    assert!(outcome.text().contains("pool # is full"), "{}", outcome.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_transaction_is_offered_again_as_often_as_wished() {
    let refuses_twice = |_, before| if before < 2 { Answer::Refuse("busy") } else { Answer::Include };
    let again =
        figures(Node::new(refuses_twice), "--accounts 3 --transactions 9 --retries 2 --batch 3").await;
    assert_eq!([again.refused, again.accepted, again.included], [0, 9, 9]);
    assert_eq!(again.errors, [("busy".to_owned(), 18)]);
    assert_eq!(again.flaw(), None);
    let once = figures(Node::new(refuses_twice), "--accounts 3 --transactions 3 --retries 1").await;
    assert_eq!([once.refused, once.accepted], [3, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_and_never_included_is_missing() {
    let node = Node::new(|others, _| if others < 5 { Answer::Keep } else { Answer::Include });
    let figures = figures(node, "--accounts 20 --transactions 20 --patience 300ms").await;
    assert_eq!([figures.accepted, figures.included, figures.missing], [20, 15, 5]);
    assert!(figures.flaw().unwrap().contains("5 transactions accepted and never included"));
}

/// One client, a transaction each ms: the tenth takes 300 ms, and those due meanwhile wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_loop_counts_a_stall_for_everything_that_was_due_meanwhile() {
    let stall =
        |others, _| if others == 10 { Answer::Stall(Duration::from_millis(300)) } else { Answer::Include };
    let flags = "--accounts 1 --clients 1 --transactions 60";
    let open = figures(Node::new(stall), &format!("{flags} --rate 1000")).await;
    assert!(open.acknowledged.unwrap().p50 > 150.0, "{:?}", open.acknowledged);
    let closed = figures(Node::new(stall), flags).await;
    assert!(closed.acknowledged.unwrap().p50 < 150.0, "{:?}", closed.acknowledged);
    assert!(closed.acknowledged.unwrap().max >= 300.0, "{:?}", closed.acknowledged);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_with_its_time_though_transactions_are_left() {
    let slow = |_, _| Answer::Stall(Duration::from_millis(20));
    let figures = figures(Node::new(slow), "--accounts 1 --transactions 5000 --duration 200ms").await;
    assert!((1..=11).contains(&figures.offered), "{}", figures.offered);
    assert_eq!([figures.accepted, figures.included], [figures.offered; 2]);
    assert_eq!(figures.flaw(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_offers_no_more_and_waits_for_what_was_accepted() {
    let url = Node::new(|_, _| Answer::Defer(Duration::from_millis(300))).serve().await;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        stopping.cancel();
    });
    let outcome = load_until(&stop, &url, "--accounts 1 --transactions 5000 --rate 100").await.unwrap();
    let figures = &outcome.targets()[0].1[0];
    assert!((1..1_000).contains(&figures.offered), "{}", figures.offered);
    assert_eq!([figures.accepted, figures.included, figures.missing], [figures.offered, figures.offered, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_a_load_impossible_is_said() {
    let small = "--accounts 2 --transactions 2 --patience 100ms";
    let unreachable = load("http://127.0.0.1:1", small).await.unwrap_err().to_string();
    assert!(
        unreachable.starts_with("cannot reach node at http://127.0.0.1:1: no connection"),
        "{unreachable}"
    );

    let other_chain = failure(Node::new(INCLUDES), &format!("{small} --chain-id 8")).await;
    assert_eq!(other_chain, "node is chain 7, not 8");

    let poor = failure(Node::new(INCLUDES).with_balance(0), small).await;
    assert!(poor.contains("has 0.000000000000000000 ETH on node"), "{poor}");

    let leftovers = failure(Node::new(INCLUDES).with_waiting(3), small).await;
    assert!(leftovers.starts_with("2 accounts still have transactions in the pool of node"), "{leftovers}");

    let no_sync = failure(Node::new(INCLUDES), &format!("{small} --sync")).await;
    assert!(no_sync.starts_with("node has no eth_sendRawTransactionSync"), "{no_sync}");

    let no_process = failure(Node::new(INCLUDES), &format!("{small} --pid node=4294967295")).await;
    assert_eq!(no_process, "cannot read the CPU time of process 4294967295");
}
