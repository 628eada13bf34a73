//! What becomes of writes that were not answered, in virtual time.

use super::*;
use crate::call::plan::Resilience;
use crate::clock::{Clock, ManualClock};
use crate::ledger::{Bounds, EndedRun, RunEnds};

struct Unheard;

impl RunEnds for Unheard {
    fn run_ended(&self, _: EndedRun) {}
}

struct World {
    clock: ManualClock,
    ledger: Arc<Ledger>,
    plan: Arc<Plan>,
}

impl World {
    fn new(resilience: Resilience) -> Self {
        let clock = ManualClock::new(1_000);
        let bounds = Bounds { live_runs: 100, idle_end: Duration::from_secs(600) };
        let ledger = Ledger::new(Clock::Manual(clock.clone()), bounds, Arc::new(Unheard));
        Self { clock, ledger, plan: Arc::new(Plan { resilience, ..Plan::default() }) }
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn write(&self, call: u64, key: Option<&str>) -> Write {
        self.write_of("", call, key)
    }

    fn write_of(&self, agent: &str, call: u64, key: Option<&str>) -> Write {
        let caller = Caller { agent: agent.into(), ..Caller::default() };
        let run = RunId("r".into());
        let write = Write::new(&caller, &"crm.put".into(), call, &run, &self.plan);
        match key {
            Some(key) => write.under(key.into(), key != "gate"),
            None => write,
        }
    }

    fn begin(&self, write: Write) -> Result<Watched, Doubt> {
        Watched::begin(&self.ledger, write, self.now())
    }

    /// A write that is sent and ends so.
    fn ends(&self, call: u64, key: Option<&str>, status: Status) {
        let watched = self.begin(self.write(call, key)).unwrap_or_else(|doubt| panic!("{doubt:?}"));
        watched.mark(true);
        watched.end(status, self.now());
    }

    fn refused(&self, call: u64, key: Option<&str>) -> Doubt {
        self.begin(self.write(call, key)).err().expect("a refusal")
    }

    fn passes(&self, call: u64, key: Option<&str>) -> bool {
        self.begin(self.write(call, key)).is_ok()
    }

    fn look_in(&self, run: &str, tool: &str, asked: Duration) {
        self.ledger.unknown.read_back(&Caller::default(), tool, &RunId(run.into()), asked);
    }

    fn look(&self, tool: &str) {
        self.clock.advance(Duration::from_secs(1));
        self.look_in("r", tool, self.now().mono);
    }
}

fn with_read_back() -> Resilience {
    Resilience { read_back: Arc::from([Arc::from("crm.get")]), ..Resilience::default() }
}

#[test]
fn a_write_in_doubt_is_refused_until_somebody_has_looked() {
    let world = World::new(with_read_back());
    world.ends(1, None, Status::Unknown);
    assert!(
        matches!(world.refused(1, None), Doubt::Unknown { read_back, .. } if read_back.len() == 1)
    );
    assert!(world.passes(2, None), "another write");
    assert!(world.begin(world.write_of("other", 1, None)).is_ok(), "another caller");
    assert!(matches!(world.refused(1, Some("new")), Doubt::Unknown { .. }), "a key of its own");
    let before = world.now().mono;
    world.look("crm.find");
    assert!(!world.passes(1, None), "not what was declared");
    world.ledger.unknown.read_back(
        &Caller { agent: "other".into(), ..Caller::default() },
        "crm.get",
        &RunId("r".into()),
        world.now().mono,
    );
    assert!(!world.passes(1, None), "somebody else looked");
    let early = before.saturating_sub(Duration::from_millis(1));
    world.ends(7, None, Status::Unknown);
    world.look_in("r", "crm.get", early);
    assert!(!world.passes(7, None), "asked before it was in doubt");
    world.look_in("another", "crm.get", world.now().mono);
    assert!(!world.passes(7, None), "another run looked");
    world.look("crm.get");
    assert!(world.passes(1, None) && world.passes(7, None));
    assert_eq!(world.ledger.unknown.count(), 0);
}

#[test]
fn calls_that_were_answered_or_never_sent_leave_nothing() {
    let world = World::new(Resilience::default());
    for status in [Status::Ok, Status::Error, Status::Denied] {
        world.ends(1, None, status);
    }
    drop(world.begin(world.write(1, None)));
    let unsent = world.begin(world.write(1, None)).ok().unwrap();
    unsent.mark(true);
    unsent.mark(false);
    drop(unsent);
    assert!(world.passes(1, None));
    let vanished = world.begin(world.write(1, None)).ok().unwrap();
    vanished.mark(true);
    drop(vanished);
    assert!(!world.passes(1, None), "its client went away");
}

#[test]
fn the_same_key_is_the_same_request() {
    let world = World::new(Resilience::default());
    world.ends(1, Some("k1"), Status::Unknown);
    let unknown = &world.ledger.unknown;
    let key = unknown.key_of(&Caller::default(), &"crm.put".into(), 1);
    assert_eq!(key.as_deref(), Some("k1"));
    assert!(matches!(world.refused(1, Some("k2")), Doubt::Unknown { .. }));
    assert!(matches!(world.refused(1, None), Doubt::Unknown { .. }));
    world.ends(1, Some("k1"), Status::Error);
    assert_eq!(unknown.count(), 1, "a failure says nothing of the one before");
    world.ends(1, Some("k1"), Status::Unknown);
    assert_eq!(unknown.count(), 1);
    world.ends(1, Some("k1"), Status::Ok);
    assert_eq!(unknown.count(), 0);
    assert!(world.passes(1, Some("k2")));
}

#[test]
fn another_run_may_repeat_what_it_has_looked_after() {
    let world = World::new(with_read_back());
    world.ends(1, None, Status::Unknown);
    let again = || Write { run: RunId("another".into()), ..world.write(1, None) };
    assert!(world.begin(again()).is_err());
    for number in 0..100 {
        world.look_in(&format!("run{number}"), "crm.get", world.now().mono);
    }
    assert!(world.begin(again()).is_err());
    world.look_in("another", "crm.get", world.now().mono);
    assert_eq!(world.ledger.unknown.count(), 1);
    assert!(world.begin(again()).is_ok());
    assert_eq!(world.ledger.unknown.count(), 0);
}

#[test]
fn an_operator_sees_and_clears_them() {
    let world = World::new(with_read_back());
    world.ends(1, None, Status::Unknown);
    world.ends(2, Some("k"), Status::Unknown);
    let unknown = &world.ledger.unknown;
    let list = unknown.list();
    assert_eq!(list.len(), 2);
    assert_eq!((&*list[0].tool, &*list[0].run.0, list[0].since_ms), ("crm.put", "r", 1_000));
    assert!(unknown.clear("unk_0").is_none() && unknown.clear("x").is_none());
    assert_eq!(unknown.clear(&list[0].id).unwrap().id, list[0].id);
    assert!(unknown.clear(&list[0].id).is_none());
    assert!(world.passes(1, None) && !world.passes(2, None));
}

#[test]
fn one_at_a_time_where_it_was_asked_for() {
    let world = World::new(Resilience { at_most_once: true, ..Resilience::default() });
    let first = world.begin(world.write(1, None)).ok().unwrap();
    assert_eq!(world.refused(1, None), Doubt::InFlight);
    assert_eq!(world.refused(1, Some("gate")), Doubt::InFlight);
    assert!(world.passes(1, Some("chosen by the agent")));
    assert_eq!(world.refused(1, None), Doubt::InFlight);
    assert_eq!(world.ledger.unknown.count(), 0);
    first.mark(true);
    first.end(Status::Error, world.now());
    let second = world.begin(world.write(1, None)).ok().unwrap();
    drop(second);
    world.ends(1, None, Status::Unknown);
    assert!(matches!(world.refused(1, None), Doubt::Unknown { .. }));
}

#[test]
fn an_answer_ends_no_other_writes_doubt() {
    let world = World::new(with_read_back());
    let [first, second, third] = [(); 3].map(|()| world.begin(world.write(1, None)).ok().unwrap());
    for watched in [&first, &second, &third] {
        watched.mark(true);
    }
    first.end(Status::Unknown, world.now());
    second.end(Status::Ok, world.now());
    assert!(matches!(world.refused(1, None), Doubt::Unknown { .. }));
    let before = world.now().mono;
    world.clock.advance(Duration::from_secs(1));
    third.end(Status::Unknown, world.now());
    world.look_in("r", "crm.get", before);
    assert!(!world.passes(1, None), "asked before the last was in doubt");
    world.look("crm.get");
    assert!(world.passes(1, None));
}

#[test]
fn doubt_stands_beside_a_write_in_flight() {
    let world = World::new(Resilience { at_most_once: true, ..Resilience::default() });
    for first_ends in [Status::Ok, Status::Error, Status::Unknown] {
        let first = world.begin(world.write(1, Some("gate"))).ok().unwrap();
        first.mark(true);
        world.ends(1, Some("a"), Status::Unknown);
        assert!(matches!(world.refused(1, Some("b")), Doubt::Unknown { .. }));
        first.end(first_ends, world.now());
        assert!(matches!(world.refused(1, Some("b")), Doubt::Unknown { .. }), "{first_ends:?}");
        world.ends(1, Some("a"), Status::Ok);
        let lost = first_ends == Status::Unknown;
        assert_eq!(world.passes(1, Some("b")), !lost, "each key for itself");
        world.ends(1, Some("gate"), Status::Ok);
        assert_eq!(world.ledger.unknown.count(), 0);
    }
}

#[test]
fn beyond_the_limit_writes_without_a_key_are_refused() {
    let world = World::new(Resilience::default());
    for call in 0..UNKNOWN_LIMIT as u64 {
        world.ends(call, None, Status::Unknown);
    }
    assert_eq!(world.refused(1_000_000, None), Doubt::Full);
    assert!(world.passes(1_000_000, Some("k")));
    let first = world.ledger.unknown.list()[0].id.clone();
    world.ledger.unknown.clear(&first);
    assert!(world.passes(1_000_000, None));
}
