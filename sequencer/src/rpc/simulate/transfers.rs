//! Logs of a simulated call, transfers of ether among them.

use alloy::primitives::{Address, B256, Log, LogData, U256, address, b256};
use revm::bytecode::opcode::BASEFEE;
use revm::{
    context_interface::{ContextTr, JournalTr},
    inspector::Inspector,
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter, interpreter_types::Jumps,
    },
};

/// Who emits the logs of transfers (execution-apis).
const EMITTER: Address = address!("eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
/// `Transfer(address,address,uint256)`.
const TRANSFER: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// Collects logs in order, without those of frames that fail. Receipts do not know of the transfers among them.
#[derive(Debug, Default)]
pub(super) struct Watch {
    logs: Vec<Log>,
    /// How many logs there were when each open frame began.
    frames: Vec<usize>,
    /// What `BASEFEE` gives, where a call without a price runs in a block that asks one.
    pub(super) shown_base_fee: Option<U256>,
    at_base_fee: bool,
}

impl Watch {
    /// The logs of the call that ended.
    pub(super) fn take(&mut self) -> Vec<Log> {
        self.frames.clear();
        std::mem::take(&mut self.logs)
    }

    fn transfer(&mut self, from: Address, to: Address, value: U256) {
        if value.is_zero() {
            return;
        }
        let topics = vec![TRANSFER, from.into_word(), to.into_word()];
        let data = LogData::new_unchecked(topics, value.to_be_bytes_vec().into());
        self.logs.push(Log { address: EMITTER, data });
    }

    fn enter(&mut self) {
        self.frames.push(self.logs.len());
    }

    fn leave(&mut self, succeeded: bool) {
        let before = self.frames.pop().unwrap_or_default();
        if !succeeded {
            self.logs.truncate(before);
        }
    }
}

impl<CTX: ContextTr> Inspector<CTX> for Watch {
    fn step(&mut self, interpreter: &mut Interpreter, _context: &mut CTX) {
        self.at_base_fee = self.shown_base_fee.is_some() && interpreter.bytecode.opcode() == BASEFEE;
    }

    fn step_end(&mut self, interpreter: &mut Interpreter, _context: &mut CTX) {
        if let Some(fee) = self.shown_base_fee.filter(|_| std::mem::take(&mut self.at_base_fee)) {
            interpreter.stack.set(0, fee).ok(); // empty only if the instruction failed
        }
    }

    fn log(&mut self, _context: &mut CTX, log: Log) {
        self.logs.push(log);
    }

    fn call(&mut self, _context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.enter();
        if let Some(value) = inputs.transfer_value() {
            self.transfer(inputs.transfer_from(), inputs.transfer_to(), value);
        }
        None
    }

    fn call_end(&mut self, _context: &mut CTX, _inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.leave(outcome.result.is_ok());
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.enter();
        if let Ok(creator) = context.journal_mut().load_account(inputs.caller()) {
            let created = inputs.created_address(creator.data.info.nonce);
            self.transfer(inputs.caller(), created, inputs.value());
        }
        None
    }

    fn create_end(&mut self, _context: &mut CTX, _inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        self.leave(outcome.result.is_ok());
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.transfer(contract, target, value);
    }
}
