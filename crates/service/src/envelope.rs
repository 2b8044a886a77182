//! JSON-RPC 2.0 texts: what a client sent, and what it is answered. Pure: bytes in, values out.
//!
//! ids are kept as they stand in the text, so that any number or string comes back byte for byte. What is not
//! a request is told apart as geth does: -32700 if the text is not JSON, -32600 if it is not a request.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

/// The id of a request as it stands in its text: a number, a string or `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId<'a>(&'a str);

impl<'a> RequestId<'a> {
    /// The id of answers to what has none.
    pub const NULL: RequestId<'static> = RequestId("null");

    /// `None` for what is no number, string or null: an object, an array or a boolean.
    fn new(json: &'a str) -> Option<Self> {
        match json.as_bytes().first()? {
            b'"' | b'-' | b'0'..=b'9' | b'n' => Some(Self(json)),
            _ => None,
        }
    }

    /// Its JSON.
    #[must_use]
    pub const fn as_json(self) -> &'a str {
        self.0
    }
}

/// What one text asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// One request.
    Single(Entry<'a>),
    /// Several, answered together; at least one.
    Batch(Vec<Entry<'a>>),
}

/// One request, or what stands in its place.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A call that wants an answer.
    Call(RequestId<'a>, Call<'a>),
    /// A call that wants none.
    Notification(Call<'a>),
    /// JSON that is no request, with its id if that can be told.
    Invalid(RequestId<'a>),
}

/// A method and its parameters, which are any JSON but `null`.
#[derive(Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// Name of the method.
    pub method: Cow<'a, str>,
    /// JSON of the parameters, checked for syntax only.
    pub params: Option<&'a str>,
}

/// Limits on a text.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Deepest nesting of arrays and objects.
    pub depth: u32,
    /// Most requests in a batch.
    pub batch: u32,
}

/// Why a text as a whole is answered with one error.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// It is not JSON.
    #[error("parse error: {0}")]
    NotJson(#[from] serde_json::Error),
    /// It is not UTF-8.
    #[error("parse error: {0}")]
    NotUtf8(#[from] std::str::Utf8Error),
    /// Arrays and objects are nested too deep.
    #[error("the request is nested deeper than {0} levels")]
    TooDeep(u32),
    /// A batch of nothing.
    #[error("empty batch")]
    EmptyBatch,
    /// A batch above the limit.
    #[error("the batch has more than {0} calls")]
    LargeBatch(u32),
}

/// Reads one text. Time and memory are linear in its length, whatever the bytes.
///
/// # Errors
/// [`Malformed`], if no part of it can be answered by itself.
pub fn read(text: &[u8], bounds: Bounds) -> Result<Incoming<'_>, Malformed> {
    let text = std::str::from_utf8(text)?;
    if deeper_than(text.as_bytes(), bounds.depth) {
        return Err(Malformed::TooDeep(bounds.depth));
    }
    if text.trim_ascii_start().starts_with('[') {
        read_batch(text, bounds.batch)
    } else {
        Ok(Incoming::Single(serde_json::from_str(text)?))
    }
}

fn read_batch(text: &str, most: u32) -> Result<Incoming<'_>, Malformed> {
    let mut json = serde_json::Deserializer::from_str(text);
    let Batch { entries, rest } = json.deserialize_seq(BatchVisitor { most })?;
    json.end()?;
    match entries.len() {
        0 => Err(Malformed::EmptyBatch),
        _ if rest => Err(Malformed::LargeBatch(most)),
        _ => Ok(Incoming::Batch(entries)),
    }
}

/// Whether brackets in `json` are nested deeper than `limit`. Counts on text that is no JSON, too.
fn deeper_than(json: &[u8], limit: u32) -> bool {
    let (mut depth, mut in_string) = (0_u32, false);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => drop(bytes.next()),
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

struct Batch<'a> {
    entries: Vec<Entry<'a>>,
    rest: bool, // there were more
}

struct BatchVisitor {
    most: u32,
}

impl<'de> Visitor<'de> for BatchVisitor {
    type Value = Batch<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a batch")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while entries.len() < self.most as usize {
            match seq.next_element()? {
                Some(entry) => entries.push(entry),
                None => return Ok(Batch { entries, rest: false }),
            }
        }
        let mut rest = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            rest = true;
        }
        Ok(Batch { entries, rest })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Entry<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(EntryVisitor)
    }
}

/// Takes any JSON: what is no object is an invalid request, not a syntax error.
struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key::<Key>()? {
            let field = match key {
                Key::Version => &mut fields.version,
                Key::Id => &mut fields.id,
                Key::Method => &mut fields.method,
                Key::Params => &mut fields.params,
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *field = Some(map.next_value::<&RawValue>()?.get()); // the last of several counts
        }
        Ok(fields.entry())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Entry::Invalid(RequestId::NULL))
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Entry::Invalid(RequestId::NULL))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Entry::Invalid(RequestId::NULL))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Entry::Invalid(RequestId::NULL))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Entry::Invalid(RequestId::NULL))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Entry::Invalid(RequestId::NULL))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Entry::Invalid(RequestId::NULL))
    }
}

enum Key {
    Version,
    Id,
    Method,
    Params,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E: de::Error>(self, key: &str) -> Result<Key, E> {
                Ok(match key {
                    "jsonrpc" => Key::Version,
                    "id" => Key::Id,
                    "method" => Key::Method,
                    "params" => Key::Params,
                    _ => Key::Other,
                })
            }
        }
        json.deserialize_str(KeyVisitor)
    }
}

#[derive(Default)]
struct Fields<'a> {
    version: Option<&'a str>,
    id: Option<&'a str>,
    method: Option<&'a str>,
    params: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn entry(self) -> Entry<'a> {
        let id = self.id.map(RequestId::new);
        let method = self.method.and_then(string).filter(|method| !method.is_empty());
        let params = self.params.filter(|params| *params != "null");
        match (self.version, method, id) {
            (Some(r#""2.0""#), Some(method), Some(Some(id))) => Entry::Call(id, Call { method, params }),
            (Some(r#""2.0""#), Some(method), None) => Entry::Notification(Call { method, params }),
            _ => Entry::Invalid(id.flatten().unwrap_or(RequestId::NULL)),
        }
    }
}

/// The value of a JSON string; `None` if `json` is something else.
fn string(json: &str) -> Option<Cow<'_, str>> {
    let plain = json.strip_prefix('"')?.strip_suffix('"')?;
    if plain.contains('\\') {
        serde_json::from_str(json).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(plain))
    }
}

/// Answer of an error.
#[must_use]
pub fn error(id: RequestId<'_>, code: i32, message: &str) -> String {
    let message = serde_json::Value::from(message);
    format!(r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":{code},"message":{message}}}}}"#, id.as_json())
}

/// What answers begin with that jsonrpsee writes for the id `null`.
const NULL_HEAD: &str = r#"{"jsonrpc":"2.0","id":null"#;

/// Puts `id` in the place of the `null` in an answer that jsonrpsee wrote.
pub(crate) fn with_id(answer: String, id: RequestId<'_>) -> String {
    match answer.strip_prefix(NULL_HEAD) {
        Some(rest) if id != RequestId::NULL => format!(r#"{{"jsonrpc":"2.0","id":{}{rest}"#, id.as_json()),
        _ => answer,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { depth: 8, batch: 3 };

    fn single(text: &str) -> Entry<'_> {
        match read(text.as_bytes(), BOUNDS).unwrap() {
            Incoming::Single(entry) => entry,
            Incoming::Batch(_) => panic!("a batch"),
        }
    }

    fn with_json_id(id: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","method":"m","id":{id}}}"#)
    }

    #[test]
    fn ids_are_kept_as_they_stand() {
        for id in [
            "1",
            "-1",
            "0",
            "1.50",
            "1e400",
            "340282366920938463463374607431768211456",
            "null",
            "\"\"",
            r#""a\u0041\"""#,
            r#""\ud800""#,
            "\"ä\"",
        ] {
            let text = with_json_id(id);
            assert!(matches!(single(&text), Entry::Call(found, _) if found.as_json() == id), "{id}");
        }
    }

    #[test]
    fn ids_of_other_types_make_a_request_invalid() {
        for id in ["{}", "[1]", "true", "false"] {
            assert_eq!(single(&with_json_id(id)), Entry::Invalid(RequestId::NULL), "{id}");
        }
    }

    #[test]
    fn request_without_id_is_a_notification() {
        let call = Call { method: "m".into(), params: Some("[1, 2]") };
        assert_eq!(
            single(r#" {"method":"m","params":[1, 2],"jsonrpc":"2.0","more":{}} "#),
            Entry::Notification(call)
        );
    }

    #[test]
    fn json_that_is_no_request_is_invalid_and_keeps_its_id() {
        let id = RequestId("7");
        for text in [
            r#"{"id":7}"#,
            r#"{"id":7,"method":"m"}"#,
            r#"{"id":7,"method":"m","jsonrpc":"1.0"}"#,
            r#"{"id":7,"method":"m","jsonrpc":2.0}"#,
            r#"{"id":7,"method":1,"jsonrpc":"2.0"}"#,
            r#"{"id":7,"method":"","jsonrpc":"2.0"}"#,
            r#"{"id":7,"method":null,"jsonrpc":"2.0"}"#,
        ] {
            assert_eq!(single(text), Entry::Invalid(id), "{text}");
        }
        for text in ["1", "-1", "1.5", "\"text\"", "true", "null", "{}"] {
            assert_eq!(single(text), Entry::Invalid(RequestId::NULL), "{text}");
        }
    }

    #[test]
    fn last_of_duplicate_fields_counts() {
        let text = r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a","method":"b"}"#;
        assert_eq!(single(text), Entry::Call(RequestId("2"), Call { method: "b".into(), params: None }));
    }

    #[test]
    fn escapes_in_names_are_understood() {
        let text = r#"{"\u006asonrpc":"2.0","id":1,"method":"\u006d","params":null}"#;
        assert_eq!(single(text), Entry::Call(RequestId("1"), Call { method: "m".into(), params: None }));
    }

    #[test]
    fn batch_keeps_the_order_and_tells_invalid_entries() {
        let text = format!("\n[{}, 1, [[]]]", with_json_id("5"));
        let Incoming::Batch(entries) = read(text.as_bytes(), BOUNDS).unwrap() else { panic!("no batch") };
        assert!(matches!(entries[0], Entry::Call(RequestId("5"), _)));
        assert_eq!(entries[1..], [Entry::Invalid(RequestId::NULL), Entry::Invalid(RequestId::NULL)]);
    }

    #[test]
    fn empty_and_large_batches_are_refused_as_a_whole() {
        assert!(matches!(read(b" [ ]", BOUNDS), Err(Malformed::EmptyBatch)));
        assert!(matches!(read(b"[1,2,3]", BOUNDS), Ok(Incoming::Batch(_))));
        assert!(matches!(read(b"[1,2,3,4]", BOUNDS), Err(Malformed::LargeBatch(3))));
        assert!(matches!(read(b"[1,2,3,4", BOUNDS), Err(Malformed::NotJson(_))));
    }

    #[test]
    fn text_that_is_no_json_is_a_parse_error() {
        for text in ["", " ", "{", "[", "nul", "{\"a\":}", "{} {}", "[1] 2", "{'a':1}", "\"\u{1}\""] {
            assert!(matches!(read(text.as_bytes(), BOUNDS), Err(Malformed::NotJson(_))), "{text:?}");
        }
        assert!(matches!(read(b"{\"a\":\"\xff\"}", BOUNDS), Err(Malformed::NotUtf8(_))));
    }

    #[test]
    fn nesting_is_limited_and_brackets_in_strings_do_not_count() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(matches!(read(nested(8).as_bytes(), BOUNDS), Ok(Incoming::Batch(_))));
        assert!(matches!(read(nested(9).as_bytes(), BOUNDS), Err(Malformed::TooDeep(8))));
        assert!(matches!(read("[".repeat(1 << 20).as_bytes(), BOUNDS), Err(Malformed::TooDeep(8))));
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":["\"{}"]}}"#, "[".repeat(20));
        assert!(matches!(single(&text), Entry::Call(..)));
    }

    #[test]
    fn answers_of_jsonrpsee_take_any_id() {
        use jsonrpsee::server::{MethodResponse, ResponsePayload};
        let written =
            MethodResponse::response(jsonrpsee::types::Id::Null, ResponsePayload::success("x"), 1 << 10);
        let answer = with_id(written.as_ref().to_owned(), RequestId("-1.5"));
        assert_eq!(answer, r#"{"jsonrpc":"2.0","id":-1.5,"result":"x"}"#);
        let kept = with_id(written.as_ref().to_owned(), RequestId::NULL);
        assert_eq!(kept, written.as_ref());
    }

    #[test]
    fn errors_are_json_whatever_the_message() {
        let text = error(RequestId("\"a\""), -32600, "say \"no\"\n");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"jsonrpc": "2.0", "id": "a", "error": {"code": -32600, "message": "say \"no\"\n"}})
        );
    }
}
