//! The waterfall: a line a call, with where in the run's time it lay.

use std::io::{self, Write};

use crate::cli::events::Event;
use crate::cli::explain::story::{Story, took};
use crate::cli::terminal::{Paint, Tone, duration, fit};

/// Width of a line, in characters.
const LINE_WIDTH: usize = 100;

/// Columns of fixed width, and the blanks between all seven: step, at, outcome, took.
const FIXED_WIDTH: usize = 5 + 9 + 9 + 8 + 6;

const TOOL_WIDTH_MAX: usize = 30;
const BAR_WIDTH_MIN: usize = 12;
const BAR_WIDTH_MAX: usize = 36;

/// The widths of the columns that share what the others leave, in characters, and the time that
/// the bar stands for, in milliseconds.
struct Columns {
    total: f64,
    bar: usize,
    tool: usize,
    rule: usize,
}

impl Columns {
    /// As wide as their contents need, the bar with what is left.
    fn of(story: &Story) -> Self {
        let widest = |width: fn(&Event) -> usize| story.calls.iter().map(width).max().unwrap_or(0);
        let tool = widest(|call| name(call).chars().count()).clamp(8, TOOL_WIDTH_MAX);
        let shared = LINE_WIDTH - FIXED_WIDTH;
        let rule_max = shared.saturating_sub(tool).saturating_sub(BAR_WIDTH_MIN);
        let rule = widest(|call| why(call).chars().count()).clamp(4, rule_max);
        let bar = shared.saturating_sub(tool).saturating_sub(rule).min(BAR_WIDTH_MAX);
        Self { total: story.duration_ms(), bar, tool, rule }
    }
}

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
    let columns = Columns::of(story);
    let head = format!(
        "{:>5} {:>9} {:<bar$} {:<tool$} {:<9} {:>8} {}",
        "step",
        "at",
        "",
        "tool",
        "outcome",
        "took",
        "rule",
        bar = columns.bar,
        tool = columns.tool,
    );
    writeln!(out, "{}", paint.tone(Tone::Faint, &head))?;
    let hidden = story.calls.len().saturating_sub(rows);
    let first = if hidden == 0 { story.calls.len() } else { rows.div_ceil(2) };
    for call in story.calls.iter().take(first) {
        line(story, call, &columns, paint, out)?;
    }
    if hidden > 0 {
        let note = format!("{:>5} {hidden} more calls (--rows shows more)", "…");
        writeln!(out, "{}", paint.tone(Tone::Faint, &note))?;
        for call in story.calls.iter().skip(first.saturating_add(hidden)) {
            line(story, call, &columns, paint, out)?;
        }
    }
    writeln!(out)
}

fn line(
    story: &Story,
    call: &Event,
    columns: &Columns,
    paint: Paint,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Columns { total, bar: bar_width, tool: tool_width, rule: rule_width } = *columns;
    let offset = story.offset_ms(call);
    let (word, tone) = outcome(call);
    let step = call.step_id.map(|step| step.to_string()).unwrap_or_default();
    let at = format!("+{}", duration(offset));
    let tool = fit(&name(call), tool_width);
    let bar = bar(bar_width, total, offset, call);
    let took_text = if call.is_refused() { String::new() } else { duration(took(call)) };
    let text = format!(
        "{step:>5} {at:>9} {} {tool:<tool_width$} {} {took_text:>8} {}",
        paint.tone(tone, &bar),
        paint.tone(tone, &format!("{word:<9}")),
        paint.tone(tone, &fit(&why(call), rule_width)),
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

/// The rule without its policy, since rule ids are unique; else the reason or the error; else the
/// observed rule that would have acted.
fn why(call: &Event) -> String {
    let id = |rule: &str| rule.rsplit_once('/').map_or(rule, |(_, id)| id).to_owned();
    if let Some(rule) = &call.rule {
        return id(rule);
    }
    if call.is_refused() {
        return call.stop_reason.clone().unwrap_or_default();
    }
    match (&call.error_class, call.http_status) {
        (Some(class), Some(status)) if class.starts_with("http_") => format!("HTTP {status}"),
        (Some(class), _) => class.clone(),
        (None, _) => match (call.observed.first(), call.rules_observed.first()) {
            (Some(seen), _) => format!("would {}: {}", seen.verdict, id(&seen.rule)),
            (None, Some(rule)) => format!("would: {}", id(rule)),
            (None, None) => String::new(),
        },
    }
}

/// The tool, or the request that is none.
fn name(call: &Event) -> String {
    let request = || Some(format!("{} {}", call.method.as_deref()?, call.path.as_deref()?));
    let tool = call.tool.clone().or_else(request);
    tool.unwrap_or_else(|| "(no tool)".to_owned())
}

/// The call's place in the run's time: `██` while it ran, `×` where it was refused.
fn bar(width: usize, total: f64, offset: f64, call: &Event) -> String {
    let scale = if total > 0.0 { width as f64 / total } else { 0.0 };
    let start = cells(width, offset * scale).min(width.saturating_sub(1));
    let (mark, length) = if call.is_refused() {
        ('×', 1)
    } else {
        let end = cells(width, (offset + took(call)) * scale);
        ('█', end.saturating_sub(start).max(1))
    };
    (0..width)
        .map(|cell| match cell {
            cell if cell < start => '·',
            cell if cell < start.saturating_add(length) => mark,
            _ => ' ',
        })
        .collect()
}

/// The whole cells before a position; at most `width`.
fn cells(width: usize, position: f64) -> usize {
    (1..=width).take_while(|cell| position >= *cell as f64 - 0.001).count()
}
