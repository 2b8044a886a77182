//! Sending transactions.

use std::time::Duration;

use alloy::primitives::{B256, Bytes, U64};
use op_alloy_rpc_types::OpTransactionReceipt;

use super::{api::Api, args::Args, chain, error::RpcError};

/// Time that `eth_sendRawTransactionSync` waits unless told otherwise (EIP-7966).
const DEFAULT_WAIT: Duration = Duration::from_secs(2);
/// Longest time that it waits.
const MAX_WAIT: Duration = Duration::from_secs(20);

pub(super) async fn send_raw(api: &Api, mut args: Args) -> Result<B256, RpcError> {
    let raw: Bytes = args.required("transaction")?;
    args.end()?;
    Ok(api.context.pool.submit(raw).await?)
}

/// Sends and waits until a block holds the transaction (EIP-7966).
pub(super) async fn send_raw_sync(api: &Api, mut args: Args) -> Result<OpTransactionReceipt, RpcError> {
    let raw: Bytes = args.required("transaction")?;
    let wait = args.optional::<U64>("timeout")?.map(|ms| Duration::from_millis(ms.to()));
    args.end()?;
    let wait = wait.filter(|wait| !wait.is_zero()).unwrap_or(DEFAULT_WAIT).min(MAX_WAIT);
    let mut heads = api.context.heads.clone(); // before sending: no block is missed
    let hash = api.context.pool.submit(raw).await?;
    let included = async {
        loop {
            heads.mark_unchanged();
            if let Some(receipt) = chain::receipt_of(api, hash).await? {
                return Ok(receipt);
            }
            heads.changed().await.map_err(RpcError::internal)?;
        }
    };
    match tokio::time::timeout(wait, included).await {
        Ok(receipt) => receipt,
        Err(_) => Err(RpcError::Unconfirmed { hash, timeout_ms: wait.as_millis() }),
    }
}
