//! What came of a drive, for people or as one JSON object.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::drive::DriveArgs;
use crate::cli::drive::check::Checked;
use crate::cli::drive::gate::Fate;
use crate::cli::drive::recording::Recording;
use crate::cli::drive::tally::{Labels, Split, Tally, Told};
use crate::cli::drive::upstream::Served;
use crate::cli::terminal::{Output, count, duration, fit};

/// Examples that are kept of each kind of mismatch.
pub(super) const EXAMPLE_LIMIT: usize = 20;

/// Calls listed one by one where refusals and labels part.
const LISTED_LIMIT: usize = 20;

/// The same in JSON, where it is read by programs.
const LISTED_JSON_LIMIT: usize = 10_000;

const TEXT_WIDTH: usize = 160;

/// Everything that one drive found.
pub(super) struct Report<'a> {
    recording: &'a Recording,
    pub tally: Option<Tally>,
    pub upstream: Option<Served>,
    pub events: Option<Checked>,
    arrivals: u64,
    arrival_examples: Vec<String>,
}

impl<'a> Report<'a> {
    /// A report of nothing yet.
    pub fn new(recording: &'a Recording) -> Self {
        Self {
            recording,
            tally: None,
            upstream: None,
            events: None,
            arrivals: 0,
            arrival_examples: Vec::new(),
        }
    }

    /// Notes that a call arrived although it was refused, or not once although it was forwarded.
    pub fn arrival(&mut self, example: String) {
        self.arrivals = self.arrivals.saturating_add(1);
        if self.arrival_examples.len() < EXAMPLE_LIMIT {
            self.arrival_examples.push(example);
        }
    }

    /// Everything that differs from the recording.
    pub fn mismatches(&self) -> u64 {
        let seen = match (&self.tally, &self.upstream) {
            (Some(tally), _) => tally.counts().mismatches,
            // What the upstream finds wrong the driver sees as well, if it is ours.
            (None, Some(served)) => served.faults,
            (None, None) => 0,
        };
        let events = self.events.as_ref().map_or(0, |checked| checked.faults);
        seen.saturating_add(self.arrivals).saturating_add(events)
    }

    /// Examples of all that differs.
    fn examples(&self) -> Vec<String> {
        let mut examples = Vec::new();
        if let Some(tally) = &self.tally {
            let mismatched = tally.told(self.recording).filter_map(|told| match told.fate {
                Fate::Mismatch(what) => Some(format!(
                    "{} step {} ({}): {what}",
                    told.run_id, told.step_id, told.step.tool
                )),
                Fate::Forwarded | Fate::Refused { .. } => None,
            });
            examples.extend(mismatched.take(EXAMPLE_LIMIT));
        }
        examples.extend(self.arrival_examples.iter().cloned());
        examples.extend(self.upstream.iter().flat_map(|served| served.examples.iter().cloned()));
        examples.extend(self.events.iter().flat_map(|checked| checked.examples.iter().cloned()));
        examples
    }

    /// Writes the report.
    pub fn write(&self, args: &DriveArgs, out: &mut dyn Write) -> io::Result<()> {
        match args.output {
            Output::Json => {
                serde_json::to_writer(&mut *out, &self.json())?;
                writeln!(out)
            }
            Output::Text => self.text(args, out),
        }
    }

    fn text(&self, args: &DriveArgs, out: &mut dyn Write) -> io::Result<()> {
        if let Some(tally) = &self.tally {
            let counts = tally.counts();
            let ms = tally.elapsed.as_secs_f64() * 1e3;
            let through = args.through.as_deref().unwrap_or_default();
            let (runs, calls) = (count(counts.runs, "run"), count(counts.calls, "call"));
            writeln!(out, "{runs}, {calls} through {through} in {}", duration(ms))?;
            writeln!(out, "{:>8} forwarded and answered as recorded", counts.forwarded)?;
            writeln!(out, "{:>8} refused", counts.refused)?;
            for (rule, reason, times) in tally.by_rule() {
                let rule = if rule.is_empty() { "(no rule)" } else { rule };
                writeln!(out, "{times:>16} {} ({reason})", fit(rule, TEXT_WIDTH))?;
            }
            labels(tally, self.recording, out)?;
        }
        if let Some(served) = &self.upstream {
            let (answers, faults) = (served.answers, served.faults);
            writeln!(out, "upstream: {answers} answers served, {faults} calls not as recorded")?;
        }
        if let Some(checked) = &self.events {
            let Checked { calls, stops, digests_equal, of_other_runs, unreadable, .. } = checked;
            writeln!(
                out,
                "events: {calls} calls, {digests_equal} with the recording's digest of arguments; \
                 {stops} stops"
            )?;
            if *of_other_runs > 0 || *unreadable > 0 {
                writeln!(out, "        {of_other_runs} of other runs, {unreadable} unreadable")?;
            }
        }
        let found = self.mismatches();
        let plural = if found == 1 { "" } else { "es" };
        writeln!(out, "{found} mismatch{plural}")?;
        for example in self.examples() {
            writeln!(out, "  {}", fit(&example, TEXT_WIDTH))?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let tally = self.tally.as_ref().map(|tally| {
            let counts = tally.counts();
            json!({
                "runs": counts.runs,
                "calls": counts.calls,
                "forwarded": counts.forwarded,
                "refused": counts.refused,
                "mismatches": counts.mismatches,
                "elapsed_ms": tally.elapsed.as_secs_f64() * 1e3,
                "by_rule": tally.by_rule().into_iter().map(|(rule, stop_reason, count)|
                    json!({"rule": rule, "stop_reason": stop_reason, "count": count}))
                    .collect::<Vec<_>>(),
                "labels": labels_json(tally, self.recording),
            })
        });
        let upstream = self
            .upstream
            .as_ref()
            .map(|served| json!({"answers": served.answers, "not_as_recorded": served.faults}));
        let events = self.events.as_ref().map(|checked| {
            json!({
                "calls": checked.calls,
                "stops": checked.stops,
                "digests_equal": checked.digests_equal,
                "of_other_runs": checked.of_other_runs,
                "unreadable": checked.unreadable,
                "mismatches": checked.faults,
            })
        });
        json!({
            "recorded_runs": self.recording.runs.len(),
            "recorded_calls": self.recording.calls(),
            "drive": tally,
            "upstream": upstream,
            "events": events,
            "arrival_mismatches": self.arrivals,
            "mismatches": self.mismatches(),
            "examples": self.examples(),
        })
    }
}

fn labels(tally: &Tally, recording: &Recording, out: &mut dyn Write) -> io::Result<()> {
    let Labels { steps, by_label, unlabelled_refused, runs, unlabelled_runs_refused } =
        tally.labels(recording);
    if steps.total() == 0 && runs.total() == 0 {
        return Ok(());
    }
    let of = |split: Split| format!("{} of {}", split.refused, split.total());
    writeln!(out, "labels: {} labelled calls refused, {unlabelled_refused} others", of(steps))?;
    writeln!(
        out,
        "        {} labelled runs with a refusal, {unlabelled_runs_refused} others",
        of(runs)
    )?;
    for (label, split) in &by_label {
        writeln!(out, "{:>16} {}", of(*split), fit(label, TEXT_WIDTH))?;
    }
    if tally.counts().refused == 0 {
        // Nothing is refused, so the list would only repeat the labels.
        return Ok(());
    }
    for (title, told) in [
        ("labelled, not refused:", parted(tally, recording, false)),
        ("refused, not labelled:", parted(tally, recording, true)),
    ] {
        for told in told.take(LISTED_LIMIT) {
            let Told { run_id, step_id, step, fate } = told;
            let why = match fate {
                Fate::Refused { rule, stop_reason } => format!("{rule} {stop_reason}"),
                Fate::Forwarded | Fate::Mismatch(_) => step.labels.join(", "),
            };
            let line = format!("{title} {run_id} step {step_id} {}: {why}", step.tool);
            writeln!(out, "  {}", fit(&line, TEXT_WIDTH))?;
        }
    }
    Ok(())
}

/// Calls whose refusal and label part: refused without a label, or labelled and not refused.
fn parted<'a>(
    tally: &'a Tally,
    recording: &'a Recording,
    wanted_refused: bool,
) -> impl Iterator<Item = Told<'a>> {
    tally.told(recording).filter(move |told| {
        let refused = matches!(told.fate, Fate::Refused { .. });
        refused == wanted_refused && told.step.labels.is_empty() == wanted_refused
    })
}

fn labels_json(tally: &Tally, recording: &Recording) -> Value {
    let labels = tally.labels(recording);
    let split = |split: Split| json!({"refused": split.refused, "passed": split.passed});
    let listed = |refused| {
        let told = parted(tally, recording, refused).take(LISTED_JSON_LIMIT);
        told.map(|told| {
            let rule = match told.fate {
                Fate::Refused { rule, .. } => Some(rule),
                Fate::Forwarded | Fate::Mismatch(_) => None,
            };
            json!({"run_id": told.run_id, "step_id": told.step_id, "tool": told.step.tool,
                "labels": told.step.labels, "rule": rule})
        })
        .collect::<Vec<_>>()
    };
    json!({
        "calls": split(labels.steps),
        "runs": split(labels.runs),
        "by_label": labels.by_label.iter().map(|(label, of)| (label.clone(), split(*of)))
            .collect::<serde_json::Map<_, _>>(),
        "unlabelled_calls_refused": labels.unlabelled_refused,
        "unlabelled_runs_refused": labels.unlabelled_runs_refused,
        "labelled_not_refused": listed(false),
        "refused_not_labelled": listed(true),
    })
}
