//! Answers of the admin side: JSON that is safe wherever it is pasted, and problem documents.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

/// A whole answer.
pub(super) type Reply = Response<Full<Bytes>>;

/// Why a request was not carried out.
#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    /// The last part of the problem's type.
    kind: &'static str,
    detail: String,
    allow: Option<&'static str>,
}

/// RFC 9457.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: String,
    status: u16,
    detail: &'a str,
}

impl Fault {
    pub(super) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), allow: None }
    }

    /// A request that says something we cannot take.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request", detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// A request that no longer fits what it is about.
    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// With the methods that the place takes.
    pub(super) fn allowing(mut self, methods: &'static str) -> Self {
        self.allow = Some(methods);
        self
    }

    pub(super) fn into_reply(self) -> Reply {
        let title = self.kind.replace('-', " ");
        let mut letters = title.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        let problem = Problem {
            r#type: format!("https://toolgate.dev/problems/{}", self.kind),
            title: first.into_iter().chain(letters).collect(),
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        let mut reply = json(self.status, &problem);
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(methods) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        reply
    }
}

/// A JSON document. `<`, `>`, `&` and the separators that JavaScript takes for line ends can stand
/// in strings only, and are written as escapes: no markup of an agent's is ever markup of ours.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    let text = match serde_json::to_string(value) {
        Ok(text) => text,
        Err(_) => return text_reply(StatusCode::INTERNAL_SERVER_ERROR, "cannot be shown\n"),
    };
    let mut safe = String::with_capacity(text.len().saturating_add(16));
    for letter in text.chars() {
        match letter {
            '<' => safe.push_str("\\u003c"),
            '>' => safe.push_str("\\u003e"),
            '&' => safe.push_str("\\u0026"),
            '\u{2028}' => safe.push_str("\\u2028"),
            '\u{2029}' => safe.push_str("\\u2029"),
            other => safe.push(other),
        }
    }
    safe.push('\n');
    let mut reply = Response::new(Full::new(Bytes::from(safe)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

/// Plain text.
pub(super) fn text_reply(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    reply
}
