//! A model server that answers as it is told, in pieces, and keeps its own account.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Prompt {
    pub method: String,
    pub target: String,
    /// As it came, names in lower case.
    pub head: String,
    pub body: String,
}

/// An answer, and how it comes.
#[derive(Clone, Debug)]
pub struct Script {
    pub status: u16,
    pub kind: &'static str,
    pub pieces: Vec<String>,
    /// Between the pieces.
    pub pause: Duration,
    /// Whether the answer ends as it should.
    pub ends: bool,
}

/// A running server.
pub struct Model {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Prompt>>>,
}

impl Prompt {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Script {
    pub fn json(status: u16, body: &str) -> Self {
        Self {
            status,
            kind: "application/json",
            pieces: vec![body.to_owned()],
            pause: Duration::ZERO,
            ends: true,
        }
    }

    /// A stream of events, one piece each.
    pub fn events(events: &[&str]) -> Self {
        let pieces = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        Self { kind: "text/event-stream", pieces, ..Self::json(200, "") }
    }
}

impl Model {
    pub async fn start(script: impl Fn(&Prompt) -> Script + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (seen, script) = (Arc::new(Mutex::new(Vec::new())), Arc::new(script));
        let ledger = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let _ = stream.set_nodelay(true);
                let (script, ledger) = (Arc::clone(&script), Arc::clone(&ledger));
                tokio::spawn(async move { serve(stream, &*script, &ledger).await });
            }
        });
        Self { address, seen }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn seen(&self) -> Vec<Prompt> {
        self.seen.lock().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    script: &(dyn Fn(&Prompt) -> Script + Send + Sync),
    ledger: &Mutex<Vec<Prompt>>,
) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let prompt = next(&mut stream, &mut read).await?;
        let answer = script(&prompt);
        ledger.lock().push(prompt);
        let head = format!(
            "HTTP/1.1 {} X\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\nx-request-id: req_1\r\n\r\n",
            answer.status, answer.kind
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        for piece in &answer.pieces {
            let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
            stream.write_all(chunk.as_bytes()).await.ok()?;
            if !answer.pause.is_zero() {
                tokio::time::sleep(answer.pause).await;
            }
        }
        if !answer.ends {
            return None;
        }
        stream.write_all(b"0\r\n\r\n").await.ok()?;
    }
}

async fn next(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<Prompt> {
    loop {
        if let Some(prompt) = take(read) {
            return Some(prompt);
        }
        let mut piece = [0; 4_096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => read.extend_from_slice(&piece[..count]),
        }
    }
}

fn take(read: &mut Vec<u8>) -> Option<Prompt> {
    let end = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    if read.len() < end + length {
        return None;
    }
    let body = String::from_utf8_lossy(&read[end..end + length]).into_owned();
    read.drain(..end + length);
    let mut first = head.lines().next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    Some(Prompt { method, target, head: lower, body })
}
