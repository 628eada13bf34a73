//! Accept: the listener, its bounds, the panic catcher, and the drain at the end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::call::{Refusal, StopReason};
use crate::forward::AnswerBody;
use crate::pipeline::{self, Gate};
use crate::respond::{self, About};

/// Bounds on what clients may send and hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerBounds {
    pub connections: usize,
    /// Longest request head, in bytes.
    pub head_bytes: usize,
    pub headers: usize,
    /// From the connection's or the last answer's end to the end of the next head.
    pub head_time: Duration,
    /// HTTP/2 streams a connection.
    pub streams: u32,
    /// How long calls in the gate may go on after shutdown was asked for.
    pub drain: Duration,
}

/// Serves until `stop`, then lets calls in the gate end, for as long as `bounds.drain`.
/// `true` when all of them did.
pub async fn serve(
    listener: TcpListener,
    gate: Arc<Gate>,
    bounds: ServerBounds,
    mut stop: watch::Receiver<bool>,
) -> bool {
    let connections = Arc::new(Semaphore::new(bounds.connections));
    let graceful = GracefulShutdown::new();
    let builder = connection_builder(bounds);
    loop {
        let Ok(place) = Arc::clone(&connections).acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of descriptors, most likely: wait for some to be closed instead of spinning.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // A refusal or a short answer must not wait for more bytes to fill a packet.
        let _ = stream.set_nodelay(true);
        let gate = Arc::clone(&gate);
        let service =
            service_fn(move |request: Request<Incoming>| answer(Arc::clone(&gate), request, peer));
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A broken connection is the client's affair; the calls on it are recorded.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    tokio::time::timeout(bounds.drain, pin!(graceful.shutdown())).await.is_ok()
}

fn connection_builder(bounds: ServerBounds) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head_time)
        .max_headers(bounds.headers)
        .max_buf_size(bounds.head_bytes.max(8_192))
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.streams)
        .max_header_list_size(u32::try_from(bounds.head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// The panic catcher: whatever breaks inside, the agent gets an answer. The record was written
/// when the panic dropped it.
async fn answer(
    gate: Arc<Gate>,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response<AnswerBody>, Infallible> {
    let answered = AssertUnwindSafe(pipeline::handle(gate, request, peer)).catch_unwind().await;
    Ok(answered.unwrap_or_else(|_| {
        let message = "The gate failed while it handled the call.";
        let refusal = Refusal::without_rule(StopReason::GateUnavailable, message);
        let about = About { call_id: "none", run_id: None, tool: None };
        respond::refuse(&refusal, about).map(Either::Right)
    }))
}
