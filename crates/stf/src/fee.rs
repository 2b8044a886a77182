//! The base fee of the next block.

use alloy_consensus::Header;
use alloy_eips::eip1559::{BaseFeeParams, calc_next_block_base_fee};
use lockstep_primitives::Eip1559Params;

use crate::StfError;

/// A base fee from which it does not rise any more, wei per gas: 0.009 ETH for one unit of gas.
///
/// Only days of full forced blocks lead here. Without it the sum would leave 64 bits: a panic in one build, a
/// free chain in another. With it, the largest step (elasticity 1,000, denominator 1) still fits.
const MAX_RISING_BASE_FEE: u64 = 1 << 53;

/// Base fee of `parent`'s child, wei per gas (OP specification, Holocene and Jovian, "Base Fee").
///
/// EIP-1559 with denominator and elasticity from the parent's `extraData`; a parent whose data-availability
/// footprint (`blobGasUsed`) exceeds its gas counts with the footprint; never below the parent's minimum base fee.
///
/// # Errors
/// [`StfError::ParentExtraData`] if the parent carries no Jovian fee parameters.
pub fn next_base_fee(parent: &Header) -> Result<u64, StfError> {
    let params =
        Eip1559Params::from_extra_data(&parent.extra_data).ok_or(StfError::ParentExtraData(parent.number))?;
    let used = parent.gas_used.max(parent.blob_gas_used.unwrap_or_default());
    let base_fee = parent.base_fee_per_gas.unwrap_or_default();
    let step = BaseFeeParams::new(params.denominator.into(), params.elasticity.into());
    // At its gas target a block leaves the base fee where it is.
    let target = parent.gas_limit / u64::from(params.elasticity.max(1));
    let used = if base_fee >= MAX_RISING_BASE_FEE { used.min(target) } else { used };
    Ok(calc_next_block_base_fee(used, parent.gas_limit, base_fee, step).max(params.min_base_fee))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMS: Eip1559Params = Eip1559Params { denominator: 250, elasticity: 6, min_base_fee: 100 };

    fn parent(gas_used: u64, footprint: u64) -> Header {
        Header {
            gas_limit: 60_000_000,
            gas_used,
            base_fee_per_gas: Some(1_000_000),
            blob_gas_used: Some(footprint),
            extra_data: PARAMS.extra_data(),
            ..Header::default()
        }
    }

    #[test]
    fn the_base_fee_stays_at_the_target_and_moves_around_it() {
        assert_eq!(next_base_fee(&parent(10_000_000, 0)).ok(), Some(1_000_000));
        assert_eq!(next_base_fee(&parent(60_000_000, 0)).ok(), Some(1_020_000)); // + 5 targets / 250
        assert_eq!(next_base_fee(&parent(0, 0)).ok(), Some(996_000)); // - 1 target / 250
    }

    #[test]
    fn a_footprint_above_the_gas_counts_in_its_place() {
        assert_eq!(next_base_fee(&parent(0, 60_000_000)).ok(), Some(1_020_000));
        assert_eq!(next_base_fee(&parent(10_000_000, 9_000_000)).ok(), Some(1_000_000));
    }

    #[test]
    fn the_base_fee_stops_rising_long_before_it_overflows() {
        let steepest = Eip1559Params { denominator: 1, elasticity: 1_000, min_base_fee: 0 };
        let full = |base_fee| Header {
            base_fee_per_gas: Some(base_fee),
            extra_data: steepest.extra_data(),
            ..parent(60_000_000, 0)
        };
        let last = (MAX_RISING_BASE_FEE - 1) * 1_000;
        assert_eq!(next_base_fee(&full(MAX_RISING_BASE_FEE - 1)).ok(), Some(last));
        assert_eq!(next_base_fee(&full(last)).ok(), Some(last));
        let empty = Header { gas_used: 0, ..full(last) };
        assert!(next_base_fee(&empty).is_ok_and(|fee| fee < last), "it still falls");
    }

    #[test]
    fn the_base_fee_never_falls_below_the_minimum() {
        let low = Header { base_fee_per_gas: Some(100), ..parent(0, 0) };
        assert_eq!(next_base_fee(&low).ok(), Some(100));
        let raised = Header {
            extra_data: Eip1559Params { min_base_fee: 5_000_000, ..PARAMS }.extra_data(),
            ..parent(0, 0)
        };
        assert_eq!(next_base_fee(&raised).ok(), Some(5_000_000));
    }

    #[test]
    fn a_parent_without_parameters_is_refused() {
        let ethereum = Header { number: 7, extra_data: alloy_primitives::Bytes::new(), ..parent(0, 0) };
        assert!(matches!(next_base_fee(&ethereum), Err(StfError::ParentExtraData(7))));
    }
}
