//! What calls and runs cost, and what models used.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::exponential_buckets;
use prometheus_client::registry::Registry;

use super::calls::{ErrorLabel, Model, Operation};
use super::capped::{Capped, Labels};
use super::exemplar::{Histogram, Seen};
use super::names::{Names, Open};
use crate::call::{Caller, Counted, Tokens};
use crate::record::conventions;

/// Series of costs: they have the most labels, and each is a single number.
const COST_SERIES_LIMIT: usize = 8_192;

/// Series of tokens, and of what runs cost.
const SERIES_LIMIT: usize = 1_024;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CostLabels {
    tenant: Arc<str>,
    project: Arc<str>,
    user: Arc<str>,
    agent: Arc<str>,
    tool: Arc<str>,
    /// Empty where no model was called.
    model: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RunLabels {
    tenant: Arc<str>,
    project: Arc<str>,
    model: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    operation: Operation,
    provider: &'static str,
    model: Arc<str>,
    error_type: ErrorLabel,
    token_type: &'static str,
}

type Dollars = Counter<f64, AtomicU64>;

pub(super) struct Costs {
    calls: Capped<CostLabels, Dollars>,
    runs: Capped<RunLabels, Histogram>,
    tokens: Capped<TokenLabels, Histogram>,
}

impl Labels for CostLabels {
    fn named(self, name: &dyn Fn(Open, Arc<str>) -> Arc<str>) -> Self {
        Self {
            tenant: name(Open::Tenant, self.tenant),
            project: name(Open::Project, self.project),
            user: name(Open::User, self.user),
            agent: name(Open::Agent, self.agent),
            tool: name(Open::Tool, self.tool),
            model: name(Open::Model, self.model),
        }
    }
}

impl Labels for RunLabels {
    fn named(self, name: &dyn Fn(Open, Arc<str>) -> Arc<str>) -> Self {
        Self {
            tenant: name(Open::Tenant, self.tenant),
            project: name(Open::Project, self.project),
            model: name(Open::Model, self.model),
        }
    }
}

impl Labels for TokenLabels {
    fn named(self, name: &dyn Fn(Open, Arc<str>) -> Arc<str>) -> Self {
        Self { model: name(Open::Model, self.model), ..self }
    }
}

/// Dollars from 0.001 to 262.144, each four times the one before.
fn run_dollars() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 10))
}

/// Tokens from 1 to 67,108,864, each four times the one before.
fn token_counts() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 4.0, 14))
}

impl Costs {
    pub fn registered(registry: &mut Registry, names: &Arc<Names>) -> Self {
        let calls = ("toolgate_cost_usd", "What calls cost, in US dollars");
        let runs = ("toolgate_run_cost_usd", "What an ended run cost, in US dollars");
        let tokens = (
            "gen_ai_client_token_usage",
            "Tokens that calls to models used, as their providers counted them; those of a cache \
             are parts of input",
        );
        Self {
            calls: Capped::registered(registry, calls, names, COST_SERIES_LIMIT, Dollars::default),
            runs: Capped::registered(registry, runs, names, SERIES_LIMIT, run_dollars),
            tokens: Capped::registered(registry, tokens, names, SERIES_LIMIT, token_counts),
        }
    }

    /// Counts the cost of a call, where there is one.
    pub fn of_call(&self, caller: &Caller, tool: Arc<str>, model: Arc<str>, cost_usd: Option<f64>) {
        let Some(cost) = cost_usd.filter(|cost| *cost > 0.0) else { return };
        let labels = CostLabels {
            tenant: Arc::clone(&caller.tenant),
            project: Arc::clone(&caller.project),
            user: Arc::clone(&caller.user),
            agent: Arc::clone(&caller.agent),
            tool,
            model,
        };
        self.calls.with(labels, |dollars| {
            dollars.inc_by(cost);
        });
    }

    /// Counts what a model used. What nobody counted says nothing of it.
    pub fn of_tokens(&self, model: &Model, error_type: ErrorLabel, tokens: &Tokens, seen: Seen) {
        if tokens.known == Counted::Estimated {
            return;
        }
        let parts = [("cache_read", tokens.cached), ("cache_creation", tokens.cache_written)];
        let parts = parts.into_iter().filter(|(_, count)| *count > 0);
        for (token_type, count) in
            [("input", tokens.input), ("output", tokens.output)].into_iter().chain(parts)
        {
            let labels = TokenLabels {
                operation: model.operation.clone(),
                provider: conventions::provider(model.provider),
                model: Arc::clone(&model.name),
                error_type,
                token_type,
            };
            #[expect(clippy::cast_precision_loss, reason = "a figure to show")]
            self.tokens.with(labels, |counts| seen.observe(counts, count as f64));
        }
    }

    /// Counts the cost of an ended run, where there is one.
    pub fn of_run(&self, caller: &Caller, model: Arc<str>, cost_usd: f64, seen: Seen) {
        if cost_usd <= 0.0 {
            return;
        }
        let (tenant, project) = (Arc::clone(&caller.tenant), Arc::clone(&caller.project));
        let labels = RunLabels { tenant, project, model };
        self.runs.with(labels, |dollars| seen.observe(dollars, cost_usd));
    }
}
