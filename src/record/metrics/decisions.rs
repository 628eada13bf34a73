//! What was decided over calls, and what rules took out of them.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::registry::Registry;

use super::capped::{Capped, Labels};
use super::exemplar::{Counter, Seen};
use super::names::{Names, Open};
use crate::call::{Observed, StopReason, Verdict};
use crate::record::rules::{RuleCount, RuleCounts};

/// Series of decisions: rules that have acted, each with a few verdicts and reasons.
const SERIES_LIMIT: usize = 4_096;

/// Whether a decision was acted on.
const ENFORCED: &str = "enforce";
const OBSERVED: &str = "observe";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    verdict: &'static str,
    rule: Arc<str>,
    stop_reason: &'static str,
    mode: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleLabels {
    rule: Arc<str>,
}

pub(super) struct Decisions {
    decisions: Capped<DecisionLabels, Counter>,
    redactions: Capped<RuleLabels, Counter>,
    rules: RuleCounts,
    none: Arc<str>,
}

/// What was decided over one call.
pub(super) struct Decided<'a> {
    pub verdict: Verdict,
    pub rule: Option<&'a Arc<str>>,
    pub stop_reason: Option<StopReason>,
}

impl Labels for DecisionLabels {
    fn named(self, name: &dyn Fn(Open, Arc<str>) -> Arc<str>) -> Self {
        Self { rule: name(Open::Rule, self.rule), ..self }
    }
}

impl Labels for RuleLabels {
    fn named(self, name: &dyn Fn(Open, Arc<str>) -> Arc<str>) -> Self {
        Self { rule: name(Open::Rule, self.rule) }
    }
}

impl Decisions {
    pub fn registered(registry: &mut Registry, names: &Arc<Names>) -> Self {
        let counted = (
            "toolgate_decisions",
            "Decisions over calls; those of mode observe would have been made",
        );
        let taken = ("toolgate_redactions", "Values taken out of arguments and results");
        let made = Self {
            decisions: Capped::registered(registry, counted, names, SERIES_LIMIT, Counter::default),
            redactions: Capped::registered(registry, taken, names, SERIES_LIMIT, Counter::default),
            rules: RuleCounts::default(),
            none: Arc::from(""),
        };
        // What alerts look at is there from the start: the first one is an increase.
        for (verdict, reason) in
            [(Verdict::Allow, None), (Verdict::Deny, Some(StopReason::LoopDetected))]
        {
            made.decisions.with(made.labels(verdict, None, reason, ENFORCED), |_| ());
        }
        made.redactions.with(RuleLabels { rule: Arc::clone(&made.none) }, |_| ());
        made
    }

    /// Counts what was decided over a call.
    pub fn made(&self, decided: &Decided<'_>, seen: Seen) {
        let Decided { verdict, rule, stop_reason } = *decided;
        if let Some(rule) = rule {
            self.rules.count(rule, stop_reason, false);
        }
        self.count(self.labels(verdict, rule, stop_reason, ENFORCED), seen);
    }

    /// Counts what would have been decided, had rules acted that are only observed.
    pub fn observed(&self, observed: &[Observed], seen: Seen) {
        for found in observed {
            let reason = found.stop_reason();
            self.rules.count(&found.rule, reason, true);
            self.count(self.labels(found.verdict, Some(&found.rule), reason, OBSERVED), seen);
        }
    }

    /// Counts values taken out, by rule.
    pub fn redacted(&self, by_rule: &[(Arc<str>, u64)], seen: Seen) {
        for (rule, count) in by_rule {
            let labels = RuleLabels { rule: Arc::clone(rule) };
            self.redactions.with(labels, |counter| seen.count_all(counter, *count));
        }
    }

    /// How often each rule has acted or would have.
    pub fn rule_counts(&self) -> Vec<RuleCount> {
        self.rules.all()
    }

    fn labels(
        &self,
        verdict: Verdict,
        rule: Option<&Arc<str>>,
        reason: Option<StopReason>,
        mode: &'static str,
    ) -> DecisionLabels {
        DecisionLabels {
            verdict: verdict.name(),
            rule: Arc::clone(rule.unwrap_or(&self.none)),
            stop_reason: reason.map(StopReason::name).unwrap_or_default(),
            mode,
        }
    }

    fn count(&self, labels: DecisionLabels, seen: Seen) {
        self.decisions.with(labels, |counter| seen.count(counter));
    }
}
