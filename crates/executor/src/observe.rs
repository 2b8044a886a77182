//! Instructions that tell a [`Watch`] database what execution observes.
//!
//! Each runs revm's own function for its opcode and reports beside it; no rule is written again, no gas is counted.
//! What is not reported here is loaded from the database, and what is loaded counts as observed, so the table lists
//! every place in revm 38 and op-revm 20 where more than the code of an account that is *already* loaded, or that is
//! loaded under [`Watch::loading_code`], reaches a decision or a value.
//!
//! | Where | What matters | Who says so |
//! |---|---|---|
//! | sender, before execution | code, nonce, `balance ≥ max_cost`, hence also the transfer of the transaction's value | the database: it knows the sender |
//! | authorities of type 4 (EIP-7702) | code, nonce, whether it is empty | the database: what such a transaction loads unannounced counts as whole |
//! | callee of the transaction and its delegate | code | the database: it knows the callee |
//! | account that a creating transaction creates | code, nonce | its load, which is not announced; the database, if it is a fee account |
//! | access list, beneficiary's warmth, precompiles' warmth | nothing: warm addresses are not loaded | |
//! | beneficiary and OP fee vaults, after execution | nothing: credits | the database: it knows them |
//! | refund to the sender | nothing: a credit | |
//! | fee parameters of OP | none: [`crate::Optimism`] holds them | |
//! | `BALANCE` | balance | here |
//! | `SELFBALANCE` | balance of the executing account | here |
//! | `EXTCODESIZE`, `EXTCODECOPY` | code | load announced here |
//! | `EXTCODEHASH` | code, and whether the account is empty if it has none | here |
//! | `CALL` | code of callee and delegate | loads announced here |
//! | `CALL` with value | also: whether the callee is empty (gas), whether the caller's balance suffices, overflow of the callee's | here |
//! | `CALLCODE` with value | code; whether the caller's balance suffices | here |
//! | `DELEGATECALL`, `STATICCALL` | code | loads announced here |
//! | call without value | touches an account; whether that one is empty decides no gas since Spurious Dragon | |
//! | `CREATE`, `CREATE2` | creator's nonce; whether its balance suffices; code and nonce of the new account | here, and the load of the new account |
//! | `SELFDESTRUCT` | balance of the executing account; balance and emptiness of the target | here |
//! | `SLOAD`, `SSTORE` | the slot; of its account the code's key, which stands for the storage too | `Database::storage`; the account is loaded, as it executes |
//! | `BLOCKHASH` | the hash | `Database::block_hash` |
//! | `TLOAD`, `TSTORE`, `LOG*`, `ORIGIN`, `COINBASE` and other opcodes | nothing of an account, at most its address | |
//! | precompiles, OP's too | nothing but their input | |
//! | code deposit, reverts | nothing that was not loaded | |
//! | logs of burnt balances (EIP-7708) | balance after SELFDESTRUCT, which was reported there | here |
//!
//! Sums that leave 256 bits are seen here where a call or creation fails for one. That credits of other transactions
//! do not make one is up to the database.

use alloy_primitives::{Address, B256, U256};
use op_revm::constants::{BASE_FEE_RECIPIENT, L1_FEE_RECIPIENT, OPERATOR_FEE_RECIPIENT};
use revm::{
    Context, Journal,
    bytecode::opcode,
    context::{Block, Cfg, CreateScheme, Host, JournalTr, Transaction},
    handler::instructions::EthInstructions,
    interpreter::{
        CreateInputs, FrameInput, Instruction, InstructionContext, InterpreterAction,
        instructions::{contract, host, system},
        interpreter::EthInterpreter,
        interpreter_types::{InputsTr, LoopControl},
    },
    primitives::KECCAK_EMPTY,
    state::{Account, EvmState},
};

use crate::vm::Watch;

/// An EVM's host whose database watches.
pub(crate) trait Watched: Host {
    type Db: Watch;

    fn watch(&mut self) -> &mut Self::Db;

    /// Accounts that are loaded.
    fn accounts(&self) -> &EvmState;
}

impl<B, T, C, D, X> Watched for Context<B, T, C, D, Journal<D>, X>
where
    B: Block,
    T: Transaction,
    C: Cfg,
    D: Watch,
{
    type Db = D;

    #[inline]
    fn watch(&mut self) -> &mut D {
        self.journaled_state.db_mut()
    }

    #[inline]
    fn accounts(&self) -> &EvmState {
        &self.journaled_state.inner.state
    }
}

type At<'a, H> = InstructionContext<'a, H, EthInterpreter>;

/// Puts the watching instructions in place of the ones that they call.
pub(crate) fn watch<H: Watched>(instructions: &mut EthInstructions<EthInterpreter, H>) {
    let mut replace = |opcode: u8, with: fn(At<'_, H>)| {
        let gas = instructions.instruction_table[usize::from(opcode)].static_gas();
        instructions.insert_instruction(opcode, Instruction::new(with, gas));
    };
    replace(opcode::BALANCE, balance);
    replace(opcode::SELFBALANCE, selfbalance);
    replace(opcode::EXTCODESIZE, extcodesize);
    replace(opcode::EXTCODECOPY, extcodecopy);
    replace(opcode::EXTCODEHASH, extcodehash);
    replace(opcode::CALL, call);
    replace(opcode::CALLCODE, call_code);
    replace(opcode::DELEGATECALL, delegate_call);
    replace(opcode::STATICCALL, static_call);
    replace(opcode::CREATE, create::<false, H>);
    replace(opcode::CREATE2, create::<true, H>);
    replace(opcode::SELFDESTRUCT, selfdestruct);
    replace(opcode::KECCAK256, keccak256);
}

/// The same place again, for the original instruction.
#[inline]
const fn again<'a, H>(at: &'a mut At<'_, H>) -> At<'a, H> {
    InstructionContext { interpreter: &mut *at.interpreter, host: &mut *at.host }
}

/// The word that lies `depth` below the top of the stack; zero if there is none, and then the instruction halts.
#[inline]
fn operand<H>(at: &At<'_, H>, depth: usize) -> U256 {
    at.interpreter.stack.peek(depth).unwrap_or_default()
}

/// The address that lies `depth` below the top of the stack.
#[inline]
fn address_operand<H>(at: &At<'_, H>, depth: usize) -> Address {
    Address::from_word(B256::from(operand(at, depth)))
}

/// Runs `original` so that what it loads counts as code.
#[inline]
fn for_code<H: Watched>(at: &mut At<'_, H>, original: impl FnOnce(At<'_, H>)) {
    at.host.watch().loading_code();
    original(again(at));
    at.host.watch().loaded();
}

/// Reports a balance and nonce, if the account is loaded.
#[inline]
fn report_whole<H: Watched>(host: &mut H, address: Address) {
    if host.accounts().contains_key(&address) {
        host.watch().observed(address);
    }
}

/// Reports that it mattered whether an account is empty, if it is loaded and its code does not tell.
#[inline]
fn report_emptiness<H: Watched>(host: &mut H, address: Address) {
    let codeless =
        |account: &&Account| account.info.code_hash == KECCAK_EMPTY || account.info.code_hash.is_zero();
    if let Some(account) = host.accounts().get(&address).filter(codeless) {
        let now = account.info.balance;
        host.watch().observed_emptiness(address, now);
    }
}

/// Reports that it mattered whether the executing account owns `wei`.
#[inline]
fn report_enough<H: Watched>(at: &mut At<'_, H>, wei: U256) {
    let executing = at.interpreter.input.target_address();
    if let Some(account) = at.host.accounts().get(&executing) {
        let now = account.info.balance;
        at.host.watch().observed_enough(executing, now, wei);
    }
}

fn balance<H: Watched>(mut at: At<'_, H>) {
    let address = address_operand(&at, 0);
    host::balance(again(&mut at));
    report_whole(at.host, address);
}

fn selfbalance<H: Watched>(mut at: At<'_, H>) {
    host::selfbalance(again(&mut at));
    report_whole(at.host, at.interpreter.input.target_address());
}

fn extcodesize<H: Watched>(mut at: At<'_, H>) {
    for_code(&mut at, host::extcodesize);
}

fn extcodecopy<H: Watched>(mut at: At<'_, H>) {
    for_code(&mut at, host::extcodecopy);
}

fn extcodehash<H: Watched>(mut at: At<'_, H>) {
    let address = address_operand(&at, 0);
    for_code(&mut at, host::extcodehash);
    report_emptiness(at.host, address);
}

fn call<H: Watched>(mut at: At<'_, H>) {
    let value = operand(&at, 2);
    let to = address_operand(&at, 1);
    for_code(&mut at, contract::call);
    if value.is_zero() {
        return;
    }
    report_emptiness(at.host, to);
    report_enough(&mut at, value);
    report_overflow(at.host, to, value);
}

/// Reports a balance that cannot take `wei` more, or might not if it were another one: 2^192 is more than there is of
/// any coin.
#[inline]
fn report_overflow<H: Watched>(host: &mut H, address: Address, wei: U256) {
    let overflows =
        |account: &Account| wei.bit_len() > 192 || account.info.balance.checked_add(wei).is_none();
    if host.accounts().get(&address).is_some_and(overflows) {
        host.watch().observed(address);
    }
}

fn call_code<H: Watched>(mut at: At<'_, H>) {
    let value = operand(&at, 2);
    for_code(&mut at, contract::call_code);
    if !value.is_zero() {
        report_enough(&mut at, value);
    }
}

fn delegate_call<H: Watched>(mut at: At<'_, H>) {
    for_code(&mut at, contract::delegate_call);
}

fn static_call<H: Watched>(mut at: At<'_, H>) {
    for_code(&mut at, contract::static_call);
}

fn create<const IS_CREATE2: bool, H: Watched>(mut at: At<'_, H>) {
    contract::create::<EthInterpreter, IS_CREATE2, H>(again(&mut at));
    let Some(InterpreterAction::NewFrame(FrameInput::Create(inputs))) = at.interpreter.bytecode.action()
    else {
        return;
    };
    let value = inputs.value();
    if let Some(address) = settle_address(at.host, inputs) {
        report_creation(at.host, address, value);
    }
    at.host.watch().observed_nonce(at.interpreter.input.target_address());
    if !value.is_zero() {
        report_enough(&mut at, value);
    }
}

/// Computes the address of a creation here instead of in the frame that follows, which then does not hash again.
#[inline]
fn settle_address<H: Watched>(host: &H, inputs: &mut CreateInputs) -> Option<Address> {
    let nonce = host.accounts().get(&inputs.caller())?.info.nonce;
    let address = inputs.created_address(nonce);
    inputs.set_scheme(CreateScheme::Custom { address });
    Some(address)
}

/// Reports what a creation at `address` observes of it, as far as the load by the creation itself does not say it:
/// if it is loaded already, or if the database may take that load for the payment of a fee.
#[inline]
fn report_creation<H: Watched>(host: &mut H, address: Address, value: U256) {
    if host.accounts().contains_key(&address) {
        host.watch().observed_nonce(address);
        report_overflow(host, address, value);
    } else if address == host.beneficiary()
        || [L1_FEE_RECIPIENT, BASE_FEE_RECIPIENT, OPERATOR_FEE_RECIPIENT].contains(&address)
    {
        host.watch().observed(address);
    }
}

fn selfdestruct<H: Watched>(mut at: At<'_, H>) {
    let target = address_operand(&at, 0);
    host::selfdestruct(again(&mut at));
    report_whole(at.host, at.interpreter.input.target_address());
    report_whole(at.host, target);
}

/// Computes the hash of two words that lie in memory, if the database recalls it and there is gas for it; otherwise
/// nothing happens.
#[inline]
fn recall_hash<H: Watched>(at: &mut At<'_, H>) -> bool {
    const INPUT: usize = 64;
    let gas = at.host.gas_params().keccak256_cost(INPUT);
    let InstructionContext { interpreter, host } = at;
    let (Ok(offset), Ok(length)) = (interpreter.stack.peek(0), interpreter.stack.peek(1)) else {
        return false;
    };
    let Some(end) = usize::try_from(offset).ok().and_then(|offset| offset.checked_add(INPUT)) else {
        return false;
    };
    if length != U256::from(INPUT) || interpreter.memory.len() < end || interpreter.gas.remaining() < gas {
        return false;
    }
    let recalled = host.watch().recall_hash(&interpreter.memory.slice_len(end - INPUT, INPUT));
    let Some(hash) = recalled else { return false };
    let is_done = interpreter.gas.record_regular_cost(gas)
        && interpreter.stack.pop().is_ok()
        && interpreter.stack.set(0, hash.into()).is_ok();
    debug_assert!(is_done, "gas and operands were looked at");
    true
}

fn keccak256<H: Watched>(mut at: At<'_, H>) {
    if !at.host.watch().learning() {
        if !recall_hash(&mut at) {
            system::keccak256(at);
        }
        return;
    }
    let (offset, length) = (operand(&at, 0), operand(&at, 1));
    system::keccak256(again(&mut at));
    let (Ok(offset), Ok(length)) = (usize::try_from(offset), usize::try_from(length)) else { return };
    if at.interpreter.bytecode.is_end() || length == 0 {
        return;
    }
    let hash = B256::from(operand(&at, 0));
    at.host.watch().hashed(&at.interpreter.memory.slice_len(offset, length), hash);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
