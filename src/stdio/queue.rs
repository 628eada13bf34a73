//! The way of one request's answer from the child to the client: notifications first, bounded in
//! bytes, then the response.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::mpsc;

use crate::stdio::answer::{Broken, event};

/// Bytes of notifications that wait for one client.
const WAITING_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// One message for the client.
pub(super) enum Piece {
    /// More follows.
    Message(String),
    /// The response, which is the last.
    Last(String),
}

/// Where messages about a request go.
pub(super) struct Sink {
    pieces: mpsc::UnboundedSender<Piece>,
    /// INVARIANT: the bytes of messages sent and not yet taken; the last is not counted.
    waiting: Arc<AtomicUsize>,
}

/// Where they come out. A sink that goes without a response breaks the stream off.
pub(super) struct Source {
    pieces: mpsc::UnboundedReceiver<Piece>,
    waiting: Arc<AtomicUsize>,
}

/// A client that does not take what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

pub(super) fn queue() -> (Sink, Source) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let sink = Sink { pieces: sender, waiting: Arc::clone(&waiting) };
    (sink, Source { pieces: receiver, waiting })
}

impl Sink {
    /// Adds a message, if there is room.
    pub fn send(&self, message: String) -> Result<(), Full> {
        let size = message.len();
        if self.waiting.fetch_add(size, Ordering::AcqRel).saturating_add(size) > WAITING_LIMIT_BYTES
        {
            return Err(Full);
        }
        // A client that is gone has called its request off already.
        let _ = self.pieces.send(Piece::Message(message));
        Ok(())
    }

    /// Ends the stream with the response.
    pub fn finish(self, response: String) {
        let _ = self.pieces.send(Piece::Last(response));
    }
}

impl Source {
    /// The next message; `None` when the child is gone without an answer.
    pub async fn next(&mut self) -> Option<Piece> {
        let piece = self.pieces.recv().await?;
        self.took(&piece);
        Some(piece)
    }

    fn took(&self, piece: &Piece) {
        if let Piece::Message(message) = piece {
            self.waiting.fetch_sub(message.len(), Ordering::AcqRel);
        }
    }
}

/// An answer as a stream of events (MCP, "Streamable HTTP").
pub(super) struct Stream<G> {
    first: Option<String>,
    source: Source,
    ended: bool,
    /// Dropped with the stream: calls the request off when it has not ended.
    _guard: G,
}

impl<G> Stream<G> {
    /// Begins with a message that was taken from the source already.
    pub fn new(first: String, source: Source, guard: G) -> Self {
        Self { first: Some(first), source, ended: false, _guard: guard }
    }
}

impl<G: Unpin> Body for Stream<G> {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(event(None, &first)))));
        }
        let piece = std::task::ready!(self.source.pieces.poll_recv(context));
        Poll::Ready(Some(match piece {
            None => {
                self.ended = true;
                Err(Broken)
            }
            Some(piece) => {
                self.source.took(&piece);
                let (Piece::Message(text) | Piece::Last(text)) = &piece;
                self.ended = matches!(piece, Piece::Last(_));
                Ok(Frame::data(event(None, text)))
            }
        }))
    }
}
