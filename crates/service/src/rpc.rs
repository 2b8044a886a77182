//! Codes of JSON-RPC errors, and subscription ids.

use std::time::Instant;

use jsonrpsee::core::traits::IdProvider;
use jsonrpsee::types::SubscriptionId;

/// JSON-RPC error codes of the server itself.
pub mod code {
    /// The text is not JSON.
    pub const PARSE_ERROR: i32 = -32700;
    /// The JSON is not a request.
    pub const INVALID_REQUEST: i32 = -32600;
    /// The method is not served.
    pub const UNKNOWN_METHOD: i32 = -32601;
    /// The server made a mistake; its log says which.
    pub const INTERNAL: i32 = -32603;
    /// The call did not finish within the time limit.
    pub const TIMED_OUT: i32 = -32002;
    /// A limit of the server was reached; nothing is wrong with the call.
    pub const LIMIT: i32 = -32005;
    /// Too many subscriptions.
    pub const SUBSCRIPTIONS: i32 = -32006;
    /// The request body is above the limit.
    pub const TOO_LARGE: i32 = -32007;
    /// Too many connections.
    pub const BUSY: i32 = -32009;
    /// Too many calls in a batch.
    pub const LARGE_BATCH: i32 = -32010;
    /// The answers to a batch are above the limit together.
    pub const LARGE_BATCH_RESPONSE: i32 = -32011;
}

/// Subscription ids as Ethereum clients expect them: `0x` and hex digits without leading zeros.
#[derive(Debug)]
pub(crate) struct HexIds;

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        use std::hash::{BuildHasher, RandomState};
        // A fresh SipHash key from the operating system's randomness per id.
        SubscriptionId::Str(format!("{:#x}", RandomState::new().hash_one(Instant::now())).into())
    }
}
