//! A tool server that does what it is told, path by path, and notes everything that reaches it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;

use super::soon;

/// A request that reached the tool, noted when its head did.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// Path and query.
    pub target: String,
    pub version: Version,
    pub headers: HeaderMap,
    /// Absent until all of it came.
    pub body: Option<Bytes>,
}

/// An answer of the tool's.
#[derive(Clone, Debug)]
pub struct Reply {
    status: StatusCode,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

/// What the tool does with requests to a path.
#[derive(Clone)]
pub enum Act {
    Reply(Reply),
    /// Answers once the test lets it, one request a permit.
    Hold(Arc<Semaphore>, Reply),
    /// Never answers.
    Hang,
    /// Closes the connection without an answer.
    Close,
    /// Announces more than it sends, and then closes the connection, or falls silent.
    Half {
        silent: bool,
    },
    /// Does what the request gives reason to.
    With(Arc<Script>),
    /// Sends the pieces of a chunked answer as the test hands them over.
    Pieces(Arc<Mutex<Option<mpsc::Receiver<Bytes>>>>, Reply),
}

/// What to do with a request: its head, and its body.
pub type Script = dyn Fn(&Parts, &[u8]) -> Act + Send + Sync;

#[derive(Default)]
struct State {
    ledger: Mutex<Vec<Arrived>>,
    script: Mutex<HashMap<String, Act>>,
    changed: Notify,
    /// Counted up to have all connections closed.
    epoch: watch::Sender<u64>,
}

/// A running tool server.
pub struct Tool {
    pub address: SocketAddr,
    state: Arc<State>,
}

type ToolBody = BoxBody<Bytes, io::Error>;

impl Reply {
    pub fn json(body: &str) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status: StatusCode::OK, headers, body: Bytes::from(body.to_owned()) }
    }

    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).expect("a status");
        Self { status, ..Self::json("{}") }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Another type than JSON.
    pub fn kind(mut self, kind: &str) -> Self {
        self.headers.retain(|(name, _)| *name != "content-type");
        self.header("content-type", kind)
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    fn respond(&self, body: ToolBody) -> Response<ToolBody> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(*name, value);
        }
        response.body(body).expect("a response")
    }
}

impl Tool {
    /// A tool over plain HTTP/1.1 and HTTP/2 that answers `{"ok":true}` to everything it was not
    /// told about.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// A tool behind TLS.
    pub async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let _ = stream.set_nodelay(true);
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

    /// From now on, requests to `path` (without query) get this.
    pub fn on(&self, path: &str, act: Act) {
        self.state.script.lock().insert(path.to_owned(), act);
    }

    /// Requests to `path` are answered one a permit that is added.
    pub fn hold(&self, path: &str) -> Arc<Semaphore> {
        let permits = Arc::new(Semaphore::new(0));
        self.on(path, Act::Hold(Arc::clone(&permits), Reply::json(r#"{"ok":true}"#)));
        permits
    }

    /// Requests to `path` are answered by the pieces sent here; the answer ends when the sender is
    /// dropped.
    pub fn pieces(&self, path: &str, reply: Reply) -> mpsc::Sender<Bytes> {
        let (sender, receiver) = mpsc::channel(1);
        self.on(path, Act::Pieces(Arc::new(Mutex::new(Some(receiver))), reply));
        sender
    }

    /// Closes all connections without a word.
    pub fn drop_connections(&self) {
        self.state.epoch.send_modify(|epoch| *epoch += 1);
    }

    /// Everything that reached the tool so far.
    pub fn ledger(&self) -> Vec<Arrived> {
        self.state.ledger.lock().clone()
    }

    /// How many requests reached the tool so far.
    pub fn count(&self) -> usize {
        self.state.ledger.lock().len()
    }

    /// Waits until so many requests have reached the tool.
    pub async fn reached_by(&self, count: usize) {
        soon(&format!("{count} requests at the tool"), async {
            loop {
                let changed = self.state.changed.notified();
                if self.count() >= count {
                    return;
                }
                // A notice may fall between two looks; the ledger is the truth.
                let _ = tokio::time::timeout(Duration::from_millis(50), changed).await;
            }
        })
        .await;
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, state: Arc<State>) {
    let mut closed = state.epoch.subscribe();
    let service = service_fn(move |request| answer(Arc::clone(&state), request));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(1_000);
    tokio::select! {
        _ = builder.serve_connection(TokioIo::new(stream), service) => {}
        _ = closed.changed() => {}
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<ToolBody>, io::Error> {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str()).to_owned();
    let place = {
        let mut ledger = state.ledger.lock();
        let headers = parts.headers.clone();
        ledger.push(Arrived { target, version: parts.version, headers, body: None });
        ledger.len() - 1
    };
    state.changed.notify_waiters();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    state.ledger.lock()[place].body = Some(body.clone());
    let act = match state.script.lock().get(parts.uri.path()).cloned() {
        Some(Act::With(script)) => Some(script(&parts, &body)),
        act => act,
    };
    match act {
        Some(Act::With(_)) => panic!("a script leads to no other"),
        None => Ok(Reply::json(r#"{"ok":true}"#).respond(full(br#"{"ok":true}"#.as_slice()))),
        Some(Act::Reply(reply)) => Ok(reply.respond(full(reply.body.clone()))),
        Some(Act::Hold(permits, reply)) => {
            permits.acquire().await.expect("never closed").forget();
            Ok(reply.respond(full(reply.body.clone())))
        }
        Some(Act::Hang) => std::future::pending().await,
        Some(Act::Close) => Err(io::Error::other("as told")),
        Some(Act::Half { silent }) => Ok(half(silent)),
        Some(Act::Pieces(pieces, reply)) => {
            let pieces = pieces.lock().take().expect("one request only");
            Ok(reply.respond(piecewise(pieces)))
        }
    }
}

fn full(body: impl Into<Bytes>) -> ToolBody {
    Full::new(body.into()).map_err(|never: Infallible| match never {}).boxed()
}

fn piecewise(pieces: mpsc::Receiver<Bytes>) -> ToolBody {
    let stream = futures_util::stream::unfold(pieces, |mut pieces| async move {
        let piece = pieces.recv().await?;
        Some((Ok(Frame::data(piece)), pieces))
    });
    BodyExt::boxed(StreamBody::new(stream))
}

/// Ten bytes of a hundred.
fn half(silent: bool) -> Response<ToolBody> {
    let stream = futures_util::stream::unfold(0, move |turn| async move {
        match turn {
            0 => Some((Ok(Frame::data(Bytes::from_static(b"{\"half\":1,"))), 1)),
            _ if silent => std::future::pending().await,
            // The server writes what it has before it asks again.
            1..100 => {
                tokio::task::yield_now().await;
                Some((Ok(Frame::data(Bytes::new())), turn + 1))
            }
            _ => Some((Err(io::Error::other("as told")), turn)),
        }
    });
    Response::builder()
        .header("content-type", "application/json")
        .header("content-length", "100")
        .body(BodyExt::boxed(StreamBody::new(stream)))
        .expect("a response")
}
