//! Prices: what a transaction should offer, and what blocks asked.

use alloy::consensus::Transaction as _;
use alloy::eips::BlockNumberOrTag;
use alloy::primitives::{U64, U128};
use alloy::rpc::types::FeeHistory;
use lockstep_index::block;
use lockstep_primitives::{BlockNumber, SealedBlock};
use lockstep_stf::next_base_fee;

use super::{api::Api, args::Args, error::RpcError};

/// Tip that is suggested while nobody competes: OP's default, 0.001 gwei.
const SUGGESTED_TIP: u64 = 1_000_000;
/// Most blocks in one fee history, as in geth.
const MAX_HISTORY: u64 = 1024;
/// Most percentiles in one fee history, as in geth.
const MAX_PERCENTILES: usize = 100;

pub(super) async fn gas_price(api: &Api, args: Args) -> Result<U128, RpcError> {
    args.end()?;
    let head = api.header(BlockNumberOrTag::Latest.into()).await?.header;
    let base_fee = next_base_fee(&head).map_err(RpcError::internal)?;
    Ok(U128::from(u128::from(base_fee) + u128::from(SUGGESTED_TIP)))
}

pub(super) async fn max_priority_fee(_api: &Api, args: Args) -> Result<U64, RpcError> {
    args.end()?;
    Ok(U64::from(SUGGESTED_TIP))
}

/// L2 has no blobs: their price rests at its minimum.
pub(super) async fn blob_base_fee(_api: &Api, args: Args) -> Result<U64, RpcError> {
    args.end()?;
    Ok(U64::ONE)
}

pub(super) async fn fee_history(api: &Api, mut args: Args) -> Result<FeeHistory, RpcError> {
    let count: U64 = args.required("block count")?;
    let newest: BlockNumberOrTag = args.required("newest block")?;
    let percentiles: Vec<f64> = args.optional("reward percentiles")?.unwrap_or_default();
    args.end()?;
    check_percentiles(&percentiles)?;
    let newest = api.number(newest);
    if newest > api.heads().unsafe_head.number {
        let reason = format!("request beyond head block: requested {newest}");
        return Err(RpcError::InvalidField { name: "newest block", reason });
    }
    let count = count.to::<u64>().min(MAX_HISTORY).min(newest.0 + 1);
    if count == 0 {
        return Ok(FeeHistory::default());
    }
    let pool = api.context.index.pool();
    let headers = block::headers(pool, BlockNumber(newest.0 + 1 - count), newest).await?;
    let Some(last) = headers.last() else { return Err(RpcError::UnknownBlock) };
    let mut rewards = Vec::new();
    if !percentiles.is_empty() {
        for stored in &headers {
            let sealed = block::by_hash(pool, stored.hash).await?.ok_or(RpcError::UnknownBlock)?;
            rewards.push(tips(&sealed, &percentiles));
        }
    }
    let next = next_base_fee(&last.header).map_err(RpcError::internal)?;
    let base_fees = headers.iter().map(|stored| stored.header.base_fee_per_gas.unwrap_or_default());
    Ok(FeeHistory {
        base_fee_per_gas: base_fees.chain([next]).map(u128::from).collect(),
        gas_used_ratio: headers.iter().map(|h| ratio(h.header.gas_used, h.header.gas_limit)).collect(),
        base_fee_per_blob_gas: vec![1; headers.len() + 1],
        blob_gas_used_ratio: vec![0.0; headers.len()],
        oldest_block: headers[0].header.number,
        reward: (!percentiles.is_empty()).then_some(rewards),
    })
}

fn check_percentiles(percentiles: &[f64]) -> Result<(), RpcError> {
    let invalid = |reason: String| Err(RpcError::InvalidField { name: "reward percentile", reason });
    if percentiles.len() > MAX_PERCENTILES {
        return invalid(format!("over the query limit {MAX_PERCENTILES}"));
    }
    if let Some(wrong) = percentiles.iter().find(|value| !(0.0..=100.0).contains(*value)) {
        return invalid(format!("{wrong} is not between 0 and 100"));
    }
    if !percentiles.is_sorted() {
        return invalid("percentiles must grow".to_owned());
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss)] // a ratio for people
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// For each percentile of the gas that users' transactions took, the tip per gas at that place.
fn tips(sealed: &SealedBlock, percentiles: &[f64]) -> Vec<u128> {
    let base_fee = sealed.header.base_fee_per_gas.unwrap_or_default();
    let mut cumulative = 0;
    let mut paid: Vec<(u128, u64)> = Vec::new();
    for (tx, receipt) in sealed.transactions.iter().zip(&sealed.receipts) {
        let gas = receipt.cumulative_gas_used().saturating_sub(cumulative);
        cumulative = receipt.cumulative_gas_used();
        if !tx.is_deposit() {
            paid.push((tx.effective_tip_per_gas(base_fee).unwrap_or_default(), gas));
        }
    }
    paid.sort_unstable();
    let total: u64 = paid.iter().map(|(_, gas)| gas).sum();
    percentiles.iter().map(|percentile| tip_at(&paid, total, *percentile)).collect()
}

fn tip_at(paid: &[(u128, u64)], total: u64, percentile: f64) -> u128 {
    let mut seen = 0;
    for (tip, gas) in paid {
        seen += gas;
        if ratio(seen, total) * 100.0 >= percentile {
            return *tip;
        }
    }
    paid.last().map_or(0, |(tip, _)| *tip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tip_is_weighted_by_gas() {
        let paid = [(1, 10), (5, 80), (9, 10)];
        let at = |percentile| tip_at(&paid, 100, percentile);
        assert_eq!([at(0.0), at(10.0), at(50.0), at(90.0), at(100.0)], [1, 1, 5, 5, 9]);
        assert_eq!(tip_at(&[], 0, 50.0), 0);
    }

    #[test]
    fn percentiles_must_grow_within_bounds() {
        assert!(check_percentiles(&[0.0, 50.0, 100.0]).is_ok());
        assert!(check_percentiles(&[50.0, 20.0]).is_err());
        assert!(check_percentiles(&[100.1]).is_err());
        assert!(check_percentiles(&[f64::NAN]).is_err());
        assert!(check_percentiles(&[1.0; MAX_PERCENTILES + 1]).is_err());
    }
}
