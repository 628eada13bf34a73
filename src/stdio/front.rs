//! A client on standard input, fronted by an in-process HTTP client (MCP, "Transports"): each line
//! becomes a POST, each message of an answer a line.
//!
//! A client on a pipe knows of no sessions, headers or statuses: the session and the revision are
//! kept here, and what HTTP says beside messages becomes an error under the request's id.

mod exchange;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::protocol::mcp::headers::Mirrored;
use crate::stdio::MESSAGE_LIMIT_BYTES;
use crate::stdio::answer::{INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR};
use crate::stdio::lines::{Line, Lines};
use crate::stdio::message::{self, Kind, Message, MessageFault, STATELESS_FROM};

/// Requests of the client that are under way at once; no more is read until one has ended.
const IN_FLIGHT_LIMIT: usize = 256;

/// Lines that wait to be written.
const WAITING_LIMIT_LINES: usize = 64;

/// How long requests may go on after the client has closed its end.
const DRAIN: Duration = Duration::from_secs(10);

/// The pause before a stream of the server that broke off is opened again, and how often it may
/// fail in a row.
const REOPEN: Duration = Duration::from_secs(1);
const REOPEN_LIMIT: u32 = 5;

/// Opens a connection to an HTTP/1 server.
pub type Dial = Arc<dyn Fn() -> DuplexStream + Send + Sync>;

/// Where a client's messages go.
#[derive(Clone)]
pub struct Front {
    dial: Dial,
    /// The endpoint's path.
    path: Arc<str>,
    /// What every request carries beside what MCP asks for.
    headers: Arc<[(HeaderName, HeaderValue)]>,
    state: Arc<Mutex<State>>,
    /// Lines for the client.
    out: mpsc::Sender<String>,
}

/// Where a client's messages go, and with what.
pub struct Endpoint<'a> {
    pub dial: Dial,
    pub path: &'a str,
    /// What every request carries beside what MCP asks for.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client closed its end, or the gate was told to stop.
    Closed,
    /// The server has forgotten the session, which a client on a pipe cannot renew.
    SessionLost,
}

#[derive(Default)]
struct State {
    session: Option<Arc<str>>,
    /// What the server agreed to in its answer to `initialize`.
    version: Option<Arc<str>>,
    /// Requests under way by their id as it is written.
    in_flight: HashMap<Box<str>, Running>,
    listens: bool,
    /// By tool, the arguments that header fields repeat.
    mirrored: HashMap<Box<str>, Vec<Mirrored>>,
}

struct Running {
    /// Closing its answer calls it off (MCP 2026-07-28).
    stateless: bool,
    task: AbortHandle,
}

impl Front {
    /// Serves the client on `input` and `output` until it closes its end, `stop` says so, or its
    /// session is lost. What is under way then may end, within limits, and the session is ended.
    pub async fn serve(
        endpoint: Endpoint<'_>,
        input: impl AsyncRead + Unpin,
        output: impl AsyncWrite + Unpin + Send + 'static,
        mut stop: watch::Receiver<bool>,
    ) -> Ended {
        let (out, lines) = mpsc::channel(WAITING_LIMIT_LINES);
        let writing = tokio::spawn(write(output, lines));
        let Endpoint { dial, path, headers } = endpoint;
        let (path, headers) = (Arc::from(path), Arc::from(headers));
        let front = Self { dial, path, headers, state: Arc::default(), out };
        let (lost, mut is_lost) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let mut asked = stop.clone();
        let ended = tokio::select! {
            () = front.read(input, &mut tasks, lost) => Ended::Closed,
            _ = stop.wait_for(|stop| *stop) => Ended::Closed,
            _ = is_lost.wait_for(|lost| *lost) => Ended::SessionLost,
        };
        let drain = async { while front.is_busy() && tasks.join_next().await.is_some() {} };
        tokio::select! {
            _ = tokio::time::timeout(DRAIN, drain) => {}
            _ = asked.wait_for(|stop| *stop) => {}
        }
        tasks.shutdown().await;
        front.end_session().await;
        // Now nobody writes any more, and what waits is written.
        drop(front);
        let _ = writing.await;
        ended
    }

    async fn read(
        &self,
        input: impl AsyncRead + Unpin,
        tasks: &mut JoinSet<()>,
        lost: watch::Sender<bool>,
    ) {
        let places = Arc::new(Semaphore::new(IN_FLIGHT_LIMIT));
        let mut lines = Lines::new(input);
        while let Some(line) = lines.next(MESSAGE_LIMIT_BYTES).await {
            while tasks.try_join_next().is_some() {}
            let message = match line {
                Line::Whole(line) => Message::read(Bytes::from(line)),
                Line::TooLong(_) => Err(MessageFault::Shape),
            };
            let message = match message {
                Ok(message) => message,
                Err(fault) => {
                    let code = match fault {
                        MessageFault::Json => PARSE_ERROR,
                        MessageFault::Shape => INVALID_REQUEST,
                    };
                    let why = format!("The message is refused: {fault}.");
                    self.say(message::error("", code, &why)).await;
                    continue;
                }
            };
            if message.kind == Kind::Request {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                self.ask(message, tasks, lost.clone(), place);
            } else {
                // One after the other: what follows may build on it.
                self.tell(&message, tasks).await;
            }
        }
    }

    fn ask(
        &self,
        message: Message,
        tasks: &mut JoinSet<()>,
        lost: watch::Sender<bool>,
        place: tokio::sync::OwnedSemaphorePermit,
    ) {
        let (front, id) = (self.clone(), message.id.clone());
        let stateless = is_stateless(&message);
        // Held until the task is known, so that it cannot end before.
        let mut state = self.state.lock();
        let task = tasks.spawn(async move {
            if front.request(&message).await == StatusCode::NOT_FOUND && !stateless {
                let _ = lost.send(true);
            }
            front.state.lock().in_flight.remove(&message.id);
            drop(place);
        });
        state.in_flight.insert(id, Running { stateless, task });
    }

    /// Sends a notification, or the answer to a question of the server.
    async fn tell(&self, message: &Message, tasks: &mut JoinSet<()>) {
        let cancelled = message.cancels().and_then(|id| {
            let mut state = self.state.lock();
            let running = state.in_flight.get(id).filter(|running| running.stateless)?;
            running.task.abort();
            state.in_flight.remove(id)
        });
        if cancelled.is_some() || is_stateless(message) {
            // There are no notifications to a server in this revision.
            return;
        }
        self.request(message).await;
        let begins = &*message.method == "notifications/initialized";
        if begins && !std::mem::replace(&mut self.state.lock().listens, true) {
            let front = self.clone();
            tasks.spawn(async move { front.listen().await });
        }
    }

    /// Listens to what the server says unasked, where it offers that, as long as the session lasts.
    async fn listen(&self) {
        let mut last_event = None;
        let mut failures = 0_u32;
        while failures < REOPEN_LIMIT {
            match self.stream(&mut last_event).await {
                Some(StatusCode::OK) => failures = 0,
                Some(status) if status.is_client_error() => return,
                Some(_) | None => failures = failures.saturating_add(1),
            }
            tokio::time::sleep(REOPEN).await;
        }
    }

    async fn end_session(&self) {
        if self.state.lock().session.is_none() {
            return;
        }
        let Ok(request) = self.build(Method::DELETE, None) else { return };
        let _ = tokio::time::timeout(DRAIN, self.send(request)).await;
    }

    async fn say(&self, line: String) {
        // A client that does not listen any more closes its end, too.
        let _ = self.out.send(line).await;
    }

    fn is_busy(&self) -> bool {
        !self.state.lock().in_flight.is_empty()
    }

    /// An error under the id of a request; of anything else nobody hears.
    async fn fail(&self, message: &Message, why: &str) {
        if message.kind == Kind::Request {
            self.say(message::error(&message.id, INTERNAL_ERROR, why)).await;
        } else {
            tracing::debug!(method = %message.method, why, "a message came to nothing");
        }
    }
}

fn is_stateless(message: &Message) -> bool {
    &*message.method != "initialize"
        && message.version.as_deref().is_some_and(|version| version >= STATELESS_FROM)
}

async fn write(mut output: impl AsyncWrite + Unpin, mut lines: mpsc::Receiver<String>) {
    while let Some(mut line) = lines.recv().await {
        line.push('\n');
        if output.write_all(line.as_bytes()).await.is_err() || output.flush().await.is_err() {
            return;
        }
    }
}
