//! How do I refuse an HTTP call? With a problem document (RFC 9457) and a reason phrase that says
//! it, because Python's clients show the phrase and not the body.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::call::Approval;
use crate::policy::expr::Violation;

/// Longest reason phrase, in bytes; longer ones are cut.
const PHRASE_LIMIT_BYTES: usize = 240;

/// Stands for what was cut.
const ELLIPSIS: &str = " ...";

/// What the agent is shown of a call that did not give it the tool's answer.
#[derive(Debug)]
pub struct Shown<'a> {
    /// `approval_required`, `timeout`, …
    pub reason: &'static str,
    pub title: &'static str,
    pub status: u16,
    pub detail: &'a str,
    pub call_id: &'a str,
    pub error_class: &'static str,
    /// `None` when it is not known whether the tool did anything.
    pub executed: Option<bool>,
    pub retry_scope: &'static str,
    pub retry_after_ms: Option<u64>,
    pub rule: Option<&'a str>,
    pub violations: &'a [Violation],
    /// The approval that the call waits for.
    pub approval: Option<&'a Approval>,
    pub run_id: Option<&'a str>,
}

/// The members of a problem document, extensions included.
#[derive(Debug, Serialize)]
pub struct Problem<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    instance: String,
    stop_reason: &'static str,
    error_class: &'static str,
    executed: Option<bool>,
    retry: Retry,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<ShownViolation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<ShownApproval<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Retry {
    scope: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct ShownApproval<'a> {
    id: &'a str,
    status: &'static str,
}

#[derive(Debug, Serialize)]
struct ShownViolation<'a> {
    path: &'a str,
    limit: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actual: Option<Box<RawValue>>,
    passes: &'a str,
}

impl<'a> Problem<'a> {
    /// The document for what is shown.
    pub fn new(shown: &Shown<'a>) -> Self {
        let raw = |text: &String| RawValue::from_string(text.clone()).ok();
        let violations = shown.violations.iter().filter_map(|violation| {
            Some(ShownViolation {
                path: &violation.path,
                limit: raw(&violation.limit)?,
                actual: violation.actual.as_ref().and_then(raw),
                passes: &violation.passes,
            })
        });
        Self {
            r#type: format!("https://toolgate.dev/problems/{}", shown.reason.replace('_', "-")),
            title: shown.title,
            status: shown.status,
            detail: shown.detail,
            instance: format!("urn:toolgate:decision:{}", shown.call_id),
            stop_reason: shown.reason,
            error_class: shown.error_class,
            executed: shown.executed,
            retry: Retry { scope: shown.retry_scope, after_ms: shown.retry_after_ms },
            rule: shown.rule,
            violations: violations.collect(),
            approval: shown
                .approval
                .map(|approval| ShownApproval { id: &approval.id, status: approval.status }),
            run_id: shown.run_id,
        }
    }

    /// The document as JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// A detail as an HTTP/1.1 reason phrase (RFC 9112, section 4): visible ASCII and spaces.
pub fn reason_phrase(detail: &str) -> Vec<u8> {
    let visible = detail.chars().map(|letter| match letter {
        ' '..='~' => letter,
        _ => ' ',
    });
    let text: String = visible.collect();
    if text.len() <= PHRASE_LIMIT_BYTES {
        return text.into_bytes();
    }
    let cut = text.get(..PHRASE_LIMIT_BYTES - ELLIPSIS.len()).unwrap_or_default();
    let whole_words = cut.rsplit_once(' ').map_or(cut, |(words, _)| words);
    format!("{whole_words}{ELLIPSIS}").into_bytes()
}
