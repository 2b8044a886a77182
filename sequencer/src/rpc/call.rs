//! `eth_call`: a message run on the state after a block and thrown away.

use std::time::{Duration, Instant};

use alloy::eips::BlockId;
use alloy::primitives::{Address, Bytes, U256};
use alloy::rpc::types::{
    BlockOverrides, TransactionRequest,
    state::{AccountOverride, StateOverride},
};
use alloy_evm::{Evm, EvmEnv, EvmFactory, precompiles::PrecompilesMap};
use alloy_op_evm::{OpEvm, OpEvmFactory, OpTx, OpTxError};
use lockstep_primitives::Header;
use lockstep_state::{Overlay, StateError};
use lockstep_stf::{Rules, evm_env};
use op_revm::{OpHaltReason, OpSpecId, OpTransaction, OpTransactionError};
use revm::{
    Database, DatabaseRef,
    bytecode::Bytecode,
    context::{TxEnv, either::Either},
    context_interface::result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction},
    database::CacheDB,
    inspector::Inspector,
    interpreter::{InstructionResult, Interpreter, interpreter_types::LoopControl},
};

use super::{RpcLimits, api::Api, args::Args, error::RpcError};

/// A request to run, as the caller gave it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) transaction: TransactionRequest,
    pub(super) state: Option<StateOverride>,
    pub(super) block: Option<BlockOverrides>,
}

pub(super) async fn call(api: &Api, mut args: Args) -> Result<Bytes, RpcError> {
    let transaction: TransactionRequest = args.required("transaction")?;
    let block: BlockId = args.optional("block")?.unwrap_or_default();
    let state = args.optional("state overrides")?;
    let block_overrides = args.optional("block overrides")?;
    args.end()?;
    let request = Request { transaction, state, block: block_overrides };
    let base = Base::at(api, block).await?;
    api.call(move || {
        let mut machine = Machine::new(base, request)?;
        match machine.run(machine.gas_cap)? {
            Outcome::Success { output, .. } => Ok(output),
            Outcome::Reverted(output) => Err(RpcError::Reverted(output)),
            Outcome::Failed { reason, .. } | Outcome::TooLittleGas(reason) => Err(RpcError::Call(reason)),
        }
    })
    .await
}

/// What calls stand on: a block and the state after it.
#[derive(Debug)]
pub(super) struct Base {
    header: Header,
    state: Overlay,
    rules: Rules,
    limits: RpcLimits,
}

impl Base {
    pub(super) async fn at(api: &Api, block: BlockId) -> Result<Self, RpcError> {
        let (rules, limits) = (api.rules, api.context.limits);
        if let Some(open) = api.pending(block).await {
            return Ok(Self { header: open.header.clone(), state: open.state.clone(), rules, limits });
        }
        let header = api.header(block).await?.header;
        let state = api.with_state(BlockId::number(header.number), |state| Ok(state.clone())).await?;
        Ok(Self { header, state, rules, limits })
    }

    /// The state, and the environment of a transaction that runs on it.
    pub(super) fn into_world(self) -> (CacheDB<Overlay>, EvmEnv<OpSpecId>) {
        let env = evm_env(&self.rules, &self.header);
        (CacheDB::new(self.state), env)
    }

    /// Puts `request` on this base.
    pub(super) fn prepare(self, request: Request) -> Result<Prepared<Overlay>, RpcError> {
        let limits = self.limits;
        let (db, env) = self.into_world();
        Prepared::new(db, env, &limits, request)
    }
}

/// A message, and the world that it runs in with what the request overrides.
#[derive(Debug)]
pub(super) struct Prepared<S> {
    pub(super) db: CacheDB<S>,
    pub(super) env: EvmEnv<OpSpecId>,
    message: TxEnv,
    gas_cap: u64,
}

impl<S: DatabaseRef<Error = StateError>> Prepared<S> {
    pub(super) fn new(
        mut db: CacheDB<S>,
        mut env: EvmEnv<OpSpecId>,
        limits: &RpcLimits,
        request: Request,
    ) -> Result<Self, RpcError> {
        if let Some(overrides) = &request.block {
            override_block(&mut env, overrides)?;
        }
        let gas_cap = limits.call_gas.min(env.block_env.gas_limit);
        let gas_cap = request.transaction.gas.map_or(gas_cap, |gas| gas.min(gas_cap));
        for (address, account) in request.state.into_iter().flatten() {
            override_account(&mut db, address, account)?;
        }
        let message = message(request.transaction, &env)?;
        if message.gas_price == 0 {
            env.block_env.basefee = 0; // a call that offers no price runs as if gas were free
        }
        env.cfg_env.disable_nonce_check = true;
        env.cfg_env.disable_eip3607 = true;
        env.cfg_env.tx_gas_limit_cap = Some(u64::MAX); // EIP-7825 binds transactions, not calls
        Ok(Self { db, env, message, gas_cap })
    }

    /// The message with all the gas that it may use.
    pub(super) fn transaction(&self) -> OpTx {
        transaction(&self.message, self.gas_cap)
    }
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Success {
        output: Bytes,
        gas_used: u64,
        gas_refunded: u64,
    },
    Reverted(Bytes),
    Failed {
        reason: String,
        out_of_gas: bool,
    },
    /// The gas limit does not even pay for starting.
    TooLittleGas(String),
}

/// An EVM with one message, which may run many times with different gas limits.
pub(super) struct Machine {
    evm: OpEvm<CacheDB<Overlay>, Deadline, PrecompilesMap>,
    message: TxEnv,
    /// Gas that the call may use: the request's, the block's and the node's limit, whichever is least.
    pub(super) gas_cap: u64,
    timeout: Duration,
}

impl Machine {
    pub(super) fn new(base: Base, request: Request) -> Result<Self, RpcError> {
        let timeout = base.limits.call_timeout;
        let Prepared { db, env, message, gas_cap } = base.prepare(request)?;
        let deadline = Deadline::after(timeout);
        let evm = OpEvmFactory::<OpTx>::default().create_evm_with_inspector(db, env, deadline);
        Ok(Self { evm, message, gas_cap, timeout })
    }

    pub(super) const fn message(&self) -> &TxEnv {
        &self.message
    }

    /// Balance of the sender, overrides included.
    pub(super) fn balance(&mut self) -> Result<U256, RpcError> {
        let caller = self.message.caller;
        Ok(self.evm.db_mut().basic(caller)?.map_or(U256::ZERO, |account| account.balance))
    }

    /// Whether `address` has no code.
    pub(super) fn is_codeless(&mut self, address: Address) -> Result<bool, RpcError> {
        Ok(self.evm.db_mut().basic(address)?.is_none_or(|account| account.is_empty_code_hash()))
    }

    /// Runs the message with `gas_limit`; the state stays as it was.
    pub(super) fn run(&mut self, gas_limit: u64) -> Result<Outcome, RpcError> {
        let result = self.evm.transact_raw(transaction(&self.message, gas_limit));
        if self.evm.inspector().expired {
            return Err(RpcError::Timeout(self.timeout.into()));
        }
        match result {
            Ok(done) => Ok(outcome(done.result)),
            Err(EVMError::Transaction(OpTxError(error))) => refusal(error, &self.message),
            Err(EVMError::Database(error)) => Err(error.into()),
            Err(error) => Err(RpcError::internal(error.to_string())),
        }
    }
}

/// `message` as a transaction that may use `gas_limit`.
fn transaction(message: &TxEnv, gas_limit: u64) -> OpTx {
    let base = TxEnv { gas_limit, ..message.clone() };
    // No bytes, no data fee: it is not part of gas, and the message is not signed yet.
    OpTx(OpTransaction { enveloped_tx: Some(Bytes::new()), ..OpTransaction::new(base) })
}

/// Stops a run that takes too long.
#[derive(Debug)]
pub(super) struct Deadline {
    at: Instant,
    steps: u32,
    expired: bool,
}

impl Deadline {
    /// Steps between two looks at the clock.
    const INTERVAL: u32 = 1024;

    fn after(time: Duration) -> Self {
        Self { at: Instant::now() + time, steps: 0, expired: false }
    }
}

impl<CTX> Inspector<CTX> for Deadline {
    fn step(&mut self, interpreter: &mut Interpreter, _context: &mut CTX) {
        self.steps = self.steps.wrapping_add(1);
        if self.steps.is_multiple_of(Self::INTERVAL) && Instant::now() >= self.at {
            self.expired = true;
        }
        if self.expired && interpreter.bytecode.is_not_end() {
            interpreter.halt(InstructionResult::OutOfGas);
        }
    }
}

/// The message that a request means, at prices that the block accepts.
fn message(request: TransactionRequest, env: &EvmEnv<OpSpecId>) -> Result<TxEnv, RpcError> {
    let chain_id = env.cfg_env.chain_id;
    if let Some(have) = request.chain_id.filter(|have| *have != chain_id) {
        let reason = format!("does not match node's (have={have}, want={chain_id})");
        return Err(RpcError::InvalidField { name: "chainId", reason });
    }
    if request.gas_price.is_some() && request.max_fee_per_gas.or(request.max_priority_fee_per_gas).is_some() {
        let reason = "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified".to_owned();
        return Err(RpcError::InvalidField { name: "transaction", reason });
    }
    if request.blob_versioned_hashes.as_ref().is_some_and(|hashes| !hashes.is_empty()) {
        let reason = "L2 has no blob transactions".to_owned();
        return Err(RpcError::InvalidField { name: "blobVersionedHashes", reason });
    }
    let tx_type = request.minimal_tx_type() as u8;
    let input = request.input.try_into_unique_input();
    let data = input.map_err(|error| RpcError::InvalidField { name: "input", reason: error.to_string() })?;
    let authorizations = request.authorization_list.unwrap_or_default();
    Ok(TxEnv {
        tx_type,
        caller: request.from.unwrap_or_default(),
        gas_limit: 0, // each run sets its own
        gas_price: request.gas_price.or(request.max_fee_per_gas).unwrap_or(0),
        gas_priority_fee: request.max_priority_fee_per_gas.filter(|_| request.max_fee_per_gas.is_some()),
        kind: request.to.unwrap_or_default(),
        value: request.value.unwrap_or_default(),
        data: data.unwrap_or_default(),
        nonce: request.nonce.unwrap_or_default(),
        chain_id: Some(chain_id),
        access_list: request.access_list.unwrap_or_default(),
        authorization_list: authorizations.into_iter().map(Either::Left).collect(),
        ..TxEnv::default()
    })
}

fn override_block(env: &mut EvmEnv<OpSpecId>, overrides: &BlockOverrides) -> Result<(), RpcError> {
    let block = &mut env.block_env;
    if overrides.block_hash.is_some() {
        let reason = "block hashes cannot be overridden".to_owned();
        return Err(RpcError::InvalidField { name: "block overrides", reason });
    }
    block.number = overrides.number.unwrap_or(block.number);
    block.timestamp = overrides.time.map_or(block.timestamp, U256::from);
    block.gas_limit = overrides.gas_limit.unwrap_or(block.gas_limit);
    block.beneficiary = overrides.coinbase.unwrap_or(block.beneficiary);
    block.prevrandao = overrides.random.or(block.prevrandao);
    block.basefee = overrides.base_fee.map_or(block.basefee, |fee| fee.saturating_to());
    Ok(())
}

fn override_account<S: DatabaseRef<Error = StateError>>(
    db: &mut CacheDB<S>,
    address: Address,
    account: AccountOverride,
) -> Result<(), RpcError> {
    let invalid = |reason: String| RpcError::InvalidField { name: "state overrides", reason };
    if account.state.is_some() && account.state_diff.is_some() {
        return Err(invalid(format!("account {address} has both 'state' and 'stateDiff'")));
    }
    if account.move_precompile_to.is_some() {
        return Err(invalid("movePrecompileToAddress is not supported".to_owned()));
    }
    let mut info = db.basic(address)?.unwrap_or_default();
    info.balance = account.balance.unwrap_or(info.balance);
    info.nonce = account.nonce.unwrap_or(info.nonce);
    if let Some(code) = account.code {
        let code = Bytecode::new_raw_checked(code);
        let code = code.map_err(|error| invalid(format!("code of account {address}: {error}")))?;
        info.set_code(code);
    }
    db.insert_account_info(address, info);
    if let Some(state) = account.state {
        let slots = state.into_iter().map(|(slot, value)| (slot.into(), value.into()));
        db.replace_account_storage(address, slots.collect())?;
    }
    for (slot, value) in account.state_diff.into_iter().flatten() {
        db.insert_account_storage(address, slot.into(), value.into())?;
    }
    Ok(())
}

fn outcome(result: ExecutionResult<OpHaltReason>) -> Outcome {
    match result {
        ExecutionResult::Success { gas, output, .. } => Outcome::Success {
            output: output.into_data(),
            gas_used: gas.tx_gas_used(),
            gas_refunded: gas.inner_refunded(),
        },
        ExecutionResult::Revert { output, .. } => Outcome::Reverted(output),
        ExecutionResult::Halt { reason: OpHaltReason::Base(reason), .. } => Outcome::Failed {
            out_of_gas: matches!(reason, HaltReason::OutOfGas(_)),
            reason: halt_message(&reason),
        },
        ExecutionResult::Halt { reason: OpHaltReason::FailedDeposit, .. } => {
            Outcome::Failed { reason: "failed deposit".to_owned(), out_of_gas: false }
        }
    }
}

/// geth's words for the ends that it names.
fn halt_message(reason: &HaltReason) -> String {
    match reason {
        HaltReason::OutOfGas(_) => "out of gas".to_owned(),
        HaltReason::InvalidFEOpcode => "invalid opcode: INVALID".to_owned(),
        HaltReason::OpcodeNotFound | HaltReason::NotActivated => {
            "invalid opcode: opcode not defined".to_owned()
        }
        HaltReason::CreateCollision => "contract address collision".to_owned(),
        HaltReason::CreateContractSizeLimit => "max code size exceeded".to_owned(),
        HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded".to_owned(),
        HaltReason::CreateContractStartingWithEF => "invalid code: must not begin with 0xef".to_owned(),
        HaltReason::StackOverflow => "stack limit reached 1024".to_owned(),
        HaltReason::OutOfOffset => "return data out of bounds".to_owned(),
        HaltReason::NonceOverflow => "nonce uint64 overflow".to_owned(),
        HaltReason::StateChangeDuringStaticCall | HaltReason::CallNotAllowedInsideStatic => {
            "write protection".to_owned()
        }
        HaltReason::OutOfFunds => "insufficient balance for transfer".to_owned(),
        HaltReason::CallTooDeep => "max call depth exceeded".to_owned(),
        other => other.to_string(),
    }
}

/// What it means that no block could hold the message: too little gas is an outcome, all else an error.
fn refusal(error: OpTransactionError, message: &TxEnv) -> Result<Outcome, RpcError> {
    let OpTransactionError::Base(error) = error else { return Err(RpcError::Call(error.to_string())) };
    let caller = message.caller;
    let text = match error {
        InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            let reason = format!("intrinsic gas too low: have {gas_limit}, want {initial_gas}");
            return Ok(Outcome::TooLittleGas(reason));
        }
        InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
            let reason =
                format!("insufficient gas for floor data gas cost: have {gas_limit}, want {gas_floor}");
            return Ok(Outcome::TooLittleGas(reason));
        }
        InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
            format!("insufficient funds for gas * price + value: address {caller} have {balance} want {fee}")
        }
        InvalidTransaction::GasPriceLessThanBasefee => format!(
            "max fee per gas less than block base fee: address {caller}, maxFeePerGas: {}",
            message.gas_price
        ),
        InvalidTransaction::PriorityFeeGreaterThanMaxFee => format!(
            "max priority fee per gas higher than max fee per gas: address {caller}, maxFeePerGas: {}",
            message.gas_price
        ),
        InvalidTransaction::CreateInitCodeSizeLimit => {
            format!("max initcode size exceeded: code size {}", message.data.len())
        }
        InvalidTransaction::EmptyAuthorizationList => "set code transaction with empty auth list".to_owned(),
        other => other.to_string(),
    };
    Err(RpcError::Call(text))
}

impl From<EVMError<StateError>> for RpcError {
    fn from(error: EVMError<StateError>) -> Self {
        match error {
            EVMError::Database(error) => error.into(),
            error => Self::internal(error.to_string()),
        }
    }
}
