//! Prometheus metrics, counted of every call and every run, before anything is sampled. Never
//! labelled by run; label sets are closed or capped.

mod budgets;
mod calls;
mod capped;
mod costs;
mod decisions;
mod drift;
mod evaluations;
mod exemplar;
mod intents;
mod levels;
mod names;
mod runs;
mod telemetry;
mod text;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

pub use self::levels::Held;
pub use self::telemetry::ReloadResult;

use self::budgets::Budgets;
use self::calls::{Calls, ErrorLabel, Forwarded, Kind, Model, Operation};
use self::costs::Costs;
use self::decisions::{Decided, Decisions};
use self::drift::Drifts;
use self::evaluations::EvaluationCounts;
use self::exemplar::{Seen, Trace};
use self::intents::Intents;
use self::levels::Levels;
use self::names::{Names, Open};
use self::runs::{Ended, Runs};
use self::telemetry::Reloads;
use crate::baseline::Moved;
use crate::call::trace::TraceContext;
use crate::call::{Caller, Language, ToolFacts};
use crate::clock::Now;
use crate::ledger::{EndedRun, Models};
use crate::record::error_type::ErrorType;
use crate::record::export::Tally;
use crate::record::rules::RuleCount;
use crate::record::told::Told;

pub(super) struct Metrics {
    registry: Registry,
    decisions: Decisions,
    calls: Calls,
    costs: Costs,
    runs: Runs,
    levels: Levels,
    budgets: Budgets,
    intents: Intents,
    names: Arc<Names>,
    evaluations: EvaluationCounts,
    drifts: Drifts,
    reloads: Reloads,
    none: Arc<str>,
    /// What stands for the models of a run that asked several.
    several: Arc<str>,
    /// One scrape at a time: levels are set anew for each.
    scrape: Mutex<()>,
}

impl Metrics {
    /// `spans`: what becomes of spans, which others count.
    pub fn new(spans: &Tally) -> Self {
        let mut registry = Registry::default();
        let names = Arc::new(Names::default());
        spans.register(&mut registry);
        Self {
            decisions: Decisions::registered(&mut registry, &names),
            calls: Calls::registered(&mut registry, &names),
            costs: Costs::registered(&mut registry, &names),
            runs: Runs::registered(&mut registry, &names),
            levels: Levels::registered(&mut registry, &names),
            budgets: Budgets::registered(&mut registry, &names),
            intents: Intents::registered(&mut registry),
            evaluations: EvaluationCounts::registered(&mut registry),
            drifts: Drifts::registered(&mut registry, &names),
            reloads: Reloads::registered(&mut registry),
            registry,
            names,
            none: Arc::from(""),
            several: Arc::from("several"),
            scrape: Mutex::new(()),
        }
    }

    /// Makes sure that what the config names is counted under its name, however many names others
    /// make up.
    pub fn declare(&self, tools: &[ToolFacts], caller: &Caller) {
        let Caller { tenant, project, user, agent } = caller;
        let given = [
            (Open::Tenant, tenant),
            (Open::Project, project),
            (Open::User, user),
            (Open::Agent, agent),
        ];
        for (kind, name) in given {
            self.names.declare(kind, std::iter::once(Arc::clone(name)));
        }
        self.names.declare(Open::Tool, tools.iter().map(|tool| Arc::clone(&tool.name)));
    }

    /// Counts a call that has come in.
    pub fn opened(&self) {
        self.levels.in_flight.inc();
    }

    /// Calls that have come in and not ended.
    pub fn in_flight(&self) -> i64 {
        self.levels.in_flight.get()
    }

    /// Counts a call that has ended.
    pub fn closed(&self, told: &Told) {
        let Told { known, close, .. } = told;
        let seen = seen(told);
        self.levels.in_flight.dec();
        if let Some(verdict) = close.verdict {
            let (rule, stop_reason) = (close.rule.as_ref(), close.stop_reason);
            self.decisions.made(&Decided { verdict, rule, stop_reason }, seen);
        }
        self.decisions.observed(&known.observed, seen);
        self.decisions.redacted(&known.redacted_by, seen);
        self.budgets.seen(&known.budgets, told.ended.mono);
        self.calls.gated(told.gate(), seen);
        if let Some(intended) = known.intended.filter(|_| known.sent) {
            self.intents.executed(intended, seen);
        }
        if let Some(tool) = known.tool.as_deref().filter(|_| told.was_forwarded()) {
            self.forwarded(told, tool, seen);
        }
    }

    fn forwarded(&self, told: &Told, tool: &ToolFacts, seen: Seen) {
        let Told { known, close, caller, .. } = told;
        let error = ErrorLabel(told.error_type());
        let model = match &known.language {
            Language::Http | Language::Mcp(_) => None,
            Language::Llm(message) => Some(Model {
                operation: Operation::of(&tool.operation),
                provider: message.provider,
                name: Arc::clone(known.model.as_ref().unwrap_or(&self.none)),
            }),
        };
        let kind = match (&known.language, &model) {
            (_, Some(model)) => Kind::Model(model),
            (Language::Mcp(message), _) => {
                let ran = message.is_tool_call().then_some(&tool.name);
                Kind::Message(&message.method, ran)
            }
            (Language::Http | Language::Llm(_), None) => Kind::Tool(&tool.name),
        };
        let (agent, duration) = (&caller.agent, told.duration());
        self.calls.forwarded(&Forwarded { kind, agent, duration, error }, seen);
        let name = Arc::clone(known.model.as_ref().unwrap_or(&self.none));
        self.costs.of_call(caller, Arc::clone(&tool.name), name, close.cost_usd);
        if let (Some(model), Some(tokens)) = (&model, &close.tokens) {
            self.costs.of_tokens(model, error, tokens, seen);
        }
    }

    /// Counts a run that has ended, without what was counted with an earlier end of it.
    pub fn run_ended(&self, run: &EndedRun, now: Now) {
        let news = run.unreported();
        let EndedRun { caller, end, duration, usage, root, .. } = run;
        let seen = Seen::new(root.as_ref().map(|root| trace_of(&root.context)), now.wall_ms);
        let model = Arc::clone(match &usage.models {
            Models::None => &self.none,
            Models::One(model) => model,
            Models::Several => &self.several,
        });
        self.costs.of_run(caller, model, news.cost_usd.dollars(), seen);
        let ended = Ended {
            agent: &caller.agent,
            end: *end,
            tool_calls: news.tool_calls,
            inferences: news.inferences,
            duration: *duration,
        };
        self.runs.ended(&ended, seen);
    }

    /// Counts something that has moved away from what is usual.
    pub fn moved(&self, moved: &Moved) {
        self.drifts.moved(moved);
    }

    /// Counts an evaluation of a run, or a failed check of an answer.
    pub fn evaluated(&self, name: &str, label: &str) {
        self.evaluations.count(name, label);
    }

    /// How often each rule and limit has acted or would have.
    pub fn rule_counts(&self) -> Vec<RuleCount> {
        self.decisions.rule_counts()
    }

    /// Counts a look at the files of config and policies.
    pub fn reloaded(&self, result: ReloadResult) {
        self.reloads.looked(result);
        match result {
            ReloadResult::Ok => self.budgets.clear(),
            ReloadResult::Invalid | ReloadResult::Unchanged => {}
        }
    }

    /// All metrics: as OpenMetrics text with exemplars, or in the classic format, which has none.
    pub fn render(&self, held: &Held, open_metrics: bool) -> String {
        let scrape = self.scrape.lock();
        self.levels.set(held);
        self.budgets.set();
        let mut open = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut open, &self.registry);
        drop(scrape);
        if open_metrics { open } else { text::classic(&open) }
    }
}

/// The call that observations are of.
fn seen(told: &Told) -> Seen {
    let trace = told.known.trace.as_ref().map(trace_of);
    Seen::new(trace, told.ended.wall_ms)
}

fn trace_of(context: &TraceContext) -> Trace {
    let span = context.span();
    Trace { trace: span.trace(), span: span.id() }
}

impl Told {
    /// Why the call failed: the same on its span and on its metrics; absent on success.
    pub(super) fn error_type(&self) -> Option<ErrorType> {
        ErrorType::of(&self.close.outcome, self.known.particulars.rpc_code)
    }
}
