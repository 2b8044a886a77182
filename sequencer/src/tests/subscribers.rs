//! Many subscribers at once, over real sockets.

use std::sync::Arc;

use futures::{SinkExt, StreamExt, TryStreamExt, stream};
use lockstep_service::{HttpOptions, Readiness, http};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message},
};
use tokio_util::sync::CancellationToken;

use super::rpc::node;

const SUBSCRIBERS: usize = 1_000;
const BLOCKS: usize = 5;
/// Sockets that are opened at the same time: a listener keeps only so many waiting.
const AT_ONCE: usize = 50;

type Socket = WebSocketStream<TcpStream>;

/// Both ends of every socket are files of this process.
fn allow_files(count: u64) {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert!(hard >= count, "the test needs {count} open files, the hard limit is {hard}");
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(count), hard).unwrap();
}

async fn subscribe(address: std::net::SocketAddr) -> Result<Socket, tungstenite::Error> {
    let stream = TcpStream::connect(address).await?;
    let (mut socket, _) = client_async(format!("ws://{address}"), stream).await?;
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]});
    socket.send(Message::text(request.to_string())).await?;
    let answer = next(&mut socket).await;
    assert!(answer["result"].is_string(), "{answer}");
    Ok(socket)
}

async fn next(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
            Some(Ok(_)) => {}
            end => panic!("the connection ended: {end:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_a_thousand_subscribers_sees_every_head() {
    allow_files(2 * SUBSCRIBERS as u64 + 500);
    let (_machine, mut node) = node().await;
    let shutdown = CancellationToken::new();
    let options = HttpOptions::new(([127, 0, 0, 1], 0).into());
    let server =
        http::serve(options, node.module.clone(), Readiness::default(), shutdown.clone()).await.unwrap();
    let address = server.local_addr();
    let opening = stream::iter(0..SUBSCRIBERS).map(|_| subscribe(address)).buffer_unordered(AT_ONCE);
    let sockets: Vec<Socket> = opening.try_collect().await.unwrap();

    let mut sealed = Vec::new();
    for _ in 0..BLOCKS {
        sealed.push(json!(node.seal().await.hash));
    }

    let sealed = Arc::new(sealed);
    let readers = sockets.into_iter().map(|mut socket| {
        let sealed = sealed.clone();
        tokio::spawn(async move {
            for hash in sealed.iter() {
                assert_eq!(next(&mut socket).await["params"]["result"]["hash"], *hash);
            }
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        reader.await.unwrap();
    }
    shutdown.cancel();
    server.stopped().await.unwrap();
}
