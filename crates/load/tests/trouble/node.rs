//! A server that speaks as much JSON-RPC as a load needs, and misbehaves as a test wants it to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy_primitives::{B256, Bytes, keccak256};
use axum::{Json, Router, extract::State, routing::post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What becomes of a submitted transaction.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// It is in a block at once.
    Include,
    /// It is in a block after this time.
    Defer(Duration),
    /// It is in the pool for ever.
    Keep,
    /// It is refused.
    Refuse(&'static str),
    /// It is in a block at once, and the answer takes its time.
    Stall(Duration),
}

/// Given how many transactions came before, and how often this one did.
type Policy = fn(usize, usize) -> Answer;

/// See the module.
#[derive(Debug)]
pub(crate) struct Node {
    policy: Policy,
    /// How many transactions of each account wait in the pool.
    waiting: u64,
    balance: u64,
    chain: Mutex<Chain>,
}

#[derive(Debug, Default)]
struct Chain {
    blocks: Vec<B256>,
    offers: BTreeMap<B256, usize>,
}

impl Node {
    pub(crate) fn new(policy: Policy) -> Self {
        Self { policy, waiting: 0, balance: u64::MAX, chain: Mutex::default() }
    }

    pub(crate) fn with_waiting(self, waiting: u64) -> Self {
        Self { waiting, ..self }
    }

    pub(crate) fn with_balance(self, balance: u64) -> Self {
        Self { balance, ..self }
    }

    /// Its address.
    pub(crate) async fn serve(self) -> String {
        let router = Router::new().route("/", post(answer)).with_state(Arc::new(self));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    async fn call(self: &Arc<Self>, call: &Value) -> Value {
        let id = &call["id"];
        match self.result(call["method"].as_str().unwrap(), &call["params"]).await {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err((code, message)) => {
                json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
            }
        }
    }

    async fn result(self: &Arc<Self>, method: &str, params: &Value) -> Result<Value, (i64, &'static str)> {
        Ok(match method {
            "eth_chainId" => json!("0x7"),
            "eth_maxPriorityFeePerGas" => json!("0x1"),
            "eth_getTransactionCount" if params[1] == "pending" => json!(format!("{:#x}", self.waiting)),
            "eth_getTransactionCount" => json!("0x0"),
            "eth_getCode" => json!("0x00"),
            "eth_getBalance" => json!(format!("{:#x}", u128::from(self.balance) << 64)),
            "eth_blockNumber" => json!(format!("{:#x}", self.chain.lock().unwrap().blocks.len())),
            "eth_getBlockByNumber" => self.block(params),
            "eth_getTransactionReceipt" => json!({"status": "0x1"}),
            "eth_sendRawTransaction" => return self.submit(params).await,
            _ => return Err((-32601, "the method does not exist")),
        })
    }

    fn block(&self, params: &Value) -> Value {
        let number = params[0].as_str().unwrap().trim_start_matches("0x");
        let number = usize::from_str_radix(number, 16).unwrap_or_default();
        let chain = self.chain.lock().unwrap();
        let hash = number.checked_sub(1).and_then(|index| chain.blocks.get(index));
        json!({"baseFeePerGas": "0x1", "transactions": Vec::from_iter(hash)})
    }

    async fn submit(self: &Arc<Self>, params: &Value) -> Result<Value, (i64, &'static str)> {
        let raw: Bytes = serde_json::from_value(params[0].clone()).unwrap();
        let hash = keccak256(raw);
        let (others, before) = self.offer(hash);
        match (self.policy)(others, before) {
            Answer::Refuse(words) => return Err((-32000, words)),
            Answer::Keep => {}
            Answer::Include => self.include(hash),
            Answer::Defer(time) => {
                let node = Arc::clone(self);
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    node.include(hash);
                });
            }
            Answer::Stall(time) => {
                self.include(hash);
                tokio::time::sleep(time).await;
            }
        }
        Ok(json!(hash))
    }

    fn include(&self, hash: B256) {
        self.chain.lock().unwrap().blocks.push(hash);
    }

    /// How many transactions have come before this one, and how often this one has.
    fn offer(&self, hash: B256) -> (usize, usize) {
        let mut chain = self.chain.lock().unwrap();
        let others = chain.offers.len();
        let times = chain.offers.entry(hash).or_default();
        *times += 1;
        (others, *times - 1)
    }
}

async fn answer(State(node): State<Arc<Node>>, Json(request): Json<Value>) -> Json<Value> {
    let Value::Array(calls) = request else { return Json(node.call(&request).await) };
    let mut answers = Vec::new();
    for call in calls {
        answers.push(node.call(&call).await);
    }
    Json(answers.into())
}
