//! `trace_*`: flat traces, state differences and instruction traces in the form that Parity gave them.

use std::{fmt::Debug, ops::Range};

use alloy::consensus::transaction::SignerRecoverable;
use alloy::eips::{BlockId, Decodable2718};
use alloy::primitives::{B256, Bytes, map::HashSet};
use alloy::rpc::types::{
    Index,
    trace::parity::{LocalizedTransactionTrace, TraceResults, TraceResultsWithTransactionHash, TraceType},
};
use alloy_evm::FromRecoveredTx;
use alloy_op_evm::OpTx;
use lockstep_primitives::OpTxEnvelope;
use lockstep_state::StateError;
use op_revm::OpHaltReason;
use revm::{DatabaseRef, context_interface::result::ResultAndState};
use revm_inspectors::tracing::{TracingInspector, TracingInspectorConfig};

use super::{
    guard::Guard,
    message::Message,
    replay::{Replay, Seen},
    root::complete_root,
};
use crate::rpc::{
    CallLimits,
    api::Api,
    args::Args,
    call::{Base, Request},
    error::RpcError,
    hex::{Block, Data, Hash},
    request::{self, BlockChanges, StateChanges},
};

/// What is to be told of a transaction.
type Types = HashSet<TraceType>;

pub(in crate::rpc) async fn block(
    api: &Api,
    mut args: Args,
) -> Result<Option<Vec<LocalizedTransactionTrace>>, RpcError> {
    let Block(id) = args.required("block")?;
    args.end()?;
    let Some(replay) = Replay::find(api, id).await? else { return Ok(None) };
    let limits = api.context.limits;
    let traces = api.trace(move || flat(&replay, replay.all(), &mut flat_guard(&limits))).await?;
    Ok(Some(traces))
}

pub(in crate::rpc) async fn transaction(
    api: &Api,
    mut args: Args,
) -> Result<Option<Vec<LocalizedTransactionTrace>>, RpcError> {
    let Hash(hash) = args.required("transaction hash")?;
    args.end()?;
    flat_of(api, hash).await
}

/// The trace at one place of a transaction's tree of calls.
pub(in crate::rpc) async fn get(
    api: &Api,
    mut args: Args,
) -> Result<Option<LocalizedTransactionTrace>, RpcError> {
    let Hash(hash) = args.required("transaction hash")?;
    let place: Vec<Index> = args.required("trace address")?;
    args.end()?;
    let place: Vec<usize> = place.into_iter().map(usize::from).collect();
    let traces = flat_of(api, hash).await?.unwrap_or_default();
    Ok(traces.into_iter().find(|trace| trace.trace.trace_address == place))
}

/// The flat traces of a transaction; `None` if no block holds it.
pub(super) async fn flat_of(
    api: &Api,
    hash: B256,
) -> Result<Option<Vec<LocalizedTransactionTrace>>, RpcError> {
    let Some((replay, index)) = Replay::find_transaction(api, hash).await? else { return Ok(None) };
    let limits = api.context.limits;
    let traces = api.trace(move || flat(&replay, index..index + 1, &mut flat_guard(&limits))).await?;
    Ok(Some(traces))
}

/// Bounds on flat traces, from now on.
pub(super) fn flat_guard(limits: &CallLimits) -> Guard {
    Guard::calls(limits, None)
}

/// The flat traces of the transactions in `places`.
pub(super) fn flat(
    replay: &Replay,
    places: Range<usize>,
    guard: &mut Guard,
) -> Result<Vec<LocalizedTransactionTrace>, RpcError> {
    let mut traces = Vec::new();
    if replay.block.header.number == 0 {
        return Ok(traces); // nothing happened in genesis
    }
    let mut inspector = TracingInspector::new(TracingInspectorConfig::default_parity());
    replay.run(places, &mut inspector, guard, |Seen { info, tx, result, inspector, .. }| {
        complete_root(inspector, tx, result);
        let parity = finished(inspector).into_parity_builder();
        traces.extend(parity.into_localized_transaction_traces_iter(info));
        Ok(())
    })?;
    Ok(traces)
}

pub(in crate::rpc) async fn replay_transaction(
    api: &Api,
    mut args: Args,
) -> Result<Option<TraceResults>, RpcError> {
    let Hash(hash) = args.required("transaction hash")?;
    let types = types(&mut args)?;
    args.end()?;
    let Some((replay, index)) = Replay::find_transaction(api, hash).await? else { return Ok(None) };
    let limits = api.context.limits;
    let traces = api.trace(move || full(&replay, index..index + 1, &types, &limits)).await?;
    Ok(traces.into_iter().next().map(|trace| trace.full_trace))
}

pub(in crate::rpc) async fn replay_block_transactions(
    api: &Api,
    mut args: Args,
) -> Result<Option<Vec<TraceResultsWithTransactionHash>>, RpcError> {
    let Block(id) = args.required("block")?;
    let types = types(&mut args)?;
    args.end()?;
    let Some(replay) = Replay::find(api, id).await? else { return Ok(None) };
    let limits = api.context.limits;
    Ok(Some(api.trace(move || full(&replay, replay.all(), &types, &limits)).await?))
}

fn full(
    replay: &Replay,
    places: Range<usize>,
    types: &Types,
    limits: &CallLimits,
) -> Result<Vec<TraceResultsWithTransactionHash>, RpcError> {
    let mut traces = Vec::new();
    if replay.block.header.number == 0 {
        return Ok(traces);
    }
    let (mut inspector, mut guard) = tracer(types, limits);
    replay.run(places, &mut inspector, &mut guard, |Seen { info, tx, result, inspector, db, .. }| {
        complete_root(inspector, tx, result);
        let full_trace = results(inspector, result, types, &*db)?;
        let transaction_hash = info.hash.unwrap_or_default();
        traces.push(TraceResultsWithTransactionHash { full_trace, transaction_hash });
        Ok(())
    })?;
    Ok(traces)
}

pub(in crate::rpc) async fn call(api: &Api, mut args: Args) -> Result<TraceResults, RpcError> {
    let request::Message(transaction) = args.required("transaction")?;
    let types = types(&mut args)?;
    let block = args.optional("block")?.map_or_else(BlockId::default, |Block(block)| block);
    let state = args.optional("state overrides")?.map(|StateChanges(state)| state);
    let block_overrides = args.optional("block overrides")?.map(|BlockChanges(changes)| changes);
    args.end()?;
    let request = Request { transaction, state, block: block_overrides };
    let base = Base::at(api, block).await?;
    let limits = api.context.limits;
    api.trace(move || trace(base.prepare(request)?.into(), &types, &limits)).await
}

/// A signed transaction on the state after a block, checked as a block would check it.
pub(in crate::rpc) async fn raw_transaction(api: &Api, mut args: Args) -> Result<TraceResults, RpcError> {
    let Data(raw) = args.required("transaction")?;
    let types = types(&mut args)?;
    let block = args.optional("block")?.map_or_else(BlockId::default, |Block(block)| block);
    args.end()?;
    let tx = decode(&raw)?;
    let base = Base::at(api, block).await?;
    let limits = api.context.limits;
    api.trace(move || {
        let (db, env) = base.into_world();
        trace(Message { db, env, precompiles: None, tx }, &types, &limits)
    })
    .await
}

fn decode(raw: &Bytes) -> Result<OpTx, RpcError> {
    let refused = |reason: String| RpcError::Call(format!("failed to decode transaction: {reason}"));
    let tx = OpTxEnvelope::decode_2718_exact(raw).map_err(|error| refused(error.to_string()))?;
    if tx.is_deposit() {
        return Err(RpcError::Call("transaction type not supported".to_owned()));
    }
    let sender = tx.recover_signer().map_err(|_| RpcError::Call("invalid sender".to_owned()))?;
    Ok(OpTx::from_recovered_tx(&tx, sender))
}

fn trace<S: DatabaseRef<Error = StateError> + Debug>(
    message: Message<S>,
    types: &Types,
    limits: &CallLimits,
) -> Result<TraceResults, RpcError> {
    let (mut inspector, mut guard) = tracer(types, limits);
    let ran = message.run(&mut inspector, &mut guard)?;
    results(&mut inspector, &ran.result, types, &ran.db)
}

fn tracer(types: &Types, limits: &CallLimits) -> (TracingInspector, Guard) {
    let config = TracingInspectorConfig::from_parity_config(types);
    (TracingInspector::new(config), Guard::tracing(limits, None, &config))
}

fn results(
    inspector: &mut TracingInspector,
    result: &ResultAndState<OpHaltReason>,
    types: &Types,
    db: impl DatabaseRef<Error = StateError>,
) -> Result<TraceResults, RpcError> {
    let parity = finished(inspector).into_parity_builder();
    Ok(parity.into_trace_results_with_state(result, types, db)?)
}

/// What the inspector saw of a transaction; another one of its kind takes its place. As in Parity, gas for starting the
/// transaction is no gas of its first call: neither what the call has nor what it uses.
fn finished(inspector: &mut TracingInspector) -> TracingInspector {
    let next = TracingInspector::new(*inspector.config());
    std::mem::replace(inspector, next)
}

fn types(args: &mut Args) -> Result<Types, RpcError> {
    args.required("trace types")
}
