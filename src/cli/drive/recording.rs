//! Recorded runs, read from a file with one run a line.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cli::drive::label;
use crate::json::{self, Digest, Document, JSON_DEPTH_LIMIT};

/// Longest line, and so largest run, in bytes.
const LINE_LIMIT_BYTES: u64 = 67_108_864;

/// Largest recording, in bytes: all of it is held.
const RECORDING_LIMIT_BYTES: u64 = 1_073_741_824;

pub(super) const JSON: &str = "application/json";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// What agents did, and what their tools answered.
#[derive(Debug, Default)]
pub(super) struct Recording {
    pub runs: Vec<Run>,
}

/// One run of an agent.
#[derive(Debug)]
pub(super) struct Run {
    pub id: String,
    pub steps: Vec<Step>,
    /// Something in this run should be refused, though it may not be said which call.
    pub labelled: bool,
}

/// One call.
#[derive(Debug)]
pub(super) struct Step {
    pub tool: String,
    /// The arguments exactly as they were written.
    pub args: Bytes,
    /// Their digest. Absent when they are no JSON object that the gate accepts.
    pub digest: Option<Digest>,
    pub answer: Answer,
    /// Why the call should be refused, if it should.
    pub labels: Vec<String>,
}

/// What the tool answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub content_type: &'static str,
    pub body: Bytes,
}

/// A recording that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordingError {
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: io::Error },
    #[error("{path}:{line}: {reason}")]
    Line { path: String, line: usize, reason: String },
    #[error("{path} is larger than {RECORDING_LIMIT_BYTES} bytes")]
    TooLarge { path: String },
}

#[derive(Deserialize)]
struct RunLine<'a> {
    id: String,
    #[serde(borrow)]
    steps: Vec<StepLine<'a>>,
    #[serde(default)]
    labels: Value,
}

#[derive(Deserialize)]
struct StepLine<'a> {
    tool: String,
    #[serde(borrow)]
    args: &'a RawValue,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    policy_violation: Option<Value>,
}

impl Recording {
    /// Reads a recording, or its first `limit` runs; `prefix` is put in front of run ids.
    pub fn load(path: &Path, limit: Option<usize>, prefix: &str) -> Result<Self, RecordingError> {
        let shown = path.display().to_string();
        let failed = |source| RecordingError::Read { path: shown.clone(), source };
        let mut reader = BufReader::new(File::open(path).map_err(failed)?);
        let mut recording = Self::default();
        let mut ids = HashSet::new();
        let (mut line, mut number, mut total) = (Vec::new(), 0_usize, 0_u64);
        while recording.runs.len() < limit.unwrap_or(usize::MAX) {
            line.clear();
            let read = reader.by_ref().take(LINE_LIMIT_BYTES).read_until(b'\n', &mut line);
            let read = read.map_err(failed)? as u64;
            if read == 0 {
                break;
            }
            number = number.saturating_add(1);
            total = total.saturating_add(read);
            if total > RECORDING_LIMIT_BYTES {
                return Err(RecordingError::TooLarge { path: shown });
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let at =
                |reason: String| RecordingError::Line { path: shown.clone(), line: number, reason };
            let run = Run::parse(&line, prefix).map_err(|error| at(error.to_string()))?;
            if !ids.insert(run.id.clone()) {
                return Err(at(format!("a run with the id `{}` came before", run.id)));
            }
            recording.runs.push(run);
        }
        Ok(recording)
    }

    /// The step at a place, both counted from 0.
    pub fn step(&self, run: usize, step: usize) -> Option<&Step> {
        self.runs.get(run)?.steps.get(step)
    }

    /// Steps of all runs.
    pub fn calls(&self) -> u64 {
        self.runs.iter().map(|run| run.steps.len() as u64).sum()
    }
}

impl Run {
    /// Reads one line.
    pub fn parse(line: &[u8], prefix: &str) -> Result<Self, serde_json::Error> {
        let raw: RunLine<'_> = serde_json::from_slice(line)?;
        let labels = &raw.labels;
        let steps = raw.steps.iter().enumerate().map(|(position, step)| Step {
            tool: step.tool.clone(),
            args: Bytes::copy_from_slice(step.args.get().as_bytes()),
            digest: digest_of(step.args.get()),
            answer: Answer::recorded(step.result.map(RawValue::get), step.error.as_ref()),
            labels: label::of_step(step.policy_violation.as_ref(), labels, position),
        });
        let steps: Vec<Step> = steps.collect();
        let labelled =
            label::is_run_labelled(labels) || steps.iter().any(|step| !step.labels.is_empty());
        Ok(Self { id: format!("{prefix}{}", raw.id), steps, labelled })
    }
}

impl Answer {
    /// The HTTP answer for a recorded result: a string is the body itself, anything else the body
    /// as JSON. A call whose `error` says that it failed is answered 422, with the recorded result
    /// or else the error's text: the tool understood the call and could not do it, so that rules
    /// over the run's history do not take it for done.
    fn recorded(result: Option<&str>, error: Option<&Value>) -> Self {
        let body = result.map(text_of).unwrap_or_default();
        let failure = match error {
            None | Some(Value::Null | Value::Bool(false)) => None,
            Some(Value::String(text)) if text.is_empty() => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => Some(other.to_string()),
        };
        let status = match &failure {
            Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
            None => StatusCode::OK,
        };
        let body = match failure {
            Some(text) if body.is_empty() => text,
            Some(_) | None => body,
        };
        let is_json = Document::from_text(&body).is_ok();
        Self { status, content_type: if is_json { JSON } else { TEXT }, body: Bytes::from(body) }
    }
}

/// The text of a recorded result: a JSON string's contents, other JSON as it was written.
fn text_of(raw: &str) -> String {
    serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned())
}

/// The digest of arguments; absent when the gate would not accept them.
pub(super) fn digest_of(args: &str) -> Option<Digest> {
    let document = Document::parse(Bytes::copy_from_slice(args.as_bytes()), JSON_DEPTH_LIMIT);
    let document = document.ok()?;
    match document.root() {
        value @ json::Value::Object(_) => Some(json::digest(value, None)),
        _ => None,
    }
}
