//! A node that errs, stalls, is behind, or lies.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use lockstep_l1::Severity;
use lockstep_testkit::l1_proxy::{Action, L1Proxy};
use serde_json::{Value, json};

use super::*;

/// A manager behind a proxy, and one that talks to the node itself.
struct Bench {
    proxy: L1Proxy,
    manager: TxManager,
    honest: TxManager,
    _anvil: (Anvil, TempDir),
}

async fn bench(mines: bool, resubmit_after: Duration) -> Bench {
    let (anvil, dir) = anvil(mines).await;
    let proxy = L1Proxy::start(&anvil.rpc_url()).await.unwrap();
    let honest = manager(&anvil, resubmit_after).await;
    let manager = TxManager::connect(proxy.url(), dev_key(0), options(resubmit_after)).await.unwrap();
    Bench { proxy, manager, honest, _anvil: (anvil, dir) }
}

const SOON: Duration = Duration::ZERO;
const LATE: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_node_that_errs_is_asked_again_and_nothing_is_sent_twice() {
    let faults: [fn() -> Action; 2] = [|| Action::Break, || Action::Refuse("internal error".to_owned())];
    for fault in faults {
        let bench = bench(true, LATE).await;
        let mut flight = Flight::prepare(&bench.manager, transfer(), 0).await;
        for method in ["eth_getTransactionCount", "eth_getTransactionByHash", "eth_sendRawTransaction"] {
            bench.proxy.behave(move |called, _| if called == method { fault() } else { Action::Forward });
            let error = flight.look(&bench.manager).await.unwrap_err();
            assert_eq!(error.severity(), Severity::Retry, "{method}: {error}");
        }
        bench.proxy.be_honest();
        assert_eq!(flight.until_included(&bench.manager).await.hash, flight.last().hash);
        assert_eq!((flight.attempts(), bench.manager.nonce().await.unwrap()), (1, 1));
    }
}

#[tokio::test]
async fn a_node_that_never_answers_is_given_up_and_asked_again() {
    let bench = bench(true, LATE).await;
    let mut flight = Flight::prepare(&bench.manager, transfer(), 0).await;
    // The node takes the transaction, and keeps that to itself.
    bench.proxy.behave(|method, _| match method {
        "eth_sendRawTransaction" => Action::then(|_| Action::Stall),
        _ => Action::Forward,
    });
    let error = flight.look(&bench.manager).await.unwrap_err();
    assert_eq!(error.severity(), Severity::Retry, "{error}");
    bench.proxy.be_honest();
    assert!(flight.until_included(&bench.manager).await.success);
    assert_eq!(bench.honest.nonce().await.unwrap(), 1);
}

#[tokio::test]
async fn a_node_that_is_behind_does_not_make_it_send_another() {
    let bench = bench(true, SOON).await;
    let mut flight = Flight::prepare(&bench.manager, transfer(), 0).await;
    bench.proxy.behave(|method, _| match method {
        "eth_getTransactionCount" => Action::Answer(json!("0x0")),
        _ => Action::Forward,
    });
    for _ in 0..4 {
        assert!(!matches!(flight.look(&bench.manager).await.unwrap(), Progress::Included(_)));
    }
    assert_eq!(bench.honest.nonce().await.unwrap(), 1, "one of them is in a block");
    bench.proxy.be_honest();
    let included = flight.until_included(&bench.manager).await;
    assert!(flight.memory.attempts().iter().any(|tx| tx.hash == included.hash));
}

#[tokio::test]
async fn a_nonce_that_seems_used_once_or_twice_is_not_given_up() {
    let bench = bench(true, LATE).await;
    let mut flight = Flight::prepare(&bench.manager, transfer(), 0).await;
    for _ in 0..3 {
        // Two looks short of a verdict, then one that contradicts.
        bench.proxy.behave(|method, _| match method {
            "eth_getTransactionCount" => Action::Answer(json!("0x1")),
            _ => Action::Forward,
        });
        for _ in 0..2 {
            assert_eq!(flight.look(&bench.manager).await.unwrap(), Progress::Waiting);
        }
        bench.proxy.behave(|method, _| match method {
            "eth_sendRawTransaction" => Action::Refuse("already known".to_owned()),
            _ => Action::Forward,
        });
        assert_eq!(flight.look(&bench.manager).await.unwrap(), Progress::Waiting);
    }
    bench.proxy.be_honest();
    assert_eq!(flight.until_included(&bench.manager).await.hash, flight.last().hash);
}

#[tokio::test]
async fn a_receipt_is_not_believed_against_the_nonce() {
    let bench = bench(false, LATE).await;
    let mut flight = Flight::prepare(&bench.manager, transfer(), 0).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    bench.proxy.behave(move |method, _| {
        if method == "eth_getTransactionReceipt" {
            count.fetch_add(1, Ordering::SeqCst);
        }
        Action::Forward
    });
    for _ in 0..3 {
        assert_eq!(flight.look(&bench.manager).await.unwrap(), Progress::Waiting);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0, "there can be none while the nonce is free");
}

#[tokio::test]
async fn a_receipt_of_a_block_outside_the_chain_is_not_believed() {
    let bench = bench(true, LATE).await;
    let mut flight = Flight::prepare(&bench.manager, transfer(), 0).await;
    bench.proxy.behave(|method, _| match method {
        "eth_getTransactionReceipt" => Action::then(|mut receipt: Value| {
            receipt["blockHash"] = json!(B256::repeat_byte(0xee));
            Action::Answer(receipt)
        }),
        _ => Action::Forward,
    });
    assert_eq!(flight.look(&bench.manager).await.unwrap(), Progress::Waiting);
    for _ in 0..5 {
        assert_eq!(flight.look(&bench.manager).await.unwrap(), Progress::Waiting);
    }
    bench.proxy.be_honest();
    assert!(flight.until_included(&bench.manager).await.success);
}

#[tokio::test]
async fn a_pool_that_holds_the_other_kind_is_waited_for() {
    let bench = bench(true, LATE).await;
    let mut flight = Flight::prepare(&bench.manager, transfer(), 0).await;
    bench.proxy.behave(|method, _| match method {
        "eth_sendRawTransaction" => Action::Refuse("address already reserved".to_owned()),
        _ => Action::Forward,
    });
    for _ in 0..3 {
        let seen = flight.look(&bench.manager).await.unwrap();
        assert!(matches!(seen, Progress::Held(reason) if reason.contains("other transactions")), "{seen:?}");
    }
    bench.proxy.be_honest();
    assert_eq!(flight.until_included(&bench.manager).await.hash, flight.last().hash);
}
