//! Leadership: one sequencer at a time may seal.

use std::time::Duration;

use lockstep_index::{Index, IndexError, lease};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock;

/// Pause between two looks at a lease that another holds.
const RETRY: Duration = Duration::from_millis(500);

/// Waits until the lease is ours and gives its term; `None` if told to stop first.
///
/// # Errors
/// [`IndexError`] if Postgres fails.
pub(crate) async fn acquire(
    index: &Index,
    ttl: Duration,
    shutdown: &CancellationToken,
) -> Result<Option<u64>, IndexError> {
    // A name of this process only: a second one, or this one after a crash, waits for the lease to lapse.
    let holder = format!("{}-{}", std::process::id(), clock::now().as_nanos());
    let mut told = false;
    loop {
        if let Some(term) = lease::acquire(index.pool(), &holder, ttl).await? {
            info!(term, "lease acquired");
            return Ok(Some(term));
        }
        if !std::mem::replace(&mut told, true) {
            info!("another sequencer holds the lease, or died with it; standing by");
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(None),
            () = sleep(RETRY) => {}
        }
    }
}

/// Keeps the lease until `shutdown`, then gives it up.
///
/// # Errors
/// [`IndexError::LeaseLost`] once another leads.
pub(crate) async fn keep(
    index: Index,
    term: u64,
    ttl: Duration,
    shutdown: CancellationToken,
) -> Result<(), IndexError> {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = sleep(ttl / 3) => {}
        }
        match lease::renew(index.pool(), term, ttl).await {
            Ok(()) => {}
            Err(error @ IndexError::LeaseLost { .. }) => return Err(error),
            // Sealing checks the term itself, so a late renewal is no danger.
            Err(error) => warn!(%error, "lease not renewed"),
        }
    }
}
