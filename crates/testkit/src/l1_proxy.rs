//! An L1 node that errs, stalls and lies as a test wants: a proxy in front of a real one.

use std::{
    future::pending,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use alloy::transports::http::reqwest;
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// What becomes of one JSON-RPC call.
pub enum Action {
    /// The node answers.
    Forward,
    /// This is the result; the node hears nothing.
    Answer(Value),
    /// This is the message of an error; the node hears nothing.
    Refuse(String),
    /// An answer that is no JSON-RPC at all: HTTP status 500. The node hears nothing.
    Break,
    /// There is never an answer.
    Stall,
    /// The node is asked, and its result says what is done. An error of the node is passed on.
    Then(Box<dyn FnOnce(Value) -> Self + Send>),
}

impl Action {
    /// The node is asked, and `then` sees its result.
    pub fn then(then: impl FnOnce(Value) -> Self + Send + 'static) -> Self {
        Self::Then(Box::new(then))
    }
}

type Behaviour = Box<dyn FnMut(&str, &Value) -> Action + Send>;

/// A proxy on a port of its own. Dropping it closes the port.
pub struct L1Proxy {
    url: String,
    shared: Shared,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    node: String,
    client: reqwest::Client,
    behaviour: Arc<Mutex<Behaviour>>,
}

impl L1Proxy {
    /// Stands in front of the node at `node`, and passes everything on.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start(node: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let behaviour: Behaviour = Box::new(|_, _| Action::Forward);
        let shared = Shared {
            node: node.to_owned(),
            client: reqwest::Client::new(),
            behaviour: Arc::new(Mutex::new(behaviour)),
        };
        let app = Router::new()
            .route("/", post(answer))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(shared.clone());
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await; // ends with the proxy
        });
        Ok(Self { url, shared, server })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on `behaviour` decides about each call, by method and parameters.
    pub fn behave(&self, behaviour: impl FnMut(&str, &Value) -> Action + Send + 'static) {
        *self.shared.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(behaviour);
    }

    /// From now on everything is passed on.
    pub fn be_honest(&self) {
        self.behave(|_, _| Action::Forward);
    }
}

impl Drop for L1Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(shared): State<Shared>, Json(call): Json<Value>) -> Response {
    let mut action = {
        let mut behaviour = shared.behaviour.lock().unwrap_or_else(PoisonError::into_inner);
        behaviour(call["method"].as_str().unwrap_or_default(), &call["params"])
    };
    loop {
        let id = &call["id"];
        action = match action {
            Action::Forward => Action::then(Action::Answer),
            Action::Answer(result) => {
                return Json(json!({ "jsonrpc": "2.0", "id": id, "result": result })).into_response();
            }
            Action::Refuse(message) => {
                let error = json!({ "code": -32000, "message": message });
                return Json(json!({ "jsonrpc": "2.0", "id": id, "error": error })).into_response();
            }
            Action::Break => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            Action::Stall => pending().await,
            Action::Then(then) => match forward(&shared, &call).await {
                Ok(mut answer) if answer.get("error").is_none() => then(answer["result"].take()),
                Ok(answer) => return Json(answer).into_response(),
                Err(_) => Action::Break,
            },
        };
    }
}

async fn forward(shared: &Shared, call: &Value) -> reqwest::Result<Value> {
    let request = shared.client.post(&shared.node).header("content-type", "application/json");
    let text = request.body(call.to_string()).send().await?.text().await?;
    Ok(serde_json::from_str(&text).unwrap_or_default())
}
