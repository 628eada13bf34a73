//! A collector of spans that does what it is told. Its gRPC side is that of `tonic`, so that what
//! the gate says is understood by an implementation that is not its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::until;

/// What the collector does with a request.
#[derive(Clone)]
pub enum Mood {
    /// Takes all spans.
    Takes,
    /// Takes all but so many of each request.
    Rejects(i64),
    /// A status: of HTTP, or of gRPC.
    Says(u16),
    /// Reads the request, and never answers.
    Silent,
    /// Answers one request a permit.
    Slow(Arc<Semaphore>),
    /// Closes the connection without an answer.
    Closes,
    /// Closes it in the middle of the answer.
    Half,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    pub version: Version,
    pub headers: HeaderMap,
    pub request: ExportTraceServiceRequest,
}

/// A running collector.
pub struct Collector {
    pub address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    received: Mutex<Vec<Received>>,
    /// For the next requests, in order; after that all spans are taken.
    moods: Mutex<Vec<Mood>>,
    /// For all that have none of their own.
    usual: Mutex<Option<Mood>>,
}

type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// The service behind one gRPC request.
struct Service {
    state: Arc<State>,
    path: String,
    version: Version,
    headers: HeaderMap,
}

impl Collector {
    /// One that takes all spans, over HTTP/1.1 and HTTP/2.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// One behind TLS.
    pub async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, tls) = (Arc::clone(&shared), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, state).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, state).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, state }
    }

    /// From now on it does this with every request.
    pub fn is(&self, mood: Mood) {
        *self.state.usual.lock() = Some(mood);
    }

    /// The next request meets this, before all others.
    pub fn first(&self, mood: Mood) {
        self.state.moods.lock().insert(0, mood);
    }

    /// The requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.state.received.lock().clone()
    }

    /// The spans of all requests so far.
    pub fn spans(&self) -> Vec<Span> {
        let received = self.received();
        received.into_iter().flat_map(|received| spans_of(received.request)).collect()
    }

    /// Waits until so many requests have reached it, whatever became of them.
    pub async fn reached_by(&self, count: usize) {
        until(&format!("{count} requests at the collector"), async || {
            (self.state.received.lock().len() >= count).then_some(())
        })
        .await;
    }
}

fn spans_of(request: ExportTraceServiceRequest) -> impl Iterator<Item = Span> {
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans)
}

impl State {
    fn mood(&self) -> Mood {
        let mut moods = self.moods.lock();
        let next = (!moods.is_empty()).then(|| moods.remove(0));
        next.or_else(|| self.usual.lock().clone()).unwrap_or(Mood::Takes)
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, state: Arc<State>) {
    let service = service_fn(move |request| answer(Arc::clone(&state), request));
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Body>, io::Error> {
    let path = request.uri().path().to_owned();
    let (version, headers) = (request.version(), request.headers().clone());
    if headers.get("content-type").is_some_and(|kind| kind == "application/grpc") {
        let service = Service { state, path, version, headers };
        let Ok(answer) = TraceServiceServer::new(service).oneshot(request).await;
        return Ok(answer.map(|body| body.map_err(Into::into).boxed_unsync()));
    }
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let request = ExportTraceServiceRequest::decode(body).expect("spans");
    state.received.lock().push(Received { path, version, headers, request });
    match state.mood() {
        Mood::Takes => Ok(said(200, taken(0))),
        Mood::Rejects(spans) => Ok(said(200, taken(spans))),
        Mood::Says(status) => Ok(said(status, Bytes::from_static(b"not a message"))),
        Mood::Silent => std::future::pending().await,
        Mood::Slow(permits) => {
            permits.acquire().await.expect("never closed").forget();
            Ok(said(200, taken(0)))
        }
        Mood::Closes => Err(io::Error::other("as told")),
        Mood::Half => Ok(half()),
    }
}

/// An answer over HTTP.
fn said(status: u16, body: Bytes) -> Response<Body> {
    let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    Response::builder().status(status).body(body).expect("a response")
}

fn taken(rejected: i64) -> Bytes {
    response(rejected).encode_to_vec().into()
}

fn response(rejected: i64) -> ExportTraceServiceResponse {
    let partial = ExportTracePartialSuccess { rejected_spans: rejected, ..Default::default() };
    ExportTraceServiceResponse { partial_success: (rejected > 0).then_some(partial) }
}

/// Announces more than it sends.
fn half() -> Response<Body> {
    let frames = futures_util::stream::iter([
        Ok(Frame::data(Bytes::from_static(b"\x0a"))),
        Err(io::Error::other("as told").into()),
    ]);
    let body = BodyExt::boxed_unsync(StreamBody::new(frames));
    Response::builder().header("content-length", "100").body(body).expect("a response")
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        self.state.received.lock().push(Received {
            path: self.path.clone(),
            version: self.version,
            headers: self.headers.clone(),
            request: request.into_inner(),
        });
        match self.state.mood() {
            Mood::Takes => Ok(tonic::Response::new(response(0))),
            Mood::Rejects(spans) => Ok(tonic::Response::new(response(spans))),
            Mood::Says(status) => Err(tonic::Status::new(i32::from(status).into(), "as told")),
            Mood::Silent => std::future::pending().await,
            Mood::Slow(permits) => {
                permits.acquire().await.expect("never closed").forget();
                Ok(tonic::Response::new(response(0)))
            }
            Mood::Closes | Mood::Half => Err(tonic::Status::unknown("over HTTP only")),
        }
    }
}
