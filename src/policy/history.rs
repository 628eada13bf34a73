//! What is remembered of a run's earlier calls, as far as rules read it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::json;

/// Steps remembered of one run; older ones leave only their tallies behind, and a rule that asks
/// for one of them refuses.
pub const HISTORY_LIMIT_STEPS: usize = 256;

/// The latest steps, which are remembered in any case. Of the older ones those that no rule reads a
/// value of are forgotten first, so that cheap calls do not push out what rules go by.
const RECENT_STEPS: usize = 128;

/// Times remembered of failures and of denials by one rule, for sliding windows over them.
pub const TIMES_LIMIT: usize = 1_024;

/// Values remembered of one run's calls, in bytes; beyond it the oldest become unreadable, and a
/// rule that reads one of them refuses.
pub const CAPTURED_LIMIT_BYTES: usize = 1_048_576;

/// Tools tallied in one run; calls to further tools share the tally `""`.
const TALLY_LIMIT_TOOLS: usize = 1_024;

/// A value of an earlier call that some loaded rule reads, such as `result.status`.
#[derive(Clone, Debug)]
pub struct Captured {
    /// The path as rules write it after `prior.`: `args.payment_id`, `result.status`, `result`.
    pub path: Arc<str>,
    /// `None` when the value was too large to remember: reading it is an error.
    pub value: Option<json::Document>,
}

/// One earlier call that was forwarded and has ended.
#[derive(Clone, Debug)]
pub struct Step {
    pub tool: Arc<str>,
    /// `clock::Now::mono` when it ended.
    pub ended: Duration,
    pub succeeded: bool,
    /// Tool and canonical arguments, 1 and 1.0 being equal.
    pub call_key: u64,
    /// What came back: digest of the result, or of the error class when there was none.
    pub result_key: u64,
    /// A captured path is absent here when the call did not have such a value.
    pub captured: Vec<Captured>,
}

impl Step {
    fn captured_bytes(&self) -> usize {
        let values = self.captured.iter().filter_map(|captured| captured.value.as_ref());
        values.map(|value| value.root().size_bytes()).sum()
    }
}

/// How often a tool was called over the run's whole life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls that were let pass, however they ended and whether they have.
    pub called: u64,
    pub succeeded: u64,
}

/// The earlier calls of one run, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    steps: VecDeque<Arc<Step>>,
    /// Calls that were let pass and have not ended, by their step number in the run: tool and call
    /// key. As many as there are calls in the gate.
    open: BTreeMap<u64, (Arc<str>, u64)>,
    captured_bytes: usize,
    tallies: BTreeMap<Arc<str>, Tally>,
    /// When the latest of the steps ended that were forgotten.
    forgotten: Option<Duration>,
}

impl History {
    /// Counts a call that was let pass as step `number`: from now on it was called, so that calls
    /// beside it already see it. [`History::close`] or [`History::withdraw`] ends that.
    pub fn open(&mut self, number: u64, tool: &Arc<str>, call_key: u64) {
        let tally = self.tally(tool);
        tally.called = tally.called.saturating_add(1);
        self.open.insert(number, (tool.clone(), call_key));
    }

    /// Calls with this tool and these arguments that were let pass and have not ended.
    pub fn open_alike(&self, call_key: u64) -> usize {
        self.open.values().filter(|(_, open)| *open == call_key).count()
    }

    /// Uncounts a call of which no byte was sent.
    pub fn withdraw(&mut self, number: u64) {
        if let Some((tool, _)) = self.open.remove(&number) {
            let tally = self.tally(&tool);
            tally.called = tally.called.saturating_sub(1);
        }
    }

    /// Remembers how the call that was opened as step `number` ended.
    pub fn close(&mut self, number: u64, step: Step) {
        self.withdraw(number);
        self.push(step);
    }

    /// Remembers an ended call, forgetting the oldest beyond [`HISTORY_LIMIT_STEPS`].
    pub fn push(&mut self, step: Step) {
        let tally = self.tally(&step.tool);
        tally.called = tally.called.saturating_add(1);
        if step.succeeded {
            tally.succeeded = tally.succeeded.saturating_add(1);
        }
        if self.steps.len() >= HISTORY_LIMIT_STEPS {
            self.forget_step();
        }
        self.captured_bytes = self.captured_bytes.saturating_add(step.captured_bytes());
        self.steps.push_back(Arc::new(step));
        self.forget_values();
    }

    fn forget_step(&mut self) {
        let mut older = self.steps.iter().take(HISTORY_LIMIT_STEPS.saturating_sub(RECENT_STEPS));
        let unread = older.position(|step| step.captured.is_empty()).unwrap_or_default();
        if let Some(step) = self.steps.remove(unread) {
            self.captured_bytes = self.captured_bytes.saturating_sub(step.captured_bytes());
            self.forgotten = self.forgotten.max(Some(step.ended));
        }
    }

    /// When the latest call ended that is no longer among the remembered steps, if there is one.
    pub fn forgotten(&self) -> Option<Duration> {
        self.forgotten
    }

    /// The tally that calls of a tool are counted in.
    fn tally(&mut self, tool: &Arc<str>) -> &mut Tally {
        let known = self.tallies.contains_key(tool);
        let key = if known || self.tallies.len() < TALLY_LIMIT_TOOLS {
            tool.clone()
        } else {
            Arc::from("")
        };
        self.tallies.entry(key).or_default()
    }

    /// Makes the oldest values unreadable until the rest is within [`CAPTURED_LIMIT_BYTES`].
    fn forget_values(&mut self) {
        for step in &mut self.steps {
            if self.captured_bytes <= CAPTURED_LIMIT_BYTES {
                return;
            }
            let bytes = step.captured_bytes();
            if bytes > 0 {
                for captured in &mut Arc::make_mut(step).captured {
                    captured.value = None;
                }
                self.captured_bytes = self.captured_bytes.saturating_sub(bytes);
            }
        }
    }

    /// The remembered steps, oldest first; reversible.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = &Step> + ExactSizeIterator {
        self.steps.iter().map(Arc::as_ref)
    }

    /// The tools of the calls that were let pass and have not ended.
    pub fn open_calls(&self) -> impl ExactSizeIterator<Item = &str> {
        self.open.values().map(|(tool, _)| &**tool)
    }

    /// Tallies over the run's whole life, by tool.
    pub fn tallies(&self) -> impl Iterator<Item = (&str, Tally)> {
        self.tallies.iter().map(|(tool, tally)| (tool.as_ref(), *tally))
    }
}
