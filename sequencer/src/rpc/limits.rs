//! What one call may cost, as an operator sets it.

use std::time::Duration;

use clap::builder::RangedU64ValueParser;

/// Bounds on what one call may cost.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct CallLimits {
    /// Most blocks that one `eth_getLogs` may span.
    #[arg(
        long = "rpc-max-log-blocks",
        env = "LOCKSTEP_RPC_MAX_LOG_BLOCKS",
        value_name = "BLOCKS",
        default_value_t = 100_000
    )]
    pub max_block_range: u64,

    /// Most logs in one answer.
    #[arg(
        long = "rpc-max-logs",
        env = "LOCKSTEP_RPC_MAX_LOGS",
        value_name = "LOGS",
        default_value_t = 10_000
    )]
    pub max_logs: usize,

    /// Most addresses, or alternatives of one topic, in a log filter.
    #[arg(
        long = "rpc-max-filter-values",
        env = "LOCKSTEP_RPC_MAX_FILTER_VALUES",
        value_name = "VALUES",
        default_value_t = 1_000
    )]
    pub max_filter_values: usize,

    /// Most filters (`eth_newFilter`, …) of all clients.
    #[arg(
        long = "rpc-max-filters",
        env = "LOCKSTEP_RPC_MAX_FILTERS",
        value_name = "FILTERS",
        default_value_t = 1_000
    )]
    pub max_filters: usize,

    /// Time after which a filter that nobody polls is dropped.
    #[arg(long = "rpc-filter-lifetime", env = "LOCKSTEP_RPC_FILTER_LIFETIME", value_name = "DURATION", default_value = "5m", value_parser = humantime::parse_duration)]
    pub filter_lifetime: Duration,

    /// Most storage keys in one `eth_getProof`.
    #[arg(
        long = "rpc-max-proof-keys",
        env = "LOCKSTEP_RPC_MAX_PROOF_KEYS",
        value_name = "KEYS",
        default_value_t = 1_024
    )]
    pub max_proof_keys: usize,

    /// Gas that `eth_call`, `eth_estimateGas` and the like may use.
    #[arg(
        long = "rpc-call-gas",
        env = "LOCKSTEP_RPC_CALL_GAS",
        value_name = "GAS",
        default_value_t = 50_000_000
    )]
    pub call_gas: u64,

    /// Time that one EVM call or trace may take.
    #[arg(long = "rpc-call-timeout", env = "LOCKSTEP_RPC_CALL_TIMEOUT", value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    pub call_timeout: Duration,

    /// EVM calls that run at the same time, 1 to 1024; more wait.
    #[arg(long = "rpc-concurrent-calls", env = "LOCKSTEP_RPC_CONCURRENT_CALLS", value_name = "CALLS", default_value_t = 8, value_parser = at_once())]
    pub concurrent_calls: usize,

    /// Traces among them that run at the same time, 1 to 1024.
    #[arg(long = "rpc-concurrent-traces", env = "LOCKSTEP_RPC_CONCURRENT_TRACES", value_name = "TRACES", default_value_t = 2, value_parser = at_once())]
    pub concurrent_traces: usize,

    /// Most bytes of memory that one trace may keep, about.
    #[arg(long = "rpc-trace-bytes", env = "LOCKSTEP_RPC_TRACE_BYTES", value_name = "BYTES", default_value_t = 256 << 20)]
    pub trace_bytes: usize,

    /// Most calls that a transaction may make to be traced; putting them in order takes time beyond the run.
    #[arg(
        long = "rpc-trace-calls",
        env = "LOCKSTEP_RPC_TRACE_CALLS",
        value_name = "CALLS",
        default_value_t = 10_000
    )]
    pub trace_calls: usize,

    /// Most blocks that one `trace_filter` may execute.
    #[arg(
        long = "rpc-max-trace-blocks",
        env = "LOCKSTEP_RPC_MAX_TRACE_BLOCKS",
        value_name = "BLOCKS",
        default_value_t = 100
    )]
    pub max_trace_blocks: u64,

    /// Most traces or transactions in one answer to `trace_filter` and the paged methods of `ots_`.
    #[arg(
        long = "rpc-max-page",
        env = "LOCKSTEP_RPC_MAX_PAGE",
        value_name = "ENTRIES",
        default_value_t = 1_000
    )]
    pub max_page: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            max_block_range: 100_000,
            max_logs: 10_000,
            max_filter_values: 1_000,
            max_filters: 1_000,
            filter_lifetime: Duration::from_secs(300),
            max_proof_keys: 1_024,
            call_gas: 50_000_000,
            call_timeout: Duration::from_secs(5),
            concurrent_calls: 8,
            concurrent_traces: 2,
            trace_bytes: 256 << 20,
            trace_calls: 10_000,
            max_trace_blocks: 100,
            max_page: 1_000,
        }
    }
}

/// Without a place nothing would ever run.
fn at_once() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=1_024)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        limits: CallLimits,
    }

    #[test]
    fn flags_have_the_defaults_of_new() {
        let parsed = Command::try_parse_from(["rpc"]).unwrap().limits;
        assert_eq!(format!("{parsed:?}"), format!("{:?}", CallLimits::default()));
    }

    #[test]
    fn something_always_runs() {
        for flag in ["--rpc-concurrent-calls", "--rpc-concurrent-traces"] {
            assert!(Command::try_parse_from(["rpc", flag, "0"]).is_err());
            assert!(Command::try_parse_from(["rpc", flag, "1"]).is_ok());
        }
    }
}
