//! A tool that changes is told of once, in the events and the metrics: a gate in this process, in
//! virtual time, in front of a tool that takes as long as it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tempfile::TempDir;
use toolgate::clock::{Clock, ManualClock};
use toolgate::config;
use toolgate::ledger::{Bounds, Ledger};
use toolgate::pipeline::Gate;
use toolgate::policy::compile::compile;
use toolgate::record::{Destination, Held, Recorder};
use toolgate::server::{self, ServerBounds};
use toolgate::snapshot::Snapshot;

use crate::harness::{Act, Reply, Tool, get, of_kind};

/// What the tool does.
#[derive(Default)]
struct Mood {
    median_ms: AtomicU64,
    is_renamed: AtomicBool,
    asked: AtomicU64,
}

struct World {
    clock: ManualClock,
    recorder: Arc<Recorder>,
    sender: SendRequest<Full<Bytes>>,
    mood: Arc<Mood>,
    folder: TempDir,
    _tool: Tool,
}

const BOUNDS: ServerBounds = ServerBounds {
    connections: 10,
    head_bytes: 16_384,
    headers: 64,
    head_time: Duration::from_secs(60),
    stall: Duration::from_secs(60),
    streams: 10,
    drain: Duration::from_secs(1),
};

async fn world(watches: bool) -> World {
    let tool = Tool::start().await;
    let clock = ManualClock::new(1_767_614_400_000);
    let mood = Arc::new(Mood { median_ms: AtomicU64::new(40), ..Mood::default() });
    let (told, moved) = (Arc::clone(&mood), clock.clone());
    let script = move |_: &http::request::Parts, _: &[u8]| {
        let asked = told.asked.fetch_add(1, Ordering::SeqCst);
        // From a half to twice the median, and one in fifty ten times as long.
        let percent = if asked % 50 == 49 { 1_000 } else { 50 + asked * 37 % 150 };
        let ms = told.median_ms.load(Ordering::SeqCst) * percent / 100;
        moved.advance(Duration::from_millis(ms));
        let name = if told.is_renamed.load(Ordering::SeqCst) { "state" } else { "status" };
        let body = format!("{{\"id\":{asked},\"{name}\":\"secret-{asked}\",\"tags\":[\"a\"]}}");
        Act::Reply(Reply::json(&body))
    };
    tool.on("/items/1", Act::With(Arc::new(script)));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("toolgate.yaml");
    let text = format!(
        "apiVersion: toolgate/v1\nkind: Config\nupstreams:\n  svc:\n    http: http://{}\n    \
         tools: [ {{ name: get, match: \"GET /items/{{id}}\" }} ]\n",
        tool.address
    );
    std::fs::write(&path, text).expect("a file");
    let loaded = config::load(&path).expect("a config");
    let (policies, _) = compile(&loaded.sources, None).expect("no policies");
    let manual = Clock::Manual(clock.clone());
    let events = Destination::File(folder.path().join("events.jsonl"));
    let recorder = Recorder::start(manual.clone(), &events).expect("a journal");
    if watches {
        recorder.watch_drift();
    }
    let bounds = Bounds { live_runs: 100, idle_end: Duration::MAX };
    let ledger = Ledger::new(manual.clone(), bounds, recorder.clone());
    let snapshot = Snapshot::build(&loaded.settings, policies, None).expect("a snapshot");
    let gate = Arc::new(Gate::new(manual, ledger, recorder.clone(), Arc::new(snapshot)));
    let stream = server::connect(&gate, BOUNDS);
    let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("a connection");
    tokio::spawn(connection);
    World { clock, recorder, sender, mood, folder, _tool: tool }
}

impl World {
    /// Calls the tool, four times a minute.
    async fn calls(&mut self, count: usize) {
        for _ in 0..count {
            self.clock.advance(Duration::from_secs(15));
            self.sender.ready().await.expect("it serves");
            let answer = self.sender.send_request(get("/svc/items/1")).await.expect("an answer");
            assert_eq!(answer.status(), 200);
            answer.into_body().collect().await.expect("all of it");
        }
    }

    fn drifts(&self) -> Vec<Value> {
        assert!(self.recorder.flush(Duration::from_secs(60)), "events are written");
        let text = std::fs::read_to_string(self.folder.path().join("events.jsonl"));
        let text = text.expect("the events");
        let events = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        of_kind(events, "drift")
    }

    fn counted(&self, signal: &str) -> String {
        let text = self.recorder.render_metrics(&Held::default(), false);
        let series =
            format!("toolgate_drift_total{{signal=\"{signal}\",tool=\"svc.get\",agent=\"\"}} ");
        let count = text.lines().find_map(|line| line.strip_prefix(&series));
        count.unwrap_or("none").to_owned()
    }
}

#[tokio::test]
async fn a_tool_that_gets_slow_and_one_that_answers_otherwise_are_told_of_once() {
    let mut world = world(true).await;
    world.calls(400).await;
    assert_eq!(world.drifts(), Vec::<Value>::new());
    world.mood.median_ms.store(160, Ordering::SeqCst);
    world.calls(200).await;
    let drifts = world.drifts();
    assert_eq!(drifts.len(), 1, "{drifts:#?}");
    assert_eq!((&*text(&drifts[0], "signal"), &*text(&drifts[0], "tool")), ("latency", "svc.get"));
    let detail = text(&drifts[0], "detail");
    assert!(detail.starts_with("latency of svc.get: p50 1"), "{detail}");
    assert!(detail.contains(" ms, was 4") && detail.ends_with(" h"), "{detail}");
    assert_eq!(
        (world.counted("latency"), world.counted("response_shape")),
        ("1".into(), "none".into())
    );

    world.mood.is_renamed.store(true, Ordering::SeqCst);
    world.calls(200).await;
    let drifts = world.drifts();
    assert_eq!(drifts.len(), 2, "{drifts:#?}");
    assert_eq!(text(&drifts[1], "signal"), "response_shape");
    let detail = text(&drifts[1], "detail");
    assert!(detail.starts_with("response shape of svc.get: shape "), "{detail}");
    assert!(detail.contains(" % of answers, was 0 % over "), "{detail}");
    assert_eq!(
        (world.counted("latency"), world.counted("response_shape")),
        ("1".into(), "1".into())
    );
    assert!(!format!("{drifts:?}").contains("secret"), "no content is told");
}

#[tokio::test]
async fn nothing_is_learned_unless_it_is_wanted() {
    let mut world = world(false).await;
    world.calls(400).await;
    world.mood.median_ms.store(400, Ordering::SeqCst);
    world.calls(200).await;
    assert_eq!(world.drifts(), Vec::<Value>::new());
}

fn text(event: &Value, name: &str) -> String {
    event[name].as_str().unwrap_or_default().to_owned()
}
