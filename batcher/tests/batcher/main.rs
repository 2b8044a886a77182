//! The batcher between a real Postgres and a real anvil with our contracts.

#![allow(clippy::unwrap_used)]

mod faults;
mod kill;
mod outage;
mod posting;
mod reorgs;
mod several;
mod world;
