//! Reservations under concurrency, with every way out; runs and their ends.

mod completed;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use crate::call::{Caller, Effect, RunEnd, RunId, Status, StopReason, ToolFacts};
use crate::clock::{Clock, ManualClock, Now};
use crate::json::Document;
use crate::ledger::{
    Asked, Bounds, Denial, EndedRun, Judgement, Ledger, Look, MintSpec, Reservation, RunEnds,
    STOPPED_LIMIT_RUNS, Settlement, Sizes, Stopped, Work,
};
use crate::policy::compile::compile;
use crate::policy::set::Applicable;
use crate::policy::view::CallView;
use crate::yaml::Source;

#[derive(Default)]
struct Ends(Mutex<Vec<EndedRun>>);

impl RunEnds for Ends {
    fn run_ended(&self, run: EndedRun) {
        self.0.lock().push(run);
    }
}

struct World {
    clock: ManualClock,
    ledger: Arc<Ledger>,
    ends: Arc<Ends>,
}

fn world(live_runs: usize) -> World {
    let clock = ManualClock::new(1_700_000_000_000);
    let ends = Arc::new(Ends::default());
    let bounds = Bounds { live_runs, idle_end: Duration::from_secs(600) };
    let ledger = Ledger::new(Clock::Manual(clock.clone()), bounds, ends.clone());
    World { clock, ledger, ends }
}

fn limits(text: &str) -> Arc<Applicable> {
    let head =
        "apiVersion: toolgate/v1\nkind: Policy\nmetadata: { name: t }\nmode: enforce\nlimits:\n";
    let source = Arc::new(Source { name: "t.yaml".to_owned(), text: format!("{head}{text}") });
    let (set, _) = compile(&[source], None).expect("the limits compile");
    set.applicable(&tool())
}

fn tool() -> ToolFacts {
    ToolFacts {
        name: "s.t".into(),
        server: "s".into(),
        operation: "t".into(),
        tags: Arc::from([]),
        effect: Effect::Write,
        version: "".into(),
    }
}

fn run(name: &str) -> RunId {
    RunId(Arc::from(name))
}

/// The check that guards make, alone: what is used and what the call needs fit the maximum.
fn fits(look: &Look<'_>, now: Now) -> Judgement<(), ()> {
    for drawn in look.draws() {
        let denial = || Denial { key: drawn.limit.name.clone(), stop: None };
        let Ok(scope) = drawn.scope else { return Judgement::Refuse((), denial()) };
        for (position, maximum) in drawn.limit.max.iter().enumerate() {
            let Some(max) = maximum.amount() else { continue };
            let Ok(Some(need)) = drawn.need(position, now) else {
                return Judgement::Refuse((), denial());
            };
            if scope.used(drawn.limit, maximum, now) + need > max {
                return Judgement::Refuse((), denial());
            }
        }
    }
    Judgement::Admit(())
}

fn asked() -> Asked {
    Asked { tool: "s.t".into(), call_key: 1, sizes: Sizes::default(), work: Work::Tool }
}

/// A call of this caller to the tool without arguments.
fn call<'a>(tool: &'a ToolFacts, args: &'a Document, caller: &'a Caller) -> CallView<'a> {
    CallView {
        args: args.root(),
        args_bytes: 2,
        protocol: "http",
        method: "POST",
        path: "/",
        step: 1,
        intended: None,
        model: None,
        tool,
        caller,
    }
}

fn decide<Granted, Refused>(
    world: &World,
    id: &str,
    applicable: &Applicable,
    judge: impl FnOnce(&Look<'_>) -> Judgement<Granted, Refused>,
) -> Result<(Granted, Reservation), Refused> {
    let (now, caller, tool) = (world.clock.now(), Caller::default(), tool());
    let args = Document::from_text("{}").expect("it is JSON");
    let visit = world.ledger.enter(run(id), "header", &caller, now);
    visit.decide(asked(), call(&tool, &args, &caller), &applicable.limits, now, judge)
}

fn admit(world: &World, id: &str, applicable: &Applicable) -> Option<Reservation> {
    let now = world.clock.now();
    let decided = decide(world, id, applicable, |look| fits(look, now));
    decided.ok().map(|((), reservation)| reservation)
}

fn settlement(status: Status) -> Settlement {
    Settlement {
        status,
        succeeded: status == Status::Ok,
        result_key: 1,
        captured: Vec::new(),
        upstream: Duration::ZERO,
        cost: None,
        tokens: None,
    }
}

fn concurrently(threads: usize, each: usize, work: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for number in 0..threads {
            let work = &work;
            scope.spawn(move || (0..each).for_each(|turn| work(number * each + turn)));
        }
    });
}

#[test]
fn ten_thousand_calls_against_a_budget_pass_exactly_it() {
    for (text, runs) in [
        ("- { id: a, per: run, max: { calls: 777 }, then: deny, message: m }\n", 1),
        ("- { id: a, per: global, max: { calls: 777 }, then: deny, message: m }\n", 50),
        ("- { id: a, per: agent, max: { calls: 777 }, within: 1h, then: deny, message: m }\n", 50),
        (
            "- { id: a, per: tenant, max: { calls: 777 }, then: deny, message: m }\n\
             - { id: b, per: global, max: { calls: 900 }, then: deny, message: m }\n",
            9,
        ),
    ] {
        let applicable = limits(text);
        let world = world(1_000);
        let sent = AtomicU64::new(0);
        concurrently(16, 625, |number| {
            let id = format!("run {}", number % runs);
            let Some(reservation) = admit(&world, &id, &applicable) else { return };
            reservation.mark_sent();
            sent.fetch_add(1, Ordering::SeqCst);
            if number % 3 == 0 {
                drop(reservation);
            } else {
                reservation.settle(settlement(Status::Ok), world.clock.now());
            }
        });
        assert_eq!(sent.load(Ordering::SeqCst), 777, "{text}");
        assert_eq!(world.ledger.reserved_calls(), 0, "{text}");
    }
}

#[test]
fn calls_that_were_never_sent_are_given_back_on_every_way_out() {
    let applicable = limits(
        "- { id: a, per: global, max: { calls: 50 }, within: 1h, then: deny, message: m }\n",
    );
    let world = world(1_000);
    concurrently(8, 500, |number| {
        let Some(reservation) = admit(&world, "one", &applicable) else { return };
        match number % 3 {
            0 => drop(reservation),
            1 => {
                let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                    let _held = reservation;
                    std::panic::resume_unwind(Box::new("on the way"));
                }));
                assert!(failed.is_err());
            }
            _ => {
                reservation.mark_sent();
                reservation.mark_unsent();
                reservation.settle(settlement(Status::Error), world.clock.now());
            }
        }
    });
    assert_eq!(world.ledger.reserved_calls(), 0);
    let passed = (0..100).filter(|_| {
        admit(&world, "two", &applicable).is_some_and(|reservation| {
            reservation.mark_sent();
            true
        })
    });
    assert_eq!(passed.count(), 50, "nothing was used up by calls that were not sent");
}

#[test]
fn a_window_slides_and_never_credits_twice() {
    let applicable =
        limits("- { id: a, per: run, max: { calls: 2 }, within: 10s, then: deny, message: m }\n");
    let world = world(10);
    let used = |id: &str| {
        admit(&world, id, &applicable).is_some_and(|reservation| {
            reservation.mark_sent();
            reservation.settle(settlement(Status::Ok), world.clock.now());
            true
        })
    };
    assert!(used("r"));
    world.clock.advance(Duration::from_secs(6));
    assert!(used("r"));
    assert!(!used("r"));
    world.clock.advance(Duration::from_secs(4));
    assert!(used("r"), "the first has left the window");
    assert!(!used("r"));
    world.clock.advance(Duration::from_secs(60));
    assert!(used("r") && used("r") && !used("r"));
}

#[test]
fn a_window_added_by_a_reload_gives_nothing_anew() {
    let lifetime = limits("- { id: a, per: agent, max: { calls: 10 }, then: deny, message: m }\n");
    let window =
        limits("- { id: a, per: agent, max: { calls: 10 }, within: 1h, then: deny, message: m }\n");
    let world = world(10);
    let use_up = |applicable: &Applicable| {
        let sent = std::iter::from_fn(|| admit(&world, "r", applicable)).take(50);
        sent.inspect(Reservation::mark_sent).count()
    };
    assert_eq!(use_up(&lifetime), 10);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(use_up(&window), 0, "they are spent");
    world.clock.advance(Duration::from_secs(3_599));
    assert_eq!(use_up(&window), 10, "an hour later they are not");
}

#[test]
fn a_run_ends_once_and_its_end_waits_for_calls_in_the_gate() {
    let world = world(10);
    let now = world.clock.now();
    let enter = || world.ledger.enter(run("r"), "header", &Caller::default(), now);
    let (first, second) = (enter(), enter());
    assert_eq!((first.step(), second.step()), (1, 2));
    let stop = Some((StopReason::LoopDetected, Some(Arc::from("p/loop"))));
    first.refuse(&Denial { key: "p/loop".into(), stop }, now);
    assert!(world.ends.0.lock().is_empty(), "a call is still in the gate");
    let (args, caller, tool) =
        (Document::from_text("{}").expect("it is JSON"), Caller::default(), tool());
    let view = call(&tool, &args, &caller);
    let seen = second.decide::<(), _>(asked(), view, &[], now, |look| {
        Judgement::Refuse(look.stopped, Denial { key: "run_stopped".into(), stop: None })
    });
    assert_eq!(seen.err(), Some(Some(StopReason::LoopDetected)));
    let ends = std::mem::take(&mut *world.ends.0.lock());
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0].end, RunEnd::Stopped(StopReason::LoopDetected));
    assert_eq!(ends[0].usage.denials, 2);
    world.clock.advance(Duration::from_secs(601));
    world.ledger.sweep(world.clock.now());
    assert!(world.ends.0.lock().is_empty(), "it ended before");
    assert_eq!(world.ledger.live_runs(), 0);
}

/// Why calls of a run are refused, whatever they ask.
fn stopped(world: &World, id: &str) -> Option<StopReason> {
    let seen = decide::<(), _>(world, id, &Applicable::default(), |look| {
        Judgement::Refuse(look.stopped, Denial { key: "k".into(), stop: None })
    });
    seen.err().flatten()
}

#[test]
fn a_stopped_run_stays_stopped_when_it_is_forgotten() {
    let world = world(4);
    drop(admit(&world, "bad", &Applicable::default()));
    assert_eq!(world.ledger.stop_run(&run("bad"), StopReason::Killed), Stopped::Now);
    for number in 0..40 {
        drop(admit(&world, &format!("flood {number}"), &Applicable::default()));
    }
    world.clock.advance(Duration::from_secs(700));
    world.ledger.sweep(world.clock.now());
    assert!(world.ledger.runs(world.clock.now()).is_empty(), "it is forgotten");
    assert_eq!(world.ledger.stop_run(&run("bad"), StopReason::Killed), Stopped::Before);
    for _ in 0..2 {
        assert_eq!(stopped(&world, "bad"), Some(StopReason::Killed));
        assert_eq!(stopped(&world, "good"), None);
        world.clock.advance(Duration::from_secs(700));
        world.ledger.sweep(world.clock.now());
    }
    let of_bad = |ended: &&EndedRun| ended.id == run("bad");
    assert_eq!(world.ends.0.lock().iter().filter(of_bad).count(), 1, "its end was reported");
}

#[test]
fn a_stop_reaches_the_runs_below_and_no_others() {
    let world = world(100);
    let mint = |id: &str, parent: Option<&str>| {
        let spec = MintSpec { parent: parent.map(run), ..MintSpec::default() };
        let now = world.clock.now();
        world.ledger.mint(run(id), &Caller::default(), spec, Duration::from_secs(3_600), now)
    };
    for (id, parent) in [
        ("eldest", None),
        ("child", Some("eldest")),
        ("grandchild", Some("child")),
        ("late", Some("grandchild")),
        ("other", None),
    ] {
        assert!(mint(id, parent).is_ok(), "{id}");
    }
    let applicable = limits("- { id: a, per: run, max: { calls: 9 }, then: deny, message: m }\n");
    let held = admit(&world, "grandchild", &applicable).expect("there is room");
    assert_eq!(held.stopped(), None);
    world.clock.advance(Duration::from_secs(400));
    drop(admit(&world, "late", &applicable));
    world.clock.advance(Duration::from_secs(400));
    world.ledger.sweep(world.clock.now());
    assert_eq!(world.ledger.stop_run(&run("eldest"), StopReason::Killed), Stopped::Unknown);
    drop(admit(&world, "eldest", &applicable));
    assert_eq!(world.ledger.stop_run(&run("eldest"), StopReason::Killed), Stopped::Now);
    assert_eq!(held.stopped(), Some(StopReason::Killed), "nor is it tried again");
    assert_eq!(held.above(), [run("child"), run("eldest")]);
    drop(held);
    assert_eq!(stopped(&world, "grandchild"), Some(StopReason::Killed));
    assert_eq!(stopped(&world, "late"), Some(StopReason::Killed), "its parents were forgotten");
    assert_eq!(stopped(&world, "other"), None);
    let of_late = |ended: &&EndedRun| ended.id == run("late");
    let ends = world.ends.0.lock();
    assert_eq!(
        ends.iter().find(of_late).map(|ended| ended.end),
        Some(RunEnd::Stopped(StopReason::Killed))
    );
}

#[test]
fn the_memory_of_stopped_runs_is_bounded_and_says_what_it_lost() {
    let world = world(64);
    for number in 0..=STOPPED_LIMIT_RUNS {
        let id = format!("run {number}");
        drop(admit(&world, &id, &Applicable::default()));
        assert_eq!(world.ledger.stop_run(&run(&id), StopReason::Killed), Stopped::Now);
    }
    assert_eq!(world.ledger.dropped_stops(), 0, "the latest are live");
    world.ledger.end_all();
    assert_eq!(world.ledger.dropped_stops(), 1);
    assert_eq!(stopped(&world, "run 10000"), Some(StopReason::Killed));
}

#[test]
fn an_idle_run_ends_and_a_busy_one_does_not() {
    let world = world(10);
    let applicable = limits("- { id: a, per: run, max: { calls: 9 }, then: deny, message: m }\n");
    drop(admit(&world, "idle", &applicable));
    let held = admit(&world, "busy", &applicable);
    world.clock.advance(Duration::from_secs(700));
    world.ledger.sweep(world.clock.now());
    let ends: Vec<_> =
        world.ends.0.lock().iter().map(|run| (run.id.to_string(), run.end)).collect();
    assert_eq!(ends, [("idle".to_owned(), RunEnd::Idle)]);
    drop(held);
    world.ledger.end_all();
    assert_eq!(world.ends.0.lock().len(), 2);
}

#[test]
fn rotating_run_ids_buys_neither_memory_nor_budget() {
    let applicable =
        limits("- { id: a, per: agent, max: { calls: 300 }, then: deny, message: m }\n");
    let world = world(256);
    let mut passed = 0;
    for number in 0..20_000 {
        if let Some(reservation) = admit(&world, &format!("run {number}"), &applicable) {
            reservation.mark_sent();
            passed += 1;
        }
        assert!(world.ledger.live_runs() <= 256);
    }
    assert_eq!(passed, 300);
    world.ledger.end_all();
    assert_eq!(world.ends.0.lock().len(), 20_000, "every run has its end");
}

#[test]
fn failures_are_counted_by_the_limits_that_cover_the_tool() {
    let covered = limits("- { id: a, per: run, max: { errors: 9 }, then: deny, message: m }\n");
    let other = limits(
        "- { id: b, per: run, tools: [s.t], max: { errors: 9 }, within: 1m, then: deny, message: m }\n",
    );
    let world = world(10);
    let errors = |applicable: &Applicable| {
        let now = world.clock.now();
        let seen = decide::<(), _>(&world, "r", applicable, |look| {
            let drawn = look.draws().next().expect("there is one");
            let scope = drawn.scope.expect("the run's own");
            let used = scope.used(drawn.limit, &drawn.limit.max[0], now);
            Judgement::Refuse(used, Denial { key: "k".into(), stop: None })
        });
        seen.err().expect("refused")
    };
    for status in [Status::Ok, Status::Error, Status::Unknown] {
        let reservation = admit(&world, "r", &covered).expect("no limit on calls");
        reservation.mark_sent();
        reservation.settle(settlement(status), world.clock.now());
    }
    drop(admit(&world, "r", &covered));
    assert_eq!(errors(&covered), 3, "a call that was given up failed as well");
    assert_eq!(errors(&other), 0, "none of them was made under this limit");
}

/// How often the run's history says that the tool was called, and how often with success.
fn called(world: &World) -> (u64, u64) {
    let seen = decide::<(), (u64, u64)>(world, "r", &Applicable::default(), |look| {
        let tallies = look.run.history.tallies().map(|(_, tally)| tally);
        let sums =
            tallies.fold((0, 0), |sum, tally| (sum.0 + tally.called, sum.1 + tally.succeeded));
        Judgement::Refuse(sums, Denial { key: "k".into(), stop: None })
    });
    seen.err().expect("refused")
}

#[test]
fn history_has_a_call_from_its_admission_on_and_keeps_it_when_the_agent_goes_away() {
    let applicable = limits("- { id: a, per: run, max: { calls: 9 }, then: deny, message: m }\n");
    let world = world(10);
    let held = admit(&world, "r", &applicable).expect("there is room");
    assert_eq!(called(&world), (1, 0), "a call in the gate was called");
    held.mark_sent();
    drop(held);
    assert_eq!(called(&world), (1, 0), "it was sent, whoever waits for the answer");
    drop(admit(&world, "r", &applicable));
    assert_eq!(called(&world), (1, 0), "no byte of the second was sent");
    let third = admit(&world, "r", &applicable).expect("there is room");
    third.mark_sent();
    third.settle(settlement(Status::Ok), world.clock.now());
    assert_eq!(called(&world), (2, 1));
}

#[test]
fn a_refusal_after_the_admission_counts_wherever_refusals_are_counted() {
    let applicable = limits(
        "- { id: own, per: run, max: { denials: 9 }, then: deny, message: m }\n\
         - { id: all, per: tenant, max: { denials: 9 }, then: deny, message: m }\n\
         - { id: late, per: global, max: { denials: 9 }, within: 1h, then: deny, message: m }\n\
         - { id: rule, per: agent, max: { denials_same_rule: 9 }, then: deny, message: m }\n",
    );
    let world = world(10);
    // Of the run, the tenant and everything; by the rule `p/r` of the agent.
    let counted = |run: &str| {
        let now = world.clock.now();
        let seen = decide::<_, ()>(&world, run, &applicable, |look| {
            let counts: Vec<u128> = look
                .draws()
                .map(|drawn| {
                    let scope = drawn.scope.expect("it has a place");
                    match &*drawn.limit.id {
                        "rule" => u128::from(scope.denials_by("p/r", None, now)),
                        _ => scope.used(drawn.limit, &drawn.limit.max[0], now),
                    }
                })
                .collect();
            Judgement::Admit(counts)
        });
        seen.expect("admitted").0
    };
    let names: Vec<&str> = applicable.limits.iter().map(|limit| &*limit.id).collect();
    assert_eq!(names, ["all", "late", "own", "rule"]);
    let denial = |key: &str| Denial { key: key.into(), stop: None };
    let withheld = admit(&world, "r", &applicable).expect("nothing is used up");
    withheld.mark_sent();
    withheld.withhold(&denial("p/r"), world.clock.now());
    withheld.settle(settlement(Status::Ok), world.clock.now());
    assert_eq!(counted("r"), [1, 1, 1, 1], "once each");
    assert_eq!(counted("other"), [1, 1, 0, 1], "the run's own is the run's");
    let refused = admit(&world, "r", &applicable).expect("nothing is used up");
    refused.refuse(&denial("p/r"), world.clock.now());
    assert_eq!(counted("r"), [2, 2, 2, 2], "so does one that was not sent");
    let own = admit(&world, "r", &applicable).expect("nothing is used up");
    own.withhold(&denial("t/all"), world.clock.now());
    drop(own);
    assert_eq!(counted("r"), [2, 3, 3, 2], "a limit does not count its own");
    world.clock.advance(Duration::from_secs(3_601));
    assert_eq!(counted("r"), [2, 0, 3, 2], "and windows slide");
}

#[test]
fn budgets_are_shown_by_how_near_they_are_to_their_maximum() {
    let applicable = limits(
        "- { id: a, per: run, max: { calls: 4, wall_time: 100s }, then: deny, message: m }\n\
         - { id: b, per: agent, max: { calls: 100, in_flight: 5 }, then: deny, message: m }\n\
         - { id: c, per: 'call.path', max: { calls: 50 }, within: 1m, then: deny, message: m }\n\
         - { id: d, per: run, max: { identical_calls: 3 }, then: deny, message: m }\n",
    );
    let world = world(10);
    let mut held = Vec::new();
    for name in ["one", "one", "one", "two"] {
        held.extend(admit(&world, name, &applicable));
    }
    for done in held.drain(..2) {
        done.mark_sent();
        done.settle(settlement(Status::Ok), world.clock.now());
    }
    world.clock.advance(Duration::from_secs(10));
    let shown = |most| {
        let (found, total) = world.ledger.budgets(&applicable.limits, most, world.clock.now());
        let text = |one: &crate::ledger::BudgetUse| {
            let second = if one.fine { 1_000_000_000 } else { 1 };
            let (used, max) = (one.used / second, one.max / second);
            format!(
                "{} {} {:?} {used} {} {max}",
                one.limit.id, &*one.measure, one.key, one.reserved
            )
        };
        (found.iter().map(text).collect::<Vec<_>>(), total)
    };
    let all = [
        "a calls \"one\" 3 1 4",
        "b in_flight \"\" 2 2 5",
        "a calls \"two\" 1 1 4",
        "a wall_time \"one\" 10 0 100",
        "a wall_time \"two\" 10 0 100",
        "c calls \"/\" 4 2 50",
        "b calls \"\" 4 2 100",
    ];
    assert_eq!(shown(9), (all.map(str::to_owned).to_vec(), 7));
    assert_eq!(shown(2), (all[..2].iter().map(|one| (*one).to_owned()).collect(), 7));
}
