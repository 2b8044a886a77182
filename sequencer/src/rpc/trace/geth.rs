//! `debug_trace*`: geth's tracers.

use std::{fmt::Debug, ops::Range};

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::B256;
use alloy::rlp::Decodable;
use alloy::rpc::types::trace::geth::{
    GethDebugTracingCallOptions, GethDebugTracingOptions, GethTrace, TraceResult,
};
use alloy_op_evm::OpTx;
use lockstep_primitives::OpTxEnvelope;
use lockstep_state::StateError;
use op_revm::OpHaltReason;
use revm::{
    DatabaseRef,
    context_interface::{Transaction, result::ResultAndState},
};
use revm_inspectors::tracing::{DebugInspector, DebugInspectorError, TransactionContext};

use super::{
    guard::Guard,
    message::{Message, Ran},
    options::{Gas, Tracer},
    replay::{Replay, Seen},
    root::complete_root,
};
use crate::rpc::{
    CallLimits,
    api::Api,
    args::Args,
    call::{Base, Prepared, Request},
    error::RpcError,
    hex::{Block, Data, Hash, Tag},
    request,
};

pub(in crate::rpc) async fn trace_transaction(api: &Api, mut args: Args) -> Result<GethTrace, RpcError> {
    let Hash(hash) = args.required("transaction hash")?;
    let tracer = Tracer::new(args.optional("tracing options")?.unwrap_or_default())?;
    args.end()?;
    let found = Replay::find_transaction(api, hash).await?;
    let (replay, index) = found.ok_or_else(|| RpcError::Call("transaction not found".to_owned()))?;
    let limits = api.context.limits;
    api.trace(move || Ok(trace(&replay, index..index + 1, tracer, &limits)?.remove(0).1)).await
}

pub(in crate::rpc) async fn trace_block_by_number(
    api: &Api,
    mut args: Args,
) -> Result<Vec<TraceResult>, RpcError> {
    let Tag(number) = args.required("block number")?;
    let options = args.optional("tracing options")?.unwrap_or_default();
    args.end()?;
    trace_block_of(api, number.into(), options).await
}

pub(in crate::rpc) async fn trace_block_by_hash(
    api: &Api,
    mut args: Args,
) -> Result<Vec<TraceResult>, RpcError> {
    let Hash(hash) = args.required("block hash")?;
    let options = args.optional("tracing options")?.unwrap_or_default();
    args.end()?;
    trace_block_of(api, hash.into(), options).await
}

/// A block in RLP; it must be one of the chain.
pub(in crate::rpc) async fn trace_block(api: &Api, mut args: Args) -> Result<Vec<TraceResult>, RpcError> {
    let Data(rlp) = args.required("block")?;
    let options = args.optional("tracing options")?.unwrap_or_default();
    args.end()?;
    let block = alloy::consensus::Block::<OpTxEnvelope>::decode(&mut rlp.as_ref());
    let block = block.map_err(|error| RpcError::Call(format!("could not decode block: {error}")))?;
    trace_block_of(api, block.header.hash_slow().into(), options).await
}

async fn trace_block_of(
    api: &Api,
    id: BlockId,
    options: GethDebugTracingOptions,
) -> Result<Vec<TraceResult>, RpcError> {
    let tracer = Tracer::new(options)?;
    let replay = Replay::find(api, id).await?.ok_or_else(|| not_found(id))?;
    if replay.block.header.number == 0 {
        return Err(RpcError::Call("genesis is not traceable".to_owned()));
    }
    let limits = api.context.limits;
    api.trace(move || {
        let traces = trace(&replay, replay.all(), tracer, &limits)?;
        Ok(traces.into_iter().map(|(hash, trace)| TraceResult::new_success(trace, hash)).collect())
    })
    .await
}

/// geth's words for it.
fn not_found(id: BlockId) -> RpcError {
    RpcError::Call(match id {
        BlockId::Hash(hash) => format!("block {} not found", hash.block_hash),
        BlockId::Number(BlockNumberOrTag::Number(number)) => format!("block #{number} not found"),
        BlockId::Number(tag) => format!("block {tag} not found"),
    })
}

/// Hashes and traces of the transactions in `places`.
fn trace(
    replay: &Replay,
    places: Range<usize>,
    mut tracer: Tracer,
    limits: &CallLimits,
) -> Result<Vec<(Option<B256>, GethTrace)>, RpcError> {
    let mut traces = Vec::with_capacity(places.len());
    let (mut guard, form) = (tracer.guard(limits), tracer.form);
    replay.run(places, &mut tracer.inspector, &mut guard, |seen| {
        let Seen { info, tx, env, result, inspector, db } = seen;
        let context = TransactionContext::from(info);
        complete(inspector, tx, result);
        let trace = inspector.get_result(Some(context), tx, env, result, db).map_err(failure)?;
        let gas = Gas { limit: tx.gas_limit(), used: result.result.tx_gas_used() };
        traces.push((info.hash, form.shape(trace, gas)));
        inspector.fuse().map_err(|error| RpcError::internal(error.to_string()))
    })?;
    Ok(traces)
}

fn complete(inspector: &mut DebugInspector, tx: &OpTx, result: &ResultAndState<OpHaltReason>) {
    if let DebugInspector::CallTracer(inspector, _) | DebugInspector::FlatCallTracer(inspector) = inspector {
        complete_root(inspector, tx, result);
    }
}

pub(in crate::rpc) async fn trace_call(api: &Api, mut args: Args) -> Result<GethTrace, RpcError> {
    let request::Message(transaction) = args.required("transaction")?;
    let block = args.optional("block")?.map_or_else(BlockId::default, |Block(block)| block);
    let options: GethDebugTracingCallOptions = args.optional("tracing options")?.unwrap_or_default();
    args.end()?;
    let GethDebugTracingCallOptions { tracing_options, state_overrides: state, block_overrides, tx_index } =
        options;
    let tracer = Tracer::new(tracing_options)?;
    let request = Request { transaction, state, block: block_overrides };
    let limits = api.context.limits;
    let Some(index) = tx_index else {
        let base = Base::at(api, block).await?;
        return api
            .trace(move || {
                let mut guard = tracer.guard(&limits);
                trace_message(base.prepare(request)?, tracer, &mut guard)
            })
            .await;
    };
    let replay = Replay::find(api, block).await?.ok_or(RpcError::UnknownBlock)?;
    let index = usize::try_from(index).ok().filter(|index| *index <= replay.all().end);
    let index = index.ok_or_else(|| RpcError::Call("transaction index out of range".to_owned()))?;
    api.trace(move || {
        let mut guard = tracer.guard(&limits);
        let db = replay.before(index, &mut guard)?;
        trace_message(Prepared::new(db, replay.env(), &limits, request)?, tracer, &mut guard)
    })
    .await
}

fn trace_message<S: DatabaseRef<Error = StateError> + Debug>(
    prepared: Prepared<S>,
    mut tracer: Tracer,
    guard: &mut Guard,
) -> Result<GethTrace, RpcError> {
    let Ran { tx, env, result, mut db } = Message::from(prepared).run(&mut tracer.inspector, guard)?;
    let trace = tracer.inspector.get_result(None, &tx, &env, &result, &mut db).map_err(failure)?;
    let gas = Gas { limit: tx.gas_limit(), used: result.result.tx_gas_used() };
    Ok(tracer.form.shape(trace, gas))
}

fn failure(error: DebugInspectorError<StateError>) -> RpcError {
    match error {
        DebugInspectorError::Database(error) => error.into(),
        error => RpcError::internal(error.to_string()),
    }
}
