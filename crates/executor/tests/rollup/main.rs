//! Blocks of a rollup by the executor equal those by `stf`, byte for byte.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod batches;
mod blocks;
mod limits;
mod world;
