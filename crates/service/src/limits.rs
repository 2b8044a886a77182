//! What JSON-RPC clients may ask for, and how much of it.

use std::{net::IpAddr, time::Duration};

/// What JSON-RPC clients may ask for. Beyond a limit they get a JSON-RPC error.
#[derive(Clone, Debug, clap::Args)]
pub struct RpcLimits {
    /// Largest request body or WebSocket message, in bytes.
    #[arg(long = "rpc-max-request-bytes", env = "LOCKSTEP_RPC_MAX_REQUEST_BYTES", default_value_t = 5 << 20)]
    pub max_request_bytes: u32,

    /// Largest response to one call, in bytes.
    #[arg(long = "rpc-max-response-bytes", env = "LOCKSTEP_RPC_MAX_RESPONSE_BYTES", default_value_t = 64 << 20)]
    pub max_response_bytes: u32,

    /// Deepest nesting of arrays and objects in a request.
    #[arg(long = "rpc-max-depth", env = "LOCKSTEP_RPC_MAX_DEPTH", default_value_t = 64)]
    pub max_depth: u32,

    /// Most calls in one batch.
    #[arg(long = "rpc-max-batch", env = "LOCKSTEP_RPC_MAX_BATCH", default_value_t = 1000)]
    pub max_batch: u32,

    /// Largest response to a whole batch, in bytes; calls beyond it are answered with an error.
    #[arg(long = "rpc-max-batch-response-bytes", env = "LOCKSTEP_RPC_MAX_BATCH_RESPONSE_BYTES", default_value_t = 64 << 20)]
    pub max_batch_response_bytes: u32,

    /// Longest time for one call, or for one batch as a whole.
    #[arg(long = "rpc-timeout", env = "LOCKSTEP_RPC_TIMEOUT", default_value = "30s", value_parser = humantime::parse_duration)]
    pub timeout: Duration,

    /// Most open connections, HTTP and WebSocket together.
    #[arg(long = "rpc-max-connections", env = "LOCKSTEP_RPC_MAX_CONNECTIONS", default_value_t = 4096)]
    pub max_connections: u32,

    /// Most open connections of one address (an IPv6 network of 64 bits).
    #[arg(
        long = "rpc-max-address-connections",
        env = "LOCKSTEP_RPC_MAX_ADDRESS_CONNECTIONS",
        default_value_t = 256
    )]
    pub max_address_connections: u32,

    /// Most calls of one connection that run at the same time; more wait.
    #[arg(
        long = "rpc-max-connection-calls",
        env = "LOCKSTEP_RPC_MAX_CONNECTION_CALLS",
        default_value_t = 64
    )]
    pub max_connection_calls: u32,

    /// Most calls of all connections that run at the same time, beside submissions of transactions.
    #[arg(long = "rpc-max-reads", env = "LOCKSTEP_RPC_MAX_READS", default_value_t = 128)]
    pub max_reads: u32,

    /// Most calls that wait for others to end; more are refused at once.
    #[arg(long = "rpc-max-waiting", env = "LOCKSTEP_RPC_MAX_WAITING", default_value_t = 4096)]
    pub max_waiting: u32,

    /// Most subscriptions on one WebSocket connection.
    #[arg(long = "rpc-max-subscriptions", env = "LOCKSTEP_RPC_MAX_SUBSCRIPTIONS", default_value_t = 256)]
    pub max_subscriptions: u32,

    /// Most subscriptions of all connections.
    #[arg(
        long = "rpc-max-total-subscriptions",
        env = "LOCKSTEP_RPC_MAX_TOTAL_SUBSCRIPTIONS",
        default_value_t = 16384
    )]
    pub max_total_subscriptions: u32,

    /// How long a client may take nothing of what is sent to it before its connection is closed.
    #[arg(long = "rpc-slow-reader", env = "LOCKSTEP_RPC_SLOW_READER", default_value = "10s", value_parser = humantime::parse_duration)]
    pub slow_reader: Duration,

    /// Calls per second of one address (an IPv6 network of 64 bits), batched or not; 0: any number.
    #[arg(long = "rpc-rate", env = "LOCKSTEP_RPC_RATE", default_value_t = 1000)]
    pub rate: u32,

    /// Calls that an address may make at once after a pause.
    #[arg(long = "rpc-burst", env = "LOCKSTEP_RPC_BURST", default_value_t = 5000)]
    pub burst: u32,

    /// Limits per address hold for clients on this machine too.
    #[arg(long = "rpc-limit-loopback", env = "LOCKSTEP_RPC_LIMIT_LOOPBACK")]
    pub limit_loopback: bool,

    /// Who may call what.
    #[command(flatten)]
    pub access: RpcAccess,
}

impl Default for RpcLimits {
    fn default() -> Self {
        Self {
            max_request_bytes: 5 << 20,
            max_response_bytes: 64 << 20,
            max_depth: 64,
            max_batch: 1000,
            max_batch_response_bytes: 64 << 20,
            timeout: Duration::from_secs(30),
            max_connections: 4096,
            max_address_connections: 256,
            max_connection_calls: 64,
            max_reads: 128,
            max_waiting: 4096,
            max_subscriptions: 256,
            max_total_subscriptions: 16384,
            slow_reader: Duration::from_secs(10),
            rate: 1000,
            burst: 5000,
            limit_loopback: false,
            access: RpcAccess::default(),
        }
    }
}

/// Who may call what over JSON-RPC.
#[derive(Clone, Debug, clap::Args)]
pub struct RpcAccess {
    /// Only these methods are served: names, or prefixes as `eth_*`; none: all.
    #[arg(long = "rpc-allow", env = "LOCKSTEP_RPC_ALLOW", value_delimiter = ',', value_name = "METHODS")]
    pub allow: Vec<String>,

    /// These methods are not served: names, or prefixes as `debug_*`.
    #[arg(long = "rpc-deny", env = "LOCKSTEP_RPC_DENY", value_delimiter = ',', value_name = "METHODS")]
    pub deny: Vec<String>,

    /// Origins of web pages that may call; `*`: any; an empty text: none.
    #[arg(
        long = "rpc-cors-origins",
        env = "LOCKSTEP_RPC_CORS_ORIGINS",
        value_delimiter = ',',
        value_name = "ORIGINS",
        default_value = "*"
    )]
    pub cors_origins: Vec<String>,

    /// Proxies whose `X-Forwarded-For` names the client, by address.
    #[arg(
        long = "rpc-trust-forwarded",
        env = "LOCKSTEP_RPC_TRUST_FORWARDED",
        value_delimiter = ',',
        value_name = "ADDRESSES"
    )]
    pub trust_forwarded: Vec<IpAddr>,
}

impl Default for RpcAccess {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            deny: Vec::new(),
            cors_origins: vec!["*".into()],
            trust_forwarded: Vec::new(),
        }
    }
}

impl RpcAccess {
    /// Whether `method` is served.
    pub(crate) fn serves(&self, method: &str) -> bool {
        let all = self.allow.iter().all(String::is_empty); // an empty variable is no list
        (all || any_matches(&self.allow, method)) && !any_matches(&self.deny, method)
    }

    /// Whether web pages of `origin` may call.
    pub(crate) fn admits_origin(&self, origin: &str) -> bool {
        self.cors_origins.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
    }
}

/// Whether one of `patterns` is `name`, or a beginning of it followed by `*`.
pub(crate) fn any_matches<P: AsRef<str>>(patterns: &[P], name: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.as_ref().strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern.as_ref(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        limits: RpcLimits,
    }

    fn access(allow: &[&str], deny: &[&str]) -> RpcAccess {
        let own = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        RpcAccess { allow: own(allow), deny: own(deny), ..RpcAccess::default() }
    }

    #[test]
    fn flags_have_the_defaults_of_default() {
        let parsed = Command::try_parse_from(["test"]).unwrap().limits;
        assert_eq!(format!("{parsed:?}"), format!("{:?}", RpcLimits::default()));
    }

    #[test]
    fn lists_are_separated_by_commas() {
        let flags = ["test", "--rpc-deny", "debug_*,trace_*", "--rpc-trust-forwarded", "10.0.0.1,::1"];
        let access = Command::try_parse_from(flags).unwrap().limits.access;
        assert_eq!(access.deny, ["debug_*", "trace_*"]);
        assert_eq!(access.trust_forwarded.len(), 2);
    }

    #[test]
    fn denied_names_are_not_served_even_if_allowed() {
        assert!(access(&[], &[]).serves("debug_traceCall"));
        assert!(!access(&[], &["debug_*"]).serves("debug_traceCall"));
        assert!(access(&["eth_*"], &["eth_call"]).serves("eth_chainId"));
        assert!(!access(&["eth_*"], &["eth_call"]).serves("eth_call"));
        assert!(!access(&["eth_*"], &[]).serves("net_version"));
        assert!(access(&[""], &[""]).serves("eth_chainId"));
    }

    #[test]
    fn origins_are_compared_without_case() {
        assert!(RpcAccess::default().admits_origin("https://any.example"));
        let one = RpcAccess { cors_origins: vec!["https://dapp.example".into()], ..RpcAccess::default() };
        assert!(one.admits_origin("https://DAPP.example"));
        assert!(!one.admits_origin("https://other.example"));
    }
}
