//! Metrics of the JSON-RPC server. Handles are made once: looking one up by labels costs more than a call.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// Why something was answered with an error of the server itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not JSON, or no JSON-RPC request.
    Malformed,
    /// Body, message, batch, nesting or answer above a limit.
    TooLarge,
    /// Too many connections.
    Connections,
    /// Too many calls of one address.
    Rate,
    /// Too many calls of all addresses.
    Busy,
    /// Too many subscriptions.
    Subscriptions,
    /// No answer in time.
    Timeout,
    /// An origin, a host or a content type that is not served.
    Forbidden,
}

impl Refusal {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Malformed, "malformed"),
        (Self::TooLarge, "too_large"),
        (Self::Connections, "connections"),
        (Self::Rate, "rate"),
        (Self::Busy, "busy"),
        (Self::Subscriptions, "subscriptions"),
        (Self::Timeout, "timeout"),
        (Self::Forbidden, "forbidden"),
    ];
}

/// What one method counts.
#[derive(Clone, Debug)]
pub(crate) struct CallCounters {
    ok: Counter,
    error: Counter,
    seconds: Histogram,
}

impl CallCounters {
    pub(crate) fn new(method: &'static str) -> Self {
        Self {
            ok: counter!("lockstep_rpc_calls_total", "method" => method, "outcome" => "ok"),
            error: counter!("lockstep_rpc_calls_total", "method" => method, "outcome" => "error"),
            seconds: histogram!("lockstep_rpc_call_seconds", "method" => method),
        }
    }

    pub(crate) fn record(&self, ok: bool, seconds: f64) {
        if ok {
            self.ok.increment(1)
        } else {
            self.error.increment(1)
        }
        self.seconds.record(seconds);
    }
}

/// What the server counts beside its methods.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) batches: Counter,
    pub(crate) slow_readers: Counter,
    pub(crate) panics: Counter,
    pub(crate) connections: Gauge,
    pub(crate) websockets: Gauge,
    pub(crate) subscriptions: Gauge,
    refused: [Counter; Refusal::ALL.len()],
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            batches: counter!("lockstep_rpc_batches_total"),
            slow_readers: counter!("lockstep_rpc_slow_readers_total"),
            panics: counter!("lockstep_rpc_panics_total"),
            connections: gauge!("lockstep_rpc_connections"),
            websockets: gauge!("lockstep_rpc_websockets"),
            subscriptions: gauge!("lockstep_rpc_subscriptions"),
            refused: Refusal::ALL
                .map(|(_, reason)| counter!("lockstep_rpc_refused_total", "reason" => reason)),
        }
    }

    pub(crate) fn refused(&self, refusal: Refusal) {
        let known = Refusal::ALL.iter().zip(&self.refused);
        known.filter(|((listed, _), _)| *listed == refusal).for_each(|(_, counter)| counter.increment(1));
    }
}

/// One more of what a gauge counts, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.increment(1);
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
