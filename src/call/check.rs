//! What a rule of `phase: result` found wrong with an answer: a check at the smallest scale.

use std::sync::Arc;

use crate::policy::decide::Finding;
use crate::policy::reason::StopReason;

/// A rule over an answer that did not hold, whatever came of it: also one that is only observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedCheck {
    /// `policy/rule`
    pub rule: Arc<str>,
    pub how: CheckFailure,
}

/// How a check failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckFailure {
    /// The answer is not as it should be.
    Failed,
    /// The answer could not be read, or the rule not be evaluated on it.
    Unevaluable,
}

impl FailedCheck {
    /// A check whose rule could not be evaluated.
    pub fn unevaluable(rule: Arc<str>) -> Self {
        Self { rule, how: CheckFailure::Unevaluable }
    }

    /// The evaluation that it is.
    pub fn name(&self) -> String {
        format!("check/{}", self.rule)
    }
}

impl From<&Finding> for FailedCheck {
    fn from(finding: &Finding) -> Self {
        let how = if finding.reason == StopReason::RuleError {
            CheckFailure::Unevaluable
        } else {
            CheckFailure::Failed
        };
        Self { rule: finding.rule.clone(), how }
    }
}

impl CheckFailure {
    /// The label users see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "fail",
            Self::Unevaluable => "error",
        }
    }

    /// The score users see; of what could not be evaluated there is none.
    pub fn score(self) -> Option<f64> {
        match self {
            Self::Failed => Some(0.0),
            Self::Unevaluable => None,
        }
    }
}
