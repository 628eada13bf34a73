//! Answers of the Model Context Protocol that something has to see before the agent does: they are
//! judged message by message while everything around them passes.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Response};
use http_body_util::Either;
use parking_lot::Mutex;

use super::{Gate, Whole, about, announce};
use crate::call::{Language, Mcp, Refusal, StopReason, budget};
use crate::classify::Completed;
use crate::contract::OnBreach;
use crate::forward::{self, AnswerBody, Hearing, Measure, Metered};
use crate::guard::Admitted;
use crate::identify::Surface;
use crate::json::{Document, Hasher, splice};
use crate::ledger::{Denial, PinStanding};
use crate::policy::decide::Finding;
use crate::protocol;
use crate::protocol::mcp::listen::Form;
use crate::protocol::mcp::{answer, list, meta, methods};
use crate::record::Page;
use crate::respond;
use crate::review::{self, Fate, Piece, Reviewed, Sieve};
use crate::snapshot::Snapshot;

/// Longest response that is held while it is judged, in bytes, unless the config says less.
const RESPONSE_LIMIT_BYTES: usize = 1024 * 1024;

/// Longest page of a list of tools, in bytes.
const LIST_LIMIT_BYTES: usize = 8 * 1024 * 1024;

/// How long a stream may be silent that stands open for whatever the server has to say.
const STREAM_SILENCE_LIMIT: Duration = Duration::from_secs(3600);

/// A call whose answer is on its way.
struct Case {
    gate: Arc<Gate>,
    snapshot: Arc<Snapshot>,
    admitted: Admitted,
    page: Page,
    /// Why the agent did not get the answer.
    withheld: Option<Refusal>,
}

/// Why the messages of an answer are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errand {
    /// Something judges the result, or there is something to tell beside it.
    Result,
    /// They name tools.
    List,
    /// A stream on which the answers to other calls may come once more.
    Stream,
}

/// Whether the answer to this call is a matter for [`pass`].
pub(super) fn concerns(snapshot: &Snapshot, admitted: &Admitted, headers: &HeaderMap) -> bool {
    errand(snapshot, admitted).is_some() && Form::of(headers).is_some()
}

/// How long an answer to this call may be silent.
pub(super) fn silence(snapshot: &Snapshot, admitted: &Admitted) -> Duration {
    let usual = snapshot.idle_timeout(&admitted.call().upstream);
    match &admitted.call().language {
        Language::Mcp(message)
            if matches!(&*message.method, methods::STREAM | "subscriptions/listen") =>
        {
            usual.max(STREAM_SILENCE_LIMIT)
        }
        Language::Http | Language::Mcp(_) | Language::Llm(_) => usual,
    }
}

fn errand(snapshot: &Snapshot, admitted: &Admitted) -> Option<Errand> {
    let Language::Mcp(message) = &admitted.call().language else { return None };
    if &*message.method == methods::STREAM {
        return snapshot.policies.judges_results().then_some(Errand::Stream);
    }
    message.id.as_ref()?;
    if list::lists_tools(&message.method) {
        return Some(Errand::List);
    }
    let judges = review::needs_whole(admitted.applicable(), &admitted.call().plan);
    (judges || !admitted.warnings().is_empty()).then_some(Errand::Result)
}

/// Passes an answer on, judged as it goes.
pub(super) fn pass(
    gate: Arc<Gate>,
    snapshot: Arc<Snapshot>,
    whole: Whole,
    page: Page,
) -> Response<AnswerBody> {
    let Whole { admitted, answer, trip, at } = whole;
    let (mut parts, body) = answer.into_parts();
    announce(&mut parts.headers, admitted.warnings(), &page);
    let call = admitted.call();
    let errand = errand(&snapshot, &admitted).unwrap_or(Errand::Result);
    let limit = match errand {
        Errand::List => LIST_LIMIT_BYTES,
        Errand::Result | Errand::Stream => {
            call.plan.output.max_bytes.unwrap_or(RESPONSE_LIMIT_BYTES)
        }
    };
    let form = Form::of(&parts.headers).unwrap_or(Form::Json);
    let keep = forward::keeps_result(admitted.applicable(), &call.plan);
    let hasher = Hasher::new(snapshot.terms.digest_key.as_ref());
    let idle = silence(&snapshot, &admitted);
    let listener = protocol::listen(&call.language, parts.status, &parts.headers);
    let status = parts.status;
    review::forget_body(&mut parts.headers);
    let case = Case { gate, snapshot, admitted, page, withheld: None };
    let case = Arc::new(Mutex::new(Some(case)));
    let judging = Arc::clone(&case);
    let judge = move |piece: Piece<'_>| match judging.lock().as_mut() {
        Some(case) => case.judge(errand, piece, limit),
        None => Fate::Pass,
    };
    let sift = Some(Box::new(Sieve::new(form, limit, Box::new(judge))) as Box<dyn forward::Sift>);
    let finish = move |measure: Measure| {
        let Some(case) = case.lock().take() else { return };
        let Case { gate, admitted, page, withheld, snapshot: _ } = case;
        let now = gate.clock.now();
        let completed = Completed::answered(admitted, status, measure, at, trip, now);
        match withheld {
            Some(refusal) => page.withheld(&refusal, completed.ending()),
            None => page.ended(completed.ending()),
        }
    };
    let hearing = Hearing { keep, listener, wishes: None, sift };
    let body = Metered::new(body, hasher, hearing, idle, Box::new(finish));
    Response::from_parts(parts, Either::Left(body))
}

impl Case {
    fn judge(&mut self, errand: Errand, piece: Piece<'_>, limit: usize) -> Fate {
        match (errand, piece) {
            (Errand::Stream, piece) => self.on_stream(&piece),
            (Errand::List, Piece::Message { text, document }) => self.list(text, document),
            (Errand::List, Piece::Unreadable(_) | Piece::TooLarge) => {
                let message = "The list of tools cannot be read, so nobody knows what it names.";
                self.withhold(unread(message))
            }
            (Errand::Result, Piece::Message { text, document }) => self.result(text, document),
            (Errand::Result, Piece::Unreadable(why)) => self.unread(why),
            (Errand::Result, Piece::TooLarge) => {
                let is_bounded = self.admitted.call().plan.output.max_bytes.is_some();
                if is_bounded
                    || review::needs_whole(self.admitted.applicable(), &self.admitted.call().plan)
                {
                    return self.withhold(review::too_large(limit));
                }
                Fate::Pass
            }
        }
    }

    fn result(&mut self, text: &str, document: &Document) -> Fate {
        if answer::response(document).is_none() {
            return Fate::Pass;
        }
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

    /// A list of tools: what it says is remembered, and it goes on without those that are not to be
    /// used.
    fn list(&mut self, text: &str, document: &Document) -> Fate {
        let listed = answer::response(document).and_then(list::listed);
        let Some((listed, _)) = listed else { return self.result(text, document) };
        let call = self.admitted.call();
        let server = Arc::clone(&call.upstream);
        let pins = &self.gate.ledger.pins;
        let now = self.gate.clock.now();
        let on_breach = self.on_breach(&server);
        for drift in pins.note(&server, &listed, on_breach, now.wall_ms) {
            tracing::warn!(tool = %drift.tool, "its definition has changed: it waits for approval");
            self.gate.recorder.drifted(&drift);
        }
        let filtered = list::filtered(text, &mut |name| self.is_shown(&server, name));
        let Some(filtered) = filtered else { return self.result(text, document) };
        let again = Document::from_text(&filtered);
        match again.map(|document| self.result(&filtered, &document)) {
            Ok(Fate::Replace(text)) => Fate::Replace(text),
            Ok(Fate::Pass) | Err(_) => Fate::Replace(filtered),
        }
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

    fn unread(&mut self, why: &'static str) -> Fate {
        match review::judge_unread(&self.admitted, why, &mut self.page.known) {
            Ok(()) => Fate::Pass,
            Err(refusal) => self.withhold(*refusal),
        }
    }

    /// Puts a refusal in the place of an answer.
    fn withhold(&mut self, refusal: Refusal) -> Fate {
        let words = respond::words(&refusal, about(&self.page));
        if self.withheld.is_none() {
            let now = self.gate.clock.now();
            self.admitted.reservation().withhold(&Denial::of(&refusal), now);
            self.withheld = Some(refusal);
        }
        Fate::Replace(String::from_utf8_lossy(&words).into_owned())
    }

    /// An answer that comes a second time, or later than its call, is nobody's call: no rule can be
    /// asked about it.
    fn on_stream(&self, piece: &Piece<'_>) -> Fate {
        let Piece::Message { text, document } = piece else { return Fate::Pass };
        if answer::response(document).is_none() {
            return Fate::Pass;
        }
        let id = splice::place(text, &["id"]).and_then(|range| text.get(range));
        let message = Mcp { id: id.map(Arc::from), ..Mcp::unread(methods::TOOLS_CALL) };
        let language = Language::Mcp(message);
        let about = respond::About { language: &language, ..about(&self.page) };
        let words = respond::words(
            &unread("It came apart from its call, and there are rules that read results."),
            about,
        );
        Fate::Replace(String::from_utf8_lossy(&words).into_owned())
    }
}

fn unread(message: &str) -> Refusal {
    let refusal = Refusal::without_rule(StopReason::ResultDenied, message);
    Refusal { executed: true, ..refusal }
}
