//! Runs that end with their model's last word, and go on all the same.

use std::time::Duration;

use super::{World, admit, limits, run, settlement, world};
use crate::call::{Caller, RunEnd, Status, StopReason};
use crate::ledger::{COMPLETED_AFTER, EndedRun, MintSpec, ModelAnswer, RunBudget, Stopped};

const NONE: &str = "- { id: a, per: run, max: { calls: 1000 }, then: deny, message: m }\n";

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl World {
    /// A call to a model that answers so.
    fn model(&self, id: &str, is_final: bool) {
        let reservation = admit(self, id, &limits(NONE)).expect("it is admitted");
        reservation.mark_sent();
        let answer = ModelAnswer { is_final, ..ModelAnswer::default() };
        reservation.model_answered(&Caller::default(), &answer, self.clock.now());
        reservation.settle(settlement(Status::Ok), self.clock.now());
    }

    fn tool(&self, id: &str) {
        let reservation = admit(self, id, &limits(NONE)).expect("it is admitted");
        reservation.mark_sent();
        reservation.settle(settlement(Status::Ok), self.clock.now());
    }

    fn wait(&self, time: Duration) {
        self.clock.advance(time);
        self.ledger.sweep(self.clock.now());
    }

    fn ended(&self) -> Vec<EndedRun> {
        std::mem::take(&mut *self.ends.0.lock())
    }

    fn ends(&self) -> Vec<RunEnd> {
        self.ended().into_iter().map(|run| run.end).collect()
    }
}

#[test]
fn a_last_word_ends_the_run_when_nothing_follows() {
    let world = world(10);
    world.model("r", false);
    world.wait(COMPLETED_AFTER * 2);
    assert_eq!(world.ends(), []);
    world.model("r", true);
    world.wait(COMPLETED_AFTER - seconds(1));
    assert_eq!(world.ends(), []);
    world.wait(seconds(1));
    let ended = world.ended();
    assert_eq!(ended.len(), 1);
    assert_eq!((ended[0].end, ended[0].usage.calls), (RunEnd::Completed, 2));
    assert_eq!(ended[0].before, None);
    // It is told once, also when its memory goes.
    world.wait(seconds(600));
    assert_eq!(world.ends(), []);
    assert_eq!(world.ledger.live_runs(), 0);
}

#[test]
fn whatever_follows_keeps_the_run_open() {
    let world = world(10);
    world.model("r", true);
    world.wait(seconds(59));
    world.tool("r");
    world.wait(seconds(599));
    assert_eq!(world.ends(), []);
    world.wait(seconds(1));
    assert_eq!(world.ends(), [RunEnd::Idle]);
}

#[test]
fn a_call_in_the_gate_is_not_cut() {
    let world = world(10);
    let long = admit(&world, "r", &limits(NONE)).expect("it is admitted");
    long.mark_sent();
    world.model("r", true);
    world.wait(seconds(3_600));
    assert_eq!(world.ends(), []);
    // Nothing came after the last word; from the end of the long call it is waited once more.
    long.settle(settlement(Status::Ok), world.clock.now());
    world.wait(seconds(59));
    assert_eq!(world.ends(), []);
    world.wait(seconds(1));
    assert_eq!(world.ends(), [RunEnd::Completed]);
}

#[test]
fn a_run_that_goes_on_keeps_what_it_has_used_and_ends_again() {
    let budget = limits("- { id: a, per: run, max: { calls: 3 }, then: deny, message: m }\n");
    let world = world(10);
    world.model("r", true);
    world.model("r", true);
    world.wait(COMPLETED_AFTER);
    assert_eq!(world.ends(), [RunEnd::Completed]);
    let third = admit(&world, "r", &budget).expect("one is left");
    third.mark_sent();
    third.model_answered(
        &Caller::default(),
        &ModelAnswer { is_final: true, ..ModelAnswer::default() },
        world.clock.now(),
    );
    third.settle(settlement(Status::Ok), world.clock.now());
    assert!(admit(&world, "r", &budget).is_none(), "ending a turn is no fresh budget");
    world.model("r", true);
    world.wait(COMPLETED_AFTER);
    let ended = world.ended();
    assert_eq!(ended.len(), 1);
    assert_eq!((ended[0].end, ended[0].usage.calls), (RunEnd::Completed, 4));
    assert_eq!(ended[0].before.as_ref().map(|before| before.calls), Some(2));
}

#[test]
fn the_budget_is_fresh_when_the_run_was_idle_and_not_before() {
    let budget = limits("- { id: a, per: run, max: { calls: 1 }, then: deny, message: m }\n");
    let world = world(10);
    let first = admit(&world, "r", &budget).expect("one is left");
    first.mark_sent();
    let last_word = ModelAnswer { is_final: true, ..ModelAnswer::default() };
    first.model_answered(&Caller::default(), &last_word, world.clock.now());
    first.settle(settlement(Status::Ok), world.clock.now());
    world.wait(seconds(599));
    assert_eq!(world.ends(), [RunEnd::Completed]);
    assert!(admit(&world, "r", &budget).is_none());
    world.wait(seconds(599));
    assert!(admit(&world, "r", &budget).is_none());
    world.wait(seconds(600));
    assert!(admit(&world, "r", &budget).is_some());
}

#[test]
fn a_completed_run_can_be_stopped_and_is_told_of_once_more() {
    let world = world(10);
    world.model("r", true);
    world.wait(COMPLETED_AFTER);
    assert_eq!(world.ends(), [RunEnd::Completed]);
    assert_eq!(world.ledger.stop_run(&run("r"), StopReason::Killed), Stopped::Now);
    assert_eq!(world.ends(), [RunEnd::Stopped(StopReason::Killed)]);
    world.wait(seconds(600));
    assert_eq!(world.ends(), []);
}

#[test]
fn whichever_way_a_run_is_forgotten_the_last_word_counts() {
    let world = world(10);
    world.model("done", true);
    world.model("busy", false);
    world.ledger.end_all();
    let mut ended = world.ended();
    ended.sort_by(|one, other| one.id.cmp(&other.id));
    let ends: Vec<RunEnd> = ended.into_iter().map(|run| run.end).collect();
    assert_eq!(ends, [RunEnd::Shutdown, RunEnd::Completed]);
    assert_eq!(world.ledger.live_runs(), 0);
}

#[test]
fn a_run_that_was_made_keeps_its_budget_until_it_is_forgotten() {
    let world = world(10);
    let day = seconds(86_400);
    let spec = |parent: Option<&str>, calls| MintSpec {
        parent: parent.map(run),
        budget: RunBudget { calls: Some(calls), ..RunBudget::default() },
        ..MintSpec::default()
    };
    let mint = |id: &str, spec| {
        world.ledger.mint(run(id), &Caller::default(), spec, day, world.clock.now())
    };
    mint("parent", spec(None, 10)).expect("it is made");
    mint("child", spec(Some("parent"), 6)).expect("it is made");
    let use_one = || {
        let mut reservation = admit(&world, "child", &limits(NONE)).expect("it is admitted");
        let taken = reservation.take_budget(world.clock.now()).is_ok();
        reservation.mark_sent();
        let last_word = ModelAnswer { is_final: true, ..ModelAnswer::default() };
        reservation.model_answered(&Caller::default(), &last_word, world.clock.now());
        reservation.settle(settlement(Status::Ok), world.clock.now());
        taken
    };
    assert!(use_one());
    world.wait(COMPLETED_AFTER);
    assert_eq!(world.ends(), [RunEnd::Completed]);
    // It goes on with what it was given, which is not its parent's again yet.
    assert!(mint("late", spec(Some("parent"), 5)).is_err());
    assert!((0..5).all(|_| use_one()));
    assert!(!use_one());
    world.wait(COMPLETED_AFTER);
    world.wait(seconds(600));
    assert_eq!(world.ledger.live_runs(), 0);
}
