//! `eth_getLogs`, within limits.

use alloy::eips::BlockNumberOrTag;
use alloy::rpc::types::{Filter, FilterBlockOption, Log};
use lockstep_index::log::{self, LogFilter};
use lockstep_primitives::BlockNumber;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value};

use super::{CallLimits, api::Api, args::Args, error::RpcError, hex, view};

pub(super) async fn get_logs(api: &Api, mut args: Args) -> Result<Vec<Log>, RpcError> {
    let Wanted(filter) = args.required("filter")?;
    args.end()?;
    matching(api, &filter).await
}

/// A filter whose blocks are written as strictly as elsewhere.
#[derive(Clone, Debug)]
pub(super) struct Wanted(pub(super) Filter);

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields: Map<String, Value> = Map::deserialize(deserializer)?;
        fields.retain(|_, value| !value.is_null());
        let has = |name| fields.contains_key(name);
        if has("blockHash") && (has("fromBlock") || has("toBlock")) {
            let text = "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other";
            return Err(D::Error::custom(text));
        }
        for name in ["fromBlock", "toBlock"] {
            if let Some(block) = fields.get(name) {
                hex::tag(block).map_err(|reason| D::Error::custom(format!("{name}: {reason}")))?;
            }
        }
        serde_json::from_value(fields.into()).map(Self).map_err(D::Error::custom)
    }
}

/// The logs that a filter means, now.
pub(super) async fn matching(api: &Api, filter: &Filter) -> Result<Vec<Log>, RpcError> {
    match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let found = api.find(hash.into()).await?;
            let header = found.ok_or_else(|| RpcError::Call("unknown block".to_owned()))?;
            let number = BlockNumber(header.header.number);
            in_range(api, filter, number, number).await
        }
        FilterBlockOption::Range { from_block, to_block } => {
            let (from, to) = range(api, from_block, to_block);
            check_range(from, to, api.heads().unsafe_head.number)?;
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

/// execution-apis: no answer is better than one that says that blocks to come hold no logs.
fn check_range(from: BlockNumber, to: BlockNumber, head: BlockNumber) -> Result<(), RpcError> {
    if from > to {
        return Err(RpcError::Params("invalid block range params".to_owned()));
    }
    if to > head {
        return Err(RpcError::Params("block range extends beyond current head block".to_owned()));
    }
    Ok(())
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
    limits: &CallLimits,
) -> Result<LogFilter, RpcError> {
    if from > to {
        return Err(RpcError::Params("invalid block range params".to_owned()));
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
        let limits = CallLimits { max_block_range: 10, max_filter_values: 2, ..CallLimits::default() };
        checked(filter, BlockNumber(from), BlockNumber(to), &limits)
    }

    #[test]
    fn range_is_limited_in_blocks() {
        assert!(check(&Filter::new(), 1, 10).is_ok());
        let error = check(&Filter::new(), 1, 11).unwrap_err();
        assert_eq!(error.to_string(), "query spans 11 blocks, limit 10; ask for fewer blocks");
        assert!(matches!(check(&Filter::new(), 2, 1), Err(RpcError::Params(_))));
        assert!(matches!(check(&Filter::new(), 0, u64::MAX), Err(RpcError::Limit(_))));
    }

    #[test]
    fn range_must_be_one_and_be_there() {
        let check = |from, to| check_range(BlockNumber(from), BlockNumber(to), BlockNumber(5));
        assert!(check(0, 5).is_ok() && check(5, 5).is_ok());
        assert_eq!(check(4, 3).unwrap_err().to_string(), "invalid block range params");
        assert_eq!(check(6, 5).unwrap_err().to_string(), "invalid block range params");
        assert_eq!(check(5, 6).unwrap_err().to_string(), "block range extends beyond current head block");
    }

    #[test]
    fn filter_with_a_hash_and_a_range_is_refused() {
        let read = |value| serde_json::from_value::<Wanted>(value);
        let hash = B256::ZERO;
        assert!(read(serde_json::json!({"blockHash": hash, "fromBlock": null})).is_ok());
        let error = read(serde_json::json!({"blockHash": hash, "fromBlock": "0x1"})).unwrap_err();
        assert!(error.to_string().starts_with("cannot specify both BlockHash and FromBlock/ToBlock"));
        assert!(read(serde_json::json!({"fromBlock": "0x01"})).is_err());
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
