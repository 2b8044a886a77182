//! CPU of the server for one request over one keep-alive connection, kernel and user time apart.
//!
//! The server has a thread of its own, whose times Linux counts in `/proc`; the client is a socket and a
//! fixed text. `cargo bench -p lockstep-service` prints one line per workload, and the memory of a WebSocket.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use jsonrpsee::RpcModule;
use lockstep_service::{HttpOptions, Readiness, http};
use tokio_util::sync::CancellationToken;

const WARM_UP: u32 = 2_000;
const REQUESTS: u32 = 100_000;
const SOCKETS: usize = 1_000;
/// Linux counts CPU time of threads in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

fn module() -> RpcModule<()> {
    let mut module = RpcModule::new(());
    module.register_method("bench_sync", |_, (), _| "0x1").unwrap();
    module.register_async_method("bench_async", |_, _, _| async { "0x1" }).unwrap();
    module
}

/// Starts a server on a thread of its own; gives its address and the thread's directory in `/proc`.
fn start() -> (SocketAddr, String) {
    let (started, address) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let thread = std::fs::read_link("/proc/thread-self").unwrap();
        let thread = format!("/proc/{}/stat", thread.display());
        runtime.block_on(async {
            let options = HttpOptions::new(([127, 0, 0, 1], 0).into());
            let server =
                http::serve(options, module(), Readiness::default(), CancellationToken::new()).await.unwrap();
            started.send((server.local_addr(), thread)).unwrap();
            server.stopped().await.unwrap();
        });
    });
    address.recv().unwrap()
}

/// User and system time of a thread.
fn times(stat: &str) -> (Duration, Duration) {
    let text = std::fs::read_to_string(stat).unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |index: usize| TICK * fields[index].parse::<u32>().unwrap();
    (ticks(11), ticks(12))
}

struct Client {
    socket: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Client {
    fn new(address: SocketAddr, body: &str) -> Self {
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket, request: request.into_bytes(), answer: vec![0; 1 << 20] }
    }

    /// One request; the answer's text, head and all.
    fn ask(&mut self) -> &str {
        self.socket.write_all(&self.request).unwrap();
        let mut filled = 0;
        loop {
            filled += self.socket.read(&mut self.answer[filled..]).unwrap();
            let text = std::str::from_utf8(&self.answer[..filled]).unwrap();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let head = head.to_ascii_lowercase();
                let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
                if length.parse::<usize>().unwrap() == body.len() {
                    break;
                }
            }
        }
        std::str::from_utf8(&self.answer[..filled]).unwrap()
    }
}

fn measure(name: &str, address: SocketAddr, stat: &str, body: &str, requests: u32) {
    let mut client = Client::new(address, body);
    for _ in 0..WARM_UP.min(requests) {
        let answer = client.ask();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""result":"0x1""#), "{answer}");
    }
    let (before, started) = (times(stat), Instant::now());
    for _ in 0..requests {
        client.ask();
    }
    let (after, wall) = (times(stat), started.elapsed() / requests);
    let (user, system) = ((after.0 - before.0) / requests, (after.1 - before.1) / requests);
    println!("{name}: user {user:?}, system {system:?}, wall {wall:?} per request");
}

/// Memory of the process for an idle WebSocket: the client's end is a bare socket.
fn sockets(address: SocketAddr) {
    let open = || {
        let mut socket = TcpStream::connect(address).unwrap();
        let head =
            format!("GET / HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n");
        let key = "sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        socket.write_all(format!("{head}{key}").as_bytes()).unwrap();
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 101");
        socket
    };
    let before = resident();
    let sockets: Vec<_> = (0..SOCKETS).map(|_| open()).collect();
    println!("socket/idle: {} KiB per socket", (resident() - before) / SOCKETS / 1024);
    drop(sockets);
}

/// Memory that this process holds, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn main() {
    let (address, stat) = start();
    let call = |method: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[]}}"#);
    let batch = format!("[{}]", vec![call("bench_async"); 100].join(","));
    measure("single/method=sync", address, &stat, &call("bench_sync"), REQUESTS);
    measure("single/method=async", address, &stat, &call("bench_async"), REQUESTS);
    measure("batch/calls=100", address, &stat, &batch, REQUESTS / 50);
    sockets(address);
}
