//! Prices: what a transaction should offer, and what blocks asked.

use std::pin::pin;

use alloy::consensus::Transaction as _;
use alloy::eips::BlockNumberOrTag;
use alloy::primitives::{U64, U128};
use alloy::rpc::types::FeeHistory;
use futures::TryStreamExt;
use lockstep_index::{
    Index,
    block::{self, StoredHeader},
    receipt,
};
use lockstep_primitives::{BlockNumber, Header, SealedBlock};
use lockstep_stf::next_base_fee;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use super::{
    api::Api,
    args::Args,
    error::RpcError,
    hex::{self, Tag},
};

/// Tip that is suggested while nobody competes: OP's default, 0.001 gwei.
const SUGGESTED_TIP: u128 = 1_000_000;
/// Most that is suggested: geth's default, 500 gwei.
const MAX_SUGGESTED_TIP: u128 = 500_000_000_000;
/// Most blocks in one fee history, as in geth.
const MAX_HISTORY: u64 = 1024;
/// Most percentiles in one fee history, as in geth.
const MAX_PERCENTILES: usize = 100;

pub(super) async fn gas_price(api: &Api, args: Args) -> Result<U128, RpcError> {
    args.end()?;
    let head = api.header(BlockNumberOrTag::Latest.into()).await?;
    let base_fee = next_base_fee(&head.header).map_err(RpcError::internal)?;
    Ok(U128::from(u128::from(base_fee) + suggested_tip(api, &head).await?))
}

pub(super) async fn max_priority_fee(api: &Api, args: Args) -> Result<U128, RpcError> {
    args.end()?;
    let head = api.header(BlockNumberOrTag::Latest.into()).await?;
    Ok(U128::from(suggested_tip(api, &head).await?))
}

/// What the next block asks.
pub(super) async fn base_fee(api: &Api, args: Args) -> Result<U64, RpcError> {
    args.end()?;
    let head = api.header(BlockNumberOrTag::Latest.into()).await?.header;
    Ok(U64::from(next_base_fee(&head).map_err(RpcError::internal)?))
}

/// A tip that lands, by op-geth's method: the least one, unless the head had no room for another transaction like
/// its largest. Then a tenth more than what half of it paid.
async fn suggested_tip(api: &Api, head: &StoredHeader) -> Result<u128, RpcError> {
    if !may_be_full(&head.header) {
        return Ok(SUGGESTED_TIP);
    }
    let sealed = block::by_hash(api.context.index.pool(), head.hash).await?;
    Ok(sealed.map_or(SUGGESTED_TIP, |sealed| tip_after(&sealed)))
}

/// Whether a block could be full: no transaction takes more than all of them.
fn may_be_full(header: &Header) -> bool {
    taken(header).saturating_mul(2) > header.gas_limit
}

/// Gas, or the data-availability footprint if that is more (Jovian).
fn taken(header: &Header) -> u64 {
    header.gas_used.max(header.blob_gas_used.unwrap_or_default())
}

fn tip_after(sealed: &SealedBlock) -> u128 {
    let header = &sealed.header;
    let mut paid = paid(sealed);
    let largest = paid.iter().map(|(_, gas)| *gas).max().unwrap_or_default();
    if paid.is_empty() || taken(header).saturating_add(largest) <= header.gas_limit {
        return SUGGESTED_TIP;
    }
    paid.sort_unstable();
    let (median, _) = paid[paid.len() / 2];
    median.saturating_add(median / 10).clamp(SUGGESTED_TIP, MAX_SUGGESTED_TIP)
}

/// L2 has no blobs: their price rests at its minimum.
pub(super) async fn blob_base_fee(_api: &Api, args: Args) -> Result<U64, RpcError> {
    args.end()?;
    Ok(U64::ONE)
}

pub(super) async fn fee_history(api: &Api, mut args: Args) -> Result<FeeHistory, RpcError> {
    let Count(count) = args.required("block count")?;
    let Tag(newest) = args.required("newest block")?;
    let percentiles: Vec<f64> = args.optional("reward percentiles")?.unwrap_or_default();
    args.end()?;
    check_percentiles(&percentiles)?;
    let newest = api.number(newest);
    if newest > api.heads().unsafe_head.number {
        let head = api.heads().unsafe_head.number;
        return Err(RpcError::Params(format!("request beyond head block: requested {newest}, head {head}")));
    }
    let count = count.min(MAX_HISTORY).min(newest.0 + 1);
    if count == 0 {
        return Ok(FeeHistory::default());
    }
    let pool = api.context.index.pool();
    let headers = block::headers(pool, BlockNumber(newest.0 + 1 - count), newest).await?;
    let Some(last) = headers.last() else { return Err(RpcError::UnknownBlock) };
    let reward = match percentiles.as_slice() {
        [] => None,
        percentiles => Some(rewards(&api.context.index, &headers, percentiles).await?),
    };
    let next = next_base_fee(&last.header).map_err(RpcError::internal)?;
    let base_fees = headers.iter().map(|stored| stored.header.base_fee_per_gas.unwrap_or_default());
    Ok(FeeHistory {
        base_fee_per_gas: base_fees.chain([next]).map(u128::from).collect(),
        gas_used_ratio: headers.iter().map(|h| ratio(h.header.gas_used, h.header.gas_limit)).collect(),
        base_fee_per_blob_gas: vec![1; headers.len() + 1],
        blob_gas_used_ratio: vec![0.0; headers.len()],
        oldest_block: headers[0].header.number,
        reward,
    })
}

/// For each of some blocks that follow each other, the tips at `percentiles`.
async fn rewards(
    index: &Index,
    headers: &[StoredHeader],
    percentiles: &[f64],
) -> Result<Vec<Vec<u128>>, RpcError> {
    let hashes: Vec<_> = headers.iter().map(|stored| stored.hash).collect();
    let mut users = pin!(receipt::gas_of_users(index.pool(), &hashes));
    let mut ahead = users.try_next().await?;
    let mut rewards = Vec::with_capacity(headers.len());
    for StoredHeader { header, .. } in headers {
        let base_fee = header.base_fee_per_gas.unwrap_or_default();
        let mut paid = Vec::new();
        while let Some((_, tx, gas)) = ahead.take_if(|(number, ..)| number.0 == header.number) {
            paid.push((tx.effective_tip_per_gas(base_fee).unwrap_or_default(), gas));
            ahead = users.try_next().await?;
        }
        rewards.push(tips(paid, percentiles));
    }
    Ok(rewards)
}

/// A number of blocks: a quantity, or a decimal one as geth takes it too.
#[derive(Clone, Copy, Debug)]
struct Count(u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let decimal = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        decimal.map_or_else(|| hex::number(&value), Ok).map(Self).map_err(D::Error::custom)
    }
}

fn check_percentiles(percentiles: &[f64]) -> Result<(), RpcError> {
    let invalid = |text: String| Err(RpcError::Params(text));
    if percentiles.len() > MAX_PERCENTILES {
        return invalid(format!("over the query limit {MAX_PERCENTILES}"));
    }
    if let Some(wrong) = percentiles.iter().find(|value| !(0.0..=100.0).contains(*value)) {
        return invalid(format!("invalid reward percentile: {wrong:.6}"));
    }
    if let Some(place) = percentiles.windows(2).position(|pair| pair[0] > pair[1]) {
        let (low, high) = (percentiles[place], percentiles[place + 1]);
        return invalid(format!("invalid reward percentile: #{place}:{low:.6} >= #{}:{high:.6}", place + 1));
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss)] // a ratio for people
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// For each percentile of the gas that `paid`, the tip per gas at that place.
fn tips(mut paid: Vec<(u128, u64)>, percentiles: &[f64]) -> Vec<u128> {
    paid.sort_unstable();
    let total: u64 = paid.iter().map(|(_, gas)| gas).sum();
    percentiles.iter().map(|percentile| tip_at(&paid, total, *percentile)).collect()
}

/// Tip per gas and gas of each user's transaction.
fn paid(sealed: &SealedBlock) -> Vec<(u128, u64)> {
    let base_fee = sealed.header.base_fee_per_gas.unwrap_or_default();
    let mut cumulative = 0;
    let mut paid = Vec::new();
    for (tx, receipt) in sealed.transactions.iter().zip(&sealed.receipts) {
        let gas = receipt.cumulative_gas_used().saturating_sub(cumulative);
        cumulative = receipt.cumulative_gas_used();
        if !tx.is_deposit() {
            paid.push((tx.effective_tip_per_gas(base_fee).unwrap_or_default(), gas));
        }
    }
    paid
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
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy::consensus::{SignableTransaction, TxEip1559};
    use alloy::primitives::{Address, B256, Signature};
    use lockstep_primitives::{BlockId, OpReceiptEnvelope, OpTxEnvelope};
    use op_alloy_consensus::OpTxType;

    use super::*;

    /// A block of 1,000 gas with transactions of 100 gas each that pay `tips`.
    fn sealed(tips: &[u128], footprint: u64) -> SealedBlock {
        let signature = Signature::new(1.try_into().unwrap(), 1.try_into().unwrap(), false);
        let tx = |tip: &u128| {
            let tx = TxEip1559 {
                max_priority_fee_per_gas: *tip,
                max_fee_per_gas: u128::MAX,
                ..Default::default()
            };
            OpTxEnvelope::from(tx.into_signed(signature))
        };
        let receipt = |index: usize| {
            let gas = 100 * (index as u64 + 1);
            OpReceiptEnvelope::from_parts(true, gas, [], OpTxType::Eip1559, None, None)
        };
        SealedBlock {
            header: Header {
                gas_limit: 1_000,
                gas_used: 100 * tips.len() as u64,
                blob_gas_used: Some(footprint),
                base_fee_per_gas: Some(5),
                ..Header::default()
            },
            hash: B256::ZERO,
            l1_origin: BlockId::default(),
            sequence_number: 0,
            transactions: tips.iter().map(tx).collect(),
            senders: vec![Address::ZERO; tips.len()],
            receipts: (0..tips.len()).map(receipt).collect(),
        }
    }

    #[test]
    fn tip_grows_when_the_block_is_full() {
        let rich = [9_000_000, 2_000_000, 3_000_000, 1, 2_000_000, 3_000_000, 4_000_000, 1, 1, 5_000_000];
        assert_eq!(tip_after(&sealed(&rich, 0)), 3_300_000);
        assert_eq!(tip_after(&sealed(&rich[..9], 0)), SUGGESTED_TIP, "there was room for one more");
        assert_eq!(tip_after(&sealed(&rich[..3], 950)), 3_300_000, "its data fills it");
        assert_eq!(tip_after(&sealed(&[1; 10], 0)), SUGGESTED_TIP);
        assert_eq!(tip_after(&sealed(&[u128::MAX / 2; 10], 0)), MAX_SUGGESTED_TIP);
        assert!(!may_be_full(&sealed(&rich[..5], 0).header) && may_be_full(&sealed(&rich[..6], 0).header));
    }

    #[test]
    fn block_count_is_hexadecimal_or_decimal() {
        let read = |json: &str| serde_json::from_str::<Count>(json).map(|count| count.0).ok();
        assert_eq!([read("7"), read("\"7\""), read("\"0x7\"")], [Some(7); 3]);
        assert_eq!([read("-1"), read("\"0x07\""), read("\"x\"")], [None; 3]);
    }

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
