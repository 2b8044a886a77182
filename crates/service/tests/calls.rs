//! What comes back for what was sent, over HTTP and WebSocket.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::sync::atomic::Ordering;

use common::{KeptAlive, Socket, call, post, start};
use lockstep_service::{RpcLimits, code};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

const IDS: [&str; 12] = [
    "0",
    "1",
    "-1",
    "1.50",
    "-0",
    "1e400",
    "18446744073709551615",
    "340282366920938463463374607431768211456",
    "null",
    r#""plain""#,
    r#""a\u0041\"\\""#,
    r#""\ud800""#,
];

fn request(method: &str, id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":["x"],"id":{id}}}"#)
}

#[tokio::test]
async fn ids_come_back_byte_for_byte() {
    let fixture = start(RpcLimits::default()).await;
    let mut http = KeptAlive::open(&fixture).await;
    let mut socket = Socket::open(&fixture.url).await;
    for id in IDS {
        for (method, rest) in [
            ("test_echo", r#""result":"x"}"#),
            ("test_submit", r#""result":"submitted"}"#),
            ("nobody_serves", r#""error":{"#),
        ] {
            let expected = format!(r#"{{"jsonrpc":"2.0","id":{id},{rest}"#);
            let text = request(method, id);
            let (_, answer) = http.post(text.as_bytes()).await.unwrap();
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.starts_with(&expected), "{answer}");
            socket.send_text(&text).await;
            let answer = socket.next_text().await.unwrap();
            assert!(answer.starts_with(&expected), "{answer}");
        }
    }
}

#[tokio::test]
async fn subscription_answers_any_id_before_its_events_and_ends_when_told() {
    let fixture = start(RpcLimits::default()).await;
    let mut socket = Socket::open(&fixture.url).await;
    socket.send_text(&request("test_subscribe", "-1.5")).await;
    let answer = socket.next_text().await.unwrap();
    assert!(answer.starts_with(r#"{"jsonrpc":"2.0","id":-1.5,"result":"0x"#), "{answer}");
    let id = serde_json::from_str::<Value>(&answer).unwrap()["result"].clone();
    assert_eq!(socket.next().await.unwrap()["params"], json!({"subscription": id, "result": 7}));
    assert_eq!(socket.ask(&call("test_unsubscribe", &json!([id]))).await["result"], true);
    assert_eq!(socket.ask(&call("test_unsubscribe", &json!([id]))).await["result"], false);
}

#[tokio::test]
async fn subscribing_works_in_a_batch_but_not_over_http() {
    let fixture = start(RpcLimits::default()).await;
    let batch = json!([call("test_subscribe", &json!([])), call("test_echo", &json!([1]))]);
    let mut socket = Socket::open(&fixture.url).await;
    let answers = socket.ask(&batch).await;
    assert_eq!(answers[1]["result"], 1);
    assert_eq!(socket.next().await.unwrap()["params"]["subscription"], answers[0]["result"]);
    let (_, refused) = post(&fixture.url, call("test_subscribe", &json!([])).to_string()).await;
    assert_eq!(refused["error"], json!({"code": -32601, "message": "notifications not supported"}));
}

#[tokio::test]
async fn notifications_are_run_and_not_answered() {
    let fixture = start(RpcLimits::default()).await;
    let one = json!({"jsonrpc": "2.0", "method": "test_count"});
    for (body, counted) in [(one.clone(), 1), (json!([one, one]), 3)] {
        let response = Client::new().post(&fixture.url).body(body.to_string()).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.text().await.unwrap(), "");
        assert_eq!(fixture.stage.counted.load(Ordering::SeqCst), counted);
    }
    let (_, mixed) = post(&fixture.url, json!([one, call("test_echo", &json!([5]))]).to_string()).await;
    assert_eq!(mixed, json!([{"jsonrpc": "2.0", "id": 1, "result": 5}]));
}

#[tokio::test]
async fn errors_say_what_geth_says() {
    let fixture = start(RpcLimits::default()).await;
    let error = async |body: &str| post(&fixture.url, body.to_owned()).await.1;
    let unknown = error(&call("foo_bar", &json!([])).to_string()).await;
    let message = "the method foo_bar does not exist/is not available";
    assert_eq!(unknown, json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": message}}));
    let empty = error("[]").await;
    assert_eq!(
        empty,
        json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32600, "message": "empty batch"}})
    );
    let no_version = error(r#"{"id": 3, "method": "test_echo"}"#).await;
    assert_eq!((&no_version["id"], &no_version["error"]["code"]), (&json!(3), &json!(-32600)));
    let object_id = error(r#"{"jsonrpc": "2.0", "id": {}, "method": "test_echo"}"#).await;
    assert_eq!((&object_id["id"], &object_id["error"]["code"]), (&Value::Null, &json!(-32600)));
    let invalid = error("[1, {}]").await;
    assert_eq!(invalid[1]["error"]["code"], -32600);
    assert_eq!(error("").await["error"]["code"], -32700);
}

#[tokio::test]
async fn method_that_panics_is_an_internal_error_and_the_connection_lives() {
    let fixture = start(RpcLimits::default()).await;
    let mut http = KeptAlive::open(&fixture).await;
    let mut socket = Socket::open(&fixture.url).await;
    let panics = call("test_panics", &json!([]));
    let (status, answer) = http.post(panics.to_string().as_bytes()).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!((status, &answer["error"]["code"]), (200, &json!(code::INTERNAL)));
    assert_eq!(socket.ask(&panics).await, answer);
    let echo = call("test_echo", &json!([1]));
    assert!(http.post(echo.to_string().as_bytes()).await.is_ok());
    assert_eq!(socket.ask(&echo).await["result"], 1);
}

#[tokio::test]
async fn calls_of_one_socket_do_not_wait_for_each_other() {
    let fixture = start(RpcLimits::default()).await;
    let mut socket = Socket::open(&fixture.url).await;
    socket.send(&json!({"jsonrpc": "2.0", "id": "slow", "method": "test_hold"})).await;
    fixture.stage.wait_for(1).await;
    assert_eq!(socket.ask(&call("test_echo", &json!(["fast"]))).await["result"], "fast");
    fixture.stage.releases.add_permits(1);
    assert_eq!(socket.next().await.unwrap()["id"], "slow");
}

#[tokio::test]
async fn large_answers_are_compressed_for_those_who_accept_it() {
    let fixture = start(RpcLimits::default()).await;
    let ask = async |bytes: usize, accept: &str| {
        let request = Client::new().post(&fixture.url).header("accept-encoding", accept);
        let response = request.body(call("test_large", &json!([bytes])).to_string()).send().await.unwrap();
        let encoding = response.headers().get("content-encoding").cloned();
        (encoding.map(|name| name.to_str().unwrap().to_owned()), response.bytes().await.unwrap().len())
    };
    assert_eq!(ask(10, "gzip").await.0, None);
    assert_eq!(ask(1 << 20, "identity").await.0, None);
    let (encoding, bytes) = ask(1 << 20, "gzip").await;
    assert_eq!(encoding.as_deref(), Some("gzip"));
    assert!(bytes < 1 << 16, "{bytes}");
}
