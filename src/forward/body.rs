//! The answer's body on its way to the agent: passed on piece by piece, hashed, measured, and
//! remembered only where a rule reads it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::forward::Content;
use crate::json::{Digest, Hasher};
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
}

impl Measure {
    /// The result as rules read it.
    pub fn result(&self) -> Option<Bytes> {
        match &self.heard {
            Some(heard) => heard.result.clone(),
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
}

/// An answer's body with an end hook.
pub struct Metered {
    inner: Content,
    hasher: Option<Hasher>,
    bytes: u64,
    kept: Option<BytesMut>,
    listener: Option<Box<dyn Listen>>,
    idle: Duration,
    /// Made only while waiting: most bodies never wait.
    silence: Option<Pin<Box<Sleep>>>,
    finish: Option<Finish>,
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
        let Hearing { keep, listener } = hearing;
        let mut metered = Self {
            inner,
            hasher: Some(hasher),
            bytes: 0,
            kept: keep.then(BytesMut::new),
            listener,
            idle,
            silence: None,
            finish: Some(finish),
        };
        // Nobody asks for the pieces of a body that has none.
        if metered.inner.is_end_stream() {
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
        finish(Measure { tail, digest: hasher.finish(), bytes: self.bytes, kept, heard });
    }

    fn take_in(&mut self, data: &Bytes) {
        self.bytes = self.bytes.saturating_add(data.len() as u64);
        if let Some(hasher) = &mut self.hasher {
            hasher.update(data);
        }
        if let Some(listener) = &mut self.listener {
            listener.hear(data);
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
        let polled = Pin::new(&mut this.inner).poll_frame(context);
        if polled.is_pending() {
            ready!(this.poll_silence(context));
            this.end(Tail::Broken { timed_out: true });
            return Poll::Ready(Some(Err(BrokenOff)));
        }
        this.silence = None;
        match ready!(polled) {
            None => {
                this.end(Tail::Whole);
                Poll::Ready(None)
            }
            Some(Err(_)) => {
                this.end(Tail::Broken { timed_out: false });
                Poll::Ready(Some(Err(BrokenOff)))
            }
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    this.take_in(data);
                }
                // The last piece tells the agent that the answer is whole: all is settled first,
                // so that its next call already sees this one.
                if this.inner.is_end_stream() {
                    this.end(Tail::Whole);
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.end(Tail::Abandoned);
    }
}
