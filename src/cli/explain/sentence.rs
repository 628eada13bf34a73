//! The one sentence: what the run did and why it stopped.

use std::collections::BTreeSet;

use crate::cli::events::Event;
use crate::cli::explain::story::Story;
use crate::cli::terminal::{count, duration, fit};

/// Longest name that is taken over into the sentence, in characters.
const NAME_LIMIT: usize = 128;

/// What the run did, in one sentence.
pub(super) fn sentence(story: &Story) -> String {
    let counts = story.counts();
    let tools = story.tools();
    let called = story.calls.iter().filter(|call| !call.is_message());
    let named: BTreeSet<&str> = called.filter_map(|call| call.tool.as_deref()).collect();
    let named = named.len() as u64;
    let mut text = format!(
        "Run {} made {} in {} to {}",
        fit(&story.run_id, NAME_LIMIT),
        count(counts.calls, "call"),
        duration(story.duration_ms()),
        count(named, "tool"),
    );
    if let Some((tool, used)) = tools.iter().max_by_key(|(_, used)| used.calls)
        && named > 1
        && used.calls > 2
    {
        text.push_str(&format!(" (mostly {}: {})", fit(tool, NAME_LIMIT), used.calls));
    }
    if counts.messages > 0 {
        let messages = count(counts.messages, "message");
        text.push_str(&format!(", with {messages} of the protocol around them"));
    }
    let paid = story.costs().iter().fold(0.0, |sum, cost| sum + cost.usd);
    if paid > 0.0 {
        text.push_str(&format!(", for {}", usd(paid)));
    }
    text.push_str("; ");
    text.push_str(&fates(story));
    text.push_str("; ");
    text.push_str(&end(story));
    text.push('.');
    text
}

/// US dollars, as far as they are worth telling.
pub(super) fn usd(amount: f64) -> String {
    if amount < 0.00005 { "less than 0.0001 USD".to_owned() } else { format!("{amount:.4} USD") }
}

fn fates(story: &Story) -> String {
    let counts = story.counts();
    let mut parts = Vec::new();
    if counts.ok == counts.calls {
        return "all succeeded".to_owned();
    }
    parts.push(format!("{} succeeded", counts.ok));
    if counts.failed > 0 {
        parts.push(format!("{} failed", counts.failed));
    }
    if counts.refused > 0 {
        let were = if counts.refused == 1 { "was" } else { "were" };
        let refusals = story.refusals();
        let by = match refusals.as_slice() {
            [(rule, _, _)] if !rule.is_empty() => format!(" by {}", fit(rule, NAME_LIMIT)),
            [(_, reason, _)] => format!(" ({reason})"),
            rules if rules.iter().all(|(rule, _, _)| !rule.is_empty()) => {
                format!(" by {} rules", rules.len())
            }
            reasons => format!(" for {} reasons", reasons.len()),
        };
        parts.push(format!("{} {were} refused{by}", counts.refused));
    }
    match parts.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

/// Why it ended.
fn end(story: &Story) -> String {
    let Some(stop) = &story.stop else {
        return "no end of it is recorded, so it may still be going on".to_owned();
    };
    match stop.stop_reason.as_deref().unwrap_or_default() {
        "completed" => "it completed: its model wanted no more tools".to_owned(),
        "idle" => "it ended by falling silent".to_owned(),
        "evicted" => "it was forgotten to make room for newer runs".to_owned(),
        "shutdown" => "it was still open when the gate was shut down".to_owned(),
        reason => stopped(story, stop, reason),
    }
}

fn stopped(story: &Story, stop: &Event, reason: &str) -> String {
    let by = stop.rule.as_deref().map_or("the gate", |rule| rule);
    let mut text = format!("it was stopped by {} ({reason})", fit(by, NAME_LIMIT));
    let stopping = story.calls.iter().find(|call| call.verdict.as_deref() == Some("stop"));
    if let Some(call) = stopping {
        let tool = call.tool.as_deref().unwrap_or("a call");
        text.push_str(&format!(" when it called {}", fit(tool, NAME_LIMIT)));
        if let Some(step) = call.step_id {
            text.push_str(&format!(" at step {step}"));
        }
    }
    let earlier = story.refusals().into_iter().find(|(rule, refused_for, refused)| {
        *refused > 1
            && *refused_for == reason
            && !rule.is_empty()
            && Some(*rule) != stop.rule.as_deref()
    });
    if let Some((rule, _, refused)) = earlier {
        text.push_str(&format!(", after {} had refused it {refused} times", fit(rule, NAME_LIMIT)));
    }
    let late = story.counts().after_stop;
    if late > 0 {
        text.push_str(&format!(", and took no more calls ({late} came)"));
    }
    text
}
