//! The transaction manager against a real anvil.

#![allow(clippy::unwrap_used)]

use std::{sync::Mutex, time::Duration};

use alloy::{
    consensus::Transaction,
    primitives::{Address, B256, U256, address},
    providers::Provider,
};
use lockstep_devnet::{Anvil, AnvilOptions, Tools};
use lockstep_l1::{
    Blob, Cause, Journal, L1Error, NoJournal, PreparedTx, TxManager, TxOptions, TxRequest, TxStatus, dev_key,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const SOMEONE: Address = address!("00000000000000000000000000000000000000aa");

/// An anvil that mines a block per transaction, or only when told to.
async fn anvil(mines: bool) -> (Anvil, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let options = AnvilOptions {
        block_time: (!mines).then_some(Duration::from_secs(100_000)),
        persist: false,
        ..AnvilOptions::new(dir.path().to_owned())
    };
    (Anvil::start(&Tools::from_env(), options).await.unwrap(), dir)
}

async fn manager(anvil: &Anvil, resubmit_after: Duration) -> TxManager {
    let options = TxOptions {
        tx_resubmit_after: resubmit_after,
        tx_poll_interval: Duration::from_millis(20),
        ..TxOptions::default()
    };
    TxManager::connect(&anvil.rpc_url(), dev_key(0), options).await.unwrap()
}

async fn rpc(manager: &TxManager, method: &'static str, params: impl serde::Serialize) {
    let params = serde_json::value::to_raw_value(&params).unwrap();
    let _: serde_json::Value = manager.provider().raw_request(method.into(), params).await.unwrap();
}

fn transfer() -> TxRequest {
    TxRequest { to: Some(SOMEONE), value: U256::ONE, ..TxRequest::default() }
}

fn with_blob() -> TxRequest {
    let mut blob = Blob::ZERO;
    blob[1] = 7;
    TxRequest { to: Some(SOMEONE), blobs: vec![blob], ..TxRequest::default() }
}

/// Keeps attempts, and can mine a block when it has the given number of them.
#[derive(Default)]
struct Memory {
    attempts: Mutex<Vec<PreparedTx>>,
}

impl Journal for Memory {
    async fn prepared(&self, tx: &PreparedTx) -> Result<(), Cause> {
        self.attempts.lock().unwrap().push(tx.clone());
        Ok(())
    }
}

impl Memory {
    fn attempts(&self) -> Vec<PreparedTx> {
        self.attempts.lock().unwrap().clone()
    }
}

/// Waits until `count` attempts are journaled and the last one is in the pool.
async fn pooled(manager: &TxManager, memory: &Memory, count: usize) {
    loop {
        let attempts = memory.attempts();
        if attempts.len() >= count {
            let last = attempts.last().unwrap().hash;
            if manager.provider().get_transaction_by_hash(last).await.unwrap().is_some() {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_transaction_that_waits_is_replaced_and_the_node_takes_it() {
    for request in [transfer(), with_blob()] {
        let (anvil, _dir) = anvil(false).await;
        let manager = manager(&anvil, Duration::ZERO).await;
        let memory = Memory::default();
        let shutdown = CancellationToken::new();
        let (sent, ()) = tokio::join!(manager.send(request, &memory, &shutdown), async {
            pooled(&manager, &memory, 3).await;
            rpc(&manager, "evm_mine", ()).await;
        });
        let attempts = memory.attempts();
        assert!(attempts.iter().all(|tx| tx.nonce == 0));
        assert!(attempts.iter().any(|tx| tx.hash == sent.as_ref().unwrap().hash));
        assert_eq!(manager.nonce().await.unwrap(), 1);
        let fees: Vec<u128> = attempts.iter().map(|tx| tx.decode().unwrap().max_fee_per_gas()).collect();
        assert!(fees.is_sorted() && fees[0] < fees[1]);
    }
}

#[tokio::test]
async fn after_a_restart_a_mined_transaction_is_found_and_not_sent_again() {
    let (anvil, _dir) = anvil(true).await;
    let manager = manager(&anvil, Duration::from_secs(60)).await;
    let memory = Memory::default();
    let shutdown = CancellationToken::new();
    let first = manager.send(transfer(), &memory, &shutdown).await.unwrap();
    let again = manager.drive(memory.attempts(), &memory, &shutdown).await.unwrap();
    assert_eq!(first, again);
    assert_eq!((manager.nonce().await.unwrap(), memory.attempts().len()), (1, 1));
}

#[tokio::test]
async fn after_a_restart_a_lost_transaction_is_sent_again_as_the_same_bytes() {
    let (anvil, _dir) = anvil(true).await;
    let manager = manager(&anvil, Duration::from_secs(60)).await;
    let tx = manager.prepare(transfer(), 0).await.unwrap();
    assert_eq!(manager.status(std::slice::from_ref(&tx)).await.unwrap(), TxStatus::Absent);
    let included = manager.drive(vec![tx.clone()], &NoJournal, &CancellationToken::new()).await.unwrap();
    assert_eq!(included.hash, tx.hash);
}

#[tokio::test]
async fn a_reorg_brings_the_same_bytes_back() {
    let (anvil, _dir) = anvil(true).await;
    let manager = manager(&anvil, Duration::from_secs(60)).await;
    let (memory, shutdown) = (Memory::default(), CancellationToken::new());
    let before = manager.send(with_blob(), &memory, &shutdown).await.unwrap();
    rpc(&manager, "anvil_reorg", (1, [(); 0])).await;
    assert_eq!(manager.included(before.hash).await.unwrap(), None);
    let after = manager.drive(memory.attempts(), &memory, &shutdown).await.unwrap();
    assert_eq!(after.hash, before.hash);
    assert_ne!(after.block.hash, before.block.hash);
}

#[tokio::test]
async fn a_nonce_used_by_a_stranger_is_reported() {
    let (anvil, _dir) = anvil(true).await;
    let manager = manager(&anvil, Duration::from_secs(60)).await;
    let shutdown = CancellationToken::new();
    let ours = manager.prepare(with_blob(), 0).await.unwrap();
    manager.send(transfer(), &NoJournal, &shutdown).await.unwrap();
    let error = manager.drive(vec![ours], &NoJournal, &shutdown).await.unwrap_err();
    assert!(matches!(error, L1Error::NonceTaken { nonce: 0, .. }), "{error}");
}

#[tokio::test]
async fn a_stale_transaction_in_the_pool_is_outbid() {
    let (anvil, _dir) = anvil(false).await;
    let manager = manager(&anvil, Duration::from_secs(60)).await;
    let (memory, shutdown) = (Memory::default(), CancellationToken::new());
    let stale = manager.prepare(transfer(), 0).await.unwrap();
    let _ = manager.provider().send_raw_transaction(&stale.raw).await.unwrap();
    let request = TxRequest { value: U256::from(2), ..transfer() };
    let (sent, ()) = tokio::join!(manager.send(request, &memory, &shutdown), async {
        pooled(&manager, &memory, 2).await;
        rpc(&manager, "evm_mine", ()).await;
    });
    assert_eq!(sent.unwrap().hash, memory.attempts()[1].hash);
}

#[tokio::test]
async fn a_journal_that_fails_keeps_the_transaction_at_home() {
    struct Broken;
    impl Journal for Broken {
        async fn prepared(&self, _tx: &PreparedTx) -> Result<(), Cause> {
            Err("disk full".into())
        }
    }
    let (anvil, _dir) = anvil(true).await;
    let manager = manager(&anvil, Duration::from_secs(60)).await;
    let error = manager.send(transfer(), &Broken, &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, L1Error::Journal(_)));
    assert_eq!(manager.nonce().await.unwrap(), 0);
}

#[tokio::test]
async fn an_account_without_ether_is_named() {
    let (anvil, _dir) = anvil(true).await;
    let poor = alloy::signers::local::PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap();
    let address = poor.address();
    let manager = TxManager::connect(&anvil.rpc_url(), poor, TxOptions::local()).await.unwrap();
    let request = TxRequest { gas_limit: Some(21_000), ..transfer() };
    let error = manager.send(request, &NoJournal, &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, L1Error::InsufficientFunds { sender, .. } if sender == address), "{error}");
}
