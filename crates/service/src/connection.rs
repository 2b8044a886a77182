//! TCP connections: who gets one, and HTTP/1.1 on it.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use jsonrpsee::Methods;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{ServiceBuilder, service_fn};
use tower_http::CompressionLevel;
use tower_http::compression::{CompressionLayer, predicate::SizeAbove};
use tower_http::cors::CorsLayer;
use tracing::debug;

use crate::calls::Rpc;
use crate::counters::{Counted, Refusal};
use crate::endpoint::{self, Endpoint};
use crate::fair::{Place, Places, is_loopback};
use crate::session::Session;
use crate::slow::Patient;
use crate::{HttpError, HttpOptions, Readiness};

/// How long a client may be silent between requests, or take to send the head of one.
/// Longer than clients keep idle connections, so that they are the ones who close.
const IDLE: Duration = Duration::from_secs(120);
/// Memory for reading of one connection, beside the body of its request.
const READ_BUFFER_BYTES: usize = 64 << 10;
/// Connections beyond the limit that are told so at the same time; more are closed without a word.
const TOLD: usize = 256;
/// Answers above this many bytes are compressed for those who accept it.
const COMPRESSED_ABOVE: u16 = 2048;
/// Takes connections and serves each in a task.
#[derive(Debug)]
pub(crate) struct Acceptor {
    endpoint: Arc<Endpoint>,
    cors: CorsLayer,
    places: Places,
    told: Arc<Semaphore>,
    cut: CancellationToken,
}

/// One TCP connection and what it holds.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The other end, perhaps a proxy.
    pub(crate) peer: IpAddr,
    /// Its calls over HTTP.
    pub(crate) session: Session,
    /// Cancelled once the other end has taken nothing for too long.
    pub(crate) slow: CancellationToken,
    admission: Admission,
    _counted: Counted,
}

#[derive(Debug)]
enum Admission {
    Admitted { _place: Place },
    Told { _permit: OwnedSemaphorePermit },
}

impl Connection {
    /// Whether it may call; otherwise it is only told that there are too many.
    pub(crate) const fn is_admitted(&self) -> bool {
        matches!(self.admission, Admission::Admitted { .. })
    }
}

impl Acceptor {
    pub(crate) fn new(
        options: &HttpOptions,
        methods: &Methods,
        readiness: Readiness,
        recorder: PrometheusHandle,
        shutdown: CancellationToken,
    ) -> Result<Self, HttpError> {
        let mut limits = options.limits.clone();
        if options.loopback_only {
            limits.access.cors_origins.clear();
        }
        Ok(Self {
            cors: endpoint::cors(&limits.access)?,
            places: Places::new(limits.max_connections, limits.max_address_connections),
            told: Arc::new(Semaphore::new(TOLD)),
            cut: CancellationToken::new(),
            endpoint: Arc::new(Endpoint {
                forwarded: Places::new(u32::MAX, limits.max_address_connections),
                rpc: Rpc::new(methods, options.priority, limits),
                loopback_only: options.loopback_only,
                tracker: TaskTracker::new(),
                readiness,
                recorder,
                shutdown,
            }),
        })
    }

    /// Serves a new connection, unless there are far too many.
    pub(crate) fn accept(self: &Arc<Self>, socket: TcpStream, peer: IpAddr) {
        let rpc = &self.endpoint.rpc;
        let Some(admission) = self.admit(peer) else {
            return rpc.counters.refused(Refusal::Connections);
        };
        let counted = Counted::new(&rpc.counters.connections);
        let session = rpc.session(false);
        let connection =
            Connection { peer, session, slow: CancellationToken::new(), admission, _counted: counted };
        self.endpoint.tracker.spawn(Arc::clone(self).serve(socket, Arc::new(connection)));
    }

    fn admit(&self, peer: IpAddr) -> Option<Admission> {
        let limits = &self.endpoint.rpc.limits;
        let exempt = (is_loopback(peer) && !limits.limit_loopback)
            || limits.access.trust_forwarded.contains(&peer.to_canonical());
        match self.places.take((!exempt).then_some(peer)) {
            Some(place) => Some(Admission::Admitted { _place: place }),
            None => {
                let permit = Arc::clone(&self.told).try_acquire_owned().ok()?;
                Some(Admission::Told { _permit: permit })
            }
        }
    }

    async fn serve(self: Arc<Self>, socket: TcpStream, connection: Arc<Connection>) {
        let _ = socket.set_nodelay(true); // an answer is one write
        let rpc = &self.endpoint.rpc;
        let socket = Patient::new(
            socket,
            rpc.limits.slow_reader,
            connection.slow.clone(),
            rpc.counters.slow_readers.clone(),
        );
        let endpoint = Arc::clone(&self.endpoint);
        let answers = service_fn(move |request| {
            let (endpoint, connection) = (Arc::clone(&endpoint), Arc::clone(&connection));
            async move { endpoint.answer(request, connection).await }
        });
        let compression = CompressionLayer::new()
            .quality(CompressionLevel::Fastest)
            .compress_when(SizeAbove::new(COMPRESSED_ABOVE));
        let service = ServiceBuilder::new().layer(compression).layer(self.cors.clone()).service(answers);
        let mut serving = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(IDLE)
                .max_buf_size(READ_BUFFER_BYTES)
                .serve_connection(TokioIo::new(socket), TowerToHyperService::new(service))
                .with_upgrades()
        );
        let ended = tokio::select! {
            ended = serving.as_mut() => ended,
            () = self.endpoint.shutdown.cancelled() => {
                serving.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = serving => ended,
                    () = self.cut.cancelled() => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            debug!(%error, "a connection ended");
        }
    }

    /// Waits until every connection has ended, once no more are accepted.
    pub(crate) async fn drained(&self) {
        self.endpoint.tracker.close();
        self.endpoint.tracker.wait().await;
    }

    /// Ends the connections that are left.
    pub(crate) fn cut_off(&self) {
        self.cut.cancel();
    }
}
