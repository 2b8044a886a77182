//! A contract small enough to be written by hand: it stores its first argument word, logs it with the caller
//! as topic, and returns it.

use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, Bytes, U256, hex};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;

/// `calldataload(0)`, `sstore(0, word)`, `log1(word, caller)`, `return(word)`.
const RUNTIME: [u8; 16] = hex!("5f35805f555f5233" "60205fa160205ff3");

/// Code that deploys [`RUNTIME`].
pub(crate) fn creation() -> Bytes {
    let mut code = hex!("6f").to_vec();
    code.extend(RUNTIME);
    code.extend(hex!("5f5260106010f3"));
    code.into()
}

/// Deploys it and returns where it stands.
pub(crate) async fn deploy(l2: &impl Provider) -> Address {
    let request = TransactionRequest::default().with_deploy_code(creation());
    let receipt = l2.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
    assert!(receipt.status());
    let address = receipt.contract_address.unwrap();
    assert_eq!(l2.get_code_at(address).await.unwrap(), Bytes::from(RUNTIME));
    address
}

/// The call that stores `value`.
pub(crate) fn store(logger: Address, value: u64) -> TransactionRequest {
    TransactionRequest::default()
        .with_to(logger)
        .with_input(Bytes::from(U256::from(value).to_be_bytes::<32>()))
}
