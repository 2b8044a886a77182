//! JSON-RPC middleware and answers that jsonrpsee leaves to us.

use std::{collections::HashSet, future::Future, sync::Arc, time::Duration, time::Instant};

use futures::future::BoxFuture;
use jsonrpsee::core::middleware::{Batch, Notification, RpcServiceT};
use jsonrpsee::core::traits::IdProvider;
use jsonrpsee::server::MethodResponse;
use jsonrpsee::types::{ErrorObjectOwned, Id, Request, SubscriptionId};
use tower::Layer;

/// JSON-RPC error codes of the server itself, beside those of the JSON-RPC specification.
pub mod code {
    /// The call did not finish within the time limit.
    pub const TIMED_OUT: i32 = -32002;
    /// A limit of the server was reached; nothing is wrong with the call.
    pub const LIMIT: i32 = -32005;
    /// The request body is above the limit.
    pub const TOO_LARGE: i32 = -32007;
    /// Too many connections.
    pub const BUSY: i32 = -32009;
}

/// Subscription ids as Ethereum clients expect them: `0x` and hex digits without leading zeros.
#[derive(Debug)]
pub(crate) struct HexIds;

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        use std::hash::{BuildHasher, RandomState};
        // A fresh SipHash key from the operating system's randomness per id.
        SubscriptionId::Str(format!("{:#x}", RandomState::new().hash_one(Instant::now())).into())
    }
}

/// Bounds the time of every call and counts it.
#[derive(Clone, Debug)]
pub(crate) struct CallLayer {
    limit: Duration,
    methods: Arc<HashSet<&'static str>>,
}

impl CallLayer {
    pub(crate) fn new(limit: Duration, methods: impl IntoIterator<Item = &'static str>) -> Self {
        Self { limit, methods: Arc::new(methods.into_iter().collect()) }
    }
}

impl<S> Layer<S> for CallLayer {
    type Service = CallService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CallService { inner, layer: self.clone() }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct CallService<S> {
    inner: S,
    layer: CallLayer,
}

impl<S> RpcServiceT for CallService<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Send
        + Sync
        + Clone
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        // Names that a client invents must not become label values.
        let method = self.layer.methods.get(request.method_name()).copied().unwrap_or("unknown");
        let id = request.id.clone();
        let (limit, inner) = (self.layer.limit, self.inner.clone());
        async move {
            let started = Instant::now();
            let response = bounded(limit, id, inner.call(request)).await;
            let outcome = if response.is_success() { "ok" } else { "error" };
            metrics::counter!("lockstep_rpc_calls_total", "method" => method, "outcome" => outcome)
                .increment(1);
            metrics::histogram!("lockstep_rpc_call_seconds", "method" => method)
                .record(started.elapsed().as_secs_f64());
            response
        }
    }

    fn batch<'a>(&self, requests: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let (limit, inner) = (self.layer.limit, self.inner.clone());
        let calls: BoxFuture<'a, _> = Box::pin(async move { inner.batch(requests).await });
        async move {
            metrics::counter!("lockstep_rpc_batches_total").increment(1);
            bounded(limit, Id::Null, calls).await
        }
    }

    fn notification<'a>(&self, n: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(n)
    }
}

async fn bounded(limit: Duration, id: Id<'_>, call: impl Future<Output = MethodResponse>) -> MethodResponse {
    match tokio::time::timeout(limit, call).await {
        Ok(response) => response,
        Err(_) => MethodResponse::error(id, timed_out(limit)),
    }
}

fn timed_out(limit: Duration) -> ErrorObjectOwned {
    let message = format!("the call took longer than {}", humantime::format_duration(limit));
    ErrorObjectOwned::owned(code::TIMED_OUT, message, None::<()>)
}
