//! Rules of `phase: result` over one message of the Model Context Protocol: what they read of it is
//! the tool's result, and what they take out of it goes from every place where it stands.

use std::ops::Range;

use crate::call::{Era, Known, Language, Refusal, StopReason};
use crate::clock::Now;
use crate::guard::Admitted;
use crate::json::splice::{elements, place, place_in, quoted, unquoted};
use crate::json::{Document, JSON_DEPTH_LIMIT, Value};
use crate::policy::decide::Finding;
use crate::policy::rewrite::{Changed, Wanted};
use crate::policy::view::{AnswerView, Env};
use crate::protocol::mcp::answer::{self, Ending, Said, Told};
use crate::review::judge::{self, Passed};
use crate::review::{contract, read};
use crate::weaken::Hole;

/// A message that the agent gets.
#[derive(Debug, Default)]
pub struct Reviewed {
    /// The message with something taken out; absent when nothing was.
    pub changed: Option<String>,
    /// What the agent should be told.
    pub notes: Vec<Finding>,
}

/// Judges a message under one look at the run. What is no response passes.
///
/// # Errors
/// The refusal to hand it on.
pub fn judge_message(
    admitted: &Admitted,
    text: &str,
    document: &Document,
    now: Now,
    known: &mut Known,
) -> Result<Reviewed, Box<Refusal>> {
    let Said::Response(response) = answer::read(document) else { return Ok(Reviewed::default()) };
    let told = Told::of(response, era(admitted));
    keeps_to_contract(admitted, &told)?;
    let applicable = admitted.applicable();
    if !applicable.judges_results() || Hole::NoResultRules.is_open() {
        return Ok(Reviewed::default());
    }
    if let Some(why) = hidden(document, judge::redacts(applicable)) {
        judge::unreadable(applicable, why, known)?;
    }
    let view = AnswerView {
        result: told.result.root(),
        status: 200,
        bytes: u64::try_from(text.len()).unwrap_or(u64::MAX),
        stale: false,
        is_error: told.is_error(),
    };
    let take_out =
        |wanted: &Wanted<'_>, tally: &mut [Changed]| without(text, document, wanted, tally);
    let reservation = admitted.reservation();
    let call = admitted.call().view(reservation.step());
    let passed = reservation.look(now, |run| {
        let env = Env { call, run, prior: None, answer: Some(view), now };
        judge::ruled(applicable, &env, &take_out, known)
    });
    let Passed { changed, notes } = passed?;
    let changed = changed.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(Reviewed { changed, notes })
}

/// What is done about a message that nobody can read, or that is too large.
///
/// # Errors
/// The refusal to hand it on, when something must read it.
pub fn judge_unread(
    admitted: &Admitted,
    why: &'static str,
    known: &mut Known,
) -> Result<(), Box<Refusal>> {
    let applicable = admitted.applicable();
    let plan = &admitted.call().plan;
    let is_declared = plan.contract.as_ref().is_some_and(|contract| contract.withholds());
    if is_declared || plan.output.max_bytes.is_some() {
        let message = format!("Its answer must be read before it is handed on, and {why}.");
        let refusal = Refusal::without_rule(StopReason::ContractViolation, message);
        return Err(Box::new(Refusal { executed: true, ..refusal }));
    }
    if applicable.judges_results() && !Hole::NoResultRules.is_open() {
        judge::unreadable(applicable, why, known)?;
    }
    Ok(())
}

fn era(admitted: &Admitted) -> Era {
    match &admitted.call().language {
        Language::Mcp(message) => message.era,
        Language::Http | Language::Llm(_) => Era::default(),
    }
}

fn keeps_to_contract(admitted: &Admitted, told: &Told) -> Result<(), Box<Refusal>> {
    let call = admitted.call();
    let contract = call.plan.contract.as_ref().filter(|contract| contract.withholds());
    let (Some(contract), Ending::Result) = (contract, &told.ending) else { return Ok(()) };
    let complaints = contract.check_response(200, Some(told.result.root()));
    if complaints.is_empty() { Ok(()) } else { Err(contract::broken(&call.tool.name, complaints)) }
}

/// Why something that is to be taken out may stand where it is not found.
fn hidden(document: &Document, redacts: read::Redacts) -> Option<&'static str> {
    let result = document.root().as_object()?.get("result")?.as_object()?;
    let texts = result
        .get("content")?
        .as_array()?
        .iter()
        .filter_map(|item| item.as_object().and_then(|item| item.get("text")?.as_str()));
    let is_json = |text: &str| Document::from_text(text).is_ok();
    let mut texts = texts.filter(|text| !is_json(text));
    match redacts {
        read::Redacts::Nothing => None,
        read::Redacts::Found => texts
            .any(read::looks_like_json)
            .then_some("its text looks like JSON and cannot be read as such"),
        read::Redacts::ByPath if result.get("structuredContent").is_some() => texts
            .any(read::looks_like_json)
            .then_some("its text looks like JSON and cannot be read as such"),
        read::Redacts::ByPath => texts.next().map(|_| "its text cannot be read as JSON"),
    }
}

/// The message without what is to be taken out of it. `None` when there is nothing. What stands
/// beside what rules read goes by the same rules: clients keep members that they do not know.
fn without(
    text: &str,
    document: &Document,
    wanted: &Wanted<'_>,
    tally: &mut [Changed],
) -> Option<String> {
    let root = document.root().as_object()?;
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let take = |range: Range<usize>, tally: &mut [Changed], edits: &mut Vec<_>| {
        let changed = text.get(range.clone()).and_then(|json| wanted.redact_json(json, tally));
        edits.extend(changed.map(|changed| (range, changed)));
    };
    let result = root.get("result").and_then(Value::as_object);
    let content = place(text, &["result", "content"]);
    // Of other methods the whole result is what rules read.
    let parts = result.filter(|_| content.is_some());
    for name in root.names().filter(|name| !matches!(*name, "jsonrpc" | "id")) {
        match (name, parts) {
            ("result", Some(parts)) => {
                for name in parts.names().filter(|name| *name != "content") {
                    if let Some(range) = place(text, &["result", name]) {
                        take(range, tally, &mut edits);
                    }
                }
            }
            (_, _) => {
                if let Some(range) = place(text, &[name]) {
                    take(range, tally, &mut edits);
                }
            }
        }
    }
    let items = content.as_ref().map(|range| elements(text, range.clone())).unwrap_or_default();
    let is_structured = parts.is_some_and(|parts| parts.get("structuredContent").is_some());
    let read = parts.and_then(|parts| parts.get("content")?.as_array());
    if items.len() == 1 || (is_structured && !items.is_empty()) {
        for (at, item) in items.into_iter().enumerate() {
            let members = read.and_then(|items| items.get(at)?.as_object());
            let Some(own) = place_in(text, item.clone(), "text") else {
                take(item, tally, &mut edits);
                continue;
            };
            edits.extend(taken_from_text(text, own, wanted, tally));
            let others = members.into_iter().flat_map(|members| members.names());
            for name in others.filter(|name| *name != "text") {
                if let Some(range) = place_in(text, item.clone(), name) {
                    take(range, tally, &mut edits);
                }
            }
        }
    } else if let Some(range) = content {
        take(range, tally, &mut edits);
    }
    edits.sort_by_key(|(range, _)| range.start);
    let mut changed = text.to_owned();
    for (range, json) in edits.iter().rev() {
        changed.replace_range(range.clone(), json);
    }
    (!edits.is_empty()).then_some(changed)
}

/// The same of a text, which may be JSON itself.
fn taken_from_text(
    message: &str,
    range: Range<usize>,
    wanted: &Wanted<'_>,
    tally: &mut [Changed],
) -> Option<(Range<usize>, String)> {
    let text = unquoted(message.get(range.clone())?);
    let bytes = bytes::Bytes::copy_from_slice(text.as_bytes());
    let changed = match Document::parse(bytes, JSON_DEPTH_LIMIT) {
        Ok(_) => wanted.redact_json(&text, tally),
        Err(_) => wanted.redact_text(&[], &text, tally),
    };
    changed.map(|changed| (range, quoted(&changed)))
}
