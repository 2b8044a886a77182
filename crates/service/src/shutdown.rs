//! One token that every task of a process obeys.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// A token that is cancelled by the first SIGINT or SIGTERM. A second signal ends the process at once
/// with status 130, for the operator who does not want to wait.
///
/// Must be called inside a Tokio runtime.
///
/// # Errors
/// The operating system refused to register a signal handler.
pub fn on_signals() -> io::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        let mut wait = async || {
            tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
            }
        };
        let signal = wait().await;
        info!(signal, "stopping");
        cancel.cancel();
        let signal = wait().await;
        warn!(signal, "stopping at once");
        std::process::exit(130);
    });
    Ok(token)
}
