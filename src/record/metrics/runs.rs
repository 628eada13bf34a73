//! How runs ended, and what they were made of.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::histogram::exponential_buckets;
use prometheus_client::registry::Registry;

use super::capped::{Capped, Labels};
use super::exemplar::{Counter, Histogram, Seen};
use super::names::{Names, Open};
use crate::call::{RunEnd, StopReason};

/// Series of each: agents, and of some the ways in which runs end.
const SERIES_LIMIT: usize = 1_024;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    stop_reason: &'static str,
    agent: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AgentLabels {
    agent: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    agent: Arc<str>,
    /// Why it was stopped; empty where it was not.
    error_type: &'static str,
}

/// A run that has ended.
pub(super) struct Ended<'a> {
    pub agent: &'a Arc<str>,
    pub end: RunEnd,
    pub tool_calls: u64,
    pub inferences: u64,
    pub duration: Duration,
}

pub(super) struct Runs {
    ended: Capped<EndLabels, Counter>,
    tool_calls: Capped<AgentLabels, Histogram>,
    inferences: Capped<AgentLabels, Histogram>,
    durations: Capped<DurationLabels, Histogram>,
}

impl Labels for EndLabels {
    fn named(self, name: &dyn Fn(Open, Arc<str>) -> Arc<str>) -> Self {
        Self { agent: name(Open::Agent, self.agent), ..self }
    }
}

impl Labels for AgentLabels {
    fn named(self, name: &dyn Fn(Open, Arc<str>) -> Arc<str>) -> Self {
        Self { agent: name(Open::Agent, self.agent) }
    }
}

impl Labels for DurationLabels {
    fn named(self, name: &dyn Fn(Open, Arc<str>) -> Arc<str>) -> Self {
        Self { agent: name(Open::Agent, self.agent), ..self }
    }
}

/// Calls from 1 to 128, doubling.
fn calls() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 8))
}

/// Seconds from 0.1 to 409.6, doubling.
fn run_seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.1, 2.0, 13))
}

impl Runs {
    pub fn registered(registry: &mut Registry, names: &Arc<Names>) -> Self {
        let ended = ("toolgate_runs_ended", "Runs that came to an end");
        let tool_calls = ("gen_ai_invoke_agent_tool_calls", "Admitted tool calls of an ended run");
        let inferences =
            ("gen_ai_invoke_agent_inference_calls", "Admitted calls to models of an ended run");
        let durations = (
            "gen_ai_invoke_agent_duration_seconds",
            "Time from a run's first call to its last sign of life, in seconds",
        );
        Self {
            ended: Capped::registered(registry, ended, names, SERIES_LIMIT, Counter::default),
            tool_calls: Capped::registered(registry, tool_calls, names, SERIES_LIMIT, calls),
            inferences: Capped::registered(registry, inferences, names, SERIES_LIMIT, calls),
            durations: Capped::registered(registry, durations, names, SERIES_LIMIT, run_seconds),
        }
    }

    /// Counts a run that has ended.
    pub fn ended(&self, run: &Ended<'_>, seen: Seen) {
        let Ended { agent, end, tool_calls, inferences, duration } = *run;
        let agent = || Arc::clone(agent);
        let labels = EndLabels { stop_reason: end.name(), agent: agent() };
        self.ended.with(labels, |counter| seen.count(counter));
        let figure = |calls: u64| f64::from(u32::try_from(calls).unwrap_or(u32::MAX));
        let labels = AgentLabels { agent: agent() };
        self.tool_calls.with(labels, |counts| seen.observe(counts, figure(tool_calls)));
        let labels = AgentLabels { agent: agent() };
        self.inferences.with(labels, |counts| seen.observe(counts, figure(inferences)));
        let error_type = match end {
            RunEnd::Stopped(reason) => StopReason::name(reason),
            RunEnd::Completed | RunEnd::Idle | RunEnd::Evicted | RunEnd::Shutdown => "",
        };
        let labels = DurationLabels { agent: agent(), error_type };
        self.durations.with(labels, |times| seen.time(times, duration));
    }
}
