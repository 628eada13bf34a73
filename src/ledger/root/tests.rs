//! The span of a run: made once, told of once, and only where somebody stands below it.

use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::call::{Caller, RunEnd, Standing, StopReason};
use crate::clock::{Clock, ManualClock};
use crate::ledger::{Bounds, COMPLETED_AFTER, Denial, EndedRun, MintSpec, RunEnds};
use std::sync::Arc;

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

impl World {
    fn new() -> Self {
        let clock = ManualClock::new(1_000_000);
        let ends = Arc::new(Ends::default());
        let bounds = Bounds { live_runs: 10, idle_end: Duration::from_secs(600) };
        let ledger = Ledger::new(Clock::Manual(clock.clone()), bounds, ends.clone());
        Self { clock, ledger, ends }
    }

    fn visit(&self, standing: Standing) -> Visit {
        let run = RunId("r".into());
        self.ledger.attend(run, "header", &Caller::default(), standing, self.clock.now())
    }

    fn call(&self) -> TraceContext {
        self.visit(Standing::Tool).below_root()
    }

    /// The model has the last word, and nothing follows it.
    fn complete(&self) {
        let visit = self.visit(Standing::Tool);
        visit.run.state.lock().answered = Some(self.clock.now().mono);
        drop(visit);
        self.clock.advance(COMPLETED_AFTER);
        self.ledger.sweep(self.clock.now());
    }

    fn ended(&self) -> EndedRun {
        self.ends.0.lock().pop().expect("a run has ended")
    }
}

#[test]
fn calls_of_a_run_are_below_one_span_in_one_trace() {
    let world = World::new();
    world.clock.advance(Duration::from_secs(5));
    let calls: Vec<TraceContext> = (0..3).map(|_| world.call()).collect();
    world.clock.advance(Duration::from_secs(2));
    drop(world.visit(Standing::Protocol));
    world.ledger.end_all();
    let ended = world.ended();
    let root = ended.root.expect("somebody stands below it");
    for call in &calls {
        assert_eq!(call.parent(), Some(root.context.span()));
        assert_eq!(call.trace_id(), root.context.trace_id());
    }
    assert_ne!(calls[0].span(), calls[1].span());
    assert_eq!(root.context.parent(), None);
    assert_eq!((root.began.wall_ms, root.ended.wall_ms), (1_005_000, 1_007_000));
    assert_eq!(root.ended.since(root.began.mono), Duration::from_secs(2));
}

#[test]
fn a_run_whose_calls_have_their_own_places_has_no_span() {
    let world = World::new();
    drop(world.visit(Standing::Tool));
    world.ledger.end_all();
    assert_eq!(world.ended().root, None);
}

#[test]
fn a_run_that_goes_on_after_its_end_has_another_span_in_the_same_trace() {
    let world = World::new();
    let first = world.call();
    world.complete();
    let before = world.ended();
    assert_eq!(before.end, RunEnd::Completed);
    let before = before.root.expect("it was used");
    // What a protocol needs around calls does not make a run go on.
    let between = world.visit(Standing::Protocol).below_root();
    assert_eq!(between.parent(), Some(before.context.span()), "which was told of");
    world.clock.advance(Duration::from_secs(1));
    let began = world.clock.now();
    let second = world.call();
    world.ledger.end_all();
    let after = world.ended().root.expect("it was used");
    assert_eq!(
        (first.parent(), second.parent()),
        (Some(before.context.span()), Some(after.context.span()))
    );
    assert_ne!(before.context.span(), after.context.span());
    assert_eq!(first.trace_id(), second.trace_id());
    assert_eq!(after.began, began);
}

#[test]
fn nobody_is_put_below_a_span_that_nobody_will_be_told_of() {
    let world = World::new();
    let visit = world.visit(Standing::Tool);
    let reason = StopReason::ArgsDenied;
    visit.refuse(&Denial { key: "k".into(), stop: Some((reason, None)) }, world.clock.now());
    assert_eq!(world.ended().root, None);
    let (one, other) = (world.call(), world.call());
    assert_eq!((one.parent(), other.parent()), (None, None));
    assert_eq!(one.trace_id(), other.trace_id());
    assert!(world.ends.0.lock().is_empty(), "its end was told of");
}

#[test]
fn a_run_that_is_led_stands_in_the_trace_of_whoever_started_it() {
    let world = World::new();
    let run = RunId("r".into());
    let now = world.clock.now();
    let spec = MintSpec::default();
    world.ledger.mint(run.clone(), &Caller::default(), spec, Duration::from_secs(60), now).unwrap();
    let parent = TraceParent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
    let incoming = (parent.unwrap(), TraceState::parse(["a=1"]).unwrap());
    world.ledger.lead(&run, Some(&incoming));
    let call = world.call();
    assert_eq!(call.trace_id(), "0af7651916cd43dd8448eb211c80319c");
    assert!(!call.is_sampled(), "the decision is whoever's who started it");
    assert!(call.tracestate(call.span()).ends_with(",a=1"));
    world.ledger.end_all();
    let root = world.ended().root.expect("the call stands below it").context;
    assert_eq!((call.parent(), root.parent()), (Some(root.span()), parent));
}

#[test]
fn a_run_that_was_led_and_whose_calls_have_places_has_no_span() {
    let world = World::new();
    let run = RunId("r".into());
    drop(world.visit(Standing::Tool));
    world.ledger.lead(&run, None);
    drop(world.visit(Standing::Tool));
    world.ledger.end_all();
    assert_eq!(world.ended().root, None);
    assert_eq!(world.ledger.hand_on(&run), None, "it is not known any more");
}

#[test]
fn a_span_that_somebody_was_told_of_is_told_of() {
    let world = World::new();
    let run = RunId("r".into());
    let now = world.clock.now();
    let spec = MintSpec::default();
    world.ledger.mint(run.clone(), &Caller::default(), spec, Duration::from_secs(60), now).unwrap();
    world.ledger.lead(&run, None);
    let led = world.ledger.hand_on(&run).unwrap();
    drop(world.visit(Standing::Tool));
    world.ledger.end_all();
    assert_eq!(world.ended().root.map(|root| root.context), Some(led), "they stand below it");
}
