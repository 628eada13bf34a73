//! Prometheus metrics. Never labelled by run; label sets are closed or capped.

mod costs;
mod drift;
mod evaluations;
mod intents;

use std::collections::hash_map::RandomState;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

pub(super) use self::costs::Asked;
use self::costs::Costs;
use self::drift::Drifts;
use self::evaluations::EvaluationCounts;
use self::intents::Intents;
use crate::baseline::Signal;
use crate::call::{Caller, ErrorClass, Observed, StopReason, Tokens, Verdict};
use crate::ledger::BreakerState;
use crate::record::export::Tally;
use crate::record::rules::{RuleCount, RuleCounts};

/// Series of tool durations; calls to tools beyond them are counted under `other`, because tool
/// names may come from callers.
const TOOL_SERIES_LIMIT: usize = 1_024;

/// What stands for a label's value beyond the cap.
const OTHER: &str = "other";

/// Whether a decision was acted on.
const ENFORCED: &str = "enforce";
const OBSERVED: &str = "observe";

type ToolKey = (Arc<str>, Arc<str>, Option<ErrorClass>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    verdict: &'static str,
    rule: String,
    stop_reason: &'static str,
    mode: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ToolLabels {
    tool: String,
    r#type: &'static str,
    agent: String,
    error_type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleLabels {
    rule: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BreakerLabels {
    tool: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RunEndLabels {
    stop_reason: &'static str,
    agent: String,
}

/// What came of a look at the config's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadResult {
    /// They hold, and are in force.
    Ok,
    /// They do not hold; nothing changed.
    Invalid,
    /// They say what they said.
    Unchanged,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AgentLabels {
    agent: String,
}

pub(super) struct Metrics {
    registry: Registry,
    evaluations: EvaluationCounts,
    intents: Intents,
    drifts: Drifts,
    decisions: Family<DecisionLabels, Counter>,
    redactions: Family<RuleLabels, Counter>,
    rules: RuleCounts,
    /// The series of nearly every call, looked up once.
    allowed: Counter,
    tool_duration: Family<ToolLabels, Histogram, fn() -> Histogram>,
    tool_series: DashMap<ToolKey, Histogram, RandomState>,
    gate_duration: Histogram,
    levels: Levels,
    costs: Costs,
    runs_ended: Family<RunEndLabels, Counter>,
    reloads: Family<ReloadLabels, Counter>,
    run_calls: Family<AgentLabels, Histogram, fn() -> Histogram>,
    run_duration: Family<AgentLabels, Histogram, fn() -> Histogram>,
}

/// How much of something there is at this moment.
struct Levels {
    in_flight: Gauge,
    reserved_calls: Gauge,
    live_runs: Gauge,
    unknown_writes: Gauge,
    breakers: Family<BreakerLabels, Gauge>,
}

/// What the ledger holds at the moment of a scrape.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Calls admitted and neither settled nor released, counted once a limit.
    pub reserved_calls: u64,
    /// Runs remembered.
    pub live_runs: usize,
    /// The state of each breaker, by tool.
    pub breakers: Vec<(Arc<str>, BreakerState)>,
    /// Writes of which nobody knows whether they happened.
    pub unknown_writes: usize,
}

/// A closed call, as the metrics see it.
pub(super) struct Observation<'a> {
    /// Absent when the call ended before it was judged.
    pub verdict: Option<Verdict>,
    pub rule: &'a str,
    pub stop_reason: Option<StopReason>,
    pub observed: &'a [Observed],
    /// Values taken out, by rule.
    pub redacted: &'a [(Arc<str>, u64)],
    /// Tool, agent and time of a call that was forwarded.
    pub forwarded: Option<(&'a Arc<str>, &'a Arc<str>, Duration)>,
    pub error_class: Option<ErrorClass>,
    pub gate: Duration,
}

impl ReloadResult {
    /// The name users see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Invalid => "invalid",
            Self::Unchanged => "unchanged",
        }
    }
}

impl Levels {
    fn set(&self, held: &Held) {
        let level = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.reserved_calls.set(i64::try_from(held.reserved_calls).unwrap_or(i64::MAX));
        self.live_runs.set(level(held.live_runs));
        self.unknown_writes.set(level(held.unknown_writes));
        // A breaker may have been taken out of the config, or hidden among those beyond the cap.
        self.breakers.clear();
        for (tool, state) in held.breakers.iter().take(TOOL_SERIES_LIMIT) {
            let labels = BreakerLabels { tool: tool.to_string() };
            self.breakers.get_or_create(&labels).set(state.level());
        }
    }

    fn registered(registry: &mut Registry) -> Self {
        let levels = Self {
            in_flight: Gauge::default(),
            reserved_calls: Gauge::default(),
            live_runs: Gauge::default(),
            unknown_writes: Gauge::default(),
            breakers: Family::default(),
        };
        registry.register("toolgate_in_flight", "Calls in the gate", levels.in_flight.clone());
        registry.register(
            "toolgate_reserved_calls",
            "Calls reserved of limits and neither used up nor given back, counted once a limit",
            levels.reserved_calls.clone(),
        );
        registry.register("toolgate_live_runs", "Runs remembered", levels.live_runs.clone());
        registry.register(
            "toolgate_unknown_writes",
            "Writes that were sent and not answered, and not looked after since",
            levels.unknown_writes.clone(),
        );
        registry.register(
            "toolgate_breaker_state",
            "State of a tool's breaker: 0 closed, 1 open, 2 half-open",
            levels.breakers.clone(),
        );
        levels
    }
}

impl Metrics {
    pub fn new(spans: &Tally) -> Self {
        let mut registry = Registry::default();
        let decisions = Family::<DecisionLabels, Counter>::default();
        let redactions = Family::<RuleLabels, Counter>::default();
        let tool_duration: Family<ToolLabels, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.01, 2.0, 14)));
        let gate_duration = Histogram::new(exponential_buckets(0.000_005, 2.0, 16));
        let runs_ended = Family::<RunEndLabels, Counter>::default();
        let run_calls: Family<AgentLabels, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(exponential_buckets(1.0, 2.0, 8)));
        let run_duration: Family<AgentLabels, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.1, 2.0, 13)));
        registry.register("toolgate_decisions", "Decisions over calls", decisions.clone());
        registry.register(
            "toolgate_redactions",
            "Values taken out of arguments and results",
            redactions.clone(),
        );
        registry.register(
            "gen_ai_execute_tool_duration_seconds",
            "Time of forwarded tool calls, from arrival to the end of the answer, in seconds",
            tool_duration.clone(),
        );
        registry.register(
            "toolgate_gate_duration_seconds",
            "Time of a call that was not spent waiting for its tool, in seconds",
            gate_duration.clone(),
        );
        let levels = Levels::registered(&mut registry);
        let costs = Costs::registered(&mut registry);
        registry.register("toolgate_runs_ended", "Runs that came to an end", runs_ended.clone());
        registry.register(
            "gen_ai_invoke_agent_tool_calls",
            "Admitted tool calls of an ended run",
            run_calls.clone(),
        );
        registry.register(
            "gen_ai_invoke_agent_duration_seconds",
            "Time from a run's first call to its last sign of life, in seconds",
            run_duration.clone(),
        );
        let allowed = decisions
            .get_or_create(&DecisionLabels {
                verdict: Verdict::Allow.name(),
                rule: String::new(),
                stop_reason: "",
                mode: ENFORCED,
            })
            .clone();
        let reloads = reloads(&mut registry);
        let intents = Intents::registered(&mut registry);
        let drifts = Drifts::registered(&mut registry);
        spans.register(&mut registry);
        let evaluations = EvaluationCounts::registered(&mut registry);
        Self {
            evaluations,
            intents,
            drifts,
            registry,
            decisions,
            redactions,
            rules: RuleCounts::default(),
            allowed,
            tool_duration,
            tool_series: DashMap::default(),
            gate_duration,
            levels,
            costs,
            reloads,
            runs_ended,
            run_calls,
            run_duration,
        }
    }

    pub fn opened(&self) {
        self.levels.in_flight.inc();
    }

    pub fn in_flight(&self) -> i64 {
        self.levels.in_flight.get()
    }

    pub fn closed(&self, seen: &Observation<'_>) {
        self.levels.in_flight.dec();
        match seen.verdict {
            None => {}
            Some(Verdict::Allow) if seen.rule.is_empty() => {
                self.allowed.inc();
            }
            Some(verdict) => self.decided(verdict, seen.rule, seen.stop_reason, ENFORCED),
        }
        for (rule, count) in seen.redacted {
            let labels = RuleLabels { rule: rule.to_string() };
            self.redactions.get_or_create(&labels).inc_by(*count);
        }
        for observed in seen.observed {
            let Observed { rule, verdict, .. } = observed;
            self.decided(*verdict, rule, observed.stop_reason(), OBSERVED);
        }
        self.gate_duration.observe(seen.gate.as_secs_f64());
        if let Some((tool, agent, duration)) = seen.forwarded {
            self.tool_histogram(tool, agent, seen.error_class).observe(duration.as_secs_f64());
        }
    }

    fn decided(
        &self,
        verdict: Verdict,
        rule: &str,
        stop_reason: Option<StopReason>,
        mode: &'static str,
    ) {
        let counted =
            rule.is_empty() || self.rules.count(rule, stop_reason, mode == OBSERVED).is_some();
        let labels = DecisionLabels {
            verdict: verdict.name(),
            rule: if counted { rule.to_owned() } else { OTHER.to_owned() },
            stop_reason: stop_reason.map(StopReason::name).unwrap_or_default(),
            mode,
        };
        self.decisions.get_or_create(&labels).inc();
    }

    pub fn rule_counts(&self) -> Vec<RuleCount> {
        self.rules.all()
    }

    fn tool_histogram(
        &self,
        tool: &Arc<str>,
        agent: &Arc<str>,
        error: Option<ErrorClass>,
    ) -> Histogram {
        let key = (tool.clone(), agent.clone(), error);
        if let Some(series) = self.tool_series.get(&key) {
            return series.clone();
        }
        let known = self.tool_series.len() < TOOL_SERIES_LIMIT;
        let labels = ToolLabels {
            tool: if known { tool.to_string() } else { OTHER.to_owned() },
            r#type: "function",
            agent: agent.to_string(),
            error_type: error.map_or("", ErrorClass::name),
        };
        let series = self.tool_duration.get_or_create(&labels).clone();
        if known {
            self.tool_series.insert(key, series.clone());
        }
        series
    }

    /// Counts an evaluation of a run, or a failed check of an answer.
    pub fn evaluated(&self, name: &str, label: &str) {
        self.evaluations.count(name, label);
    }

    /// Counts a change of what is usual; `tool` and `agent` are empty where it is of all of them.
    pub fn moved(&self, signal: Signal, tool: &str, agent: &str) {
        self.drifts.moved(signal, tool, agent);
    }

    /// Counts a forwarded call by what the model had to do with it.
    pub fn executed(&self, intent: &'static str) {
        self.intents.executed(intent);
    }

    pub fn reloaded(&self, result: ReloadResult) {
        self.reloads.get_or_create(&ReloadLabels { result: result.name() }).inc();
    }

    pub fn run_ended(&self, reason: &'static str, agent: &str, calls: u64, duration: Duration) {
        let ended = RunEndLabels { stop_reason: reason, agent: agent.to_owned() };
        self.runs_ended.get_or_create(&ended).inc();
        let by_agent = AgentLabels { agent: agent.to_owned() };
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        self.run_calls.get_or_create(&by_agent).observe(f64::from(calls));
        self.run_duration.get_or_create(&by_agent).observe(duration.as_secs_f64());
    }

    /// Counts what a call cost, where something says so.
    pub fn call_cost(&self, caller: &Caller, model: &str, cost_usd: Option<f64>) {
        self.costs.of_call(caller, model, cost_usd);
    }

    /// Counts what a model used, where its provider says so.
    pub fn tokens(&self, asked: Asked<'_>, tokens: Tokens) {
        self.costs.of_tokens(asked, tokens);
    }

    /// Counts what a run cost, where something says so.
    pub fn run_cost(&self, cost_usd: f64) {
        self.costs.of_run(cost_usd);
    }

    pub fn render(&self, held: &Held, open_metrics: bool) -> String {
        self.levels.set(held);
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        if open_metrics { text } else { classic(&text) }
    }
}

/// The counters of reloads, there from the start, so that the first failure is an increase.
fn reloads(registry: &mut Registry) -> Family<ReloadLabels, Counter> {
    let reloads = Family::<ReloadLabels, Counter>::default();
    for result in [ReloadResult::Ok, ReloadResult::Invalid, ReloadResult::Unchanged] {
        drop(reloads.get_or_create(&ReloadLabels { result: result.name() }));
    }
    let help = "Looks at changed files of config and policies, by what came of them";
    registry.register("toolgate_policy_reloads", help, reloads.clone());
    reloads
}

/// The classic exposition format: there a counter's type line names its `_total` series, and
/// there is no end marker.
fn classic(open_metrics: &str) -> String {
    let counters: Vec<&str> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines().filter(|line| *line != "# EOF") {
        let described = ["# TYPE ", "# HELP "].iter().find_map(|start| {
            let rest = line.strip_prefix(start)?;
            let (name, rest) = rest.split_once(' ')?;
            counters.contains(&name).then_some((start, name, rest))
        });
        match described {
            Some((start, name, rest)) => {
                text.push_str(start);
                text.push_str(name);
                text.push_str("_total ");
                text.push_str(rest);
            }
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}
