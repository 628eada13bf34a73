//! The HTTP answers of a host: one message as JSON, a stream of events, or a refusal.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::Full;

use crate::stdio::message;

/// Carries the session (MCP 2025-11-25 and older, "Session Management").
pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// Carries the revision that a message is in.
pub(super) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// Carries the id of the last event that a client has seen.
pub(super) const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// Error codes of JSON-RPC 2.0, section 5.1.
pub(super) const PARSE_ERROR: i32 = -32_700;
pub(super) const INVALID_REQUEST: i32 = -32_600;
pub(super) const METHOD_NOT_FOUND: i32 = -32_601;
pub(super) const INTERNAL_ERROR: i32 = -32_603;

/// A stream whose child is gone before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's process ended before its answer")]
pub(super) struct Broken;

type Streamed = Pin<Box<dyn Body<Data = Bytes, Error = Broken> + Send>>;

/// The body of an answer.
pub(super) enum Reply {
    Whole(Full<Bytes>),
    Streamed(Streamed),
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut *self {
            Self::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Streamed(body) => body.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Streamed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Streamed(body) => body.size_hint(),
        }
    }
}

/// A message as one event of a stream (HTML, "Server-sent events"); it has no line breaks.
pub(super) fn event(id: Option<u64>, message: &str) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    Bytes::from(format!("event: message\n{id}data: {message}\n\n"))
}

/// A message as a whole answer.
pub(super) fn json(status: StatusCode, message: String) -> Response<Reply> {
    let mut response = Response::new(Reply::Whole(Full::from(message)));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// A stream of events.
pub(super) fn events(
    body: impl Body<Data = Bytes, Error = Broken> + Send + 'static,
) -> Response<Reply> {
    let mut response = Response::new(Reply::Streamed(Box::pin(body)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Why a message came to nothing.
pub(super) fn error(status: StatusCode, id: &str, code: i32, why: &str) -> Response<Reply> {
    json(status, message::error(id, code, why))
}

/// A status and nothing else.
pub(super) fn empty(status: StatusCode) -> Response<Reply> {
    let mut response = Response::new(Reply::Whole(Full::default()));
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST, DELETE"));
    }
    response
}
