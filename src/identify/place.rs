//! The run that a call is placed in: the one that the request names, else what the call itself says,
//! else the one that its agent is in.

use std::sync::Arc;

use crate::call::{Caller, RunId, Standing};
use crate::clock::Now;
use crate::identify::head::Head;
use crate::identify::run_id::{RunIdSource, is_run_id};
use crate::identify::{Call, Desk, Terms, fresh_run};
use crate::ledger::Intents;
use crate::protocol::llm::Hints;

/// The run, and where its id came from. `call` is absent when it could not be read.
pub(super) fn place(
    head: Head,
    call: Option<&Call>,
    desk: &mut Desk<'_>,
    now: Now,
) -> (RunId, &'static str) {
    let Head { run, window, .. } = head;
    let said_here = call.and_then(|call| call.message.as_ref()?.run.clone());
    // What a message says of itself is baggage, and stronger than traces and sessions only.
    let weak = [RunIdSource::Traceparent.name(), RunIdSource::McpSession.name()];
    let run = match (run, said_here) {
        (Some((_, source)), Some(said)) if weak.contains(&source) => Some(said),
        (None, said) => said,
        (run, _) => run,
    };
    let said = || call.and_then(|call| said(call, desk.terms, &desk.ledger.intents));
    let run = match run {
        Some((session, source)) if source == RunIdSource::McpSession.name() => {
            Some(joined(session, said(), desk, now))
        }
        run => run,
    };
    let placed = run.or_else(|| said().map(|(run, source)| (run, source.name())));
    let placed = placed.unwrap_or_else(|| {
        let run = desk.ledger.unlabelled_run(&window, now, || fresh_run(now));
        (run, RunIdSource::AgentWindow.name())
    });
    desk.known.run = Some(placed.clone());
    placed
}

/// The run of a call that only its session names. Frameworks open a session of their own for their
/// tools: what a model asks for is executed in the model's run, and with it the session belongs there,
/// so that calls which nobody asked for are seen there as well.
fn joined(
    session: RunId,
    said: Option<(RunId, RunIdSource)>,
    desk: &Desk<'_>,
    now: Now,
) -> (RunId, &'static str) {
    let (intents, caller) = (&desk.ledger.intents, &desk.terms.caller);
    if let Some((run, source)) = said {
        intents.join_session(caller, &session, &run, now);
        return (run, source.name());
    }
    let run = intents.run_of_session(caller, &session).unwrap_or(session);
    (run, RunIdSource::McpSession.name())
}

/// The run that the contents of a call name: of a request to a model by what it goes on from, of a
/// call to a tool by the model that asked for it.
fn said(call: &Call, terms: &Terms, intents: &Intents) -> Option<(RunId, RunIdSource)> {
    match (&call.order, call.standing) {
        (Some(order), _) => by_hints(order.hints(), &call.caller, intents),
        (None, Standing::Tool) => {
            let run = intents.run_of_call(&call.caller, &call.as_wish(terms))?;
            Some((run, RunIdSource::ModelToolCall))
        }
        (None, Standing::Protocol) => None,
    }
}

/// The strongest hint that leads somewhere: what runs were known by before, and else what can be a
/// run's id itself.
fn by_hints(hints: &Hints, caller: &Caller, intents: &Intents) -> Option<(RunId, RunIdSource)> {
    let Hints { conversation, previous_response, metadata, answered } = hints;
    let label = |text: &str| is_run_id(text).then(|| RunId(Arc::from(text)));
    let conversation = conversation
        .as_deref()
        .and_then(|id| intents.run_of_conversation(caller, id).or_else(|| label(id)));
    let goes_on =
        || previous_response.as_deref().and_then(|id| intents.run_of_response(caller, id));
    let metadata = || metadata.as_deref().and_then(label);
    if let Some(run) = conversation.or_else(goes_on).or_else(metadata) {
        return Some((run, RunIdSource::ModelConversation));
    }
    let run = intents.run_of_answers(caller, answered.iter().map(|id| &**id))?;
    Some((run, RunIdSource::ModelToolCall))
}
