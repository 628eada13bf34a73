//! A tool server that fails in every way a script asks for, and notes what it did all the same.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use toolgate::clock::Clock;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub target: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: String,
    /// How many requests with this method, target and body came before it.
    pub nth: usize,
    /// By [`now`].
    pub at: Duration,
}

/// What the tool does with a request.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Whether it does what was asked.
    pub done: bool,
    pub then: Then,
}

/// What comes back.
#[derive(Clone, Debug)]
pub enum Then {
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Half of an answer, and then the end of the connection.
    Half,
    /// The end of the connection.
    Reset,
    /// Nothing, for as long as anybody waits.
    Hang,
}

/// A running tool.
pub struct Faulty {
    pub address: SocketAddr,
    state: Arc<State>,
}

/// Time since the test began, or nearly so.
pub fn now() -> Duration {
    static CLOCK: LazyLock<Clock> = LazyLock::new(Clock::system);
    CLOCK.now().mono
}

type Script = dyn Fn(&Asked) -> Turn + Send + Sync;

struct State {
    script: Box<Script>,
    ledger: Mutex<Vec<(Asked, bool)>>,
    seen: Mutex<HashMap<(String, String, String), usize>>,
    /// Of so many connections one is closed before anything was read from it; 0 is none.
    unread_every: usize,
    connections: Mutex<usize>,
}

/// A request that is done and answered.
pub fn fine() -> Turn {
    answer(200, r#"{"ok":true}"#)
}

/// An answer; done when it is no failure.
pub fn answer(status: u16, body: &str) -> Turn {
    Turn { done: status < 400, then: Then::Answer(status, Vec::new(), body.to_owned()) }
}

impl Turn {
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Then::Answer(_, headers, _) = &mut self.then {
            headers.push((name, value.to_owned()));
        }
        self
    }
}

/// A failure without a word, after which nobody knows.
pub fn lost(done: bool, then: Then) -> Turn {
    Turn { done, then }
}

impl Faulty {
    pub async fn start(script: impl Fn(&Asked) -> Turn + Send + Sync + 'static) -> Self {
        Self::start_with(0, script).await
    }

    /// As [`Self::start`], and closes one of so many connections unread.
    pub async fn start_with(
        unread_every: usize,
        script: impl Fn(&Asked) -> Turn + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            script: Box::new(script),
            ledger: Mutex::default(),
            seen: Mutex::default(),
            unread_every,
            connections: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let _ = stream.set_nodelay(true);
                let state = Arc::clone(&shared);
                tokio::spawn(async move { serve(stream, &state).await });
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What reached it, and whether it was done.
    pub fn ledger(&self) -> Vec<(Asked, bool)> {
        self.state.ledger.lock().clone()
    }

    pub fn count(&self) -> usize {
        self.state.ledger.lock().len()
    }
}

async fn serve(mut stream: TcpStream, state: &State) -> Option<()> {
    let number = {
        let mut connections = state.connections.lock();
        *connections += 1;
        *connections
    };
    if state.unread_every > 0 && number % state.unread_every == 0 {
        // Something may lie there unread: then this is a reset.
        tokio::time::sleep(Duration::from_millis(1)).await;
        return None;
    }
    let mut read = Vec::new();
    loop {
        let asked = next(&mut stream, &mut read, state).await?;
        let turn = (state.script)(&asked);
        state.ledger.lock().push((asked, turn.done));
        match turn.then {
            Then::Reset => return None,
            Then::Hang => {
                // Until the other side gives up.
                let _ = stream.read(&mut [0; 1]).await;
                return None;
            }
            Then::Half => {
                let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"half\":";
                let _ = stream.write_all(half).await;
                return None;
            }
            Then::Answer(status, headers, body) => {
                let mut text = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    text.push_str(&format!("{name}: {value}\r\n"));
                }
                text.push_str("\r\n");
                text.push_str(&body);
                stream.write_all(text.as_bytes()).await.ok()?;
            }
        }
    }
}

/// The next request of a connection.
async fn next(stream: &mut TcpStream, read: &mut Vec<u8>, state: &State) -> Option<Asked> {
    loop {
        if let Some(asked) = take(read, state) {
            return Some(asked);
        }
        let mut piece = [0; 4_096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => read.extend_from_slice(&piece[..count]),
        }
    }
}

fn take(read: &mut Vec<u8>, state: &State) -> Option<Asked> {
    let end = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    if read.len() < end + length {
        return None;
    }
    let body = String::from_utf8_lossy(&read[end..end + length]).into_owned();
    read.drain(..end + length);
    let mut seen = state.seen.lock();
    let before = seen.entry((method.clone(), target.clone(), body.clone())).or_default();
    let nth = *before;
    *before += 1;
    Some(Asked { method, target, headers, body, nth, at: now() })
}
