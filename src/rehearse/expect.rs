//! What a test expects of one call, and how it compares with what was said.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::codes;
use super::raw::{RawExpect, RawStep};
use super::suite::Loader;
use crate::call::{StopReason, Verdict};
use crate::policy::expr::Violation;
use crate::yaml::{Diagnostic, Field, Source, Span, closest};

/// What a test expects of one call.
#[derive(Debug)]
pub(super) struct Expected {
    /// Absent: the call must pass, with or without a warning.
    pub verdict: Option<Field<Verdict>>,
    /// `policy/id`
    pub rule: Option<Field<Arc<str>>>,
    pub reason: Option<Field<StopReason>>,
    /// A part of what the model must be told.
    pub message: Option<Field<String>>,
    /// Exactly the rules in observe mode that would have acted.
    pub observed: Option<Field<BTreeSet<Arc<str>>>>,
    /// The arguments as the tool gets them.
    pub args: Option<Field<Value>>,
    /// The result as the agent gets it.
    pub result: Option<Field<Value>>,
}

/// What the gate said to one call.
#[derive(Debug)]
pub(super) struct Said {
    pub verdict: Verdict,
    /// The rule that refused, or those that warned.
    pub rules: Vec<Arc<str>>,
    pub reason: Option<StopReason>,
    pub message: String,
    pub violations: Vec<Violation>,
    pub observed: BTreeSet<Arc<str>>,
    /// What reached the tool; absent when nothing did.
    pub args: Option<String>,
    /// What reached the agent; absent when nothing did.
    pub result: Option<String>,
}

impl Loader<'_> {
    /// Checks what a step expects.
    pub(super) fn expected(&mut self, raw: &RawStep) -> Expected {
        self.check_expected(raw);
        let observed = raw.observed.as_ref().map(|list| Field {
            value: list.value.iter().filter_map(|rule| self.rule(rule)).collect(),
            span: list.span,
        });
        Expected {
            verdict: raw.expect.map(|expect| expect.map(Verdict::from)),
            rule: raw.rule.as_ref().and_then(|rule| {
                self.rule(rule).map(|name| Field { value: name, span: rule.span })
            }),
            reason: raw.reason.as_ref().and_then(|reason| self.reason(reason)),
            message: raw.message.clone(),
            observed,
            args: raw.expect_args.clone(),
            result: raw.expect_result.clone(),
        }
    }

    fn check_expected(&mut self, raw: &RawStep) {
        let expect = raw.expect.map(|expect| expect.value);
        let passes = matches!(expect, None | Some(RawExpect::Allow));
        let spoken = [raw.rule.as_ref(), raw.message.as_ref()];
        if let (true, Some(field)) = (passes, spoken.into_iter().flatten().next()) {
            let message = "`rule` and `message` go with `expect: warn`, `deny` or `stop`";
            self.fault(codes::CONTRADICTION, message, field.span);
        }
        let refused =
            matches!(expect, Some(RawExpect::Approve | RawExpect::Deny | RawExpect::Stop));
        if let (false, Some(reason)) = (refused, &raw.reason) {
            let message = "`reason` goes with `expect: deny` or `stop`";
            self.fault(codes::CONTRADICTION, message, reason.span);
        }
    }

    fn reason(&mut self, field: &Field<String>) -> Option<Field<StopReason>> {
        let known = StopReason::ALL.into_iter().find(|reason| reason.name() == field.value);
        if known.is_none() {
            let message = format!("there is no stop reason `{}`", field.value);
            let mut fault = Diagnostic::error(codes::UNKNOWN, message).at(self.source, field.span);
            let names = StopReason::ALL.iter().map(|reason| reason.name());
            fault.help =
                closest(&field.value, names).map(|close| format!("did you mean `{close}`?"));
            self.faults.push(fault);
        }
        known.map(|reason| Field { value: reason, span: field.span })
    }
}

impl From<RawExpect> for Verdict {
    fn from(raw: RawExpect) -> Self {
        match raw {
            RawExpect::Allow => Self::Allow,
            RawExpect::Warn => Self::Warn,
            RawExpect::Approve => Self::Approve,
            RawExpect::Deny => Self::Deny,
            RawExpect::Stop => Self::Stop,
        }
    }
}

impl Expected {
    /// The first thing that was said otherwise, at the place of the expectation; `call` is the
    /// place of the call itself.
    pub fn check(&self, said: &Said, source: &Arc<Source>, call: Span) -> Option<Diagnostic> {
        let (what, span) = self.mismatch(said, call)?;
        let mut fault = Diagnostic::error(codes::FAILED, what).at(source, span);
        if !said.rules.is_empty() {
            fault = fault.note(format!("rule: {}", said.rules.join(", ")));
        }
        if let Some(reason) = said.reason {
            fault = fault.note(format!("reason: {}", reason.name()));
        }
        if !said.message.is_empty() {
            fault = fault.note(format!("message: {}", said.message));
        }
        for violation in &said.violations {
            fault = fault.note(format!("{} would pass at {}", violation.path, violation.passes));
        }
        Some(fault)
    }

    fn mismatch(&self, said: &Said, call: Span) -> Option<(String, Span)> {
        let got = said.verdict.name();
        match self.verdict {
            None if matches!(said.verdict, Verdict::Deny | Verdict::Stop) => {
                return Some((format!("expected the call to pass, got {got}"), call));
            }
            Some(verdict) if verdict.value != said.verdict => {
                return Some((
                    format!("expected {}, got {got}", verdict.value.name()),
                    verdict.span,
                ));
            }
            Some(_) | None => {}
        }
        if let Some(rule) = &self.rule
            && !said.rules.contains(&rule.value)
        {
            let got = if said.rules.is_empty() { "none".to_owned() } else { said.rules.join(", ") };
            return Some((format!("expected the rule {}, got {got}", rule.value), rule.span));
        }
        if let Some(reason) = self.reason
            && said.reason != Some(reason.value)
        {
            let got = said.reason.map_or("none", StopReason::name);
            let what = format!("expected the reason {}, got {got}", reason.value.name());
            return Some((what, reason.span));
        }
        if let Some(part) = &self.message
            && !said.message.contains(&part.value)
        {
            return Some((format!("expected a message with `{}`", part.value), part.span));
        }
        if let Some(observed) = &self.observed
            && observed.value != said.observed
        {
            let what = format!(
                "expected {} observed, got {}",
                list(&observed.value),
                list(&said.observed)
            );
            return Some((what, observed.span));
        }
        differs("arguments", self.args.as_ref(), said.args.as_deref())
            .or_else(|| differs("result", self.result.as_ref(), said.result.as_deref()))
    }
}

/// How what passed differs from what was expected. A text that is no JSON is a text.
fn differs(
    what: &str,
    expected: Option<&Field<Value>>,
    got: Option<&str>,
) -> Option<(String, Span)> {
    let expected = expected?;
    let Some(text) = got else {
        return Some((format!("expected the {what} to pass, got none"), expected.span));
    };
    let got = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    let message = format!("expected the {what} {}, got {got}", expected.value);
    (got != expected.value).then_some((message, expected.span))
}

fn list(rules: &BTreeSet<Arc<str>>) -> String {
    if rules.is_empty() {
        return "nothing".to_owned();
    }
    rules.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ")
}
