//! The story of a call, top to bottom: identify, admit, forward, classify, record.
//!
//! [`handle`] is the finishing wrapper: it opens the record first and sees that it is closed on
//! every way out. [`story`] is the way itself.

mod messages;

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio::sync::watch;

use crate::call::trace::TraceContext;
use crate::call::{Effect, Known, Language, Particulars, Refusal, StopReason, Verdict};
use crate::classify::{self, Completed};
use crate::clock::{Clock, Now};
use crate::forward::{
    self, AnswerBody, Content, Errand, Form, Forwarded, Hearing, Held, Measure, Metered, Over,
    Remembered, Trip,
};
use crate::guard::{self, Admitted};
use crate::identify::{self, Desk, Received, Room};
use crate::json::Hasher;
use crate::ledger::{Denial, Ledger};
use crate::policy::amount::Usd;
use crate::policy::decide::Finding;
use crate::protocol;
use crate::protocol::mcp::methods;
use crate::record::{Page, Recorder};
use crate::respond::{self, About};
use crate::review::{self, How, Review, Store};
use crate::snapshot::Snapshot;
use crate::weaken::Hole;

/// Memory for the bodies of all calls in the gate.
const BODIES_LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// Memory for all answers that are held back until they are whole.
const RESULTS_LIMIT_BYTES: usize = 128 * 1024 * 1024;

/// Everything that lives longer than a call.
pub struct Gate {
    pub clock: Clock,
    pub ledger: Arc<Ledger>,
    pub recorder: Arc<Recorder>,
    /// The last good answers of tools that only read.
    pub remembered: Arc<Remembered>,
    room: Room,
    /// Memory for answers that are held back.
    store: Store,
    /// Whether streams that stand open have to end.
    draining: watch::Sender<bool>,
    snapshot: ArcSwap<Snapshot>,
}

/// A call on its way back: what was sent, when, and what came of it.
struct Sent {
    forwarded: Forwarded,
    at: Now,
}

/// An answer that has begun, and its call.
struct Whole {
    admitted: Admitted,
    answer: Response<Content>,
    trip: Trip,
    at: Now,
}

impl Gate {
    /// A gate that starts with `snapshot`.
    pub fn new(
        clock: Clock,
        ledger: Arc<Ledger>,
        recorder: Arc<Recorder>,
        snapshot: Arc<Snapshot>,
    ) -> Self {
        let store = Store::new(RESULTS_LIMIT_BYTES);
        let room = Room::new(BODIES_LIMIT_BYTES, snapshot.terms.body_limit_bytes);
        let snapshot = ArcSwap::new(snapshot);
        let draining = watch::Sender::new(false);
        let remembered = Arc::default();
        Self { clock, ledger, recorder, remembered, room, store, draining, snapshot }
    }

    /// The settings and policies in force. A call takes them once, at its start.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Ends the streams that stand open for whatever a server may say: nothing else would before the
    /// time for the drain is over.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Comes once they have to end.
    fn drained(&self) -> Over {
        let mut draining = self.draining.subscribe();
        Box::pin(async move {
            // Whoever could say so has gone with the gate: that is an end as well.
            let _ = draining.wait_for(|draining| *draining).await;
        })
    }

    /// From now on calls go by `snapshot`; those that have begun end by the one they took.
    pub fn replace(&self, snapshot: Arc<Snapshot>) {
        self.snapshot.store(snapshot);
    }
}

/// Answers one request, and leaves exactly one record of it.
pub async fn handle(
    gate: Arc<Gate>,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Response<AnswerBody> {
    let snapshot = gate.snapshot();
    let Some(mut page) = gate.recorder.open(&snapshot.terms.caller) else {
        return unrecordable();
    };
    match story(&gate, &snapshot, request, peer, &mut page).await {
        Ok(sent) => answer(gate, snapshot, sent, page).await,
        Err(refusal) => {
            let response = respond::refuse(&refusal, about(&page));
            page.refused(&refusal);
            response.map(Either::Right)
        }
    }
}

/// Answers a request whose head two readers could read differently, and of which nothing was
/// believed: not even which run it belongs to.
pub fn unreadable(gate: &Gate, fault: &impl std::fmt::Display) -> Response<AnswerBody> {
    let snapshot = gate.snapshot();
    let Some(mut page) = gate.recorder.open(&snapshot.terms.caller) else {
        return unrecordable();
    };
    page.known.policy_version = snapshot.policies.version.clone();
    page.known.trace = Some(TraceContext::child_of(None));
    let message = format!("The request can be read in more than one way: {fault}.");
    let refusal = Refusal::without_rule(StopReason::Malformed, message);
    let response = respond::refuse(&refusal, about(&page));
    page.refused(&refusal);
    response.map(Either::Right)
}

async fn story(
    gate: &Gate,
    snapshot: &Snapshot,
    request: Request<Incoming>,
    peer: SocketAddr,
    page: &mut Page,
) -> Result<Sent, Refusal> {
    let received = Received::new(request, peer, page.opened());
    let known = &mut page.known;
    known.policy_version = snapshot.policies.version.clone();
    let Gate { ledger, clock, room, .. } = gate;
    let mut desk = Desk { terms: &snapshot.terms, ledger, clock, known, room };
    let identified = identify::identify(received, &mut desk).await?;
    recordable(gate, identified.call().tool.effect)?;
    let now = gate.clock.now();
    let later = Hole::TwoSnapshots.is_open().then(|| gate.snapshot());
    let policies = later.as_deref().map_or(&snapshot.policies, |later| &later.policies);
    let admitted = guard::admit(identified, policies, &snapshot.terms, now, known)?;
    let order = admitted.call().order.as_deref().filter(|order| order.is_billed());
    known.unanswered = order.map(|order| {
        let charge = order.unanswered();
        (charge.cost.map(Usd::dollars), charge.tokens)
    });
    let upstream = snapshot.upstream(&admitted.call().upstream)?;
    known.particulars.wire = Some(Arc::clone(upstream.wire()));
    known.particulars.verb = Particulars::verb(admitted.call().method.as_str());
    snapshot.capture.note_input(known, admitted.call().args.root());
    let errand = Errand {
        upstream,
        clock: &gate.clock,
        remembered: &gate.remembered,
        policy_version: &snapshot.policies.version,
    };
    let at = gate.clock.now();
    Ok(Sent { forwarded: forward::send(admitted, &errand, known).await?, at })
}

/// A call that changes something does not happen while it cannot be recorded.
fn recordable(gate: &Gate, effect: Effect) -> Result<(), Refusal> {
    if gate.recorder.is_writing() || !effect.changes() || Hole::UnrecordedWrites.is_open() {
        return Ok(());
    }
    let message = "Calls that change something wait until they can be recorded again.";
    Err(Refusal::without_rule(StopReason::GateUnavailable, message))
}

/// Turns what came of a call into the answer. Its end is classified and recorded when the last of
/// the answer is about to leave, before the agent can know that it has it all.
async fn answer(
    gate: Arc<Gate>,
    snapshot: Arc<Snapshot>,
    sent: Sent,
    mut page: Page,
) -> Response<AnswerBody> {
    let Sent { forwarded: Forwarded { admitted, answer, trip }, at } = sent;
    let upstream = match answer {
        Ok(upstream) => upstream,
        Err(outcome) => {
            let mut response = respond::failed(&outcome, about(&page));
            announce(response.headers_mut(), admitted.warnings(), &page);
            let now = gate.clock.now();
            let completed = Completed::unanswered(admitted, outcome, at, trip, now);
            page.ended(completed.ending());
            return response.map(Either::Right);
        }
    };
    let upstream = match &admitted.call().language {
        Language::Mcp(message) if methods::stands_open(&message.method) => {
            upstream.map(|content| content.until(gate.drained()))
        }
        Language::Http | Language::Mcp(_) | Language::Llm(_) => upstream,
    };
    let whole = Whole { admitted, answer: upstream, trip, at };
    if messages::concerns(&whole.admitted, &whole.answer) {
        return messages::pass(gate, snapshot, whole, page);
    }
    if review::needs_whole(whole.admitted.applicable(), &whole.admitted.call().plan) {
        return reviewed(&gate, &snapshot, whole, page).await.map(Either::Right);
    }
    let Whole { admitted, answer: upstream, trip, at } = whole;
    let (mut parts, body) = upstream.into_parts();
    announce(&mut parts.headers, admitted.warnings(), &page);
    if let Some(age) = trip.stale {
        respond::stale(&mut parts.headers, age);
    }
    let capture = snapshot.capture;
    let keep =
        forward::keeps_result(admitted.applicable(), &admitted.call().plan) || capture.is_open();
    let hasher = Hasher::new(snapshot.terms.digest_key.as_ref());
    let status = parts.status;
    let idle = messages::silence(&snapshot, &admitted);
    let held = body.held();
    let listener = protocol::listen(&admitted.call().language, status, &parts.headers);
    let wishes = classify::wishes(&admitted, &gate.ledger, &gate.clock);
    let clock = streams(&admitted, &parts.headers).then(|| gate.clock.clone());
    let form = gate.recorder.learns_forms().then(|| Form::of(status, &parts.headers));
    let shape = form.and_then(|form| form.reader(keep, listener.is_some()));
    let hearing = Hearing { keep, listener, wishes, sift: None, clock, shape };
    let finish = move |measure: Measure| {
        note(&mut page.known, &measure, at);
        page.known.form = form.and_then(|form| form.told(&measure));
        capture.note_output(&mut page.known, measure.result());
        let now = gate.clock.now();
        let completed = Completed::answered(admitted, status, measure, at, trip, now);
        remember(held.as_ref(), &completed, now);
        page.ended(completed.ending());
    };
    let body = Metered::new(body, hasher, hearing, idle, Box::new(finish));
    Response::from_parts(parts, Either::Left(body))
}

/// Holds an answer back until all of it is there, and turns what the rules make of it into the
/// answer. Either way the call has taken place and is settled as the tool ended it.
async fn reviewed(
    gate: &Gate,
    snapshot: &Snapshot,
    whole: Whole,
    mut page: Page,
) -> Response<Full<Bytes>> {
    let Whole { admitted, answer, trip, at } = whole;
    let status = answer.status();
    let held = answer.body().held();
    let listener = protocol::listen(&admitted.call().language, status, answer.headers());
    let idle = snapshot.idle_timeout(&admitted.call().upstream);
    let hasher = Hasher::new(snapshot.terms.digest_key.as_ref());
    let form = gate.recorder.learns_forms().then(|| Form::of(status, answer.headers()));
    let how = How { hasher, store: &gate.store, idle, stale: trip.stale.is_some() };
    let review = review::review(&admitted, answer, how, &gate.clock, &mut page.known).await;
    let Review { mut measure, outcome } = review;
    measure.be_heard(listener);
    note(&mut page.known, &measure, at);
    page.known.form = form.and_then(|form| form.told(&measure));
    let now = gate.clock.now();
    match outcome {
        review::Outcome::Pass(mut response, notes) => {
            snapshot.capture.note_output(&mut page.known, measure.result());
            let warnings: Vec<Finding> = admitted.warnings().iter().cloned().chain(notes).collect();
            announce(response.headers_mut(), &warnings, &page);
            if let Some(age) = trip.stale {
                respond::stale(response.headers_mut(), age);
            }
            let completed = Completed::answered(admitted, status, measure, at, trip, now);
            remember(held.as_ref(), &completed, now);
            page.ended(completed.ending());
            response
        }
        review::Outcome::Withhold(refusal) => {
            let response = respond::refuse(&refusal, about(&page));
            admitted.reservation().withhold(&Denial::of(&refusal), now);
            measure.is_withheld();
            let completed = Completed::answered(admitted, status, measure, at, trip, now);
            remember(held.as_ref(), &completed, now);
            page.withheld(&refusal, completed.ending());
            response
        }
        review::Outcome::Broken => {
            let warnings = admitted.warnings().to_vec();
            measure.is_withheld();
            let completed = Completed::answered(admitted, status, measure, at, trip, now);
            let mut response = respond::failed(&completed.ending().outcome, about(&page));
            announce(response.headers_mut(), &warnings, &page);
            page.ended(completed.ending());
            response
        }
    }
}

/// Notes what an answer said of itself.
fn note(known: &mut Known, measure: &Measure, sent: Now) {
    if let Some(heard) = &measure.heard {
        known.note_model(heard.model.clone(), heard.finish());
        known.particulars.rpc_code = heard.rpc_code;
    }
    known.particulars.first_chunk = measure.first.map(|first| first.since(sent.mono));
}

/// Whether a model answers piece by piece.
fn streams(admitted: &Admitted, headers: &HeaderMap) -> bool {
    let declared = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    admitted.call().order.is_some()
        && declared.is_some_and(|declared| declared.starts_with(b"text/event-stream"))
}

/// Keeps the answer of a call that succeeded for the time when the tool is down.
fn remember(held: Option<&Held>, completed: &Completed, now: Now) {
    if completed.succeeded()
        && let Some(held) = held
    {
        held.keep(now);
    }
}

/// Says on an answer which decision let it pass, and what the agent should know.
fn announce(headers: &mut HeaderMap, warnings: &[Finding], page: &Page) {
    let verdict = if warnings.is_empty() { Verdict::Allow } else { Verdict::Warn };
    respond::mark(headers, verdict, about(page));
    for warning in warnings {
        respond::warn(headers, &warning.rule, &warning.message);
    }
}

fn about(page: &Page) -> About<'_> {
    About {
        call_id: page.call_id(),
        run_id: page.known.run.as_ref().map(|(id, _)| &*id.0),
        tool: page.known.tool.as_deref(),
        budgets: &page.known.budgets,
        language: &page.known.language,
    }
}

/// So many records wait to be written that this call could not leave one: it does not happen.
fn unrecordable() -> Response<AnswerBody> {
    let message = "The gate cannot record more calls at this moment.";
    let refusal = Refusal::without_rule(StopReason::GateUnavailable, message);
    let about = About::nothing();
    respond::refuse(&refusal, about).map(Either::<Metered, Full<Bytes>>::Right)
}
