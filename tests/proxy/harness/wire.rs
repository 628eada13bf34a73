//! A client that writes whatever bytes it is given.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

/// A connection without manners.
pub struct Wire {
    stream: TcpStream,
    /// Read and not yet part of an answer.
    read: Vec<u8>,
}

/// An HTTP/1.1 answer with a Content-Length.
#[derive(Debug)]
pub struct WireAnswer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Wire {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the gate listens");
        let _ = stream.set_nodelay(true);
        Self { stream, read: Vec::new() }
    }

    /// Writes; an error of a connection that was closed in the meantime shows when reading.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = soon("writing", self.stream.write_all(bytes.as_ref())).await;
    }

    /// Says that nothing more will be sent.
    pub async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The next answer, or what came before the connection was closed.
    pub async fn try_answer(&mut self) -> Result<WireAnswer, String> {
        loop {
            if let Some(answer) = self.take_answer() {
                return Ok(answer);
            }
            let mut piece = [0; 4_096];
            match soon("an answer or the end", self.stream.read(&mut piece)).await {
                Ok(0) => return Err(String::from_utf8_lossy(&self.read).into_owned()),
                Ok(count) => self.read.extend_from_slice(&piece[..count]),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    pub async fn answer(&mut self) -> WireAnswer {
        match self.try_answer().await {
            Ok(answer) => answer,
            Err(rest) => panic!("closed without an answer, after {rest:?}"),
        }
    }

    /// Reads on; whether `bytes` have come by now.
    pub async fn has_read(&mut self, bytes: &[u8]) -> bool {
        let mut piece = [0; 4_096];
        let count = soon("more", self.stream.read(&mut piece)).await.expect("it is open");
        self.read.extend_from_slice(&piece[..count]);
        self.read.windows(bytes.len()).any(|some| some == bytes)
    }

    /// Whether the gate closes the connection without sending more, in time.
    pub async fn is_closed(&mut self) -> bool {
        let mut piece = [0; 64];
        let read = soon("the end of the connection", self.stream.read(&mut piece)).await;
        self.read.is_empty() && matches!(read, Ok(0) | Err(_))
    }

    /// Whether nothing comes for a moment, the end included. Only to show that something does not
    /// happen that would happen at once.
    pub async fn is_quiet(&mut self) -> bool {
        let mut piece = [0; 64];
        let read = self.stream.read(&mut piece);
        tokio::time::timeout(Duration::from_millis(100), read).await.is_err()
    }

    fn take_answer(&mut self) -> Option<WireAnswer> {
        let end = self.read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        let length: usize = length.unwrap_or(0);
        if self.read.len() < end + length {
            return None;
        }
        let body = self.read[end..end + length].to_vec();
        self.read.drain(..end + length);
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(WireAnswer { status, head, body })
    }
}

impl WireAnswer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {} {:?}", self.head, self.body))
    }
}
