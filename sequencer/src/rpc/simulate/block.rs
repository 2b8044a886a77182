//! One simulated block.

use alloy::consensus::{
    Block as ConsensusBlock, BlockBody, TxReceipt,
    proofs::{calculate_receipt_root, calculate_transaction_root},
};
use alloy::primitives::{Address, B256, Bytes, Log, U256};
use alloy::rlp::Encodable;
use alloy::rpc::types::{
    Log as RpcLog, TransactionRequest,
    simulate::{SimCallResult, SimulateError},
};
use alloy_evm::{Evm, EvmEnv, EvmFactory, block::SystemCaller, precompiles::PrecompilesMap};
use alloy_op_evm::{OpEvm, OpEvmFactory, OpTx, OpTxError};
use lockstep_primitives::{BlockId, Header, OpReceiptEnvelope, OpTxEnvelope, SealedBlock, predeploys};
use lockstep_state::StateView;
use lockstep_stf::{evm_env, next_base_fee};
use op_revm::{OpHaltReason, OpSpecId};
use revm::{
    Database as _,
    context::TxEnv,
    context_interface::result::{EVMError, ExecutionResult},
    database::{State, WrapDatabaseRef, states::bundle_state::BundleRetention},
};

use super::{Options, chain::Planned, code, refused, transfers::Watch, unsigned::unsigned};
use crate::rpc::{
    call::{self, Base, Deadline, halt_message},
    error::{RpcError, revert_message},
    overrides,
    refusal::Refusal,
};

type Db = State<WrapDatabaseRef<StateView>>;
type Machine<'a> = OpEvm<&'a mut Db, (Deadline, Watch), PrecompilesMap>;

/// A simulated block, and what its calls gave.
#[derive(Debug)]
pub(super) struct Simulated {
    pub(super) sealed: SealedBlock,
    pub(super) size_bytes: u64,
    pub(super) calls: Vec<SimCallResult>,
}

/// The state between two simulated blocks.
#[derive(Debug)]
pub(super) struct Simulation {
    base: Base,
    options: Options,
    state: Db,
    parent: Header,
    parent_hash: B256,
    /// Gas that the calls of all blocks to come may use together.
    gas_left: u64,
    deadline: Deadline,
}

impl Simulation {
    pub(super) fn new(base: Base, options: Options) -> Self {
        let database = WrapDatabaseRef(base.state.clone());
        let mut state = State::builder().with_database(database).with_bundle_update().build();
        let (parent, parent_hash) = (base.header.clone(), base.header.hash_slow());
        state.block_hashes.insert(parent.number, parent_hash);
        let (gas_left, deadline) = (base.limits.call_gas, Deadline::after(base.limits.call_timeout));
        Self { base, options, state, parent, parent_hash, gas_left, deadline }
    }

    /// Executes the next block.
    pub(super) fn block(&mut self, planned: Planned) -> Result<Simulated, RpcError> {
        if self.deadline.is_over() {
            return Err(self.timeout());
        }
        let Planned { mut header, changes, state, calls } = planned;
        header.parent_hash = self.parent_hash;
        // Without validation a call need not offer a price, so blocks ask none unless they are told to.
        let base_fee = match header.base_fee_per_gas {
            Some(fee) => fee,
            None if self.options.validation => next_base_fee(&self.parent).map_err(RpcError::internal)?,
            None => 0,
        };
        header.base_fee_per_gas = Some(base_fee);
        let mut env = evm_env(&self.base.rules, &header);
        overrides::apply_to_block(&mut env.block_env, &changes);
        env.cfg_env.disable_nonce_check = !self.options.validation;
        env.cfg_env.disable_eip3607 = true; // calls may come from contracts, validated or not
        env.cfg_env.tx_gas_limit_cap = Some(u64::MAX);
        for (number, hash) in changes.block_hash.into_iter().flatten() {
            self.state.block_hashes.insert(number, hash);
        }
        let rules = self.base.rules;
        let inspector = (self.deadline, Watch::default());
        let mut evm = OpEvmFactory::<OpTx>::default().create_evm_with_inspector(
            &mut self.state,
            env.clone(),
            inspector,
        );
        {
            let (db, _, precompiles) = evm.components_mut();
            overrides::apply_to_state(db, precompiles, state)?;
        }
        SystemCaller::new(rules)
            .apply_pre_execution_changes(&header, &mut evm)
            .map_err(RpcError::internal)?;
        let mut open = Open::new(evm, env, header, self.options, self.gas_left);
        for request in calls {
            if !open.call(request.0)? {
                return Err(self.timeout());
            }
        }
        let closed = open.close();
        self.gas_left = closed.gas_left;
        self.seal(closed)
    }

    fn timeout(&self) -> RpcError {
        RpcError::Timeout(self.base.limits.call_timeout.into())
    }

    /// Adds the roots, and stands on the block.
    fn seal(&mut self, closed: Closed) -> Result<Simulated, RpcError> {
        let Closed { mut header, transactions, senders, receipts, mut calls, .. } = closed;
        self.state.merge_transitions(BundleRetention::PlainState);
        let staged = self.base.state.stage(&self.state.bundle_state)?;
        header.state_root = staged.state_root();
        header.withdrawals_root = Some(staged.storage_root(predeploys::L2_TO_L1_MESSAGE_PASSER)?);
        header.transactions_root = calculate_transaction_root(&transactions);
        header.receipts_root = calculate_receipt_root(&receipts);
        header.logs_bloom = receipts.iter().fold(header.logs_bloom, |bloom, receipt| bloom | receipt.bloom());
        let hash = header.hash_slow();
        self.state.block_hashes.insert(header.number, hash);
        for log in calls.iter_mut().flat_map(|call| &mut call.logs) {
            log.block_hash = Some(hash);
        }
        (self.parent, self.parent_hash) = (header.clone(), hash);
        let size_bytes = size_bytes(&header, &transactions);
        let (l1_origin, sequence_number) = (BlockId::default(), 0);
        let sealed =
            SealedBlock { header, hash, l1_origin, sequence_number, transactions, senders, receipts };
        Ok(Simulated { sealed, size_bytes, calls })
    }
}

fn size_bytes(header: &Header, transactions: &[OpTxEnvelope]) -> u64 {
    let body = BlockBody {
        transactions: transactions.to_vec(),
        ommers: Vec::new(),
        withdrawals: Some(Default::default()),
    };
    ConsensusBlock::new(header.clone(), body).length() as u64
}

/// A block whose calls are running.
struct Open<'a> {
    evm: Machine<'a>,
    env: EvmEnv<OpSpecId>,
    options: Options,
    next_log: u64,
    closed: Closed,
}

/// A block whose calls have run.
struct Closed {
    header: Header,
    transactions: Vec<OpTxEnvelope>,
    senders: Vec<Address>,
    receipts: Vec<OpReceiptEnvelope>,
    calls: Vec<SimCallResult>,
    gas_left: u64,
}

impl<'a> Open<'a> {
    fn new(evm: Machine<'a>, env: EvmEnv<OpSpecId>, header: Header, options: Options, gas_left: u64) -> Self {
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
    fn call(&mut self, request: TransactionRequest) -> Result<bool, RpcError> {
        let message = self.message(request)?;
        let asked = self.env.block_env.basefee;
        let is_free = !self.options.validation && message.gas_price == 0;
        self.evm.ctx_mut().block.basefee = if is_free { 0 } else { asked };
        self.evm.components_mut().1.1.shown_base_fee = is_free.then(|| U256::from(asked));
        let result = self.evm.transact_raw(call::transaction(&message, message.gas_limit));
        if self.evm.inspector().0.expired() {
            return Ok(false);
        }
        let done = result.map_err(|error| match error {
            EVMError::Transaction(OpTxError(error)) => {
                RpcError::Unincludable(Refusal::new(&error, &message, asked))
            }
            EVMError::Database(error) => error.into(),
            error => RpcError::internal(error.to_string()),
        })?;
        revm::DatabaseCommit::commit(self.evm.db_mut(), done.state);
        self.include(&message, done.result);
        Ok(true)
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

    fn close(self) -> Closed {
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
