//! The admin listener: whether the gate lives, whether it is ready, and its metrics.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::pipeline::Gate;
use crate::record::Held;

/// Admin connections at once.
const CONNECTION_LIMIT: usize = 64;

/// Longest wait for a request's head.
const HEAD_TIME: Duration = Duration::from_secs(10);

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC_METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the admin listener tells of.
pub struct Admin {
    gate: Arc<Gate>,
    /// Cleared when the gate begins to drain.
    ready: AtomicBool,
}

impl Admin {
    /// The admin side of a gate that is ready to serve.
    pub fn new(gate: Arc<Gate>) -> Arc<Self> {
        Arc::new(Self { gate, ready: AtomicBool::new(true) })
    }

    /// From now on `/readyz` says that no new calls should be sent here.
    pub fn draining(&self) {
        self.ready.store(false, Ordering::Relaxed);
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is served here\n");
        }
        match request.uri().path() {
            "/livez" => text(StatusCode::OK, "ok\n"),
            "/readyz" if !self.ready.load(Ordering::Relaxed) => {
                text(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
            }
            "/readyz" if !self.gate.recorder.is_writing() => {
                text(StatusCode::SERVICE_UNAVAILABLE, "events cannot be written\n")
            }
            "/readyz" => text(StatusCode::OK, "ok\n"),
            "/metrics" => self.metrics(request),
            "/" => text(StatusCode::OK, "toolgate admin: /livez /readyz /metrics\n"),
            _ => text(StatusCode::NOT_FOUND, "not here; there is /livez, /readyz and /metrics\n"),
        }
    }

    fn metrics(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
        let open = accept.is_some_and(|accept| accept.contains("application/openmetrics-text"));
        let Gate { ledger, recorder, .. } = &*self.gate;
        let held = Held {
            reserved_calls: ledger.reserved_calls(),
            live_runs: ledger.live_runs(),
            breakers: ledger.breakers.states(self.gate.clock.now()),
            unknown_writes: ledger.unknown.count(),
        };
        let mut response = text(StatusCode::OK, recorder.render_metrics(&held, open));
        let kind = HeaderValue::from_static(if open { OPEN_METRICS } else { CLASSIC_METRICS });
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

/// Serves the admin side until `stop`.
pub async fn serve(listener: TcpListener, admin: Arc<Admin>, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTION_LIMIT));
    let service = ServiceBuilder::new()
        .layer(CatchPanicLayer::new())
        .layer(SetResponseHeaderLayer::overriding(
            X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(SetResponseHeaderLayer::overriding(
            CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .service_fn(move |request: Request<Incoming>| {
            let answer = admin.answer(&request);
            async move { Ok::<_, Infallible>(answer) }
        });
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
            // A scraper that goes away is none of our concern.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
