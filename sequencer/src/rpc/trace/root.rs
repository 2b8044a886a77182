//! The root of a trace whose transaction never started.

use alloy::primitives::TxKind;
use alloy_op_evm::OpTx;
use op_revm::OpHaltReason;
use revm::{
    context_interface::{Transaction, result::ResultAndState},
    interpreter::InstructionResult,
};
use revm_inspectors::tracing::{TracingInspector, types::CallKind};

/// Writes down the call that a deposit would have made, if its gas does not even pay for starting. It is in its block
/// all the same, and an inspector that was never called has an empty root for it.
pub(super) fn complete_root(
    inspector: &mut TracingInspector,
    tx: &OpTx,
    result: &ResultAndState<OpHaltReason>,
) {
    let Some(root) = inspector.traces_mut().nodes_mut().first_mut() else { return };
    if root.trace.status.is_some() || result.result.is_success() {
        return;
    }
    let trace = &mut root.trace;
    trace.kind = if tx.kind().is_create() { CallKind::Create } else { CallKind::Call };
    trace.caller = tx.caller();
    trace.address = match tx.kind() {
        TxKind::Call(to) => to,
        TxKind::Create => tx.caller().create(tx.nonce()),
    };
    (trace.value, trace.data) = (tx.value(), tx.input().clone());
    (trace.gas_limit, trace.gas_used) = (tx.gas_limit(), result.result.tx_gas_used());
    trace.status = Some(InstructionResult::OutOfGas);
}
