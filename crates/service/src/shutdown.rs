//! One token that every task of a process obeys.

use std::io;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// A second signal within this time is the first one, heard again.
const ECHO: Duration = Duration::from_secs(1);

/// A token that is cancelled by the first SIGINT or SIGTERM. One more signal, a second later or after, ends
/// the process at once with status 130, for the operator who does not want to wait.
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
        // Launchers pass Ctrl-C on although the terminal has sent it to the whole group: one key, two signals.
        let patience = Instant::now() + ECHO;
        let signal = loop {
            let signal = wait().await;
            if patience < Instant::now() {
                break signal;
            }
        };
        warn!(signal, "stopping at once");
        std::process::exit(130);
    });
    Ok(token)
}
