//! What is known of a run's calls, bounded, and whether the run failed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::call::trace::TraceParent;
use crate::call::{RunEnd, Status};

/// First calls of a run that are kept whatever follows: what it was begun with.
const FIRST_LIMIT_STEPS: usize = 16;

/// Last calls of a run that are kept.
const LAST_LIMIT_STEPS: usize = 48;

/// Longest text of a call that is shown to a judge, in bytes.
pub const CONTENT_LIMIT_BYTES: usize = 2 * 1024;

/// Most memory for the contents of one run; texts beyond it are left out.
const CONTENTS_LIMIT_BYTES: usize = 96 * 1024;

/// Calls at the end of a run of which none may have failed.
const LAST_THAT_MUST_HOLD: usize = 3;

/// A closed call. What of it is shown to a judge is [`Shown`].
#[derive(Clone, Debug)]
pub struct Step {
    /// `dec_` and 26 characters.
    pub call_id: String,
    pub trace: Option<TraceParent>,
    pub status: Status,
    /// It stopped its run, or was refused because that had been stopped before: the end has been told
    /// of by then.
    pub after_the_stop: bool,
    pub shown: Shown,
}

/// What a judge is shown of a call: names, figures, digests; contents only where they are recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// `server.operation`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<Arc<str>>,
    pub protocol: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Arc<str>>,
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<&'static str>,
    /// What the model of the run had to do with the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<&'static str>,
    pub duration_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args_sha: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_sha: Option<String>,
    /// What it was called with, as it is recorded; see [`shown`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<String>,
    /// What it answered, as it is recorded; see [`shown`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// How a run came to its end.
#[derive(Clone, Debug)]
pub struct Ending {
    pub end: RunEnd,
    /// The rule or limit that stopped it.
    pub rule: Option<Arc<str>>,
    pub duration: Duration,
    pub calls: u64,
    pub errors: u64,
    pub denials: u64,
    pub cost_usd: f64,
    pub tokens: u64,
}

/// The calls of a run: its first and its last ones.
#[derive(Debug, Default)]
pub struct Transcript {
    first: Vec<Step>,
    last: VecDeque<Step>,
    /// Calls between the two that are not kept.
    omitted: u64,
    contents_bytes: usize,
    /// Some call was sent and not answered, and may have changed something.
    in_doubt: bool,
}

impl Transcript {
    /// Adds a call.
    pub fn push(&mut self, mut step: Step) {
        self.in_doubt |= step.status == Status::Unknown;
        step.shown.args = step.shown.args.take().and_then(|text| self.admit(text));
        step.shown.result = step.shown.result.take().and_then(|text| self.admit(text));
        if self.first.len() < FIRST_LIMIT_STEPS {
            return self.first.push(step);
        }
        self.last.push_back(step);
        if self.last.len() > LAST_LIMIT_STEPS
            && let Some(gone) = self.last.pop_front()
        {
            self.omitted = self.omitted.saturating_add(1);
            let bytes = gone.shown.contents_bytes();
            self.contents_bytes = self.contents_bytes.saturating_sub(bytes);
        }
    }

    /// A text, if there is room for it.
    fn admit(&mut self, text: String) -> Option<String> {
        let bytes = self.contents_bytes.saturating_add(text.len());
        if bytes > CONTENTS_LIMIT_BYTES {
            return None;
        }
        self.contents_bytes = bytes;
        Some(text)
    }

    /// The calls that are kept, in order.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = &Step> {
        self.first.iter().chain(&self.last)
    }

    /// The last call.
    pub fn last(&self) -> Option<&Step> {
        self.last.back().or_else(|| self.first.last())
    }

    /// Calls in the middle that are not kept.
    pub fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Whether anything of what calls said is in it.
    pub fn has_contents(&self) -> bool {
        self.contents_bytes > 0
    }

    /// What it takes of memory, in bytes; what is shared with others is not counted.
    pub fn weight_bytes(&self) -> usize {
        // Two digests, a call's id.
        const TEXTS_BYTES: usize = 128;
        let kept = self.first.len().saturating_add(self.last.len());
        let each = size_of::<Step>().saturating_add(TEXTS_BYTES);
        kept.saturating_mul(each).saturating_add(self.contents_bytes).saturating_add(256)
    }
}

/// A text as it is shown: cut.
pub fn shown(text: &str) -> String {
    let cut = text.get(..text.floor_char_boundary(CONTENT_LIMIT_BYTES)).unwrap_or_default();
    if cut.len() < text.len() { format!("{cut}… [cut]") } else { text.to_owned() }
}

impl Shown {
    fn contents_bytes(&self) -> usize {
        let len = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        len(&self.args).saturating_add(len(&self.result))
    }
}

impl Ending {
    /// Whether the run failed: it was stopped; or a call of it was sent, not answered, and may have
    /// changed something; or one of its last three calls failed; or its last call was refused.
    pub fn is_failed(&self, transcript: &Transcript) -> bool {
        let stopped = match self.end {
            RunEnd::Stopped(_) => true,
            RunEnd::Completed | RunEnd::Idle | RunEnd::Evicted | RunEnd::Shutdown => false,
        };
        let mut last = transcript.steps().rev().take(LAST_THAT_MUST_HOLD);
        let refused = transcript.last().is_some_and(|step| step.status == Status::Denied);
        stopped || transcript.in_doubt || refused || last.any(|step| failed(step.status))
    }
}

fn failed(status: Status) -> bool {
    match status {
        Status::Error | Status::Timeout | Status::Cancelled | Status::Unknown => true,
        Status::Ok | Status::Denied => false,
    }
}
