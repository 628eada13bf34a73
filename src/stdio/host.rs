//! A command as an in-process streamable-HTTP service (MCP, "Transports", revisions 2025-03-26 to
//! 2026-07-28): one child a session, and one for all requests that need no session.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::DuplexStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::stdio::answer::{
    self, INTERNAL_ERROR, INVALID_REQUEST, LAST_EVENT, METHOD_NOT_FOUND, PARSE_ERROR, Reply,
    SESSION, VERSION,
};
use crate::stdio::child::Spec;
use crate::stdio::feed::Listening;
use crate::stdio::link::{Link, LinkFault, Serves};
use crate::stdio::message::{Kind, Message, MessageFault, STATELESS_FROM};
use crate::stdio::origin;
use crate::stdio::queue::{Piece, Stream};
use crate::stdio::{CONNECTION_BYTES, MESSAGE_LIMIT_BYTES};

/// Sessions, and so children, of one host.
const SESSIONS_LIMIT: usize = 64;

/// How long a new session waits for the child of one that made room for it to be gone.
const ROOM_WAIT: Duration = Duration::from_secs(5);

/// The pause between two looks for idle children.
const LOOK: Duration = Duration::from_secs(30);
/// A child that nobody used for so many looks is ended.
const IDLE_LIMIT_LOOKS: u32 = 60;
/// A session that nobody used for so many looks makes room for a new one.
const ROOM_LOOKS: u32 = 2;

/// The pause before a child is started anew, doubled for each that ended without an answer.
const BACK_OFF: Duration = Duration::from_millis(100);
const BACK_OFF_LIMIT_DOUBLINGS: u32 = 6;

type Sessions = Arc<Mutex<HashMap<Box<str>, Arc<Link>>>>;

/// Hosts one command.
pub struct Host {
    spec: Spec,
    sessions: Sessions,
    /// One for each session, from before its child is started until it is gone.
    places: Arc<Semaphore>,
    /// Serves requests without a session.
    shared: Mutex<Option<Arc<Link>>>,
    /// Children in a row that ended, or did not begin, without an answer.
    failures: AtomicU32,
    /// Of each child, whether it is gone: also of those that no session has any more.
    started: Mutex<Vec<watch::Receiver<bool>>>,
    /// Set once idle children are looked for.
    swept: OnceLock<()>,
}

/// A session whose `initialize` is under way. Dropped before there is a result, none has begun: the
/// child goes, whatever it has said meanwhile.
struct Beginning {
    sessions: Sessions,
    id: Box<str>,
    link: Arc<Link>,
}

impl Drop for Beginning {
    fn drop(&mut self) {
        if !self.link.has_begun() {
            self.sessions.lock().remove(&self.id);
            self.link.stop();
        }
    }
}

/// An answer that is no message of the child's.
type Refused = Box<Response<Reply>>;
type Answer = Result<Response<Reply>, Refused>;

impl Host {
    /// A host that has started nothing yet.
    pub fn new(spec: Spec) -> Arc<Self> {
        Arc::new(Self {
            spec,
            sessions: Arc::default(),
            places: Arc::new(Semaphore::new(SESSIONS_LIMIT)),
            shared: Mutex::default(),
            failures: AtomicU32::new(0),
            started: Mutex::default(),
            swept: OnceLock::new(),
        })
    }

    /// What it was made of.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// A connection to the host, as to an HTTP/1 server. Must be called in a runtime.
    pub fn connect(self: &Arc<Self>) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(CONNECTION_BYTES);
        self.swept.get_or_init(|| {
            tokio::spawn(sweep(Arc::downgrade(self)));
        });
        let host = Arc::clone(self);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let host = Arc::clone(&host);
                async move { Ok::<_, Infallible>(host.answer(request).await) }
            });
            let mut server = http1::Builder::new();
            // Whoever hangs up calls its request off.
            let connection = server.half_close(false).serve_connection(TokioIo::new(ours), service);
            // A broken connection is the client's affair.
            let _ = connection.await;
        });
        theirs
    }

    /// How many children it has.
    pub fn children(&self) -> usize {
        self.links().iter().filter(|link| !link.is_gone()).count()
    }

    /// Ends all children, and waits until they and all they started are gone.
    pub async fn shutdown(&self) {
        let links = self.links();
        self.sessions.lock().clear();
        self.shared.lock().take();
        for link in &links {
            link.stop();
        }
        drop(links);
        let started = std::mem::take(&mut *self.started.lock());
        for mut ended in started {
            // Closed with the runtime, where nobody waits any more.
            let _ = ended.wait_for(|ended| *ended).await;
        }
    }

    /// Ends the streams of what servers say unasked, so that nobody waits for them.
    pub fn hush(&self) {
        for link in self.links() {
            link.feed.lock().end();
        }
    }

    fn links(&self) -> Vec<Arc<Link>> {
        let shared = self.shared.lock().clone();
        self.sessions.lock().values().cloned().chain(shared).collect()
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Reply> {
        if !origin::is_welcome(request.headers()) {
            return answer::empty(StatusCode::FORBIDDEN);
        }
        let session = request.headers().get(SESSION).and_then(|id| id.to_str().ok());
        let session = session.map(Box::<str>::from);
        let method = request.method().clone();
        let answered = if method == Method::POST {
            self.post(request, session).await
        } else if method == Method::GET {
            self.listen(&request, session)
        } else if method == Method::DELETE {
            self.end(session)
        } else {
            Err(answer::empty(StatusCode::METHOD_NOT_ALLOWED).into())
        };
        answered.unwrap_or_else(|refused| *refused)
    }

    async fn post(&self, request: Request<Incoming>, session: Option<Box<str>>) -> Answer {
        let version = request.headers().get(VERSION).cloned();
        let message = read(request.into_body()).await?;
        let stateless = |version: &str| version >= STATELESS_FROM;
        let is_stateless = match (&message.version, &version) {
            (Some(named), _) => stateless(named),
            (None, version) => {
                version.as_ref().and_then(|it| it.to_str().ok()).is_some_and(stateless)
            }
        };
        if &*message.method == "initialize" && message.kind == Kind::Request {
            return self.initialize(&message).await;
        }
        if let Some(session) = session {
            let link = self.session(&session)?;
            return pass(&link, &message, None).await.map(|(answer, _)| answer);
        }
        if !is_stateless {
            let why = "A session is needed: initialize first.";
            let status = StatusCode::BAD_REQUEST;
            return Err(answer::error(status, &message.id, INVALID_REQUEST, why).into());
        }
        if message.kind != Kind::Request {
            // Nothing that a client may say here could belong to anything (MCP 2026-07-28).
            return Ok(answer::empty(StatusCode::ACCEPTED));
        }
        let link = self.shared(&message).await?;
        let (mut response, error) = pass(&link, &message, None).await?;
        self.judge(&link);
        if let Some(status) = error.and_then(status_of) {
            *response.status_mut() = status;
        }
        Ok(response)
    }

    /// Begins a session with a child of its own.
    async fn initialize(&self, message: &Message) -> Answer {
        let failed = |why: &str| {
            answer::error(StatusCode::SERVICE_UNAVAILABLE, &message.id, INTERNAL_ERROR, why)
        };
        let id = fresh_session().ok_or_else(|| failed("The system gave no random bytes."))?;
        let header = HeaderValue::from_str(&id).map_err(|_| failed("The session has no name."))?;
        let place = self.place().await;
        let place = place.ok_or_else(|| failed("All sessions with this server are in use."))?;
        self.back_off().await;
        let link = self.start(Serves::Session, &message.id)?;
        let mut ended = link.ended();
        tokio::spawn(async move {
            let _ = ended.wait_for(|ended| *ended).await;
            drop(place);
        });
        let sessions = Arc::clone(&self.sessions);
        let beginning = Beginning { sessions, id: id.clone(), link: Arc::clone(&link) };
        let begun = pass(&link, message, Some(beginning)).await;
        self.judge(&link);
        let (mut response, error) = begun?;
        if error.is_some() {
            return Err(response.into());
        }
        self.sessions.lock().insert(id, link);
        response.headers_mut().insert(SESSION, header);
        Ok(response)
    }

    fn session(&self, id: &str) -> Result<Arc<Link>, Refused> {
        let link = self.sessions.lock().get(id).cloned();
        match link {
            Some(link) if !link.is_gone() => Ok(link),
            Some(_) => {
                self.sessions.lock().remove(id);
                Err(answer::empty(StatusCode::NOT_FOUND).into())
            }
            None => Err(answer::empty(StatusCode::NOT_FOUND).into()),
        }
    }

    /// The child that serves requests without a session.
    async fn shared(&self, message: &Message) -> Result<Arc<Link>, Refused> {
        let running = || self.shared.lock().clone().filter(|link| !link.is_gone());
        if let Some(link) = running() {
            return Ok(link);
        }
        self.back_off().await;
        // Another request may have started one meanwhile.
        let mut shared = self.shared.lock();
        if let Some(link) = shared.as_ref().filter(|link| !link.is_gone()) {
            return Ok(Arc::clone(link));
        }
        let started = self.start(Serves::Everybody, &message.id)?;
        *shared = Some(Arc::clone(&started));
        Ok(started)
    }

    /// Waits before a child is started, the longer the more have failed.
    async fn back_off(&self) {
        if let Some(doublings) = self.failures.load(Ordering::Relaxed).checked_sub(1) {
            let factor = 1_u32 << doublings.min(BACK_OFF_LIMIT_DOUBLINGS);
            tokio::time::sleep(BACK_OFF.saturating_mul(factor)).await;
        }
    }

    fn start(&self, serves: Serves, id: &str) -> Result<Arc<Link>, Refused> {
        let started = Link::start(&self.spec, serves).inspect(|link| {
            let mut started = self.started.lock();
            started.retain(|ended| !*ended.borrow());
            started.push(link.ended());
        });
        started.map_err(|error| {
            self.failures.fetch_add(1, Ordering::Relaxed);
            let name = &self.spec.name;
            tracing::warn!(upstream = %name, kind = %error.kind(), "the server cannot be started");
            let why = format!("The server cannot be started: {}.", error.kind());
            answer::error(StatusCode::BAD_GATEWAY, id, INTERNAL_ERROR, &why).into()
        })
    }

    /// Takes note of how a child began.
    fn judge(&self, link: &Link) {
        if link.has_answered() {
            self.failures.store(0, Ordering::Relaxed);
        } else if link.is_gone() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A place for one session, if need be that of the one that nobody used for the longest time.
    /// `None` when all are in use.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        {
            let mut sessions = self.sessions.lock();
            let before = sessions.len();
            sessions.retain(|_, link| !link.is_gone());
            if sessions.len() == before && before >= SESSIONS_LIMIT {
                let idle =
                    sessions.iter().filter_map(|(id, link)| Some((link.idle_for()?, id.clone())));
                let (_, id) = idle.max().filter(|(looks, _)| *looks >= ROOM_LOOKS)?;
                sessions.remove(&id).inspect(|link| link.stop());
            }
        }
        // Children that have been told to end may still be there.
        let place = Arc::clone(&self.places).acquire_owned();
        tokio::time::timeout(ROOM_WAIT, place).await.ok()?.ok()
    }

    /// The stream of what the server says unasked.
    fn listen(&self, request: &Request<Incoming>, session: Option<Box<str>>) -> Answer {
        let session = session.ok_or_else(|| answer::empty(StatusCode::METHOD_NOT_ALLOWED))?;
        let link = self.session(&session)?;
        let after = request.headers().get(LAST_EVENT).and_then(|id| id.to_str().ok());
        let after = after.and_then(|id| id.parse().ok());
        Ok(answer::events(Listening::open(&link.feed, after)))
    }

    fn end(&self, session: Option<Box<str>>) -> Answer {
        let session = session.ok_or_else(|| answer::empty(StatusCode::BAD_REQUEST))?;
        let link = self.sessions.lock().remove(&session);
        let link = link.ok_or_else(|| answer::empty(StatusCode::NOT_FOUND))?;
        link.stop();
        Ok(answer::empty(StatusCode::NO_CONTENT))
    }
}

async fn read(body: Incoming) -> Result<Message, Refused> {
    let refused = |status, code, why: &str| answer::error(status, "", code, why);
    let body = Limited::new(body, MESSAGE_LIMIT_BYTES).collect().await.map_err(|_| {
        let why = "The message is too long, or did not come to its end.";
        refused(StatusCode::PAYLOAD_TOO_LARGE, INVALID_REQUEST, why)
    })?;
    let bytes: Bytes = body.to_bytes();
    Message::read(bytes).map_err(|fault| {
        let code = match fault {
            MessageFault::Json => PARSE_ERROR,
            MessageFault::Shape => INVALID_REQUEST,
        };
        refused(StatusCode::BAD_REQUEST, code, &format!("The message is refused: {fault}.")).into()
    })
}

/// Sends a message to the child and waits for the first that comes of it. With the answer comes the
/// code of a JSON-RPC error, when that is all it is.
async fn pass(
    link: &Arc<Link>,
    message: &Message,
    beginning: Option<Beginning>,
) -> Result<(Response<Reply>, Option<i64>), Refused> {
    let failed = |status, why: &str| answer::error(status, &message.id, INTERNAL_ERROR, why);
    let faulty = |fault: LinkFault| {
        let status = match fault {
            LinkFault::Gone => StatusCode::BAD_GATEWAY,
            LinkFault::Unread | LinkFault::Busy => StatusCode::SERVICE_UNAVAILABLE,
        };
        failed(status, &format!("The message was not sent: {fault}."))
    };
    if message.kind != Kind::Request {
        link.tell(message).map_err(faulty)?;
        return Ok((answer::empty(StatusCode::ACCEPTED), None));
    }
    let (mut source, in_flight) = link.ask(message).map_err(faulty)?;
    match source.next().await {
        None => {
            let why = "The server's process ended, or gave an answer that cannot be read.";
            Err(failed(StatusCode::BAD_GATEWAY, why).into())
        }
        Some(Piece::Last(response)) => {
            let code = crate::json::splice::find(&response, &["error", "code"]);
            let code = code.and_then(|code| code.parse().ok());
            Ok((answer::json(StatusCode::OK, response), code))
        }
        Some(Piece::Message(first)) => {
            Ok((answer::events(Stream::new(first, source, (in_flight, beginning))), None))
        }
    }
}

/// The status that goes with an error code (MCP 2026-07-28, "Streamable HTTP").
fn status_of(code: i64) -> Option<StatusCode> {
    match code {
        code if code == i64::from(METHOD_NOT_FOUND) => Some(StatusCode::NOT_FOUND),
        -32_022..=-32_020 | -32_700 | -32_602 | -32_600 => Some(StatusCode::BAD_REQUEST),
        _ => None,
    }
}

/// A session's id: visible ASCII, not to be guessed.
fn fresh_session() -> Option<Box<str>> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

/// Ends children that nobody uses, as long as there is the host.
async fn sweep(host: Weak<Host>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(host) = host.upgrade() else { return };
        let is_idle = |link: &Link| link.is_gone() || link.idle() >= IDLE_LIMIT_LOOKS;
        let ends = |link: &Link| {
            let ends = is_idle(link);
            if ends {
                link.stop();
            }
            ends
        };
        host.sessions.lock().retain(|_, link| !ends(link));
        let mut shared = host.shared.lock();
        if shared.as_deref().is_some_and(ends) {
            shared.take();
        }
    }
}
