//! HTTP requests: the pages, JSON-RPC by POST, and the way to a WebSocket.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use crate::calls::Rpc;
use crate::connection::Connection;
use crate::counters::Refusal;
use crate::envelope::{self, RequestId};
use crate::fair::{Place, Places, forwarded, is_loopback};
use crate::rpc::code;
use crate::session::Caller;
use crate::{HttpError, Readiness, RpcAccess, ws};

/// How long a browser remembers what it may send.
const PREFLIGHT: Duration = Duration::from_secs(3600);
/// Of a body above the limit so much is read to no end, so many times the limit: a client that still sends may
/// never see an answer otherwise.
const DRAINED: u64 = 4;

/// What every connection is answered from.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) rpc: Rpc,
    /// Requests and WebSockets of clients behind proxies.
    pub(crate) forwarded: Places,
    pub(crate) loopback_only: bool,
    pub(crate) readiness: Readiness,
    pub(crate) recorder: PrometheusHandle,
    pub(crate) tracker: TaskTracker,
    pub(crate) shutdown: CancellationToken,
}

/// Who sends a request.
#[derive(Debug)]
pub(crate) struct Client {
    /// The connection, which lives as long as this.
    pub(crate) connection: Arc<Connection>,
    /// The address whose rate is limited.
    pub(crate) limited: Option<IpAddr>,
    _place: Option<Place>,
}

/// A refusal of a whole request.
struct Refused {
    reason: Refusal,
    status: StatusCode,
    code: i32,
    message: String,
}

impl Refused {
    fn new(reason: Refusal, status: StatusCode, code: i32, message: impl Into<String>) -> Self {
        Self { reason, status, code, message: message.into() }
    }

    fn invalid(status: StatusCode, message: &str) -> Self {
        Self::new(Refusal::Forbidden, status, code::INVALID_REQUEST, message)
    }

    fn connections(message: &str) -> Self {
        Self::new(Refusal::Connections, StatusCode::TOO_MANY_REQUESTS, code::BUSY, message)
    }
}

impl Endpoint {
    /// Answers one request of a connection.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        connection: Arc<Connection>,
    ) -> Result<Response, Infallible> {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        Ok(match request.uri().path() {
            "/" => self.json_rpc(request, connection).await,
            "/healthz" if reads => page(StatusCode::OK, "text/plain", "ok\n"),
            "/readyz" if reads => self.ready(),
            "/metrics" if reads => page(StatusCode::OK, "text/plain; version=0.0.4", self.recorder.render()),
            "/healthz" | "/readyz" | "/metrics" => {
                page(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET it\n")
            }
            _ => json(StatusCode::NOT_FOUND, error(code::INVALID_REQUEST, "JSON-RPC is served at /")),
        })
    }

    fn ready(&self) -> Response {
        let status = if self.readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        json(status, self.readiness.report().to_string())
    }

    async fn json_rpc(self: Arc<Self>, request: Request<Incoming>, connection: Arc<Connection>) -> Response {
        let admitted = connection.is_admitted();
        let answered = match self.admit(request.headers(), connection) {
            Ok(client) if request.method() == Method::POST => self.post(request, &client).await,
            Ok(client) => self.upgrade(request, client).await,
            Err(refused) => Err(refused),
        };
        let mut response = answered.unwrap_or_else(|refused| {
            self.rpc.counters.refused(refused.reason);
            json(refused.status, error(refused.code, &refused.message))
        });
        if !admitted {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Finds out who asks, and whether they may.
    fn admit(&self, headers: &HeaderMap, connection: Arc<Connection>) -> Result<Client, Refused> {
        if !connection.is_admitted() {
            return Err(Refused::connections("too many connections, try again later"));
        }
        self.check_origin(headers)?;
        let limits = &self.rpc.limits;
        let trusted = &limits.access.trust_forwarded;
        let names = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let address = match trusted.is_empty() {
            true => connection.peer,
            false => forwarded(connection.peer, trusted, names),
        };
        let limited = (limits.limit_loopback || !is_loopback(address)).then_some(address);
        let behind_proxy = limited.filter(|address| *address != connection.peer);
        let place = match behind_proxy.map(|address| self.forwarded.take(Some(address))) {
            Some(None) => {
                return Err(Refused::connections("too many connections of this address, try again later"));
            }
            place => place.flatten(),
        };
        Ok(Client { connection, limited, _place: place })
    }

    /// Browsers say which page a request comes from; preflights alone would not stop WebSockets and plain posts.
    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        if text(header::ORIGIN).is_some_and(|origin| !self.rpc.limits.access.admits_origin(origin)) {
            return Err(Refused::invalid(StatusCode::FORBIDDEN, "web pages of this origin may not call"));
        }
        if self.loopback_only && text(header::HOST).is_some_and(|host| !is_local_name(host)) {
            return Err(Refused::invalid(
                StatusCode::FORBIDDEN,
                "call by the name localhost or a loopback address",
            ));
        }
        Ok(())
    }

    async fn post(&self, request: Request<Incoming>, client: &Client) -> Result<Response, Refused> {
        if !self.takes_type(request.headers().get(header::CONTENT_TYPE)) {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Refused::invalid(status, "the content type must be application/json"));
        }
        let body = tokio::time::timeout(self.rpc.limits.timeout, self.body(request.into_body())).await;
        let body = body.map_err(|_| {
            let status = StatusCode::REQUEST_TIMEOUT;
            Refused::new(Refusal::Timeout, status, code::TIMED_OUT, "the request did not arrive in time")
        })??;
        let caller = Caller { session: &client.connection.session, address: client.limited };
        let answer = self.rpc.answer(&body, caller).await;
        let status = match answer.refused {
            Some(Refusal::Rate | Refusal::Busy) => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::OK,
        };
        Ok(json(status, answer.text.unwrap_or_default()))
    }

    /// JSON has several names. Without one it is JSON, but not for methods that a web page must not reach: pages
    /// may send what has no type without asking first.
    fn takes_type(&self, value: Option<&HeaderValue>) -> bool {
        let Some(value) = value else { return !self.loopback_only };
        let name = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        ["application/json", "application/json-rpc", "application/jsonrequest"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
    }

    async fn body(&self, mut body: Incoming) -> Result<Bytes, Refused> {
        let limit = u64::from(self.rpc.limits.max_request_bytes);
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        if body.size_hint().lower() > limit {
            drain(body, limit.saturating_mul(DRAINED)).await;
            return Err(self.too_large());
        }
        let mut whole = Bytes::new();
        let mut copied = Vec::new(); // only a body of several frames is copied
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| unreadable())?.into_data() else { continue };
            if whole.len() + copied.len() + data.len() > most {
                drain(body, limit.saturating_mul(DRAINED)).await;
                return Err(self.too_large());
            }
            if whole.is_empty() && copied.is_empty() {
                whole = data;
            } else {
                if copied.is_empty() {
                    copied = std::mem::take(&mut whole).into();
                }
                copied.extend_from_slice(&data);
            }
        }
        Ok(if copied.is_empty() { whole } else { copied.into() })
    }

    fn too_large(&self) -> Refused {
        let message = too_large_message(self.rpc.limits.max_request_bytes);
        Refused::new(Refusal::TooLarge, StatusCode::PAYLOAD_TOO_LARGE, code::TOO_LARGE, message)
    }

    async fn upgrade(
        self: &Arc<Self>,
        request: Request<Incoming>,
        client: Client,
    ) -> Result<Response, Refused> {
        let (mut parts, _) = request.into_parts();
        match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => Ok(ws::accept(upgrade, Arc::clone(self), client)),
            Err(_) => {
                let status = StatusCode::METHOD_NOT_ALLOWED;
                Err(Refused::invalid(status, "send JSON-RPC by POST, or open a WebSocket"))
            }
        }
    }
}

/// What a request or message above `limit` is answered.
pub(crate) fn too_large_message(limit: u32) -> String {
    format!("the request is above {limit} bytes")
}

fn unreadable() -> Refused {
    let message = "the request could not be read";
    Refused::new(Refusal::Malformed, StatusCode::BAD_REQUEST, code::PARSE_ERROR, message)
}

/// Reads at most `most` bytes of a body for nothing.
async fn drain(mut body: Incoming, most: u64) {
    let mut drained = 0;
    while drained < most
        && let Some(Ok(frame)) = body.frame().await
    {
        drained += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
}

/// Whether the value of a `host` header is a name of this machine, which nobody else can point here.
fn is_local_name(host: &str) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return is_loopback(address.ip());
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || [name, bare].iter().any(|text| text.parse().is_ok_and(is_loopback))
}

/// The CORS answers that `access` asks for.
///
/// # Errors
/// [`HttpError::Origin`] for an origin that cannot stand in a header.
pub(crate) fn cors(access: &RpcAccess) -> Result<CorsLayer, HttpError> {
    let layer =
        CorsLayer::new().allow_methods([Method::GET, Method::POST]).allow_headers(Any).max_age(PREFLIGHT);
    if access.cors_origins.iter().any(|origin| origin == "*") {
        return Ok(layer.allow_origin(Any));
    }
    let parse = |origin: &String| origin.parse().map_err(|_| HttpError::Origin(origin.clone()));
    let named = access.cors_origins.iter().filter(|origin| !origin.is_empty());
    let origins = named.map(parse).collect::<Result<Vec<HeaderValue>, _>>()?;
    Ok(layer.allow_origin(AllowOrigin::list(origins)))
}

fn error(code: i32, message: &str) -> String {
    envelope::error(RequestId::NULL, code, message)
}

fn json(status: StatusCode, text: String) -> Response {
    page(status, "application/json", text)
}

fn page(status: StatusCode, content_type: &'static str, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for host in ["localhost", "LOCALHOST:9549", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:9549"] {
            assert!(is_local_name(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:9549",
            "localhost.evil.example",
            "192.0.2.1:1",
            "[2001:db8::1]",
        ] {
            assert!(!is_local_name(host), "{host}");
        }
    }
}
