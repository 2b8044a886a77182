//! The verifier's JSON-RPC: op-node's `optimism_` methods, and our own `lockstep_` ones.

use std::sync::Arc;

use alloy::primitives::{B256, U64};
use jsonrpsee::{
    RpcModule,
    core::RegisterMethodError,
    types::{ErrorObjectOwned, Params, error::INTERNAL_ERROR_CODE, error::INVALID_PARAMS_CODE},
};
use lockstep_primitives::{BlockNumber, Genesis, L1BlockRef, L2BlockRef, OpRollupConfig, RollupConfig};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::error;

use crate::{
    StoreError,
    record::header_output_root,
    status::{SharedStatus, Status},
    store::Store,
};

/// Most mismatches in one answer.
const LISTED_MISMATCHES: usize = 100;

/// What the methods read.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) config: RollupConfig,
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) store: Arc<Store>,
    pub(crate) status: SharedStatus,
}

type Answer = Result<Value, ErrorObjectOwned>;

/// All methods.
pub(crate) fn module(context: Context) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new(context);
    module.register_method("optimism_syncStatus", |_, context, _| sync_status(&context.status.get()))?;
    module.register_method("optimism_rollupConfig", |_, context, _| {
        json!(OpRollupConfig::new(&context.config, context.genesis.hash))
    })?;
    module.register_method("optimism_version", |_, _, _| env!("CARGO_PKG_VERSION"))?;
    module.register_blocking_method("optimism_outputAtBlock", |params, context, _| {
        output_at_block(&context, block_number(&params)?)
    })?;
    module.register_blocking_method("lockstep_derivedBlock", |params, context, _| {
        derived_block(&context, block_number(&params)?)
    })?;
    module.register_blocking_method("lockstep_verifierStatus", |_, context, _| verifier_status(&context))?;
    Ok(module.remove_context())
}

/// A block number as JSON number or as hexadecimal quantity.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(u64),
    Quantity(U64),
}

fn block_number(params: &Params<'_>) -> Result<BlockNumber, ErrorObjectOwned> {
    let number = params.one::<Number>().map_err(|_| {
        let message = "one parameter is needed: a block number, plain or as hexadecimal quantity";
        ErrorObjectOwned::owned(INVALID_PARAMS_CODE, message, None::<()>)
    })?;
    Ok(BlockNumber(match number {
        Number::Plain(number) => number,
        Number::Quantity(number) => number.to(),
    }))
}

fn sync_status(status: &Status) -> Value {
    let (current_l1, safe, finalized) =
        (l1_ref(&status.current_l1), l2_ref(&status.safe_l2), l2_ref(&status.finalized_l2));
    json!({
        "current_l1": current_l1,
        "current_l1_finalized": l1_ref(&status.finalized_l1),
        "head_l1": l1_ref(&status.head_l1),
        "safe_l1": l1_ref(&status.safe_l1),
        "finalized_l1": l1_ref(&status.finalized_l1),
        // The verifier sees L1 only, so nothing is less safe than safe.
        "unsafe_l2": safe,
        "queued_unsafe_l2": safe,
        "pending_safe_l2": safe,
        "local_safe_l2": safe,
        "cross_unsafe_l2": safe,
        "safe_l2": safe,
        "finalized_l2": finalized,
    })
}

fn l1_ref(block: &L1BlockRef) -> Value {
    json!({
        "hash": block.hash,
        "number": block.number,
        "parentHash": block.parent_hash,
        "timestamp": block.timestamp,
    })
}

fn l2_ref(block: &L2BlockRef) -> Value {
    json!({
        "hash": block.hash,
        "number": block.number,
        "parentHash": block.parent_hash,
        "timestamp": block.timestamp,
        "l1origin": { "hash": block.l1_origin.hash, "number": block.l1_origin.number },
        "sequenceNumber": block.sequence_number,
    })
}

fn output_at_block(context: &Context, number: BlockNumber) -> Answer {
    let known = if number == BlockNumber(0) {
        let genesis = &context.genesis;
        Some((genesis.header.clone(), genesis.block_ref(&context.config)))
    } else {
        context.store.block(number).map_err(internal)?.map(|block| (block.header, block.block))
    };
    let Some((header, block)) = known else {
        let message = format!("block {number} is not derived yet");
        return Err(ErrorObjectOwned::owned(INVALID_PARAMS_CODE, message, None::<()>));
    };
    Ok(json!({
        "version": B256::ZERO,
        "outputRoot": header_output_root(&header, block.hash),
        "blockRef": l2_ref(&block),
        "withdrawalStorageRoot": header.withdrawals_root.unwrap_or_default(),
        "stateRoot": header.state_root,
        "syncStatus": sync_status(&context.status.get()),
    }))
}

/// `null` for genesis and for what is not derived yet.
fn derived_block(context: &Context, number: BlockNumber) -> Answer {
    let Some(block) = context.store.block(number).map_err(internal)? else { return Ok(Value::Null) };
    Ok(json!({
        "hash": block.block.hash,
        "inputs": block.inputs,
        "l1Inclusion": block.l1_inclusion,
        "forced": block.forced,
        "claimedHash": block.claimed_hash,
        "droppedTransactions": block.dropped.len(),
    }))
}

fn verifier_status(context: &Context) -> Answer {
    let status = context.status.get();
    let (mismatches, count) = context.store.mismatches(LISTED_MISMATCHES).map_err(internal)?;
    Ok(json!({
        "caughtUp": status.caught_up,
        "currentL1": l1_ref(&status.current_l1),
        "headL1": l1_ref(&status.head_l1),
        "safeL2": l2_ref(&status.safe_l2),
        "finalizedL2": l2_ref(&status.finalized_l2),
        "mismatchCount": count,
        "mismatches": mismatches,
    }))
}

#[allow(clippy::needless_pass_by_value)] // passed to map_err
fn internal(error: StoreError) -> ErrorObjectOwned {
    error!(error = %error, "cannot read derived blocks");
    ErrorObjectOwned::owned(INTERNAL_ERROR_CODE, "internal error", None::<()>)
}
