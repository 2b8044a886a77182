//! The sequencer on a fake L1 and a real Postgres.
#![allow(clippy::unwrap_used)]

mod admission;
mod backpressure;
mod build;
mod calls;
mod conditional;
mod conformance;
mod engine;
mod lockstep;
mod pending;
mod removal;
mod rig;
mod rpc;
mod simulate;
mod subscribers;
mod trace;
