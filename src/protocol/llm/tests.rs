//! Recorded answers, and what is read of them. The recordings keep the usage that stands in them as
//! another reader found it.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, StatusCode};

use super::errors::{Failure, failure};
use super::{Counted, Facts, Kind, Operation, Provider, Reader, Said, facts, hints, shown_model};
use crate::call::prices::litellm;
use crate::call::usage::{Tier, Usage};
use crate::json::{Document, JSON_DEPTH_LIMIT, Object, Value};

mod answers;
mod corpus;
mod requests;

pub(super) fn document(text: &str) -> Document {
    Document::parse(bytes::Bytes::copy_from_slice(text.as_bytes()), JSON_DEPTH_LIMIT).expect(text)
}

pub(super) fn read(provider: Provider, is_stream: bool, pieces: &[&[u8]]) -> Said {
    let kind = if is_stream { "text/event-stream; charset=utf-8" } else { "application/json" };
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(kind));
    let mut reader = Reader::new(provider, &headers);
    for piece in pieces {
        reader.feed(piece);
    }
    reader.finish(true)
}

fn number(object: Option<Object<'_>>, path: &[&str]) -> u64 {
    let (Some(object), [name, rest @ ..]) = (object, path) else { return 0 };
    match (object.get(name), rest) {
        (Some(Value::Int(count)), []) => u64::try_from(count).expect("not negative"),
        (Some(value), [_, ..]) => number(value.as_object(), rest),
        _ => 0,
    }
}
