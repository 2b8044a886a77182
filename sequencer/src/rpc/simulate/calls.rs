//! The calls of one simulated block.

use std::cmp::Ordering;

use alloy::primitives::{Address, Bytes, Log, U256};
use alloy::rpc::types::{
    Log as RpcLog, TransactionRequest,
    simulate::{SimCallResult, SimulateError},
};
use alloy_evm::{Evm, EvmEnv, precompiles::PrecompilesMap};
use alloy_op_evm::{OpEvm, OpTxError};
use lockstep_primitives::{Header, OpReceiptEnvelope, OpTxEnvelope};
use op_revm::{OpHaltReason, OpSpecId, OpTransactionError};
use revm::{
    Database as _, DatabaseCommit as _,
    context::TxEnv,
    context_interface::result::{EVMError, ExecutionResult, InvalidTransaction},
};

use super::{Options, block::Db, code, refused, transfers::Watch, unsigned::unsigned};
use crate::rpc::{
    call::{self, Deadline, halt_message},
    error::{RpcError, revert_message},
    refusal::Refusal,
};

type Machine<'a> = OpEvm<&'a mut Db, (Deadline, Watch), PrecompilesMap>;

/// A block whose calls are running.
pub(super) struct Open<'a> {
    evm: Machine<'a>,
    env: EvmEnv<OpSpecId>,
    options: Options,
    next_log: u64,
    closed: Closed,
}

/// A block whose calls have run.
pub(super) struct Closed {
    pub(super) header: Header,
    pub(super) transactions: Vec<OpTxEnvelope>,
    pub(super) senders: Vec<Address>,
    pub(super) receipts: Vec<OpReceiptEnvelope>,
    pub(super) calls: Vec<SimCallResult>,
    pub(super) gas_left: u64,
}

impl<'a> Open<'a> {
    pub(super) fn new(
        evm: Machine<'a>,
        env: EvmEnv<OpSpecId>,
        header: Header,
        options: Options,
        gas_left: u64,
    ) -> Self {
        let closed = Closed {
            header,
            transactions: Vec::new(),
            senders: Vec::new(),
            receipts: Vec::new(),
            calls: Vec::new(),
            gas_left,
        };
        Self { evm, env, options, next_log: 0, closed }
    }

    /// Runs a call; `false` if the time is over.
    pub(super) fn call(&mut self, request: TransactionRequest) -> Result<bool, RpcError> {
        let message = self.message(request)?;
        let asked = self.env.block_env.basefee;
        let refuse =
            |error: &OpTransactionError| RpcError::Unincludable(Refusal::new(error, &message, asked));
        if self.options.validation {
            self.check_nonce(&message)?.map_err(|error| refuse(&error.into()))?;
        }
        let is_free = !self.options.validation && message.gas_price == 0;
        self.evm.ctx_mut().block.basefee = if is_free { 0 } else { asked };
        self.evm.components_mut().1.1.shown_base_fee = is_free.then(|| U256::from(asked));
        // Where nonces are not checked, the highest one is as good as any other, which revm does not know.
        let executed = TxEnv { nonce: message.nonce.min(u64::MAX - 1), ..message.clone() };
        let result = self.evm.transact_raw(call::transaction(&executed, message.gas_limit));
        if self.evm.inspector().0.expired() {
            return Ok(false);
        }
        let done = result.map_err(|error| match error {
            EVMError::Transaction(OpTxError(error)) => refuse(&error),
            EVMError::Database(error) => error.into(),
            error => RpcError::internal(error.to_string()),
        })?;
        self.evm.db_mut().commit(done.state);
        self.include(&message, done.result);
        Ok(true)
    }

    /// geth looks at the nonce before it looks at anything else.
    fn check_nonce(&mut self, message: &TxEnv) -> Result<Result<(), InvalidTransaction>, RpcError> {
        let state = self.evm.db_mut().basic(message.caller)?.map_or(0, |account| account.nonce);
        let tx = message.nonce;
        Ok(match tx.cmp(&state) {
            Ordering::Less => Err(InvalidTransaction::NonceTooLow { tx, state }),
            Ordering::Greater => Err(InvalidTransaction::NonceTooHigh { tx, state }),
            Ordering::Equal if tx == u64::MAX => Err(InvalidTransaction::NonceOverflowInTransaction),
            Ordering::Equal => Ok(()),
        })
    }

    /// The message of a request, with what geth puts where the caller says nothing.
    fn message(&mut self, request: TransactionRequest) -> Result<TxEnv, RpcError> {
        let (limit, used) = (self.env.block_env.gas_limit, self.closed.header.gas_used);
        let wanted = request.gas.unwrap_or_else(|| limit.saturating_sub(used));
        if used.saturating_add(wanted) > limit {
            let text = format!("block gas limit reached: {used} >= {limit}");
            return Err(refused(code::BLOCK_GAS_LIMIT, text));
        }
        if self.closed.gas_left == 0 && wanted > 0 {
            return Err(refused(code::CLIENT_LIMIT, "gas limit of the simulation reached".to_owned()));
        }
        let sender = request.from.unwrap_or_default();
        let nonce = match request.nonce {
            Some(nonce) => nonce,
            None => self.evm.db_mut().basic(sender)?.map_or(0, |account| account.nonce),
        };
        let has_old_price = request.gas_price.is_some();
        let mut message = call::message(request, &self.env)?;
        if message.tx_type < 2 && !has_old_price {
            message.tx_type = 2;
        }
        if message.tx_type >= 2 {
            message.gas_priority_fee = message.gas_priority_fee.or(Some(0));
        }
        (message.nonce, message.gas_limit) = (nonce, wanted.min(self.closed.gas_left));
        Ok(message)
    }

    fn include(&mut self, message: &TxEnv, result: ExecutionResult<OpHaltReason>) {
        let traced = self.evm.components_mut().1.1.take();
        let transaction = unsigned(message);
        let (gas, succeeded) = (*result.gas(), result.is_success());
        let (gas_used, max_used_gas) = (gas.tx_gas_used(), gas.total_gas_spent().max(gas.tx_gas_used()));
        let block = &mut self.closed;
        block.header.gas_used += gas_used;
        block.gas_left = block.gas_left.saturating_sub(gas_used);
        let emitted = result.logs().to_vec();
        block.receipts.push(OpReceiptEnvelope::from_parts(
            succeeded,
            block.header.gas_used,
            &emitted,
            transaction.tx_type(),
            None,
            None,
        ));
        let shown = if self.options.trace_transfers { traced } else { emitted };
        let (status, return_data, error) = told(result);
        let logs = if status { self.logs(&transaction, shown) } else { Vec::new() };
        let max_used_gas = Some(max_used_gas);
        self.closed.calls.push(SimCallResult { return_data, logs, gas_used, max_used_gas, status, error });
        self.closed.transactions.push(transaction);
        self.closed.senders.push(message.caller);
    }

    fn logs(&mut self, transaction: &OpTxEnvelope, logs: Vec<Log>) -> Vec<RpcLog> {
        let (number, time) = (self.closed.header.number, self.closed.header.timestamp);
        let (hash, index) = (transaction.tx_hash(), self.closed.transactions.len() as u64);
        let first = self.next_log;
        self.next_log += logs.len() as u64;
        let place = |(log_index, inner): (u64, Log)| RpcLog {
            inner,
            block_hash: None, // known when the block is sealed
            block_number: Some(number),
            block_timestamp: Some(time),
            transaction_hash: Some(hash),
            transaction_index: Some(index),
            log_index: Some(log_index),
            removed: false,
        };
        (first..).zip(logs).map(place).collect()
    }

    pub(super) fn close(self) -> Closed {
        self.closed
    }
}

/// Whether a call succeeded, what it returned, and why it failed.
fn told(result: ExecutionResult<OpHaltReason>) -> (bool, Bytes, Option<SimulateError>) {
    match result {
        ExecutionResult::Success { output, .. } => (true, output.into_data(), None),
        ExecutionResult::Revert { output, .. } => {
            let (code, message) = (SimulateError::EXECUTION_REVERTED_CODE, revert_message(&output));
            (false, output.clone(), Some(SimulateError { code, message, data: Some(output) }))
        }
        ExecutionResult::Halt { reason, .. } => {
            let (code, message) = (SimulateError::VM_EXECUTION_ERROR_CODE, halt_message(&reason));
            (false, Bytes::new(), Some(SimulateError { code, message, data: None }))
        }
    }
}
