//! The body of an answer as it comes from the tool, or as it was remembered.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use parking_lot::Mutex;

use crate::clock::Now;
use crate::forward::remembered::{Question, Remembered};

/// A body that comes from the tool, or from memory.
pub enum Content {
    Live(Incoming),
    /// Remembered when it has come whole and its call has succeeded.
    Kept(Incoming, Box<Keeper>),
    /// From memory.
    Stale(Full<Bytes>),
    /// From the tool, for as long as whoever waits lets it stand open.
    Standing(Incoming, Over),
}

/// Comes when a stream that stands open has to end.
pub type Over = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Gathers an answer while it passes by.
pub struct Keeper {
    pub(super) headers: HeaderMap,
    pub(super) limit_bytes: usize,
    pub(super) held: Held,
    pub(super) gathered: Gathered,
}

/// How far it has come.
pub(super) enum Gathered {
    Some(BytesMut),
    /// Too long, or broken off, or kept.
    Over,
}

/// A whole answer that waits for its call to be judged.
#[derive(Clone)]
pub struct Held {
    question: Question,
    remembered: Arc<Remembered>,
    answer: Arc<Mutex<Option<(HeaderMap, Bytes)>>>,
}

impl Held {
    pub(super) fn new(question: Question, remembered: Arc<Remembered>) -> Self {
        Self { question, remembered, answer: Arc::default() }
    }

    /// Remembers the answer of a call that succeeded, if it has come whole.
    pub fn keep(&self, now: Now) {
        if let Some((headers, body)) = self.answer.lock().take() {
            self.remembered.keep(self.question, headers, &body, now);
        }
    }
}

impl Content {
    /// The same, ended as if the tool had ended it once `over` has come.
    pub fn until(self, over: Over) -> Self {
        match self {
            Self::Live(inner) => Self::Standing(inner, over),
            Self::Kept(..) | Self::Stale(_) | Self::Standing(..) => self,
        }
    }

    /// The answer as it is to be remembered once its call has succeeded.
    pub fn held(&self) -> Option<Held> {
        match self {
            Self::Kept(_, keeper) => Some(keeper.held.clone()),
            Self::Live(_) | Self::Stale(_) | Self::Standing(..) => None,
        }
    }
}

/// The tool's connection broke.
#[derive(Debug, thiserror::Error)]
#[error("the connection to the tool broke")]
pub struct ContentError(#[source] hyper::Error);

impl Keeper {
    fn take_in(&mut self, data: &Bytes) {
        let Gathered::Some(bytes) = &mut self.gathered else { return };
        if bytes.len().saturating_add(data.len()) > self.limit_bytes {
            self.gathered = Gathered::Over;
        } else {
            bytes.extend_from_slice(data);
        }
    }

    /// All of it has come.
    pub(super) fn whole(&mut self) {
        if let Gathered::Some(bytes) = std::mem::replace(&mut self.gathered, Gathered::Over) {
            let headers = std::mem::take(&mut self.headers);
            *self.held.answer.lock() = Some((headers, bytes.freeze()));
        }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = ContentError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ContentError>>> {
        match &mut *self {
            Self::Live(inner) => {
                let frame = ready!(Pin::new(inner).poll_frame(context));
                Poll::Ready(frame.map(|frame| frame.map_err(ContentError)))
            }
            Self::Standing(inner, over) => {
                if over.as_mut().poll(context).is_ready() {
                    *self = Self::Stale(Full::default());
                    return Poll::Ready(None);
                }
                let frame = ready!(Pin::new(inner).poll_frame(context));
                Poll::Ready(frame.map(|frame| frame.map_err(ContentError)))
            }
            Self::Stale(inner) => {
                let frame = ready!(Pin::new(inner).poll_frame(context));
                Poll::Ready(frame.map(|frame| frame.map_err(|never| match never {})))
            }
            Self::Kept(inner, keeper) => {
                let frame = ready!(Pin::new(&mut *inner).poll_frame(context));
                match &frame {
                    Some(Ok(frame)) => {
                        if let Some(data) = frame.data_ref() {
                            keeper.take_in(data);
                        }
                        if inner.is_end_stream() {
                            keeper.whole();
                        }
                    }
                    Some(Err(_)) => keeper.gathered = Gathered::Over,
                    None => keeper.whole(),
                }
                Poll::Ready(frame.map(|frame| frame.map_err(ContentError)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Live(inner) | Self::Kept(inner, _) | Self::Standing(inner, _) => {
                inner.is_end_stream()
            }
            Self::Stale(inner) => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Live(inner) | Self::Kept(inner, _) => inner.size_hint(),
            Self::Standing(..) => SizeHint::default(),
            Self::Stale(inner) => inner.size_hint(),
        }
    }
}
