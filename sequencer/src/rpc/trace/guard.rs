//! Bounds on a trace.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use alloy::primitives::{Address, Log, U256};
use revm::{
    bytecode::opcode::{SLOAD, SSTORE},
    context_interface::{ContextTr, JournalTr},
    inspector::Inspector,
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, InstructionResult, Interpreter,
        interpreter_types::{InputsTr, Jumps, LoopControl},
    },
};
use revm_inspectors::tracing::{StackSnapshotType, TracingInspectorConfig};

use crate::rpc::{CallLimits, error::RpcError};

/// Memory of one recorded step beside stack and memory: as recorded and as told.
const STEP_BYTES: usize = 512;
/// Memory of one recorded call, or log, beside its bytes.
const FRAME_BYTES: usize = 512;
/// Memory of one storage slot in the picture of storage that steps carry.
const SLOT_BYTES: usize = 128;

/// Ends a run that takes too long, or of which an inspector would keep too much.
///
/// An inspector keeps what it sees until the answer is sent. Its work is bounded by gas, its memory is not: a step
/// costs three gas and may hold the whole memory, a call of a hundred gas may have a megabyte of input.
#[derive(Debug)]
pub(super) struct Guard {
    deadline: Instant,
    limits: CallLimits,
    steps_kept: Option<Steps>,
    steps: u32,
    calls: usize,
    bytes: usize,
    slots: HashMap<Address, HashSet<U256>>,
    stopped: Option<Stop>,
}

/// Why a run was ended.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Time,
    Bytes,
    Calls,
}

/// What an inspector keeps of each step.
#[derive(Clone, Copy, Debug)]
struct Steps {
    stack: bool,
    memory: bool,
    storage: bool,
}

impl Guard {
    /// Steps between two looks at the clock.
    const INTERVAL: u32 = 1024;

    /// For an inspector of calls, which may run for `time` from now on, and for no longer than the node allows.
    pub(super) fn calls(limits: &CallLimits, time: Option<Duration>) -> Self {
        Self {
            deadline: Instant::now() + time.unwrap_or(limits.call_timeout).min(limits.call_timeout),
            limits: *limits,
            steps_kept: None,
            steps: 0,
            calls: 0,
            bytes: 0,
            slots: HashMap::new(),
            stopped: None,
        }
    }

    /// For an inspector with this configuration.
    pub(super) fn tracing(
        limits: &CallLimits,
        time: Option<Duration>,
        config: &TracingInspectorConfig,
    ) -> Self {
        let steps = Steps {
            stack: matches!(config.record_stack_snapshots, StackSnapshotType::All | StackSnapshotType::Full),
            memory: config.record_memory_snapshots,
            storage: config.record_state_diff,
        };
        Self { steps_kept: config.record_steps.then_some(steps), ..Self::calls(limits, time) }
    }

    /// Whether the run is still within its bounds; after each transaction.
    ///
    /// # Errors
    /// The bound that it broke.
    pub(super) fn check(&mut self) -> Result<(), RpcError> {
        if Instant::now() >= self.deadline {
            self.stop(Stop::Time);
        }
        self.calls = 0;
        self.slots.clear();
        match self.stopped {
            None => Ok(()),
            Some(Stop::Time) => Err(RpcError::Call("execution timeout".to_owned())),
            Some(Stop::Bytes) => {
                Err(RpcError::Limit(format!("trace is larger than {} bytes", self.limits.trace_bytes)))
            }
            Some(Stop::Calls) => {
                Err(RpcError::Limit(format!("transaction makes more than {} calls", self.limits.trace_calls)))
            }
        }
    }

    /// What was seen is dropped, but for `bytes` of it.
    pub(super) const fn forget_all_but(&mut self, bytes: usize) {
        self.bytes = bytes;
    }

    fn keep(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.trace_bytes {
            self.stop(Stop::Bytes);
        }
    }

    fn stop(&mut self, why: Stop) {
        self.stopped.get_or_insert(why);
    }

    fn enter(&mut self, depth: usize, input_bytes: usize) {
        self.keep(FRAME_BYTES + size_of::<usize>() * depth + input_bytes);
        self.calls += 1;
        if self.calls > self.limits.trace_calls {
            self.stop(Stop::Calls);
        }
    }

    /// Bytes that a step costs: as it is recorded, and as the text that is made of it.
    fn step_bytes(&mut self, steps: Steps, interpreter: &Interpreter) -> usize {
        let stack = if steps.stack { 2 * 32 * interpreter.stack.len() } else { 0 };
        let memory = if steps.memory { 3 * interpreter.memory.len() } else { 0 };
        let storage = if steps.storage { self.storage_bytes(interpreter) } else { 0 };
        STEP_BYTES + stack + memory + storage
    }

    /// A step that touches storage carries all slots of the contract that were touched before it.
    fn storage_bytes(&mut self, interpreter: &Interpreter) -> usize {
        if !matches!(interpreter.bytecode.opcode(), SLOAD | SSTORE) {
            return 0;
        }
        let slots = self.slots.entry(interpreter.input.target_address()).or_default();
        slots.extend(interpreter.stack.peek(0));
        SLOT_BYTES * slots.len()
    }
}

impl<CTX: ContextTr> Inspector<CTX> for Guard {
    fn step(&mut self, interpreter: &mut Interpreter, _context: &mut CTX) {
        self.steps = self.steps.wrapping_add(1);
        if self.steps.is_multiple_of(Self::INTERVAL) && Instant::now() >= self.deadline {
            self.stop(Stop::Time);
        }
        if !interpreter.bytecode.is_not_end() {
            return; // an inspector before this one has ended the run, and left no instruction
        }
        if let Some(steps) = self.steps_kept {
            let bytes = self.step_bytes(steps, interpreter);
            self.keep(bytes);
        }
        if self.stopped.is_some() {
            interpreter.halt(InstructionResult::OutOfGas);
        }
    }

    fn log(&mut self, _context: &mut CTX, log: Log) {
        self.keep(FRAME_BYTES + log.data.data.len());
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.enter(context.journal().depth(), inputs.input.len());
        None
    }

    fn call_end(&mut self, _context: &mut CTX, _inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.keep(outcome.result.output.len());
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.enter(context.journal().depth(), inputs.init_code().len());
        None
    }

    fn create_end(&mut self, _context: &mut CTX, _inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        self.keep(outcome.result.output.len());
    }
}
