//! Answers of the Model Context Protocol that something has to see before the agent does: they are
//! judged message by message while everything around them passes.

use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode};
use http_body::Body;
use http_body_util::Either;
use parking_lot::Mutex;

use super::{Gate, Whole, about, announce, note, remember};
use crate::call::{ErrorClass, Language, Mcp, Outcome, Refusal, Status, StopReason, budget};
use crate::classify::Completed;
use crate::contract::OnBreach;
use crate::forward::{self, AnswerBody, Content, Form, Hearing, Measure, Metered};
use crate::guard::Admitted;
use crate::identify::Surface;
use crate::json::{Document, Hasher, Object, splice};
use crate::ledger::{Denial, PinStanding};
use crate::policy::decide::Finding;
use crate::protocol;
use crate::protocol::mcp::answer::{self, Said};
use crate::protocol::mcp::listen::Declared;
use crate::protocol::mcp::{list, meta, methods};
use crate::record::Page;
use crate::respond;
use crate::review::{self, Fate, Piece, Reviewed, Sieve};
use crate::snapshot::Snapshot;

/// Longest response that is held while it is judged, in bytes, unless the config says less.
const RESPONSE_LIMIT_BYTES: usize = 1024 * 1024;

/// Longest page of a list of tools, in bytes.
const LIST_LIMIT_BYTES: usize = 8 * 1024 * 1024;

/// Longest message that nothing judges, in bytes. Also of those each is looked at: clients take what
/// comes for an answer to whatever they have asked, on whichever stream it comes.
const MESSAGE_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// How long a stream may be silent that stands open for whatever the server has to say.
const STREAM_SILENCE_LIMIT: Duration = Duration::from_secs(3600);

/// A call whose answer is on its way.
struct Case {
    gate: Arc<Gate>,
    snapshot: Arc<Snapshot>,
    admitted: Admitted,
    page: Page,
    status: StatusCode,
    /// Why the agent did not get the answer.
    withheld: Option<Withheld>,
}

/// Why the agent did not get an answer.
enum Withheld {
    Refused(Refusal),
    /// Clients would read it in another way than it is read here.
    Malformed,
}

/// Why the messages of an answer are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errand {
    /// Something judges the result, or there is something to tell beside it.
    Result,
    /// They name tools.
    List,
    /// Nothing, but that no answer to another call comes in its place.
    Passage,
    /// A stream on which the answers to other calls may come once more.
    Stream,
}

/// Whether the answer to this call is a matter for [`pass`]: clients take something in it for
/// messages, or they should be able to.
pub(super) fn concerns(admitted: &Admitted, answer: &Response<Content>) -> bool {
    let Language::Mcp(message) = &admitted.call().language else { return false };
    if answer.body().is_end_stream() || &*message.method == methods::END_SESSION {
        return false;
    }
    let is_awaited = message.id.is_some() || &*message.method == methods::STREAM;
    match Declared::of(answer.headers()) {
        // What is only accepted has no body that anybody reads.
        Declared::As(_) | Declared::Unclear(_) => {
            is_awaited || answer.status() != StatusCode::ACCEPTED
        }
        Declared::Other => is_awaited && answer.status().is_success(),
    }
}

/// How long an answer to this call may be silent.
pub(super) fn silence(snapshot: &Snapshot, admitted: &Admitted) -> Duration {
    let usual = snapshot.idle_timeout(&admitted.call().upstream);
    match &admitted.call().language {
        Language::Mcp(message) if methods::stands_open(&message.method) => {
            usual.max(STREAM_SILENCE_LIMIT)
        }
        Language::Http | Language::Mcp(_) | Language::Llm(_) => usual,
    }
}

fn errand(admitted: &Admitted) -> Errand {
    let Language::Mcp(message) = &admitted.call().language else { return Errand::Result };
    if &*message.method == methods::STREAM {
        return Errand::Stream;
    }
    if message.id.is_none() {
        return Errand::Passage;
    }
    if list::lists_tools(&message.method) {
        return Errand::List;
    }
    let judges = review::needs_whole(admitted.applicable(), &admitted.call().plan);
    if judges || !admitted.warnings().is_empty() { Errand::Result } else { Errand::Passage }
}

/// The most that is held of one message.
fn limit_bytes(errand: Errand, admitted: &Admitted) -> usize {
    let plan = &admitted.call().plan;
    match errand {
        Errand::List => LIST_LIMIT_BYTES,
        Errand::Result if review::needs_whole(admitted.applicable(), plan) => {
            plan.output.max_bytes.unwrap_or(RESPONSE_LIMIT_BYTES)
        }
        Errand::Result | Errand::Passage | Errand::Stream => MESSAGE_LIMIT_BYTES,
    }
}

/// Passes an answer on, judged as it goes.
pub(super) fn pass(
    gate: Arc<Gate>,
    snapshot: Arc<Snapshot>,
    whole: Whole,
    page: Page,
) -> Response<AnswerBody> {
    let form = match Declared::of(whole.answer.headers()) {
        Declared::As(form) => form,
        Declared::Unclear(why) => return withheld(&gate, whole, page, why),
        Declared::Other => return withheld(&gate, whole, page, "its type is none that MCP has"),
    };
    let Whole { admitted, answer, trip, at } = whole;
    let (mut parts, body) = answer.into_parts();
    announce(&mut parts.headers, admitted.warnings(), &page);
    let call = admitted.call();
    if let Some(age) = trip.stale {
        respond::stale(&mut parts.headers, age);
    }
    let held = body.held();
    let errand = errand(&admitted);
    let limit = limit_bytes(errand, &admitted);
    let capture = snapshot.capture;
    let keep = forward::keeps_result(admitted.applicable(), &call.plan) || capture.is_open();
    let hasher = Hasher::new(snapshot.terms.digest_key.as_ref());
    let idle = silence(&snapshot, &admitted);
    let listener = protocol::listen(&call.language, parts.status, &parts.headers);
    let status = parts.status;
    let outline = gate.recorder.learns_forms().then(|| Form::of(status, &parts.headers));
    review::forget_body(&mut parts.headers);
    let case = Case { gate, snapshot, admitted, page, status, withheld: None };
    let case = Arc::new(Mutex::new(Some(case)));
    let judging = Arc::clone(&case);
    let judge = move |piece: Piece<'_>| match judging.lock().as_mut() {
        Some(case) => case.judge(errand, piece, limit),
        None => Fate::Pass,
    };
    let sift = Some(Box::new(Sieve::new(form, limit, Box::new(judge))) as Box<dyn forward::Sift>);
    let finish = move |mut measure: Measure| {
        let Some(case) = case.lock().take() else { return };
        let Case { gate, admitted, mut page, withheld, snapshot: _, status: _ } = case;
        page.known.form = outline.and_then(|outline| outline.told(&measure));
        let now = gate.clock.now();
        if let Some(Withheld::Malformed) = withheld {
            measure.heard.get_or_insert_default().failure = Some(ErrorClass::MalformedResponse);
        }
        note(&mut page.known, &measure, at);
        if withheld.is_none() {
            capture.note_output(&mut page.known, measure.result());
        }
        let completed = Completed::answered(admitted, status, measure, at, trip, now);
        match withheld {
            Some(Withheld::Malformed) => page.ended(completed.ending()),
            Some(Withheld::Refused(refusal)) => page.withheld(&refusal, completed.ending()),
            None => {
                remember(held.as_ref(), &completed, now);
                page.ended(completed.ending());
            }
        }
    };
    let hearing = Hearing { keep, listener, wishes: None, sift, clock: None, shape: None };
    let body = Metered::new(body, hasher, hearing, idle, Box::new(finish));
    Response::from_parts(parts, Either::Left(body))
}

impl Case {
    fn judge(&mut self, errand: Errand, piece: Piece<'_>, limit: usize) -> Fate {
        if errand == Errand::Stream {
            return self.on_stream(piece);
        }
        match piece {
            Piece::Message { text, document } => match answer::read(document) {
                Said::Message => Fate::Pass,
                Said::Nothing => self.nothing(errand),
                Said::Unclear(why) => self.unclear(why),
                Said::Response(response) if !self.is_own(response) => {
                    self.unclear("it answers another request than the one that was sent")
                }
                // The call has ended: what was said of it stands.
                Said::Response(_) if self.withheld.is_some() => self.unclear("it comes twice"),
                Said::Response(response) => match errand {
                    Errand::List => self.list(response, text, document),
                    Errand::Result => self.result(text, document),
                    Errand::Passage | Errand::Stream => Fate::Pass,
                },
            },
            Piece::Unreadable(why) => self.unread(errand, why),
            Piece::TooLarge => self.withhold(review::too_large(limit)),
        }
    }

    /// What is no message, nobody takes for one: an error of whatever stands before the server, or
    /// words that nobody waits for. Its text may still be told.
    fn nothing(&mut self, errand: Errand) -> Fate {
        const WHY: &str = "it is no message of the protocol";
        if self.status.is_success() && self.is_awaited() {
            return self.unclear(WHY);
        }
        if errand != Errand::Result {
            return Fate::Pass;
        }
        match review::judge_unread(&self.admitted, WHY, &mut self.page.known) {
            Ok(()) => Fate::Pass,
            Err(refusal) => self.withhold(*refusal),
        }
    }

    fn is_awaited(&self) -> bool {
        match &self.admitted.call().language {
            Language::Mcp(message) => message.id.is_some(),
            Language::Http | Language::Llm(_) => true,
        }
    }

    /// Whether a response is to the request whose answer this is.
    fn is_own(&self, response: Object<'_>) -> bool {
        let Language::Mcp(message) = &self.admitted.call().language else { return false };
        let names_none = !self.status.is_success() && answer::names_none(response);
        names_none || answer::answers(response, message.id.as_deref())
    }

    fn result(&mut self, text: &str, document: &Document) -> Fate {
        let now = self.gate.clock.now();
        let known = &mut self.page.known;
        match review::judge_message(&self.admitted, text, document, now, known) {
            Err(refusal) => self.withhold(*refusal),
            Ok(Reviewed { changed, notes }) => {
                let notes: Vec<&Finding> = self.admitted.warnings().iter().chain(&notes).collect();
                let told = self.told(&notes);
                let base = changed.as_deref().unwrap_or(text);
                let told = told.and_then(|decision| meta::with_decision(base, &decision));
                match told.or(changed) {
                    Some(changed) => Fate::Replace(changed),
                    None => Fate::Pass,
                }
            }
        }
    }

    /// What the agent should know beside the result, as JSON.
    fn told(&self, notes: &[&Finding]) -> Option<String> {
        if notes.is_empty() {
            return None;
        }
        let notes = notes.iter();
        let warnings: Vec<_> = notes
            .map(|note| serde_json::json!({ "rule": note.rule, "message": note.message }))
            .collect();
        let about = about(&self.page);
        let mut told = serde_json::json!({
            "verdict": "warn",
            "instance": format!("urn:toolgate:decision:{}", about.call_id),
            "run_id": about.run_id,
            "warnings": warnings,
        });
        if let (Some(budgets), Some(told)) = (budget::field(about.budgets), told.as_object_mut()) {
            told.insert("budgets".to_owned(), budgets.into());
        }
        Some(told.to_string())
    }

    fn list(&mut self, response: Object<'_>, text: &str, document: &Document) -> Fate {
        let Some(filtered) = self.filtered(response, text) else {
            return self.result(text, document);
        };
        let again = Document::from_text(&filtered);
        match again.map(|document| self.result(&filtered, &document)) {
            Ok(Fate::Replace(text)) => Fate::Replace(text),
            Ok(Fate::Pass) | Err(_) => Fate::Replace(filtered),
        }
    }

    /// A list of tools: what it says is remembered, and it goes on without those that are not to be
    /// used. `None` when it is no such list, or all may be used.
    fn filtered(&self, response: Object<'_>, text: &str) -> Option<String> {
        let (listed, _) = list::listed(response)?;
        let server = Arc::clone(&self.admitted.call().upstream);
        let pins = &self.gate.ledger.pins;
        let now = self.gate.clock.now();
        let on_breach = self.on_breach(&server);
        for drift in pins.note(&server, &listed, on_breach, now.wall_ms) {
            tracing::warn!(tool = %drift.tool, "its definition has changed: it waits for approval");
            self.gate.recorder.drifted(&drift);
        }
        list::filtered(text, &mut |name| self.is_shown(&server, name))
    }

    fn on_breach(&self, server: &str) -> OnBreach {
        match self.snapshot.terms.surfaces.get(server) {
            Some(Surface::Mcp(tools)) => tools.on_breach(),
            Some(Surface::Llm(_)) | None => OnBreach::Observe,
        }
    }

    /// Whether the agent may know of a tool.
    fn is_shown(&self, server: &str, name: &str) -> bool {
        let pins = &self.gate.ledger.pins;
        if protocol::mcp::name::check(name, || true).is_err() {
            return false;
        }
        let effect = match pins.look(&format!("{server}.{name}")) {
            PinStanding::Agreed(known) => known.effect,
            // What is listed and yet not remembered could change unseen.
            PinStanding::Quarantined { .. } | PinStanding::NoRoom | PinStanding::Unlisted => {
                return false;
            }
        };
        match self.snapshot.terms.surfaces.get(server) {
            Some(Surface::Mcp(tools)) => {
                let tool = tools.find(name, effect).facts;
                !self.snapshot.policies.applicable(&tool).is_concealed()
            }
            Some(Surface::Llm(_)) | None => true,
        }
    }

    /// What cannot be read may be an answer to anything, so it is handed on in no case. Where rules
    /// had to read it, it is they that say so.
    fn unread(&mut self, errand: Errand, why: &'static str) -> Fate {
        let judged = match errand {
            Errand::Result => {
                review::judge_unread(&self.admitted, why, &mut self.page.known).map_err(|it| *it)
            }
            Errand::List | Errand::Passage | Errand::Stream => Ok(()),
        };
        match judged {
            Ok(()) => self.unclear(why),
            Err(refusal) => self.withhold(refusal),
        }
    }

    /// Puts a failure of the tool's in the place of an answer.
    fn unclear(&mut self, why: &str) -> Fate {
        let tool = &self.admitted.call().tool.name;
        tracing::warn!(%tool, why, "its answer is malformed and withheld");
        let outcome = malformed(self.status);
        let words = self.told_instead(|about| respond::failure_words(&outcome, about));
        self.withheld.get_or_insert(Withheld::Malformed);
        Fate::Replace(words)
    }

    fn told_instead(&self, words: impl FnOnce(respond::About<'_>) -> Vec<u8>) -> String {
        if !self.is_awaited() {
            return left_out();
        }
        String::from_utf8_lossy(&words(about(&self.page))).into_owned()
    }

    /// Puts a refusal in the place of an answer.
    fn withhold(&mut self, refusal: Refusal) -> Fate {
        let words = self.told_instead(|about| respond::words(&refusal, about));
        if self.withheld.is_none() {
            let now = self.gate.clock.now();
            self.admitted.reservation().withhold(&Denial::of(&refusal), now);
            self.withheld = Some(Withheld::Refused(refusal));
        }
        Fate::Replace(words)
    }

    /// An answer that comes a second time, or later than its call, is nobody's call: no rule can be
    /// asked about it, but lists are lists.
    fn on_stream(&self, piece: Piece<'_>) -> Fate {
        let Piece::Message { text, document } = piece else { return Fate::Replace(left_out()) };
        let response = match answer::read(document) {
            Said::Message => return Fate::Pass,
            Said::Nothing if !self.status.is_success() => return Fate::Pass,
            Said::Nothing => return Fate::Replace(left_out()),
            Said::Unclear(_) => return Fate::Replace(left_out()),
            Said::Response(response) => response,
        };
        let server = &self.admitted.call().upstream;
        let withholds = self.on_breach(server) == OnBreach::Refuse;
        if !withholds && !self.snapshot.policies.judges_results() {
            return self.filtered(response, text).map_or(Fate::Pass, Fate::Replace);
        }
        let id = splice::place(text, &["id"]).and_then(|range| text.get(range));
        let message = Mcp { id: id.map(Arc::from), ..Mcp::unread(methods::TOOLS_CALL) };
        let language = Language::Mcp(message);
        let about = respond::About { language: &language, ..about(&self.page) };
        let message = "It came apart from its call, and there are rules that read results.";
        let refusal = Refusal::without_rule(StopReason::ResultDenied, message);
        let words = respond::words(&Refusal { executed: true, ..refusal }, about);
        Fate::Replace(String::from_utf8_lossy(&words).into_owned())
    }
}

/// An answer that clients would read in another way than it is read here: none of it is handed on.
fn withheld(gate: &Gate, whole: Whole, page: Page, why: &str) -> Response<AnswerBody> {
    let Whole { admitted, answer, trip, at } = whole;
    let tool = &admitted.call().tool.name;
    tracing::warn!(%tool, why, "its answer is malformed and withheld");
    let outcome = malformed(answer.status());
    let mut response = respond::failed(&outcome, about(&page));
    announce(response.headers_mut(), admitted.warnings(), &page);
    let completed = Completed::unanswered(admitted, outcome, at, trip, gate.clock.now());
    page.ended(completed.ending());
    response.map(Either::Right)
}

/// How a call ended whose answer is none of the protocol.
fn malformed(status: StatusCode) -> Outcome {
    Outcome {
        status: Status::Error,
        error_class: Some(ErrorClass::MalformedResponse),
        http_status: Some(status.as_u16()),
    }
}

/// Stands in the place of a message that nobody asked for and that cannot be read: a stream goes on
/// without it (MCP 2025-11-25, "Logging").
fn left_out() -> String {
    let params = serde_json::json!({
        "level": "warning",
        "logger": "toolgate",
        "data": "A message of the server's was left out: it can be read in more than one way.",
    });
    let message = serde_json::json!({
        "jsonrpc": "2.0", "method": "notifications/message", "params": params,
    });
    message.to_string()
}
