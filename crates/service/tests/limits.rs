//! Each limit: what is answered at it, and that others are not touched.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::{Fixture, KeptAlive, Socket, call, post, start, start_with};
use jsonrpsee::RpcModule;
use lockstep_service::{HttpError, HttpOptions, Readiness, RpcAccess, RpcLimits, code, http};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::sync::CancellationToken;

fn hold(id: u32) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "test_hold"})
}

fn echo() -> String {
    call("test_echo", &json!([1])).to_string()
}

#[tokio::test]
async fn nesting_beyond_the_limit_is_refused() {
    let fixture = start(RpcLimits { max_depth: 10, ..RpcLimits::default() }).await;
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let body = |depth| call("test_echo", &json!([1])).to_string().replace("[1]", &nested(depth));
    assert!(post(&fixture.url, body(9)).await.1["result"].is_array());
    let (status, refused) = post(&fixture.url, body(10)).await;
    assert_eq!((status, &refused["error"]["code"]), (StatusCode::OK, &json!(-32600)));
    let (_, refused) = post(&fixture.url, "[".repeat(4 << 20)).await;
    assert_eq!(refused["error"]["code"], -32600);
}

#[tokio::test]
async fn calls_beyond_the_size_of_a_batch_answer_are_told_one_by_one() {
    let fixture = start(RpcLimits { max_batch_response_bytes: 1500, ..RpcLimits::default() }).await;
    let batch: Vec<_> = (0..5)
        .map(|id| json!({"jsonrpc": "2.0", "id": id, "method": "test_large", "params": [500]}))
        .collect();
    let (_, answers) = post(&fixture.url, json!(batch).to_string()).await;
    for (id, answer) in answers.as_array().unwrap().iter().enumerate() {
        assert_eq!(answer["id"], id);
        assert_eq!(answer["error"]["code"] == json!(code::LARGE_BATCH_RESPONSE), id >= 2, "{answer}");
    }
}

#[tokio::test]
async fn every_call_of_a_batch_beyond_its_time_is_answered() {
    let limits = RpcLimits { timeout: Duration::from_millis(50), ..RpcLimits::default() };
    let fixture = start(limits).await;
    let batch = json!([
        call("test_echo", &json!([1])),
        call("test_never", &json!([])),
        call("test_never", &json!([]))
    ]);
    let (_, answers) = post(&fixture.url, batch.to_string()).await;
    assert_eq!(answers[0]["result"], 1);
    for late in [1, 2] {
        assert_eq!(
            (&answers[late]["id"], &answers[late]["error"]["code"]),
            (&json!(1), &json!(code::TIMED_OUT))
        );
    }
}

#[tokio::test]
async fn connection_outlives_a_body_above_the_limit() {
    let fixture = start(RpcLimits { max_request_bytes: 1 << 20, ..RpcLimits::default() }).await;
    let mut http = KeptAlive::open(&fixture).await;
    for _ in 0..3 {
        let (status, body) = http.post(&vec![b'x'; 3 << 20]).await.unwrap();
        let error: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, &error["error"]["code"]), (413, &json!(code::TOO_LARGE)));
        assert_eq!(http.post(echo().as_bytes()).await.unwrap().0, 200);
    }
}

#[tokio::test]
async fn socket_outlives_a_message_above_the_limit_and_is_told_when_it_cannot() {
    let fixture = start(RpcLimits { max_request_bytes: 1000, ..RpcLimits::default() }).await;
    let mut socket = Socket::open(&fixture.url).await;
    let refused = socket.ask(&call("test_echo", &json!(["x".repeat(1000)]))).await;
    assert_eq!(refused["error"]["code"], code::TOO_LARGE);
    assert_eq!(socket.ask(&call("test_echo", &json!([1]))).await["result"], 1);
    let refused = socket.ask(&call("test_echo", &json!(["x".repeat(5000)]))).await;
    assert_eq!(refused["error"]["code"], code::TOO_LARGE);
    assert_eq!(socket.closed().await.unwrap().code, CloseCode::Size);
}

#[tokio::test]
async fn reads_beyond_the_queue_are_refused_at_once_and_submissions_go_past_them() {
    let fixture = start(RpcLimits { max_reads: 1, max_waiting: 0, ..RpcLimits::default() }).await;
    let mut socket = Socket::open(&fixture.url).await;
    socket.send(&hold(1)).await;
    fixture.stage.wait_for(1).await;
    let (status, refused) = post(&fixture.url, echo()).await;
    assert_eq!((status, &refused["error"]["code"]), (StatusCode::TOO_MANY_REQUESTS, &json!(code::LIMIT)));
    assert_eq!(
        (&refused["id"], &refused["error"]["message"]),
        (&json!(1), &json!("server is busy, try again later"))
    );
    let (_, submitted) = post(&fixture.url, call("test_submit", &json!([])).to_string()).await;
    assert_eq!(submitted["result"], "submitted");
    fixture.stage.releases.add_permits(1);
    assert_eq!(socket.next().await.unwrap()["result"], "released");
    assert_eq!(post(&fixture.url, echo()).await.1["result"], 1);
}

#[tokio::test]
async fn one_connection_cannot_take_all_places() {
    let limits = RpcLimits { max_connection_calls: 2, max_reads: 3, ..RpcLimits::default() };
    let fixture = start(limits).await;
    let (mut greedy, mut other) = (Socket::open(&fixture.url).await, Socket::open(&fixture.url).await);
    greedy.send(&json!((0..6).map(hold).collect::<Vec<_>>())).await;
    for id in 6..10 {
        greedy.send(&hold(id)).await;
    }
    fixture.stage.wait_for(2).await;
    assert_eq!(other.ask(&call("test_echo", &json!([1]))).await["result"], 1);
    fixture.stage.releases.add_permits(10);
    let mut answered = 0;
    while answered < 10 {
        answered += greedy.next().await.unwrap().as_array().map_or(1, Vec::len);
    }
    assert_eq!(fixture.stage.most_running.load(Ordering::SeqCst), 2);
}

fn limited_on_loopback() -> RpcLimits {
    RpcLimits { rate: 1, burst: 3, limit_loopback: true, ..RpcLimits::default() }
}

#[tokio::test]
async fn calls_above_the_rate_are_refused_each_with_its_id() {
    let fixture = start(limited_on_loopback()).await;
    let batch = json!(vec![call("test_echo", &json!([1])); 10]);
    let (status, answers) = post(&fixture.url, batch.to_string()).await;
    assert_eq!(status, StatusCode::OK);
    let answers = answers.as_array().unwrap();
    let served = answers.iter().filter(|answer| answer["result"] == 1).count();
    assert!((3..10).contains(&served), "{served}");
    assert!(answers.iter().all(|answer| answer["id"] == 1));
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(post(&fixture.url, echo()).await.0);
    }
    assert!(statuses.contains(&StatusCode::TOO_MANY_REQUESTS), "{statuses:?}");
    assert!(fixture.metric(r#"lockstep_rpc_refused_total{reason="rate"}"#).await >= 1.0);
}

#[tokio::test]
async fn clients_on_this_machine_have_no_rate_by_default() {
    let fixture = start(RpcLimits { limit_loopback: false, ..limited_on_loopback() }).await;
    for _ in 0..10 {
        assert_eq!(post(&fixture.url, echo()).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_have_a_rate_each() {
    let access = RpcAccess { trust_forwarded: vec!["127.0.0.1".parse().unwrap()], ..RpcAccess::default() };
    let fixture = start(RpcLimits { access, rate: 1, burst: 1, ..RpcLimits::default() }).await;
    let ask = async |client: &str| {
        let request = Client::new().post(&fixture.url).header("x-forwarded-for", client).body(echo());
        request.send().await.unwrap().status()
    };
    let mut first = Vec::new();
    for _ in 0..5 {
        first.push(ask("6.6.6.6, 203.0.113.1").await);
    }
    assert!(first.contains(&StatusCode::TOO_MANY_REQUESTS), "{first:?}");
    assert_eq!(ask("203.0.113.2").await, StatusCode::OK);
}

#[tokio::test]
async fn forwarded_header_of_others_is_not_believed() {
    let fixture = start(limited_on_loopback()).await;
    let mut statuses = Vec::new();
    for client in 0..20 {
        let request =
            Client::new().post(&fixture.url).header("x-forwarded-for", format!("203.0.113.{client}"));
        statuses.push(request.body(echo()).send().await.unwrap().status());
    }
    assert!(statuses.contains(&StatusCode::TOO_MANY_REQUESTS), "{statuses:?}");
}

#[tokio::test]
async fn address_has_so_many_connections_and_pages_are_served_beyond_them() {
    let limits = RpcLimits { max_address_connections: 1, limit_loopback: true, ..RpcLimits::default() };
    let fixture = start(limits).await;
    let mut socket = Socket::open(&fixture.url).await;
    let (status, refused) = post(&fixture.url, echo()).await;
    assert_eq!((status, &refused["error"]["code"]), (StatusCode::TOO_MANY_REQUESTS, &json!(code::BUSY)));
    let health = Client::new().get(format!("{}/healthz", fixture.url)).send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
    assert_eq!(socket.ask(&call("test_echo", &json!([1]))).await["result"], 1);
}

#[tokio::test]
async fn denied_methods_do_not_exist() {
    let access = RpcAccess { deny: vec!["test_c*".into(), "test_never".into()], ..RpcAccess::default() };
    let fixture = start(RpcLimits { access, ..RpcLimits::default() }).await;
    for method in ["test_count", "test_never"] {
        let (_, answer) = post(&fixture.url, call(method, &json!([])).to_string()).await;
        assert_eq!(answer["error"]["code"], code::UNKNOWN_METHOD);
    }
    assert_eq!(post(&fixture.url, echo()).await.1["result"], 1);
}

#[tokio::test]
async fn subscriptions_of_all_connections_are_bounded_and_come_back() {
    let fixture = start(RpcLimits { max_total_subscriptions: 1, ..RpcLimits::default() }).await;
    let subscribe = call("test_subscribe", &json!([]));
    let (mut first, mut second) = (Socket::open(&fixture.url).await, Socket::open(&fixture.url).await);
    let id = first.ask(&subscribe).await["result"].clone();
    assert_eq!(second.ask(&subscribe).await["error"]["code"], code::SUBSCRIPTIONS);
    first.next().await.unwrap();
    first.ask(&call("test_unsubscribe", &json!([id]))).await;
    while second.ask(&subscribe).await["error"].is_object() {
        tokio::task::yield_now().await; // the handler learns of it in a task of its own
    }
}

#[tokio::test]
async fn slow_reader_is_closed_with_the_reason_and_its_subscriptions_end() {
    let limits = RpcLimits { slow_reader: Duration::from_secs(1), ..RpcLimits::default() };
    let fixture = start(limits).await;
    let mut socket = Socket::open(&fixture.url).await;
    socket.send(&call("test_flood", &json!([]))).await;
    fixture.stage.wait_for(1).await; // the flood has ended
    let frame = socket.closed().await.unwrap();
    assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Again, "slow reader"));
    assert!(fixture.metric("lockstep_rpc_slow_readers_total").await >= 1.0);
}

#[tokio::test]
async fn answer_that_nobody_takes_is_given_up() {
    let limits = RpcLimits { slow_reader: Duration::from_millis(100), ..RpcLimits::default() };
    let fixture = start(limits).await;
    let mut socket = TcpStream::connect(fixture.server.local_addr()).await.unwrap();
    let (bytes, body) = (16 << 20, call("test_large", &json!([16 << 20])).to_string());
    let head = format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    socket.readable().await.unwrap();
    fixture.shutdown.cancel();
    let started = Instant::now();
    fixture.server.stopped().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "it waited for the answer to be taken");
    let mut taken = Vec::new();
    let _ = socket.read_to_end(&mut taken).await; // ends early, perhaps with a reset
    assert!(taken.len() < bytes, "{}", taken.len());
}

#[tokio::test]
async fn reader_that_keeps_up_with_a_flood_stays() {
    let fixture = start(RpcLimits::default()).await;
    let mut socket = Socket::open(&fixture.url).await;
    let id = socket.ask(&call("test_flood", &json!([]))).await["result"].clone();
    for _ in 0..500 {
        assert_eq!(socket.next().await.unwrap()["params"]["subscription"], id);
    }
    socket.send(&call("test_stopFlood", &json!([id]))).await;
    fixture.stage.wait_for(1).await;
    while socket.next().await.unwrap()["result"] != true {}
}

#[tokio::test]
async fn stop_lets_calls_finish_and_tells_sockets() {
    let fixture = start(RpcLimits::default()).await;
    let mut socket = Socket::open(&fixture.url).await;
    let mut idle = Socket::open(&fixture.url).await;
    socket.send(&hold(1)).await;
    let posted = tokio::spawn(Client::new().post(&fixture.url).body(hold(2).to_string()).send());
    fixture.stage.wait_for(2).await;
    fixture.shutdown.cancel();
    assert_eq!(idle.closed().await.unwrap().code, CloseCode::Away);
    fixture.stage.releases.add_permits(2);
    assert_eq!(socket.next().await.unwrap()["result"], "released");
    assert_eq!(socket.closed().await.unwrap().code, CloseCode::Away);
    let answer: Value = posted.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(answer["result"], "released");
    drop((socket, idle));
    fixture.server.stopped().await.unwrap();
}

#[tokio::test]
async fn admin_methods_are_served_on_loopback_only() {
    let everywhere = HttpOptions::admin(([0, 0, 0, 0], 0).into());
    let started =
        http::serve(everywhere, RpcModule::new(()), Readiness::default(), CancellationToken::new()).await;
    assert!(matches!(started, Err(HttpError::NotLoopback(_))));
}

#[tokio::test]
async fn web_pages_cannot_call_admin_methods() {
    let fixture = start_with(HttpOptions::admin(([127, 0, 0, 1], 0).into())).await;
    let status = async |headers: &[(&'static str, &'static str)]| {
        let request = Client::new().post(&fixture.url).body(echo());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().await.unwrap().status()
    };
    let json = ("content-type", "application/json");
    assert_eq!(status(&[json]).await, StatusCode::OK);
    assert_eq!(status(&[json, ("host", "localhost:1")]).await, StatusCode::OK);
    assert_eq!(status(&[json, ("host", "rebound.example")]).await, StatusCode::FORBIDDEN);
    assert_eq!(status(&[json, ("origin", "https://page.example")]).await, StatusCode::FORBIDDEN);
    assert_eq!(status(&[]).await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

async fn preflight(fixture: &Fixture, origin: &str) -> Option<String> {
    let response = Client::new()
        .request(reqwest::Method::OPTIONS, &fixture.url)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .send()
        .await
        .unwrap();
    Some(response.headers().get("access-control-allow-origin")?.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn only_listed_origins_may_call() {
    let access = RpcAccess { cors_origins: vec!["https://dapp.example".into()], ..RpcAccess::default() };
    let fixture = start(RpcLimits { access, ..RpcLimits::default() }).await;
    assert_eq!(preflight(&fixture, "https://dapp.example").await.as_deref(), Some("https://dapp.example"));
    assert_eq!(preflight(&fixture, "https://other.example").await, None);
    let post =
        |origin: &'static str| Client::new().post(&fixture.url).header("origin", origin).body(echo()).send();
    assert_eq!(post("https://dapp.example").await.unwrap().status(), StatusCode::OK);
    assert_eq!(post("https://other.example").await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn three_hundred_subscribers_get_every_event() {
    let fixture = start(RpcLimits::default()).await;
    let mut sockets = Vec::new();
    for _ in 0..300 {
        let mut socket = Socket::open(&fixture.url).await;
        socket.send(&call("test_subscribe", &json!([]))).await;
        sockets.push(socket);
    }
    for socket in &mut sockets {
        let id = socket.next().await.unwrap()["result"].clone();
        assert_eq!(socket.next().await.unwrap()["params"], json!({"subscription": id, "result": 7}));
    }
    assert!(fixture.metric("lockstep_rpc_websockets").await >= 300.0);
}
