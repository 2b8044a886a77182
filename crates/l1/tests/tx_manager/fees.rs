//! What nodes take as a replacement, limits, and an account that cannot pay.

use alloy::{
    consensus::{SignableTransaction, Signed, TxEip1559, TxEip4844WithSidecar},
    eips::{eip2718::Encodable2718, eip7594::BlobTransactionSidecarVariant},
    signers::{SignerSync, local::PrivateKeySigner},
};
use lockstep_l1::{FeeLimits, Fees, Market, PooledTx};

use super::*;

const GWEI: u128 = 1_000_000_000;
const LIMITS: FeeLimits = FeeLimits { min_tip: 0, max_fee: 10_000 * GWEI, max_blob_fee: 10_000 * GWEI };
/// So cheap that only the fees of the replaced transaction count.
const CHEAP: Market = Market { base_fee: 0, tip: 0, blob_base_fee: 0 };

/// `tx` with other fees, as a pool takes it.
fn with_fees(tx: &PreparedTx, fees: &Fees) -> PreparedTx {
    let signed = match tx.decode().unwrap() {
        PooledTx::Eip1559(tx) => {
            let mut tx: TxEip1559 = tx.into_parts().0;
            (tx.max_fee_per_gas, tx.max_priority_fee_per_gas) = (fees.max_fee, fees.tip);
            PooledTx::Eip1559(sign(tx))
        }
        PooledTx::Eip4844(tx) => {
            let mut tx: TxEip4844WithSidecar<BlobTransactionSidecarVariant> = tx.into_parts().0;
            (tx.tx.max_fee_per_gas, tx.tx.max_priority_fee_per_gas) = (fees.max_fee, fees.tip);
            tx.tx.max_fee_per_blob_gas = fees.max_blob_fee;
            PooledTx::Eip4844(sign(tx))
        }
        other => panic!("{other:?}"),
    };
    PreparedTx { nonce: tx.nonce, hash: *signed.tx_hash(), raw: signed.encoded_2718().into() }
}

fn sign<T: SignableTransaction<alloy::primitives::Signature>>(tx: T) -> Signed<T> {
    let signature = dev_key(0).sign_hash_sync(&tx.signature_hash()).unwrap();
    tx.into_signed(signature)
}

/// Whether the node lets `new` take the place of `old` in an otherwise empty pool.
async fn replaces(manager: &TxManager, old: &PreparedTx, new: &Fees) -> bool {
    rpc(manager, "anvil_dropAllTransactions", ()).await;
    let _ = manager.provider().send_raw_transaction(&old.raw).await.unwrap();
    manager.provider().send_raw_transaction(&with_fees(old, new).raw).await.is_ok()
}

/// Anvil asks for one wei more; geth and its peers for 10 %, or 100 % with blobs: unit tests hold that rule.
#[tokio::test]
async fn the_node_takes_our_replacement_and_refuses_one_without_a_higher_fee() {
    let (anvil, _dir) = anvil(false).await;
    let manager = manager(&anvil, Duration::from_secs(60)).await;
    for (request, max_blob_fee) in [(transfer(), 0), (with_blob(), 5 * GWEI)] {
        let old = Fees { tip: 7 * GWEI, max_fee: 9 * GWEI, max_blob_fee };
        let first = with_fees(&manager.prepare(request, 0).await.unwrap(), &old);
        let ours = old.replacement(&CHEAP, &LIMITS).unwrap();
        assert!(replaces(&manager, &first, &ours).await, "{old:?} {ours:?}");
        assert!(!replaces(&manager, &first, &Fees { max_fee: old.max_fee, ..ours }).await);
        assert!(replaces(&manager, &first, &Fees { max_fee: old.max_fee + 1, tip: old.tip, ..ours }).await);
    }
}

#[tokio::test]
async fn at_the_fee_limit_it_waits_says_so_and_goes_on_when_the_market_falls() {
    for request in [transfer(), with_blob()] {
        let (anvil, _dir) = anvil(true).await;
        let options = TxOptions { tx_max_fee_gwei: 5, ..options(Duration::ZERO) };
        let manager = TxManager::connect(&anvil.rpc_url(), dev_key(0), options).await.unwrap();
        let mut flight = Flight::prepare(&manager, TxRequest { gas_limit: Some(50_000), ..request }, 0).await;
        rpc(&manager, "anvil_setNextBlockBaseFeePerGas", [U256::from(100 * GWEI)]).await;
        let held = flight.until(&manager, |seen| matches!(seen, Ok(Progress::Held(_)))).await;
        assert_eq!(held, Progress::Held("at the highest fee allowed"));
        assert!(flight.last().fees().unwrap().max_fee <= 5 * GWEI);
        assert_eq!(manager.nonce().await.unwrap(), 0);

        rpc(&manager, "anvil_setNextBlockBaseFeePerGas", [U256::from(GWEI)]).await;
        assert!(flight.until_included(&manager).await.success);
    }
}

#[tokio::test]
async fn an_account_that_cannot_pay_goes_on_when_it_is_funded() {
    let (anvil, _dir) = anvil(true).await;
    let poor = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap();
    let address = poor.address();
    let manager = TxManager::connect(&anvil.rpc_url(), poor, options(Duration::ZERO)).await.unwrap();
    let mut flight = Flight::prepare(&manager, TxRequest { gas_limit: Some(21_000), ..transfer() }, 0).await;
    for _ in 0..3 {
        let error = flight.look(&manager).await.unwrap_err();
        assert!(matches!(error, L1Error::InsufficientFunds { sender, .. } if sender == address), "{error}");
    }
    assert_eq!(flight.attempts(), 1, "what the account cannot pay is not made dearer");
    rpc(&manager, "anvil_setBalance", (address, U256::from(10u64.pow(18)))).await;
    assert_eq!(flight.until_included(&manager).await.hash, flight.last().hash);
}
