//! What is kept, what is not, and what is lost.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::{CALLS_LIMIT_A_RUN, Keeping, Shelf};
use crate::call::trace::TraceContext;
use crate::call::{Caller, ErrorClass, Known, Outcome, RunEnd, RunId, Status, StopReason, Verdict};
use crate::clock::Now;
use crate::ledger::{EndedRun, Usage};
use crate::record::outgoing::{Kept, Outgoing, Sink, Why};
use crate::record::told::{Close, Interest, Told};

#[derive(Default)]
struct Seen {
    pushed: Mutex<Vec<(String, Kept)>>,
    sampled_out: Mutex<u64>,
    lost: Mutex<u64>,
}

impl Sink for Seen {
    fn push(&self, outgoing: Outgoing) {
        let shown = match outgoing {
            Outgoing::Call(told, kept) => (told.call_id.clone(), kept),
            Outgoing::Run(run, kept) => (format!("end of {}", run.ended.id), kept),
            Outgoing::Evaluation(_) => panic!("nothing is evaluated here"),
        };
        self.pushed.lock().push(shown);
    }

    fn sampled_out(&self, calls: u64) {
        *self.sampled_out.lock() += calls;
    }

    fn lost(&self, calls: u64) {
        *self.lost.lock() += calls;
    }
}

impl Seen {
    fn names(&self) -> Vec<String> {
        self.pushed
            .lock()
            .iter()
            .map(|(name, kept)| format!("{name} {}", kept.why.name()))
            .collect()
    }
}

const KEEPING: Keeping = Keeping {
    share: 0.0,
    hold: Duration::from_secs(600),
    held_limit_bytes: 64 * 1024 * 1024,
    runs_limit: 4,
};

fn at(seconds: u64) -> Now {
    let mono = Duration::from_secs(seconds);
    Now { mono, wall_ms: 1_700_000_000_000 + i64::try_from(seconds).unwrap() * 1_000 }
}

fn shelf(share: f64) -> (Arc<Seen>, Shelf) {
    let seen = Arc::new(Seen::default());
    let keeping = Keeping { share, runs_limit: 20_000, ..KEEPING };
    (Arc::clone(&seen), Shelf::new(keeping, seen))
}

fn run(id: &str) -> RunId {
    RunId(Arc::from(id))
}

fn told(run_id: Option<&str>, call: &str, status: Status, seconds: u64) -> Told {
    let trace = Some(TraceContext::child_of(None));
    let known = Known { trace, run: run_id.map(|id| (run(id), "header")), ..Known::default() };
    let error_class = (status != Status::Ok).then_some(ErrorClass::Http5xx);
    Told {
        call_id: call.to_owned(),
        caller: Caller::default(),
        opened: at(seconds),
        ended: at(seconds),
        known,
        close: Close {
            outcome: Outcome { status, error_class, http_status: None },
            verdict: None,
            rule: None,
            stop_reason: None,
            retry_scope: None,
            result: None,
            upstream: Duration::ZERO,
            attempts: None,
            cost_usd: None,
            tokens: None,
        },
    }
}

fn put(shelf: &Shelf, run_id: &str, call: &str, status: Status, seconds: u64) {
    let told = told(Some(run_id), call, status, seconds);
    let interest = told.interest();
    shelf.put(told, interest);
}

fn end(shelf: &Shelf, id: &str, end: RunEnd) {
    let ended = EndedRun {
        id: run(id),
        id_source: "header",
        caller: Caller::default(),
        end,
        rule: None,
        parent: None,
        duration: Duration::ZERO,
        usage: Usage::default(),
        before: None,
        root: None,
    };
    shelf.run_ended(ended, None, at(9));
}

#[test]
fn a_run_is_kept_whole_from_the_moment_that_something_is_wrong_with_it() {
    let (seen, shelf) = shelf(0.0);
    put(&shelf, "r", "a", Status::Ok, 1);
    assert!(seen.names().is_empty(), "nothing is known of the run yet");
    put(&shelf, "r", "b", Status::Denied, 2);
    assert_eq!(seen.names(), ["a denied", "b denied"]);
    put(&shelf, "r", "c", Status::Ok, 3);
    end(&shelf, "r", RunEnd::Completed);
    assert_eq!(seen.names(), ["a denied", "b denied", "c denied", "end of r denied"]);
    assert_eq!((*seen.sampled_out.lock(), *seen.lost.lock()), (0, 0));
    assert!(shelf.state.lock().runs.is_empty());
}

#[test]
fn a_stop_keeps_a_run_and_its_ordinary_end_does_not() {
    let (seen, shelf) = shelf(0.0);
    for (id, why) in [
        ("stopped", RunEnd::Stopped(StopReason::BudgetCalls)),
        ("done", RunEnd::Completed),
        ("left", RunEnd::Idle),
    ] {
        put(&shelf, id, id, Status::Ok, 1);
        end(&shelf, id, why);
    }
    assert_eq!(seen.names(), ["stopped stopped", "end of stopped stopped"]);
    assert_eq!(*seen.sampled_out.lock(), 2);
    assert_eq!(shelf.state.lock().held_bytes, 0);
}

#[test]
fn of_ordinary_runs_the_share_is_kept_and_says_so() {
    let (seen, shelf) = shelf(0.25);
    for number in 0..4_000 {
        let id = format!("run-{number}");
        put(&shelf, &id, &id, Status::Ok, 1);
        end(&shelf, &id, RunEnd::Completed);
    }
    let pushed = seen.pushed.lock();
    let runs = pushed.len() / 2;
    assert!((850..1_150).contains(&runs), "{runs} of 4000");
    assert!(pushed.iter().all(|(_, kept)| *kept == Kept { why: Why::Share, ratio: 0.25 }));
    assert_eq!(*seen.sampled_out.lock(), 4_000 - runs as u64);
}

#[test]
fn a_call_of_no_run_is_kept_for_itself() {
    let (seen, shelf) = shelf(1.0);
    for status in [Status::Ok, Status::Denied] {
        let told = told(None, status.name(), status, 1);
        let interest = told.interest();
        shelf.put(told, interest);
    }
    assert_eq!(seen.names(), ["denied denied"]);
    assert_eq!(*seen.sampled_out.lock(), 1);
}

#[test]
fn what_waits_is_bounded_and_every_loss_is_counted() {
    let seen = Arc::new(Seen::default());
    let weight = told(Some("r"), "c", Status::Ok, 1).weight_bytes();
    let keeping = Keeping {
        share: 0.0,
        hold: Duration::from_secs(600),
        held_limit_bytes: weight * 10 + weight / 2,
        runs_limit: 20_000,
    };
    let sink: Arc<dyn Sink> = Arc::clone(&seen) as Arc<dyn Sink>;
    let shelf = Shelf::new(keeping, sink);
    for number in 0..1_000 {
        put(&shelf, &format!("run-{}", number / 2), "c", Status::Ok, 1);
        assert!(shelf.state.lock().held_bytes <= keeping.held_limit_bytes);
    }
    assert_eq!(*seen.lost.lock(), 990);
    end(&shelf, "run-499", RunEnd::Completed);
    assert_eq!((*seen.lost.lock(), *seen.sampled_out.lock()), (990, 2));
    assert!(shelf.state.lock().order.len() < 200, "what is forgotten does not pile up");
}

#[test]
fn one_run_does_not_take_all_the_room() {
    let (seen, shelf) = shelf(1.0);
    for _ in 0..CALLS_LIMIT_A_RUN + 5 {
        put(&shelf, "r", "c", Status::Ok, 1);
    }
    assert_eq!(*seen.lost.lock(), 5);
    end(&shelf, "r", RunEnd::Completed);
    assert_eq!(seen.pushed.lock().len(), CALLS_LIMIT_A_RUN + 1);
}

#[test]
fn what_waits_too_long_is_decided_over_and_the_run_goes_on() {
    let (seen, shelf) = shelf(0.0);
    put(&shelf, "r", "a", Status::Ok, 1);
    shelf.tend(at(600));
    assert_eq!(*seen.sampled_out.lock(), 0);
    shelf.tend(at(601));
    assert_eq!(*seen.sampled_out.lock(), 1);
    put(&shelf, "r", "b", Status::Ok, 700);
    put(&shelf, "r", "c", Status::Timeout, 701);
    assert_eq!(seen.names(), ["b error", "c error"]);
    shelf.tend(at(1_250));
    put(&shelf, "r", "d", Status::Ok, 1_251);
    assert_eq!(seen.names().len(), 3, "a run that is kept stays so");
    // The gate has forgotten the run without its end: so does the shelf, in time.
    shelf.tend(at(2_000));
    shelf.tend(at(2_700));
    assert!(shelf.state.lock().runs.is_empty());
}

#[test]
fn outliers_are_worth_keeping() {
    let (seen, shelf) = shelf(0.0);
    shelf.put(told(Some("r"), "slow", Status::Ok, 1), Interest::Outlier);
    assert_eq!(seen.names(), ["slow outlier"]);
}

/// The call that stops a run is closed when the run's end has been told of.
#[test]
fn runs_that_are_over_take_no_room_from_those_that_go_on() {
    let seen = Arc::new(Seen::default());
    let shelf = Shelf::new(KEEPING, Arc::clone(&seen) as Arc<dyn Sink>);
    put(&shelf, "live", "first", Status::Timeout, 1);
    for number in 0..100 {
        let id = format!("run-{number}");
        end(&shelf, &id, RunEnd::Stopped(StopReason::LoopDetected));
        for (verdict, reason) in
            [(Verdict::Stop, StopReason::LoopDetected), (Verdict::Deny, StopReason::RunStopped)]
        {
            let mut told = told(Some(&id), "over", Status::Denied, 2);
            (told.close.verdict, told.close.stop_reason) = (Some(verdict), Some(reason));
            shelf.put(told, Interest::Denied);
        }
    }
    assert_eq!(shelf.state.lock().runs.len(), 1);
    put(&shelf, "live", "second", Status::Ok, 3);
    assert_eq!(seen.names().last().map(String::as_str), Some("second error"));
    assert_eq!(*seen.lost.lock(), 0);
}
