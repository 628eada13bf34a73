//! Which answers are read, and as what.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};

use super::Content;

fn headers(kind: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !kind.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    headers
}

fn read(kind: &'static str, body: &'static [u8], by_path: bool) -> Option<bool> {
    let content = Content::read(&headers(kind), &Bytes::from_static(body), by_path);
    content.ok().map(|content| content.is_json)
}

#[test]
fn answers_are_json_or_text_or_not_read() {
    const JSON: &str = "application/json";
    for (kind, body, by_path, expected) in [
        (JSON, &b"{\"a\":1}"[..], true, Some(true)),
        ("text/plain", b"{\"a\":1}", true, Some(true)),
        ("", b"[1]", false, Some(true)),
        (JSON, b"", true, Some(false)),
        ("text/plain", b"hello", true, Some(false)),
        (JSON, b"{\"a\":1,\"a\":2}", false, None),
        (JSON, b"{\"a\":1", false, None),
        ("application/problem+json", b"oops", false, None),
        ("text/plain", b"{\"a\":1,\"a\":2}", true, None),
        ("application/x-ndjson", b"{\"a\":1}\n{\"a\":2}", false, Some(false)),
        ("application/x-ndjson", b"{\"a\":1}\n{\"a\":2}", true, None),
        ("text/plain", b"\xff\xfe", false, None),
        ("text/plain; charset=utf-16le", b"h\0i\0", false, None),
        ("text/plain", b"h\0i\0", false, None),
        ("text/plain; charset=ISO-8859-1", b"plain", false, Some(false)),
        ("text/plain; charset=ISO-8859-1", "é".as_bytes(), false, None),
    ] {
        assert_eq!(read(kind, body, by_path), expected, "{kind} {body:?} {by_path}");
    }
    let mut encoded = headers(JSON);
    encoded.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
    assert!(Content::read(&encoded, &Bytes::from_static(b"{}"), false).is_err());
}
