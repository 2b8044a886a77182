//! The options of geth's tracers.

use std::time::Duration;

use alloy::primitives::U256;
use alloy::rpc::types::trace::{
    geth::{
        CallFrame, DefaultFrame, GethDebugBuiltInTracerType, GethDebugTracerType, GethDebugTracingOptions,
        GethTrace,
    },
    parity::{Action, LocalizedTransactionTrace, TraceOutput},
};
use revm_inspectors::tracing::{DebugInspector, DebugInspectorError};
use serde_json::Value;

use super::guard::Guard;
use crate::rpc::{CallLimits, error::RpcError};

const TRACERS: &str = "tracer not found: the tracers are callTracer, prestateTracer, 4byteTracer, flatCallTracer, \
                       muxTracer, noopTracer and erc7562Tracer; JavaScript is not supported";

/// A tracer of geth's, as asked for.
#[derive(Debug)]
pub(super) struct Tracer {
    pub(super) inspector: DebugInspector,
    time: Option<Duration>,
    pub(super) form: Form,
}

/// How traces are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// Bytes of text after which the opcode logger stops to tell steps.
    limit: Option<usize>,
    /// `flatCallTracer`'s errors are in Parity's words.
    parity_errors: bool,
}

impl Tracer {
    /// # Errors
    /// There is no such tracer, or its configuration is malformed.
    pub(super) fn new(mut options: GethDebugTracingOptions) -> Result<Self, RpcError> {
        let time = options.timeout.as_deref().map(humantime::parse_duration).transpose();
        let time = time.map_err(|error| invalid("timeout", error.to_string()))?;
        let limit = options.config.limit.filter(|limit| *limit > 0); // geth: zero is no limit
        let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        // execution-apis: an empty name means the opcode logger, as none does.
        options.tracer = options.tracer.filter(|name| *name != GethDebugTracerType::JsTracer(String::new()));
        let config = &mut options.tracer_config.0;
        let mut flat = &*config;
        if options.tracer == Some(GethDebugBuiltInTracerType::MuxTracer.into()) {
            complete_mux(config);
            flat = &config["flatCallTracer"];
        }
        let parity_errors = flat["convertParityErrors"] == true;
        let inspector = DebugInspector::new(options).map_err(|error| match error {
            DebugInspectorError::JsTracerNotEnabled | DebugInspectorError::UnsupportedTracer => {
                RpcError::Call(TRACERS.to_owned())
            }
            error => invalid("tracerConfig", error.to_string()),
        })?;
        Ok(Self { inspector, time, form: Form { limit, parity_errors } })
    }

    /// The bounds of a run that starts now.
    pub(super) fn guard(&self, limits: &CallLimits) -> Guard {
        match &self.inspector {
            DebugInspector::Default(inspector, _) | DebugInspector::Erc7562Tracer(inspector, _) => {
                Guard::tracing(limits, self.time, inspector.config())
            }
            _ => Guard::calls(limits, self.time),
        }
    }
}

/// Gas of a transaction: its limit, and what it used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gas {
    pub(super) limit: u64,
    pub(super) used: u64,
}

impl Form {
    /// Gives the trace of a transaction the shape that geth gives it: of the opcode logger's steps as many as make
    /// `limit` bytes, all gas in the root of a tree of calls, and the same tree from `muxTracer` as from `callTracer`.
    pub(super) fn shape(self, trace: GethTrace, gas: Gas) -> GethTrace {
        match trace {
            GethTrace::Default(frame) => GethTrace::Default(shape_steps(frame, self.limit)),
            GethTrace::CallTracer(root) => {
                GethTrace::CallTracer(CallFrame { gas: U256::from(gas.limit), ..root })
            }
            GethTrace::FlatCallTracer(frames) => {
                GethTrace::FlatCallTracer(shape_frames(frames, gas, self.parity_errors))
            }
            GethTrace::MuxTracer(mut mux) => {
                mux.0.values_mut().for_each(|trace| *trace = self.shape(std::mem::take(trace), gas));
                GethTrace::MuxTracer(mux)
            }
            other => other,
        }
    }
}

fn shape_frames(
    mut frames: Vec<LocalizedTransactionTrace>,
    gas: Gas,
    parity_errors: bool,
) -> Vec<LocalizedTransactionTrace> {
    for LocalizedTransactionTrace { trace, .. } in &mut frames {
        if trace.trace_address.is_empty() {
            match &mut trace.action {
                Action::Call(call) => call.gas = gas.limit,
                Action::Create(create) => create.gas = gas.limit,
                Action::Selfdestruct(_) | Action::Reward(_) => continue,
            }
            match &mut trace.result {
                Some(TraceOutput::Call(call)) => call.gas_used = gas.used,
                Some(TraceOutput::Create(create)) => create.gas_used = gas.used,
                None => {}
            }
        }
        if !parity_errors {
            trace.error = trace.error.take().map(|error| call_error(&error).to_owned());
        }
    }
    frames
}

/// geth's words for what ends a call; the crate tells Parity's.
fn call_error(words: &str) -> &str {
    match words {
        "Reverted" => "execution reverted",
        "Out of gas" => "out of gas",
        "Bad instruction" => "invalid opcode",
        "Bad jump destination" => "invalid jump destination",
        "Out of stack" => "stack limit reached 1024 (1023)",
        "Built-in failed" => "precompiled failed",
        "Insufficient balance for transfer" => "insufficient balance for transfer",
        other => step_error(other),
    }
}

/// geth leaves refund counters of zero out.
fn shape_steps(mut frame: DefaultFrame, limit: Option<usize>) -> DefaultFrame {
    let mut size_bytes = 0_usize;
    frame.struct_logs.retain_mut(|step| {
        step.refund_counter = step.refund_counter.filter(|refund| *refund > 0);
        step.error = step.error.take().map(|error| step_error(&error).to_owned());
        let keep = limit.is_none_or(|limit| size_bytes <= limit);
        if limit.is_some() && keep {
            size_bytes += serde_json::to_vec(step).map_or(0, |text| text.len());
        }
        keep
    });
    frame
}

/// geth's words for what ends a step; the crate tells the name that revm has for it.
fn step_error(name: &str) -> &str {
    let name = name.strip_prefix("Some(").and_then(|name| name.strip_suffix(')')).unwrap_or(name);
    match name {
        "StackUnderflow" => "stack underflow",
        "StackOverflow" => "stack limit reached 1024",
        "InvalidJump" => "invalid jump destination",
        "InvalidFEOpcode" => "invalid opcode: INVALID",
        "OpcodeNotFound" | "NotActivated" => "invalid opcode: opcode not defined",
        "OutOfOffset" => "return data out of bounds",
        "StateChangeDuringStaticCall" | "CallNotAllowedInsideStatic" => "write protection",
        "CreateInitCodeSizeLimit" => "max initcode size exceeded",
        gas if gas.ends_with("OOG") || gas == "OutOfGas" => "out of gas",
        other => other,
    }
}

/// geth takes null for "no configuration"; the crate asks for one where a tracer can have it, and for none elsewhere.
fn complete_mux(config: &mut Value) {
    let Value::Object(tracers) = config else { return };
    for (name, config) in tracers {
        let plain = ["4byteTracer", "noopTracer"].contains(&name.as_str());
        match config {
            Value::Null if !plain => *config = Value::Object(serde_json::Map::new()),
            Value::Object(fields) if plain && fields.is_empty() => *config = Value::Null,
            _ => {}
        }
    }
}

fn invalid(name: &'static str, reason: String) -> RpcError {
    RpcError::InvalidField { name, reason }
}
