//! A server with methods for tests, and clients for it.
#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{SinkExt, StreamExt};
use jsonrpsee::RpcModule;
use lockstep_service::{HttpOptions, Readiness, RpcLimits, Server, http};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tokio_util::sync::CancellationToken;

/// What handlers tell tests, and wait for.
#[derive(Debug)]
pub struct Stage {
    /// One permit for every call of `test_hold` that has begun, and every flood that has ended.
    pub events: Semaphore,
    /// `test_hold` ends when it has taken one of these.
    pub releases: Semaphore,
    /// Calls of `test_count`.
    pub counted: AtomicUsize,
    running: AtomicUsize,
    /// Most calls of `test_hold` that ran at the same time.
    pub most_running: AtomicUsize,
}

impl Stage {
    fn new() -> Self {
        Self {
            events: Semaphore::new(0),
            releases: Semaphore::new(0),
            counted: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            most_running: AtomicUsize::new(0),
        }
    }

    async fn hold(&self) -> &'static str {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        self.events.add_permits(1);
        self.releases.acquire().await.unwrap().forget();
        self.running.fetch_sub(1, Ordering::SeqCst);
        "released"
    }

    /// Waits until `count` more calls of `test_hold` have begun.
    pub async fn wait_for(&self, count: u32) {
        self.events.acquire_many(count).await.unwrap().forget();
    }
}

fn module(stage: Arc<Stage>) -> RpcModule<Arc<Stage>> {
    let mut module = RpcModule::new(stage);
    module.register_method("test_echo", |params, _, _| params.one::<Value>().unwrap_or_default()).unwrap();
    module.register_method("test_count", |_, stage, _| stage.counted.fetch_add(1, Ordering::SeqCst)).unwrap();
    module.register_async_method("test_never", |_, _, _| std::future::pending::<u8>()).unwrap();
    module.register_async_method("test_hold", |_, stage, _| async move { stage.hold().await }).unwrap();
    module.register_async_method("test_submit", |_, _, _| async { "submitted" }).unwrap();
    module.register_method("test_panics", |_, _, _| -> u8 { panic!("on purpose") }).unwrap();
    module
        .register_method("test_large", |params, _, _| "x".repeat(params.one::<usize>().unwrap_or_default()))
        .unwrap();
    module
        .register_subscription(
            "test_subscribe",
            "test_subscription",
            "test_unsubscribe",
            async |_, pending, _, _| {
                let sink = pending.accept().await.unwrap();
                sink.send(serde_json::value::to_raw_value(&7).unwrap()).await.unwrap();
                sink.closed().await;
            },
        )
        .unwrap();
    module
        .register_subscription(
            "test_flood",
            "test_subscription",
            "test_stopFlood",
            async |_, pending, stage, _| {
                let sink = pending.accept().await.unwrap();
                let event = serde_json::value::to_raw_value(&"x".repeat(64 << 10)).unwrap();
                while sink.send(event.clone()).await.is_ok() {}
                stage.events.add_permits(1);
            },
        )
        .unwrap();
    module
}

pub struct Fixture {
    pub url: String,
    pub server: Server,
    pub shutdown: CancellationToken,
    pub readiness: Readiness,
    pub stage: Arc<Stage>,
}

impl Fixture {
    /// The value of a series of the metrics page, 0 if it is not there.
    pub async fn metric(&self, series: &str) -> f64 {
        let page =
            Client::new().get(format!("{}/metrics", self.url)).send().await.unwrap().text().await.unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }
}

pub async fn start(limits: RpcLimits) -> Fixture {
    start_with(HttpOptions { limits, ..HttpOptions::new(([127, 0, 0, 1], 0).into()) }).await
}

pub async fn start_with(options: HttpOptions) -> Fixture {
    let options = HttpOptions { priority: &["test_sub*"], ..options };
    let shutdown = CancellationToken::new();
    let readiness = Readiness::new(["database"]);
    let stage = Arc::new(Stage::new());
    let module = module(Arc::clone(&stage)).remove_context();
    let server = http::serve(options, module, readiness.clone(), shutdown.clone()).await.unwrap();
    Fixture { url: format!("http://{}", server.local_addr()), server, shutdown, readiness, stage }
}

pub async fn post(url: &str, body: impl Into<reqwest::Body>) -> (StatusCode, Value) {
    let response = Client::new().post(url).body(body).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

pub fn call(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

pub struct Socket(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn open(url: &str) -> Self {
        Self(connect_async(url.replace("http", "ws")).await.unwrap().0)
    }

    pub async fn send(&mut self, request: &Value) {
        self.send_text(&request.to_string()).await;
    }

    pub async fn send_text(&mut self, request: &str) {
        self.0.send(Message::text(request)).await.unwrap();
    }

    pub async fn next_text(&mut self) -> Option<String> {
        while let Some(Ok(message)) = self.0.next().await {
            if let Message::Text(text) = message {
                return Some(text.to_string());
            }
        }
        None
    }

    pub async fn next(&mut self) -> Option<Value> {
        Some(serde_json::from_str(&self.next_text().await?).unwrap())
    }

    pub async fn ask(&mut self, request: &Value) -> Value {
        self.send(request).await;
        self.next().await.unwrap()
    }

    /// The close frame, after whatever comes before it.
    pub async fn closed(&mut self) -> Option<CloseFrame> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Close(frame))) => return frame,
                Some(Ok(_)) => {}
                end => panic!("no close frame: {end:?}"),
            }
        }
    }
}

/// One HTTP/1.1 connection that is kept for all its requests.
pub struct KeptAlive(TcpStream);

impl KeptAlive {
    pub async fn open(fixture: &Fixture) -> Self {
        Self(TcpStream::connect(fixture.server.local_addr()).await.unwrap())
    }

    /// Posts `body`; gives the status and the answer's body. Fails if the connection has been closed.
    pub async fn post(&mut self, body: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
        let head = format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.0.write_all(&[head.as_bytes(), body].concat()).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> std::io::Result<(u16, Vec<u8>)> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).await?;
        Ok((head.split(' ').nth(1).unwrap().parse().unwrap(), body))
    }
}
