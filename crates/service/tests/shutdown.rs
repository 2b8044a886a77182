//! Signals, in a process of their own: they reach all of it.
#![allow(clippy::unwrap_used, missing_docs)]

use lockstep_service::shutdown;
use nix::sys::signal::{Signal, raise};

#[tokio::test]
async fn first_signal_cancels_and_its_echo_changes_nothing() {
    let token = shutdown::on_signals().unwrap();
    assert!(!token.is_cancelled());
    raise(Signal::SIGTERM).unwrap();
    token.cancelled().await;
    // Would end this process, and so fail the test, if it counted as a second one.
    raise(Signal::SIGINT).unwrap();
    tokio::task::yield_now().await;
}
