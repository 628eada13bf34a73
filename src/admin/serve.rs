//! The admin listener: connections, and the layers around every answer.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

use crate::admin::Admin;

/// Admin connections at once.
const CONNECTION_LIMIT: usize = 64;

/// Longest wait for a request's head, the first and every later one of a connection: a client that
/// says nothing keeps its place no longer, and it needs no token to take one.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// Longest time for one request, its body included.
const REQUEST_TIME: Duration = Duration::from_secs(15);

/// How long a connection takes new requests. What it then has begun may take [`REQUEST_TIME`] more.
const CONNECTION_TIME: Duration = Duration::from_secs(15);

/// What a browser may do with an answer: nothing.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";

/// Serves the admin side until `stop`.
pub async fn serve(listener: TcpListener, admin: Arc<Admin>, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTION_LIMIT));
    let says = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    let service = ServiceBuilder::new()
        .layer(CatchPanicLayer::new())
        .layer(says(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(says(CACHE_CONTROL, "no-store"))
        .layer(says(CONTENT_SECURITY_POLICY, NOTHING))
        .layer(says(REFERRER_POLICY, "no-referrer"))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIME))
        .service_fn(move |request: Request<Incoming>| {
            let admin = Arc::clone(&admin);
            async move { Ok::<_, Infallible>(admin.answer(request).await) }
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
        // Only HTTP/1.1, whose head has a time limit from the first byte on.
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            // A scraper that goes away is none of our concern.
            if tokio::time::timeout(CONNECTION_TIME, connection.as_mut()).await.is_err() {
                connection.as_mut().graceful_shutdown();
                let _ = tokio::time::timeout(REQUEST_TIME, connection).await;
            }
            drop(place);
        });
    }
}
