//! An explained run as one JSON object.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::events::Event;
use crate::cli::explain::sentence;
use crate::cli::explain::story::{Cost, Story};

#[derive(Serialize)]
struct Explained<'a> {
    run_id: &'a str,
    sentence: String,
    /// Milliseconds since the Unix epoch.
    started_ms: i64,
    duration_ms: f64,
    between_calls_ms: f64,
    gate_ms: f64,
    calls: u64,
    messages: u64,
    ok: u64,
    failed: u64,
    refused: u64,
    refused_after_stop: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<&'a Event>,
    tools: Vec<Tool<'a>>,
    costs: Vec<Cost<'a>>,
    refusals: Vec<Refusals<'a>>,
    observed: Vec<Refusals<'a>>,
    /// As they stand in the events file.
    steps: &'a [Event],
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Tool<'a> {
    tool: &'a str,
    calls: u64,
    failed: u64,
    refused: u64,
    total_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    p95_ms: Option<f64>,
}

#[derive(Serialize)]
struct Refusals<'a> {
    rule: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    stop_reason: &'a str,
    count: u64,
}

/// Writes the story as one line of JSON.
pub(super) fn write(story: &Story, out: &mut dyn Write) -> io::Result<()> {
    let counts = story.counts();
    let tools = story.tools();
    let explained = Explained {
        run_id: &story.run_id,
        sentence: sentence::sentence(story),
        started_ms: story.started_ms(),
        duration_ms: rounded(story.duration_ms()),
        between_calls_ms: rounded(story.between_calls_ms()),
        gate_ms: rounded(story.gate_ms()),
        calls: counts.calls,
        messages: counts.messages,
        ok: counts.ok,
        failed: counts.failed,
        refused: counts.refused,
        refused_after_stop: counts.after_stop,
        stop: story.stop.as_ref(),
        tools: tools
            .iter()
            .map(|(tool, used)| Tool {
                tool,
                calls: used.calls,
                failed: used.failed,
                refused: used.refused,
                total_ms: rounded(used.total_ms()),
                p95_ms: used.p95_ms(),
            })
            .collect(),
        costs: story.costs(),
        refusals: counted(story.refusals()),
        observed: counted(story.observed()),
        steps: &story.calls,
        notes: story.notes(),
    };
    serde_json::to_writer(&mut *out, &explained)?;
    writeln!(out)
}

fn counted<'a>(counted: Vec<(&'a str, &'a str, u64)>) -> Vec<Refusals<'a>> {
    counted
        .into_iter()
        .map(|(rule, stop_reason, count)| Refusals { rule, stop_reason, count })
        .collect()
}

/// Milliseconds with three decimals, as in the events.
fn rounded(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}
