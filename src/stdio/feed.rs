//! The messages of a server that belong to no request: kept for the client's GET stream, and a while
//! longer, so that one that was cut off can be taken up again (`Last-Event-ID`).

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use parking_lot::Mutex;
use tokio::time::Sleep;

use crate::stdio::answer::{Broken, event};

/// Bytes of messages that are kept, delivered or not. Beyond it the oldest go.
const KEPT_LIMIT_BYTES: usize = 1024 * 1024;

/// A silent stream says so often that it lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// One session's messages.
#[derive(Default)]
pub(super) struct Feed {
    events: VecDeque<(u64, String)>,
    bytes: usize,
    last: u64,
    /// The last that a stream took.
    delivered: u64,
    /// Which stream reads; an older one ends.
    reader: u64,
    open: bool,
    over: bool,
    waker: Option<Waker>,
}

impl Feed {
    /// Whether a client listens.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Adds a message.
    pub fn add(&mut self, message: String) {
        self.last = self.last.saturating_add(1);
        self.bytes = self.bytes.saturating_add(message.len());
        self.events.push_back((self.last, message));
        while self.bytes > KEPT_LIMIT_BYTES
            && let Some((_, oldest)) = self.events.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(oldest.len());
        }
        self.wake();
    }

    /// Ends the stream: there will be no more messages.
    pub fn end(&mut self) {
        self.over = true;
        self.open = false;
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// A client's GET stream.
pub(super) struct Listening {
    feed: Arc<Mutex<Feed>>,
    reader: u64,
    position: u64,
    silence: Pin<Box<Sleep>>,
    greeted: bool,
}

impl Listening {
    /// Takes the feed over from a stream before it. Begins after the event with id `after`, else
    /// after the last that was delivered.
    pub fn open(feed: &Arc<Mutex<Feed>>, after: Option<u64>) -> Self {
        let mut state = feed.lock();
        state.reader = state.reader.saturating_add(1);
        state.open = !state.over;
        state.wake();
        let position = after.unwrap_or(state.delivered).min(state.last);
        let silence = Box::pin(tokio::time::sleep(SIGN_OF_LIFE));
        let reader = state.reader;
        drop(state);
        Self { feed: Arc::clone(feed), reader, position, silence, greeted: false }
    }

    fn next(&mut self, context: &Context<'_>) -> Poll<Option<Bytes>> {
        let mut feed = self.feed.lock();
        if feed.reader != self.reader {
            return Poll::Ready(None);
        }
        let next = feed.events.iter().find(|(id, _)| *id > self.position);
        if let Some((id, message)) = next {
            let (id, bytes) = (*id, event(Some(*id), message));
            self.position = id;
            feed.delivered = feed.delivered.max(id);
            return Poll::Ready(Some(bytes));
        }
        if feed.over {
            return Poll::Ready(None);
        }
        feed.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Body for Listening {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let sign = || Frame::data(Bytes::from_static(b": \n\n"));
        if !self.greeted {
            // So that whoever passes the stream on sees that it has begun.
            self.greeted = true;
            return Poll::Ready(Some(Ok(sign())));
        }
        if let Poll::Ready(bytes) = self.next(context) {
            return Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))));
        }
        std::task::ready!(self.silence.as_mut().poll(context));
        self.silence = Box::pin(tokio::time::sleep(SIGN_OF_LIFE));
        Poll::Ready(Some(Ok(sign())))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut feed = self.feed.lock();
        if feed.reader == self.reader {
            feed.open = false;
        }
    }
}
