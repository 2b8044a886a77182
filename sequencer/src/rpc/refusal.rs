//! Why no block could hold a message.

use op_revm::OpTransactionError;
use revm::{context::TxEnv, context_interface::result::InvalidTransaction};

/// Codes of execution-apis for transactions that no block can hold, and for simulated chains.
pub(super) mod code {
    /// The transaction is pooled.
    pub(in crate::rpc) const ALREADY_KNOWN: i32 = 1000;
    /// The signature recovers to no account.
    pub(in crate::rpc) const INVALID_SENDER: i32 = 1001;
    /// Another transaction with the nonce pays as much.
    pub(in crate::rpc) const REPLACEMENT: i32 = 1002;
    /// The nonce is used.
    pub(in crate::rpc) const NONCE_TOO_LOW: i32 = -38010;
    /// The nonce is not next.
    pub(in crate::rpc) const NONCE_TOO_HIGH: i32 = -38011;
    /// The fee cap is below the base fee.
    pub(in crate::rpc) const BASE_FEE_TOO_LOW: i32 = -38012;
    /// The gas limit does not pay for starting.
    pub(in crate::rpc) const INTRINSIC_GAS: i32 = -38013;
    /// The sender cannot pay.
    pub(in crate::rpc) const INSUFFICIENT_FUNDS: i32 = -38014;
    /// The block has too little gas left.
    pub(in crate::rpc) const BLOCK_GAS_LIMIT: i32 = -38015;
    /// Simulated block numbers do not grow.
    pub(in crate::rpc) const BLOCK_NUMBER: i32 = -38020;
    /// Simulated timestamps do not grow.
    pub(in crate::rpc) const BLOCK_TIMESTAMP: i32 = -38021;
    /// A precompile is moved to where it is.
    pub(in crate::rpc) const MOVED_TO_ITSELF: i32 = -38022;
    /// EIP-3607.
    pub(in crate::rpc) const SENDER_NOT_EOA: i32 = -38024;
    /// EIP-3860.
    pub(in crate::rpc) const INIT_CODE_SIZE: i32 = -38025;
    /// A limit of this node.
    pub(in crate::rpc) const CLIENT_LIMIT: i32 = -38026;
}

/// geth's words for it, and execution-apis' code where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: Option<i32>,
    pub(super) text: String,
}

impl Refusal {
    /// Why `message` cannot stand in a block with `base_fee`.
    pub(super) fn new(error: &OpTransactionError, message: &TxEnv, base_fee: u64) -> Self {
        let OpTransactionError::Base(error) = error else {
            return Self { code: None, text: error.to_string() };
        };
        Self { code: code_of(error), text: text_of(error, message, base_fee) }
    }

    /// Whether more gas could help.
    pub(super) fn wants_gas(&self) -> bool {
        self.code == Some(code::INTRINSIC_GAS)
    }
}

const fn code_of(error: &InvalidTransaction) -> Option<i32> {
    Some(match error {
        InvalidTransaction::NonceTooLow { .. } => code::NONCE_TOO_LOW,
        InvalidTransaction::NonceTooHigh { .. } => code::NONCE_TOO_HIGH,
        InvalidTransaction::GasPriceLessThanBasefee => code::BASE_FEE_TOO_LOW,
        InvalidTransaction::CallGasCostMoreThanGasLimit { .. }
        | InvalidTransaction::GasFloorMoreThanGasLimit { .. } => code::INTRINSIC_GAS,
        InvalidTransaction::LackOfFundForMaxFee { .. } | InvalidTransaction::OverflowPaymentInTransaction => {
            code::INSUFFICIENT_FUNDS
        }
        InvalidTransaction::CallerGasLimitMoreThanBlock => code::BLOCK_GAS_LIMIT,
        InvalidTransaction::RejectCallerWithCode => code::SENDER_NOT_EOA,
        InvalidTransaction::CreateInitCodeSizeLimit => code::INIT_CODE_SIZE,
        _ => return None,
    })
}

fn text_of(error: &InvalidTransaction, message: &TxEnv, base_fee: u64) -> String {
    let caller = message.caller;
    match error {
        InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            format!("intrinsic gas too low: have {gas_limit}, want {initial_gas}")
        }
        InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
            format!("insufficient gas for floor data gas cost: have {gas_limit}, want {gas_floor}")
        }
        InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
            format!("insufficient funds for gas * price + value: address {caller} have {balance} want {fee}")
        }
        InvalidTransaction::GasPriceLessThanBasefee => format!(
            "max fee per gas less than block base fee: address {caller}, maxFeePerGas: {}, baseFee: {base_fee}",
            message.gas_price
        ),
        InvalidTransaction::PriorityFeeGreaterThanMaxFee => format!(
            "max priority fee per gas higher than max fee per gas: address {caller}, maxPriorityFeePerGas: {}, \
             maxFeePerGas: {}",
            message.gas_priority_fee.unwrap_or_default(),
            message.gas_price
        ),
        InvalidTransaction::NonceTooLow { tx, state } => {
            format!("nonce too low: address {caller}, tx: {tx} state: {state}")
        }
        InvalidTransaction::NonceTooHigh { tx, state } => {
            format!("nonce too high: address {caller}, tx: {tx} state: {state}")
        }
        InvalidTransaction::NonceOverflowInTransaction => {
            format!("nonce has max value: address {caller}, nonce: {}", message.nonce)
        }
        InvalidTransaction::CreateInitCodeSizeLimit => {
            format!("max initcode size exceeded: code size {}", message.data.len())
        }
        InvalidTransaction::EmptyAuthorizationList => {
            format!("EIP-7702 transaction with empty auth list (sender {caller})")
        }
        other => other.to_string(),
    }
}
