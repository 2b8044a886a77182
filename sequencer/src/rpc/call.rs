//! `eth_call`: a message run on the state after a block and thrown away.

use std::time::{Duration, Instant};

use alloy::eips::BlockId;
use alloy::primitives::{Address, Bytes, U256};
use alloy::rpc::types::{BlockOverrides, TransactionRequest, state::StateOverride};
use alloy_evm::{Evm, EvmEnv, EvmFactory, precompiles::PrecompilesMap};
use alloy_op_evm::{OpEvm, OpEvmContext, OpEvmFactory, OpTx, OpTxError};
use lockstep_primitives::Header;
use lockstep_state::{Overlay, StateError};
use lockstep_stf::{Rules, evm_env};
use op_revm::{OpHaltReason, OpSpecId, OpTransaction, precompiles::OpPrecompiles};
use revm::{
    Database, DatabaseRef,
    context::{TxEnv, either::Either},
    context_interface::result::{EVMError, ExecutionResult, HaltReason},
    database::CacheDB,
    inspector::{Inspector, NoOpInspector},
    interpreter::{InstructionResult, Interpreter, interpreter_types::LoopControl},
};

use super::{
    CallLimits,
    api::Api,
    args::Args,
    error::RpcError,
    hex::Block,
    overrides,
    refusal::Refusal,
    request::{BlockChanges, Message, StateChanges},
};

/// A request to run, as the caller gave it.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) transaction: TransactionRequest,
    pub(super) state: Option<StateOverride>,
    pub(super) block: Option<BlockOverrides>,
}

impl Request {
    /// Takes the parameters of `eth_call` and its like: message, block, state overrides, block overrides.
    pub(super) fn take(mut args: Args) -> Result<(Self, BlockId), RpcError> {
        let Message(transaction) = args.required("transaction")?;
        let block = args.optional("block")?.map_or_else(BlockId::default, |Block(block)| block);
        let state = args.optional("state overrides")?.map(|StateChanges(state)| state);
        let changes = args.optional("block overrides")?.map(|BlockChanges(changes)| changes);
        args.end()?;
        Ok((Self { transaction, state, block: changes }, block))
    }
}

pub(super) async fn call(api: &Api, args: Args) -> Result<Bytes, RpcError> {
    let (request, block) = Request::take(args)?;
    let base = Base::at(api, block).await?;
    api.call(move || {
        let mut machine = Machine::new(base, request)?;
        match machine.run(machine.gas_cap)? {
            Outcome::Success { output, .. } => Ok(output),
            Outcome::Reverted(output) => Err(RpcError::Reverted(output)),
            Outcome::Failed { reason, .. } => Err(RpcError::Call(reason)),
            Outcome::TooLittleGas(refusal) => Err(RpcError::Unincludable(refusal)),
        }
    })
    .await
}

/// What calls stand on: a block and the state after it.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) header: Header,
    pub(super) state: Overlay,
    pub(super) rules: Rules,
    pub(super) limits: CallLimits,
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
    /// Precompiles where the request put them; the EVM that runs the message must be given them.
    pub(super) precompiles: PrecompilesMap,
    message: TxEnv,
    gas_cap: u64,
}

impl<S: DatabaseRef<Error = StateError>> Prepared<S> {
    pub(super) fn new(
        mut db: CacheDB<S>,
        mut env: EvmEnv<OpSpecId>,
        limits: &CallLimits,
        request: Request,
    ) -> Result<Self, RpcError> {
        if let Some(changes) = request.block {
            if changes.beacon_root.is_some() {
                let text = r#"block override "beaconRoot" is not supported for this RPC method"#;
                return Err(RpcError::Call(text.to_owned()));
            }
            overrides::apply_to_block(&mut env.block_env, &changes);
            let hashes = changes.block_hash.into_iter().flatten();
            db.cache.block_hashes.extend(hashes.map(|(number, hash)| (U256::from(number), hash)));
        }
        let of_spec = OpPrecompiles::new_with_spec(env.cfg_env.spec).precompiles();
        let mut precompiles = PrecompilesMap::from_static(of_spec);
        overrides::apply_to_state(&mut db, &mut precompiles, request.state.unwrap_or_default())?;
        let gas_cap = limits.call_gas.min(env.block_env.gas_limit);
        let gas_cap = request.transaction.gas.map_or(gas_cap, |gas| gas.min(gas_cap));
        let message = message(request.transaction, &env)?;
        if message.gas_price == 0 {
            env.block_env.basefee = 0; // a call that offers no price runs as if gas were free
        }
        env.cfg_env.disable_nonce_check = true;
        env.cfg_env.disable_eip3607 = true;
        env.cfg_env.tx_gas_limit_cap = Some(u64::MAX); // EIP-7825 binds transactions, not calls
        Ok(Self { db, env, precompiles, message, gas_cap })
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
    TooLittleGas(Refusal),
}

/// The state of a call with its overrides.
type Db = CacheDB<Overlay>;

/// An EVM with one message, which may run many times with different gas limits.
pub(super) struct Machine<I = NoOpInspector> {
    evm: OpEvm<Db, (Deadline, I), PrecompilesMap>,
    message: TxEnv,
    /// Gas that the call may use: the request's, the block's and the node's limit, whichever is least.
    pub(super) gas_cap: u64,
    timeout: Duration,
}

impl Machine {
    pub(super) fn new(base: Base, request: Request) -> Result<Self, RpcError> {
        Self::inspected(base, request, NoOpInspector)
    }
}

impl<I: Inspector<OpEvmContext<Db>>> Machine<I> {
    /// A machine whose runs `inspector` sees.
    pub(super) fn inspected(base: Base, request: Request, inspector: I) -> Result<Self, RpcError> {
        let timeout = base.limits.call_timeout;
        let Prepared { db, env, precompiles, message, gas_cap } = base.prepare(request)?;
        let inspector = (Deadline::after(timeout), inspector);
        let mut evm = OpEvmFactory::<OpTx>::default().create_evm_with_inspector(db, env, inspector);
        *evm.components_mut().2 = precompiles;
        Ok(Self { evm, message, gas_cap, timeout })
    }

    pub(super) const fn message(&self) -> &TxEnv {
        &self.message
    }

    /// Changes the message for later runs.
    pub(super) const fn message_mut(&mut self) -> &mut TxEnv {
        &mut self.message
    }

    pub(super) fn inspector_mut(&mut self) -> &mut I {
        &mut self.evm.components_mut().1.1
    }

    /// Balance of the sender, overrides included.
    pub(super) fn balance(&mut self) -> Result<U256, RpcError> {
        let caller = self.message.caller;
        Ok(self.evm.db_mut().basic(caller)?.map_or(U256::ZERO, |account| account.balance))
    }

    /// Whether `address` has no code and is no precompile.
    pub(super) fn is_codeless(&mut self, address: Address) -> Result<bool, RpcError> {
        let (db, _, precompiles) = self.evm.components_mut();
        let is_plain = precompiles.get(&address).is_none();
        Ok(is_plain && db.basic(address)?.is_none_or(|account| account.is_empty_code_hash()))
    }

    /// Runs the message with `gas_limit`; the state stays as it was.
    pub(super) fn run(&mut self, gas_limit: u64) -> Result<Outcome, RpcError> {
        Ok(match self.transact(gas_limit)? {
            Ok(result) => outcome(result),
            Err(refusal) => Outcome::TooLittleGas(refusal),
        })
    }

    /// [`Self::run`], with all that the EVM says of the run.
    pub(super) fn transact(
        &mut self,
        gas_limit: u64,
    ) -> Result<Result<ExecutionResult<OpHaltReason>, Refusal>, RpcError> {
        let result = self.evm.transact_raw(transaction(&self.message, gas_limit));
        if self.evm.inspector().0.expired() {
            return Err(RpcError::Timeout(self.timeout.into()));
        }
        match result {
            Ok(done) => Ok(Ok(done.result)),
            Err(EVMError::Transaction(OpTxError(error))) => {
                let refusal = Refusal::new(&error, &self.message, self.evm.block().basefee);
                if refusal.wants_gas() { Ok(Err(refusal)) } else { Err(RpcError::Unincludable(refusal)) }
            }
            Err(EVMError::Database(error)) => Err(error.into()),
            Err(error) => Err(RpcError::internal(error.to_string())),
        }
    }
}

/// `message` as a transaction that may use `gas_limit`.
pub(super) fn transaction(message: &TxEnv, gas_limit: u64) -> OpTx {
    let base = TxEnv { gas_limit, ..message.clone() };
    // No bytes, no data fee: it is not part of gas, and the message is not signed yet.
    OpTx(OpTransaction { enveloped_tx: Some(Bytes::new()), ..OpTransaction::new(base) })
}

/// Stops a run that takes too long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at: Instant,
    steps: u32,
    expired: bool,
}

impl Deadline {
    /// Steps between two looks at the clock.
    const INTERVAL: u32 = 1024;

    pub(super) fn after(time: Duration) -> Self {
        Self { at: Instant::now() + time, steps: 0, expired: false }
    }

    /// Whether a run was stopped.
    pub(super) const fn expired(&self) -> bool {
        self.expired
    }

    /// Whether the time is over, for work between runs.
    pub(super) fn is_over(&self) -> bool {
        self.expired || Instant::now() >= self.at
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
pub(super) fn message(request: TransactionRequest, env: &EvmEnv<OpSpecId>) -> Result<TxEnv, RpcError> {
    let chain_id = env.cfg_env.chain_id;
    if let Some(have) = request.chain_id.filter(|have| *have != chain_id) {
        return Err(RpcError::Call(format!("chainId does not match node's (have={have}, want={chain_id})")));
    }
    if request.gas_price.is_some() && request.max_fee_per_gas.or(request.max_priority_fee_per_gas).is_some() {
        let text = "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified";
        return Err(RpcError::Call(text.to_owned()));
    }
    if request.blob_versioned_hashes.as_ref().is_some_and(|hashes| !hashes.is_empty()) {
        let reason = "L2 has no blob transactions".to_owned();
        return Err(RpcError::InvalidField { name: "blobVersionedHashes", reason });
    }
    let tx_type = tx_type(&request);
    let caller = request.from.unwrap_or_default();
    let kind = request.to.unwrap_or_default();
    if tx_type == 4 && kind.is_create() {
        let text = format!("EIP-7702 transaction cannot be used to create contract (sender {caller})");
        return Err(RpcError::Call(text));
    }
    let data = request.input.try_into_unique_input().map_err(|_| {
        let text = "both \"data\" and \"input\" are set and not equal. Please use \"input\" to pass transaction call data";
        RpcError::Call(text.to_owned())
    })?;
    let authorizations = request.authorization_list.unwrap_or_default();
    Ok(TxEnv {
        tx_type,
        caller,
        gas_limit: 0, // each run sets its own
        gas_price: request.gas_price.or(request.max_fee_per_gas).unwrap_or(0),
        gas_priority_fee: request.max_priority_fee_per_gas.filter(|_| request.max_fee_per_gas.is_some()),
        kind,
        value: request.value.unwrap_or_default(),
        data: data.unwrap_or_default(),
        nonce: request.nonce.unwrap_or_default(),
        chain_id: Some(chain_id),
        access_list: request.access_list.unwrap_or_default(),
        authorization_list: authorizations.into_iter().map(Either::Left).collect(),
        ..TxEnv::default()
    })
}

/// The first type that has the fields; as in geth, the type that the caller names counts for nothing.
const fn tx_type(request: &TransactionRequest) -> u8 {
    if request.authorization_list.is_some() {
        4
    } else if request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some() {
        2
    } else if request.access_list.is_some() {
        1
    } else {
        0
    }
}

fn outcome(result: ExecutionResult<OpHaltReason>) -> Outcome {
    match result {
        ExecutionResult::Success { gas, output, .. } => Outcome::Success {
            output: output.into_data(),
            gas_used: gas.tx_gas_used(),
            gas_refunded: gas.inner_refunded(),
        },
        ExecutionResult::Revert { output, .. } => Outcome::Reverted(output),
        ExecutionResult::Halt { reason, .. } => Outcome::Failed {
            out_of_gas: matches!(reason, OpHaltReason::Base(HaltReason::OutOfGas(_))),
            reason: halt_message(&reason),
        },
    }
}

/// geth's words for the ends that it names.
pub(super) fn halt_message(reason: &OpHaltReason) -> String {
    let OpHaltReason::Base(reason) = reason else { return "failed deposit".to_owned() };
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

impl From<EVMError<StateError>> for RpcError {
    fn from(error: EVMError<StateError>) -> Self {
        match error {
            EVMError::Database(error) => error.into(),
            error => Self::internal(error.to_string()),
        }
    }
}
