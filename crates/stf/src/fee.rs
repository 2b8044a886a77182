//! The base fee of the next block.

use alloy_consensus::Header;
use alloy_eips::eip1559::{BaseFeeParams, calc_next_block_base_fee};
use lockstep_primitives::Eip1559Params;

use crate::StfError;

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
    let next = calc_next_block_base_fee(
        used,
        parent.gas_limit,
        parent.base_fee_per_gas.unwrap_or_default(),
        BaseFeeParams::new(params.denominator.into(), params.elasticity.into()),
    );
    Ok(next.max(params.min_base_fee))
}
