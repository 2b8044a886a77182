//! Peers who do not read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use metrics::Counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

/// A socket that gives up on a peer who takes nothing: after a while it says so, after [`CUT_AFTER`] times as
/// long its writes fail with [`io::ErrorKind::TimedOut`].
#[derive(Debug)]
pub(crate) struct Patient<S> {
    socket: S,
    limit: Duration,
    stalled: Option<Pin<Box<Sleep>>>, // runs while a write waits
    slow: CancellationToken,
    counter: Counter,
}

/// How much longer than it takes to be called slow a peer may take nothing before its connection is cut.
pub(crate) const CUT_AFTER: u32 = 4;

impl<S> Patient<S> {
    /// Cancels `slow` and counts it once not a byte could be written for `limit`.
    pub(crate) const fn new(socket: S, limit: Duration, slow: CancellationToken, counter: Counter) -> Self {
        Self { socket, limit, stalled: None, slow, counter }
    }

    fn watch(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let limit = self.limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(stalled.as_mut().poll(context));
        if !self.slow.is_cancelled() {
            self.slow.cancel();
            self.counter.increment(1);
            let cut = stalled.deadline() + limit * (CUT_AFTER - 1);
            stalled.as_mut().reset(cut);
            ready!(stalled.as_mut().poll(context));
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.watch(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, bytes);
        self.watch(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Instant;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn peer_that_takes_nothing_is_called_slow_and_then_given_up() {
        const LIMIT: Duration = Duration::from_millis(100);
        let (ours, _theirs) = tokio::io::duplex(8);
        let slow = CancellationToken::new();
        let mut socket = Patient::new(ours, LIMIT, slow.clone(), Counter::noop());
        let started = Instant::now();
        let told = async {
            slow.cancelled().await;
            started.elapsed()
        };
        let (written, told) = tokio::join!(socket.write_all(&[0; 9]), told);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(told >= LIMIT, "{told:?}");
        assert!(started.elapsed() >= LIMIT * CUT_AFTER);
    }

    #[tokio::test]
    async fn peer_that_takes_a_little_now_and_then_is_waited_for() {
        const LIMIT: Duration = Duration::from_secs(2);
        let (ours, mut theirs) = tokio::io::duplex(8);
        let slow = CancellationToken::new();
        let mut socket = Patient::new(ours, LIMIT, slow.clone(), Counter::noop());
        let started = Instant::now();
        let reading = async {
            for _ in 0..4 {
                tokio::time::sleep(LIMIT / 3).await;
                theirs.read_exact(&mut [0; 8]).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(socket.write_all(&[0; 32]), reading);
        written.unwrap();
        assert!(started.elapsed() >= LIMIT && !slow.is_cancelled());
    }
}
