//! States, windows and tickets, in virtual time and from many threads at once.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const PLAN: BreakerPlan = BreakerPlan {
    failures: 5,
    share_percent: 50,
    within: Duration::from_secs(30),
    open_for: Duration::from_secs(10),
    probes: 1,
    tool_errors: false,
};

const FAILED: Health = Health::Failed { rest: None };

fn at(seconds: u64) -> Now {
    Now { mono: Duration::from_secs(seconds), wall_ms: 0 }
}

struct Tool {
    breakers: Breakers,
    plan: BreakerPlan,
}

impl Tool {
    fn new(plan: BreakerPlan) -> Self {
        Self { breakers: Breakers::default(), plan }
    }

    fn enter(&self, now: Now) -> Result<Ticket, Resting> {
        self.breakers.enter(&"crm.get".into(), &"crm".into(), self.plan, now)
    }

    fn call(&self, health: Health, now: Now) {
        self.enter(now).unwrap().report(health, now);
    }

    fn state(&self, now: Now) -> BreakerState {
        self.breakers.states(now)[0].1
    }
}

#[test]
fn opens_rests_is_tried_and_closes() {
    let tool = Tool::new(PLAN);
    for _ in 0..4 {
        tool.call(FAILED, at(1));
    }
    assert_eq!(tool.state(at(1)), BreakerState::Closed);
    tool.call(FAILED, at(2));
    let resting = tool.enter(at(4)).unwrap_err();
    assert_eq!(resting, Resting { state: BreakerState::Open, after: Duration::from_secs(8) });
    assert_eq!(tool.state(at(12)), BreakerState::HalfOpen);
    let mut probe = tool.enter(at(12)).unwrap();
    assert_eq!(probe.state(), BreakerState::HalfOpen);
    assert_eq!(tool.enter(at(12)).unwrap_err().state, BreakerState::HalfOpen);
    probe.report(Health::Answered, at(13));
    assert_eq!(tool.state(at(13)), BreakerState::Closed);
    // The failures of before are forgotten.
    tool.call(FAILED, at(13));
    assert_eq!(tool.state(at(13)), BreakerState::Closed);
}

#[test]
fn a_failed_probe_opens_again_and_a_rest_that_was_asked_for_is_given() {
    let tool = Tool::new(PLAN);
    for _ in 0..5 {
        tool.call(FAILED, at(0));
    }
    let asked = Duration::from_secs(60);
    tool.call(Health::Failed { rest: Some(asked) }, at(10));
    assert_eq!(tool.enter(at(11)).unwrap_err().after, Duration::from_secs(59));
    tool.call(Health::Failed { rest: Some(Duration::from_secs(1_000_000)) }, at(70));
    assert_eq!(tool.enter(at(70)).unwrap_err().after, REST_LIMIT);
}

#[test]
fn failures_far_apart_or_among_many_successes_do_not_open_it() {
    let tool = Tool::new(PLAN);
    for minute in 0..50 {
        tool.call(FAILED, at(minute * 60));
    }
    for _ in 0..100 {
        tool.call(Health::Answered, at(10_000));
    }
    for _ in 0..60 {
        tool.call(FAILED, at(10_001));
    }
    assert_eq!(tool.state(at(10_001)), BreakerState::Closed, "60 of 160");
    for _ in 0..40 {
        tool.call(FAILED, at(10_002));
    }
    assert_eq!(tool.state(at(10_002)), BreakerState::Open, "100 of 200");
}

#[test]
fn calls_let_through_before_a_change_say_nothing_after_it() {
    let tool = Tool::new(PLAN);
    let mut slow: Vec<Ticket> = (0..10).map(|_| tool.enter(at(0)).unwrap()).collect();
    for _ in 0..5 {
        tool.call(FAILED, at(1));
    }
    let probe = tool.enter(at(11)).unwrap();
    for ticket in &mut slow {
        ticket.report(FAILED, at(12));
    }
    assert_eq!(tool.state(at(12)), BreakerState::HalfOpen);
    drop(probe);
    assert_eq!(tool.enter(at(12)).unwrap().state(), BreakerState::HalfOpen);
}

#[test]
fn a_probe_whose_client_vanished_is_given_back_and_an_old_one_is_not_counted_twice() {
    let tool = Tool::new(BreakerPlan { probes: 2, ..PLAN });
    for _ in 0..5 {
        tool.call(FAILED, at(0));
    }
    for _ in 0..100 {
        drop(tool.enter(at(10)).unwrap());
    }
    let (mut first, mut second) = (tool.enter(at(10)).unwrap(), tool.enter(at(10)).unwrap());
    assert!(tool.enter(at(10)).is_err());
    first.report(Health::Answered, at(11));
    drop(first);
    assert!(tool.enter(at(11)).is_err(), "two are all there are");
    assert_eq!(tool.state(at(11)), BreakerState::HalfOpen);
    second.report(Health::Answered, at(11));
    assert_eq!(tool.state(at(11)), BreakerState::Closed);
    second.report_late_failure(at(12));
    assert_eq!(tool.state(at(12)), BreakerState::Closed);
}

#[test]
fn thousands_at_the_moment_of_half_open_let_exactly_the_probes_through() {
    for probes in [1, 3] {
        for _ in 0..20 {
            let tool = Tool::new(BreakerPlan { probes, ..PLAN });
            for _ in 0..5 {
                tool.call(FAILED, at(0));
            }
            let (gate, let_through) = (Barrier::new(8), AtomicUsize::new(0));
            let held = Mutex::new(Vec::new());
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        gate.wait();
                        for _ in 0..500 {
                            if let Ok(ticket) = tool.enter(at(10)) {
                                let_through.fetch_add(1, Ordering::SeqCst);
                                held.lock().push(ticket);
                            }
                        }
                    });
                }
            });
            assert_eq!(let_through.load(Ordering::SeqCst), probes as usize);
        }
    }
}

#[test]
fn tools_beyond_the_limit_share_the_breaker_of_their_upstream() {
    let breakers = Breakers::default();
    for number in 0..BREAKERS_LIMIT + 100 {
        let tool: Arc<str> = format!("crm.t{number}").into();
        if let Ok(mut ticket) = breakers.enter(&tool, &"crm".into(), PLAN, at(0)) {
            ticket.report(FAILED, at(0));
        }
    }
    assert_eq!(breakers.states(at(0)).len(), BREAKERS_LIMIT + 1);
    assert!(breakers.enter(&"crm.another".into(), &"crm".into(), PLAN, at(0)).is_err());
    assert!(breakers.enter(&"crm.t0".into(), &"crm".into(), PLAN, at(0)).is_ok());
}
