//! The HTTP server as clients see it.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::time::Duration;

use common::{Socket, call, post, start};
use jsonrpsee::RpcModule;
use lockstep_service::{HttpError, HttpOptions, Readiness, RpcLimits, code, http};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn call_and_batch_are_answered_in_order_without_a_content_type() {
    let fixture = start(RpcLimits::default()).await;
    let (status, answer) = post(&fixture.url, call("test_echo", &json!(["hi"])).to_string()).await;
    assert_eq!((status, &answer["result"]), (StatusCode::OK, &json!("hi")));
    let batch: Vec<Value> =
        (0..3).map(|id| json!({"jsonrpc": "2.0", "id": id, "method": "test_echo", "params": [id]})).collect();
    let (_, answers) = post(&fixture.url, json!(batch).to_string()).await;
    let ids: Vec<_> =
        answers.as_array().unwrap().iter().map(|answer| answer["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [0, 1, 2]);
}

#[tokio::test]
async fn every_limit_answers_with_a_json_rpc_error() {
    let limits = RpcLimits {
        max_request_bytes: 200,
        max_batch: 2,
        timeout: Duration::from_millis(20),
        ..RpcLimits::default()
    };
    let fixture = start(limits).await;

    let large = call("test_echo", &json!(["x".repeat(300)])).to_string();
    let (status, answer) = post(&fixture.url, large.clone()).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!(code::TOO_LARGE)));
    // Without a length, in chunks.
    let chunks = futures::stream::iter([Ok::<_, std::io::Error>(large)]);
    let response =
        Client::new().post(&fixture.url).body(reqwest::Body::wrap_stream(chunks)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let one = json!({"jsonrpc": "2.0", "id": 1, "method": "test_echo"});
    let (_, answer) = post(&fixture.url, json!([one, one, one]).to_string()).await;
    assert_eq!(answer["error"]["code"], -32010);

    let (_, answer) = post(&fixture.url, call("test_never", &json!([])).to_string()).await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(code::TIMED_OUT)));

    let (status, answer) = post(&fixture.url, "{ not json").await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::OK, &json!(-32700)));
    let response = Client::new().get(&fixture.url).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.json::<Value>().await.unwrap()["error"]["code"], -32600);
}

#[tokio::test]
async fn busy_server_says_so_in_json() {
    let limits = RpcLimits { max_connections: 1, ..RpcLimits::default() };
    let fixture = start(limits).await;
    let socket = Socket::open(&fixture.url).await;
    let (status, answer) = post(&fixture.url, call("test_echo", &json!([1])).to_string()).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::TOO_MANY_REQUESTS, &json!(code::BUSY)));
    drop(socket);
}

#[tokio::test]
async fn subscription_ids_are_hex_strings_and_events_arrive() {
    let fixture = start(RpcLimits { max_subscriptions: 1, ..RpcLimits::default() }).await;
    let mut socket = Socket::open(&fixture.url).await;
    let echo = socket.ask(&call("test_echo", &json!(["over a socket"]))).await;
    assert_eq!(echo["result"], "over a socket");
    let answer = socket.ask(&call("test_subscribe", &json!([]))).await;
    let id = answer["result"].as_str().unwrap_or_else(|| panic!("no string: {answer}"));
    assert!(id.starts_with("0x") && u64::from_str_radix(&id[2..], 16).is_ok(), "{id}");
    let event = socket.next().await.unwrap();
    assert_eq!(event["params"], json!({"subscription": id, "result": 7}));
    let refused = socket.ask(&call("test_subscribe", &json!([]))).await;
    assert_eq!(refused["error"]["code"], -32006);
}

#[tokio::test]
async fn message_above_the_limit_is_refused_on_a_socket_too() {
    let fixture = start(RpcLimits { max_request_bytes: 200, ..RpcLimits::default() }).await;
    let mut socket = Socket::open(&fixture.url).await;
    let refused = socket.ask(&call("test_echo", &json!(["x".repeat(300)]))).await;
    assert_eq!(refused["error"]["code"], code::TOO_LARGE);
}

#[tokio::test]
async fn readiness_health_and_metrics_are_pages() {
    let fixture = start(RpcLimits::default()).await;
    let get = async |path: &str| {
        let response = Client::new().get(format!("{}{path}", fixture.url)).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    };
    assert_eq!(get("/healthz").await.0, StatusCode::OK);
    assert_eq!(get("/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    fixture.readiness.set_ready("database");
    assert_eq!(get("/readyz").await.0, StatusCode::OK);
    post(&fixture.url, call("test_echo", &json!([1])).to_string()).await;
    post(&fixture.url, call("invented_name", &json!([])).to_string()).await;
    let (_, page) = get("/metrics").await;
    assert!(page.contains(r#"lockstep_rpc_calls_total{method="test_echo",outcome="ok"}"#), "{page}");
    assert!(!page.contains("invented_name"), "{page}");
}

#[tokio::test]
async fn browsers_of_any_origin_may_call() {
    let fixture = start(RpcLimits::default()).await;
    let response = Client::new()
        .request(reqwest::Method::OPTIONS, &fixture.url)
        .header("origin", "https://dapp.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type")
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn shutdown_closes_sockets_and_ends_the_server() {
    let fixture = start(RpcLimits::default()).await;
    let mut socket = Socket::open(&fixture.url).await;
    fixture.shutdown.cancel();
    fixture.server.stopped().await.unwrap();
    assert_eq!(socket.next().await, None);
}

#[tokio::test]
async fn taken_port_is_named_in_the_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let started = http::serve(
        HttpOptions::new(address),
        RpcModule::new(()),
        Readiness::default(),
        CancellationToken::new(),
    )
    .await;
    assert!(matches!(started, Err(HttpError::InUse(named)) if named == address));
}
