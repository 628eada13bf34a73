//! Twenty thousand calls to tools that fail in every way: nothing is done twice, and every call is
//! recorded once. The tool's own ledger is the judge.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::json;

use crate::harness::faulty::{Asked, Faulty, Then, Turn, answer, fine, lost};
use crate::harness::{Connection, Setup, of_kind, request};

const CALLS: usize = 20_000;

/// Agents at one time, each on a connection of its own.
const AGENTS: usize = 48;

/// How often an agent asks for the same thing when it was not done.
const PERSISTENCE: usize = 4;

const TOOLS: &str = r#"
    - { name: get, match: "GET /items/{id}" }
    - { name: put, match: "POST /items", read_back: [svc.get] }
    - { name: order, match: "POST /orders", idempotency: { header: Idempotency-Key } }
"#;

/// What one agent makes of its calls.
#[derive(Default)]
struct Tally {
    /// Run ids of calls that were answered, each of one call.
    answered: Vec<String>,
    /// Run ids of calls that the agent did not wait for, or whose connection broke, and what was
    /// asked for.
    given_up: Vec<(String, usize)>,
    done: usize,
    in_doubt: usize,
}

/// Even over small numbers, and the same for every run of the test.
fn draw(text: &str, nth: usize) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325_u64 ^ (nth as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in text.bytes() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33
}

fn script(asked: &Asked) -> Turn {
    match draw(&format!("{} {}", asked.target, asked.body), asked.nth) % 100 {
        0..5 => lost(false, Then::Reset),
        5..10 => lost(true, Then::Reset),
        10..15 => lost(true, Then::Half),
        15..17 => lost(false, Then::Hang),
        17..19 => lost(true, Then::Hang),
        19..24 => answer(503, "{}").header("retry-after", "0"),
        24..27 => answer(429, "{}").header("retry-after", "0"),
        27..30 => answer(503, "{}"),
        30..33 => answer(404, "{}"),
        _ => fine(),
    }
}

/// The number of a write, from its body.
fn number_in(body: &str) -> usize {
    body.chars().filter(char::is_ascii_digit).collect::<String>().parse().expect("a number")
}

fn logical_call(number: usize) -> Request<Full<Bytes>> {
    match number % 4 {
        0 => request(Method::GET, &format!("/svc/items/{number}"), None),
        1 | 2 => request(Method::POST, "/svc/items", Some(&json!({ "n": number }))),
        _ => request(Method::POST, "/svc/orders", Some(&json!({ "n": number }))),
    }
}

async fn agent(
    address: std::net::SocketAddr,
    calls: Arc<AtomicUsize>,
    logical: Arc<AtomicUsize>,
) -> Tally {
    let mut tally = Tally::default();
    let mut connection = Connection::open(address).await;
    loop {
        let number = logical.fetch_add(1, Ordering::Relaxed);
        for _ in 0..PERSISTENCE {
            let call = calls.fetch_add(1, Ordering::Relaxed);
            if call >= CALLS {
                return tally;
            }
            let mut request = logical_call(number);
            let run = format!("c{call}");
            request
                .headers_mut()
                .insert("toolgate-run-id", HeaderValue::from_str(&run).expect("text"));
            // Some do not wait for long.
            let patience = if call.is_multiple_of(40) { 3 } else { 60_000 };
            let sent = connection.try_send(request);
            match tokio::time::timeout(Duration::from_millis(patience), sent).await {
                Ok(Ok(answer)) => {
                    tally.answered.push(run);
                    if answer.status.is_success() {
                        tally.done += 1;
                        break;
                    }
                    tally.in_doubt += usize::from(answer.status == 403);
                }
                Ok(Err(_)) | Err(_) => {
                    tally.given_up.push((run, number));
                    connection = Connection::open(address).await;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_done_twice_and_every_call_is_recorded_once() {
    let tool = Faulty::start_with(50, script).await;
    // Beside it, one that is not there at all.
    let nowhere = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let closed = nowhere.local_addr().expect("an address");
    drop(nowhere);
    let gate = Setup::at(&tool.url())
        .tools(TOOLS)
        .upstream("timeout: 150ms")
        .upstream("retry: { attempts: 3, on: [connect, timeout, reset, 429, 502, 503, 504], budget: 100%, backoff: 1ms, backoff_max: 5ms }")
        .upstream("fallback: { stale_for: 5m }")
        .upstream("in_flight: 1000")
        .bounds("{ live_runs: 100000 }")
        .start()
        .await;
    let down = Setup::at(&format!("http://{closed}"))
        .tools(TOOLS)
        .upstream("retry: { attempts: 2, backoff: 1ms }")
        .start()
        .await;
    for n in 0..50 {
        let answer =
            down.send(request(Method::POST, "/svc/items", Some(&json!({ "n": n % 5 })))).await;
        assert_eq!(answer.status, 502, "refused, and not in doubt: it may be asked for again");
    }
    assert_eq!(of_kind(down.end().await, "call").len(), 50);

    let (calls, logical) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let agents: Vec<_> = (0..AGENTS)
        .map(|_| tokio::spawn(agent(gate.address, Arc::clone(&calls), Arc::clone(&logical))))
        .collect();
    let mut all = Tally::default();
    for agent in agents {
        let tally = agent.await.expect("no panic");
        all.answered.extend(tally.answered);
        all.given_up.extend(tally.given_up);
        all.done += tally.done;
        all.in_doubt += tally.in_doubt;
    }
    assert_eq!(all.answered.len() + all.given_up.len(), CALLS);
    assert_eq!(gate.metric("toolgate_reserved_calls", "").await, 0.0);
    let events = of_kind(gate.end().await, "call");

    // The tool's own ledger. Under a key it does things once, however often it is asked.
    let mut done: HashMap<usize, usize> = HashMap::new();
    let mut keys = HashSet::new();
    let (mut attempts, mut repeated) = (0, 0);
    for (asked, was_done) in tool.ledger() {
        attempts += 1;
        if asked.method == "GET" || !was_done {
            continue;
        }
        let fresh = match asked.headers.get("idempotency-key") {
            Some(key) => keys.insert(key.clone()),
            None => true,
        };
        if fresh {
            *done.entry(number_in(&asked.body)).or_default() += 1;
        } else {
            repeated += 1;
        }
    }
    // An agent that goes away while its answer is on the way, a success, and asks again has asked
    // for it twice.
    let well: HashSet<&str> = events
        .iter()
        .filter(|event| event["status"] == "ok")
        .filter_map(|event| event["run_id"].as_str())
        .collect();
    let mut missed: HashMap<usize, usize> = HashMap::new();
    for (run, number) in &all.given_up {
        *missed.entry(*number).or_default() += usize::from(well.contains(run.as_str()));
    }
    let asked_for = |number: &usize| 1 + missed.get(number).copied().unwrap_or_default();
    let twice: Vec<_> = done.iter().filter(|(number, count)| **count > asked_for(number)).collect();
    assert!(twice.is_empty(), "{} done twice: {twice:?}", twice.len());

    // The record. A call whose client went away may not have come as far as the gate.
    let mut recorded: HashMap<&str, usize> = HashMap::new();
    for event in &events {
        *recorded.entry(event["run_id"].as_str().expect("a run")).or_default() += 1;
    }
    assert!(recorded.values().all(|count| *count == 1));
    let missing = all.answered.iter().filter(|run| !recorded.contains_key(run.as_str())).count();
    assert_eq!(missing, 0);
    assert!(recorded.len() <= CALLS);
    println!(
        "{CALLS} calls, {attempts} attempts at the tool, {} successes, {} writes done, {repeated} \
         repetitions under a key, {} refused for an unknown outcome, {} given up, {} events",
        all.done,
        done.len(),
        all.in_doubt,
        all.given_up.len(),
        events.len()
    );
    // The suite has met what it is about.
    assert!(done.len() > 1_000 && repeated > 100 && all.in_doubt > 100 && all.done > 5_000);
    let unknown = events.iter().filter(|event| event["status"] == "unknown").count();
    assert!(unknown > 100, "{unknown}");
}
