//! Calls outside of the load: what the chain is like, setting it up, and watching its blocks.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::connection::{HttpError, Link, Response};
use super::wire::{Answer, Endpoint, Refusal};

/// Calls of one batch; servers limit batches, most to 100 or more.
const BATCH: usize = 100;
/// How long a server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// JSON-RPC 2.0: the method does not exist.
const METHOD_NOT_FOUND: i64 = -32601;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// There is no connection, or it broke.
    #[error("cannot reach {target}: {reason}")]
    Unreachable {
        /// The server.
        target: String,
        /// What happened.
        reason: String,
    },
    /// There is a connection and no answer.
    #[error("{target} gave no answer to {method} for {} s", PATIENCE.as_secs())]
    Silent {
        /// The server.
        target: String,
        /// The call.
        method: &'static str,
    },
    /// The server said no.
    #[error("{target} refuses {method}: {message}")]
    Refused {
        /// The server.
        target: String,
        /// The call.
        method: &'static str,
        /// JSON-RPC error code.
        code: i64,
        /// The server's words.
        message: String,
    },
    /// The answer is something else.
    #[error("{target} does not answer {method} as an Ethereum node does (HTTP status {status}): {reason}")]
    Strange {
        /// The server.
        target: String,
        /// The call.
        method: &'static str,
        /// HTTP status.
        status: u16,
        /// What was found.
        reason: String,
    },
}

impl RpcError {
    /// The server does not have the method at all.
    pub(crate) const fn is_unknown_method(&self) -> bool {
        matches!(self, Self::Refused { code: METHOD_NOT_FOUND, .. })
    }
}

/// A server, by the name that the user gave it.
#[derive(Debug)]
pub(crate) struct Rpc {
    target: String,
    link: Link,
}

impl Rpc {
    pub(crate) fn new(name: &str, endpoint: Endpoint) -> Self {
        Self { target: format!("{name} at {endpoint}"), link: Link::new(endpoint) }
    }

    pub(crate) async fn call<T: DeserializeOwned>(
        &mut self,
        method: &'static str,
        params: impl Serialize,
    ) -> Result<T, RpcError> {
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": method, "params": params}).to_string();
        let target = self.target.clone();
        let response = self.exchange(method, body.as_bytes()).await?;
        let answer: Answer<'_> = decode(&target, method, &response)?;
        result(&target, method, response.status, answer)
    }

    /// The results of one method for several parameters, in their order.
    ///
    /// # Errors
    /// That of the first call that fails.
    pub(crate) async fn calls<T: DeserializeOwned, P: Serialize>(
        &mut self,
        method: &'static str,
        params: &[P],
    ) -> Result<Vec<T>, RpcError> {
        let mut found = Vec::with_capacity(params.len());
        for params in params.chunks(BATCH) {
            self.batch(method, params, &mut found).await?;
        }
        Ok(found)
    }

    async fn batch<T: DeserializeOwned, P: Serialize>(
        &mut self,
        method: &'static str,
        params: &[P],
        found: &mut Vec<T>,
    ) -> Result<(), RpcError> {
        let calls = params.iter().enumerate();
        let body: Vec<_> = calls
            .map(|(id, params)| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .collect();
        let target = self.target.clone();
        let response = self.exchange(method, json!(body).to_string().as_bytes()).await?;
        // Where batches are refused, the refusal is one object.
        if let Ok(Answer { error: Some(Refusal { code, message }), .. }) =
            serde_json::from_slice(response.body)
        {
            return Err(RpcError::Refused { target, method, code, message });
        }
        let mut answers: Vec<Answer<'_>> = decode(&target, method, &response)?;
        answers.sort_by_key(|answer| answer.id);
        if answers.len() != params.len() {
            let reason = format!("{} answers to {} calls", answers.len(), params.len());
            return Err(RpcError::Strange { target, method, status: response.status, reason });
        }
        for answer in answers {
            found.push(result(&target, method, response.status, answer)?);
        }
        Ok(())
    }

    /// A connection that has been idle may have been closed, which shows when it is used: then a new one is tried.
    async fn exchange(&mut self, method: &'static str, body: &[u8]) -> Result<Response<'_>, RpcError> {
        if self.link.is_open() && self.attempt(method, body).await.is_ok() {
            return Ok(self.link.last());
        }
        self.attempt(method, body).await?;
        Ok(self.link.last())
    }

    async fn attempt(&mut self, method: &'static str, body: &[u8]) -> Result<(), RpcError> {
        match tokio::time::timeout(PATIENCE, self.link.exchange(body)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.unreachable(&error)),
            Err(_) => Err(RpcError::Silent { target: self.target.clone(), method }),
        }
    }

    fn unreachable(&self, error: &HttpError) -> RpcError {
        RpcError::Unreachable { target: self.target.clone(), reason: error.to_string() }
    }
}

fn decode<'a, T: serde::Deserialize<'a>>(
    target: &str,
    method: &'static str,
    response: &Response<'a>,
) -> Result<T, RpcError> {
    serde_json::from_slice(response.body).map_err(|error| RpcError::Strange {
        target: target.to_owned(),
        method,
        status: response.status,
        reason: error.to_string(),
    })
}

fn result<T: DeserializeOwned>(
    target: &str,
    method: &'static str,
    status: u16,
    answer: Answer<'_>,
) -> Result<T, RpcError> {
    if let Some(Refusal { code, message }) = answer.error {
        return Err(RpcError::Refused { target: target.to_owned(), method, code, message });
    }
    let text = answer.result.map_or("null", |result| result.get());
    serde_json::from_str(text).map_err(|error| RpcError::Strange {
        target: target.to_owned(),
        method,
        status,
        reason: error.to_string(),
    })
}
