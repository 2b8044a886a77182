//! Calls: from the text of a client to the text of the answer. Handlers are jsonrpsee's; who may call when, and
//! how calls are read and answered, is decided here.

use std::borrow::Cow;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::http::Extensions;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt, StreamExt};
use jsonrpsee::core::server::{MethodCallback, Methods};
use jsonrpsee::types::{Id, Params};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tracing::{error, warn};

use crate::counters::{CallCounters, Counters, Refusal};
use crate::envelope::{self, Bounds, Call, Entry, Incoming, Malformed, RequestId};
use crate::fair::{Busy, Gate, Rate};
use crate::limits::{RpcLimits, any_matches};
use crate::rpc::code;
use crate::session::{Caller, Events, Session};

/// Characters of an unknown method's name that its error repeats.
const NAME_CHARS: usize = 100;

/// The methods of a server, and what its clients share.
#[derive(Debug)]
pub(crate) struct Rpc {
    methods: HashMap<&'static str, Method>,
    unknown: CallCounters,
    gate: Gate,
    rate: Rate,
    subscriptions: Arc<Semaphore>,
    sessions: AtomicUsize,
    pub(crate) limits: RpcLimits,
    pub(crate) counters: Counters,
}

#[derive(Debug)]
struct Method {
    callback: MethodCallback,
    priority: bool, // does not wait for others
    counters: CallCounters,
}

/// The answer to one text.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// Nothing, if the text wants no answer.
    pub(crate) text: Option<String>,
    /// Why the text as a whole was refused.
    pub(crate) refused: Option<Refusal>,
    /// What was subscribed to; events come after the answer.
    pub(crate) events: Vec<Events>,
}

/// The answer to one call.
struct Reply {
    text: String,
    ok: bool,
    refused: Option<Refusal>,
    events: Option<Events>,
}

impl Reply {
    fn error(id: RequestId<'_>, code: i32, message: &str) -> Self {
        Self { text: envelope::error(id, code, message), ok: false, refused: None, events: None }
    }
}

impl Rpc {
    /// Serves those of `methods` that `limits` let through; calls whose names match `priority` do not wait for
    /// others.
    pub(crate) fn new(methods: &Methods, priority: &[&str], limits: RpcLimits) -> Self {
        let served = methods.method_names().filter(|name| limits.access.serves(name));
        let entry = |name: &'static str| {
            let callback = methods.method(name)?.clone();
            // To unsubscribe is to give back.
            let gives_back = matches!(callback, MethodCallback::Unsubscription(_));
            let priority = gives_back || any_matches(priority, name);
            Some((name, Method { callback, priority, counters: CallCounters::new(name) }))
        };
        for pattern in limits.access.allow.iter().chain(&limits.access.deny) {
            if !pattern.is_empty() && !methods.method_names().any(|name| any_matches(&[pattern], name)) {
                warn!(pattern, "no method has a name that is allowed or denied");
            }
        }
        Self {
            methods: served.filter_map(entry).collect(),
            unknown: CallCounters::new("unknown"),
            gate: Gate::new(limits.max_reads, limits.max_waiting),
            rate: Rate::new(limits.rate, limits.burst),
            subscriptions: Arc::new(Semaphore::new(limits.max_total_subscriptions as usize)),
            sessions: AtomicUsize::new(0),
            counters: Counters::new(),
            limits,
        }
    }

    /// A session for a connection, which can subscribe if events can be sent on it.
    pub(crate) fn session(&self, events: bool) -> Session {
        let id = self.sessions.fetch_add(1, Ordering::Relaxed);
        Session::new(id, self.share(), events.then_some(self.limits.max_subscriptions))
    }

    /// Most calls of one connection that run at the same time.
    pub(crate) fn share(&self) -> usize {
        self.limits.max_connection_calls.max(1) as usize
    }

    /// Answers one text.
    pub(crate) async fn answer(&self, text: &[u8], caller: Caller<'_>) -> Answer {
        let deadline = Instant::now() + self.limits.timeout;
        let bounds = Bounds { depth: self.limits.max_depth, batch: self.limits.max_batch };
        match envelope::read(text, bounds) {
            Ok(Incoming::Single(entry)) => match self.entry(&entry, caller, deadline).await {
                Some(reply) => Answer {
                    text: Some(reply.text),
                    refused: reply.refused,
                    events: reply.events.into_iter().collect(),
                },
                None => Answer::default(),
            },
            Ok(Incoming::Batch(entries)) => {
                let batch: BoxFuture<'_, Answer> = Box::pin(self.batch(&entries, caller, deadline));
                batch.await
            }
            Err(malformed) => self.malformed(&malformed),
        }
    }

    fn malformed(&self, malformed: &Malformed) -> Answer {
        let (code, refusal) = match malformed {
            Malformed::NotJson(_) | Malformed::NotUtf8(_) => (code::PARSE_ERROR, Refusal::Malformed),
            Malformed::EmptyBatch => (code::INVALID_REQUEST, Refusal::Malformed),
            Malformed::TooDeep(_) => (code::INVALID_REQUEST, Refusal::TooLarge),
            Malformed::LargeBatch(_) => (code::LARGE_BATCH, Refusal::TooLarge),
        };
        let reply = self.refuse(RequestId::NULL, refusal, code, &malformed.to_string());
        Answer { text: Some(reply.text), refused: reply.refused, events: Vec::new() }
    }

    /// Calls of a batch run at the same time, as many as the connection may have, and are answered in order.
    async fn batch(&self, entries: &[Entry<'_>], caller: Caller<'_>, deadline: Instant) -> Answer {
        self.counters.batches.increment(1);
        let most = self.limits.max_batch_response_bytes as usize;
        let full = AtomicBool::new(false);
        let (mut running, mut rest) = (FuturesOrdered::new(), entries.iter());
        let mut answer = Answer::default();
        let mut text = String::from("[");
        for answered in entries {
            while running.len() < self.share()
                && let Some(entry) = rest.next()
            {
                running.push_back(self.entry_unless(&full, entry, caller, deadline));
            }
            let Some(Some(mut reply)) = running.next().await else { continue };
            if text.len() + reply.text.len() > most {
                full.store(true, Ordering::Relaxed);
                reply = self.beyond_batch(answered);
            }
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&reply.text);
            answer.events.extend(reply.events);
        }
        text.push(']');
        answer.text = (text.len() > 2).then_some(text);
        answer
    }

    async fn entry_unless(
        &self,
        full: &AtomicBool,
        entry: &Entry<'_>,
        caller: Caller<'_>,
        deadline: Instant,
    ) -> Option<Reply> {
        if full.load(Ordering::Relaxed) && !matches!(entry, Entry::Notification(_)) {
            return Some(self.beyond_batch(entry));
        }
        self.entry(entry, caller, deadline).await
    }

    fn beyond_batch(&self, entry: &Entry<'_>) -> Reply {
        let id = match entry {
            Entry::Call(id, _) | Entry::Invalid(id) => *id,
            Entry::Notification(_) => RequestId::NULL,
        };
        let message = format!("the batch's answer is above {} bytes", self.limits.max_batch_response_bytes);
        self.refuse(id, Refusal::TooLarge, code::LARGE_BATCH_RESPONSE, &message)
    }

    async fn entry(&self, entry: &Entry<'_>, caller: Caller<'_>, deadline: Instant) -> Option<Reply> {
        match entry {
            Entry::Call(id, call) => Some(self.call(*id, call, caller, deadline).await),
            Entry::Notification(call) => {
                self.call(RequestId::NULL, call, caller, deadline).await;
                None
            }
            Entry::Invalid(id) => {
                Some(self.refuse(*id, Refusal::Malformed, code::INVALID_REQUEST, "invalid request"))
            }
        }
    }

    async fn call(&self, id: RequestId<'_>, call: &Call<'_>, caller: Caller<'_>, deadline: Instant) -> Reply {
        if caller.address.is_some_and(|address| !self.rate.allows(address)) {
            return self.refuse(
                id,
                Refusal::Rate,
                code::LIMIT,
                "too many requests from this address, slow down",
            );
        }
        let Some(method) = self.methods.get(&*call.method) else {
            self.unknown.record(false, 0.0);
            return unknown(id, &call.method);
        };
        let started = Instant::now();
        let reply = match started < deadline {
            true => timeout_at(deadline, self.take_turn(method, id, call, caller)).await.ok(),
            false => None, // the batch has had its time
        };
        let reply = reply.unwrap_or_else(|| self.timed_out(id));
        method.counters.record(reply.ok, started.elapsed().as_secs_f64());
        reply
    }

    /// Waits for a place and runs the handler, which may panic.
    async fn take_turn(
        &self,
        method: &Method,
        id: RequestId<'_>,
        call: &Call<'_>,
        caller: Caller<'_>,
    ) -> Reply {
        let _of_connection = caller.session.turn().await;
        let _of_all = match method.priority {
            true => None,
            false => match self.gate.enter().await {
                Ok(place) => Some(place),
                Err(Busy) => {
                    return self.refuse(id, Refusal::Busy, code::LIMIT, "server is busy, try again later");
                }
            },
        };
        match AssertUnwindSafe(self.run(method, id, call, caller.session)).catch_unwind().await {
            Ok(reply) => reply,
            Err(_) => {
                self.counters.panics.increment(1);
                error!(method = %call.method, "a method panicked");
                Reply::error(id, code::INTERNAL, "internal error")
            }
        }
    }

    async fn run(&self, method: &Method, id: RequestId<'_>, call: &Call<'_>, session: &Session) -> Reply {
        let params = Params::new(call.params);
        let (known, exact) = jsonrpsee_id(id);
        let most = self.limits.max_response_bytes as usize;
        let none = Extensions::new();
        let mut events = None;
        let response = match &method.callback {
            MethodCallback::Sync(callback) => callback(known, params, most, none),
            MethodCallback::Async(callback) => {
                callback(known.into_owned(), params.into_owned(), session.id, most, none).await
            }
            MethodCallback::Unsubscription(callback) => callback(known, params, session.id, most, none),
            MethodCallback::Subscription(callback) => {
                let subscribing = match session.subscribe(&self.subscriptions, &self.counters) {
                    Ok(subscribing) => subscribing,
                    Err((code, message)) => return self.refuse(id, Refusal::Subscriptions, code, message),
                };
                let (state, sink, taken) = subscribing;
                let response = callback(known, params, sink, state, none).await;
                events = taken.after(&response);
                response
            }
        };
        let ok = response.is_success();
        let (json, sent, _) = response.into_parts();
        if let Some(sent) = sent {
            sent.notify(ok);
        }
        let text = String::from(Box::<str>::from(json));
        let text = if exact { text } else { envelope::with_id(text, id) };
        Reply { text, ok, refused: None, events }
    }

    fn timed_out(&self, id: RequestId<'_>) -> Reply {
        let limit = humantime::format_duration(self.limits.timeout);
        let message = format!("the call took longer than {limit}");
        self.refuse(id, Refusal::Timeout, code::TIMED_OUT, &message)
    }

    fn refuse(&self, id: RequestId<'_>, refusal: Refusal, code: i32, message: &str) -> Reply {
        self.counters.refused(refusal);
        Reply { refused: Some(refusal), ..Reply::error(id, code, message) }
    }
}

/// The id that jsonrpsee shall answer with, and whether it writes it exactly as the client did.
fn jsonrpsee_id(id: RequestId<'_>) -> (Id<'_>, bool) {
    let json = id.as_json();
    if let Some(plain) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
        && !plain.contains('\\')
    {
        return (Id::Str(Cow::Borrowed(plain)), true);
    }
    match json.parse() {
        Ok(number) => (Id::Number(number), true),
        Err(_) => (Id::Null, id == RequestId::NULL),
    }
}

fn unknown(id: RequestId<'_>, method: &str) -> Reply {
    let name: String = method.chars().take(NAME_CHARS).collect();
    Reply::error(id, code::UNKNOWN_METHOD, &format!("the method {name} does not exist/is not available"))
}
