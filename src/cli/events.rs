//! Reads events back, one JSON object a line, from files that other versions may have written:
//! unknown members and unreadable lines (a rotated file's first, a running gate's last) are passed
//! over.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::call::PROTOCOL_PREFIX;

/// Longest line that is read; a longer one counts as unreadable.
const LINE_LIMIT_BYTES: u64 = 1_048_576;

/// What an event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Call,
    Stop,
    /// Something that another version records.
    #[serde(other)]
    Other,
}

/// Which run an event belongs to; all that is read when a run is looked for.
#[derive(Debug, Deserialize)]
pub struct Belonging {
    pub kind: Kind,
    #[serde(default)]
    pub run_id: Option<String>,
}

/// One event, as far as the commands look at it. The members are those of the events file.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Event {
    pub ts_ms: i64,
    pub kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_id: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args_sha: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_sha: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate_us: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_class: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules_observed: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed: Vec<ObservedRule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_input: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_output: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// What a rule in observe mode would have done.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ObservedRule {
    pub rule: String,
    pub verdict: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
}

/// Totals of a run, on its stop event.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Usage {
    #[serde(default)]
    pub steps: u64,
    #[serde(default)]
    pub calls: u64,
    #[serde(default)]
    pub ok: u64,
    #[serde(default)]
    pub errors: u64,
    #[serde(default)]
    pub denials: u64,
}

/// A file of events that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read events from {path}: {source}")]
pub struct EventsError {
    pub path: String,
    pub source: io::Error,
}

impl Event {
    /// Refused, by a rule or because of the request itself.
    pub fn is_refused(&self) -> bool {
        self.status.as_deref() == Some("denied")
    }

    /// Let through, and not ended well.
    pub fn is_failed(&self) -> bool {
        !self.is_refused() && self.status.as_deref() != Some("ok")
    }

    /// Refused for no other reason than that the run had already been stopped.
    pub fn is_after_stop(&self) -> bool {
        self.stop_reason.as_deref() == Some("run_stopped")
    }

    /// A message that a protocol needs around its calls, and no call: `payments.mcp:tools/list`.
    pub fn is_message(&self) -> bool {
        let operation = self.tool.as_deref().and_then(|tool| tool.split_once('.'));
        operation.is_some_and(|(_, operation)| operation.starts_with(PROTOCOL_PREFIX))
    }

    /// What this event makes of a run that had ended at `stop_ms`, for `reason`.
    pub fn after_end(&self, stop_ms: i64, reason: Option<&str>) -> AfterEnd {
        if self.kind != Kind::Call || self.ts_ms <= stop_ms || self.is_after_stop() {
            return AfterEnd::Nothing;
        }
        match (reason, self.step_id) {
            // Its memory is kept for as long as that of a run that falls silent: its steps go on.
            (Some("completed"), None) => AfterEnd::Nothing,
            (Some("completed"), Some(step)) if step > 1 => AfterEnd::GoesOn,
            (_, _) => AfterEnd::Anew,
        }
    }
}

/// What becomes of a run of which something is heard after its end. The call that stopped a run may
/// stand after the run's end in the file, but not in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterEnd {
    Nothing,
    /// Its model had said its last word, and then said more.
    GoesOn,
    /// Another life under the same id.
    Anew,
}

/// Hands every readable event of the files, in order, to `each`. Returns how many lines could not
/// be read.
///
/// # Errors
/// When a file cannot be opened or read.
pub fn scan<E: DeserializeOwned>(
    paths: &[PathBuf],
    mut each: impl FnMut(E),
) -> Result<u64, EventsError> {
    let mut unreadable = 0_u64;
    for path in paths {
        unreadable = unreadable.saturating_add(scan_from(path, 0, &mut each)?);
    }
    Ok(unreadable)
}

/// As [`scan`], from a position in one file, in bytes.
///
/// # Errors
/// When the file cannot be opened or read.
pub fn scan_from<E: DeserializeOwned>(
    path: &Path,
    start: u64,
    mut each: impl FnMut(E),
) -> Result<u64, EventsError> {
    let failed = |source| EventsError { path: path.display().to_string(), source };
    let mut file = File::open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(start)).map_err(failed)?;
    let mut reader = BufReader::with_capacity(65_536, file);
    let mut line = Vec::new();
    let mut unreadable = 0_u64;
    while read_line(&mut reader, &mut line).map_err(failed)? {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match serde_json::from_slice(&line) {
            Ok(event) => each(event),
            Err(_) => unreadable = unreadable.saturating_add(1),
        }
    }
    Ok(unreadable)
}

/// The next line, or as much of it as the limit allows; the rest of a longer line is skipped.
fn read_line(reader: &mut BufReader<File>, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = reader.by_ref().take(LINE_LIMIT_BYTES).read_until(b'\n', line)?;
    if read as u64 == LINE_LIMIT_BYTES && line.last() != Some(&b'\n') {
        reader.skip_until(b'\n')?;
    }
    Ok(read > 0)
}
