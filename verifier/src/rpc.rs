//! The verifier's JSON-RPC: op-node's `optimism_` methods, and our own `lockstep_` ones.

use std::sync::Arc;

use alloy::primitives::{B256, U64};
use jsonrpsee::{
    RpcModule,
    core::RegisterMethodError,
    types::{ErrorObjectOwned, Params, error::INTERNAL_ERROR_CODE, error::INVALID_PARAMS_CODE},
};
use lockstep_primitives::{BlockNumber, Genesis, L1BlockRef, L2BlockRef, RollupConfig};
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
    module.register_method("optimism_rollupConfig", |_, context, _| rollup_config(context))?;
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

/// op-node's shape, as far as it has words for what Lockstep has.
fn rollup_config(context: &Context) -> Value {
    let Context { config, genesis, .. } = context;
    let (chain, system) = (&config.chain, &config.chain.system);
    let mut scalar = [0u8; 32];
    scalar[0] = 1;
    scalar[24..28].copy_from_slice(&system.blob_base_fee_scalar.to_be_bytes());
    scalar[28..].copy_from_slice(&system.base_fee_scalar.to_be_bytes());
    json!({
        "genesis": {
            "l1": config.genesis.l1,
            "l2": { "hash": genesis.hash, "number": 0 },
            "l2_time": config.genesis.l2_timestamp,
            "system_config": {
                "overhead": B256::ZERO,
                "scalar": B256::from(scalar),
                "gasLimit": system.gas_limit,
                "minBaseFee": system.min_base_fee,
                "daFootprintGasScalar": system.da_footprint_gas_scalar,
            },
        },
        "max_sequencer_drift": chain.max_sequencer_drift,
        "seq_window_size": chain.force_delay,
        "l1_chain_id": chain.l1_chain_id,
        "l2_chain_id": chain.l2_chain_id,
        "regolith_time": 0,
        "canyon_time": 0,
        "delta_time": 0,
        "ecotone_time": 0,
        "fjord_time": 0,
        "granite_time": 0,
        "holocene_time": 0,
        "isthmus_time": 0,
        "jovian_time": 0,
        "batch_inbox_address": config.contracts.inbox,
        "deposit_contract_address": config.contracts.portal,
        "l1_system_config_address": config.contracts.system_config,
        "chain_op_config": {
            "eip1559Elasticity": system.eip1559_elasticity,
            "eip1559Denominator": system.eip1559_denominator,
        },
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
