//! Bounds, what is told when, and what is far from usual.

use std::sync::Arc;
use std::time::Duration;

use super::traffic::Dice;
use crate::baseline::mix::Mix;
use crate::baseline::spread::Spread;
use crate::baseline::{
    ADOPTED_AFTER, AGENTS_LIMIT, BASELINE_LIMIT_BYTES, Baselines, COUNTED_LIMIT_RUNS, Call, Moved,
    Outlier, PAIRS_LIMIT, Run, Signal, TOOLS_LIMIT,
};
use crate::call::{ErrorClass, RunEnd, RunId};
use crate::clock::Now;

struct Tool {
    baselines: Baselines,
    name: Arc<str>,
    dice: Dice,
    seconds: u64,
    told: Vec<Moved>,
}

fn at(seconds: u64) -> Now {
    Now { mono: Duration::from_secs(seconds), wall_ms: 0 }
}

fn tool() -> Tool {
    let (baselines, dice) = (Baselines::default(), Dice::new(7));
    Tool { baselines, name: Arc::from("crm.get"), dice, seconds: 0, told: Vec::new() }
}

impl Tool {
    fn call(&mut self, ms: f64, error: Option<ErrorClass>, form: u64) {
        self.seconds += 10;
        let upstream = Duration::from_secs_f64(ms / 1e3);
        let call = Call { run: None, tool: &self.name, upstream, error, form: Some(form) };
        self.told.extend(self.baselines.call(&call, at(self.seconds)));
    }

    /// Calls every ten seconds, with this median latency.
    fn calls(&mut self, count: u64, median_ms: f64) {
        for _ in 0..count {
            let ms = self.dice.log_normal(median_ms, 0.5);
            self.call(ms, None, 1);
        }
    }

    fn told(&mut self) -> Vec<String> {
        self.told.drain(..).map(|moved| moved.to_string()).collect()
    }
}

#[test]
fn a_change_is_told_once_and_again_when_it_comes_anew() {
    let mut tool = tool();
    tool.calls(1_000, 40.0);
    assert!(tool.told().is_empty());
    tool.calls(1_000, 130.0);
    let told = tool.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("latency of crm.get: p50 1"), "{told:?}");
    assert!(told[0].contains(", was 4") || told[0].contains(", was 3"), "{told:?}");
    tool.calls(1_000, 40.0);
    assert!(tool.told().is_empty(), "that it is over is not told");
    tool.calls(1_000, 130.0);
    assert_eq!(tool.told().len(), 1, "it has come anew");
}

#[test]
fn what_lasts_a_day_is_what_is_usual() {
    let mut tool = tool();
    tool.calls(1_000, 40.0);
    tool.calls(ADOPTED_AFTER.as_secs() / 10 + 1_000, 130.0);
    assert_eq!(tool.told().len(), 1);
    tool.calls(1_000, 40.0);
    let told = tool.told();
    assert_eq!(told.len(), 1, "{told:?}");
    let (was, now) = (told[0].find(", was 1"), told[0].find(": p50 "));
    assert!(was.is_some() && now.is_some(), "{told:?}");
}

#[test]
fn nothing_is_told_before_enough_is_known() {
    let mut tool = tool();
    tool.calls(100, 40.0);
    tool.calls(100, 400.0);
    for _ in 0..40 {
        tool.call(1.0, Some(ErrorClass::Http5xx), 2);
    }
    assert!(tool.told().is_empty());
}

#[test]
fn failures_and_forms_are_told_by_name() {
    let mut tool = tool();
    tool.calls(1_000, 40.0);
    for number in 0..400_u64 {
        let error = (number % 5 == 0).then_some(ErrorClass::Http5xx);
        tool.call(40.0, error, 1);
    }
    let told = tool.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("errors of crm.get: http_5xx "), "{told:?}");
    assert!(told[0].contains(" % of calls, was 0 % over "), "{told:?}");
    tool.calls(200, 40.0);
    for _ in 0..200 {
        tool.call(40.0, None, 0xabcd_ef12_0000_0000);
    }
    let told = tool.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("response shape of crm.get: shape abcdef12 "), "{told:?}");
}

#[test]
fn calls_that_say_nothing_of_the_tool_are_left_out() {
    let mut tool = tool();
    tool.calls(1_000, 40.0);
    for _ in 0..300 {
        tool.call(4_000.0, Some(ErrorClass::Cancelled), 3);
    }
    assert!(tool.told().is_empty(), "who hangs up says nothing of it");
    for _ in 0..300 {
        tool.call(0.1, Some(ErrorClass::Connect), 1);
    }
    let told = tool.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("errors of crm.get: connect"),
        "a refusal has no latency: {told:?}"
    );
}

#[test]
fn a_call_is_far_from_usual_beyond_99_of_100() {
    let mut tool = tool();
    let far =
        |tool: &Tool, ms: u64| tool.baselines.is_outlier_call("crm.get", Duration::from_millis(ms));
    assert_eq!(far(&tool, 10_000), Outlier::Unknown);
    tool.calls(200, 40.0);
    assert_eq!(far(&tool, 10_000), Outlier::Unknown, "too few");
    tool.calls(4_000, 40.0);
    assert_eq!(far(&tool, 10_000), Outlier::Slow);
    assert_eq!((far(&tool, 40), far(&tool, 100)), (Outlier::Usual, Outlier::Usual));
    assert_eq!(tool.baselines.is_outlier_call("crm.put", Duration::ZERO), Outlier::Unknown);
    let count = (0..2_000).filter(|_| {
        let ms = tool.dice.log_normal(40.0, 0.5);
        let upstream = Duration::from_secs_f64(ms / 1e3);
        tool.baselines.is_outlier_call("crm.get", upstream).is_one()
    });
    let count = count.count();
    assert!((1..=30).contains(&count), "{count} of 2000 are outliers");
}

#[test]
fn a_run_is_far_from_usual_all_in_all_or_to_one_tool() {
    let baselines = Baselines::default();
    let agent: Arc<str> = Arc::from("support");
    let (get, put): (Arc<str>, Arc<str>) = (Arc::from("crm.get"), Arc::from("crm.put"));
    let play = |number: u64, gets: u64, puts: u64| {
        let id = RunId(Arc::from(format!("run-{number}")));
        let now = at(number * 60);
        for (tool, count) in [(&get, gets), (&put, puts)] {
            for _ in 0..count {
                let upstream = Duration::from_millis(5);
                let call = Call { run: Some(&id), tool, upstream, error: None, form: None };
                baselines.call(&call, now);
            }
        }
        let calls = gets + puts;
        let outlier = baselines.is_outlier_run(&agent, &id, calls);
        let end = RunEnd::Completed;
        baselines.run_ended(&Run { id: &id, agent: &agent, end, calls, tokens: 0 }, now);
        outlier
    };
    for number in 0..1_000 {
        play(number, 4 + number % 12, 1);
    }
    assert_eq!(play(1_001, 9, 1), Outlier::Usual);
    assert_eq!(play(1_002, 60, 1), Outlier::ManyCalls);
    assert_eq!(play(1_003, 4, 8), Outlier::ManyCalls, "to one tool");
}

#[test]
fn runs_that_the_gate_has_ended_teach_nothing() {
    let baselines = Baselines::default();
    let agent: Arc<str> = Arc::from("a");
    for number in 0..2_000 {
        let id = RunId(Arc::from(format!("run-{number}")));
        let run = Run { id: &id, agent: &agent, end: RunEnd::Shutdown, calls: 3, tokens: 9 };
        assert!(baselines.run_ended(&run, at(number * 60)).is_empty());
    }
    assert_eq!(baselines.agents.len(), 0);
}

#[test]
fn memory_is_bounded_whatever_names_come() {
    assert!(size_of::<Spread>() <= BASELINE_LIMIT_BYTES, "{}", size_of::<Spread>());
    assert!(Mix::memory_limit_bytes() <= BASELINE_LIMIT_BYTES, "{}", Mix::memory_limit_bytes());
    let baselines = Baselines::default();
    for number in 0..3 * COUNTED_LIMIT_RUNS as u64 {
        let id = RunId(Arc::from(format!("run-{number}")));
        let tool: Arc<str> = Arc::from(format!("t.{number}"));
        let agent: Arc<str> = Arc::from(format!("a{number}"));
        let upstream = Duration::from_millis(5);
        let call = Call { run: Some(&id), tool: &tool, upstream, error: None, form: Some(number) };
        baselines.call(&call, at(number));
        if number % 2 == 0 {
            let run = Run { id: &id, agent: &agent, end: RunEnd::Idle, calls: 1, tokens: 1 };
            baselines.run_ended(&run, at(number));
        }
    }
    assert!(baselines.tools.len() <= TOOLS_LIMIT && baselines.agents.len() <= AGENTS_LIMIT);
    assert!(baselines.pairs.len() <= PAIRS_LIMIT && baselines.runs.len() <= COUNTED_LIMIT_RUNS);
    assert_eq!(Signal::ALL.len(), 6);
}

/// Numbers to be read, on a machine that does nothing else, of a build that is optimised.
#[test]
#[ignore = "measures: run it with --release"]
#[expect(clippy::disallowed_methods, reason = "it measures real time")]
fn a_call_costs_less_than_a_microsecond() {
    let baselines = Baselines::default();
    let runs: Vec<RunId> =
        (0..64).map(|run| RunId(Arc::from(format!("run-{run}-of-a-usual-length")))).collect();
    let tools: Vec<Arc<str>> =
        (0..16).map(|tool| Arc::from(format!("server.tool_{tool}"))).collect();
    let mut dice = Dice::new(3);
    let latencies: Vec<Duration> =
        (0..1_024).map(|_| Duration::from_secs_f64(dice.log_normal(0.04, 0.6))).collect();
    const CALLS: usize = 1_000_000;
    let started = std::time::Instant::now();
    let mut told = 0;
    for number in 0..CALLS {
        let (tool, upstream) = (&tools[number % 16], latencies[number % 1_024]);
        let run = Some(&runs[number % 64]);
        told += usize::from(baselines.is_outlier_call(tool, upstream).is_one());
        let call = Call { run, tool, upstream, error: None, form: Some(1) };
        told += baselines.call(&call, at(number as u64 / 100)).len();
    }
    let nanos = started.elapsed().as_nanos() / CALLS as u128;
    println!("{nanos} ns a call, {told} told");
    assert!(nanos < 1_000, "{nanos} ns a call");
}
