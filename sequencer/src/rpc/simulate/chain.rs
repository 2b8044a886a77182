//! The headers of simulated blocks, as far as they are known before execution. Pure.

use alloy::consensus::EMPTY_OMMER_ROOT_HASH;
use alloy::eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy::primitives::{B256, U256};
use alloy::rpc::types::{BlockOverrides, simulate::MAX_SIMULATE_BLOCKS, state::StateOverride};
use lockstep_primitives::Header;

use super::{Wanted, code, refused};
use crate::rpc::{error::RpcError, request::Message};

/// Seconds between blocks whose time the caller leaves open, as in geth.
const BLOCK_TIME: u64 = 12;

/// A block to simulate.
#[derive(Clone, Debug, Default)]
pub(super) struct Planned {
    /// Without parent hash, roots and gas; without base fee where the caller leaves it open.
    pub(super) header: Header,
    pub(super) changes: BlockOverrides,
    pub(super) state: StateOverride,
    pub(super) calls: Vec<Message>,
}

/// Puts the wanted blocks on `base`, with empty ones between numbers that are not next to each other.
///
/// # Errors
/// If numbers or times do not grow, or the last block is too far from `base`.
pub(super) fn plan(base: &Header, wanted: Vec<Wanted>) -> Result<Vec<Planned>, RpcError> {
    let mut planned: Vec<Planned> = Vec::with_capacity(wanted.len());
    for block in wanted {
        let changes = block.block_overrides.map(|changes| changes.0).unwrap_or_default();
        let last = planned.last().map_or(base, |planned| &planned.header).number;
        let number = next_number(base.number, last, changes.number)?;
        for _ in last + 1..number {
            planned.push(Planned {
                header: child(base, &planned, &BlockOverrides::default())?,
                ..Planned::default()
            });
        }
        let header = child(base, &planned, &changes)?;
        let state = block.state_overrides.map(|state| state.0).unwrap_or_default();
        planned.push(Planned { header, changes, state, calls: block.calls });
    }
    Ok(planned)
}

fn next_number(base: u64, last: u64, wanted: Option<U256>) -> Result<u64, RpcError> {
    let Some(wanted) = wanted else {
        return within(base, last.saturating_add(1));
    };
    if wanted <= U256::from(last) {
        let text = format!("block numbers must be in order: {wanted} <= {last}");
        return Err(refused(code::BLOCK_NUMBER, text));
    }
    within(base, wanted.saturating_to())
}

fn within(base: u64, number: u64) -> Result<u64, RpcError> {
    if number - base > MAX_SIMULATE_BLOCKS {
        return Err(refused(code::CLIENT_LIMIT, "too many blocks".to_owned()));
    }
    Ok(number)
}

fn child(base: &Header, planned: &[Planned], changes: &BlockOverrides) -> Result<Header, RpcError> {
    let parent = planned.last().map_or(base, |planned| &planned.header);
    let timestamp = changes.time.unwrap_or_else(|| parent.timestamp.saturating_add(BLOCK_TIME));
    if timestamp <= parent.timestamp {
        let text = format!("block timestamps must be in order: {timestamp} <= {}", parent.timestamp);
        return Err(refused(code::BLOCK_TIMESTAMP, text));
    }
    Ok(Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        number: parent.number + 1,
        timestamp,
        beneficiary: changes.coinbase.unwrap_or(parent.beneficiary),
        gas_limit: changes.gas_limit.unwrap_or(parent.gas_limit),
        difficulty: changes.difficulty.unwrap_or_default(),
        mix_hash: changes.random.unwrap_or_default(),
        base_fee_per_gas: changes.base_fee.map(|fee| fee.saturating_to()),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(changes.beacon_root.unwrap_or(B256::ZERO)),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        extra_data: parent.extra_data.clone(), // the fee parameters of the next block
        ..Header::default()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::rpc::request::BlockChanges;

    fn base() -> Header {
        Header { number: 10, timestamp: 100, gas_limit: 30, ..Header::default() }
    }

    fn wanted(number: Option<u64>, time: Option<u64>) -> Wanted {
        let changes = BlockOverrides { number: number.map(U256::from), time, ..BlockOverrides::default() };
        Wanted { block_overrides: Some(BlockChanges(changes)), ..Wanted::default() }
    }

    fn code_of(wanted: Vec<Wanted>) -> Option<i32> {
        match plan(&base(), wanted).unwrap_err() {
            RpcError::Unincludable(refusal) => refusal.code,
            error => panic!("{error}"),
        }
    }

    #[test]
    fn gaps_are_filled_with_empty_blocks() {
        let planned = plan(&base(), vec![Wanted::default(), wanted(Some(14), None)]).unwrap();
        let headers: Vec<_> =
            planned.iter().map(|planned| (planned.header.number, planned.header.timestamp)).collect();
        assert_eq!(headers, [(11, 112), (12, 124), (13, 136), (14, 148)]);
        assert!(planned.iter().all(|planned| planned.header.gas_limit == 30));
    }

    #[test]
    fn numbers_and_times_must_grow() {
        assert_eq!(code_of(vec![wanted(Some(10), None)]), Some(code::BLOCK_NUMBER));
        assert_eq!(code_of(vec![wanted(Some(12), None), wanted(Some(12), None)]), Some(code::BLOCK_NUMBER));
        assert_eq!(code_of(vec![wanted(None, Some(100))]), Some(code::BLOCK_TIMESTAMP));
        // The block that fills the gap is later than the one after it.
        assert_eq!(code_of(vec![wanted(Some(12), Some(105))]), Some(code::BLOCK_TIMESTAMP));
        assert_eq!(
            code_of(vec![wanted(Some(11), Some(200)), wanted(Some(12), Some(200))]),
            Some(code::BLOCK_TIMESTAMP)
        );
    }

    #[test]
    fn chains_are_bounded() {
        assert_eq!(plan(&base(), vec![wanted(Some(266), None)]).unwrap().len(), 256);
        assert_eq!(code_of(vec![wanted(Some(267), None)]), Some(code::CLIENT_LIMIT));
        assert_eq!(code_of(vec![wanted(Some(u64::MAX), None)]), Some(code::CLIENT_LIMIT));
    }

    #[test]
    fn what_is_overridden_holds_for_later_blocks_where_geth_says_so() {
        let changes =
            BlockOverrides { gas_limit: Some(7), random: Some(B256::repeat_byte(1)), ..Default::default() };
        let first = Wanted { block_overrides: Some(BlockChanges(changes)), ..Wanted::default() };
        let planned = plan(&base(), vec![first, Wanted::default()]).unwrap();
        assert_eq!(planned[1].header.gas_limit, 7);
        assert_eq!(planned[1].header.mix_hash, B256::ZERO);
    }
}
