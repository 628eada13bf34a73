//! The answer's body on its way to the agent: passed on piece by piece, hashed, measured, and
//! remembered only where a rule reads it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::clock::{Clock, Now};
use crate::forward::Content;
use crate::json::{Digest, Hasher, Shape};
use crate::protocol::llm::Asked;
use crate::protocol::{Heard, Listen};

/// Longest result that is kept for rules to read; of a longer one nothing is remembered.
pub const RESULT_CAPTURE_LIMIT_BYTES: usize = 1_048_576;

/// How an answer's body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// All of it came.
    Whole,
    /// The tool broke off, or fell silent for longer than the idle timeout.
    Broken { timed_out: bool },
    /// The agent went away.
    Abandoned,
}

/// What was measured of a body.
#[derive(Debug)]
pub struct Measure {
    pub tail: Tail,
    pub digest: Digest,
    pub bytes: u64,
    /// The whole body, when it was asked for and is not too long.
    pub kept: Option<Bytes>,
    /// What it says in its protocol's own words, where that is listened to.
    pub heard: Option<Heard>,
    /// When the first piece came, where that is asked for.
    pub first: Option<Now>,
    /// The structure of a JSON text, where it was looked at while it passed.
    pub shape: Option<u64>,
}

impl Measure {
    /// Has a body that was held back heard, as far as it was kept.
    pub fn be_heard(&mut self, listener: Option<Box<dyn Listen>>) {
        if let (Some(mut listener), None) = (listener, &self.heard) {
            let kept = self.kept.as_ref();
            kept.into_iter().for_each(|kept| listener.hear(kept));
            let whole = kept.is_some() && matches!(self.tail, Tail::Whole);
            self.heard = Some(listener.heard(whole));
        }
    }

    /// Says that nobody gets the answer: what it asks for is no wish, for no agent knows of it.
    pub fn is_withheld(&mut self) {
        if let Some(said) = self.heard.as_mut().and_then(|heard| heard.said.as_deref_mut()) {
            said.told = said.asked.len();
        }
    }

    /// The result as rules read it.
    pub fn result(&self) -> Option<Bytes> {
        match &self.heard {
            // What a model says is its body.
            Some(heard) if heard.said.is_none() => heard.result.clone(),
            Some(_) => self.kept.clone(),
            None => self.kept.clone(),
        }
    }
}

/// Called exactly once, when the body has ended and before the agent can know that it has.
pub type Finish = Box<dyn FnOnce(Measure) + Send>;

/// Who takes note of a body while it passes.
pub struct Hearing {
    /// The whole of it is asked for at the end.
    pub keep: bool,
    /// Reads it in its protocol's own words.
    pub listener: Option<Box<dyn Listen>>,
    /// Told of the tool calls that a model asks for, before the agent can know of them.
    pub wishes: Option<Wishes>,
    /// Changes it on its way.
    pub sift: Option<Box<dyn Sift>>,
    /// Tells when its first piece came.
    pub clock: Option<Clock>,
    /// Looks at its structure. Nobody needs to where all of it is kept, or listened to.
    pub shape: Option<Box<Shape>>,
}

/// Holds parts of a body back until they are judged. What it holds is bounded.
pub trait Sift: Send {
    /// What goes on to the agent now that the next piece has come; empty while it is held back.
    fn pass(&mut self, piece: Bytes) -> Bytes;

    /// What still goes on, now that no more comes.
    fn rest(&mut self) -> Bytes;
}

/// Takes note of tool calls that a model asks for.
pub type Wishes = Box<dyn FnMut(&[Asked]) + Send>;

/// An answer's body with an end hook.
pub struct Metered {
    inner: Content,
    hasher: Option<Hasher>,
    bytes: u64,
    kept: Option<BytesMut>,
    listener: Option<Box<dyn Listen>>,
    /// Begins the digest of what the listener says the result is known by.
    afresh: Option<Hasher>,
    sift: Sifting,
    wishes: Option<Wishes>,
    /// Until the first piece comes.
    clock: Option<Clock>,
    first: Option<Now>,
    shape: Option<Box<Shape>>,
    idle: Duration,
    /// Made only while waiting: most bodies never wait.
    silence: Option<Pin<Box<Sleep>>>,
    finish: Option<Finish>,
}

/// Whether a body goes on as it came.
enum Sifting {
    Untouched,
    On(Box<dyn Sift>),
    /// All that was held back has gone on.
    Over,
}

/// The tool's answer broke off; the agent's connection is broken off as well.
#[derive(Debug, thiserror::Error)]
#[error("the tool's answer broke off")]
pub struct BrokenOff;

impl Metered {
    /// Wraps a body.
    pub fn new(
        inner: Content,
        hasher: Hasher,
        hearing: Hearing,
        idle: Duration,
        finish: Finish,
    ) -> Self {
        let Hearing { keep, listener, wishes, sift, clock, shape } = hearing;
        let mut metered = Self {
            inner,
            afresh: listener.as_ref().map(|_| hasher.clone()),
            hasher: Some(hasher),
            bytes: 0,
            kept: keep.then(BytesMut::new),
            listener,
            sift: sift.map_or(Sifting::Untouched, Sifting::On),
            wishes,
            clock,
            first: None,
            shape,
            idle,
            silence: None,
            finish: Some(finish),
        };
        // Nobody asks for the pieces of a body that has none.
        if metered.inner.is_end_stream() {
            metered.sift = Sifting::Untouched;
            metered.end(Tail::Whole);
        }
        metered
    }

    fn end(&mut self, tail: Tail) {
        let Some(finish) = self.finish.take() else { return };
        let Some(hasher) = self.hasher.take() else { return };
        let kept = self.kept.take().map(BytesMut::freeze);
        let whole = matches!(tail, Tail::Whole);
        let heard = self.listener.take().map(|listener| listener.heard(whole));
        let tail = match tail {
            Tail::Abandoned | Tail::Broken { .. }
                if heard.as_ref().is_some_and(|heard| heard.is_settled) =>
            {
                Tail::Whole
            }
            Tail::Whole | Tail::Abandoned | Tail::Broken { .. } => tail,
        };
        let basis = heard.as_ref().and_then(|heard| heard.basis.as_ref());
        let digest = match (self.afresh.take(), basis) {
            (Some(mut afresh), Some(basis)) => {
                afresh.update(basis);
                afresh.finish()
            }
            (_, _) => hasher.finish(),
        };
        let shape = self.shape.take().filter(|_| whole).and_then(|shape| shape.finish());
        let (bytes, first) = (self.bytes, self.first);
        finish(Measure { tail, digest, bytes, kept, heard, first, shape });
    }

    /// What of a piece goes on. `None` for nothing.
    fn sifted(&mut self, data: Bytes) -> Option<Bytes> {
        let Sifting::On(sift) = &mut self.sift else { return Some(data) };
        Some(sift.pass(data)).filter(|passed| !passed.is_empty())
    }

    /// What was held back until the end.
    fn rest(&mut self) -> Option<Bytes> {
        match std::mem::replace(&mut self.sift, Sifting::Over) {
            Sifting::On(mut sift) => Some(sift.rest()).filter(|rest| !rest.is_empty()),
            Sifting::Untouched => {
                self.sift = Sifting::Untouched;
                None
            }
            Sifting::Over => None,
        }
    }

    /// The next piece after a frame of the tool's; `None` when all of it is held back.
    fn take_frame(&mut self, frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
        if let Some(data) = frame.data_ref() {
            self.take_in(data);
        }
        // The last piece tells the agent that the answer is whole: all is settled first, so that
        // its next call already sees this one.
        let is_last = self.inner.is_end_stream();
        if matches!(self.sift, Sifting::Untouched) {
            if is_last {
                self.end(Tail::Whole);
            }
            return Some(frame);
        }
        // Trailers are left behind: nothing has judged them.
        let passed = frame.into_data().ok().and_then(|data| self.sifted(data));
        if !is_last {
            return passed.map(Frame::data);
        }
        let rest = self.rest();
        self.end(Tail::Whole);
        match (passed, rest) {
            (Some(passed), Some(rest)) => {
                Some(Frame::data(Bytes::from([&*passed, &*rest].concat())))
            }
            (passed, rest) => passed.or(rest).map(Frame::data),
        }
    }

    fn take_in(&mut self, data: &Bytes) {
        if let Some(clock) = self.clock.take() {
            self.first = Some(clock.now());
        }
        self.bytes = self.bytes.saturating_add(data.len() as u64);
        if let Some(hasher) = &mut self.hasher {
            hasher.update(data);
        }
        if let Some(shape) = &mut self.shape {
            shape.read(data);
        }
        if let Some(listener) = &mut self.listener {
            listener.hear(data);
            if let Some(wishes) = &mut self.wishes {
                let news = listener.news();
                if !news.is_empty() {
                    wishes(&news);
                }
            }
        }
        if let Some(kept) = &mut self.kept {
            if kept.len().saturating_add(data.len()) > RESULT_CAPTURE_LIMIT_BYTES {
                self.kept = None;
            } else {
                kept.extend_from_slice(data);
            }
        }
    }

    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let idle = self.idle;
        let silence = self.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        silence.as_mut().poll(context)
    }
}

impl Body for Metered {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = &mut *self;
        loop {
            if matches!(this.sift, Sifting::Over) {
                return Poll::Ready(None);
            }
            let polled = Pin::new(&mut this.inner).poll_frame(context);
            if polled.is_pending() {
                ready!(this.poll_silence(context));
                this.end(Tail::Broken { timed_out: true });
                return Poll::Ready(Some(Err(BrokenOff)));
            }
            this.silence = None;
            match ready!(polled) {
                None => {
                    let rest = this.rest();
                    this.end(Tail::Whole);
                    return Poll::Ready(rest.map(|rest| Ok(Frame::data(rest))));
                }
                Some(Err(_)) => {
                    this.end(Tail::Broken { timed_out: false });
                    return Poll::Ready(Some(Err(BrokenOff)));
                }
                Some(Ok(frame)) => {
                    if let Some(frame) = this.take_frame(frame) {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self.sift {
            Sifting::Untouched => self.inner.is_end_stream(),
            Sifting::On(_) => false,
            Sifting::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.sift {
            Sifting::Untouched => self.inner.size_hint(),
            Sifting::On(_) => SizeHint::default(),
            Sifting::Over => SizeHint::with_exact(0),
        }
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.end(Tail::Abandoned);
    }
}
