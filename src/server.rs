//! Accept: the listener, its bounds, the panic catcher, and the drain at the end.

mod raw_head;
mod stream;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
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
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::call::{ErrorClass, Outcome, Status};
use crate::forward::AnswerBody;
use crate::pipeline::{self, Gate};
use crate::respond::{self, About};

use raw_head::HeadBounds;
use stream::{Fault, REFUSED_METHOD, Times, Watched};

/// Least that hyper takes as the bound of its buffer for one connection.
const HTTP1_BUFFER_MIN_BYTES: usize = 8_192;

/// Room in a connection that is in memory only, in bytes.
const MEMORY_BYTES: usize = 64 * 1024;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Bounds on what clients may send and hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerBounds {
    pub connections: usize,
    /// Longest request head, in bytes.
    pub head_bytes: usize,
    pub headers: usize,
    /// From the connection's or the last answer's end to the end of the next head.
    pub head_time: Duration,
    /// How long a client may take nothing of an answer that waits for it.
    pub stall: Duration,
    /// HTTP/2 streams a connection.
    pub streams: u32,
    /// How long calls in the gate may go on after shutdown was asked for.
    pub drain: Duration,
}

/// Serves until `stop`, then lets calls in the gate end, for as long as `bounds.drain`.
/// `true` when all of them did; those that did not are cut off.
pub async fn serve(
    listener: TcpListener,
    gate: Arc<Gate>,
    bounds: ServerBounds,
    mut stop: watch::Receiver<bool>,
) -> bool {
    let places = Arc::new(Semaphore::new(bounds.connections));
    let graceful = GracefulShutdown::new();
    let builder = connection_builder(bounds);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
        };
        let Some((stream, peer, place)) = accepted else {
            // Out of descriptors, most likely: wait for some to be closed instead of spinning.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // A refusal or a short answer must not wait for more bytes to fill a packet.
        let _ = stream.set_nodelay(true);
        let connection = connection(&builder, stream, &gate, bounds, peer);
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            // A broken connection is the client's affair; the calls on it are recorded.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    gate.drain();
    let drained = tokio::time::timeout(bounds.drain, pin!(graceful.shutdown())).await.is_ok();
    connections.shutdown().await;
    drained
}

/// A connection to the gate that no socket is listened on for, as to an HTTP/1 server. It counts as
/// one from this machine, and not to those that are bounded.
pub fn connect(gate: &Arc<Gate>, bounds: ServerBounds) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(MEMORY_BYTES);
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let connection = connection(&connection_builder(bounds), ours, gate, bounds, peer);
    tokio::spawn(async move {
        // A broken connection is the client's affair; the calls on it are recorded.
        let _ = connection.await;
    });
    theirs
}

/// One connection's heads are looked at, its requests answered.
fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    builder: &auto::Builder<TokioExecutor>,
    stream: S,
    gate: &Arc<Gate>,
    bounds: ServerBounds,
    peer: SocketAddr,
) -> impl GracefulConnection<Error = BoxError> + Send + use<S> {
    let gate = Arc::clone(gate);
    let fault = Fault::default();
    let heads = HeadBounds { head_bytes: bounds.head_bytes, headers: bounds.headers };
    let times = Times { head: bounds.head_time, stall: bounds.stall };
    let stream = Watched::new(stream, heads, times, Arc::clone(&fault));
    let service = service_fn(move |request: Request<Incoming>| {
        answer(Arc::clone(&gate), request, peer, Arc::clone(&fault))
    });
    builder.serve_connection(TokioIo::new(stream), service).into_owned()
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    let (stream, peer) = listener.accept().await.ok()?;
    Some((stream, peer, place))
}

fn connection_builder(bounds: ServerBounds) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head_time)
        .max_headers(bounds.headers)
        // A whole head fits, and then some: how long it may be was judged before.
        .max_buf_size(bounds.head_bytes.saturating_mul(2).max(HTTP1_BUFFER_MIN_BYTES))
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

/// The panic catcher: whatever breaks inside, the agent gets an answer, which cannot say whether
/// the tool did anything. The record was written when the panic dropped it.
async fn answer(
    gate: Arc<Gate>,
    request: Request<Incoming>,
    peer: SocketAddr,
    fault: Fault,
) -> Result<Response<AnswerBody>, Infallible> {
    if request.method().as_str() == REFUSED_METHOD
        && let Some(fault) = fault.get()
    {
        return Ok(pipeline::unreadable(&gate, fault));
    }
    let answered = AssertUnwindSafe(pipeline::handle(gate, request, peer)).catch_unwind().await;
    Ok(answered.unwrap_or_else(|_| {
        let class = Some(ErrorClass::Internal);
        let outcome = Outcome { status: Status::Unknown, error_class: class, http_status: None };
        let about = About::nothing();
        respond::failed(&outcome, about).map(Either::Right)
    }))
}
