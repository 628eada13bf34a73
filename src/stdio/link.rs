//! One child and everything under way to and from it: requests in flight under ids of our own, and
//! where each message of the child belongs.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::stdio::answer::METHOD_NOT_FOUND;
use crate::stdio::child::{self, Child, Hears, Spec};
use crate::stdio::feed::Feed;
use crate::stdio::message::{self, Kind, Message};
use crate::stdio::queue::{self, Sink, Source};

/// Requests in flight to one child.
const IN_FLIGHT_LIMIT: usize = 256;

/// Our id of the first request to a child: of a session's, its `initialize`.
const FIRST_ID: u64 = 1;

/// Whom a child serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Serves {
    /// One client, from its `initialize` on (MCP 2025-11-25 and older).
    Session,
    /// Any client whose requests stand alone (MCP 2026-07-28).
    Everybody,
}

/// A request in flight.
struct Pending {
    /// As it is written.
    client_id: Box<str>,
    token: Option<Box<str>>,
    sink: Sink,
}

/// Why a message did not go to the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LinkFault {
    #[error("the server's process has ended")]
    Gone,
    #[error("the server does not read what it is sent")]
    Unread,
    #[error("too many requests are in flight to the server")]
    Busy,
}

/// A child and what is under way.
pub(super) struct Link {
    name: Arc<str>,
    serves: Serves,
    child: Child,
    state: Mutex<State>,
    pub feed: Arc<Mutex<Feed>>,
    next_id: AtomicU64,
    /// Looks of the sweeper since something was last asked.
    idle_looks: AtomicU32,
    /// Lines that were dropped.
    dropped: AtomicU64,
    /// Requests that were answered.
    answered: AtomicU64,
    /// Whether the first of them was, with a result.
    begun: AtomicBool,
}

#[derive(Default)]
struct State {
    /// By our id, the youngest last.
    pending: BTreeMap<u64, Pending>,
    gone: bool,
}

/// A request in flight, for whoever waits for it. Dropped before the answer, it is called off.
pub(super) struct InFlight {
    link: Arc<Link>,
    id: u64,
}

impl Link {
    /// Starts a child.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(spec: &Spec, serves: Serves) -> io::Result<Arc<Self>> {
        let (child, output) = Child::start(spec)?;
        let link = Arc::new(Self {
            name: Arc::clone(&spec.name),
            serves,
            child,
            state: Mutex::default(),
            feed: Arc::default(),
            next_id: AtomicU64::new(FIRST_ID),
            idle_looks: AtomicU32::new(0),
            dropped: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            begun: AtomicBool::new(false),
        });
        let heard: Weak<Self> = Arc::downgrade(&link);
        tokio::spawn(child::listen(output, heard, link.ended()));
        Ok(link)
    }

    /// Sends a request under an id of our own.
    ///
    /// # Errors
    /// The request did not go out.
    pub fn ask(self: &Arc<Self>, request: &Message) -> Result<(Source, InFlight), LinkFault> {
        self.idle_looks.store(0, Ordering::Relaxed);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (line, token) = request.under(id);
        let (sink, source) = queue::queue();
        let mut state = self.state.lock();
        if state.gone {
            return Err(LinkFault::Gone);
        }
        if state.pending.len() >= IN_FLIGHT_LIMIT {
            return Err(LinkFault::Busy);
        }
        self.child.send(line).map_err(|_| LinkFault::Unread)?;
        state.pending.insert(id, Pending { client_id: request.id.clone(), token, sink });
        drop(state);
        Ok((source, InFlight { link: Arc::clone(self), id }))
    }

    /// Sends a notification, or the answer to a question of the child.
    ///
    /// # Errors
    /// It did not go out.
    pub fn tell(&self, message: &Message) -> Result<(), LinkFault> {
        self.idle_looks.store(0, Ordering::Relaxed);
        let state = self.state.lock();
        if state.gone {
            return Err(LinkFault::Gone);
        }
        let line = match message.cancels() {
            None => message.text().to_owned(),
            Some(client_id) => {
                let mut pending = state.pending.iter();
                let named = pending.find(|(_, pending)| &*pending.client_id == client_id);
                // What is not in flight any more cannot be called off.
                let Some((own, _)) = named else { return Ok(()) };
                message.cancelling(*own)
            }
        };
        self.child.send(line).map_err(|_| LinkFault::Unread)
    }

    /// Ends the child; what is in flight is broken off.
    pub fn stop(&self) {
        self.child.stop();
    }

    /// Turns true once the child and all it started are gone.
    pub fn ended(&self) -> watch::Receiver<bool> {
        self.child.ended()
    }

    /// Whether the child has ended.
    pub fn is_gone(&self) -> bool {
        self.state.lock().gone
    }

    /// Whether the child has answered anything.
    pub fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed) > 0
    }

    /// Whether the child has answered its first request with a result.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// One look of the sweeper: how many there were since anybody used the child.
    pub fn idle(&self) -> u32 {
        let used = !self.state.lock().pending.is_empty() || self.feed.lock().is_open();
        if used {
            self.idle_looks.store(0, Ordering::Relaxed);
            return 0;
        }
        self.idle_looks.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// How many looks of the sweeper there were since anybody used the child; `None` while somebody
    /// does.
    pub fn idle_for(&self) -> Option<u32> {
        let used = !self.state.lock().pending.is_empty() || self.feed.lock().is_open();
        (!used).then(|| self.idle_looks.load(Ordering::Relaxed))
    }

    fn respond(&self, response: &Message) {
        let own = response.own_id();
        let found = own.and_then(|own| self.state.lock().pending.remove(&own).map(|it| (own, it)));
        let Some((own, pending)) = found else {
            return self.drop_line(response.text().len(), "it answers nothing in flight");
        };
        self.answered.fetch_add(1, Ordering::Relaxed);
        if own == FIRST_ID && response.has_result() {
            self.begun.store(true, Ordering::Relaxed);
        }
        pending.sink.finish(response.answering(own, &pending.client_id));
    }

    /// Passes a notification or a request of the child on.
    fn pass(&self, message: &Message) {
        if let Some(own) = message.about() {
            let mut state = self.state.lock();
            let Some(pending) = state.pending.get(&own) else { return };
            let told = message.told(&pending.client_id, pending.token.as_deref());
            return self.send_to(&mut state, own, told);
        }
        if self.serves == Serves::Everybody {
            // There is no telling whose it is.
            return self.drop_line(message.text().len(), "it belongs to no request");
        }
        // The client reads the stream of its request, and what is said there keeps its order with
        // the answer. A question waits where it is heard even when the answer is held back.
        let to_feed = match message.kind {
            Kind::Request => self.feed.lock().is_open(),
            Kind::Notification | Kind::Response => is_of_the_server(&message.method),
        };
        let mut state = self.state.lock();
        match state.pending.last_key_value().map(|(own, _)| *own) {
            Some(own) if !to_feed => self.send_to(&mut state, own, message.text().to_owned()),
            Some(_) | None => {
                drop(state);
                self.feed.lock().add(message.text().to_owned());
            }
        }
    }

    /// Sends a message along with the answer of a request. A client that does not take them loses
    /// the rest.
    fn send_to(&self, state: &mut State, own: u64, text: String) {
        let sent = state.pending.get(&own).map(|pending| pending.sink.send(text));
        if let Some(Err(queue::Full)) = sent {
            state.pending.remove(&own);
            tracing::warn!(upstream = %self.name, "a client does not read: its request is broken off");
            self.cancel(own);
        }
    }

    fn cancel(&self, own: u64) {
        let line = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{own},"reason":"The client is gone."}}}}"#
        );
        // A child that reads nothing does not read this either.
        let _ = self.child.send(line);
    }

    /// Says that a line was dropped: the first, and then ever more rarely.
    fn drop_line(&self, bytes: usize, why: &str) {
        let count = self.dropped.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if count.is_power_of_two() {
            tracing::warn!(upstream = %self.name, bytes, count, why, "a line of the server was dropped");
        }
    }
}

/// Whether a notification is about the server and not about what is being asked of it.
fn is_of_the_server(method: &str) -> bool {
    method.ends_with("/list_changed") || method == "notifications/resources/updated"
}

impl Hears for Link {
    fn line(&self, line: Vec<u8>) {
        let bytes = line.len();
        let line = Bytes::from(line);
        match Message::read(line.clone()) {
            Ok(message) => match message.kind {
                Kind::Response => self.respond(&message),
                Kind::Request if self.serves == Serves::Everybody => {
                    let why = "Nobody is asked here.";
                    let _ = self.child.send(message::error(&message.id, METHOD_NOT_FOUND, why));
                }
                Kind::Request | Kind::Notification => self.pass(&message),
            },
            Err(fault) => {
                self.drop_line(bytes, &fault.to_string());
                // An answer that cannot be read is none, and there will be no other.
                if let Some(own) = message::id_in(&line) {
                    self.state.lock().pending.remove(&own);
                }
            }
        }
    }

    fn too_long(&self, bytes: usize) {
        self.drop_line(bytes, "it is longer than a message may be");
    }

    fn gone(&self) {
        let mut state = self.state.lock();
        state.gone = true;
        let unanswered = std::mem::take(&mut state.pending);
        drop(state);
        self.child.stop();
        self.feed.lock().end();
        tracing::debug!(upstream = %self.name, unanswered = unanswered.len(), "the server has ended");
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let unanswered = self.link.state.lock().pending.remove(&self.id);
        if unanswered.is_some() {
            self.link.cancel(self.id);
        }
    }
}
