//! Which answers are read, and as what.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};

use super::Content;
use super::read::Redacts;

fn headers(kind: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !kind.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    headers
}

fn read(kind: &'static str, body: &'static [u8], redacts: Redacts) -> Option<bool> {
    let content = Content::read(&headers(kind), &Bytes::from_static(body), redacts);
    content.ok().map(|content| content.is_json)
}

#[test]
fn answers_are_json_or_text_or_not_read() {
    const JSON: &str = "application/json";
    for (kind, body, redacts, expected) in [
        (JSON, &b"{\"a\":1}"[..], Redacts::ByPath, Some(true)),
        ("text/plain", b"{\"a\":1}", Redacts::ByPath, Some(true)),
        ("", b"[1]", Redacts::Nothing, Some(true)),
        (JSON, b"", Redacts::ByPath, Some(false)),
        ("text/plain", b"hello", Redacts::ByPath, None),
        ("text/plain", b"hello {}", Redacts::Found, Some(false)),
        ("text/plain", b"{\"a\":1,\"a\":2}", Redacts::Found, None),
        ("text/html", b"\xef\xbb\xbf [1", Redacts::Found, None),
        ("text/plain", b")]}',\n{\"a\":1}", Redacts::Found, None),
        ("text/plain", b")]}',\n{\"a\":1}", Redacts::Nothing, Some(false)),
        ("text/event-stream", b"data: {\"a\":1}\n\n", Redacts::ByPath, None),
        (JSON, b"{\"a\":1,\"a\":2}", Redacts::Nothing, None),
        (JSON, b"{\"a\":1", Redacts::Nothing, None),
        ("application/problem+json", b"oops", Redacts::Nothing, None),
        ("text/plain", b"{\"a\":1,\"a\":2}", Redacts::ByPath, None),
        ("application/x-ndjson", b"{\"a\":1}\n{\"a\":2}", Redacts::Nothing, Some(false)),
        ("application/x-ndjson", b"{\"a\":1}\n{\"a\":2}", Redacts::ByPath, None),
        ("application/x-ndjson", b"{\"a\":1}\n{\"a\":2}", Redacts::Found, None),
        ("text/plain", b"\xff\xfe", Redacts::Nothing, None),
        ("text/plain; charset=utf-16le", b"h\0i\0", Redacts::Nothing, None),
        ("text/plain", b"h\0i\0", Redacts::Nothing, None),
        ("text/plain; charset=ISO-8859-1", b"plain", Redacts::Nothing, Some(false)),
        ("text/plain; charset=ISO-8859-1", "é".as_bytes(), Redacts::Nothing, None),
    ] {
        assert_eq!(read(kind, body, redacts), expected, "{kind} {body:?} {redacts:?}");
    }
    let mut encoded = headers(JSON);
    encoded.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
    assert!(Content::read(&encoded, &Bytes::from_static(b"{}"), Redacts::Nothing).is_err());
}
