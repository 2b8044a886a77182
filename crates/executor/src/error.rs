//! Why a block cannot be executed.

use std::error::Error;

use lockstep_locks::TxIndex;
use revm::{context::result::EVMError, database_interface::DBErrorMarker};

/// Why a block cannot be executed. No transaction is at fault: drop the block and look here.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// The thread pool cannot start.
    #[error("cannot start the threads of the executor")]
    Pool(#[source] Box<dyn Error + Send + Sync>),
    /// The database under the block failed.
    #[error("cannot read the state")]
    Database(#[source] Box<dyn Error + Send + Sync>),
    /// Executing a transaction panicked, also when it was tried again alone.
    #[error("executing transaction {tx} panicked: {message}")]
    Panicked {
        /// Which transaction.
        tx: TxIndex,
        /// What the panic said.
        message: String,
    },
    /// The EVM failed where no transaction can make it fail: a precompile, or an environment that lacks a field.
    #[error("the EVM failed: {0}")]
    Evm(String),
}

impl ExecutorError {
    /// The database's `error`.
    pub(crate) fn database(error: impl DBErrorMarker) -> Self {
        Self::Database(Box::new(error))
    }

    /// What of `error` is no verdict on the transaction; `Err` is the verdict.
    pub(crate) fn unless_invalid<E: DBErrorMarker, I>(error: EVMError<E, I>) -> Result<Self, I> {
        match error {
            EVMError::Transaction(invalid) => Err(invalid),
            EVMError::Database(error) => Ok(Self::database(error)),
            EVMError::Header(error) => Ok(Self::Evm(error.to_string())),
            EVMError::Custom(message) => Ok(Self::Evm(message)),
            EVMError::CustomAny(error) => Ok(Self::Evm(error.to_string())),
        }
    }
}
