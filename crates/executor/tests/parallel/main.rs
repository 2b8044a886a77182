//! Parallel equals sequential: every workload, and random programs, on every number of threads with every kind of
//! prediction.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../oracle/mod.rs"]
mod oracle;

mod cases;
mod code;
mod random;
mod workloads;
mod world;
