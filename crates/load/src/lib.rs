//! Load on an Ethereum JSON-RPC server, and what it answered.
