//! Answer -> Completed: how a call ended, and what is remembered of it.

mod answered;

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};

use crate::call::plan::Cost;
use crate::call::{Ending, ErrorClass, Outcome, Status, Tokens};
use crate::clock::{Clock, Now};
use crate::forward::{Measure, Tail, Trip, Wishes};
use crate::guard::{Admitted, AdmittedParts};
use crate::identify::Call;
use crate::json::{Document, JSON_DEPTH_LIMIT, Value};
use crate::ledger::{Ledger, ModelAnswer, Reservation, Settlement};
use crate::policy::amount::Usd;
use crate::policy::history::Captured;
use crate::policy::view::{AnswerView, Env};
use crate::protocol;
use crate::protocol::llm::{Asked, Charge, Order, shown_model};

/// Longest value of a call that is remembered for rules, in bytes as JSON.
const CAPTURE_LIMIT_BYTES: usize = 16_384;

/// The class of an answer with a good status of which nobody can tell whether it says otherwise.
const UNJUDGED: Option<ErrorClass> = Some(ErrorClass::MalformedResponse);

/// A call that has ended: what it held is settled, what it leaves behind is known. Made here and
/// nowhere else.
pub struct Completed {
    ending: Ending,
    succeeded: bool,
}

impl Completed {
    /// Whether the tool has done what was asked, as far as its answer says.
    pub fn succeeded(&self) -> bool {
        self.succeeded
    }

    /// How it ended, for the record.
    pub fn ending(&self) -> &Ending {
        &self.ending
    }

    /// A call whose answer began with `status` and has ended as `measure` says.
    pub fn answered(
        admitted: Admitted,
        status: StatusCode,
        measure: Measure,
        sent: Now,
        trip: Trip,
        now: Now,
    ) -> Self {
        let outcome = match measure.tail {
            Tail::Whole if trip.stale.is_some() => Outcome {
                status: Status::Ok,
                error_class: Some(ErrorClass::StaleData),
                http_status: Some(status.as_u16()),
            },
            Tail::Whole => {
                let ended = said(protocol::http::ending(status, true), &measure);
                as_declared(ended, &admitted, &measure)
            }
            Tail::Broken { timed_out: false } => protocol::http::ending(status, false),
            Tail::Broken { timed_out: true } => Outcome {
                status: Status::Timeout,
                error_class: Some(ErrorClass::Timeout),
                http_status: Some(status.as_u16()),
            },
            Tail::Abandoned => Outcome {
                status: Status::Cancelled,
                error_class: Some(ErrorClass::Cancelled),
                http_status: Some(status.as_u16()),
            },
        };
        let outcome = told(outcome, &admitted, &measure, trip, now);
        let answered_whole = matches!(measure.tail, Tail::Whole);
        let mut ending = Ending {
            outcome: doubted(outcome, &admitted, answered_whole, trip),
            result: Some((measure.digest, measure.bytes)),
            upstream: now.since(sent.mono),
            attempts: trip.attempts,
            cost_usd: None,
            tokens: None,
        };
        let mut admitted = admitted;
        if let Some(ticket) = &mut admitted.leave.ticket {
            let says_so = outcome.error_class == Some(ErrorClass::ToolError);
            let broken = matches!(measure.tail, Tail::Broken { .. });
            if broken || (says_so && ticket.counts_tool_errors()) {
                ticket.report_late_failure(now);
            }
        }
        note_answer(&admitted, outcome.status, &measure, now);
        let result_key = measure.digest.short();
        let charge = charge(&admitted, status, &measure);
        let body = measure.result();
        let end = End { result_key, body, charge, charged: trip.charged };
        let succeeded = settle(admitted, &mut ending, end, sent, now);
        Self { ending, succeeded }
    }

    /// A call that got no answer.
    pub fn unanswered(
        admitted: Admitted,
        outcome: Outcome,
        sent: Now,
        trip: Trip,
        now: Now,
    ) -> Self {
        let mut ending = Ending {
            outcome,
            result: None,
            upstream: now.since(sent.mono),
            attempts: trip.attempts,
            cost_usd: None,
            tokens: None,
        };
        // Failing the same way again is the same result.
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let result_key = hasher.hash_one(outcome.error_class.map(ErrorClass::name));
        let end = End { result_key, body: None, charge: None, charged: trip.charged };
        let succeeded = settle(admitted, &mut ending, end, sent, now);
        Self { ending, succeeded }
    }
}

/// How a call ended that its protocol says more of than its status.
fn said(outcome: Outcome, measure: &Measure) -> Outcome {
    let failure = measure.heard.as_ref().and_then(|heard| heard.failure);
    match failure {
        None => outcome,
        Some(_) => Outcome { status: Status::Error, error_class: failure, ..outcome },
    }
}

/// What an answer says of the call beside its status. One that cannot be judged is an answer, and
/// no success.
fn told(outcome: Outcome, admitted: &Admitted, measure: &Measure, trip: Trip, now: Now) -> Outcome {
    let call = admitted.call();
    let (Some(program), Status::Ok) = (&call.plan.resilience.tool_error, outcome.status) else {
        return outcome;
    };
    if call.method == Method::HEAD || matches!(outcome.http_status, Some(204 | 304)) {
        return outcome;
    }
    let result = measure.result().and_then(readable);
    let failed = result.and_then(|result| {
        let answer = AnswerView {
            result: result.root(),
            status: outcome.http_status.unwrap_or_default(),
            bytes: measure.bytes,
            stale: trip.stale.is_some(),
            is_error: false,
        };
        let reservation = admitted.reservation();
        reservation.look(now, |run| {
            let call = call.view(reservation.step());
            program.eval_bool(&Env { call, run, prior: None, answer: Some(answer), now }).ok()
        })
    });
    match failed {
        Some(false) => outcome,
        Some(true) => {
            let error_class = Some(ErrorClass::ToolError);
            Outcome { status: Status::Error, error_class, ..outcome }
        }
        None => {
            let tool = &call.tool.name;
            tracing::warn!(%tool, "cannot tell whether the answer says that the call failed");
            let error_class = outcome.error_class.or(UNJUDGED);
            Outcome { error_class, ..outcome }
        }
    }
}

/// A body as rules see it, unless it looks like JSON that can be read in more than one way.
fn readable(body: Bytes) -> Option<Document> {
    let start =
        std::str::from_utf8(&body).ok()?.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']);
    if start.starts_with(['{', '[']) {
        return Document::parse(body, JSON_DEPTH_LIMIT).ok();
    }
    decoded(body)
}

/// The outcome of a write is not known when no attempt was answered to the end, when one of them
/// may have done what a later one could not, or when what stands before the tool waited in vain for
/// its answer.
fn doubted(outcome: Outcome, admitted: &Admitted, answered_whole: bool, trip: Trip) -> Outcome {
    let failed = outcome.http_status.is_some_and(|status| status >= 400);
    let half = !answered_whole && !failed;
    let lost = trip.in_doubt && outcome.status != Status::Ok;
    let waited = outcome.http_status == Some(504) && admitted.begun.key.is_none();
    if admitted.call().tool.effect.changes() && (half || lost || waited) {
        return Outcome { status: Status::Unknown, ..outcome };
    }
    outcome
}

/// Marks an answer that breaks what its tool declares. The call has taken place and its answer was
/// handed on, so it ended as it did. An answer that was too long to keep, or is no text because it
/// is compressed, is not judged.
fn as_declared(outcome: Outcome, admitted: &Admitted, measure: &Measure) -> Outcome {
    let call = admitted.call();
    let (Some(contract), Some(kept)) = (&call.plan.contract, measure.result()) else {
        return outcome;
    };
    let bodiless = call.method == Method::HEAD || outcome.http_status == Some(304);
    if bodiless || outcome.error_class.is_some() || std::str::from_utf8(&kept).is_err() {
        return outcome;
    }
    let status = outcome.http_status.unwrap_or_default();
    let body = Document::parse(kept, JSON_DEPTH_LIMIT).ok();
    if contract.check_response(status, body.as_ref().map(Document::root)).is_empty() {
        return outcome;
    }
    Outcome { error_class: Some(ErrorClass::ContractViolation), ..outcome }
}

/// Settles what the call held. Whether it has succeeded.
fn settle(admitted: Admitted, ending: &mut Ending, end: End, sent: Now, now: Now) -> bool {
    let End { result_key, body, charge, charged } = end;
    let AdmittedParts { call, reservation, applicable, leave, watched } = admitted.into_parts();
    let bill = match &call.order {
        Some(order) => {
            let last = charge.unwrap_or_else(|| order.unanswered());
            let charge = last.plus_unanswered(order, charged);
            bill(&call, order, &reservation, charge, body.clone())
        }
        None => {
            let cost = cost(&call, &reservation, body.clone());
            Bill { shown: cost, cost, tokens: None }
        }
    };
    ending.cost_usd = bill.shown.map(Usd::dollars);
    ending.tokens = bill.tokens;
    let captured = captured(&applicable.captures, call.args.root(), body);
    let settlement = Settlement {
        status: ending.outcome.status,
        succeeded: has_done_it(&ending.outcome),
        result_key,
        captured,
        upstream: ending.upstream,
        cost: bill.cost,
        tokens: ending.tokens.map(Tokens::total),
    };
    if let Some(watched) = watched {
        // An answer that nobody can read ends no earlier doubt.
        let unjudged = settlement.status == Status::Ok && ending.outcome.error_class == UNJUDGED;
        watched.end(if unjudged { Status::Error } else { settlement.status }, now);
    }
    if settlement.succeeded {
        reservation.ledger().unknown.read_back(
            &call.caller,
            &call.tool.name,
            reservation.run_id(),
            sent.mono,
        );
    }
    let succeeded = settlement.succeeded;
    Reservation::settle(reservation, settlement, now);
    drop(leave);
    succeeded
}

/// Whether what was asked is done. A redirect or an empty "not modified" has not done it, nor has an
/// answer that was remembered or that cannot be judged. One that only breaks its schema has:
/// observing a contract changes nothing for the rules.
fn has_done_it(outcome: &Outcome) -> bool {
    outcome.status == Status::Ok
        && matches!(outcome.error_class, None | Some(ErrorClass::ContractViolation))
        && outcome.http_status.is_some_and(|status| (200..300).contains(&status))
}

/// What there is to settle by.
struct End {
    result_key: u64,
    body: Option<Bytes>,
    /// Of a call to a model that was answered.
    charge: Option<Charge>,
    /// Attempts before that may have been charged as well.
    charged: u32,
}

/// What a call is charged.
struct Bill {
    /// What is recorded of its cost; absent when nobody knows.
    shown: Option<Usd>,
    cost: Option<Usd>,
    tokens: Option<Tokens>,
}

/// Remembers what a model asks for before its call has ended, so that the run is never idle between.
fn note_answer(admitted: &Admitted, status: Status, measure: &Measure, now: Now) {
    let said = measure.heard.as_ref().and_then(|heard| heard.said.as_deref());
    let (Some(order), Some(said)) = (&admitted.call().order, said) else { return };
    if let Some(answer) = answered::answered(order, status, said) {
        let caller = &admitted.call().caller;
        admitted.reservation().model_answered(caller, &answer, now);
    }
}

/// Who takes note of the tool calls that a model asks for while its answer passes: an agent may make
/// them before the answer has ended.
pub fn wishes(admitted: &Admitted, ledger: &Arc<Ledger>, clock: &Clock) -> Option<Wishes> {
    let (call, reservation) = (admitted.call(), admitted.reservation());
    call.order.as_ref().filter(|order| answered::are_told_early(order))?;
    let run = reservation.run_id().clone();
    let owner = reservation.owner(&call.caller).cloned();
    let (ledger, clock) = (Arc::clone(ledger), clock.clone());
    Some(Box::new(move |asked: &[Asked]| {
        let answer = ModelAnswer { calls: answered::wishes(asked), ..ModelAnswer::default() };
        ledger.intents.answered(&run, owner.as_ref(), &answer, clock.now());
    }))
}

/// What an answer of a model is charged.
fn charge(admitted: &Admitted, status: StatusCode, measure: &Measure) -> Option<Charge> {
    let order = admitted.call().order.as_ref()?;
    let said = measure.heard.as_ref().and_then(|heard| heard.said.as_deref());
    let is_whole = matches!(measure.tail, Tail::Whole);
    Some(order.charge(status, is_whole, said))
}

/// What a call to a model is charged. One that was sent and not answered may have used all that was
/// reserved; one without a price costs what the config says, or else nothing that anybody knows.
fn bill(
    call: &Call,
    order: &Order,
    reservation: &Reservation,
    charge: Charge,
    body: Option<Bytes>,
) -> Bill {
    if !reservation.was_sent() {
        return Bill { shown: None, cost: None, tokens: None };
    }
    let tokens = order.is_billed().then_some(charge.tokens);
    if charge.cost.is_some() {
        return Bill {
            shown: charge.cost.filter(|_| order.is_billed()),
            cost: charge.cost,
            tokens,
        };
    }
    if call.plan.cost.is_said() {
        let cost = cost(call, reservation, body);
        return Bill { shown: cost, cost, tokens };
    }
    let (tool, model) = (&call.tool.name, shown_model(order.model().unwrap_or_default()));
    if order.is_first_miss() {
        tracing::warn!(%tool, model, "no price is known of the model: its calls are not charged");
    }
    Bill { shown: None, cost: Some(Usd::ZERO), tokens }
}

/// What a call cost that was sent; `None` when nothing says. A result that is not known as a whole
/// costs the maximum.
fn cost(call: &Call, reservation: &Reservation, body: Option<Bytes>) -> Option<Usd> {
    let plan = &call.plan.cost;
    if !reservation.was_sent() {
        return None;
    }
    let result = body.filter(|_| plan.reads_result()).and_then(decoded);
    let cost = plan.of(result.as_ref().map(Document::root));
    let tool = &call.tool.name;
    match cost {
        Cost::Unknown(max) => {
            tracing::warn!(%tool, charged_usd = max.dollars(), "the result does not say its cost");
        }
        Cost::Known(usd) if usd > plan.max() => {
            let (usd, max) = (usd.dollars(), plan.max().dollars());
            tracing::warn!(%tool, usd, max, "the call cost more than the configured maximum");
        }
        Cost::Known(_) | Cost::Free => {}
    }
    cost.charged()
}

/// The values of a call that loaded rules read later. `body` is the whole result, if it was kept.
pub fn captured(paths: &[Arc<str>], args: Value<'_>, body: Option<Bytes>) -> Vec<Captured> {
    let mut result = None;
    let mut found = Vec::new();
    for path in paths {
        let (root, below) = path.split_once('.').unwrap_or((path, ""));
        let start = match root {
            "args" => Some(args),
            _ => result
                .get_or_insert_with(|| body.clone().and_then(decoded))
                .as_ref()
                .map(Document::root),
        };
        if let Some(value) = start.and_then(|start| member(start, below)) {
            let fits = value.size_bytes() <= CAPTURE_LIMIT_BYTES;
            let value = fits.then(|| value.to_document());
            found.push(Captured { path: path.clone(), value });
        }
    }
    found
}

/// A body as rules see it: a JSON value, or else text.
fn decoded(body: Bytes) -> Option<Document> {
    Document::parse(body.clone(), JSON_DEPTH_LIMIT).ok().or_else(|| {
        let text = std::str::from_utf8(&body).ok()?;
        Document::from_text(&serde_json::to_string(text).ok()?).ok()
    })
}

fn member<'a>(start: Value<'a>, path: &str) -> Option<Value<'a>> {
    let mut value = start;
    for name in path.split('.').filter(|name| !name.is_empty()) {
        let Value::Object(object) = value else { return None };
        value = object.get(name)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_looks_like_json_is_read_as_such_or_not_at_all() {
        let read = |body: &'static [u8]| readable(Bytes::from_static(body)).is_some();
        assert!(read(b"{\"ok\":true}") && read(b"done") && read(b""));
        assert!(!read(b"{\"ok\":true,\"ok\":false}") && !read(b" {\"ok\":"));
        assert!(!read(b"\xff\xfe") && !read(b"\xef\xbb\xbf[1"));
    }
}
