//! Rules of `phase: result` over one whole answer: whether the agent gets it, and what of it.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, ETAG, HeaderName};
use http::response::Parts;

use crate::call::{FailedCheck, Known, Observed, Refusal, StopReason};
use crate::clock::Now;
use crate::guard::{self, Admitted};
use crate::policy::decide::{self, Finding};
use crate::policy::model::{Mode, Verb};
use crate::policy::rewrite::{self, Asked, Changed, Wanted};
use crate::policy::set::Applicable;
use crate::policy::view::{AnswerView, CallView, Env, RunView};
use crate::review::Content;
use crate::review::read::Redacts;
use crate::weaken::Hole;

/// Headers that vouch for a body as it was (RFC 9110, RFC 9530 and what came before it).
const BODY_DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// An answer that the agent gets.
#[derive(Debug, Default)]
pub struct Passed {
    /// The body with something taken out; absent when nothing was.
    pub changed: Option<Bytes>,
    /// What the agent should be told.
    pub notes: Vec<Finding>,
}

/// Judges the answer to a call under one look at its run. What a rule reads of it is what the tool
/// sent, not what other rules leave of it.
///
/// # Errors
/// The refusal to hand the answer on.
pub fn judge(
    admitted: &Admitted,
    answer: &Answer<'_>,
    now: Now,
    known: &mut Known,
) -> Result<Passed, Box<Refusal>> {
    let applicable = admitted.applicable();
    if !applicable.judges_results() || Hole::NoResultRules.is_open() {
        return Ok(Passed::default());
    }
    let reservation = admitted.reservation();
    let call = admitted.call().view(reservation.step());
    reservation.look(now, |run| decide(applicable, answer, call, run, now, known))
}

/// An answer as it came.
pub struct Answer<'a> {
    pub headers: &'a HeaderMap,
    pub body: &'a Bytes,
    pub status: u16,
    pub is_error: bool,
    pub stale: bool,
}

impl<'a> Answer<'a> {
    /// An answer as it came over HTTP.
    pub fn of(parts: &'a Parts, body: &'a Bytes, stale: bool) -> Self {
        let status = parts.status;
        Self {
            headers: &parts.headers,
            body,
            status: status.as_u16(),
            is_error: status.is_client_error() || status.is_server_error(),
            stale,
        }
    }
}

/// The same over a call that need not have come over HTTP.
///
/// # Errors
/// The refusal to hand the answer on.
pub fn decide(
    applicable: &Applicable,
    answer: &Answer<'_>,
    call: CallView<'_>,
    run: RunView<'_>,
    now: Now,
    known: &mut Known,
) -> Result<Passed, Box<Refusal>> {
    let content = match Content::read(answer.headers, answer.body, redacts(applicable)) {
        Ok(content) => content,
        Err(why) => return unreadable(applicable, why, known),
    };
    let view = AnswerView {
        result: content.value.root(),
        status: answer.status,
        bytes: answer.body.len() as u64,
        stale: answer.stale,
        is_error: answer.is_error,
    };
    let env = Env { call, run, prior: None, answer: Some(view), now };
    let without = |wanted: &Wanted<'_>, tally: &mut [Changed]| take_out(&content, wanted, tally);
    ruled(applicable, &env, &without, known)
}

/// Takes out of an answer what is wanted, and notes what that was.
pub(super) type TakeOut<'t> = &'t dyn Fn(&Wanted<'_>, &mut [Changed]) -> Option<String>;

/// What the rules say to an answer, and what they leave of it.
///
/// # Errors
/// The refusal to hand the answer on.
pub(super) fn ruled(
    applicable: &Applicable,
    env: &Env<'_>,
    take_out: TakeOut<'_>,
    known: &mut Known,
) -> Result<Passed, Box<Refusal>> {
    let ruling = decide::judge_answer(applicable, env);
    let judged = ruling.findings.iter().chain(&ruling.observed);
    known.failed_checks.extend(judged.map(FailedCheck::from));
    let asked = rewrite::ask(&applicable.result_rewrites, env);
    let Asked { wanted, would, observed } = asked.map_err(|(rule, error)| {
        let message = format!("The rule {rule} could not be applied: {error}.");
        withheld(finding(rule, StopReason::RuleError, message))
    })?;
    known.observed.extend(observed.into_iter().map(Observed::unevaluable));
    known.observed.extend(ruling.observed.into_iter().map(Observed::from));
    if !would.is_empty() {
        let mut tally = would.tally();
        take_out(&would, &mut tally);
        let acting = tally.into_iter().filter(|changed| changed.any);
        known.observed.extend(acting.map(|changed| Observed::change(changed.rule)));
    }
    let mut notes = ruling.findings;
    if notes.first().is_some_and(|first| first.verb.refuses()) {
        return Err(withheld(notes.swap_remove(0)));
    }
    let mut tally = wanted.tally();
    let changed = take_out(&wanted, &mut tally).map(Bytes::from);
    guard::note(known, &tally);
    notes.extend(tally.into_iter().filter(|changed| changed.any).map(guard::finding));
    if known.warned_by.is_none() {
        known.warned_by = notes.first().map(|note| note.rule.clone());
    }
    Ok(Passed { changed, notes })
}

/// What rules that are in force take out.
pub(super) fn redacts(applicable: &Applicable) -> Redacts {
    let enforced = applicable.result_rewrites.iter().filter(|rule| rule.mode == Mode::Enforce);
    let each = enforced
        .filter_map(|rule| rule.redact.as_ref())
        .map(|redaction| if redaction.path.is_some() { Redacts::ByPath } else { Redacts::Found });
    each.max().unwrap_or(Redacts::Nothing)
}

fn take_out(content: &Content, wanted: &Wanted<'_>, tally: &mut [Changed]) -> Option<String> {
    if content.is_json {
        wanted.redact_json(&content.text, tally)
    } else {
        wanted.redact_text(&[], &content.text, tally)
    }
}

/// An answer that rules must read and cannot: it stays here, unless all of them only observe.
pub(super) fn unreadable(
    applicable: &Applicable,
    why: &str,
    known: &mut Known,
) -> Result<Passed, Box<Refusal>> {
    let unread = applicable.result_rules.iter();
    known.failed_checks.extend(unread.map(|rule| FailedCheck::unevaluable(rule.name.clone())));
    let rules = applicable.result_rules.iter().map(|rule| (&rule.name, rule.mode));
    let rewrites = applicable.result_rewrites.iter().map(|rule| (&rule.name, rule.mode));
    let mut first = None;
    for (name, mode) in rules.chain(rewrites) {
        match mode {
            Mode::Enforce => first = first.or(Some(name)),
            Mode::Observe => known.observed.push(Observed::unevaluable(name.clone())),
            Mode::Off => {}
        }
    }
    let Some(rule) = first else { return Ok(Passed::default()) };
    let message = format!("The rule {rule} must read it, and {why}.");
    Err(withheld(finding(rule.clone(), StopReason::ResultDenied, message)))
}

fn finding(rule: Arc<str>, reason: StopReason, message: String) -> Finding {
    Finding { rule, verb: Verb::Deny, reason, message, violations: Vec::new() }
}

fn withheld(finding: Finding) -> Box<Refusal> {
    let refusal = Refusal::without_rule(finding.reason, finding.message);
    Box::new(Refusal {
        ends_run: finding.verb == Verb::Stop,
        rule: Some(finding.rule),
        executed: true,
        ..refusal
    })
}

/// Removes the headers that say something of a body that is no longer what it was.
pub fn forget_body(headers: &mut HeaderMap) {
    for name in [CONTENT_LENGTH, ETAG, ACCEPT_RANGES].into_iter().chain(BODY_DIGESTS) {
        headers.remove(name);
    }
}
