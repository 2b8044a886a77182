//! `ots_*` on one transaction or account, as the explorer Otterscan asks (docs.otterscan.io, "ots namespace spec").

use alloy::consensus::constants::KECCAK_EMPTY;
use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, Bytes, U256};
use alloy::rpc::types::trace::{
    otterscan::{ContractCreator, InternalOperation, OperationType, TraceEntry},
    parity::{Action, CallType, CreationMethod, LocalizedTransactionTrace, TraceOutput, TransactionTrace},
};
use lockstep_index::transaction;
use lockstep_primitives::BlockNumber;
use lockstep_state::{StateError, StateStore};
use revm::inspector::NoOpInspector;

use super::{
    page::Number,
    parity::{flat, flat_guard, flat_of},
    replay::{Replay, Seen},
};
use crate::rpc::{
    api::Api,
    args::Args,
    error::RpcError,
    hex::{Account, Hash},
};

/// The version of the methods that Otterscan asks for.
const API_LEVEL: u64 = 8;

pub(in crate::rpc) async fn api_level(_: &Api, args: Args) -> Result<u64, RpcError> {
    args.end()?;
    Ok(API_LEVEL)
}

pub(in crate::rpc) async fn has_code(api: &Api, mut args: Args) -> Result<bool, RpcError> {
    let Account(address) = args.required("address")?;
    let block = args.optional::<Number>("block number")?.map_or(BlockNumberOrTag::Latest, Into::into);
    args.end()?;
    api.with_state(block.into(), move |state| {
        Ok(state.account(address)?.is_some_and(|account| account.code_hash != KECCAK_EMPTY))
    })
    .await
}

/// Ether that moved within a transaction, creations and self-destructions; not what was reverted.
pub(in crate::rpc) async fn internal_operations(
    api: &Api,
    mut args: Args,
) -> Result<Option<Vec<InternalOperation>>, RpcError> {
    let Hash(hash) = args.required("transaction hash")?;
    args.end()?;
    let Some(traces) = flat_of(api, hash).await? else { return Ok(None) };
    let inner = lasting(&traces).filter(|trace| !trace.trace_address.is_empty());
    Ok(Some(inner.filter_map(operation).collect()))
}

/// Calls that neither failed nor were made by one that did.
fn lasting(traces: &[LocalizedTransactionTrace]) -> impl Iterator<Item = &TransactionTrace> {
    let mut failed: Option<&[usize]> = None; // traces come in depth-first order
    traces.iter().map(|trace| &trace.trace).filter(move |trace| {
        if failed.is_some_and(|above| trace.trace_address.starts_with(above)) {
            return false;
        }
        failed = trace.error.is_some().then_some(trace.trace_address.as_slice());
        failed.is_none()
    })
}

fn operation(trace: &TransactionTrace) -> Option<InternalOperation> {
    match &trace.action {
        Action::Call(call) if call.call_type == CallType::Call && !call.value.is_zero() => {
            Some(InternalOperation {
                r#type: OperationType::OpTransfer,
                from: call.from,
                to: call.to,
                value: call.value,
            })
        }
        Action::Create(create) => Some(InternalOperation {
            r#type: match create.creation_method {
                CreationMethod::Create2 => OperationType::OpCreate2,
                _ => OperationType::OpCreate,
            },
            from: create.from,
            to: created(trace)?,
            value: create.value,
        }),
        Action::Selfdestruct(end) => Some(InternalOperation {
            r#type: OperationType::OpSelfDestruct,
            from: end.address,
            to: end.refund_address,
            value: end.balance,
        }),
        Action::Call(_) | Action::Reward(_) => None,
    }
}

fn created(trace: &TransactionTrace) -> Option<Address> {
    trace.result.as_ref().and_then(TraceOutput::created_contract)
}

/// What a reverted transaction returned; nothing for one that did not revert.
pub(in crate::rpc) async fn transaction_error(api: &Api, mut args: Args) -> Result<Option<Bytes>, RpcError> {
    let Hash(hash) = args.required("transaction hash")?;
    args.end()?;
    let Some((replay, index)) = Replay::find_transaction(api, hash).await? else { return Ok(None) };
    if replay.block.receipts.get(index).is_some_and(|receipt| receipt.status()) {
        return Ok(Some(Bytes::new()));
    }
    let mut guard = flat_guard(&api.context.limits);
    api.trace(move || {
        let mut output = Bytes::new();
        replay.run(index..index + 1, &mut NoOpInspector, &mut guard, |Seen { result, .. }| {
            output = result.result.output().cloned().unwrap_or_default();
            Ok(())
        })?;
        Ok(Some(output))
    })
    .await
}

/// The tree of calls, depth first.
pub(in crate::rpc) async fn trace_transaction(
    api: &Api,
    mut args: Args,
) -> Result<Option<Vec<TraceEntry>>, RpcError> {
    let Hash(hash) = args.required("transaction hash")?;
    args.end()?;
    let traces = flat_of(api, hash).await?;
    Ok(traces.map(|traces| traces.iter().filter_map(|trace| entry(&trace.trace)).collect()))
}

fn entry(trace: &TransactionTrace) -> Option<TraceEntry> {
    let depth = u32::try_from(trace.trace_address.len()).unwrap_or(u32::MAX);
    let output = trace.result.as_ref().map(|result| result.output().clone()).unwrap_or_default();
    let entry = |name: &str, from, to, value: Option<U256>, input: Bytes| TraceEntry {
        r#type: name.to_owned(),
        depth,
        from,
        to,
        value,
        input,
        output,
    };
    match &trace.action {
        Action::Call(call) => {
            let carries = !matches!(call.call_type, CallType::DelegateCall | CallType::StaticCall);
            let value = carries.then_some(call.value);
            Some(entry(&call.call_type.to_string(), call.from, call.to, value, call.input.clone()))
        }
        Action::Create(create) => {
            let name = if create.creation_method == CreationMethod::Create2 { "CREATE2" } else { "CREATE" };
            let to = created(trace).unwrap_or_default();
            Some(entry(name, create.from, to, Some(create.value), create.init.clone()))
        }
        Action::Selfdestruct(end) => {
            Some(entry("SELFDESTRUCT", end.address, end.refund_address, Some(end.balance), Bytes::new()))
        }
        Action::Reward(_) => None,
    }
}

/// Who made a contract, and in which transaction; `None` for accounts without code and for those of genesis.
pub(in crate::rpc) async fn contract_creator(
    api: &Api,
    mut args: Args,
) -> Result<Option<ContractCreator>, RpcError> {
    let Account(address) = args.required("address")?;
    args.end()?;
    let found = transaction::creating(api.context.index.pool(), address).await?;
    if let Some(stored) = found.filter(|stored| api.is_told(stored.block_number)) {
        return Ok(Some(ContractCreator { hash: stored.transaction.tx_hash(), creator: stored.sender }));
    }
    let (store, head) = (api.context.state.clone(), api.heads().unsafe_head.number);
    let Some(number) = api.call(move || first_with_code(&store, head, address)).await? else {
        return Ok(None);
    };
    let Some(replay) = Replay::find(api, BlockId::number(number.0)).await? else { return Ok(None) };
    let limits = api.context.limits;
    let traces = api.trace(move || flat(&replay, replay.all(), &mut flat_guard(&limits))).await?;
    Ok(creator_in(&traces, address))
}

/// The last creation of `address` that lasted.
fn creator_in(traces: &[LocalizedTransactionTrace], address: Address) -> Option<ContractCreator> {
    let mut transactions = traces.chunk_by(|a, b| a.transaction_hash == b.transaction_hash).rev();
    transactions.find_map(|traces| {
        let made = lasting(traces).filter(|trace| created(trace) == Some(address)).last()?;
        let Action::Create(create) = &made.action else { return None };
        Some(ContractCreator { hash: traces.first()?.transaction_hash?, creator: create.from })
    })
}

/// The block after which `address` had its code for the first time, of those whose state is kept; `None` if it has
/// none, or had it in genesis.
fn first_with_code(
    store: &StateStore,
    head: BlockNumber,
    address: Address,
) -> Result<Option<BlockNumber>, RpcError> {
    let has_code = |number: u64| -> Result<bool, StateError> {
        let account = store.at(BlockNumber(number))?.account(address)?;
        Ok(account.is_some_and(|account| account.code_hash != KECCAK_EMPTY))
    };
    let oldest = match store.at(BlockNumber(0)) {
        Err(StateError::OutsideHistory { first, .. }) => first.0,
        other => other.map(|_| 0)?,
    };
    if !has_code(head.0)? || (oldest == 0 && has_code(0)?) {
        return Ok(None);
    }
    if has_code(oldest)? {
        return Err(RpcError::NoState { number: oldest.saturating_sub(1), first: oldest, head: head.0 });
    }
    let (mut without, mut with) = (oldest, head.0);
    while with - without > 1 {
        let middle = without + (with - without) / 2;
        if has_code(middle)? { with = middle } else { without = middle }
    }
    Ok(Some(BlockNumber(with)))
}
