//! JSON-RPC over a WebSocket.
//!
//! One task reads and calls, and writes beside it. Nothing queues without bound: a client that does not read its
//! answers is not read from either, subscriptions wait for it, and if it takes nothing for too long it is told
//! so and closed. Memory of one connection is at most: messages up to the request limit in work, plus the one
//! that is read; [`QUEUE_BYTES`] and one answer that wait; one event per subscription in the socket's buffer, and
//! a few in its queue.

use std::sync::Arc;
use std::time::Duration;

use axum::Error;
use axum::body::Bytes;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use axum::response::Response;
use futures::future::{self, BoxFuture, Either};
use futures::stream::{FuturesUnordered, SelectAll, SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::tungstenite;

use crate::calls::Answer;
use crate::counters::{Counted, Refusal};
use crate::endpoint::{Client, Endpoint, too_large_message};
use crate::envelope::{self, RequestId};
use crate::rpc::code;
use crate::session::{Caller, Events};
use crate::slow::CUT_AFTER;

/// Frames that wait to be written.
const QUEUE_FRAMES: usize = 64;
/// Bytes of answers that wait to be written, beside one answer of any size.
const QUEUE_BYTES: usize = 4 << 20;
/// Buffers of the socket; they grow for larger messages only.
const SOCKET_BUFFER_BYTES: usize = 16 << 10;
/// Written at once, if more is ready.
const WRITE_BYTES: usize = 64 << 10;
/// Pause between pings.
const PING: Duration = Duration::from_secs(30);
/// So many pings without a sign of life, and the client counts as gone.
const SILENT_PINGS: u32 = 3;
/// Messages up to this many times the limit are read and answered with an error; beyond it the socket closes.
const READ_ANYWAY: usize = 2;

/// Something for the writer.
enum Outgoing {
    Text(Utf8Bytes, OwnedSemaphorePermit),
    Events(Events),
    Ping,
    Close(CloseFrame),
}

/// Turns an HTTP request into a WebSocket and serves it until it ends.
pub(crate) fn accept(upgrade: WebSocketUpgrade, endpoint: Arc<Endpoint>, client: Client) -> Response {
    let most = READ_ANYWAY * endpoint.rpc.limits.max_request_bytes as usize;
    let token = endpoint.tracker.token();
    upgrade
        .max_message_size(most)
        .max_frame_size(most)
        .read_buffer_size(SOCKET_BUFFER_BYTES)
        .write_buffer_size(SOCKET_BUFFER_BYTES)
        .on_upgrade(async move |socket| {
            serve(socket, &endpoint, &client).await;
            drop(token);
        })
}

async fn serve(socket: WebSocket, endpoint: &Endpoint, client: &Client) {
    let _counted = Counted::new(&endpoint.rpc.counters.websockets);
    let session = endpoint.rpc.session(true);
    let (mut sink, stream) = socket.split();
    let (outgoing, queue) = mpsc::channel(QUEUE_FRAMES);
    let reader = Reader {
        endpoint,
        caller: Caller { session: &session, address: client.limited },
        queue: Queue { outgoing, bytes: Arc::new(Semaphore::new(QUEUE_BYTES)) },
    };
    let talk = async {
        // Boxed: the compiler cannot see that what borrows from here may be sent to another thread.
        let writing: BoxFuture<'_, ()> = Box::pin(write(&mut sink, queue));
        let reading: BoxFuture<'_, ()> = Box::pin(reader.read(stream));
        if let Either::Right(((), writing)) = future::select(writing, reading).await {
            writing.await;
        }
    };
    let slow = tokio::select! {
        () = talk => false,
        () = client.connection.slow.cancelled() => true, // its subscriptions end here
    };
    if slow {
        let told = sink.send(Message::Close(Some(close(close_code::AGAIN, "slow reader"))));
        // What was sent before must be read first: a client that wakes up meanwhile learns the reason.
        let _ = timeout(endpoint.rpc.limits.slow_reader * CUT_AFTER, told).await;
    }
}

fn close(code: u16, reason: &'static str) -> CloseFrame {
    CloseFrame { code, reason: Utf8Bytes::from_static(reason) }
}

/// The way to the writer, bounded in frames and bytes.
struct Queue {
    outgoing: mpsc::Sender<Outgoing>,
    bytes: Arc<Semaphore>,
}

/// The writer has ended.
struct Gone;

impl Queue {
    async fn text(&self, text: String) -> Result<(), Gone> {
        let weight = u32::try_from(text.len().min(QUEUE_BYTES)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.bytes).acquire_many_owned(weight).await.map_err(|_| Gone)?;
        self.send(Outgoing::Text(text.into(), permit)).await
    }

    async fn answer(&self, answer: Answer) -> Result<(), Gone> {
        if let Some(text) = answer.text {
            self.text(text).await?;
        }
        for events in answer.events {
            self.send(Outgoing::Events(events)).await?;
        }
        Ok(())
    }

    async fn send(&self, outgoing: Outgoing) -> Result<(), Gone> {
        self.outgoing.send(outgoing).await.map_err(|_| Gone)
    }
}

struct Reader<'a> {
    endpoint: &'a Endpoint,
    caller: Caller<'a>,
    queue: Queue,
}

impl Reader<'_> {
    /// Reads and calls until one side wants to end, and queues the close frame.
    async fn read(self, stream: SplitStream<WebSocket>) {
        if let Ok(Some(frame)) = self.calls(stream).await {
            let _ = self.queue.send(Outgoing::Close(frame)).await;
        }
    }

    async fn calls(&self, mut stream: SplitStream<WebSocket>) -> Result<Option<CloseFrame>, Gone> {
        let limits = &self.endpoint.rpc.limits;
        let most_bytes = limits.max_request_bytes as usize;
        let mut ping = interval_at(Instant::now() + PING, PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut running, mut bytes, mut silent) = (FuturesUnordered::new(), 0, 0);
        loop {
            let reads = running.len() < self.endpoint.rpc.share() && bytes < most_bytes;
            tokio::select! {
                Some((answer, size)) = running.next() => {
                    bytes -= size;
                    self.queue.answer(answer).await?;
                }
                received = stream.next(), if reads => {
                    silent = 0;
                    let text: Bytes = match received {
                        Some(Ok(Message::Text(text))) => text.into(),
                        Some(Ok(Message::Binary(bytes))) => bytes,
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                        Some(Err(error)) => return self.broken(error).await,
                        Some(Ok(Message::Close(_))) | None => return Ok(None),
                    };
                    let size = text.len();
                    if size > most_bytes {
                        self.too_large().await?;
                    } else {
                        bytes += size;
                        running.push(async move { (self.endpoint.rpc.answer(&text, self.caller).await, size) });
                    }
                }
                _ = ping.tick() => {
                    silent = if reads { silent + 1 } else { 0 };
                    if silent > SILENT_PINGS {
                        return Ok(Some(close(close_code::AWAY, "no answer to pings")));
                    }
                    self.queue.send(Outgoing::Ping).await?;
                }
                () = self.endpoint.shutdown.cancelled() => break,
            }
        }
        while let Some((answer, _)) = running.next().await {
            self.queue.answer(answer).await?;
        }
        Ok(Some(close(close_code::AWAY, "the server stops")))
    }

    async fn too_large(&self) -> Result<(), Gone> {
        let limit = self.endpoint.rpc.limits.max_request_bytes;
        self.refuse(Refusal::TooLarge, code::TOO_LARGE, &too_large_message(limit)).await
    }

    async fn refuse(&self, refusal: Refusal, code: i32, message: &str) -> Result<(), Gone> {
        self.endpoint.rpc.counters.refused(refusal);
        self.queue.text(envelope::error(RequestId::NULL, code, message)).await
    }

    /// Tells a client what cannot be read on after.
    async fn broken(&self, error: Error) -> Result<Option<CloseFrame>, Gone> {
        use tungstenite::Error::{Capacity, Protocol, Utf8};
        let Ok(error) = error.into_inner().downcast::<tungstenite::Error>() else { return Ok(None) };
        match *error {
            Capacity(_) => {
                self.too_large().await?;
                Ok(Some(close(close_code::SIZE, "message too large")))
            }
            Utf8(_) => {
                self.refuse(Refusal::Malformed, code::PARSE_ERROR, "parse error: not UTF-8").await?;
                Ok(Some(close(close_code::INVALID, "text that is not UTF-8")))
            }
            Protocol(_) => Ok(Some(close(close_code::PROTOCOL, "not the WebSocket protocol"))),
            _ => Ok(None),
        }
    }
}

/// Writes answers and events until there are no more, or the connection has gone.
async fn write(sink: &mut SplitSink<WebSocket, Message>, mut queue: mpsc::Receiver<Outgoing>) {
    let mut events = SelectAll::new();
    let mut unflushed = 0;
    loop {
        let (message, _permit) = tokio::select! {
            biased;
            // Nothing more is ready, or enough: one write for all since the last.
            () = future::ready(()), if unflushed >= WRITE_BYTES => (None, None),
            next = queue.recv() => match next {
                Some(Outgoing::Text(text, permit)) => (Some(Message::Text(text)), Some(permit)),
                Some(Outgoing::Ping) => (Some(Message::Ping(Bytes::new())), None),
                Some(Outgoing::Close(frame)) => (Some(Message::Close(Some(frame))), None),
                Some(Outgoing::Events(more)) => {
                    events.push(more);
                    continue;
                }
                None => return,
            },
            Some(event) = events.next() => (Some(Message::Text(String::from(Box::<str>::from(event)).into())), None),
            () = future::ready(()), if unflushed > 0 => (None, None),
        };
        let last = matches!(message, Some(Message::Close(_)));
        let written = match message {
            Some(message) => {
                unflushed += size(&message);
                sink.feed(message).await
            }
            None => {
                unflushed = 0;
                sink.flush().await
            }
        };
        if last {
            let _ = sink.flush().await;
        }
        if last || written.is_err() {
            return;
        }
    }
}

/// Bytes of a message, at least one: no frame is nothing.
fn size(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len().max(1),
        _ => 1,
    }
}
