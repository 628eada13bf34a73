//! What calls and runs cost, and what is left of budgets. Labels are the caller's and the limits'.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::call::Caller;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CostLabels {
    tenant: String,
    project: String,
    /// Empty where no model was called.
    model: String,
}

pub(super) struct Costs {
    calls: Family<CostLabels, Counter<f64, AtomicU64>>,
    runs: Histogram,
}

impl Costs {
    pub fn registered(registry: &mut Registry) -> Self {
        let costs = Self {
            calls: Family::default(),
            runs: Histogram::new(exponential_buckets(0.001, 4.0, 10)),
        };
        registry.register(
            "toolgate_cost_usd",
            "What calls cost, in US dollars",
            costs.calls.clone(),
        );
        registry.register(
            "toolgate_run_cost_usd",
            "What an ended run cost, in US dollars",
            costs.runs.clone(),
        );
        costs
    }

    /// Counts the cost of a call, where there is one.
    pub fn of_call(&self, caller: &Caller, cost_usd: Option<f64>) {
        let Some(cost) = cost_usd.filter(|cost| *cost > 0.0) else { return };
        let labels = CostLabels {
            tenant: caller.tenant.to_string(),
            project: caller.project.to_string(),
            model: String::new(),
        };
        self.calls.get_or_create(&labels).inc_by(cost);
    }

    /// Counts the cost of an ended run, where there is one.
    pub fn of_run(&self, cost_usd: f64) {
        if cost_usd > 0.0 {
            self.runs.observe(cost_usd);
        }
    }
}
