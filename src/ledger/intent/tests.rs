//! What was asked for and what was executed, also by many at once; which run is meant.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;

use super::links::{GENERATION_LIMIT, Links, Mark};
use super::memory::RUN_LIMIT_CALLS;
use super::{ArgsKey, AskedCall, CALLS_LIMIT, Given, Intent, MARKS_KEPT, ModelAnswer, ToolCall};
use crate::call::{Caller, Effect, RunId, ToolFacts};
use crate::clock::{Clock, ManualClock};
use crate::json::{Document, JSON_DEPTH_LIMIT};
use crate::ledger::{Bounds, EndedRun, Ledger, RunEnds};

struct Silent;

impl RunEnds for Silent {
    fn run_ended(&self, _: EndedRun) {}
}

struct World {
    clock: ManualClock,
    ledger: Arc<Ledger>,
}

fn world() -> World {
    let clock = ManualClock::new(1_700_000_000_000);
    let bounds = Bounds { live_runs: 100_000, idle_end: Duration::from_secs(600) };
    let ledger = Ledger::new(Clock::Manual(clock.clone()), bounds, Arc::new(Silent));
    World { clock, ledger }
}

fn run(name: &str) -> RunId {
    RunId(Arc::from(name))
}

fn caller(agent: &str) -> Caller {
    Caller { agent: Arc::from(agent), ..Caller::default() }
}

fn facts(server: &str, operation: &str) -> ToolFacts {
    ToolFacts {
        name: format!("{server}.{operation}").into(),
        server: server.into(),
        operation: operation.into(),
        tags: Arc::from([]),
        effect: Effect::Write,
        version: "".into(),
    }
}

fn key(json: &str) -> ArgsKey {
    let document = Document::parse(Bytes::copy_from_slice(json.as_bytes()), JSON_DEPTH_LIMIT);
    let document = document.expect("the arguments are JSON");
    ArgsKey::of(document.root())
}

fn wish(id: &str, name: &str, args: &str) -> AskedCall {
    AskedCall { id: id.into(), name: name.into(), args: Some(key(args)) }
}

fn wishes(calls: Vec<AskedCall>) -> ModelAnswer {
    ModelAnswer { calls, ..ModelAnswer::default() }
}

impl World {
    fn asked(&self, id: &str, calls: Vec<AskedCall>) {
        self.answered(id, &caller("a"), &wishes(calls));
    }

    fn answered(&self, id: &str, caller: &Caller, answer: &ModelAnswer) {
        self.ledger.intents.answered(&run(id), Some(caller), answer, self.clock.now());
    }

    /// Executes a call for good.
    fn execute(&self, id: &str, tool: &ToolFacts, args: &str) -> Intent {
        let call = ToolCall::new(tool, key(args), true);
        let (intent, execution) = self.ledger.execute(&run(id), &call, self.clock.now());
        assert_eq!(execution.is_some(), intent == Intent::Asked);
        if let Some(execution) = execution {
            execution.keep();
        }
        intent
    }

    fn linked(&self, agent: &str, tool: &ToolFacts, args: &str) -> Option<RunId> {
        let call = ToolCall::new(tool, key(args), true);
        self.ledger.intents.run_of_call(&caller(agent), &call)
    }
}

#[test]
fn an_execution_is_held_against_what_was_asked_for() {
    let world = world();
    let refund = facts("payments", "refund");
    assert_eq!(world.execute("r", &refund, "{}"), Intent::Unknown);
    world.asked("r", vec![wish("call_000000001", "payments_refund", r#"{"id":7,"amount":10}"#)]);
    assert_eq!(world.execute("other", &refund, r#"{"id":7,"amount":10}"#), Intent::Unknown);
    let altered = Intent::Altered { of: "call_000000001".into() };
    assert_eq!(world.execute("r", &refund, r#"{"id":7,"amount":1000}"#), altered);
    assert_eq!(world.execute("r", &facts("payments", "void"), "{}"), Intent::NeverAsked);
    assert_eq!(world.execute("r", &refund, r#"{"amount":10.0,"id":"7"}"#), Intent::Asked);
    let again = Intent::Again { of: "call_000000001".into() };
    assert_eq!(world.execute("r", &refund, r#"{"id":7,"amount":10}"#), again);
    // Nothing is left that could have been altered.
    assert_eq!(world.execute("r", &refund, r#"{"id":7,"amount":1000}"#), Intent::NeverAsked);
}

#[test]
fn an_answer_without_tool_calls_is_enough_to_know() {
    let world = world();
    world.asked("r", vec![]);
    assert_eq!(world.execute("r", &facts("s", "t"), "{}"), Intent::NeverAsked);
}

#[test]
fn what_arguments_mean() {
    let same = |one: &str, other: &str| assert_eq!(key(one), key(other), "{one} {other}");
    same(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#);
    same(r#"{"a":1}"#, r#"{"a":1.0}"#);
    same(r#"{"a":7}"#, r#"{"a":"7"}"#);
    same(r#"{"a":true}"#, r#"{"a":"true"}"#);
    same(r#"{"a":1,"b":null}"#, r#"{"a":1}"#);
    same(r#"{"a":{"b":[1.0,2]}}"#, r#"{"a":{"b":[1,2]}}"#);
    let differ = |one: &str, other: &str| assert_ne!(key(one), key(other), "{one} {other}");
    differ(r#"{"a":1}"#, r#"{"a":2}"#);
    differ(r#"{"a":1}"#, r#"{"b":1}"#);
    differ(r#"{"a":""}"#, "{}");
    differ(r#"{"a":[1]}"#, r#"{"a":"[1]"}"#);
    differ(r#"{"a":[1]}"#, r#"{"a":["1"]}"#);
    differ(r#"{"a":"1\",\"b\":\"2"}"#, r#"{"a":1,"b":2}"#);
    differ(r#"{"a":{"b":null}}"#, r#"{"a":{}}"#);
    differ("[]", "{}");
    differ("null", "{}");
}

#[test]
fn two_wishes_are_two_executions() {
    let world = world();
    let get = facts("crm", "get");
    world.asked("r", vec![wish("call_0", "get", "{}"), wish("call_1", "get", "{}")]);
    assert_eq!(world.execute("r", &get, "{}"), Intent::Asked);
    assert_eq!(world.execute("r", &get, "{}"), Intent::Asked);
    assert_eq!(world.execute("r", &get, "{}"), Intent::Again { of: "call_0".into() });
    // An id that is a mere number comes again with another answer, a real one does not.
    world.asked("r", vec![wish("call_0", "get", "{}"), wish("toolu_0123456789", "get", "{}")]);
    world.asked("r", vec![wish("toolu_0123456789", "get", "{}")]);
    assert_eq!(world.execute("r", &get, "{}"), Intent::Asked);
    assert_eq!(world.execute("r", &get, "{}"), Intent::Asked);
    assert!(matches!(world.execute("r", &get, "{}"), Intent::Again { .. }));
}

#[test]
fn a_bare_name_is_one_tools_or_decided_by_arguments() {
    let world = world();
    let (crm, shop) = (facts("crm", "get"), facts("shop", "get"));
    world.asked("r", vec![wish("call_0", "get", r#"{"id":1}"#)]);
    let shared = |tool, args| ToolCall::new(tool, key(args), false);
    let now = world.clock.now();
    let (intent, _) = world.ledger.execute(&run("r"), &shared(&crm, r#"{"id":2}"#), now);
    assert_eq!(intent, Intent::NeverAsked);
    let (intent, used) = world.ledger.execute(&run("r"), &shared(&shop, r#"{"id":1}"#), now);
    assert_eq!(intent, Intent::Asked);
    used.expect("it was asked for").keep();
    // What another tool has executed is not this one's second time.
    let (intent, _) = world.ledger.execute(&run("r"), &shared(&crm, r#"{"id":1}"#), now);
    assert_eq!(intent, Intent::NeverAsked);
    // A full name goes first, whatever came first.
    world.asked("r", vec![wish("bare", "get", "{}"), wish("full", "crm_get", "{}")]);
    assert_eq!(world.execute("r", &crm, "{}"), Intent::Asked);
    assert_eq!(world.execute("r", &shop, "{}"), Intent::Asked);
}

#[test]
fn arguments_that_nobody_can_read_are_no_wish_for_any() {
    let world = world();
    let unread = AskedCall { id: "call_0".into(), name: "s_t".into(), args: None };
    world.asked("r", vec![unread]);
    assert_eq!(world.execute("r", &facts("s", "t"), "{}"), Intent::Altered { of: "call_0".into() });
}

#[test]
fn what_was_not_sent_was_not_executed() {
    let world = world();
    let tool = facts("s", "t");
    world.asked("r", vec![wish("call_0", "t", "{}")]);
    let call = ToolCall::new(&tool, key("{}"), true);
    for _ in 0..3 {
        let (intent, execution) = world.ledger.execute(&run("r"), &call, world.clock.now());
        assert_eq!(intent, Intent::Asked);
        drop(execution);
    }
    assert_eq!(world.execute("r", &tool, "{}"), Intent::Asked);
    assert!(matches!(world.execute("r", &tool, "{}"), Intent::Again { .. }));
}

#[test]
fn of_thousands_at_once_each_wish_is_fulfilled_once() {
    const THREADS: usize = 8;
    const WISHES: usize = 200;
    const ROUNDS: usize = 10;
    let world = world();
    let tool = facts("s", "t");
    let asked = AtomicUsize::new(0);
    for name in 0..ROUNDS {
        let args = |place: usize| format!(r#"{{"n":{place}}}"#);
        let calls = (0..WISHES).map(|place| wish("", "s_t", &args(place))).collect();
        let id = format!("run-{name}");
        world.asked(&id, calls);
        thread::scope(|scope| {
            for nth in 0..THREADS {
                let (world, tool, asked, id) = (&world, &tool, &asked, &id);
                scope.spawn(move || {
                    for place in 0..WISHES {
                        let args = key(&args(place));
                        let call = ToolCall::new(tool, args, true);
                        let now = world.clock.now();
                        // Some are refused first, and come again.
                        if (place + nth) % 3 == 0 {
                            drop(world.ledger.execute(&run(id), &call, now));
                        }
                        let (_, execution) = world.ledger.execute(&run(id), &call, now);
                        if let Some(execution) = execution {
                            asked.fetch_add(1, Ordering::Relaxed);
                            execution.keep();
                        }
                    }
                });
            }
        });
        // Where all met one that was about to give way, one is left: never two were let through.
        for place in 0..WISHES {
            if world.execute(&id, &tool, &args(place)) == Intent::Asked {
                asked.fetch_add(1, Ordering::Relaxed);
            }
            assert!(matches!(world.execute(&id, &tool, &args(place)), Intent::Again { .. }));
        }
    }
    assert_eq!(asked.into_inner(), WISHES * ROUNDS);
}

#[test]
fn a_run_remembers_so_many_calls() {
    let world = world();
    let tool = facts("s", "t");
    let args = |place: usize| format!(r#"{{"n":{place}}}"#);
    for place in 0..RUN_LIMIT_CALLS {
        world.asked("r", vec![wish("", "t", &args(place))]);
    }
    assert_eq!(world.execute("r", &tool, &args(5)), Intent::Asked);
    assert_eq!(world.ledger.intents.remembered(), (1, RUN_LIMIT_CALLS));
    // What was executed goes first, then the oldest.
    world.asked("r", vec![wish("", "t", "{}"), wish("", "t", r#"{"x":1}"#)]);
    assert_eq!(world.ledger.intents.remembered(), (1, RUN_LIMIT_CALLS));
    assert_eq!(world.execute("r", &tool, &args(1)), Intent::Asked);
    assert_ne!(world.execute("r", &tool, &args(0)), Intent::Asked);
}

#[test]
fn all_runs_together_remember_so_many() {
    let world = world();
    let tool = facts("s", "t");
    let batch: Vec<AskedCall> =
        (0..RUN_LIMIT_CALLS).map(|n| wish("", "t", &format!(r#"{{"n":{n}}}"#))).collect();
    let runs = CALLS_LIMIT / RUN_LIMIT_CALLS;
    for name in 0..runs + 2 {
        world.clock.advance(Duration::from_millis(1));
        world.asked(&format!("run-{name}"), batch.clone());
    }
    let (remembered, calls) = world.ledger.intents.remembered();
    assert!(calls <= CALLS_LIMIT && remembered < runs, "{calls} {remembered}");
    assert_eq!(world.execute("run-0", &tool, r#"{"n":0}"#), Intent::Unknown);
    assert_eq!(world.execute(&format!("run-{runs}"), &tool, r#"{"n":0}"#), Intent::Asked);
}

#[test]
fn a_call_finds_the_run_that_wants_it() {
    let world = world();
    let refund = facts("payments", "refund");
    let args = r#"{"id":7}"#;
    assert_eq!(world.linked("a", &refund, args), None);
    world.asked("one", vec![wish("call_0", "mcp__payments__refund", args)]);
    assert_eq!(world.linked("a", &refund, args), Some(run("one")));
    assert_eq!(world.linked("a", &refund, r#"{"id":"7"}"#), Some(run("one")));
    assert_eq!(world.linked("b", &refund, args), None);
    assert_eq!(world.linked("a", &facts("payments", "void"), args), None);
    assert_eq!(world.linked("a", &refund, r#"{"id":8}"#), None);
    // Two runs want it: nobody knows which is meant, until one has had it.
    world.asked("two", vec![wish("call_0", "refund", args)]);
    assert_eq!(world.linked("a", &refund, args), None);
    assert_eq!(world.execute("two", &refund, args), Intent::Asked);
    assert_eq!(world.linked("a", &refund, args), Some(run("one")));
    assert_eq!(world.execute("one", &refund, args), Intent::Asked);
    assert_eq!(world.linked("a", &refund, args), None);
}

#[test]
fn too_many_runs_that_want_the_same_are_not_told_apart() {
    let world = world();
    let tool = facts("s", "t");
    for name in 0..40 {
        world.asked(&format!("run-{name}"), vec![wish("", "t", "{}")]);
    }
    for name in 0..39 {
        assert_eq!(world.execute(&format!("run-{name}"), &tool, "{}"), Intent::Asked);
    }
    // One is left, but some were lost sight of.
    assert_eq!(world.linked("a", &tool, "{}"), None);
}

#[test]
fn ids_find_the_run_that_they_came_from() {
    let world = world();
    let answer = ModelAnswer {
        response: Some("resp_1".into()),
        conversation: Some("conv_1".into()),
        calls: vec![wish("call_abcdefgh", "t", "{}"), wish("call_0", "t", "{}")],
        is_final: false,
        given: Given::Now,
    };
    world.answered("one", &caller("a"), &answer);
    let intents = &world.ledger.intents;
    let (own, other) = (caller("a"), caller("b"));
    assert_eq!(intents.run_of_response(&own, "resp_1"), Some(run("one")));
    assert_eq!(intents.run_of_conversation(&own, "conv_1"), Some(run("one")));
    assert_eq!(intents.run_of_answers(&own, ["unknown", "call_abcdefgh"]), Some(run("one")));
    assert_eq!(intents.run_of_response(&other, "resp_1"), None);
    assert_eq!(intents.run_of_conversation(&other, "conv_1"), None);
    assert_eq!(intents.run_of_answers(&other, ["call_abcdefgh"]), None);
    assert_eq!(intents.run_of_answers(&own, []), None);
    // Ids that stand in two runs mean neither.
    let second = ModelAnswer {
        response: Some("resp_2".into()),
        conversation: Some("conv_1".into()),
        calls: vec![wish("call_0", "t", "{}"), wish("call_ijklmnop", "t", "{}")],
        is_final: false,
        given: Given::Now,
    };
    world.answered("two", &caller("a"), &second);
    assert_eq!(intents.run_of_answers(&own, ["call_0"]), None);
    assert_eq!(intents.run_of_answers(&own, ["call_abcdefgh", "call_ijklmnop"]), None);
    assert_eq!(intents.run_of_conversation(&own, "conv_1"), None);
}

#[test]
fn a_stranger_in_a_run_leads_nobody_there() {
    let world = world();
    let answer = wishes(vec![wish("call_abcdefgh", "t", "{}")]);
    world.ledger.intents.answered(&run("one"), None, &answer, world.clock.now());
    let tool = facts("s", "t");
    assert_eq!(world.linked("a", &tool, "{}"), None);
    assert_eq!(world.linked("b", &tool, "{}"), None);
}

#[test]
fn what_ended_is_forgotten() {
    let world = world();
    let now = world.clock.now();
    drop(world.ledger.enter(run("r"), "header", &caller("a"), now));
    world.asked("r", vec![wish("call_abcdefgh", "t", "{}")]);
    world.clock.advance(Duration::from_secs(601));
    world.ledger.sweep(world.clock.now());
    assert_eq!(world.ledger.intents.remembered(), (0, 0));
    assert_eq!(world.linked("a", &facts("s", "t"), "{}"), None);
    world.clock.advance(MARKS_KEPT);
    world.ledger.sweep(world.clock.now());
    assert_eq!(world.ledger.intents.links.len(), 0);
}

#[test]
fn marks_are_bounded() {
    let links = Links::default();
    let mark = |n: usize| Mark::Response(Caller::default(), Arc::from(n.to_string()));
    for n in 0..GENERATION_LIMIT * 3 {
        links.note(mark(n), &run("r"), Duration::ZERO);
    }
    assert!(links.len() <= GENERATION_LIMIT * 2);
    assert_eq!(links.of(&mark(GENERATION_LIMIT * 3 - 1)).runs.len(), 1);
    assert!(links.of(&mark(0)).runs.is_empty());
    links.note(Mark::Call(Caller::default(), "x".repeat(300).into()), &run("r"), Duration::ZERO);
    let long = Mark::Call(Caller::default(), "x".repeat(300).into());
    assert!(links.of(&long).runs.is_empty());
}

#[test]
fn an_answer_that_is_read_again_is_no_new_wish() {
    let world = world();
    let refund = facts("payments", "refund");
    let calls = vec![wish("call_000000001", "payments_refund", "{}")];
    let read = |given, calls: &[AskedCall]| ModelAnswer {
        response: Some("resp_1".into()),
        calls: calls.to_vec(),
        given,
        ..ModelAnswer::default()
    };
    // Given at once: whoever reads it later has nothing new.
    world.answered("r", &caller("a"), &read(Given::Now, &calls));
    assert_eq!(world.execute("r", &refund, "{}"), Intent::Asked);
    for place in ["r", "other"] {
        world.answered(place, &caller("a"), &read(Given::Fetched, &calls));
        assert_ne!(world.execute(place, &refund, "{}"), Intent::Asked, "{place}");
    }
    // Begun, and fetched when it was there: once, in its own run.
    world.answered("later", &caller("a"), &read(Given::Later, &[]));
    world.answered("other", &caller("a"), &read(Given::Fetched, &calls));
    assert_ne!(world.execute("other", &refund, "{}"), Intent::Asked);
    world.answered("later", &caller("a"), &read(Given::Fetched, &calls));
    assert_eq!(world.execute("later", &refund, "{}"), Intent::Asked);
    let short = vec![wish("call_0", "payments_refund", "{}")];
    world.answered("later", &caller("a"), &read(Given::Fetched, &short));
    assert_ne!(world.execute("later", &refund, "{}"), Intent::Asked);
}
