//! A page is written once, however it ends; room for it is held from the start.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::{Destination, Held, Page, Recorder};
use crate::call::{
    Caller, Effect, Ending, ErrorClass, Outcome, Refusal, Status, StopReason, ToolFacts,
};
use crate::clock::{Clock, ManualClock};

const NOTHING_HELD: Held =
    Held { reserved_calls: 0, live_runs: 0, breakers: Vec::new(), unknown_writes: 0 };

struct World {
    recorder: Arc<Recorder>,
    folder: TempDir,
}

fn world() -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::Manual(ManualClock::new(1_700_000_000_000));
    let file = Destination::File(folder.path().join("events.jsonl"));
    World { recorder: Recorder::start(clock, &file).expect("a recorder"), folder }
}

impl World {
    fn page(&self, sent: bool, effect: Effect) -> Page {
        let mut page = self.recorder.open(&Caller::default()).expect("room");
        page.known.sent = sent;
        page.known.tool = Some(Arc::new(ToolFacts {
            name: "s.t".into(),
            server: "s".into(),
            operation: "t".into(),
            tags: Arc::from([]),
            effect,
            version: "".into(),
        }));
        page
    }

    fn events(&self) -> Vec<Value> {
        assert!(self.recorder.flush(Duration::from_secs(60)));
        let text = std::fs::read_to_string(self.folder.path().join("events.jsonl"));
        let text = text.expect("events");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    fn metrics(&self) -> String {
        self.recorder.render_metrics(&NOTHING_HELD, false)
    }
}

fn shown(event: &Value) -> String {
    let text = |name: &str| event[name].as_str().unwrap_or("-");
    format!("{} {} {}", text("status"), text("error_class"), text("verdict"))
}

#[test]
fn a_page_that_a_panic_drops_says_so() {
    let world = world();
    for sent in [false, true] {
        let page = world.page(sent, Effect::Write);
        let panicked = std::thread::spawn(move || {
            let _page = page;
            std::panic::resume_unwind(Box::new("on the way"));
        });
        assert!(panicked.join().is_err());
    }
    let events = world.events();
    let shown: Vec<String> = events.iter().map(shown).collect();
    assert_eq!(shown, ["error internal -", "error internal allow"]);
    assert_eq!(events[0].get("attempt"), None);
    assert_eq!(events[1]["attempt"], 1);
    assert!(world.metrics().contains("toolgate_in_flight 0"));
}

#[test]
fn a_page_that_is_dropped_says_what_is_known() {
    let world = world();
    for (sent, effect) in
        [(false, Effect::Read), (false, Effect::Write), (true, Effect::Read), (true, Effect::Write)]
    {
        drop(world.page(sent, effect));
    }
    let mut warned = world.page(true, Effect::Read);
    warned.known.warned_by = Some("p/careful".into());
    drop(warned);
    let shown: Vec<String> = world.events().iter().map(shown).collect();
    assert_eq!(
        shown,
        [
            "cancelled cancelled -",
            "cancelled cancelled -",
            "cancelled cancelled allow",
            "unknown cancelled allow",
            "cancelled cancelled warn",
        ]
    );
    let metrics = world.metrics();
    assert!(metrics.contains("toolgate_in_flight 0"));
    let decided = metrics.lines().filter(|line| line.starts_with("toolgate_decisions_total{"));
    let decided: f64 =
        decided.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
    assert_eq!(decided, 3.0, "what was never judged is no decision: {metrics}");
}

#[test]
fn a_page_that_is_closed_is_not_written_again() {
    let world = world();
    world.page(true, Effect::Write).ended(&Ending {
        outcome: Outcome {
            status: Status::Error,
            error_class: Some(ErrorClass::Http5xx),
            http_status: Some(503),
        },
        result: None,
        upstream: Duration::from_millis(3),
        attempts: 2,
        cost_usd: None,
        tokens: None,
    });
    let refusal = Refusal::without_rule(StopReason::Malformed, "No.");
    world.page(false, Effect::Write).refused(&refusal);
    let events = world.events();
    let shown: Vec<String> = events.iter().map(shown).collect();
    assert_eq!(shown, ["error http_5xx allow", "denied request deny"]);
    assert_ne!(events[0]["call_id"], events[1]["call_id"]);
    assert_eq!(world.recorder.open_calls(), 0);
}

/// As many threads as the machine will take, each ending its pages in another way.
#[test]
fn every_page_is_written_once_under_concurrency() {
    const THREADS: usize = 8;
    const EACH: usize = 250;
    let world = world();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for turn in 0..EACH {
                    let page = world.page(turn % 2 == 0, Effect::Write);
                    if turn % 3 == 0 {
                        page.refused(&Refusal::without_rule(StopReason::Malformed, "No."));
                    }
                }
            });
        }
    });
    let events = world.events();
    let ids: std::collections::HashSet<String> =
        events.iter().map(|event| event["call_id"].to_string()).collect();
    assert_eq!((events.len(), ids.len()), (THREADS * EACH, THREADS * EACH));
}
