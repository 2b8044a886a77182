//! Receipts of users' transactions.

use alloy_consensus::{Eip658Value, Receipt, ReceiptWithBloom, TxReceipt};
use op_alloy_consensus::{OpReceiptEnvelope, OpTxType};
use op_revm::OpHaltReason;
use revm::context::result::ExecutionResult;

/// The receipt that `alloy_op_evm`'s `OpAlloyReceiptBuilder` builds.
///
/// # Panics
/// If `ty` is a deposit, whose receipt holds more.
pub(super) fn receipt(
    ty: OpTxType,
    result: ExecutionResult<OpHaltReason>,
    cumulative_gas_used: u64,
) -> OpReceiptEnvelope {
    let status = Eip658Value::Eip658(result.is_success());
    let receipt = Receipt { status, cumulative_gas_used, logs: result.into_logs() };
    let receipt = ReceiptWithBloom { logs_bloom: receipt.bloom(), receipt };
    match ty {
        OpTxType::Legacy => OpReceiptEnvelope::Legacy(receipt),
        OpTxType::Eip2930 => OpReceiptEnvelope::Eip2930(receipt),
        OpTxType::Eip1559 => OpReceiptEnvelope::Eip1559(receipt),
        OpTxType::Eip7702 => OpReceiptEnvelope::Eip7702(receipt),
        OpTxType::PostExec | OpTxType::Deposit => unreachable!("users send types 0, 1, 2 and 4"),
    }
}
