//! `eth_getLogs`, within limits.

use alloy::eips::BlockNumberOrTag;
use alloy::rpc::types::{Filter, FilterBlockOption, Log};
use lockstep_index::log::{self, LogFilter};
use lockstep_primitives::BlockNumber;

use super::{RpcLimits, api::Api, args::Args, error::RpcError, view};

pub(super) async fn get_logs(api: &Api, mut args: Args) -> Result<Vec<Log>, RpcError> {
    let filter: Filter = args.required("filter")?;
    args.end()?;
    matching(api, &filter).await
}

/// The logs that a filter means, now.
pub(super) async fn matching(api: &Api, filter: &Filter) -> Result<Vec<Log>, RpcError> {
    match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let header = api.header(hash.into()).await?;
            let number = BlockNumber(header.header.number);
            in_range(api, filter, number, number).await
        }
        FilterBlockOption::Range { from_block, to_block } => {
            let (from, to) = range(api, from_block, to_block);
            let named = |block: Option<BlockNumberOrTag>| block.is_some_and(|block| block.is_number());
            if from > to && !(named(from_block) && named(to_block)) {
                return Ok(Vec::new()); // a client that polls from the block after the head
            }
            in_range(api, filter, from, to).await
        }
    }
}

/// First and last block of a range; what is left out is the latest block, as in geth.
fn range(
    api: &Api,
    from: Option<BlockNumberOrTag>,
    to: Option<BlockNumberOrTag>,
) -> (BlockNumber, BlockNumber) {
    let number = |block: Option<BlockNumberOrTag>| api.number(block.unwrap_or_default());
    (number(from), number(to))
}

/// The matching logs in blocks `from..=to`.
pub(super) async fn in_range(
    api: &Api,
    filter: &Filter,
    from: BlockNumber,
    to: BlockNumber,
) -> Result<Vec<Log>, RpcError> {
    let limits = &api.context.limits;
    let head = api.heads().unsafe_head.number;
    let filter = checked(filter, from, to.min(head.max(from)), limits)?;
    if from > head {
        return Ok(Vec::new());
    }
    let rows = u32::try_from(limits.max_logs.saturating_add(1)).unwrap_or(u32::MAX);
    let found = log::query(api.context.index.pool(), &filter, rows).await?;
    if found.len() > limits.max_logs {
        return Err(RpcError::Limit(format!(
            "query returned more than {} results; ask for fewer blocks or a narrower filter",
            limits.max_logs
        )));
    }
    Ok(found.into_iter().map(view::log).collect())
}

fn checked(
    filter: &Filter,
    from: BlockNumber,
    to: BlockNumber,
    limits: &RpcLimits,
) -> Result<LogFilter, RpcError> {
    if from > to {
        return Err(RpcError::InvalidField {
            name: "block range",
            reason: format!("fromBlock {from} is above toBlock {to}"),
        });
    }
    if to.0 - from.0 >= limits.max_block_range {
        return Err(RpcError::Limit(format!(
            "query spans {} blocks, limit {}; ask for fewer blocks",
            (to.0 - from.0).saturating_add(1),
            limits.max_block_range
        )));
    }
    let longest = filter.topics.iter().map(|topic| topic.len()).chain([filter.address.len()]).max();
    if longest.unwrap_or(0) > limits.max_filter_values {
        return Err(RpcError::Limit(format!(
            "filter has more than {} addresses or alternatives of a topic",
            limits.max_filter_values
        )));
    }
    Ok(LogFilter {
        from,
        to,
        addresses: filter.address.iter().copied().collect(),
        topics: filter.topics.each_ref().map(|topic| topic.iter().copied().collect()),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy::primitives::{Address, B256};

    use super::*;

    fn check(filter: &Filter, from: u64, to: u64) -> Result<LogFilter, RpcError> {
        let limits = RpcLimits { max_block_range: 10, max_filter_values: 2, ..RpcLimits::default() };
        checked(filter, BlockNumber(from), BlockNumber(to), &limits)
    }

    #[test]
    fn range_is_limited_in_blocks() {
        assert!(check(&Filter::new(), 1, 10).is_ok());
        let error = check(&Filter::new(), 1, 11).unwrap_err();
        assert_eq!(error.to_string(), "query spans 11 blocks, limit 10; ask for fewer blocks");
        assert!(matches!(check(&Filter::new(), 2, 1), Err(RpcError::InvalidField { .. })));
        assert!(matches!(check(&Filter::new(), 0, u64::MAX), Err(RpcError::Limit(_))));
    }

    #[test]
    fn filter_is_limited_in_values() {
        let addresses =
            |n: u8| Filter::new().address((0..n).map(Address::with_last_byte).collect::<Vec<_>>());
        assert_eq!(check(&addresses(2), 1, 1).unwrap().addresses.len(), 2);
        assert!(matches!(check(&addresses(3), 1, 1), Err(RpcError::Limit(_))));
        let topics = Filter::new().topic2((0..3).map(B256::with_last_byte).collect::<Vec<_>>());
        assert!(matches!(check(&topics, 1, 1), Err(RpcError::Limit(_))));
    }

    #[test]
    fn json_filter_with_null_topics_matches_any_at_that_place() {
        let json = r#"{"fromBlock":"0x1","topics":[null,["0x0000000000000000000000000000000000000000000000000000000000000001"]]}"#;
        let filter: Filter = serde_json::from_str(json).unwrap();
        let filter = check(&filter, 1, 1).unwrap();
        assert_eq!(filter.topics.map(|topic| topic.len()), [0, 1, 0, 0]);
    }
}
