//! `trace_filter`: calls from and to given addresses in a range of blocks.

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::{Address, U64};
use alloy::rpc::types::trace::{
    filter::{TraceFilter, TraceFilterMatcher, TraceFilterMode},
    parity::{Action, LocalizedTransactionTrace, TransactionTrace},
};
use lockstep_primitives::BlockNumber;
use serde::Deserialize;

use super::{
    parity::{flat, flat_guard},
    replay::Replay,
};
use crate::rpc::{CallLimits, api::Api, args::Args, error::RpcError};

/// The filter as callers write it: blocks by number or tag.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Filter {
    from_block: Option<BlockNumberOrTag>,
    to_block: Option<BlockNumberOrTag>,
    from_address: Option<Vec<Address>>,
    to_address: Option<Vec<Address>>,
    mode: TraceFilterMode,
    after: Option<U64>,
    count: Option<U64>,
}

impl Filter {
    fn matcher(&self) -> TraceFilterMatcher {
        let addresses = |addresses: &Option<Vec<Address>>| addresses.clone().unwrap_or_default();
        TraceFilter {
            from_address: addresses(&self.from_address),
            to_address: addresses(&self.to_address),
            mode: self.mode,
            ..TraceFilter::default()
        }
        .matcher()
    }
}

/// Matching calls in the order in which they were made, `after` of them skipped, `count` at most; without `count`,
/// it is an error if there are more than the node tells at once.
pub(in crate::rpc) async fn filter(
    api: &Api,
    mut args: Args,
) -> Result<Vec<LocalizedTransactionTrace>, RpcError> {
    let filter: Filter = args.required("filter")?;
    args.end()?;
    let limits = api.context.limits;
    let (from, to) = range(api, &filter, &limits)?;
    let mut page = Page::new(&filter, &limits)?;
    let matcher = filter.matcher();
    let mut guard = flat_guard(&limits);
    for number in from.0..=to.0 {
        let Some(replay) = Replay::find(api, number.into()).await? else { break };
        let traces;
        (traces, guard) = api.trace(move || Ok((flat(&replay, replay.all(), &mut guard)?, guard))).await?;
        page.add(traces.into_iter().filter(|trace| matcher.matches(&trace.trace)))?;
        guard.forget_all_but(page.bytes);
        if page.is_full() {
            break;
        }
    }
    Ok(page.traces)
}

/// Blocks of the filter; by default, the latest alone.
fn range(api: &Api, filter: &Filter, limits: &CallLimits) -> Result<(BlockNumber, BlockNumber), RpcError> {
    let to = api.number(filter.to_block.unwrap_or_default());
    let from = api.number(filter.from_block.unwrap_or_default());
    if from > to {
        let reason = format!("fromBlock {} is after toBlock {}", from.0, to.0);
        return Err(RpcError::InvalidField { name: "filter", reason });
    }
    let (blocks, limit) = ((to.0 - from.0).saturating_add(1), limits.max_trace_blocks);
    if blocks > limit {
        return Err(RpcError::Limit(format!("filter spans {blocks} blocks, limit {limit}")));
    }
    Ok((from, to))
}

/// The part of the matches that is told.
struct Page {
    skip: u64,
    count: usize,
    /// Whether the caller asked for `count`, so that more is no error.
    asked: bool,
    limit: usize,
    traces: Vec<LocalizedTransactionTrace>,
    /// Bytes of input and output in `traces`.
    bytes: usize,
}

impl Page {
    fn new(filter: &Filter, limits: &CallLimits) -> Result<Self, RpcError> {
        let limit = limits.max_page;
        let count = filter.count.map_or(limit, |count| usize::try_from(count).unwrap_or(usize::MAX));
        if count > limit {
            return Err(RpcError::Limit(format!("count {count} exceeds the limit of {limit} traces")));
        }
        let (skip, asked) = (filter.after.unwrap_or_default().to(), filter.count.is_some());
        Ok(Self { skip, count, asked, limit, traces: Vec::new(), bytes: 0 })
    }

    fn is_full(&self) -> bool {
        self.asked && self.traces.len() == self.count
    }

    fn add(&mut self, traces: impl Iterator<Item = LocalizedTransactionTrace>) -> Result<(), RpcError> {
        for trace in traces {
            if self.is_full() {
                break;
            }
            if self.skip > 0 {
                self.skip -= 1;
            } else if self.traces.len() == self.limit {
                let limit = self.limit;
                return Err(RpcError::Limit(format!(
                    "filter matches more than {limit} traces: use count and after"
                )));
            } else {
                self.bytes += bytes(&trace.trace);
                self.traces.push(trace);
            }
        }
        Ok(())
    }
}

fn bytes(trace: &TransactionTrace) -> usize {
    let input = match &trace.action {
        Action::Call(call) => call.input.len(),
        Action::Create(create) => create.init.len(),
        Action::Selfdestruct(_) | Action::Reward(_) => 0,
    };
    input + trace.result.as_ref().map_or(0, |result| result.output().len())
}
