//! Evaluations by name and label. Names and labels come from rubrics and policies, which may change
//! often, so they are capped.

use std::collections::HashSet;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::names::OTHER;

/// Names of evaluations with series of their own.
const NAMES_LIMIT: usize = 1_024;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EvaluationLabels {
    name: String,
    label: String,
}

pub(super) struct EvaluationCounts {
    counts: Family<EvaluationLabels, Counter>,
    names: Mutex<HashSet<Box<str>>>,
}

impl EvaluationCounts {
    pub fn registered(registry: &mut Registry) -> Self {
        let counts = Family::<EvaluationLabels, Counter>::default();
        let help = "Evaluations of runs and failed checks of answers, by name and label";
        // There from the start: no series is not the same as no evaluations.
        drop(counts.get_or_create(&EvaluationLabels { name: String::new(), label: String::new() }));
        registry.register("toolgate_evaluations", help, counts.clone());
        Self { counts, names: Mutex::default() }
    }

    /// Counts one evaluation.
    pub fn count(&self, name: &str, label: &str) {
        let known = {
            let mut names = self.names.lock();
            names.contains(name) || (names.len() < NAMES_LIMIT && names.insert(name.into()))
        };
        let labels = EvaluationLabels {
            name: if known { name } else { OTHER }.to_owned(),
            label: label.to_owned(),
        };
        self.counts.get_or_create(&labels).inc();
    }
}
