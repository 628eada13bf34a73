//! Holds a gate's events against the recording: one event a call, one stop a run, the digests of
//! what was sent.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use crate::cli::drive::recording::{Recording, Run};
use crate::cli::drive::report::EXAMPLE_LIMIT;
use crate::cli::drive::tally::Tally;
use crate::cli::events::{self, Event, EventsError, Kind};

/// How often a file is looked at again when events are still missing: the gate writes them in
/// batches.
const LOOKS: u32 = 20;

/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// What the events must tell of.
pub(super) enum Expected<'a> {
    /// These calls; the runs may still be open.
    Calls(&'a Tally),
    /// All runs, ended.
    WholeRuns {
        /// Runs may have been broken off after a refused call.
        stop_at_refusal: bool,
    },
}

/// How the events compare.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub calls: u64,
    pub stops: u64,
    /// Calls whose digest of arguments is the recording's.
    pub digests_equal: u64,
    /// Events of runs that are not in the recording.
    pub of_other_runs: u64,
    pub unreadable: u64,
    pub faults: u64,
    pub examples: Vec<String>,
}

/// What is seen of one run.
#[derive(Default)]
struct Seen {
    calls: Vec<SeenCall>,
    stops: u64,
}

struct SeenCall {
    step_id: Option<u64>,
    tool: Option<String>,
    args_sha: Option<String>,
    refused: bool,
}

/// The size of a file in bytes; 0 when there is none yet.
pub(super) fn size_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// As [`check`], again and again for a while as long as something is missing.
pub(super) async fn patiently(
    path: &Path,
    start: u64,
    recording: &Recording,
    expected: &Expected<'_>,
) -> Result<Checked, EventsError> {
    for _ in 1..LOOKS {
        if let Ok(checked) = check(path, start, recording, expected)
            && checked.faults == 0
        {
            return Ok(checked);
        }
        tokio::time::sleep(PAUSE).await;
    }
    check(path, start, recording, expected)
}

/// Compares the events from a position in the file, in bytes, with the recording.
pub(super) fn check(
    path: &Path,
    start: u64,
    recording: &Recording,
    expected: &Expected<'_>,
) -> Result<Checked, EventsError> {
    let mut checked = Checked::default();
    let mut seen: HashMap<&str, Seen> =
        recording.runs.iter().map(|run| (run.id.as_str(), Seen::default())).collect();
    checked.unreadable = events::scan_from(path, start, |event: Event| {
        let run = event.run_id.as_deref().and_then(|id| seen.get_mut(id));
        match (run, event.kind) {
            (Some(run), Kind::Call) => run.calls.push(SeenCall {
                refused: event.is_refused(),
                step_id: event.step_id,
                tool: event.tool,
                args_sha: event.args_sha,
            }),
            (Some(run), Kind::Stop) => run.stops = run.stops.saturating_add(1),
            (Some(_), Kind::Other) => {}
            (None, _) => checked.of_other_runs = checked.of_other_runs.saturating_add(1),
        }
    })?;
    for (position, run) in recording.runs.iter().enumerate() {
        let Some(mut seen) = seen.remove(run.id.as_str()) else { continue };
        seen.calls.sort_by_key(|call| call.step_id);
        checked.calls = checked.calls.saturating_add(seen.calls.len() as u64);
        checked.stops = checked.stops.saturating_add(seen.stops);
        checked.count(position, run, &seen, expected);
        for (number, call) in seen.calls.iter().enumerate() {
            checked.compare(run, number, call);
        }
    }
    Ok(checked)
}

impl Checked {
    fn fault(&mut self, text: impl FnOnce() -> String) {
        self.faults = self.faults.saturating_add(1);
        if self.examples.len() < EXAMPLE_LIMIT {
            self.examples.push(text());
        }
    }

    /// One event a call, one stop a run.
    fn count(&mut self, position: usize, run: &Run, seen: &Seen, expected: &Expected<'_>) {
        let events = seen.calls.len();
        let (made, stops_wanted) = match expected {
            Expected::Calls(tally) => (tally.fates.get(position).map_or(0, Vec::len), 0..=1),
            Expected::WholeRuns { stop_at_refusal } => {
                let broken_off =
                    *stop_at_refusal && seen.calls.last().is_some_and(|last| last.refused);
                let made = if broken_off { events } else { run.steps.len() };
                (made, 1..=1)
            }
        };
        if events != made {
            self.fault(|| format!("{}: {events} call events of {made} calls", run.id));
        }
        // A run without a step never began.
        if made > 0 && !stops_wanted.contains(&seen.stops) {
            self.fault(|| format!("{}: {} stop events", run.id, seen.stops));
        }
    }

    /// The event of the run's step at `number`, counted from 0.
    fn compare(&mut self, run: &Run, number: usize, call: &SeenCall) {
        // More events than steps have been counted.
        let Some(step) = run.steps.get(number) else { return };
        let step_id = number.saturating_add(1);
        if call.step_id != u64::try_from(step_id).ok() {
            let recorded = call.step_id;
            self.fault(|| format!("{} step {step_id}: recorded as step {recorded:?}", run.id));
        }
        let digest = step.digest.map(|digest| digest.to_string());
        if call.args_sha == digest {
            self.digests_equal = self.digests_equal.saturating_add(1);
        } else {
            let recorded = call.args_sha.as_deref().unwrap_or("none");
            let wanted = digest.as_deref().unwrap_or("none");
            self.fault(|| {
                format!("{} step {step_id}: args_sha {recorded}, should be {wanted}", run.id)
            });
        }
        let operation = call.tool.as_deref().and_then(|tool| tool.split_once('.'));
        if digest.is_some() && operation.is_none_or(|(_, operation)| operation != step.tool) {
            let recorded = call.tool.as_deref().unwrap_or("none");
            self.fault(|| {
                format!("{} step {step_id}: tool {recorded}, should be {}", run.id, step.tool)
            });
        }
    }
}
