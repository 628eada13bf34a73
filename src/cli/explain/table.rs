//! Where the time went, and what was refused, as tables.

use std::io::{self, Write};

use crate::cli::explain::sentence::usd;
use crate::cli::explain::story::Story;
use crate::cli::terminal::{Paint, Tone, duration, fit};

const NAME_WIDTH: usize = 44;

/// Writes the time by tool, the gate's own and the agent's.
pub(super) fn time(story: &Story, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    let total = story.duration_ms();
    let head = format!(
        "{:<NAME_WIDTH$} {:>7} {:>7} {:>8} {:>9} {:>9} {:>7}",
        "where the time went", "calls", "failed", "refused", "total", "p95", "share"
    );
    writeln!(out, "{}", paint.tone(Tone::Faint, &head))?;
    let mut tools: Vec<_> = story.tools().into_iter().collect();
    tools.sort_by(|(_, one), (_, other)| other.total_ms().total_cmp(&one.total_ms()));
    for (name, used) in &tools {
        let name = if name.is_empty() { "(no tool)" } else { name };
        writeln!(
            out,
            "{:<NAME_WIDTH$} {:>7} {:>7} {:>8} {:>9} {:>9} {:>7}",
            fit(name, NAME_WIDTH),
            used.calls,
            or_blank(used.failed),
            or_blank(used.refused),
            duration(used.total_ms()),
            used.p95_ms().map(duration).unwrap_or_default(),
            share(used.total_ms(), total),
        )?;
    }
    for (name, ms) in [
        ("between calls (the agent)", story.between_calls_ms()),
        ("the gate (within the calls' time)", story.gate_ms()),
        ("the run, from first call to last answer", total),
    ] {
        let line = format!(
            "{name:<NAME_WIDTH$} {:>24} {:>9} {:>9} {:>7}",
            "",
            duration(ms),
            "",
            share(ms, total)
        );
        writeln!(out, "{}", paint.tone(Tone::Faint, line.trim_end()))?;
    }
    Ok(())
}

/// Writes the money by tool and model, where any was paid or any tokens were used.
pub(super) fn money(story: &Story, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    let costs = story.costs();
    if costs.is_empty() {
        return Ok(());
    }
    let head = format!(
        "\n{:<NAME_WIDTH$} {:>7} {:>12} {:>22}",
        "where the money went", "calls", "tokens", "cost"
    );
    writeln!(out, "{}", paint.tone(Tone::Faint, &head))?;
    for cost in costs {
        let name = match cost.model {
            "" => cost.tool.to_owned(),
            model => format!("{} ({model})", cost.tool),
        };
        let tokens = or_blank(cost.tokens);
        let paid = if cost.usd > 0.0 { usd(cost.usd) } else { String::new() };
        let name = fit(&name, NAME_WIDTH);
        let line = format!("{name:<NAME_WIDTH$} {:>7} {tokens:>12} {paid:>22}", cost.calls);
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Writes what was refused by which rule, and what would have been.
pub(super) fn refusals(story: &Story, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    let sections = [
        ("refused", Tone::Refused, story.refusals()),
        ("would have acted (observed only)", Tone::Failed, story.observed()),
    ];
    for (title, tone, counted) in sections {
        if counted.is_empty() {
            continue;
        }
        writeln!(out, "\n{}", paint.tone(Tone::Faint, title))?;
        for (rule, reason, times) in counted {
            let (name, reason) = if rule.is_empty() { (reason, "") } else { (rule, reason) };
            let name = format!("{:<60}", fit(name, 60));
            let line = format!("{times:>5} × {} {reason}", paint.tone(tone, &name));
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    Ok(())
}

fn or_blank(number: u64) -> String {
    if number == 0 { String::new() } else { number.to_string() }
}

fn share(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.0} %", part / whole * 100.0) } else { String::new() }
}
