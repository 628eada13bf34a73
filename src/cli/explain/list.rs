//! The runs there were: a line each.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use chrono::DateTime;
use clap::Args;
use serde::Serialize;

use crate::cli::events::{self, AfterEnd, Event, Kind};
use crate::cli::explain::{EventsFrom, Trouble, conclude};
use crate::cli::report::Exit;
use crate::cli::terminal::{Output, Paint, Tone, count, duration, fit};

/// Runs held while reading; beyond it the first ones are forgotten.
const RUN_LIMIT: usize = 100_000;

const RUN_WIDTH: usize = 34;

/// List the runs: when, how many calls, how they ended
#[derive(Debug, Args)]
pub struct RunsArgs {
    #[command(flatten)]
    pub from: EventsFrom,
    /// Most runs shown: the latest
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// Only runs of which a call was refused
    #[arg(long)]
    pub refused: bool,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// One life of a run.
#[derive(Debug, Serialize)]
struct Row {
    run_id: String,
    /// `live` until its end is recorded, then `stopped` or `ended`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    calls: u64,
    failed: u64,
    refused: u64,
    /// Milliseconds since the Unix epoch.
    started_ms: i64,
    duration_ms: f64,
    #[serde(skip)]
    ended_ms: Option<i64>,
}

/// Rows by the order in which they began, and the row that each id names now.
#[derive(Default)]
struct Rows {
    next: u64,
    by_order: BTreeMap<u64, Row>,
    current: HashMap<String, u64>,
    forgotten: u64,
}

/// Lists the runs.
///
/// Exits with 2 when the events' place is not known, with 3 when they cannot be read or the result
/// not be written.
pub fn run(args: &RunsArgs, color: bool, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    conclude(list(args, Paint { color }, out, err), err)
}

fn list(
    args: &RunsArgs,
    paint: Paint,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Trouble> {
    let mut rows = Rows::default();
    let unreadable = events::scan(&args.from.paths()?, |event: Event| rows.take(&event))?;
    let forgotten = rows.forgotten;
    let wanted = rows.by_order.into_values().filter(|row| !args.refused || row.refused > 0);
    let mut wanted: Vec<Row> = wanted.collect();
    let hidden = wanted.len().saturating_sub(args.limit);
    let shown = wanted.split_off(hidden);
    match args.output {
        Output::Json => {
            serde_json::to_writer(&mut *out, &shown).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        Output::Text => text(&shown, paint, out)?,
    }
    out.flush()?;
    let earlier = forgotten.saturating_add(hidden as u64);
    if earlier > 0 {
        writeln!(err, "note: {} not shown (--limit shows more)", count(earlier, "earlier run"))?;
    }
    if unreadable > 0 {
        writeln!(err, "note: {unreadable} lines could not be read")?;
    }
    Ok(())
}

fn text(rows: &[Row], paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    let head = format!(
        "{:<RUN_WIDTH$} {:<19} {:>6} {:>6} {:>7} {:>9} end",
        "run", "began (UTC)", "calls", "failed", "refused", "took"
    );
    writeln!(out, "{}", paint.tone(Tone::Faint, &head))?;
    for row in rows {
        let tone = match row.status {
            "stopped" => Tone::Refused,
            _ if row.refused > 0 || row.failed > 0 => Tone::Failed,
            _ => Tone::Plain,
        };
        let end = match (row.status, &row.rule, &row.stop_reason) {
            ("stopped", Some(rule), Some(reason)) => format!("stopped: {rule} ({reason})"),
            (status, _, Some(reason)) => format!("{status}: {reason}"),
            (status, _, None) => status.to_owned(),
        };
        let began = DateTime::from_timestamp_millis(row.started_ms);
        writeln!(
            out,
            "{:<RUN_WIDTH$} {:<19} {:>6} {:>6} {:>7} {:>9} {}",
            fit(&row.run_id, RUN_WIDTH),
            began.map(|began| began.format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default(),
            row.calls,
            row.failed,
            row.refused,
            duration(row.duration_ms),
            paint.tone(tone, &fit(&end, 60)),
        )?;
    }
    Ok(())
}

impl Rows {
    fn take(&mut self, event: &Event) {
        let Some(run_id) = &event.run_id else { return };
        let known = self.current.get(run_id).and_then(|order| self.by_order.get(order));
        let after =
            known.and_then(|row| Some(event.after_end(row.ended_ms?, row.stop_reason.as_deref())));
        if known.is_none() || after == Some(AfterEnd::Anew) {
            self.begin(run_id, event.ts_ms);
        }
        let order = self.current.get(run_id);
        if let Some(row) = order.and_then(|order| self.by_order.get_mut(order)) {
            if after == Some(AfterEnd::GoesOn) {
                (row.status, row.stop_reason, row.ended_ms) = ("live", None, None);
            }
            row.take(event);
        }
    }

    fn begin(&mut self, run_id: &str, started_ms: i64) {
        if self.by_order.len() >= RUN_LIMIT
            && let Some((order, oldest)) = self.by_order.pop_first()
        {
            self.forgotten = self.forgotten.saturating_add(1);
            if self.current.get(&oldest.run_id) == Some(&order) {
                self.current.remove(&oldest.run_id);
            }
        }
        let row = Row {
            run_id: run_id.to_owned(),
            status: "live",
            stop_reason: None,
            rule: None,
            calls: 0,
            failed: 0,
            refused: 0,
            started_ms,
            duration_ms: 0.0,
            ended_ms: None,
        };
        self.by_order.insert(self.next, row);
        self.current.insert(run_id.to_owned(), self.next);
        self.next = self.next.saturating_add(1);
    }
}

impl Row {
    fn take(&mut self, event: &Event) {
        let since_start = event.ts_ms.saturating_sub(self.started_ms) as f64;
        match event.kind {
            Kind::Call => {
                if !event.is_message() {
                    self.calls = self.calls.saturating_add(1);
                    self.refused = self.refused.saturating_add(u64::from(event.is_refused()));
                    self.failed = self.failed.saturating_add(u64::from(event.is_failed()));
                }
                self.started_ms = self.started_ms.min(event.ts_ms);
                let end = since_start + event.duration_ms.unwrap_or_default();
                self.duration_ms = self.duration_ms.max(end);
            }
            Kind::Stop => {
                let reason = event.stop_reason.as_deref().unwrap_or_default();
                let ended = matches!(reason, "completed" | "idle" | "evicted" | "shutdown");
                self.status = if ended { "ended" } else { "stopped" };
                self.stop_reason.clone_from(&event.stop_reason);
                self.rule.clone_from(&event.rule);
                self.ended_ms = Some(event.ts_ms);
                let told = event.duration_ms.unwrap_or_default();
                self.duration_ms = self.duration_ms.max(told);
            }
            Kind::Other => {}
        }
    }
}
