//! Drives the real binary against a real L1 and a real Postgres, for the end-to-end tests.
//!
//! [`Devnet`] is one running `lockstep dev`; [`Replica`] is a verifier that knows nothing but L1. Tests ask
//! the first for its chain and the second whether L1 alone gives the same one.

mod binary;
mod devnet;
mod node;
mod replica;

pub use binary::lockstep_binary;
pub use devnet::{Account, Devnet, DevnetOptions, Ready};
pub use node::{run_script, scripts};
pub use replica::Replica;

use std::time::Duration;

/// How long a test waits for something that should happen within seconds. Generous, as machines that run
/// tests are slow and shared; nothing is measured by it.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Asks `probe` until it answers `Some`.
///
/// # Errors
/// After [`PATIENCE`], or the first error of `probe`.
pub async fn until<T>(
    what: &str,
    mut probe: impl AsyncFnMut() -> eyre::Result<Option<T>>,
) -> eyre::Result<T> {
    let waiting = async {
        loop {
            if let Some(value) = probe().await? {
                return Ok(value);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.map_err(|_| eyre::eyre!("waited too long until {what}"))?
}
