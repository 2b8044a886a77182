//! What the results of a block's transactions must add up to.

use std::fmt::Debug;

use alloy_consensus::{Header, TxReceipt};
use alloy_primitives::{B256, Bloom, Log};
use revm::context::result::ExecutionResult;

/// Whether the block succeeded so far, gas used so far, and logs: what a receipt holds of a result.
pub(super) struct Sum<'a> {
    pub(super) success: bool,
    pub(super) cumulative_gas: u64,
    pub(super) logs: &'a [Log],
}

/// Every result with the gas used up to it.
pub(super) fn sums<'a, H: 'a>(
    results: impl IntoIterator<Item = &'a ExecutionResult<H>>,
) -> impl Iterator<Item = Sum<'a>> {
    results.into_iter().scan(0, |cumulative_gas, result| {
        *cumulative_gas += result.tx_gas_used();
        Some(Sum { success: result.is_success(), cumulative_gas: *cumulative_gas, logs: result.logs() })
    })
}

/// Compares gas used, logs bloom and `root`, if there is one to compare, with the header.
pub(super) fn check<R: TxReceipt + Debug>(
    header: &Header,
    receipts: &[R],
    root: Option<B256>,
) -> Result<(), String> {
    let gas_used = receipts.last().map_or(0, TxReceipt::cumulative_gas_used);
    let bloom = receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom());
    let number = header.number;
    if gas_used != header.gas_used {
        return Err(format!("block {number}: gas used {gas_used} instead of {}", header.gas_used));
    }
    if bloom != header.logs_bloom {
        return Err(format!("block {number}: logs bloom"));
    }
    match root {
        Some(root) if root != header.receipts_root => {
            Err(format!("block {number}: receipts root {root} instead of {}", header.receipts_root))
        }
        _ => Ok(()),
    }
}
