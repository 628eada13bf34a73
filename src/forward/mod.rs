//! Admitted -> answer: the request as it was judged goes to the upstream that the config names,
//! and nowhere else.

mod body;
mod connect;
mod headers;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::call::{ErrorClass, Outcome, Status};
use crate::guard::Admitted;
use crate::identify::Call;

pub use body::{Finish, Measure, Metered, Tail};
pub use connect::{ConnectError, Upstream, UpstreamSpec};

/// Attempts to hand one request to a connection. More than one only when the connection turned
/// out to be closed before a byte of the request was sent on it.
const ATTEMPT_LIMIT: u32 = 3;

/// An answer that has begun, or the reason why there is none.
pub struct Forwarded {
    pub admitted: Admitted,
    pub answer: Result<Response<Incoming>, Outcome>,
    pub attempts: u32,
}

/// Sends an admitted call to its upstream. Redirects are answers like any other.
pub async fn send(mut admitted: Admitted, upstream: &Upstream) -> Forwarded {
    let received = admitted.take_headers();
    let call = admitted.call();
    let uri = match target(call, upstream) {
        Ok(uri) => uri,
        Err(_) => return never_sent(admitted),
    };
    let reads_result = keeps_result(&admitted);
    let outgoing = headers::outgoing(received, call, upstream, reads_result);
    let mut attempts = 0_u32;
    loop {
        attempts = attempts.saturating_add(1);
        let mut request = Request::new(Full::new(call.body.clone()));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = outgoing.clone();
        admitted.reservation().mark_sent();
        let answer =
            tokio::time::timeout(upstream.response_timeout, upstream.client.request(request));
        let outcome = match answer.await {
            // Nobody asked for another protocol: what follows would be a tunnel.
            Ok(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                unanswered(call, ErrorClass::MalformedResponse)
            }
            Ok(Ok(mut response)) => {
                headers::incoming(response.headers_mut());
                return Forwarded { admitted, answer: Ok(response), attempts };
            }
            Ok(Err(error)) if was_never_sent(&error) => {
                if attempts < ATTEMPT_LIMIT && !error.is_connect() {
                    continue;
                }
                admitted.reservation().mark_unsent();
                failure(Status::Error, ErrorClass::Connect)
            }
            Ok(Err(_)) => unanswered(call, ErrorClass::MalformedResponse),
            Err(_) => unanswered(call, ErrorClass::Timeout),
        };
        return Forwarded { admitted, answer: Err(outcome), attempts };
    }
}

/// Whether a loaded rule reads results of the tool, or its cost is read from them.
pub fn keeps_result(admitted: &Admitted) -> bool {
    admitted.call().plan.cost.reads_result() || admitted.applicable().reads_results()
}

fn target(call: &Call, upstream: &Upstream) -> Result<Uri, http::Error> {
    let mut path = String::with_capacity(upstream.base_path.len() + call.path.len() + 1);
    path.push_str(&upstream.base_path);
    path.push_str(&call.path);
    if let Some(query) = &call.query {
        path.push('?');
        path.push_str(query);
    }
    Uri::builder()
        .scheme(upstream.scheme.clone())
        .authority(upstream.authority.clone())
        .path_and_query(path)
        .build()
}

/// Whether it is certain that no byte of the request left this process.
fn was_never_sent(error: &hyper_util::client::legacy::Error) -> bool {
    if error.is_connect() {
        return true;
    }
    let cause = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    cause.is_some_and(|cause: &hyper::Error| cause.is_canceled())
}

fn never_sent(admitted: Admitted) -> Forwarded {
    let outcome = failure(Status::Error, ErrorClass::Connect);
    Forwarded { admitted, answer: Err(outcome), attempts: 0 }
}

fn unanswered(call: &Call, class: ErrorClass) -> Outcome {
    let status = match (call.tool.effect.changes(), class) {
        (true, _) => Status::Unknown,
        (false, ErrorClass::Timeout) => Status::Timeout,
        (false, _) => Status::Error,
    };
    failure(status, class)
}

fn failure(status: Status, class: ErrorClass) -> Outcome {
    Outcome { status, error_class: Some(class), http_status: None }
}

/// Longest wait for a connection, an answer and the next piece of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub connect: Duration,
    /// From the request's last byte to the answer's head.
    pub response: Duration,
    /// Between two pieces of the answer's body.
    pub idle: Duration,
}

/// The body of every answer this gate gives.
pub type AnswerBody = http_body_util::Either<Metered, Full<Bytes>>;
