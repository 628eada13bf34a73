//! How often each rule and limit has acted or would have: what an operator looks at before a rule
//! goes from `observe` to `enforce`.

use std::sync::Arc;

use dashmap::DashMap;

use crate::call::StopReason;

/// Rules and limits that are counted one by one. Names come from policies, which may change often.
const RULE_LIMIT: usize = 16_384;

/// How often one rule or limit has acted, since the gate was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCount {
    /// `policy/rule` or the limit's id.
    pub rule: Arc<str>,
    /// Calls that it refused or warned of, where it was the first to.
    pub fired: u64,
    /// Calls that it would have refused or warned of, were it not only observed.
    pub would_have: u64,
    /// Calls over which it could not be evaluated, whether that refused them or would have.
    pub errors: u64,
}

#[derive(Debug, Default)]
pub(super) struct RuleCounts {
    counts: DashMap<Arc<str>, Counts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    fired: u64,
    would_have: u64,
    errors: u64,
}

impl RuleCounts {
    /// Counts one finding. `None` when there are too many rules for this one to be counted.
    pub fn count(&self, rule: &str, reason: Option<StopReason>, observed: bool) -> Option<()> {
        let mut counts = match self.counts.get_mut(rule) {
            Some(counts) => counts,
            None if self.counts.len() >= RULE_LIMIT => return None,
            None => self.counts.entry(Arc::from(rule)).or_default(),
        };
        let Counts { fired, would_have, errors } = &mut *counts;
        let count = match (reason, observed) {
            (Some(StopReason::RuleError), _) => errors,
            (_, true) => would_have,
            (_, false) => fired,
        };
        *count = count.saturating_add(1);
        Some(())
    }

    /// All that were counted, by name.
    pub fn all(&self) -> Vec<RuleCount> {
        let counts = self.counts.iter().map(|entry| {
            let Counts { fired, would_have, errors } = *entry.value();
            RuleCount { rule: Arc::clone(entry.key()), fired, would_have, errors }
        });
        let mut counts: Vec<RuleCount> = counts.collect();
        counts.sort_by(|a, b| a.rule.cmp(&b.rule));
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acted_what_would_have_and_what_broke_are_told_apart() {
        let counts = RuleCounts::default();
        for (rule, reason, observed) in [
            ("p/a", Some(StopReason::ArgsDenied), false),
            ("p/a", None, false),
            ("p/b", Some(StopReason::ArgsDenied), true),
            ("p/b", Some(StopReason::RuleError), true),
            ("p/b", None, true),
        ] {
            assert!(counts.count(rule, reason, observed).is_some());
        }
        let shown: Vec<String> = counts
            .all()
            .iter()
            .map(|one| format!("{} {} {} {}", one.rule, one.fired, one.would_have, one.errors))
            .collect();
        assert_eq!(shown, ["p/a 2 0 0", "p/b 0 2 1"]);
    }

    #[test]
    fn new_names_are_not_counted_for_ever() {
        let counts = RuleCounts::default();
        for number in 0..RULE_LIMIT {
            assert!(counts.count(&format!("p/{number}"), None, false).is_some());
        }
        assert!(counts.count("p/more", None, false).is_none());
        assert!(counts.count("p/0", None, false).is_some(), "those that are known go on");
        assert_eq!(counts.all().len(), RULE_LIMIT);
    }
}
