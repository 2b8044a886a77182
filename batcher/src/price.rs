//! What posting costs, and where it costs less. Pure.

use alloy::rpc::types::FeeHistory;
use lockstep_codec::{BYTES_PER_BLOB, MAX_BLOB_DATA_BYTES};
use lockstep_index::submission::DaType;
use lockstep_l1::Market;

use crate::{channel::MAX_CALLDATA_BYTES, config::DataAvailability};

/// Gas of an inbox transaction with blobs: what `Inbox.appendBlobs` was measured to take, 34,086, and a few more
/// for the hash of each blob beyond the first.
const BLOB_TX_GAS: u128 = 34_300;
/// Gas of an inbox transaction with calldata, beside its calldata.
const CALLDATA_TX_GAS: u128 = 36_000;
/// A transaction before anything else.
const INTRINSIC_GAS: u128 = 21_000;
/// Gas of a token of calldata, and its floor (EIP-7623).
const TOKEN_GAS: u128 = 4;
const FLOOR_TOKEN_GAS: u128 = 10;
/// Tokens of a byte that is not zero. Encoded bytes hardly ever are.
const TOKENS_PER_BYTE: u128 = 4;
/// `docs/format.md`: the length before the channel in the first blob.
const LENGTH_PREFIX: usize = 4;
/// L1 blocks whose prices count as usual: ten minutes.
pub(crate) const USUAL_BLOCKS: u64 = 50;
/// L1 blocks whose prices tell whether they fall: a minute.
const RECENT_BLOCKS: usize = 5;

/// L1 as of one look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct L1Now {
    /// Its newest block.
    pub(crate) head: u64,
    /// Prices in the next block.
    pub(crate) market: Market,
    /// Medians of the last [`USUAL_BLOCKS`] blocks.
    pub(crate) usual: Market,
    /// Medians of the last few.
    pub(crate) recent: Market,
}

impl L1Now {
    /// What `eth_feeHistory` over [`USUAL_BLOCKS`] blocks says. No transaction offers less than `min_tip`.
    pub(crate) fn new(history: &FeeHistory, min_tip: u128) -> Self {
        let rewards = history.reward.iter().flatten().filter_map(|block| block.first().copied());
        let tip = median(rewards.collect()).max(min_tip);
        let blocks = u64::try_from(history.gas_used_ratio.len()).unwrap_or(u64::MAX);
        let head = history.oldest_block.saturating_add(blocks).saturating_sub(1);
        Self::of(head, &history.base_fee_per_gas, &history.base_fee_per_blob_gas, tip)
    }

    /// The same of prices by themselves, oldest first, the next block's last.
    pub(crate) fn of(head: u64, base_fees: &[u128], blob_base_fees: &[u128], tip: u128) -> Self {
        let over = |blocks| Market {
            base_fee: median(newest(base_fees, blocks)),
            tip,
            blob_base_fee: median(newest(blob_base_fees, blocks)).max(1),
        };
        Self { head, market: over(1), usual: over(usize::MAX), recent: over(RECENT_BLOCKS) }
    }
}

fn newest(prices: &[u128], count: usize) -> Vec<u128> {
    prices[prices.len().saturating_sub(count)..].to_vec()
}

fn median(mut prices: Vec<u128>) -> u128 {
    prices.sort_unstable();
    prices.get(prices.len() / 2).copied().unwrap_or_default()
}

/// Where a channel goes.
pub(crate) fn choose(wanted: DataAvailability, data: &[u8], market: &Market) -> DaType {
    let tokens = data.iter().map(|byte| if *byte == 0 { 1 } else { TOKENS_PER_BYTE }).sum();
    match wanted {
        DataAvailability::Blobs => DaType::Blobs,
        DataAvailability::Calldata => DaType::Calldata,
        DataAvailability::Auto if data.len() > MAX_CALLDATA_BYTES => DaType::Blobs,
        DataAvailability::Auto if tokens_wei(tokens, market) < blobs_wei(data.len(), market) => {
            DaType::Calldata
        }
        DataAvailability::Auto => DaType::Blobs,
    }
}

/// Wei for a channel of so many bytes as calldata.
pub(crate) fn calldata_wei(data_bytes: usize, market: &Market) -> u128 {
    tokens_wei(data_bytes as u128 * TOKENS_PER_BYTE, market)
}

/// The larger of the usual price and the floor of EIP-7623.
fn tokens_wei(tokens: u128, market: &Market) -> u128 {
    let gas = (CALLDATA_TX_GAS + TOKEN_GAS * tokens).max(INTRINSIC_GAS + FLOOR_TOKEN_GAS * tokens);
    gas.saturating_mul(market.base_fee.saturating_add(market.tip))
}

/// Wei for a channel of so many bytes in blobs, however empty the last one is.
pub(crate) fn blobs_wei(data_bytes: usize, market: &Market) -> u128 {
    let blob_gas = (blobs(data_bytes) * BYTES_PER_BLOB) as u128;
    let execution = BLOB_TX_GAS.saturating_mul(market.base_fee.saturating_add(market.tip));
    execution.saturating_add(blob_gas.saturating_mul(market.blob_base_fee))
}

/// Blobs that a channel of so many bytes takes.
pub(crate) const fn blobs(data_bytes: usize) -> usize {
    (data_bytes + LENGTH_PREFIX).div_ceil(MAX_BLOB_DATA_BYTES)
}

/// Blobs that a channel of so many bytes fills to the last byte.
pub(crate) const fn full_blobs(data_bytes: usize) -> usize {
    (data_bytes + LENGTH_PREFIX) / MAX_BLOB_DATA_BYTES
}

/// Bytes of the longest channel that `count` blobs hold.
pub(crate) const fn blob_capacity(count: usize) -> usize {
    (count * MAX_BLOB_DATA_BYTES).saturating_sub(LENGTH_PREFIX)
}

#[cfg(test)]
mod tests {
    use lockstep_codec::{MAX_BLOBS, MAX_FRAME_BYTES};

    use super::*;

    const GWEI: u128 = 1_000_000_000;

    fn market(base_fee: u128, blob_base_fee: u128) -> Market {
        Market { base_fee, tip: 0, blob_base_fee }
    }

    #[test]
    fn cheap_blobs_win_for_all_but_a_few_bytes() {
        // EIP-7918: blobs cost at least a sixteenth of the base fee.
        let floor = market(16 * GWEI, GWEI);
        assert_eq!(choose(DataAvailability::Auto, &[1; 800], &floor), DaType::Blobs);
        assert_eq!(choose(DataAvailability::Auto, &[1; 100], &floor), DaType::Calldata);
    }

    #[test]
    fn calldata_wins_while_blobs_are_dear() {
        let dear = market(GWEI, 100 * GWEI);
        assert_eq!(choose(DataAvailability::Auto, &[1; 50_000], &dear), DaType::Calldata);
        assert_eq!(choose(DataAvailability::Auto, &[1; MAX_CALLDATA_BYTES + 1], &dear), DaType::Blobs);
    }

    #[test]
    fn an_operator_s_choice_is_kept() {
        let dear = market(GWEI, 100 * GWEI);
        assert_eq!(choose(DataAvailability::Blobs, &[1], &dear), DaType::Blobs);
        assert_eq!(choose(DataAvailability::Calldata, &[1], &market(GWEI, 1)), DaType::Calldata);
    }

    #[test]
    fn six_full_blobs_are_the_largest_channel() {
        assert_eq!(blob_capacity(MAX_BLOBS), MAX_FRAME_BYTES);
        for count in 1..=MAX_BLOBS {
            assert_eq!(blobs(blob_capacity(count)), count);
            assert_eq!(blobs(blob_capacity(count) + 1), count + 1);
            assert_eq!(full_blobs(blob_capacity(count)), count);
            assert_eq!(full_blobs(blob_capacity(count) - 1), count - 1);
        }
    }

    #[test]
    fn a_fee_history_tells_head_prices_and_medians() {
        let history = FeeHistory {
            oldest_block: 10,
            gas_used_ratio: vec![0.5; 3],
            base_fee_per_gas: vec![5, 1, 9, 7],
            base_fee_per_blob_gas: vec![1, 1, 1, 4],
            reward: Some(vec![vec![2], vec![8], vec![3]]),
            ..FeeHistory::default()
        };
        let now = L1Now::new(&history, 0);
        assert_eq!(now.head, 12);
        assert_eq!(now.market, Market { base_fee: 7, tip: 3, blob_base_fee: 4 });
        assert_eq!(now.usual, Market { base_fee: 7, tip: 3, blob_base_fee: 1 });
        assert_eq!(L1Now::new(&history, 5).market.tip, 5);
        let long = [9, 9, 9, 9, 9, 9, 2, 2, 2, 1, 1];
        let prices = L1Now::of(7, &long, &long, 0);
        let base_fees = [prices.market, prices.recent, prices.usual].map(|market| market.base_fee);
        assert_eq!(base_fees, [1, 2, 9]);
    }

    #[test]
    fn an_l1_without_blocks_or_blobs_costs_something() {
        let now = L1Now::new(&FeeHistory::default(), 0);
        assert_eq!((now.head, now.market), (0, market(0, 1)));
    }
}
