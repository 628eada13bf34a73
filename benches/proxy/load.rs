//! The agents: keep-alive connections that send one call after the other for a while. Written on
//! bare sockets, because what the load costs is taken from the proxies it shares the cores with.

use std::io::BufRead;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use toolgate::clock::Clock;

use crate::workload;

/// Runs that the calls belong to, in turn.
const RUNS: u64 = 64;

/// What one connection must have answered before the round begins.
const WARM_UP_CALLS: u64 = 4;

/// One round, as the parent asks for it in one line.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    pub target: SocketAddr,
    /// `/api/refunds` through a gate, `/refunds` elsewhere.
    pub through_gate: bool,
    pub connections: usize,
    pub body_bytes: usize,
    /// The round ends after so many milliseconds or so many calls, whichever comes first.
    pub millis: u64,
    pub calls: u64,
}

/// What came of a round.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    pub calls: u64,
    pub micros: u64,
    pub p50_micros: f64,
}

/// Where calls number themselves and how far a round has come.
struct Counters {
    numbers: AtomicU64,
    left: AtomicU64,
}

/// Reads rounds from standard input, and says `ready` before and the figures after each.
pub fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let clock = Clock::system();
    let mut first_number = 10_000_000;
    let mut lines = std::io::stdin().lock().lines();
    while let Some(Ok(line)) = lines.next() {
        let round = Round::parse(&line).expect("the parent writes rounds");
        let counters =
            Counters { numbers: AtomicU64::new(first_number), left: AtomicU64::new(round.calls) };
        let (measured, next) = runtime.block_on(run(round, counters, clock.clone(), &mut lines));
        first_number = next;
        println!("{} {} {}", measured.calls, measured.micros, measured.p50_micros);
    }
}

async fn run(
    round: Round,
    counters: Counters,
    clock: Clock,
    lines: &mut impl Iterator<Item = std::io::Result<String>>,
) -> (Measured, u64) {
    let counters = Arc::new(counters);
    let barrier = Arc::new(Barrier::new(round.connections + 1));
    let connections: Vec<_> = (0..round.connections)
        .map(|_| {
            let (counters, barrier) = (Arc::clone(&counters), Arc::clone(&barrier));
            tokio::spawn(connection(round, counters, clock.clone(), barrier))
        })
        .collect();
    barrier.wait().await;
    println!("ready");
    lines.next();
    let start = clock.now();
    barrier.wait().await;
    let mut nanos: Vec<u64> = Vec::new();
    for connection in connections {
        nanos.extend(connection.await.expect("every call is answered with 200"));
    }
    let micros = clock.now().since(start.mono).as_micros();
    nanos.sort_unstable();
    let p50 = nanos.get(nanos.len() / 2).copied().unwrap_or_default();
    let measured = Measured {
        calls: nanos.len() as u64,
        micros: u64::try_from(micros).unwrap_or(u64::MAX),
        p50_micros: p50 as f64 / 1e3,
    };
    (measured, counters.numbers.load(Ordering::Relaxed))
}

/// Sends calls one after the other, and gives the nanoseconds that each took.
async fn connection(
    round: Round,
    counters: Arc<Counters>,
    clock: Clock,
    barrier: Arc<Barrier>,
) -> Vec<u64> {
    let mut stream = TcpStream::connect(round.target).await.expect("the proxy listens");
    stream.set_nodelay(true).expect("TCP has it");
    let mut answer = vec![0; round.body_bytes + 4_096];
    for _ in 0..WARM_UP_CALLS {
        call(&mut stream, &round, &counters, &mut answer).await;
    }
    barrier.wait().await;
    barrier.wait().await;
    let end = clock.now().mono + Duration::from_millis(round.millis);
    let mut nanos = Vec::new();
    loop {
        let start = clock.now();
        let spent = |left: u64| left.checked_sub(1);
        let left = &counters.left;
        if start.mono >= end
            || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent).is_err()
        {
            return nanos;
        }
        call(&mut stream, &round, &counters, &mut answer).await;
        let took = clock.now().since(start.mono).as_nanos();
        nanos.push(u64::try_from(took).unwrap_or(u64::MAX));
    }
}

async fn call(stream: &mut TcpStream, round: &Round, counters: &Counters, answer: &mut [u8]) {
    let number = counters.numbers.fetch_add(1, Ordering::Relaxed);
    stream.write_all(&request(round, number)).await.expect("the proxy reads");
    let mut read = 0;
    let mut end = None;
    while end.is_none_or(|end| read < end) {
        let more = stream.read(answer.get_mut(read..).expect("room")).await.expect("an answer");
        assert!(more > 0, "the proxy closed the connection");
        read += more;
        let so_far = answer.get(..read).unwrap_or_default();
        end = end.or_else(|| end_of_answer(so_far));
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(answer));
}

fn request(round: &Round, number: u64) -> Vec<u8> {
    thread_local! {
        static BODY: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
    }
    BODY.with_borrow_mut(|body| {
        if body.len() != round.body_bytes {
            *body = workload::arguments(number, round.body_bytes);
        }
        // Made once and only renumbered: making it costs as much as sending it.
        let place = r#"{"request":"#.len();
        body.replace_range(place..place + 8, &format!("{number:08}"));
        let path = if round.through_gate { "/api/refunds" } else { "/refunds" };
        let run = number % RUNS;
        format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nuser-agent: bench/1\r\naccept: */*\r\n\
             accept-encoding: gzip, deflate\r\nauthorization: Bearer 0123456789abcdef\r\n\
             toolgate-run-id: run-{run:04}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            round.target,
            body.len()
        )
        .into_bytes()
    })
}

/// Where an answer ends, once its head is there. Every answer here says its length.
fn end_of_answer(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(bytes.get(..head)?).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Some(head + length.expect("a Content-Length"))
}

impl Round {
    /// The line that asks for this round.
    pub fn to_line(self) -> String {
        let Self { target, through_gate, connections, body_bytes, millis, calls } = self;
        let gate = u8::from(through_gate);
        format!("{target} {gate} {connections} {body_bytes} {millis} {calls}")
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        Some(Self {
            target: words.next()?.parse().ok()?,
            through_gate: words.next()? == "1",
            connections: words.next()?.parse().ok()?,
            body_bytes: words.next()?.parse().ok()?,
            millis: words.next()?.parse().ok()?,
            calls: words.next()?.parse().ok()?,
        })
    }
}

impl Measured {
    /// The figures of a finished round, as the child prints them.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        Some(Self {
            calls: words.next()?.parse().ok()?,
            micros: words.next()?.parse().ok()?,
            p50_micros: words.next()?.parse().ok()?,
        })
    }
}
