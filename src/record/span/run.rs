//! A run: the span above its calls.

use std::borrow::Cow;
use std::time::Duration;

use opentelemetry_sdk::trace::SpanData;

use super::draft::{Draft, Timeline};
use super::{decision, names, refusal};
use crate::call::RunEnd;
use crate::ledger::Usage;
use crate::policy::amount::Usd;
use crate::record::outgoing::{Kept, RunTold};

/// How much later than its last sign of life a run may end: its last call is settled a moment before
/// its answer leaves, and wall clocks are read in milliseconds.
const GRACE: Duration = Duration::from_millis(2);

/// `invoke_agent {agent}`, with what the run came to. `None` where nothing stands below it, because
/// its calls have parents of their own.
pub fn of_run(run: &RunTold, kept: Kept) -> Option<SpanData> {
    let RunTold { ended, at } = run;
    let root = ended.root.as_ref()?;
    let mut draft = Draft::of(&root.context);
    let agent = &ended.caller.agent;
    draft.name = match &**agent {
        "" => Cow::Borrowed(names::INVOKE_AGENT),
        agent => Cow::Owned(format!("{} {agent}", names::INVOKE_AGENT)),
    };
    let attributes = &mut draft.attributes;
    attributes.put(names::SPAN_KIND, "AGENT");
    attributes.put(names::OPERATION, names::INVOKE_AGENT);
    attributes.put_text(names::AGENT, agent);
    attributes.put_text(names::CONVERSATION, &ended.id.0);
    attributes.put_text(names::RUN, &ended.id.0);
    attributes.put(names::RUN_SOURCE, ended.id_source);
    attributes.put_some(names::PARENT_RUN, ended.parent.as_ref().map(|run| run.0.clone()));
    attributes.put_text(names::TENANT, &ended.caller.tenant);
    attributes.put_text(names::PROJECT, &ended.caller.project);
    attributes.put_text(names::USER, &ended.caller.user);
    attributes.put(names::STOP_REASON, ended.end.name());
    attributes.put_some(names::RULE, ended.rule.clone());
    decision::sampled(attributes, kept);
    let Usage { steps, calls, ok, errors, denials, cost_usd, tokens, .. } = ended.usage;
    for (name, count) in [
        (names::RUN_STEPS, steps),
        (names::RUN_CALLS, calls),
        (names::RUN_OK, ok),
        (names::RUN_ERRORS, errors),
        (names::RUN_DENIALS, denials),
    ] {
        attributes.put_count(name, count);
    }
    if tokens > 0 {
        attributes.put_count(names::RUN_TOKENS, tokens);
    }
    attributes.put_some(names::COST_USD, (cost_usd > Usd::ZERO).then(|| cost_usd.dollars()));
    match ended.end {
        RunEnd::Stopped(reason) => {
            draft.failure = Some(refusal(reason, ended.rule.as_deref()));
            draft.attributes.put(names::ERROR_TYPE, reason.name());
        }
        RunEnd::Completed | RunEnd::Idle | RunEnd::Evicted | RunEnd::Shutdown => {}
    }
    let timeline = Timeline::new(root.began);
    let end = root.ended.mono.saturating_add(GRACE).min(at.mono.max(root.ended.mono));
    Some(draft.finish(timeline.at(root.began.mono), timeline.at(end), true))
}
