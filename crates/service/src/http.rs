//! The HTTP server of a role: health and metrics pages, and JSON-RPC over HTTP and WebSocket on `/`.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use jsonrpsee::RpcModule;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::connection::Acceptor;
use crate::{Readiness, RpcLimits, metrics};

/// Where to listen and what to allow.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Address to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// What one client may ask for.
    pub limits: RpcLimits,
    /// Methods whose calls never wait for other calls: names, or prefixes as `eth_send*`.
    pub priority: &'static [&'static str],
    /// Refuses to listen where other machines could connect, and to answer web pages, whatever `limits` say of
    /// origins: for methods that only the operator may call.
    pub loopback_only: bool,
}

impl HttpOptions {
    /// Default limits on `listen`.
    pub fn new(listen: SocketAddr) -> Self {
        Self { listen, limits: RpcLimits::default(), priority: &[], loopback_only: false }
    }

    /// For methods that only the operator may call: [`serve`] fails if other machines could reach `listen`,
    /// and web pages are not answered.
    pub fn admin(listen: SocketAddr) -> Self {
        Self { loopback_only: true, ..Self::new(listen) }
    }
}

/// Why the server could not start or went away.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Another process listens there.
    #[error(
        "{0} is in use: stop the process that listens there, or choose another port (0 takes any free one)"
    )]
    InUse(SocketAddr),
    /// Other machines could reach methods that are for the operator only.
    #[error(
        "{0} can be reached from other machines: admin methods are served on a loopback address only, such as 127.0.0.1"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on for another reason.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// An origin that no browser would send.
    #[error("{0:?} is no origin of web pages; use one like https://dapp.example, or *")]
    Origin(String),
    /// The accept loop ended with an error.
    #[error("the HTTP server failed")]
    Failed(#[source] io::Error),
}

/// A running server. It stops when its shutdown token is cancelled, not when this is dropped.
#[derive(Debug)]
pub struct Server {
    local_addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// The address that it really listens on.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Waits until the server has stopped and its connections are closed.
    ///
    /// # Errors
    /// [`HttpError::Failed`] if it did not stop because it was asked to.
    pub async fn stopped(self) -> Result<(), HttpError> {
        self.task.await.map_err(|error| HttpError::Failed(io::Error::other(error)))
    }
}

/// How long open requests may take to finish after the shutdown token is cancelled.
const GRACE: Duration = Duration::from_secs(5);
/// Pause after the operating system refused a connection, as when no file descriptors are left.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Serves `module` on `/`, and `/healthz`, `/readyz`, `/metrics`, until `shutdown` is cancelled. Then calls that
/// run may finish for a few seconds, and WebSockets are closed with code 1001.
///
/// # Errors
/// [`HttpError::InUse`] and [`HttpError::Listen`] if the address cannot be had, [`HttpError::NotLoopback`] if it
/// must not be, [`HttpError::Origin`] for an origin that cannot be.
pub async fn serve(
    options: HttpOptions,
    module: RpcModule<()>,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> Result<Server, HttpError> {
    if options.loopback_only && !options.listen.ip().is_loopback() {
        return Err(HttpError::NotLoopback(options.listen));
    }
    let listener = TcpListener::bind(options.listen).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => HttpError::InUse(options.listen),
        _ => HttpError::Listen { address: options.listen, source },
    })?;
    let local_addr = listener.local_addr().map_err(HttpError::Failed)?;
    let recorder = metrics::recorder(); // before anything is counted
    let acceptor = Acceptor::new(&options, &module.into(), readiness, recorder, shutdown.clone())?;
    let task = tokio::spawn(run(listener, Arc::new(acceptor), shutdown));
    info!(address = %local_addr, "listening");
    Ok(Server { local_addr, task })
}

async fn run(listener: TcpListener, acceptor: Arc<Acceptor>, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => acceptor.accept(socket, peer.ip()),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    warn!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            },
        }
    }
    drop(listener);
    if tokio::time::timeout(GRACE, acceptor.drained()).await.is_err() {
        warn!(grace_ms = GRACE.as_millis(), "open requests were cut off");
        acceptor.cut_off();
    }
}

/// Whether a client went away before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
