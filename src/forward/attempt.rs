//! One attempt: the request is sent once, and something comes of it.

use std::time::Duration;

use http::{HeaderMap, Request, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;

use crate::call::{ErrorClass, Language, Refusal};
use crate::forward::handover::Handover;
use crate::forward::retry::Tried;
use crate::forward::{Upstream, headers};
use crate::guard::Admitted;
use crate::identify::Call;
use crate::weaken::Hole;

/// Times that a request is handed to a connection in one attempt. More than one only when the
/// connection turned out to be closed before a byte of the request was sent on it.
pub(super) const HANDOVERS_LIMIT: u32 = 3;

/// A request that is ready to be sent, as often as it takes.
pub(super) struct Prepared {
    uri: Uri,
    pub headers: HeaderMap,
}

impl Prepared {
    /// The request of a call; its target cannot be written otherwise.
    pub fn new(admitted: &mut Admitted, upstream: &Upstream) -> Result<Self, http::Error> {
        let received = admitted.take_headers();
        let call = admitted.call();
        let reads_result =
            super::keeps_result(admitted.applicable(), &call.plan) || call.order.is_some();
        let uri = target(call, upstream)?;
        let key = admitted.begun.key.as_deref();
        let headers = headers::outgoing(received, call, upstream, reads_result, key);
        Ok(Self { uri, headers })
    }

    /// Sends it with `span` as its place in the trace. The second value says how often it was handed
    /// to a connection.
    ///
    /// # Errors
    /// The refusal of a call that was called off before a connection had it: this attempt did not
    /// reach the tool.
    pub async fn attempt(
        &self,
        admitted: &Admitted,
        upstream: &Upstream,
        span: Option<u64>,
    ) -> Result<(Tried<Incoming>, u32), Refusal> {
        let call = admitted.call();
        let own = call.trace.span();
        let span = span.and_then(|span| own.with_span(span)).unwrap_or(own);
        let limit: Duration = call.plan.resilience.timeout.unwrap_or(upstream.response_timeout);
        let mut handovers = 0_u32;
        loop {
            handovers = handovers.saturating_add(1);
            let handover = Handover::default();
            let mut request = Request::new(handover.body(call.body.clone()));
            *request.method_mut() = call.method.clone();
            *request.uri_mut() = self.uri.clone();
            *request.headers_mut() = self.headers.clone();
            headers::place(request.headers_mut(), &call.trace, span);
            let answer = tokio::time::timeout(limit, upstream.client.request(request));
            let tried = match unless_called_off(answer, &handover, admitted).await? {
                // Nobody asked for another protocol: what follows would be a tunnel.
                Ok(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    Tried::Lost(ErrorClass::MalformedResponse)
                }
                Ok(Ok(mut response)) => {
                    headers::incoming(response.headers_mut());
                    // A phrase of the tool's is text that nothing judges or redacts.
                    response.extensions_mut().remove::<ReasonPhrase>();
                    Tried::Answered(response)
                }
                Ok(Err(error)) if was_never_sent(&error) => {
                    if handovers < HANDOVERS_LIMIT && !error.is_connect() {
                        continue;
                    }
                    Tried::Unsent
                }
                Ok(Err(_)) => Tried::Lost(ErrorClass::MalformedResponse),
                Err(_) => Tried::Lost(ErrorClass::Timeout),
            };
            return Ok((tried, handovers));
        }
    }
}

/// The span of an attempt that begins. The call of a plain tool is more than a request, and each
/// attempt of it is a span of its own; a message is a request, and its span is sent as it is.
pub(super) fn span(call: &Call) -> Option<u64> {
    match call.language {
        Language::Http => Some(call.trace.span().child().id()),
        Language::Mcp(_) | Language::Llm(_) => None,
    }
}

/// Waits for the answer. A call that is called off while it waits for a connection is not sent any
/// more; one that a connection has is waited for.
async fn unless_called_off<T>(
    answer: impl Future<Output = T>,
    handover: &Handover,
    admitted: &Admitted,
) -> Result<T, Refusal> {
    let mut answer = std::pin::pin!(answer);
    if Hole::DeafRetries.is_open() {
        return Ok(answer.await);
    }
    // Before the first look, so that no change falls between the two.
    let mut changed = admitted.reservation().kills().changed();
    loop {
        if let Err(refusal) = admitted.still_on()
            && handover.call_off()
        {
            return Err(refusal);
        }
        tokio::select! {
            answer = &mut answer => return Ok(answer),
            // The ledger, which tells of changes, outlives every call.
            _ = changed.changed() => {}
        }
    }
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
pub(super) fn was_never_sent(error: &hyper_util::client::legacy::Error) -> bool {
    if error.is_connect() {
        return true;
    }
    let cause = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    cause.is_some_and(|cause: &hyper::Error| cause.is_canceled())
}
