//! Why a block or a transaction cannot be executed.

use alloc::{boxed::Box, string::ToString};
use core::error::Error;

use alloy_evm::{
    InvalidTxError,
    block::{BlockExecutionError, BlockValidationError},
};
use alloy_op_evm::{block::OpBlockExecutionError, error::OpTxError};
use alloy_primitives::U256;
use op_revm::OpTransactionError;
use revm::context::result::InvalidTransaction;

/// Why a block cannot be executed. The inputs or the state are broken; no transaction is to blame.
#[derive(Debug, thiserror::Error)]
pub enum StfError {
    /// The inputs name another parent.
    #[error("inputs of block {number} do not extend block {parent}")]
    NotAChild {
        /// Number that the inputs have.
        number: u64,
        /// Number of the given parent.
        parent: u64,
    },
    /// Time must pass.
    #[error("timestamp {timestamp} is not after the parent's {parent}")]
    Timestamp {
        /// Timestamp that the inputs have.
        timestamp: u64,
        /// Timestamp of the parent.
        parent: u64,
    },
    /// The parent's `extraData` holds no fee parameters.
    #[error("block {0} carries no Jovian fee parameters in extraData")]
    ParentExtraData(u64),
    /// The first transaction must set the L1 attributes.
    #[error("the first transaction is not the L1 attributes deposit")]
    MissingAttributes,
    /// A deposit that must be included does not fit the block.
    #[error("forced transaction {index} cannot be included: {reason}")]
    Forced {
        /// Position in the inputs.
        index: usize,
        /// Why not.
        reason: Rejected,
    },
    /// The state could not be read, or a system call failed.
    #[error("execution stopped")]
    Execution(#[source] Box<dyn Error + Send + Sync + 'static>),
}

impl StfError {
    /// [`Self::Execution`] because of `error`.
    #[must_use]
    pub fn execution(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Execution(Box::new(error))
    }
}

/// Why a user transaction is not in the block. The state is as if it had never been tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The bytes are no EIP-2718 transaction.
    #[error("not a transaction")]
    Undecodable,
    /// Users send types 0, 1, 2 and 4 only.
    #[error("transaction type {0} is not for users")]
    Type(u8),
    /// No sender can be recovered from the signature.
    #[error("invalid signature")]
    Signature,
    /// The block has less gas left than the transaction may use.
    #[error("gas limit {limit} exceeds the {left} gas left in the block")]
    Gas {
        /// Gas limit of the transaction.
        limit: u64,
        /// Gas left in the block.
        left: u64,
    },
    /// The block has less room for data left than the transaction takes (Jovian).
    #[error("data footprint {footprint} exceeds the {left} left in the block")]
    DaFootprint {
        /// Footprint of the transaction, in gas.
        footprint: u64,
        /// Footprint left in the block, in gas.
        left: u64,
    },
    /// The nonce was used before.
    #[error("nonce {tx} is below the account's {state}")]
    NonceTooLow {
        /// Nonce of the transaction.
        tx: u64,
        /// Nonce of the sender.
        state: u64,
    },
    /// Earlier transactions of the sender are missing.
    #[error("nonce {tx} is above the account's {state}")]
    NonceTooHigh {
        /// Nonce of the transaction.
        tx: u64,
        /// Nonce of the sender.
        state: u64,
    },
    /// The sender cannot pay for value, gas, L1 fee and operator fee.
    #[error("balance {balance} is below the {cost} wei that the transaction may cost")]
    Balance {
        /// Wei needed.
        cost: U256,
        /// Wei there.
        balance: U256,
    },
    /// The fee cap is below the base fee.
    #[error("fee cap is below the base fee")]
    FeeTooLow,
    /// Any other rule of the EVM.
    #[error("invalid transaction: {0}")]
    Invalid(InvalidTransaction),
}

/// Outcome of a push that did not include the transaction.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The transaction is not for this block, the block goes on.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The block cannot go on.
    #[error(transparent)]
    Fatal(#[from] StfError),
}

impl From<InvalidTransaction> for Rejected {
    fn from(error: InvalidTransaction) -> Self {
        match error {
            InvalidTransaction::NonceTooLow { tx, state } => Self::NonceTooLow { tx, state },
            InvalidTransaction::NonceTooHigh { tx, state } => Self::NonceTooHigh { tx, state },
            InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
                Self::Balance { cost: *fee, balance: *balance }
            }
            InvalidTransaction::GasPriceLessThanBasefee => Self::FeeTooLow,
            other => Self::Invalid(other),
        }
    }
}

impl From<BlockExecutionError> for PushError {
    fn from(error: BlockExecutionError) -> Self {
        match error {
            BlockExecutionError::Validation(
                BlockValidationError::TransactionGasLimitMoreThanAvailableBlockGas {
                    transaction_gas_limit: limit,
                    block_available_gas: left,
                },
            ) => Rejected::Gas { limit, left }.into(),
            BlockExecutionError::Validation(BlockValidationError::InvalidTx { error, .. }) => {
                Rejected::from(error.as_ref()).into()
            }
            BlockExecutionError::Validation(BlockValidationError::Other(error)) => {
                match error.downcast_ref::<OpBlockExecutionError>() {
                    Some(&OpBlockExecutionError::TransactionDaFootprintAboveGasLimit {
                        transaction_da_footprint: footprint,
                        available_block_da_footprint: left,
                    }) => Rejected::DaFootprint { footprint, left }.into(),
                    _ => StfError::Execution(error).into(),
                }
            }
            other => StfError::from(other).into(),
        }
    }
}

impl From<&dyn InvalidTxError> for Rejected {
    /// `op-revm` adds errors of its own that only deposits and callers without bytes can meet.
    fn from(error: &dyn InvalidTxError) -> Self {
        error.as_invalid_tx_err().map_or_else(
            || Self::Invalid(InvalidTransaction::Str(error.to_string().into())),
            |inner| inner.clone().into(),
        )
    }
}

impl From<OpTransactionError> for Rejected {
    fn from(error: OpTransactionError) -> Self {
        match error {
            OpTransactionError::Base(error) => error.into(),
            other => Self::from(&OpTxError(other) as &dyn InvalidTxError),
        }
    }
}

impl From<BlockExecutionError> for StfError {
    fn from(error: BlockExecutionError) -> Self {
        Self::Execution(Box::new(error))
    }
}
