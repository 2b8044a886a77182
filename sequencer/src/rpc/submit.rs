//! Sending transactions.

use std::time::Duration;

use alloy::eips::BlockId;
use alloy::primitives::{B256, U64};
use lockstep_state::Overlay;
use op_alloy_rpc_types::OpTransactionReceipt;
use serde_json::Value;

use super::{Condition, api::Api, args::Args, chain, error::RpcError, hex::Data, view};

/// Time that `eth_sendRawTransactionSync` waits unless told otherwise, or told what is no positive number (EIP-7966).
const DEFAULT_WAIT: Duration = Duration::from_secs(2);
/// Longest time that it waits.
const MAX_WAIT: Duration = Duration::from_secs(20);
/// Most look-ups that a condition may take.
const MAX_CONDITION_COST: usize = 1_000;
/// OP's code for a condition that does not hold.
const BROKEN: i32 = -32_003;
/// OP's code for a condition that takes too many look-ups.
const TOO_COSTLY: i32 = -32_005;

pub(super) async fn send_raw(api: &Api, mut args: Args) -> Result<B256, RpcError> {
    let Data(raw) = args.required("transaction")?;
    args.end()?;
    Ok(api.context.pool.submit(raw).await?)
}

/// Sends a transaction that is included only where its condition holds.
pub(super) async fn send_raw_conditional(api: &Api, mut args: Args) -> Result<B256, RpcError> {
    let Data(raw) = args.required("transaction")?;
    let condition: Condition = args.required("condition")?;
    args.end()?;
    condition.check_bounds().map_err(|text| broken(format!("failed conditional validation: {text}")))?;
    let cost = condition.cost();
    if cost > MAX_CONDITION_COST {
        let text = format!("conditional cost, {cost}, exceeded max: {MAX_CONDITION_COST}");
        return Err(RpcError::Coded { code: TOO_COSTLY, text });
    }
    let header = api.header(BlockId::latest()).await?.header;
    let block = BlockId::number(header.number);
    let judge = move |mut state: &Overlay| -> Result<Condition, RpcError> {
        condition.holds(&header, &mut state)?.map_err(broken)?;
        Ok(condition)
    };
    let condition = api.with_state(block, judge).await?;
    Ok(api.context.pool.submit_conditional(raw, condition).await?)
}

fn broken(text: String) -> RpcError {
    RpcError::Coded { code: BROKEN, text }
}

/// Sends and waits until a block has executed the transaction (EIP-7966). The receipt is final; its `blockHash` is null
/// where that block is not sealed yet.
pub(super) async fn send_raw_sync(api: &Api, mut args: Args) -> Result<OpTransactionReceipt, RpcError> {
    let Data(raw) = args.required("transaction")?;
    let ms = args.optional::<Value>("timeout")?.and_then(|ms| serde_json::from_value::<U64>(ms).ok());
    args.end()?;
    let wait = ms.map(|ms| Duration::from_millis(ms.to())).filter(|wait| !wait.is_zero());
    let wait = wait.unwrap_or(DEFAULT_WAIT).min(MAX_WAIT);
    // Listening begins before sending: nothing is missed.
    let (mut heads, mut batches) = (api.context.heads.clone(), api.context.pending.subscribe());
    let hash = api.context.pool.submit(raw).await?;
    let executed = async {
        loop {
            if let Some(batch) = api.context.pending.find(hash) {
                return view::pending_receipts(&batch).pop().ok_or_else(|| RpcError::internal("no receipt"));
            }
            tokio::select! {
                _ = batches.recv() => {} // one that was missed is found by its hash
                changed = heads.changed() => {
                    changed.map_err(RpcError::internal)?;
                    if let Some(receipt) = chain::receipt_of(api, hash).await? {
                        return Ok(receipt);
                    }
                }
            }
        }
    };
    match tokio::time::timeout(wait, executed).await {
        Ok(receipt) => receipt,
        Err(_) => Err(RpcError::Unconfirmed { hash, timeout_ms: wait.as_millis() }),
    }
}
