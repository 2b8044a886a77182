//! The sequencer: admits L2 transactions, orders them, seals blocks.
//!
//! A transaction is admitted by rule, stored in Postgres, then acknowledged; the engine takes it in arrival
//! order, executes it with `lockstep-stf`, and a block counts as sealed once one Postgres transaction holds it.

mod admission;
mod config;
mod pool;
mod rpc;
mod submit;
mod rpc;

pub use config::{BlockMode, DatabaseUrl, SequencerConfig, SequencerHooks};

use tokio_util::sync::CancellationToken;

/// Runs a sequencer until `shutdown`.
///
/// # Errors
/// Whatever keeps it from starting or makes it unsafe to go on: Postgres out of reach, a lost lease, data of
/// another chain.
pub async fn run(
    _config: SequencerConfig,
    _hooks: SequencerHooks,
    shutdown: CancellationToken,
) -> eyre::Result<()> {
    shutdown.cancelled().await;
    Ok(())
}
