//! What a caller is told when a call fails.
//!
//! Codes and texts are geth's where geth has one: wallets and transaction managers match on them. Causes that are
//! not the caller's are logged and answered as "internal error".

use std::error::Error;

use alloy::primitives::{B256, Bytes};
use alloy::sol_types::{Panic, Revert, SolError};
use jsonrpsee::types::ErrorObjectOwned;
use lockstep_index::IndexError;
use lockstep_state::StateError;
use revm::database_interface::bal::EvmDatabaseError;
use serde_json::{Value, json};

use super::{
    SubmitError,
    refusal::{Refusal, code},
};

/// The call ran and reverted; `data` is what it returned.
const REVERTED: i32 = 3;
/// EIP-7966: the transaction is accepted but not in a block in time; `data` is its hash.
const UNCONFIRMED: i32 = 4;
/// EIP-7966: the node does not take transactions now.
const NOT_READY: i32 = 5;
/// geth's code for everything else that is the caller's.
const SERVER: i32 = -32000;
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;
const INTERNAL: i32 = -32603;
const LIMIT: i32 = -32005;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RpcError {
    #[error("invalid params: must be an array")]
    NotAnArray,
    #[error("missing value for required argument {position} ({name})")]
    Missing { position: usize, name: &'static str },
    #[error("invalid argument {position} ({name}): {reason}")]
    Invalid { position: usize, name: &'static str, reason: String },
    #[error("too many arguments, want at most {0}")]
    TooMany(usize),
    #[error("{0}")]
    Params(String),
    #[error("invalid {name}: {reason}")]
    InvalidField { name: &'static str, reason: String },
    #[error("header not found")]
    UnknownBlock,
    #[error("state of block {number} is not available: this node keeps blocks {first} to {head}")]
    NoState { number: u64, first: u64, head: u64 },
    #[error("{}", revert_message(.0))]
    Reverted(Bytes),
    /// A call that halts or that cannot be made; the text says why.
    #[error("{0}")]
    Call(String),
    /// A call that no block could hold.
    #[error("{}", .0.text)]
    Unincludable(Refusal),
    /// An error whose code is its method's own.
    #[error("{text}")]
    Coded { code: i32, text: String },
    #[error("{0}")]
    Limit(String),
    #[error("execution aborted (timeout = {0})")]
    Timeout(humantime::Duration),
    #[error("filter not found")]
    UnknownFilter,
    #[error("no \"{0}\" subscription in eth namespace")]
    NoSubscription(String),
    #[error("{0}")]
    Refused(#[from] SubmitError),
    #[error("the transaction was added to the pool but was not in a block within {timeout_ms} ms")]
    Unconfirmed { hash: B256, timeout_ms: u128 },
    #[error("internal error")]
    Internal(#[source] Box<dyn Error + Send + Sync>),
}

impl RpcError {
    pub(super) fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    const fn code(&self) -> i32 {
        match self {
            Self::NotAnArray
            | Self::Missing { .. }
            | Self::Invalid { .. }
            | Self::TooMany(_)
            | Self::Params(_)
            | Self::InvalidField { .. } => INVALID_PARAMS,
            Self::NoSubscription(_) => METHOD_NOT_FOUND,
            Self::Reverted(_) => REVERTED,
            Self::Coded { code, .. } => *code,
            Self::Unconfirmed { .. } => UNCONFIRMED,
            Self::Refused(SubmitError::NotReady(_)) => NOT_READY,
            Self::Refused(SubmitError::Internal) | Self::Internal(_) => INTERNAL,
            Self::Limit(_) => LIMIT,
            Self::UnknownBlock
            | Self::NoState { .. }
            | Self::Call(_)
            | Self::Unincludable(_)
            | Self::Timeout(_)
            | Self::UnknownFilter
            | Self::Refused(_) => SERVER,
        }
    }

    /// What a program needs beside code and text: bytes, or execution-apis' code where the error has another one.
    fn data(&self) -> Option<Value> {
        match self {
            Self::Reverted(output) => Some(json!(output)),
            Self::Unconfirmed { hash, .. } => Some(json!(hash)),
            Self::Refused(refused) => submission_code(refused).map(coded),
            Self::Unincludable(refusal) => refusal.code.map(coded),
            _ => None,
        }
    }
}

fn coded(code: i32) -> Value {
    json!({ "code": code })
}

/// execution-apis' code for a transaction that the pool refuses.
const fn submission_code(refused: &SubmitError) -> Option<i32> {
    Some(match refused {
        SubmitError::AlreadyKnown => code::ALREADY_KNOWN,
        SubmitError::InvalidSender => code::INVALID_SENDER,
        SubmitError::ReplacementUnderpriced => code::REPLACEMENT,
        SubmitError::NonceTooLow { .. } => code::NONCE_TOO_LOW,
        SubmitError::NonceTooHigh { .. } => code::NONCE_TOO_HIGH,
        SubmitError::Underpriced { .. } => code::BASE_FEE_TOO_LOW,
        SubmitError::IntrinsicGas { .. } | SubmitError::FloorDataGas { .. } => code::INTRINSIC_GAS,
        SubmitError::InsufficientFunds { .. } => code::INSUFFICIENT_FUNDS,
        SubmitError::ExceedsBlockGasLimit => code::BLOCK_GAS_LIMIT,
        SubmitError::SenderNotEoa(_) => code::SENDER_NOT_EOA,
        SubmitError::InitCodeSize { .. } => code::INIT_CODE_SIZE,
        _ => return None,
    })
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        if let RpcError::Internal(cause) = &error {
            tracing::error!(cause = %chain(cause.as_ref()), "RPC call failed");
        }
        Self::owned(error.code(), error.to_string(), error.data())
    }
}

impl From<IndexError> for RpcError {
    fn from(error: IndexError) -> Self {
        match error {
            // A number that Postgres cannot hold is one that no block has.
            IndexError::TooLarge(_) => Self::UnknownBlock,
            error => Self::internal(error),
        }
    }
}

impl From<StateError> for RpcError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::OutsideHistory { number, first, head } => {
                Self::NoState { number: number.0, first: first.0, head: head.0 }
            }
            error => Self::internal(error),
        }
    }
}

impl From<EvmDatabaseError<StateError>> for RpcError {
    fn from(error: EvmDatabaseError<StateError>) -> Self {
        match error {
            EvmDatabaseError::Database(error) => error.into(),
            EvmDatabaseError::Bal(error) => Self::internal(error),
        }
    }
}

/// The error and its sources in one line.
fn chain(error: &(dyn Error + Send + Sync + 'static)) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    line
}

/// "execution reverted", and the reason where the output holds one that Solidity wrote.
pub(super) fn revert_message(output: &Bytes) -> String {
    let reason = Revert::abi_decode(output)
        .map(|revert| revert.reason)
        .or_else(|_| Panic::abi_decode(output).map(|panic| panic.as_geth_str().into_owned()));
    match reason {
        Ok(reason) => format!("execution reverted: {reason}"),
        Err(_) => "execution reverted".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy::primitives::{U256, hex};

    use super::*;

    fn object(error: RpcError) -> (i32, String, Option<String>) {
        let object = ErrorObjectOwned::from(error);
        (object.code(), object.message().to_owned(), object.data().map(|data| data.get().to_owned()))
    }

    #[test]
    fn revert_carries_reason_and_data() {
        let output: Bytes = Revert::from("too little").abi_encode().into();
        let (code, message, data) = object(RpcError::Reverted(output.clone()));
        assert_eq!((code, message.as_str()), (3, "execution reverted: too little"));
        assert_eq!(data.unwrap(), format!("\"{output}\""));
    }

    #[test]
    fn panic_is_told_in_geths_words() {
        let output: Bytes = Panic { code: U256::from(0x11) }.abi_encode().into();
        let (_, message, _) = object(RpcError::Reverted(output));
        assert_eq!(message, "execution reverted: arithmetic underflow or overflow");
    }

    #[test]
    fn custom_error_keeps_its_data_only() {
        let output = Bytes::from(hex!("deadbeef"));
        let (code, message, data) = object(RpcError::Reverted(output));
        assert_eq!((code, message.as_str()), (3, "execution reverted"));
        assert_eq!(data.unwrap(), "\"0xdeadbeef\"");
    }

    #[test]
    fn refusals_begin_with_geths_words_and_carry_the_code_of_execution_apis() {
        let refusals = [
            (SubmitError::NonceTooLow { next: 2, tx: 1 }, "nonce too low", Some(-38010)),
            (SubmitError::AlreadyKnown, "already known", Some(1000)),
            (SubmitError::ReplacementUnderpriced, "replacement transaction underpriced", Some(1002)),
            (SubmitError::IntrinsicGas { gas: 1, needed: 21_000 }, "intrinsic gas too low", Some(-38013)),
            (SubmitError::TipAboveFeeCap, "max priority fee per gas higher than max fee per gas", None),
            (SubmitError::ChainId { have: 1, want: 2 }, "invalid chain id for signer: have 1 want 2", None),
            (SubmitError::Unprotected, "only replay-protected (EIP-155) transactions allowed over RPC", None),
            (SubmitError::ExceedsBlockGasLimit, "exceeds block gas limit", Some(-38015)),
            (
                SubmitError::InsufficientFunds {
                    sender: Default::default(),
                    balance: U256::ZERO,
                    cost: U256::ONE,
                },
                "insufficient funds for gas * price + value: balance 0, tx cost 1, overshot 1",
                Some(-38014),
            ),
        ];
        for (refusal, words, apis_code) in refusals {
            let (code, message, data) = object(refusal.into());
            assert!(message.starts_with(words), "{message}");
            assert_eq!((code, data), (-32000, apis_code.map(|code| format!("{{\"code\":{code}}}"))));
        }
    }

    #[test]
    fn bad_argument_is_named() {
        let error = RpcError::Invalid { position: 0, name: "address", reason: "odd length".into() };
        assert_eq!(object(error), (-32602, "invalid argument 0 (address): odd length".into(), None));
    }

    #[test]
    fn internal_causes_are_not_told() {
        let error = RpcError::from(IndexError::Corrupt("l2_tx.raw"));
        assert_eq!(object(error), (-32603, "internal error".into(), None));
    }
}
