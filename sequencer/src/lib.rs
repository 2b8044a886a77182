//! The sequencer: admits L2 transactions, orders them, seals blocks.
//!
//! A transaction is admitted by rule, stored in Postgres, then acknowledged; the engine takes it in arrival
//! order, executes it with `lockstep-stf`, and a block counts as sealed once one Postgres transaction holds it.
//! L1 origins come from an [`L1Source`], the safe head from a verifier ([`DerivedChain`]): what L1 says wins.
//!
//! ```no_run
//! # async fn example(config: lockstep_sequencer::SequencerConfig) -> eyre::Result<()> {
//! use lockstep_sequencer::{SequencerHooks, run};
//!
//! let shutdown = lockstep_service::shutdown::on_signals()?;
//! run(config, SequencerHooks::default(), shutdown).await
//! # }
//! ```

mod admission;
mod backpressure;
mod build;
mod chain;
mod clock;
mod config;
mod engine;
mod fill;
mod l1;
mod lease;
mod open;
mod origin;
mod pending;
mod pool;
mod rows;
pub mod rpc;
mod run;
mod safe;
mod submit;
#[cfg(test)]
mod tests;

pub use backpressure::{MAX_BLOCK_BYTES, Throttle};
pub use config::{BlockMode, SequencerConfig, SequencerHooks};
pub use l1::L1Source;
pub use run::run;
pub use safe::{
    DerivedBlock, DerivedChain, DerivedHeads, DerivedStatus, L1Heads, L1Ref, VerifierError, VerifierRpc,
};
