//! One keep-alive connection: a request at a time, and no more work than reading its answer takes.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wire::{Body, Endpoint, Head, NotHttp, chunks};

/// The longest answer that is read, bytes.
const MAX_ANSWER: usize = 256 << 20;
/// Room for what one read may bring, bytes.
const READ_AHEAD: usize = 16 << 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),
    #[error("the connection broke: {0}")]
    Broken(#[source] io::Error),
    #[error("the connection was closed before the answer")]
    Closed,
    #[error(transparent)]
    NotHttp(#[from] NotHttp),
    #[error("an answer above {MAX_ANSWER} bytes")]
    TooLong,
}

/// A connection that is opened when it is needed, and again after it broke.
#[derive(Debug)]
pub(crate) struct Link {
    endpoint: Endpoint,
    stream: Option<TcpStream>,
    request: Vec<u8>,
    status: u16,
    input: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl Link {
    pub(crate) const fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, stream: None, request: Vec::new(), status: 0, input: Vec::new() }
    }

    /// Whether the next request finds a connection that has served before.
    pub(crate) const fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    /// Opens the connection if it is not open.
    pub(crate) async fn open(&mut self) -> Result<(), HttpError> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.endpoint.address()).await.map_err(HttpError::Connect)?;
            stream.set_nodelay(true).map_err(HttpError::Connect)?;
            self.stream = Some(stream);
        }
        Ok(())
    }

    /// Sends `body` and waits for the answer. If the caller gives up meanwhile, the connection is gone.
    pub(crate) async fn exchange(&mut self, body: &[u8]) -> Result<Response<'_>, HttpError> {
        self.open().await?;
        let mut stream = self.stream.take().ok_or(HttpError::Closed)?;
        self.endpoint.request(body, &mut self.request);
        stream.write_all(&self.request).await.map_err(HttpError::Broken)?;
        self.input.clear();
        let head = self.head(&mut stream).await?;
        match head.body {
            Body::Sized(size) => self.sized(&mut stream, head.end, size).await?,
            Body::Chunked => self.chunked(&mut stream, head.end).await?,
            Body::UntilClosed => self.until_closed(&mut stream, head.end).await?,
        }
        if !head.closes && head.body != Body::UntilClosed {
            self.stream = Some(stream);
        }
        self.status = head.status;
        Ok(self.last())
    }

    /// The answer to the last request that had one.
    pub(crate) fn last(&self) -> Response<'_> {
        Response { status: self.status, body: &self.input }
    }

    async fn head(&mut self, stream: &mut TcpStream) -> Result<Head, HttpError> {
        loop {
            self.read(stream).await?;
            if let Some(head) = Head::parse(&self.input)? {
                return Ok(head);
            }
        }
    }

    /// Leaves the body alone in `input`.
    async fn sized(&mut self, stream: &mut TcpStream, start: usize, size: usize) -> Result<(), HttpError> {
        let end = start.checked_add(size).filter(|end| *end <= MAX_ANSWER).ok_or(HttpError::TooLong)?;
        self.input.reserve(end.saturating_sub(self.input.len()));
        while self.input.len() < end {
            self.read(stream).await?;
        }
        self.input.truncate(end);
        self.input.drain(..start);
        Ok(())
    }

    async fn chunked(&mut self, stream: &mut TcpStream, start: usize) -> Result<(), HttpError> {
        self.input.drain(..start);
        loop {
            if let Some(found) = chunks(&self.input)? {
                self.input = found.into_iter().flat_map(|range| &self.input[range]).copied().collect();
                return Ok(());
            }
            self.read(stream).await?;
        }
    }

    async fn until_closed(&mut self, stream: &mut TcpStream, start: usize) -> Result<(), HttpError> {
        self.input.drain(..start);
        loop {
            match self.read(stream).await {
                Err(HttpError::Closed) => return Ok(()),
                other => other?,
            }
        }
    }

    async fn read(&mut self, stream: &mut TcpStream) -> Result<(), HttpError> {
        if self.input.len() > MAX_ANSWER {
            return Err(HttpError::TooLong);
        }
        self.input.reserve(READ_AHEAD);
        match stream.read_buf(&mut self.input).await.map_err(HttpError::Broken)? {
            0 => Err(HttpError::Closed),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    /// A server that takes a connection for each list of answers, and closes it behind the last of them.
    async fn server(answers: &'static [&'static [&'static str]]) -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for connection in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                for answer in *connection {
                    let mut request = vec![0; 4096];
                    assert_ne!(stream.read(&mut request).await.unwrap(), 0);
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
        });
        Link::new(Endpoint::parse(&url).unwrap())
    }

    async fn body(link: &mut Link) -> Result<String, HttpError> {
        link.exchange(b"{}").await.map(|response| String::from_utf8(response.body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn one_connection_serves_many_requests() {
        let mut link = server(&[&[
            OK,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
        ]])
        .await;
        assert_eq!(body(&mut link).await.unwrap(), "ok");
        assert!(link.is_open());
        assert_eq!(body(&mut link).await.unwrap(), "ab");
        assert!(link.is_open());
    }

    #[tokio::test]
    async fn a_closed_connection_is_an_error_once_and_then_replaced() {
        let mut link = server(&[&[OK], &[OK]]).await;
        assert_eq!(body(&mut link).await.unwrap(), "ok");
        assert!(matches!(body(&mut link).await, Err(HttpError::Closed | HttpError::Broken(_))));
        assert_eq!(body(&mut link).await.unwrap(), "ok");
    }

    #[tokio::test]
    async fn a_server_that_closes_behind_each_answer_is_understood() {
        let mut link = server(&[
            &["HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"],
            &["HTTP/1.0 200 OK\r\n\r\nto the end"],
        ])
        .await;
        assert_eq!(body(&mut link).await.unwrap(), "ok");
        assert!(!link.is_open());
        assert_eq!(body(&mut link).await.unwrap(), "to the end");
        assert!(!link.is_open());
    }

    #[tokio::test]
    async fn nobody_listening_is_an_error() {
        let mut link = Link::new(Endpoint::parse("http://127.0.0.1:1").unwrap());
        assert!(matches!(body(&mut link).await, Err(HttpError::Connect(_))));
    }
}
