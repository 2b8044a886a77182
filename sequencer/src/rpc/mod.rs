//! Ethereum JSON-RPC over the index, the state store and the pool.
//!
//! Handlers parse, ask and answer. What they may use stands in [`RpcContext`].

mod context;

pub use context::{
    Heads, PoolApi, PoolContent, PoolStatus, PooledTransaction, RpcContext, RpcLimits, SubmitError,
};
