//! HTTP/1.1 and JSON-RPC as bytes: what is sent, and how far an answer has to be read.

use std::fmt;
use std::ops::Range;

use alloy_primitives::hex;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Header fields that an answer may have.
const MAX_HEADERS: usize = 64;

/// Where requests go, and the part of them that never changes.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    url: String,
    address: String,
    head: String,
}

/// Why text names no server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is no address at all.
    #[error("{0:?} is not an address such as http://127.0.0.1:8545")]
    NotAUrl(String),
    /// The client speaks plain HTTP, as that costs least.
    #[error("{0:?}: load is sent over http:// alone, to a server of your own")]
    NotHttp(String),
}

impl Endpoint {
    pub(crate) fn parse(text: &str) -> Result<Self, EndpointError> {
        let url = url::Url::parse(text).map_err(|_| EndpointError::NotAUrl(text.to_owned()))?;
        let host = url.host_str().ok_or_else(|| EndpointError::NotAUrl(text.to_owned()))?;
        if url.scheme() != "http" {
            return Err(EndpointError::NotHttp(text.to_owned()));
        }
        let address = format!("{host}:{}", url.port_or_known_default().unwrap_or(80));
        let target =
            url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let head = format!(
            "POST {target} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: "
        );
        Ok(Self { url: text.to_owned(), address, head })
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Replaces `out` by the request that carries `body`.
    pub(crate) fn request(&self, body: &[u8], out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(self.head.as_bytes());
        out.extend_from_slice(body.len().to_string().as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(body);
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// An answer is not HTTP/1.1 as servers speak it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not HTTP/1.1")]
pub(crate) struct NotHttp;

/// The first lines of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Where the body begins.
    pub(crate) end: usize,
    pub(crate) body: Body,
    /// The server closes the connection behind this answer.
    pub(crate) closes: bool,
}

/// How a body says where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Sized(usize),
    Chunked,
    UntilClosed,
}

impl Head {
    /// `None` while the head is not complete.
    pub(crate) fn parse(input: &[u8]) -> Result<Option<Self>, NotHttp> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(end) = response.parse(input).map_err(|_| NotHttp)? else {
            return Ok(None);
        };
        let mut head =
            Self { status: response.code.ok_or(NotHttp)?, end, body: Body::UntilClosed, closes: false };
        for field in response.headers.iter() {
            head.read(field.name, std::str::from_utf8(field.value).map_err(|_| NotHttp)?.trim())?;
        }
        Ok(Some(head))
    }

    fn read(&mut self, name: &str, value: &str) -> Result<(), NotHttp> {
        if name.eq_ignore_ascii_case("content-length") {
            self.body = Body::Sized(value.parse().map_err(|_| NotHttp)?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            self.body = Body::Chunked;
        } else if name.eq_ignore_ascii_case("connection") {
            self.closes = value.eq_ignore_ascii_case("close");
        }
        Ok(())
    }
}

/// The chunks of a body (RFC 9112, section 7.1), as ranges of `input`; `None` while the last one is missing.
pub(crate) fn chunks(input: &[u8]) -> Result<Option<Vec<Range<usize>>>, NotHttp> {
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        let rest = input.get(at..).unwrap_or_default();
        let httparse::Status::Complete((head, size)) =
            httparse::parse_chunk_size(rest).map_err(|_| NotHttp)?
        else {
            return Ok(None);
        };
        let size = usize::try_from(size).map_err(|_| NotHttp)?;
        let start = at + head;
        at = start.checked_add(size).and_then(|end| end.checked_add(2)).ok_or(NotHttp)?;
        if input.len() < at {
            return Ok(None);
        }
        if size == 0 {
            return Ok(Some(found));
        }
        found.push(start..start + size);
    }
}

/// Replaces `out` by the call that submits `transactions`: one object, or a batch if `batched`. Ids count from 0.
pub(crate) fn submission<'a>(
    out: &mut Vec<u8>,
    method: &str,
    transactions: impl Iterator<Item = &'a [u8]>,
    batched: bool,
) {
    out.clear();
    for (id, raw) in transactions.enumerate() {
        out.push(if id == 0 { b'[' } else { b',' });
        out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
        out.extend_from_slice(id.to_string().as_bytes());
        out.extend_from_slice(br#","method":""#);
        out.extend_from_slice(method.as_bytes());
        out.extend_from_slice(br#"","params":["0x"#);
        append_hex(out, raw);
        out.extend_from_slice(br#""]}"#);
    }
    if batched {
        out.push(b']');
    } else if !out.is_empty() {
        out.remove(0);
    }
}

fn append_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + 2 * bytes.len(), 0);
    hex::encode_to_slice(bytes, &mut out[start..]).expect("there is room for two digits of each byte");
}

/// What a server says when it does not do what it is asked to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) code: i64,
    pub(crate) message: String,
}

/// An answer to one call; `result` is borrowed and not looked into.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer<'a> {
    #[serde(default)]
    pub(crate) id: Option<u64>,
    #[serde(borrow, default)]
    pub(crate) result: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) error: Option<Refusal>,
}

impl Answer<'_> {
    /// Whether the transaction is in the pool: it was taken, or it had been before.
    fn acknowledged(self) -> Result<(), String> {
        match self.error {
            Some(error) if error.message.contains("already known") => Ok(()),
            Some(error) => Err(error.message),
            None if self.result.is_some() => Ok(()),
            None => Err("an answer without a result".into()),
        }
    }
}

/// Of each of `count` submitted transactions, whether the server took it, or why not.
pub(crate) fn acknowledgements(status: u16, body: &[u8], count: usize) -> Vec<Result<(), String>> {
    if let Ok(answer) = serde_json::from_slice::<Answer<'_>>(body) {
        return vec![answer.acknowledged(); count];
    }
    let Ok(answers) = serde_json::from_slice::<Vec<Answer<'_>>>(body) else {
        return vec![Err(format!("HTTP {status} without a JSON-RPC answer")); count];
    };
    let mut found = vec![Err("no answer in the batch".to_owned()); count];
    for answer in answers {
        let place = answer.id.and_then(|id| usize::try_from(id).ok()).and_then(|id| found.get_mut(id));
        if let Some(place) = place {
            *place = answer.acknowledged();
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_request_names_host_path_and_length() {
        let endpoint = Endpoint::parse("http://localhost/rpc/v1?key=a").unwrap();
        let mut out = b"old".to_vec();
        endpoint.request(b"{}", &mut out);
        assert_eq!(endpoint.address(), "localhost:80");
        let expected = "POST /rpc/v1?key=a HTTP/1.1\r\nhost: localhost:80\r\ncontent-type: application/json\r\n\
            content-length: 2\r\n\r\n{}";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn what_is_no_plain_http_address_is_refused() {
        assert!(matches!(Endpoint::parse("https://example.org"), Err(EndpointError::NotHttp(_))));
        assert!(matches!(Endpoint::parse("localhost"), Err(EndpointError::NotAUrl(_))));
    }

    #[test]
    fn a_head_is_read_once_it_is_complete_whatever_the_case_of_its_fields() {
        let text = b"HTTP/1.1 429 Too Many Requests\r\nContent-LENGTH: 12\r\nConnection: Close\r\n\r\n{";
        for cut in 0..text.len() - 1 {
            assert_eq!(Head::parse(&text[..cut]).unwrap(), None);
        }
        let head = Head { status: 429, end: text.len() - 1, body: Body::Sized(12), closes: true };
        assert_eq!(Head::parse(text).unwrap(), Some(head));
        assert_eq!(Head::parse(b"SSH-2.0-OpenSSH\r\n\r\n"), Err(NotHttp));
        assert_eq!(Head::parse(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"), Err(NotHttp));
    }

    #[test]
    fn chunks_are_found_once_the_last_one_is_there() {
        let text = b"4\r\nWiki\r\n6;a=b\r\npedia \r\n0\r\n\r\n";
        for cut in 0..text.len() {
            assert_eq!(chunks(&text[..cut]).unwrap(), None);
        }
        let found = chunks(text).unwrap().unwrap();
        let body: Vec<u8> = found.into_iter().flat_map(|range| text[range].to_vec()).collect();
        assert_eq!(body, b"Wikipedia ");
        assert_eq!(chunks(b"x\r\n"), Err(NotHttp));
        assert_eq!(chunks(b"ffffffffffffffff\r\n"), Err(NotHttp));
    }

    #[test]
    fn one_transaction_is_an_object_and_several_are_a_batch() {
        let mut out = Vec::new();
        submission(&mut out, "eth_sendRawTransaction", [[2_u8, 0xf8].as_slice()].into_iter(), false);
        let call = |id, raw| json!({"jsonrpc": "2.0", "id": id, "method": "eth_sendRawTransaction", "params": [raw]});
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), call(0, "0x02f8"));
        submission(&mut out, "eth_sendRawTransaction", [[1_u8].as_slice(), &[2]].into_iter(), true);
        let expected = json!([call(0, "0x01"), call(1, "0x02")]);
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), expected);
    }

    #[test]
    fn a_transaction_counts_as_taken_if_it_was_known() {
        let known = br#"{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"already known"}}"#;
        assert_eq!(acknowledgements(200, known, 1), [Ok(())]);
        assert_eq!(acknowledgements(200, br#"{"id":0,"result":"0x01"}"#, 1), [Ok(())]);
        assert!(acknowledgements(200, br#"{"id":0,"result":null}"#, 1)[0].is_err());
    }

    #[test]
    fn answers_of_a_batch_are_matched_by_id_and_missing_ones_are_errors() {
        let body =
            br#"[{"id":2,"result":"0x"},{"id":0,"error":{"code":1,"message":"no"}},{"id":9,"result":"0x"}]"#;
        let expected = [Err("no".to_owned()), Err("no answer in the batch".to_owned()), Ok(())];
        assert_eq!(acknowledgements(200, body, 3), expected);
    }

    #[test]
    fn an_error_for_all_is_the_error_of_each() {
        let body = br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"too large"}}"#;
        assert_eq!(acknowledgements(200, body, 2), vec![Err("too large".to_owned()); 2]);
        assert_eq!(acknowledgements(503, b"busy", 1), [Err("HTTP 503 without a JSON-RPC answer".to_owned())]);
    }
}
