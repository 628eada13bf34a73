//! Carries encoded spans to the collector: plain HTTP or gRPC over one pooled client, each request
//! within its time, and again only where that may help.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, TE};
use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use parking_lot::Mutex;
use prost::Message;

use super::collector::{Collector, Protocol};
use super::grpc;
use super::queue::Level;
use crate::forward::{InTime, READ_LIMIT_BYTES, TlsError};

/// Longest answer that is read.
const ANSWER_LIMIT_BYTES: usize = 64 * 1024;

/// Tries after the first.
const RETRY_LIMIT: u32 = 3;

/// The pause before the first of them; each next one is twice as long.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Longest pause that a collector may ask for.
const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(5);

/// How often a connection that is waited on is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Connections kept when idle: one request is under way at a time.
const IDLE_CONNECTIONS_LIMIT: usize = 1;

/// What the collector said to a request, tries included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has taken the spans, except for so many.
    Accepted {
        rejected: u64,
    },
    Failed(Failure),
}

/// Why spans did not get there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("no connection")]
    Unreachable,
    #[error("no answer in time")]
    Silent,
    #[error("the connection broke off")]
    BrokenOff,
    #[error("status {status}")]
    Status { status: u16, after: Option<Duration> },
    #[error("gRPC status {0}")]
    Grpc(u16),
    #[error("an answer that is none")]
    Unreadable,
    #[error("the spans cannot be encoded")]
    Unencodable,
}

/// The client that OpenTelemetry's exporter sends through.
pub(super) struct Transport {
    client: Client<InTime, Full<Bytes>>,
    protocol: Protocol,
    headers: Credentials,
    timeout: Duration,
    level: Arc<Level>,
    last: LastAnswer,
}

/// The headers that are sent with each request. Clones are the same ones: what is renewed in one goes
/// for all.
#[derive(Clone, Debug)]
pub(super) struct Credentials(Arc<ArcSwap<Vec<(HeaderName, HeaderValue)>>>);

impl Credentials {
    pub fn new(headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(headers)))
    }

    /// Takes others from the next request on.
    pub fn renew(&self, headers: Vec<(HeaderName, HeaderValue)>) {
        self.0.store(Arc::new(headers));
    }
}

/// The answer to the last request: the exporter that stands between hands on only a text.
#[derive(Clone, Debug, Default)]
pub(super) struct LastAnswer(Arc<Mutex<Option<Answer>>>);

impl LastAnswer {
    /// Takes the answer out. `None` when no request was made.
    pub fn take(&self) -> Option<Answer> {
        self.0.lock().take()
    }
}

impl Failure {
    /// How long to wait before another try; `None` when it would end the same, or may not be made.
    fn pause(self, tries: u32) -> Option<Duration> {
        let usual = RETRY_PAUSE.saturating_mul(1 << tries);
        match self {
            Self::Unreachable | Self::BrokenOff => Some(usual),
            Self::Grpc(status) => grpc::is_transient(status).then_some(usual),
            Self::Status { status, after } => {
                // OTLP, "OTLP/HTTP Response": these and no others.
                let transient = matches!(status, 429 | 502 | 503 | 504);
                let pause = after.map_or(usual, |after| after.max(usual));
                (transient && pause <= RETRY_AFTER_LIMIT).then_some(pause)
            }
            // It may have them by now, and has had its time.
            Self::Silent | Self::Unreadable | Self::Unencodable => None,
        }
    }
}

impl Transport {
    pub fn new(
        collector: &Collector,
        headers: Credentials,
        level: Arc<Level>,
        last: LastAnswer,
    ) -> Result<Self, TlsError> {
        let connector = InTime::over_network(collector.ca_pem.as_deref(), collector.timeout)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS_LIMIT)
            .http1_max_buf_size(READ_LIMIT_BYTES)
            // Otherwise a connection whose other end is gone would be used again and again.
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE)
            .http2_only(collector.protocol == Protocol::Grpc)
            .build(connector);
        Ok(Self {
            client,
            protocol: collector.protocol,
            headers,
            timeout: collector.timeout,
            level,
            last,
        })
    }

    async fn deliver(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.answer(request).await;
        *self.last.0.lock() = Some(answer);
        match answer {
            Answer::Accepted { .. } => Ok(Response::new(Bytes::new())),
            Answer::Failed(failure) => Err(failure.into()),
        }
    }

    async fn answer(&self, mut request: Request<Bytes>) -> Answer {
        if self.protocol == Protocol::Grpc {
            let Some(framed) = grpc::frame(request.body()) else {
                return Answer::Failed(Failure::Unencodable);
            };
            *request.body_mut() = framed;
            let headers = request.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
        for (name, value) in &**self.headers.0.load() {
            request.headers_mut().insert(name, value.clone());
        }
        for tries in 0..=RETRY_LIMIT {
            let request = request.clone().map(Full::new);
            let attempt = tokio::time::timeout(self.timeout, self.attempt(request)).await;
            let failure = match attempt {
                Ok(Ok(rejected)) => return Answer::Accepted { rejected },
                Ok(Err(failure)) => failure,
                Err(_) => Failure::Silent,
            };
            let pause = failure.pause(tries).filter(|_| tries < RETRY_LIMIT);
            let Some(pause) = pause.filter(|_| self.level.is_calm()) else {
                return Answer::Failed(failure);
            };
            // At the end there is time for one more try, not for a pause.
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.level.closed() => {}
            }
        }
        Answer::Failed(Failure::Silent)
    }

    /// Sends the request once, and gives how many spans were not wanted.
    async fn attempt(&self, request: Request<Full<Bytes>>) -> Result<u64, Failure> {
        let response = self.client.request(request).await.map_err(|error| {
            if error.is_connect() { Failure::Unreachable } else { Failure::BrokenOff }
        })?;
        let (head, body) = response.into_parts();
        if !head.status.is_success() {
            let after = retry_after(&head.headers);
            return Err(Failure::Status { status: head.status.as_u16(), after });
        }
        let body = Limited::new(body, ANSWER_LIMIT_BYTES).collect().await;
        let body = body.map_err(|error| {
            let broken = error.downcast_ref::<hyper::Error>().is_some();
            if broken { Failure::BrokenOff } else { Failure::Unreadable }
        })?;
        let trailers = body.trailers().cloned();
        let message = match self.protocol {
            Protocol::HttpProtobuf => Some(body.to_bytes()),
            Protocol::Grpc => match grpc::status(&head.headers, trailers.as_ref()) {
                Some(0) => grpc::unframe(body.to_bytes()),
                Some(status) => return Err(Failure::Grpc(status)),
                None => return Err(Failure::Unreadable),
            },
        };
        Ok(message.map_or(0, |message| rejected(&message)))
    }
}

/// Spans that an answer says were not taken. Collectors put all sorts of things into the body of a
/// success: what is no such message rejects nothing.
fn rejected(message: &[u8]) -> u64 {
    let said = ExportTraceServiceResponse::decode(message).ok();
    let partial = said.and_then(|said| said.partial_success);
    partial.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or_default())
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

impl HttpClient for Transport {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(self.deliver(request))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Transport").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}
