//! The gate as an agent sees it: a call goes in, the tool's answer or a refusal comes out.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::uri::Scheme;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::cli::drive::recording::{JSON, Step};
use crate::respond::{DECISION_HEADER, RUN_ID_HEADER};

/// By this header, which the gate passes on, the recorded upstream knows which step a call is.
pub(super) const PLACE_HEADER: &str = "recorded-call";

/// Largest answer that is read, in bytes.
const ANSWER_LIMIT_BYTES: usize = 67_108_864;

/// Longest wait for an answer: more than a gate waits for a tool.
const ANSWER_TIME: Duration = Duration::from_secs(120);

const CONNECT_TIME: Duration = Duration::from_secs(5);

/// How often, and how long apart, a gate that is just being started is looked for.
const REACH_LIMIT_TRIES: usize = 50;
const REACH_PAUSE: Duration = Duration::from_millis(100);

/// Unreserved characters (RFC 3986, section 2.3) stand for themselves in a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A gate that calls are sent through.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    client: Client<HttpConnector, Full<Bytes>>,
    /// Without a slash at its end.
    base: String,
    /// Host and port.
    authority: (String, u16),
}

/// Nothing listens there.
#[derive(Debug, thiserror::Error)]
#[error("cannot reach the gate at {base}: {reason}")]
pub(super) struct Unreachable {
    base: String,
    reason: String,
}

/// What became of one call, as far as an agent can see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The answer is the recorded one.
    Forwarded,
    Refused {
        /// Empty when no rule was involved.
        rule: String,
        stop_reason: String,
    },
    /// Something else than the recording or a proper refusal.
    Mismatch(String),
}

/// An answer of the gate's.
pub(super) struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The members of a refusal that are looked at (RFC 9457, with the gate's extensions).
#[derive(Deserialize)]
struct Problem {
    stop_reason: String,
    executed: Option<bool>,
    #[serde(default)]
    rule: String,
}

impl Gate {
    /// A gate at an address; connects nowhere yet.
    pub fn new(through: &str) -> Result<Self, String> {
        let uri: Uri = through.parse().map_err(|error| format!("`{through}`: {error}"))?;
        if uri.scheme() != Some(&Scheme::HTTP) || uri.authority().is_none() {
            return Err(format!(
                "`{through}` must be an address like http://127.0.0.1:4100/airline"
            ));
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let authority = (host.to_owned(), uri.port_u16().unwrap_or(80));
        if uri.query().is_some() {
            return Err(format!("`{through}` must not have a query"));
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIME));
        let client =
            Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Ok(Self { client, base: through.trim_end_matches('/').to_owned(), authority })
    }

    /// Waits until something listens: a gate that was started a moment ago may still be reading its
    /// policies.
    pub async fn reach(&self) -> Result<(), Unreachable> {
        let (host, port) = &self.authority;
        let mut reason = String::new();
        for _ in 0..REACH_LIMIT_TRIES {
            match TcpStream::connect((host.as_str(), *port)).await {
                Ok(_) => return Ok(()),
                Err(error) => reason = error.to_string(),
            }
            tokio::time::sleep(REACH_PAUSE).await;
        }
        Err(Unreachable { base: self.base.clone(), reason })
    }

    /// Sends one step and says what became of it.
    pub async fn call(
        &self,
        run_id: &str,
        place: (usize, usize),
        step: &Step,
    ) -> Result<Fate, Unreachable> {
        let tool = utf8_percent_encode(&step.tool, SEGMENT);
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/tools/{tool}", self.base))
            .header(CONTENT_TYPE, JSON)
            .header(RUN_ID_HEADER, run_id)
            .header(PLACE_HEADER, format!("{}/{}", place.0, place.1))
            .body(Full::new(step.args.clone()));
        let request = match request {
            Ok(request) => request,
            Err(error) => return Ok(Fate::Mismatch(format!("cannot be sent: {error}"))),
        };
        let answering = tokio::time::timeout(ANSWER_TIME, self.client.request(request));
        let response = match answering.await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_connect() => {
                let reason = innermost(&error);
                return Err(Unreachable { base: self.base.clone(), reason });
            }
            Ok(Err(error)) => {
                return Ok(Fate::Mismatch(format!("no answer: {}", innermost(&error))));
            }
            Err(_) => return Ok(Fate::Mismatch("no answer in time".to_owned())),
        };
        let (parts, body) = response.into_parts();
        let reading =
            tokio::time::timeout(ANSWER_TIME, Limited::new(body, ANSWER_LIMIT_BYTES).collect());
        let body = match reading.await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) => return Ok(Fate::Mismatch(format!("the answer broke off: {error}"))),
            Err(_) => return Ok(Fate::Mismatch("the answer did not end in time".to_owned())),
        };
        let answered = Answered { status: parts.status, headers: parts.headers, body };
        Ok(judge(&answered, run_id, step))
    }
}

/// Compares an answer with the recording.
pub(super) fn judge(answered: &Answered, run_id: &str, step: &Step) -> Fate {
    let Answered { status, headers, body } = answered;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(decision) = header(DECISION_HEADER) else {
        return Fate::Mismatch(format!("{status} without {DECISION_HEADER}: is this a gate?"));
    };
    if header(RUN_ID_HEADER) != Some(run_id) {
        return Fate::Mismatch(format!("{status} for another run"));
    }
    let content_type = header(CONTENT_TYPE.as_str()).unwrap_or_default();
    if decision.starts_with("deny") || decision.starts_with("stop") {
        return refusal(*status, content_type, body);
    }
    let recorded = &step.answer;
    if content_type == "application/problem+json" {
        let said = String::from_utf8_lossy(body);
        return Fate::Mismatch(format!("forwarded, but the gate answered {status}: {said}"));
    }
    if *status != recorded.status {
        return Fate::Mismatch(format!("{status} where {} is recorded", recorded.status));
    }
    if content_type != recorded.content_type {
        let expected = recorded.content_type;
        return Fate::Mismatch(format!("{content_type} where {expected} is recorded"));
    }
    if *body != recorded.body {
        let (got, expected) = (body.len(), recorded.body.len());
        return Fate::Mismatch(format!("another body ({got} bytes, recorded are {expected})"));
    }
    Fate::Forwarded
}

fn refusal(status: StatusCode, content_type: &str, body: &[u8]) -> Fate {
    if content_type != "application/problem+json" {
        return Fate::Mismatch(format!("refused with {content_type}, not a problem document"));
    }
    match serde_json::from_slice(body) {
        Ok(Problem { stop_reason, executed: Some(false), rule }) if !status.is_success() => {
            Fate::Refused { rule, stop_reason }
        }
        Ok(_) => Fate::Mismatch(format!("{status}: a refusal that does not say it was one")),
        Err(error) => Fate::Mismatch(format!("{status}: not a refusal's document: {error}")),
    }
}

/// What an error is about at the bottom; the outer ones say only where it passed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
