//! The order of guards, loops judged with results, and refusals that grow.

use std::sync::Arc;
use std::time::Duration;

use crate::call::{Caller, Effect, Refusal, RunId, Status, StopReason, ToolFacts};
use crate::clock::{Clock, ManualClock};
use crate::guard::{Granted, Refused, judge};
use crate::json::{Document, loop_key};
use crate::ledger::{
    Asked, Bounds, EndedRun, Ledger, Reservation, RunEnds, Settlement, Sizes, Work,
};
use crate::policy::compile::{Catalogue, compile};
use crate::policy::set::PolicySet;
use crate::policy::view::CallView;
use crate::yaml::Source;

struct Unheard;

impl RunEnds for Unheard {
    fn run_ended(&self, _: EndedRun) {}
}

struct World {
    clock: ManualClock,
    ledger: Arc<Ledger>,
    policies: PolicySet,
}

impl World {
    fn new(policy: &str) -> Self {
        let text = format!(
            "apiVersion: toolgate/v1\nkind: Policy\nmetadata: {{ name: p }}\nmode: enforce\n{policy}"
        );
        let source = Arc::new(Source { name: "p.yaml".to_owned(), text });
        let (policies, _) = compile(&[source], None).expect("the policy compiles");
        let clock = ManualClock::new(1_700_000_000_000);
        let bounds = Bounds { live_runs: 100, idle_end: Duration::from_secs(600) };
        let ledger = Ledger::new(Clock::Manual(clock.clone()), bounds, Arc::new(Unheard));
        Self { clock, ledger, policies }
    }

    /// One call that, if it passes, answers with `result`.
    fn call(
        &self,
        tool: &str,
        args: &str,
        status: Status,
        result: u64,
    ) -> Result<Granted, Refusal> {
        let (granted, reservation) = self.begin(tool, args)?;
        self.end(reservation, status, result);
        Ok(granted)
    }

    /// One call that, if it passes, has yet to end.
    fn begin(&self, tool: &str, args: &str) -> Result<(Granted, Reservation), Refusal> {
        let (server, operation) = tool.split_once('.').expect("server.operation");
        let facts = ToolFacts {
            name: tool.into(),
            server: server.into(),
            operation: operation.into(),
            tags: Arc::from([]),
            effect: Effect::Write,
            version: "".into(),
        };
        let args = Document::from_text(args).expect("arguments are JSON");
        let caller = Caller::default();
        let now = self.clock.now();
        let visit = self.ledger.enter(RunId("r".into()), "header", &caller, now);
        let applicable = self.policies.applicable(&facts);
        let call_key = loop_key::<&str>(tool, args.root(), &[]);
        let view = CallView {
            args: args.root(),
            args_bytes: 0,
            protocol: "http",
            method: "POST",
            path: "/",
            step: visit.step(),
            intended: None,
            model: None,
            tool: &facts,
            caller: &caller,
        };
        let asked =
            Asked { tool: tool.into(), call_key, sizes: Sizes::default(), work: Work::Tool };
        let decided = visit.decide(asked, view, &applicable.limits, now, |look| {
            judge(view, call_key, &applicable, look, now)
        });
        decided.map_err(|Refused { refusal, .. }| refusal)
    }

    fn end(&self, reservation: Reservation, status: Status, result: u64) {
        reservation.mark_sent();
        let settlement = Settlement {
            status,
            succeeded: status == Status::Ok,
            result_key: result,
            captured: Vec::new(),
            upstream: Duration::ZERO,
            cost: None,
            tokens: None,
        };
        reservation.settle(settlement, self.clock.now());
    }

    fn ok(&self, tool: &str, args: &str, result: u64) -> Result<Granted, Refusal> {
        self.call(tool, args, Status::Ok, result)
    }
}

fn reason(decided: Result<Granted, Refusal>) -> Option<StopReason> {
    decided.err().map(|refusal| refusal.reason)
}

const LOOP: &str = "limits:\n- { id: loop, per: run, max: { identical_calls: 3 }, within: 20 steps, then: deny }\n";

#[test]
fn the_same_call_with_the_same_result_is_a_loop() {
    let world = World::new(LOOP);
    for _ in 0..3 {
        assert_eq!(reason(world.ok("s.find", r#"{"q":1,"r":2}"#, 7)), None);
    }
    assert_eq!(reason(world.ok("s.find", r#"{"r":2,"q":1.0}"#, 7)), Some(StopReason::LoopDetected));
    assert_eq!(reason(world.ok("s.find", r#"{"q":2,"r":2}"#, 7)), None, "other arguments pass");
    assert_eq!(reason(world.ok("s.other", r#"{"q":1,"r":2}"#, 7)), None, "another tool passes");
}

#[test]
fn a_poll_whose_answer_changes_is_no_loop() {
    let world = World::new(LOOP);
    for answer in 0..100 {
        assert_eq!(reason(world.ok("s.poll", "{}", answer)), None);
    }
}

#[test]
fn the_same_call_asked_for_at_once_is_a_loop_until_the_answers_differ() {
    let world = World::new(LOOP);
    let open: Vec<_> = (0..20).map(|_| world.begin("s.poll", "{}")).collect();
    let (passed, refused): (Vec<_>, Vec<_>) = open.into_iter().partition(Result::is_ok);
    assert_eq!((passed.len(), refused.len()), (3, 17));
    assert!(refused.into_iter().all(|one| one.is_err_and(|refusal| {
        refusal.reason == StopReason::LoopDetected && refusal.message.contains("have not ended")
    })));
    assert_eq!(reason(world.ok("s.poll", r#"{"n":1}"#, 7)), None, "other arguments pass");
    for (answer, held) in (0_u64..).zip(passed) {
        let (_, reservation) = held.expect("it passed");
        world.end(reservation, Status::Ok, answer);
    }
    assert_eq!(reason(world.ok("s.poll", "{}", 9)), None, "the answers changed");
    let (_, held) = world.begin("s.poll", "{}").expect("one of the latest result");
    let (_, other) = world.begin("s.poll", "{}").expect("and one open");
    assert_eq!(reason(world.ok("s.poll", "{}", 9)), Some(StopReason::LoopDetected));
    drop((held, other));
    assert_eq!(reason(world.ok("s.poll", "{}", 9)), None, "what was never sent does not count");
}

#[test]
fn a_loop_is_forgotten_beyond_its_window_and_failures_loop_too() {
    let world = World::new(LOOP);
    for _ in 0..3 {
        assert_eq!(reason(world.call("s.find", "{}", Status::Error, 9)), None);
    }
    assert_eq!(reason(world.ok("s.find", "{}", 9)), Some(StopReason::LoopDetected));
    for other in 0..18 {
        assert_eq!(reason(world.ok("s.other", &format!(r#"{{"n":{other}}}"#), 1)), None);
    }
    assert_eq!(reason(world.ok("s.find", "{}", 9)), None, "only two are left in the window");
}

#[test]
fn refusals_of_one_rule_grow_into_a_stop_but_a_repaired_call_passes() {
    let world = World::new(
        "rules:\n\
         - { id: cap, tools: [pay.refund], when: args.amount > 500, then: deny, message: too much }\n\
         limits:\n\
         - { id: spiral, per: run, max: { denials_same_rule: 3 }, then: stop }\n",
    );
    for _ in 0..3 {
        let refusal = world.ok("pay.refund", r#"{"amount":900}"#, 1).expect_err("too much");
        assert!(!refusal.ends_run);
        assert_eq!(refusal.violations.first().map(|v| v.path.as_str()), Some("/args/amount"));
    }
    assert_eq!(reason(world.ok("pay.refund", r#"{"amount":100}"#, 1)), None);
    let last = world.ok("pay.refund", r#"{"amount":900}"#, 1).expect_err("once too often");
    assert!(last.ends_run);
    assert_eq!(last.rule.as_deref(), Some("p/spiral"));
    assert_eq!(reason(world.ok("pay.refund", r#"{"amount":1}"#, 1)), Some(StopReason::RunStopped));
}

#[test]
fn what_is_forbidden_is_reported_as_forbidden_and_not_as_too_much() {
    let world = World::new(
        "rules:\n\
         - { id: never, tools: [a.b], then: deny, message: never }\n\
         limits:\n\
         - { id: one, per: run, max: { calls: 1 }, then: deny }\n",
    );
    assert_eq!(reason(world.ok("a.c", "{}", 1)), None);
    let refusal = world.ok("a.b", "{}", 1).expect_err("forbidden");
    assert_eq!(refusal.rule.as_deref(), Some("p/never"));
    assert_eq!(reason(world.ok("a.c", "{}", 1)), Some(StopReason::BudgetCalls));
}

#[test]
fn a_stop_outranks_a_denial_and_observed_limits_never_act() {
    let world = World::new(
        "rules:\n\
         - { id: never, tools: [a.b], then: deny, message: never }\n\
         limits:\n\
         - { id: few, per: run, max: { errors: 1 }, then: stop }\n\
         - { id: watched, per: run, max: { calls: 1 }, then: stop, mode: observe }\n",
    );
    assert_eq!(reason(world.call("a.c", "{}", Status::Error, 1)), None);
    let refusal = world.ok("a.b", "{}", 1).expect_err("stopped");
    assert_eq!((refusal.rule.as_deref(), refusal.ends_run), (Some("p/few"), true));

    let world = World::new(
        "limits:\n- { id: watched, per: run, max: { calls: 1 }, then: stop, mode: observe }\n",
    );
    assert_eq!(world.ok("a.c", "{}", 1).expect("passes").observed.len(), 0);
    let second = world.ok("a.c", "{}", 1).expect("passes all the same");
    assert_eq!(second.observed.first().map(|observed| &*observed.rule), Some("p/watched"));
}

#[test]
fn time_is_a_budget() {
    let world =
        World::new("limits:\n- { id: time, per: run, max: { wall_time: 15m }, then: stop }\n");
    assert_eq!(reason(world.ok("a.b", "{}", 1)), None);
    world.clock.advance(Duration::from_secs(899));
    assert_eq!(reason(world.ok("a.b", "{}", 2)), None);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(reason(world.ok("a.b", "{}", 3)), Some(StopReason::BudgetWallTime));
}

#[test]
fn another_spelling_of_a_ruled_tool_does_not_pass_as_a_tool_without_rules() {
    let text = "apiVersion: toolgate/v1\nkind: Policy\nmetadata: { name: p }\nmode: enforce\n\
        rules:\n\
        - { id: never, tools: [open.cancel, '*.wipe_*'], then: deny, message: never }\n";
    let source = Arc::new(Source { name: "p.yaml".to_owned(), text: text.to_owned() });
    let catalogue =
        Catalogue { tools: Vec::new(), open_servers: vec!["open".into()], ..Catalogue::default() };
    let (policies, _) = compile(&[source], Some(&catalogue)).expect("the policy compiles");
    let world = World { policies, ..World::new("rules: []\n") };
    for spelled in ["cancel", "Cancel", "CANCEL", "cancel_", "cancel-", "can.cel", "Wipe-Disk"] {
        let refusal = world.ok(&format!("open.{spelled}"), "{}", 1).expect_err(spelled);
        assert_eq!(refusal.rule.as_deref(), Some("p/never"), "{spelled}");
    }
    for other in ["cancels", "cancelled", "swipe", "search"] {
        assert_eq!(reason(world.ok(&format!("open.{other}"), "{}", 1)), None, "{other}");
    }
    assert_eq!(reason(world.ok("closed.Cancel", "{}", 1)), None, "its names are the config's own");
}
