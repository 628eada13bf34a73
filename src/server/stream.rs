//! A client's connection with a look at every head before hyper has it, and an end to waiting for
//! clients that do not read.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::server::raw_head::{HeadBounds, HeadFault, Messages, Next};

/// The method of the request that hyper is given in place of a head that is refused.
pub(super) const REFUSED_METHOD: &str = "REFUSED";
const REFUSED_HEAD: &[u8] = b"REFUSED / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

/// How much is read at a time while the rest of a head is awaited.
const PIECE_BYTES: usize = 4_096;

/// After an answer to a request that was not read to its end, how much more is read and how long
/// is waited. Closing at once would reset the connection, and the client might never see the
/// answer.
const LINGER_LIMIT_BYTES: usize = 32 * 1_024 * 1_024;
const LINGER_TIME: Duration = Duration::from_secs(2);

/// Why the head was refused in whose place hyper saw [`REFUSED_METHOD`].
pub(super) type Fault = Arc<OnceLock<HeadFault>>;

/// A connection that passes only well-framed messages on.
pub(super) struct Watched<S> {
    io: S,
    messages: Messages,
    /// Read and not passed on. The first `clear` bytes may be.
    held: Vec<u8>,
    clear: usize,
    fault: Fault,
    /// Runs until the first bytes are passed on: before them hyper does not know which protocol
    /// this is, and waits for as long as it takes.
    opening: Option<Pin<Box<Sleep>>>,
    /// How long the client may take nothing of an answer.
    stall: Duration,
    /// Made only while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Made only when the end waits.
    lingering: Option<Pin<Box<Sleep>>>,
    lingered: usize,
}

impl<S> Watched<S> {
    /// Watches a connection; `fault` is set before a refused head's stand-in is passed on.
    pub fn new(io: S, bounds: HeadBounds, stall: Duration, fault: Fault) -> Self {
        Self {
            io,
            messages: Messages::new(bounds),
            held: Vec::new(),
            clear: 0,
            fault,
            opening: None,
            stall,
            stalled: None,
            lingering: None,
            lingered: 0,
        }
    }

    /// Ends the connection when its first head is not complete after `time`.
    #[must_use]
    pub fn opening_within(mut self, time: Duration) -> Self {
        self.opening = Some(Box::pin(tokio::time::sleep(time)));
        self
    }

    /// How many bytes at the front may be passed on.
    fn clear_of(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut clear = 0_usize;
        while let Some(rest) = bytes.get(clear..) {
            match self.messages.look(rest) {
                Next::Clear(more) => clear = clear.saturating_add(more),
                Next::More => break,
                Next::Refused(_) | Next::Broken if clear > 0 => break,
                Next::Refused(fault) => {
                    let _ = self.fault.set(fault);
                    break;
                }
                Next::Broken => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        Ok(clear)
    }

    /// Finds out how much of what is held may be passed on, the stand-in for a refused head included.
    fn look(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        let clear = self.clear_of(&held);
        self.held = held;
        self.clear = clear?;
        if self.fault.get().is_some() {
            self.held = REFUSED_HEAD.to_vec();
            self.clear = self.held.len();
        }
        Ok(())
    }

    fn pass_on(&mut self, out: &mut ReadBuf<'_>) {
        let count = self.clear.min(out.remaining());
        out.put_slice(self.held.get(..count).unwrap_or_default());
        self.clear = self.clear.saturating_sub(count);
        if count == self.held.len() {
            self.held = Vec::new();
        } else {
            self.held.drain(..count);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    /// Reads on while nothing is held, which is nearly always: what is clear is not copied.
    fn read_through(
        &mut self,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, out))?;
        let came = out.filled().get(before..).unwrap_or_default();
        let clear = self.clear_of(came)?;
        self.held.extend_from_slice(came.get(clear..).unwrap_or_default());
        out.set_filled(before.saturating_add(clear));
        Poll::Ready(Ok(()))
    }

    /// Reads on behind what is held. `false` at the end.
    fn read_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut piece = [0; PIECE_BYTES];
        let mut piece = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut self.io).poll_read(context, &mut piece))?;
        self.held.extend_from_slice(piece.filled());
        Poll::Ready(Ok(!piece.filled().is_empty()))
    }

    /// What a write came to, unless it waits for longer than `stall`.
    fn unless_stalled<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stall = self.stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Reads what the client was still sending, and drops it.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let timer = || Box::pin(tokio::time::sleep(LINGER_TIME));
        if self.lingering.get_or_insert_with(timer).as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let mut piece = [0; PIECE_BYTES];
        while self.lingered < LINGER_LIMIT_BYTES {
            let mut piece = ReadBuf::new(&mut piece);
            let read = ready!(Pin::new(&mut self.io).poll_read(context, &mut piece));
            if read.is_err() || piece.filled().is_empty() {
                break;
            }
            self.lingered = self.lingered.saturating_add(piece.filled().len());
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = out.filled().len();
        let read = this.poll_clear(context, out);
        if read.is_ready() {
            if out.filled().len() > before {
                this.opening = None;
            }
            return read;
        }
        match &mut this.opening {
            Some(opening) => {
                ready!(opening.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            None => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    /// Reads what may be passed on.
    fn poll_clear(
        &mut self,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.clear == 0 && !self.held.is_empty() {
                self.look()?;
            }
            if self.clear > 0 {
                self.pass_on(out);
                return Poll::Ready(Ok(()));
            }
            if self.fault.get().is_some() {
                // The stand-in is the last that hyper sees of this connection.
                return Poll::Pending;
            }
            if self.held.is_empty() {
                let before = out.filled().len();
                ready!(self.read_through(context, out))?;
                if out.filled().len() > before || self.held.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            } else if !ready!(self.read_more(context))? {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.unless_stalled(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.unless_stalled(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        self.unless_stalled(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_shutdown(context))?;
        if self.messages.is_within() {
            ready!(self.poll_linger(context));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
