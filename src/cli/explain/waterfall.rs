//! The waterfall: a line a call, with where in the run's time it lay.

use std::io::{self, Write};

use crate::cli::events::Event;
use crate::cli::explain::story::{Story, took};
use crate::cli::terminal::{Paint, Tone, duration, fit};

/// Width of a line, in characters.
pub(super) const LINE_WIDTH: usize = 100;

const BAR_WIDTH: usize = 22;
const TOOL_WIDTH: usize = 24;
const OUTCOME_WIDTH: usize = 9;
/// Whatever the other columns leave: step 5, offset 9, took 8, and a blank between each two.
const RULE_WIDTH: usize = LINE_WIDTH - 5 - 9 - BAR_WIDTH - TOOL_WIDTH - OUTCOME_WIDTH - 8 - 6;

/// Writes the calls, of more than `rows` only the first and the last ones.
pub(super) fn write(
    story: &Story,
    rows: usize,
    paint: Paint,
    out: &mut dyn Write,
) -> io::Result<()> {
    if story.calls.is_empty() {
        return Ok(());
    }
    let total = story.duration_ms();
    let head = format!(
        "{:>5} {:>9} {:<BAR_WIDTH$} {:<TOOL_WIDTH$} {:<OUTCOME_WIDTH$} {:>8} {}",
        "step", "at", "", "tool", "outcome", "took", "rule"
    );
    writeln!(out, "{}", paint.tone(Tone::Faint, &head))?;
    let hidden = story.calls.len().saturating_sub(rows);
    let first = if hidden == 0 { story.calls.len() } else { rows.div_ceil(2) };
    for call in story.calls.iter().take(first) {
        line(story, call, total, paint, out)?;
    }
    if hidden > 0 {
        let note = format!("{:>5} {hidden} more calls (--rows shows more)", "…");
        writeln!(out, "{}", paint.tone(Tone::Faint, &note))?;
        for call in story.calls.iter().skip(first.saturating_add(hidden)) {
            line(story, call, total, paint, out)?;
        }
    }
    writeln!(out)
}

fn line(
    story: &Story,
    call: &Event,
    total: f64,
    paint: Paint,
    out: &mut dyn Write,
) -> io::Result<()> {
    let offset = story.offset_ms(call);
    let (word, tone) = outcome(call);
    let step = call.step_id.map(|step| step.to_string()).unwrap_or_default();
    let at = format!("+{}", duration(offset));
    let tool = fit(call.tool.as_deref().unwrap_or("(no tool)"), TOOL_WIDTH);
    let took_text = if call.is_refused() { String::new() } else { duration(took(call)) };
    let text = format!(
        "{step:>5} {at:>9} {} {tool:<TOOL_WIDTH$} {} {took_text:>8} {}",
        paint.tone(tone, &bar(offset, call, total)),
        paint.tone(tone, &format!("{word:<OUTCOME_WIDTH$}")),
        paint.tone(tone, &fit(&why(call), RULE_WIDTH)),
    );
    writeln!(out, "{}", text.trim_end())
}

/// What became of a call, in one word.
fn outcome(call: &Event) -> (&str, Tone) {
    let status = call.status.as_deref().unwrap_or("?");
    match (status, call.verdict.as_deref()) {
        ("denied", Some("stop")) => ("stopped", Tone::Refused),
        ("denied", _) => ("refused", Tone::Refused),
        ("ok", Some("warn")) => ("warned", Tone::Failed),
        ("ok", _) => ("ok", Tone::Good),
        (other, _) => (other, Tone::Failed),
    }
}

/// The rule without its policy, since rule ids are unique; else the reason or the error.
fn why(call: &Event) -> String {
    if let Some(rule) = &call.rule {
        return rule.rsplit_once('/').map_or(rule.as_str(), |(_, id)| id).to_owned();
    }
    if call.is_refused() {
        return call.stop_reason.clone().unwrap_or_default();
    }
    match (&call.error_class, call.http_status) {
        (Some(class), Some(status)) if class.starts_with("http_") => format!("HTTP {status}"),
        (Some(class), _) => class.clone(),
        (None, _) => String::new(),
    }
}

/// The call's place in the run's time: `██` while it ran, `×` where it was refused.
fn bar(offset: f64, call: &Event, total: f64) -> String {
    let scale = if total > 0.0 { BAR_WIDTH as f64 / total } else { 0.0 };
    let start = cells(offset * scale).min(BAR_WIDTH.saturating_sub(1));
    let (mark, length) = if call.is_refused() {
        ('×', 1)
    } else {
        let end = cells((offset + took(call)) * scale).min(BAR_WIDTH);
        ('█', end.saturating_sub(start).max(1))
    };
    (0..BAR_WIDTH)
        .map(|cell| match cell {
            cell if cell < start => '·',
            cell if cell < start.saturating_add(length) => mark,
            _ => ' ',
        })
        .collect()
}

/// A number of cells; not negative, and never more than a bar has.
fn cells(position: f64) -> usize {
    (0..BAR_WIDTH).filter(|cell| position >= *cell as f64 + 0.999).count()
}
