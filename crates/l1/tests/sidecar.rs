//! The proofs beside blobs follow the fork of L1: a real anvil, behind a node that is as strict as geth and reth.

#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use alloy::{
    consensus::Signed,
    eips::{
        eip2718::{Decodable2718, Encodable2718},
        eip4844::Bytes48,
        eip7594::BlobTransactionSidecarVariant,
    },
    primitives::{Address, Bytes, address},
    transports::http::reqwest,
};
use axum::{Json, Router, extract::State, routing::post};
use lockstep_devnet::{Anvil, AnvilOptions, Tools};
use lockstep_l1::{Blob, L1Error, NoJournal, PooledTx, PreparedTx, TxManager, TxOptions, TxRequest, dev_key};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Each anvil loads its tables at its first blob. Several of them at once on few cores take longer than a request may.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const SOMEONE: Address = address!("00000000000000000000000000000000000000aa");

/// An anvil that mines a block per transaction by the rules of `hardfork`.
async fn anvil(hardfork: &'static str) -> (Anvil, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let options = AnvilOptions {
        hardfork,
        block_time: None,
        persist: false,
        ..AnvilOptions::new(dir.path().to_owned())
    };
    (Anvil::start(&Tools::from_env(), options).await.unwrap(), dir)
}

async fn manager(url: &str) -> TxManager {
    let options = TxOptions { tx_poll_interval: Duration::from_millis(20), ..TxOptions::default() };
    TxManager::connect(url, dev_key(0), options).await.unwrap()
}

/// Two blobs that differ.
fn with_blobs() -> TxRequest {
    let blobs = [7, 8].map(|byte| {
        let mut blob = Blob::ZERO;
        blob[1] = byte;
        blob
    });
    TxRequest { to: Some(SOMEONE), blobs: blobs.into(), ..TxRequest::default() }
}

fn sidecar(raw: &[u8]) -> BlobTransactionSidecarVariant {
    let PooledTx::Eip4844(tx) = PooledTx::decode_2718(&mut &raw[..]).unwrap() else { panic!("no blobs") };
    tx.into_parts().0.sidecar
}

/// Blob proofs and cell proofs beside a transaction.
fn proofs(tx: &PreparedTx) -> (usize, usize) {
    match sidecar(&tx.raw) {
        BlobTransactionSidecarVariant::Eip4844(sidecar) => (sidecar.proofs.len(), 0),
        BlobTransactionSidecarVariant::Eip7594(sidecar) => (0, sidecar.cell_proofs.len()),
    }
}

/// What stands before an anvil.
#[derive(Clone)]
struct Front {
    anvil: String,
    /// Answers `eth_config`.
    tells_config: bool,
    /// The sidecars that it takes: `true` for those with cell proofs.
    takes: &'static [bool],
    /// What it says to others.
    words: &'static str,
}

/// A node: what it does now, and the raw transactions it was given.
#[derive(Clone)]
struct Node {
    front: Arc<Mutex<Front>>,
    given: Arc<Mutex<Vec<Bytes>>>,
}

impl Node {
    async fn start(
        anvil: &Anvil,
        tells_config: bool,
        takes: &'static [bool],
        words: &'static str,
    ) -> (Self, String) {
        let front = Front { anvil: anvil.rpc_url(), tells_config, takes, words };
        let node = Self { front: Arc::new(Mutex::new(front)), given: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().route("/", post(answer)).with_state(node.clone());
        let app = app.layer(axum::extract::DefaultBodyLimit::disable());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (node, url)
    }

    fn becomes(&self, front: Front) {
        *self.front.lock().unwrap() = front;
    }

    fn given(&self) -> Vec<BlobTransactionSidecarVariant> {
        self.given.lock().unwrap().iter().map(|raw| sidecar(raw)).collect()
    }
}

async fn answer(State(node): State<Node>, Json(request): Json<Value>) -> Json<Value> {
    let front = node.front.lock().unwrap().clone();
    let refusal = |code: i64, message: &str| {
        Json(json!({"jsonrpc": "2.0", "id": request["id"], "error": {"code": code, "message": message}}))
    };
    match request["method"].as_str().unwrap() {
        "eth_config" if !front.tells_config => return refusal(-32_601, "method not found"),
        "eth_sendRawTransaction" => {
            let raw: Bytes = serde_json::from_value(request["params"][0].clone()).unwrap();
            let cells = sidecar(&raw).is_eip7594();
            node.given.lock().unwrap().push(raw);
            if !front.takes.contains(&cells) {
                return refusal(-32_000, front.words);
            }
        }
        _ => {}
    }
    let answer = reqwest::Client::new().post(&front.anvil).body(request.to_string());
    let answer = answer.header("content-type", "application/json").send().await.unwrap();
    Json(serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
}

#[tokio::test]
async fn blobs_have_the_proofs_of_the_fork_that_l1_tells() {
    let _turn = ONE_AT_A_TIME.lock().await;
    for (hardfork, expected) in [("prague", (2, 0)), ("osaka", (0, 256))] {
        let (anvil, _dir) = anvil(hardfork).await;
        let manager = manager(&anvil.rpc_url()).await;
        let tx = manager.prepare(with_blobs(), 0).await.unwrap();
        assert_eq!(proofs(&tx), expected, "{hardfork}");
        let included = manager.drive(vec![tx.clone()], &NoJournal, &CancellationToken::new()).await.unwrap();
        assert!(included.success && included.hash == tx.hash && included.fee > 0);
    }
}

#[tokio::test]
async fn a_transaction_from_before_the_fork_is_sent_after_it_under_the_same_hash_without_restart() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let (prague, _prague_dir) = anvil("prague").await;
    let (osaka, _osaka_dir) = anvil("osaka").await;
    for words in ["unexpected sidecar version, want: 1, got: 0", "unexpected eip-4844 sidecar after osaka"] {
        let (node, url) = Node::start(&prague, true, &[false], words).await;
        let manager = manager(&url).await;
        let nonce = TxManager::connect(&osaka.rpc_url(), dev_key(0), TxOptions::local()).await.unwrap();
        let nonce = nonce.nonce().await.unwrap();
        let tx = manager.prepare(with_blobs(), nonce).await.unwrap();
        assert_eq!(proofs(&tx), (2, 0));

        node.becomes(Front { anvil: osaka.rpc_url(), tells_config: true, takes: &[true], words });
        let included = manager.drive(vec![tx.clone()], &NoJournal, &CancellationToken::new()).await.unwrap();
        assert!(included.success && included.hash == tx.hash);
        let given = node.given();
        assert_eq!(given.iter().map(|sidecar| sidecar.is_eip7594()).collect::<Vec<_>>(), [false, true]);
        assert_eq!((given[0].blobs(), given[0].commitments()), (given[1].blobs(), given[1].commitments()));

        let next = manager.prepare(with_blobs(), nonce + 1).await.unwrap();
        assert_eq!(proofs(&next), (0, 256));
    }
}

/// The chain id of a development chain promises Osaka.
#[tokio::test]
async fn a_node_that_does_not_tell_its_fork_is_understood_by_its_refusal() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let (prague, _dir) = anvil("prague").await;
    let words = "unexpected eip-7594 sidecar before osaka";
    let (node, url) = Node::start(&prague, false, &[false], words).await;
    let manager = manager(&url).await;
    let sent = manager.send(with_blobs(), &NoJournal, &CancellationToken::new()).await.unwrap();
    assert!(sent.success);
    let kinds: Vec<_> = node.given().iter().map(BlobTransactionSidecarVariant::is_eip7594).collect();
    assert_eq!(kinds, [true, false]);
}

#[tokio::test]
async fn a_node_that_refuses_both_kinds_of_proofs_is_reported() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let (osaka, _dir) = anvil("osaka").await;
    let words = "INVALID: KZGcommitments must match the corresponding blobs and proofs";
    let (node, url) = Node::start(&osaka, true, &[], words).await;
    let error =
        manager(&url).await.send(with_blobs(), &NoJournal, &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(&error, L1Error::Rpc { source, .. } if source.to_string().contains(words)), "{error}");
    assert_eq!(node.given().len(), 2);
}

/// Proofs cost most of what a submission costs. These are marked, so that new ones would be seen.
#[tokio::test]
async fn a_replacement_keeps_the_proofs_that_were_computed() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let (osaka, _dir) = anvil("osaka").await;
    let (node, url) = Node::start(&osaka, true, &[], "replacement transaction underpriced").await;
    let manager = manager(&url).await;
    let marked = marked(&manager.prepare(with_blobs(), 0).await.unwrap());
    let shutdown = CancellationToken::new();
    let replaced = async {
        while node.given().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shutdown.cancel();
    };
    let (driven, ()) = tokio::join!(manager.drive(vec![marked.clone()], &NoJournal, &shutdown), replaced);
    assert!(matches!(driven, Err(L1Error::Shutdown)));
    let given = node.given();
    assert!(given.iter().all(|given| *given == sidecar(&marked.raw)));
    let raws = node.given.lock().unwrap().clone();
    assert_ne!(raws[0], raws[1]);
}

fn marked(tx: &PreparedTx) -> PreparedTx {
    let PooledTx::Eip4844(signed) = tx.decode().unwrap() else { panic!("no blobs") };
    let (mut parts, signature, hash) = signed.into_parts();
    let BlobTransactionSidecarVariant::Eip7594(sidecar) = &mut parts.sidecar else { panic!("blob proofs") };
    sidecar.cell_proofs[0] = Bytes48::repeat_byte(0xaa);
    let signed = PooledTx::Eip4844(Signed::new_unchecked(parts, signature, hash));
    PreparedTx { raw: signed.encoded_2718().into(), ..tx.clone() }
}
