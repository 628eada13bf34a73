//! Refusals and failures -> HTTP: the only status-code table.

use std::time::Duration;

use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;
use hyper::ext::ReasonPhrase;

use crate::call::budget::{self, Budget};
use crate::call::{
    ErrorClass, Language, Outcome, Refusal, RetryScope, Status, StatusHint, StopReason, ToolFacts,
    Verdict,
};
use crate::protocol::http::{Shown, reason_phrase};
use crate::protocol::{self, Told};

/// The run a call was counted to, on every answer.
pub const RUN_ID_HEADER: &str = "toolgate-run-id";
/// The verdict and the id of the decision, on every answer.
pub const DECISION_HEADER: &str = "toolgate-decision";
/// What a `warn` rule wants the agent to know.
pub const WARNING_HEADER: &str = "toolgate-warning";

/// The age, in seconds, of an answer that was given before and is given again: the tool is down.
pub const STALE_HEADER: &str = "toolgate-stale";

/// What is left of the budgets that the call draws on, as structured fields.
pub const BUDGET_HEADER: &str = "toolgate-budget";

/// Longest warning passed on in a header, in bytes.
const WARNING_LIMIT_BYTES: usize = 512;

/// Which call an answer is for.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    pub call_id: &'a str,
    pub run_id: Option<&'a str>,
    pub tool: Option<&'a ToolFacts>,
    pub budgets: &'a [Budget],
    /// In whose words it is told.
    pub language: &'a Language,
}

impl About<'_> {
    /// An answer for nothing that has a record.
    pub fn nothing() -> Self {
        Self { call_id: "none", run_id: None, tool: None, budgets: &[], language: &Language::Http }
    }
}

fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal.status_hint {
        Some(StatusHint::MethodNotAllowed) => return StatusCode::METHOD_NOT_ALLOWED,
        Some(StatusHint::UnsupportedMediaType) => return StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Some(StatusHint::RequestTimeout) => return StatusCode::REQUEST_TIMEOUT,
        None => {}
    }
    match refusal.reason {
        StopReason::ToolNotAllowed
        | StopReason::OutsideWindow
        | StopReason::ArgsDenied
        | StopReason::PreconditionMissing
        | StopReason::RuleError
        | StopReason::BudgetCalls
        | StopReason::BudgetWallTime
        | StopReason::BudgetErrors
        | StopReason::RunStopped
        | StopReason::LoopDetected
        | StopReason::ApprovalRequired
        | StopReason::ApprovalDenied
        | StopReason::ApprovalExpired
        | StopReason::RunTokenRequired
        | StopReason::ResultDenied
        | StopReason::BudgetUsd
        | StopReason::BudgetTokens
        | StopReason::BudgetDenials
        | StopReason::BudgetSum
        | StopReason::BudgetDistinct
        | StopReason::Killed
        | StopReason::DefinitionChanged
        | StopReason::OutcomeUnknown => StatusCode::FORBIDDEN,
        StopReason::Malformed | StopReason::AmbiguousArguments | StopReason::SchemaViolation => {
            StatusCode::BAD_REQUEST
        }
        StopReason::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        StopReason::RateLimited | StopReason::TooManyInFlight => StatusCode::TOO_MANY_REQUESTS,
        StopReason::ContractViolation | StopReason::ResultTooLarge => StatusCode::BAD_GATEWAY,
        StopReason::GateUnavailable | StopReason::CircuitOpen => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn title_of(reason: StopReason) -> &'static str {
    match reason {
        StopReason::ToolNotAllowed => "Tool not allowed",
        StopReason::OutsideWindow => "Not allowed at this time",
        StopReason::ArgsDenied => "Arguments not allowed",
        StopReason::PreconditionMissing => "Precondition missing",
        StopReason::RuleError => "Rule could not be evaluated",
        StopReason::BudgetCalls => "Call budget used up",
        StopReason::BudgetWallTime => "Time budget used up",
        StopReason::BudgetErrors => "Too many failed calls",
        StopReason::RunStopped => "Run stopped",
        StopReason::LoopDetected => "Loop detected",
        StopReason::Malformed => "Malformed request",
        StopReason::AmbiguousArguments => "Ambiguous arguments",
        StopReason::TooLarge => "Request too large",
        StopReason::GateUnavailable => "Gate unavailable",
        StopReason::ApprovalRequired => "Human approval required",
        StopReason::ApprovalDenied => "Approval denied",
        StopReason::ApprovalExpired => "Approval expired",
        StopReason::RunTokenRequired => "Run token required",
        StopReason::ResultDenied => "Result withheld",
        StopReason::BudgetUsd => "Cost budget used up",
        StopReason::BudgetTokens => "Token budget used up",
        StopReason::BudgetDenials => "Too many refusals",
        StopReason::BudgetSum => "Budget used up",
        StopReason::BudgetDistinct => "Too many different values",
        StopReason::Killed => "Switched off by the operator",
        StopReason::RateLimited => "Too many requests",
        StopReason::TooManyInFlight => "Too many calls at once",
        StopReason::CircuitOpen => "Tool is failing",
        StopReason::OutcomeUnknown => "Outcome of an earlier call unknown",
        StopReason::ContractViolation => "Tool broke its contract",
        StopReason::ResultTooLarge => "Result too large",
        StopReason::SchemaViolation => "Arguments do not fit the tool",
        StopReason::DefinitionChanged => "Tool changed since it was looked at",
    }
}

/// The words of a refusal alone, for an answer whose head has been sent.
pub fn words(refusal: &Refusal, about: About<'_>) -> Vec<u8> {
    refused(refusal, status_of(refusal), about).body
}

fn refused(refusal: &Refusal, status: StatusCode, about: About<'_>) -> Told {
    if let (true, Language::Mcp(message), Some(tool)) =
        (refusal.is_concealed, about.language, about.tool)
        && let Some(told) = protocol::mcp::conceal(message, &tool.operation)
    {
        return told;
    }
    let detail = refusal_detail(refusal, about.tool);
    protocol::tell(
        about.language,
        &Shown {
            reason: refusal.reason.name(),
            title: title_of(refusal.reason),
            status: status.as_u16(),
            detail: &detail,
            call_id: about.call_id,
            error_class: refusal.reason.class().name(),
            executed: Some(refusal.executed),
            retry_scope: refusal.retry_scope().name(),
            retry_after_ms: refusal
                .retry_after
                .map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
            rule: refusal.rule.as_deref(),
            violations: &refusal.violations,
            approval: refusal.approval.as_deref(),
            run_id: about.run_id,
        },
        status,
    )
}

/// The answer to a refused call.
pub fn refuse(refusal: &Refusal, about: About<'_>) -> Response<Full<bytes::Bytes>> {
    let status = status_of(refusal);
    let told = refused(refusal, status, about);
    let mut response = response(told, &refusal_detail(refusal, about.tool));
    let headers = response.headers_mut();
    mark(headers, refusal.verdict(), about);
    if let Some(after) = refusal.retry_after {
        // Rounded up: whoever comes back at that second must not be early.
        let seconds = after.as_millis().div_ceil(1_000).max(1);
        headers.insert(RETRY_AFTER, HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX)));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE"));
    }
    let understood = refusal.reason == StopReason::SchemaViolation;
    if refusal.reason.class() == crate::call::Class::Request && !understood {
        // Where a request was not understood, its end may not be where it seems to be.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// What was not done, or was done without its result being shown, then the rule and the next legal step, then what not to try.
fn refusal_detail(refusal: &Refusal, tool: Option<&ToolFacts>) -> String {
    let what = tool.map_or("The call", |tool| &*tool.name);
    let mut detail = if refusal.executed {
        format!("{what} WAS executed, but its result was withheld.")
    } else {
        format!("{what} was NOT executed.")
    };
    let message = refusal.message.trim();
    if !message.is_empty() {
        detail.push(' ');
        detail.push_str(message);
    }
    let passing: Vec<String> = refusal
        .violations
        .iter()
        // What would pass without approval is no way around it.
        .filter(|_| refusal.reason != StopReason::ApprovalRequired)
        .filter(|violation| violation.path.starts_with("/args/") && !violation.passes.is_empty())
        .map(|violation| {
            format!(
                "{} {}",
                violation.path.trim_start_matches('/').replace('/', "."),
                violation.passes
            )
        })
        .collect();
    if !passing.is_empty() {
        detail.push_str(" Passes with: ");
        detail.push_str(&passing.join("; "));
        detail.push('.');
    }
    let closing = match refusal.retry_scope() {
        RetryScope::None if refusal.ends_run => " The run is stopped: it takes no more calls.",
        RetryScope::None => " Do not try it again or by another way.",
        RetryScope::DifferentArgs => " Do not repeat it unchanged.",
        RetryScope::AfterPrecondition => " Repeat it once that is done, not before.",
        RetryScope::SameArgsLater if refusal.reason == StopReason::ApprovalRequired => {
            " Do other work or stop; repeat this exact call later. Do not split or reroute it."
        }
        RetryScope::SameArgsLater => " Repeat this exact call later.",
    };
    detail.push_str(closing);
    detail
}

/// An answer that clients read in different ways, told as [`failure_of`] tells failures.
const MALFORMED: (StatusCode, &str, Option<bool>, &str) = (
    StatusCode::BAD_GATEWAY,
    "Tool's answer malformed",
    None,
    "gave an answer that clients read in different ways, so it was withheld. It may have been \
     executed: look before you repeat it.",
);

/// How a failure is told: the status, its title, whether the tool did anything (when that is known),
/// and what to say after the tool's name.
fn failure_of(
    class: ErrorClass,
    status: Status,
) -> (StatusCode, &'static str, Option<bool>, &'static str) {
    match (class, status) {
        (ErrorClass::Connect, Status::Unknown) => (
            StatusCode::BAD_GATEWAY,
            "Outcome unknown",
            None,
            "did not answer and could then not be reached. It may or may not have been executed: \
             look before you repeat it.",
        ),
        (ErrorClass::Connect, _) => (
            StatusCode::BAD_GATEWAY,
            "Tool unreachable",
            Some(false),
            "could not be reached and was NOT executed. The same call may be tried later.",
        ),
        (ErrorClass::Timeout, Status::Unknown) => (
            StatusCode::GATEWAY_TIMEOUT,
            "Outcome unknown",
            None,
            "did not answer in time. It may or may not have been executed: look before you \
             repeat it.",
        ),
        (ErrorClass::Timeout, _) => (
            StatusCode::GATEWAY_TIMEOUT,
            "Tool timed out",
            None,
            "did not answer in time. It only reads, so the same call may be tried later.",
        ),
        (ErrorClass::Internal, _) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Gate failed",
            None,
            "was on its way when the gate failed. It may or may not have been executed: look \
             before you repeat it.",
        ),
        (_, Status::Unknown) => (
            StatusCode::BAD_GATEWAY,
            "Outcome unknown",
            None,
            "closed the connection without an answer. It may or may not have been executed: look \
             before you repeat it.",
        ),
        (_, _) => (
            StatusCode::BAD_GATEWAY,
            "Tool gave no answer",
            None,
            "closed the connection without an answer. The same call may be tried later.",
        ),
    }
}

/// The answer to a call that was admitted and got no answer of the tool's own.
pub fn failed(outcome: &Outcome, about: About<'_>) -> Response<Full<bytes::Bytes>> {
    let (told, detail) = failure(outcome, about);
    let mut response = response(told, &detail);
    mark(response.headers_mut(), Verdict::Allow, about);
    response
}

/// The words of a failure alone, for an answer whose head has been sent.
pub fn failure_words(outcome: &Outcome, about: About<'_>) -> Vec<u8> {
    failure(outcome, about).0.body
}

fn failure(outcome: &Outcome, about: About<'_>) -> (Told, String) {
    let tool = about.tool.map_or("The tool", |tool| &*tool.name);
    let class = outcome.error_class.unwrap_or(ErrorClass::Internal);
    // There was an answer, and it is none that can be handed on.
    let is_withheld = class == ErrorClass::MalformedResponse && outcome.http_status.is_some();
    let (status, title, executed, said) =
        if is_withheld { MALFORMED } else { failure_of(class, outcome.status) };
    let scope = if is_withheld || outcome.status == Status::Unknown {
        RetryScope::AfterPrecondition
    } else {
        RetryScope::SameArgsLater
    };
    let detail = format!("{tool} {said}");
    let told = protocol::tell(
        about.language,
        &Shown {
            reason: class.name(),
            title,
            status: status.as_u16(),
            detail: &detail,
            call_id: about.call_id,
            error_class: class.name(),
            executed,
            retry_scope: scope.name(),
            retry_after_ms: None,
            rule: None,
            violations: &[],
            approval: None,
            run_id: about.run_id,
        },
        status,
    );
    (told, detail)
}

fn response(told: Told, detail: &str) -> Response<Full<bytes::Bytes>> {
    let Told { status, content_type, body } = told;
    let mut response = Response::new(Full::new(bytes::Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert("x-should-retry", HeaderValue::from_static("false"));
    // A call that is told of in the words of a success has no other phrase than that.
    let phrase = (!status.is_success()).then(|| reason_phrase(detail));
    if let Some(Ok(phrase)) = phrase.map(ReasonPhrase::try_from) {
        response.extensions_mut().insert(phrase);
    }
    response
}

/// Says which run and decision an answer belongs to.
pub fn mark(headers: &mut HeaderMap, verdict: Verdict, about: About<'_>) {
    // Names made at compile time: on every answer they would be checked letter by letter.
    const DECISION: HeaderName = HeaderName::from_static(DECISION_HEADER);
    const RUN_ID: HeaderName = HeaderName::from_static(RUN_ID_HEADER);
    let decision = [verdict.name(), "; id=", about.call_id].concat();
    if let Ok(value) = HeaderValue::try_from(decision) {
        headers.insert(DECISION, value);
    }
    if let Some(value) = budget::field(about.budgets).and_then(|text| text.try_into().ok()) {
        headers.insert(BUDGET_HEADER, value);
    }
    if let Some(value) = about.run_id.and_then(|id| HeaderValue::from_str(id).ok()) {
        headers.insert(RUN_ID, value);
    }
}

/// Says that an answer is an earlier one, and how old it is.
pub fn stale(headers: &mut HeaderMap, age: Duration) {
    const STALE: HeaderName = HeaderName::from_static(STALE_HEADER);
    headers.insert(STALE, HeaderValue::from(age.as_secs()));
    let message = format!("the tool is down; this is what it said {} s ago", age.as_secs());
    warn(headers, "stale", &message);
}

/// Passes a warning on in a header, as far as a header can say it.
pub fn warn(headers: &mut HeaderMap, rule: &str, message: &str) {
    let text = format!("{rule}: {message}");
    let visible: String = text
        .chars()
        .map(|letter| if matches!(letter, ' '..='~') { letter } else { ' ' })
        .take(WARNING_LIMIT_BYTES)
        .collect();
    if let Ok(value) = HeaderValue::from_str(&visible) {
        headers.append(WARNING_HEADER, value);
    }
}
