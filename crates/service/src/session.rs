//! What one connection has of the server: its share of calls, and its subscriptions.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use jsonrpsee::core::server::{ConnectionId, MethodResponse, MethodSink, SubscriptionState};
use serde_json::value::RawValue;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit, mpsc};

use crate::counters::{Counted, Counters};
use crate::rpc::{HexIds, code};

/// Events of one subscription that wait for the connection; its handler waits when there are more.
const EVENTS: usize = 8;

/// What the calls of one connection share.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: ConnectionId,
    calls: Semaphore,
    subscriptions: Option<Arc<Semaphore>>, // only where events can be sent
}

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller<'a> {
    pub(crate) session: &'a Session,
    /// The address whose rate is limited.
    pub(crate) address: Option<IpAddr>,
}

/// What a handler needs to subscribe, and what is left to the connection.
type Subscribing = (SubscriptionState<'static>, MethodSink, Taken);

impl Session {
    /// So many calls run at the same time; so many subscriptions, if events can be sent at all.
    pub(crate) fn new(id: usize, calls: usize, subscriptions: Option<u32>) -> Self {
        let subscriptions = subscriptions.map(|most| Arc::new(Semaphore::new(most as usize)));
        Self { id: ConnectionId(id), calls: Semaphore::new(calls), subscriptions }
    }

    /// Waits until one more of its calls may run.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.calls.acquire().await
    }

    /// Takes a place for one more subscription, of the connection and of `all`.
    ///
    /// # Errors
    /// Code and message, if there is none.
    pub(crate) fn subscribe(
        &self,
        all: &Arc<Semaphore>,
        counters: &Counters,
    ) -> Result<Subscribing, (i32, &'static str)> {
        let Some(own) = &self.subscriptions else {
            return Err((code::UNKNOWN_METHOD, "notifications not supported"));
        };
        let take = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned();
        let own =
            take(own).map_err(|_| (code::SUBSCRIPTIONS, "too many subscriptions on this connection"))?;
        let all = take(all).map_err(|_| (code::SUBSCRIPTIONS, "too many subscriptions"))?;
        let (sender, receiver) = mpsc::channel(EVENTS);
        let state = SubscriptionState { conn_id: self.id, id_provider: &HexIds, subscription_permit: own };
        let counted = Counted::new(&counters.subscriptions);
        Ok((state, MethodSink::new(sender), Taken(Events { receiver, _permit: all, _counted: counted })))
    }
}

/// The place of a subscription that has not been answered yet.
pub(crate) struct Taken(Events);

impl Taken {
    /// The events, if `answer` accepts. jsonrpsee sends it the same way, ahead of them: that copy is dropped.
    pub(crate) fn after(mut self, answer: &MethodResponse) -> Option<Events> {
        (answer.is_success() && self.0.receiver.try_recv().is_ok()).then_some(self.0)
    }
}

/// Events of a subscription. Dropping them ends it.
#[derive(Debug)]
pub(crate) struct Events {
    receiver: mpsc::Receiver<Box<RawValue>>,
    _permit: OwnedSemaphorePermit,
    _counted: Counted,
}

impl Stream for Events {
    type Item = Box<RawValue>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(context)
    }
}
