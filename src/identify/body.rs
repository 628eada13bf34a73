//! The body: bounded, in one declared type, read strictly, and joined with the path and the query
//! into the call's arguments.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::Method;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::call::{Refusal, StatusHint, StopReason};
use crate::identify::Terms;
use crate::identify::head::{ambiguous, malformed};
use crate::identify::query::Query;
use crate::json::{ArgumentsBuilder, ArgumentsError, Document, JSON_DEPTH_LIMIT, Object, Value};

/// The argument by which web frameworks let forms override the method.
const METHOD_FIELD: &str = "_method";

/// Memory for the bodies of all calls in the gate, whatever connection or stream they came on.
#[derive(Debug)]
pub struct Room {
    bytes: Arc<Semaphore>,
}

/// A collected body's share of the [`Room`], given back when the call has ended.
#[derive(Debug, Default)]
pub struct Share {
    permit: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Room for `limit_bytes`, and for four of the largest bodies at least.
    pub fn new(limit_bytes: usize, largest_bytes: usize) -> Self {
        let bytes = limit_bytes.max(largest_bytes.saturating_mul(4)).min(Semaphore::MAX_PERMITS);
        Self { bytes: Arc::new(Semaphore::new(bytes)) }
    }

    /// Takes a share of `bytes`, waiting for calls to end when there is no room. All at once:
    /// bodies that wait for each other with half of what they need would wait for ever.
    async fn share(&self, bytes: u64) -> Result<Share, Refusal> {
        let wanted = u32::try_from(bytes).unwrap_or(u32::MAX);
        let taken = Arc::clone(&self.bytes).acquire_many_owned(wanted).await;
        let permit = taken.map_err(|_| {
            Refusal::without_rule(StopReason::GateUnavailable, "The gate is shutting down.")
        })?;
        Ok(Share { permit: Some(permit) })
    }
}

impl Share {
    /// Gives back what turned out not to be needed.
    fn shrink(&mut self, bytes: usize) {
        if let Some(permit) = &mut self.permit {
            drop(permit.split(permit.num_permits().saturating_sub(bytes)));
        }
    }
}

/// Collects the body within its limits of size and time.
pub(super) async fn collect(
    parts: &Parts,
    body: Incoming,
    limit: usize,
    (terms, room): (&Terms, &Room),
) -> Result<(Bytes, Share), Refusal> {
    if body.is_end_stream() {
        return Ok((Bytes::new(), Share::default()));
    }
    if matches!(parts.method, Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS) {
        return Err(malformed(format!("A {} request has no body here.", parts.method)));
    }
    declared_type(parts)?;
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large(limit));
    }
    let collecting = tokio::time::timeout(terms.body_time, bounded(body, limit, room));
    collecting.await.unwrap_or_else(|_| {
        let message = format!("The body took longer than {} s.", terms.body_time.as_secs());
        Err(malformed(message).with_hint(StatusHint::RequestTimeout))
    })
}

async fn bounded(mut body: Incoming, limit: usize, room: &Room) -> Result<(Bytes, Share), Refusal> {
    // The announced length, or the most that may come.
    let most = body.size_hint().upper().unwrap_or(limit as u64).min(limit as u64);
    let mut share = room.share(most).await?;
    let mut only = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| malformed("The body broke off."))?;
        let Ok(data) = frame.into_data() else {
            return Err(malformed("Trailers after the body are not accepted."));
        };
        let so_far = only.len().saturating_add(joined.len());
        if so_far.saturating_add(data.len()) > limit {
            return Err(too_large(limit));
        }
        // Most bodies come in one piece, which is then not copied.
        if so_far == 0 {
            only = data;
        } else {
            joined.extend_from_slice(&std::mem::take(&mut only));
            joined.extend_from_slice(&data);
        }
    }
    let whole = if joined.is_empty() { only } else { joined.freeze() };
    share.shrink(whole.len());
    Ok((whole, share))
}

fn declared_type(parts: &Parts) -> Result<(), Refusal> {
    let unsupported =
        |message: &str| Err(malformed(message).with_hint(StatusHint::UnsupportedMediaType));
    if parts.headers.contains_key(CONTENT_ENCODING) {
        return unsupported("An encoded body is not accepted: send it without Content-Encoding.");
    }
    let mut types = parts.headers.get_all(CONTENT_TYPE).iter();
    let Some(declared) = types.next() else {
        return unsupported("The body has no Content-Type; application/json is accepted.");
    };
    if types.next().is_some() {
        return unsupported("More than one Content-Type.");
    }
    if is_json(declared.to_str().unwrap_or_default()) {
        Ok(())
    } else {
        unsupported("Only application/json in UTF-8 is accepted.")
    }
}

/// RFC 8259 defines no parameter; the `charset` that many clients send is accepted for UTF-8.
fn is_json(declared: &str) -> bool {
    let mut pieces = declared.split(';').map(str::trim);
    let essence = pieces.next().unwrap_or_default().to_ascii_lowercase();
    let json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    json && pieces.all(|parameter| {
        let parameter = parameter.to_ascii_lowercase();
        matches!(parameter.as_str(), "" | "charset=utf-8" | "charset=\"utf-8\"")
    })
}

/// Joins the body's members, the path's parameters and the query's into one set of arguments.
pub(super) fn arguments(
    bytes: &Bytes,
    parameters: &[(String, String)],
    query: &Query,
) -> Result<Document, Refusal> {
    let mut builder = ArgumentsBuilder::new();
    if !bytes.is_empty() {
        let body = Document::parse(bytes.clone(), JSON_DEPTH_LIMIT)
            .map_err(|fault| malformed(format!("The body is not acceptable JSON: {fault}")))?;
        if !matches!(body.root(), Value::Object(_)) {
            return Err(malformed("The body must be a JSON object."));
        }
        builder = builder.body(body);
    }
    for (name, value) in parameters {
        builder = builder.pair(name, value);
    }
    for (name, value) in query.pairs() {
        builder = builder.pair(name, value);
    }
    let args = builder.build().map_err(|fault| match fault {
        ArgumentsError::Duplicate { .. } => ambiguous(fault.to_string()),
    })?;
    let overrides = |object: Object<'_>| object.get(METHOD_FIELD).is_some();
    if args.root().as_object().is_some_and(overrides) {
        return Err(malformed("An argument `_method` that overrides the method is not accepted."));
    }
    Ok(args)
}

fn too_large(limit: usize) -> Refusal {
    Refusal::without_rule(
        StopReason::TooLarge,
        format!("The body is larger than the {limit} bytes accepted here."),
    )
}
