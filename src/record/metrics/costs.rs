//! What calls and runs cost, what models used, and what is left of budgets. Labels are the caller's,
//! the limits' and, capped, the models'.

use std::collections::HashSet;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::OTHER;
use crate::call::{Caller, Counted, Provider, Tokens};

/// Models with series of their own; names may come from agents.
const MODEL_LIMIT_NAMES: usize = 256;

/// Longest name of a model in a label, in bytes.
const MODEL_LIMIT_BYTES: usize = 128;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CostLabels {
    tenant: String,
    project: String,
    /// Empty where no model was called.
    model: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    operation: String,
    provider: &'static str,
    model: String,
    token_type: &'static str,
}

/// A call to a model, as metrics name it.
#[derive(Clone, Copy, Debug)]
pub(in crate::record) struct Asked<'a> {
    pub operation: &'a str,
    pub provider: Provider,
    pub model: Option<&'a str>,
}

pub(super) struct Costs {
    calls: Family<CostLabels, Counter<f64, AtomicU64>>,
    tokens: Family<TokenLabels, Histogram, fn() -> Histogram>,
    models: Mutex<HashSet<Box<str>>>,
    runs: Histogram,
}

impl Costs {
    pub fn registered(registry: &mut Registry) -> Self {
        let costs = Self {
            calls: Family::default(),
            tokens: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(1.0, 4.0, 14))
            }),
            models: Mutex::default(),
            runs: Histogram::new(exponential_buckets(0.001, 4.0, 10)),
        };
        registry.register(
            "toolgate_cost_usd",
            "What calls cost, in US dollars",
            costs.calls.clone(),
        );
        registry.register(
            "gen_ai_client_token_usage",
            "Tokens that calls to models used, as their providers counted them",
            costs.tokens.clone(),
        );
        registry.register(
            "toolgate_run_cost_usd",
            "What an ended run cost, in US dollars",
            costs.runs.clone(),
        );
        costs
    }

    /// Counts the cost of a call, where there is one.
    pub fn of_call(&self, caller: &Caller, model: &str, cost_usd: Option<f64>) {
        let Some(cost) = cost_usd.filter(|cost| *cost > 0.0) else { return };
        let labels = CostLabels {
            tenant: caller.tenant.to_string(),
            project: caller.project.to_string(),
            model: self.model(model),
        };
        self.calls.get_or_create(&labels).inc_by(cost);
    }

    /// Counts what a model used. What nobody counted says nothing of it.
    pub fn of_tokens(&self, asked: Asked<'_>, tokens: Tokens) {
        if tokens.known == Counted::Estimated {
            return;
        }
        for (token_type, count) in [("input", tokens.input), ("output", tokens.output)] {
            let labels = TokenLabels {
                operation: asked.operation.to_owned(),
                provider: asked.provider.name(),
                model: self.model(asked.model.unwrap_or_default()),
                token_type,
            };
            #[expect(clippy::cast_precision_loss, reason = "a figure to show")]
            self.tokens.get_or_create(&labels).observe(count as f64);
        }
    }

    /// Counts the cost of an ended run, where there is one.
    pub fn of_run(&self, cost_usd: f64) {
        if cost_usd > 0.0 {
            self.runs.observe(cost_usd);
        }
    }

    /// The label of a model, within the cap.
    fn model(&self, name: &str) -> String {
        if name.len() > MODEL_LIMIT_BYTES {
            return OTHER.to_owned();
        }
        let mut models = self.models.lock();
        if !name.is_empty() && !models.contains(name) {
            if models.len() >= MODEL_LIMIT_NAMES {
                return OTHER.to_owned();
            }
            models.insert(name.into());
        }
        name.to_owned()
    }
}
