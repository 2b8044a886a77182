//! Requests on their way, with an honest node.

use super::*;

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
