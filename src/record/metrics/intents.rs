//! Executed calls by what the model had to do with them. One label with four values.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::exemplar::{Counter, Seen};
use crate::call::Intended;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IntentLabels {
    intent: &'static str,
}

pub(super) struct Intents(Family<IntentLabels, Counter>);

impl Intents {
    pub fn registered(registry: &mut Registry) -> Self {
        let calls = Family::<IntentLabels, Counter>::default();
        let help = "Forwarded tool calls in runs with a model, by whether the model asked for them";
        for intended in [Intended::Asked, Intended::NeverAsked, Intended::Altered, Intended::Again]
        {
            drop(calls.get_or_create(&IntentLabels { intent: intended.name() }));
        }
        registry.register("toolgate_intents", help, calls.clone());
        Self(calls)
    }

    /// Counts a call that was forwarded.
    pub fn executed(&self, intended: Intended, seen: Seen) {
        seen.count(&self.0.get_or_create(&IntentLabels { intent: intended.name() }));
    }
}
