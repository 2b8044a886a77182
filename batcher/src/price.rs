//! What posting costs, and where it costs less. Pure.

use lockstep_codec::{BYTES_PER_BLOB, MAX_BLOB_DATA_BYTES};
use lockstep_index::submission::DaType;
use lockstep_l1::Market;

use crate::{channel::MAX_CALLDATA_BYTES, config::DataAvailability};

/// Gas of an inbox transaction with blobs.
const BLOB_TX_GAS: u128 = 36_000;
/// Gas of an inbox transaction before its calldata.
const CALLDATA_TX_GAS: u128 = 36_000;
/// A transaction before anything else.
const INTRINSIC_GAS: u128 = 21_000;

/// Where a channel goes.
pub(crate) fn choose(wanted: DataAvailability, data: &[u8], market: &Market) -> DaType {
    match wanted {
        DataAvailability::Blobs => DaType::Blobs,
        DataAvailability::Calldata => DaType::Calldata,
        DataAvailability::Auto if data.len() > MAX_CALLDATA_BYTES => DaType::Blobs,
        DataAvailability::Auto if calldata_wei(data, market) < blobs_wei(data.len(), market) => {
            DaType::Calldata
        }
        DataAvailability::Auto => DaType::Blobs,
    }
}

/// The larger of the usual price and the floor of EIP-7623.
fn calldata_wei(data: &[u8], market: &Market) -> u128 {
    let tokens: u128 = data.iter().map(|byte| if *byte == 0 { 1 } else { 4 }).sum();
    let gas = (CALLDATA_TX_GAS + 4 * tokens).max(INTRINSIC_GAS + 10 * tokens);
    gas.saturating_mul(market.base_fee.saturating_add(market.tip))
}

fn blobs_wei(data_bytes: usize, market: &Market) -> u128 {
    let blobs = (data_bytes + 4).div_ceil(MAX_BLOB_DATA_BYTES) * BYTES_PER_BLOB;
    let execution = BLOB_TX_GAS.saturating_mul(market.base_fee.saturating_add(market.tip));
    execution.saturating_add((blobs as u128).saturating_mul(market.blob_base_fee))
}

#[cfg(test)]
mod tests {
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
}
