//! The body of a request until it is handed to a connection: up to then it can be called off.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;

const WAITING: u8 = 0;
const HANDED: u8 = 1;
const CALLED_OFF: u8 = 2;

/// What has become of a request, as its body and whoever waits for its answer see it.
#[derive(Clone, Debug, Default)]
pub(super) struct Handover {
    /// INVARIANT: leaves [`WAITING`] once, and does not change after that.
    state: Arc<AtomicU8>,
}

/// A request's body. A connection asks for its size before it writes the request's head, and nobody
/// asks before that.
pub(super) struct Handed {
    body: Full<Bytes>,
    handover: Handover,
}

/// The body of a request that was called off just before a connection took it.
#[derive(Debug, thiserror::Error)]
#[error("the request was called off")]
pub(super) struct CalledOff;

impl Handover {
    /// The body of a request that is not handed over yet.
    pub fn body(&self, bytes: Bytes) -> Handed {
        Handed { body: Full::new(bytes), handover: self.clone() }
    }

    /// Calls the request off; `false` when a connection has it already. Afterwards no connection
    /// sends all of it: the body that it announces never comes.
    pub fn call_off(&self) -> bool {
        self.settle(CALLED_OFF) == CALLED_OFF
    }

    fn settle(&self, to: u8) -> u8 {
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        match self.state.compare_exchange(WAITING, to, success, failure) {
            Ok(_) => to,
            Err(settled) => settled,
        }
    }
}

impl Handed {
    fn is_called_off(&self) -> bool {
        self.handover.settle(HANDED) == CALLED_OFF
    }
}

impl Body for Handed {
    type Data = Bytes;
    type Error = CalledOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CalledOff>>> {
        if self.is_called_off() {
            return Poll::Ready(Some(Err(CalledOff)));
        }
        let never = |error: Infallible| match error {};
        Pin::new(&mut self.body).poll_frame(context).map_err(never)
    }

    fn is_end_stream(&self) -> bool {
        !self.is_called_off() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_called_off() { SizeHint::with_exact(1) } else { self.body.size_hint() }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn what_is_handed_over_cannot_be_called_off_and_the_other_way_round() {
        for bytes in ["", "body"] {
            let handover = Handover::default();
            let body = handover.body(Bytes::from(bytes));
            assert_eq!(body.is_end_stream(), bytes.is_empty());
            assert!(!handover.call_off(), "a connection has it");
            let read = body.collect().await.map(|all| all.to_bytes());
            assert_eq!(read.ok().as_deref(), Some(bytes.as_bytes()));

            let handover = Handover::default();
            let body = handover.body(Bytes::from(bytes));
            assert!(handover.call_off() && handover.call_off());
            assert!(!body.is_end_stream(), "more is announced");
            assert!(body.size_hint().lower() > 0);
            assert!(body.collect().await.is_err(), "and never comes");
        }
    }
}
