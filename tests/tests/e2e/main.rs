//! The real binary, a real L1, a real Postgres. Each test has a chain of its own, and ends by rebuilding it
//! from L1 alone.
#![allow(clippy::unwrap_used, missing_docs)]

mod batch;
mod bridge;
mod chain_config;
mod clients;
mod dapps;
mod forced;
mod l1_reorg;
mod logger;
mod restart;
mod transactions;
