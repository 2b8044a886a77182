//! The HTTP server of a role: health and metrics pages, and JSON-RPC over HTTP and WebSocket on `/`.

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jsonrpsee::RpcModule;
use jsonrpsee::core::middleware::RpcServiceBuilder;
use jsonrpsee::server::{BatchRequestConfig, Server as JsonRpcServer, ServerConfig, stop_channel};
use jsonrpsee::server::{PingConfig, StopHandle, TowerServiceBuilder};
use jsonrpsee::{Methods, server::ServerHandle};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::layer::util::{Identity, Stack};
use tower::{Service, service_fn};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{Any, CorsLayer};
use tracing::{info, warn};

use crate::rpc::{CallLayer, HexIds, code};
use crate::{Readiness, metrics};

/// Where to listen and what to allow.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Address to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// What one client may ask for.
    pub limits: RpcLimits,
}

impl HttpOptions {
    /// Default limits on `listen`.
    pub fn new(listen: SocketAddr) -> Self {
        Self { listen, limits: RpcLimits::default() }
    }
}

/// What JSON-RPC clients may ask for. Beyond a limit they get a JSON-RPC error.
#[derive(Clone, Debug, clap::Args)]
pub struct RpcLimits {
    /// Largest request body or WebSocket message, in bytes.
    #[arg(long = "rpc-max-request-bytes", env = "LOCKSTEP_RPC_MAX_REQUEST_BYTES", default_value_t = 5 << 20)]
    pub max_request_bytes: u32,

    /// Largest response, in bytes.
    #[arg(long = "rpc-max-response-bytes", env = "LOCKSTEP_RPC_MAX_RESPONSE_BYTES", default_value_t = 64 << 20)]
    pub max_response_bytes: u32,

    /// Most calls in one batch.
    #[arg(long = "rpc-max-batch", env = "LOCKSTEP_RPC_MAX_BATCH", default_value_t = 1000)]
    pub max_batch: u32,

    /// Most HTTP requests in flight and WebSocket connections, together.
    #[arg(long = "rpc-max-connections", env = "LOCKSTEP_RPC_MAX_CONNECTIONS", default_value_t = 2000)]
    pub max_connections: u32,

    /// Most subscriptions on one WebSocket connection.
    #[arg(long = "rpc-max-subscriptions", env = "LOCKSTEP_RPC_MAX_SUBSCRIPTIONS", default_value_t = 256)]
    pub max_subscriptions: u32,

    /// Longest time for one call, or for one batch as a whole.
    #[arg(long = "rpc-timeout", env = "LOCKSTEP_RPC_TIMEOUT", default_value = "30s", value_parser = humantime::parse_duration)]
    pub timeout: Duration,
}

impl Default for RpcLimits {
    fn default() -> Self {
        Self {
            max_request_bytes: 5 << 20,
            max_response_bytes: 64 << 20,
            max_batch: 1000,
            max_connections: 2000,
            max_subscriptions: 256,
            timeout: Duration::from_secs(30),
        }
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
    /// The address cannot be listened on for another reason.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The accept loop ended with an error.
    #[error("the HTTP server failed")]
    Failed(#[source] io::Error),
}

/// A running server. It stops when its shutdown token is cancelled, not when this is dropped.
#[derive(Debug)]
pub struct Server {
    local_addr: SocketAddr,
    task: JoinHandle<io::Result<()>>,
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
        self.task.await.map_err(io::Error::other).flatten().map_err(HttpError::Failed)
    }
}

/// How long open requests may take to finish after the shutdown token is cancelled.
const GRACE: Duration = Duration::from_secs(5);

/// Serves `module` on `/`, and `/healthz`, `/readyz`, `/metrics`, until `shutdown` is cancelled.
///
/// # Errors
/// [`HttpError::InUse`] and [`HttpError::Listen`] if the address cannot be had.
pub async fn serve(
    options: HttpOptions,
    module: RpcModule<()>,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> Result<Server, HttpError> {
    let listener = TcpListener::bind(options.listen).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => HttpError::InUse(options.listen),
        _ => HttpError::Listen { address: options.listen, source },
    })?;
    let local_addr = listener.local_addr().map_err(HttpError::Failed)?;
    let (stop, handle) = stop_channel();
    let app = router(&options.limits, module, readiness, stop);
    let task = tokio::spawn(run(listener, app, handle, shutdown));
    info!(address = %local_addr, "listening");
    Ok(Server { local_addr, task })
}

async fn run(
    listener: TcpListener,
    app: Router,
    sockets: ServerHandle,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let stopping = shutdown.clone();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        stopping.cancelled().await;
        // Upgraded connections no longer belong to axum: WebSockets are told separately.
        let _ = sockets.stop();
    });
    tokio::select! {
        result = server => result,
        () = async { shutdown.cancelled().await; tokio::time::sleep(GRACE).await } => {
            warn!(grace_ms = GRACE.as_millis(), "open requests were cut off");
            Ok(())
        }
    }
}

fn router(limits: &RpcLimits, module: RpcModule<()>, readiness: Readiness, stop: StopHandle) -> Router {
    let recorder = metrics::recorder();
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready).with_state(readiness))
        .route("/metrics", get(async move || recorder.render()))
        .route_service("/", json_rpc(limits, module, stop))
        .layer(CatchPanicLayer::custom(|_| {
            refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                jsonrpsee::types::error::INTERNAL_ERROR_CODE,
                "internal error",
            )
        }))
        .layer(
            CorsLayer::new().allow_origin(Any).allow_methods([Method::GET, Method::POST]).allow_headers(Any),
        )
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let status = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness.report())).into_response()
}

type JsonRpc = TowerServiceBuilder<Stack<CallLayer, Identity>, Identity>;

#[derive(Clone)]
struct Endpoint {
    builder: JsonRpc,
    methods: Methods,
    stop: StopHandle,
    max_request_bytes: u32,
}

fn json_rpc(
    limits: &RpcLimits,
    module: RpcModule<()>,
    stop: StopHandle,
) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static
{
    let config = ServerConfig::builder()
        .max_request_body_size(limits.max_request_bytes)
        .max_response_body_size(limits.max_response_bytes)
        .max_connections(limits.max_connections)
        .max_subscriptions_per_connection(limits.max_subscriptions)
        .set_batch_request_config(BatchRequestConfig::Limit(limits.max_batch))
        .enable_ws_ping(PingConfig::new())
        .set_id_provider(HexIds)
        .build();
    let calls = CallLayer::new(limits.timeout, module.method_names());
    let builder = JsonRpcServer::builder()
        .set_config(config)
        .set_rpc_middleware(RpcServiceBuilder::new().layer(calls))
        .to_service_builder();
    let endpoint =
        Endpoint { builder, methods: module.into(), stop, max_request_bytes: limits.max_request_bytes };
    service_fn(move |request| {
        let endpoint = endpoint.clone();
        async move { Ok(endpoint.answer(request).await) }
    })
}

impl Endpoint {
    async fn answer(self, request: Request) -> Response {
        let request = match self.prepare(request).await {
            Ok(request) => request,
            Err(response) => return response,
        };
        // A service per request, as jsonrpsee numbers connections by it.
        let mut service = self.builder.build(self.methods, self.stop);
        match service.call(request).await {
            Ok(response) => explain(response.map(Body::new)),
            Err(error) => {
                warn!(%error, "JSON-RPC request failed");
                refusal(StatusCode::BAD_REQUEST, code::LIMIT, "the request could not be read")
            }
        }
    }

    /// Lets through what jsonrpsee can judge. It trusts `content-length`: a body without one is read here,
    /// so that too large a body is the same 413 either way. A missing content type means JSON.
    async fn prepare(&self, mut request: Request) -> Result<Request, Response> {
        if request.method() != Method::POST {
            return Ok(request);
        }
        request
            .headers_mut()
            .entry(header::CONTENT_TYPE)
            .or_insert(HeaderValue::from_static("application/json"));
        let declared =
            request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        match declared {
            Some(bytes) if u64::from(self.max_request_bytes) < bytes => {
                Err(too_large(self.max_request_bytes))
            }
            Some(_) => Ok(request),
            None => self.collect(request).await,
        }
    }

    async fn collect(&self, request: Request) -> Result<Request, Response> {
        let (parts, body) = request.into_parts();
        let limit = usize::try_from(self.max_request_bytes).unwrap_or(usize::MAX);
        match axum::body::to_bytes(body, limit).await {
            Ok(bytes) => Ok(Request::from_parts(parts, Body::from(bytes))),
            Err(_) => Err(too_large(self.max_request_bytes)),
        }
    }
}

fn too_large(limit: u32) -> Response {
    refusal(StatusCode::PAYLOAD_TOO_LARGE, code::TOO_LARGE, &format!("the request is above {limit} bytes"))
}

/// Replaces jsonrpsee's plain-text refusals: a JSON-RPC client can read only JSON-RPC errors.
fn explain(response: Response) -> Response {
    match response.status() {
        status @ StatusCode::TOO_MANY_REQUESTS => {
            refusal(status, code::BUSY, "too many connections, try again later")
        }
        status @ StatusCode::UNSUPPORTED_MEDIA_TYPE => refusal(
            status,
            jsonrpsee::types::error::INVALID_REQUEST_CODE,
            "the content type must be application/json",
        ),
        status @ StatusCode::METHOD_NOT_ALLOWED => refusal(
            status,
            jsonrpsee::types::error::INVALID_REQUEST_CODE,
            "send JSON-RPC by POST, or open a WebSocket",
        ),
        _ => response,
    }
}

fn refusal(status: StatusCode, code: i32, message: &str) -> Response {
    let body =
        serde_json::json!({ "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": message } });
    (status, Json(body)).into_response()
}
