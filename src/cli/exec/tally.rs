//! What the runs of one program came to, in one line.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::call::RunId;
use crate::ledger::{ApprovalChange, EndedRun, RunEnds};
use crate::policy::amount::Usd;
use crate::record::Recorder;

/// Adds up the runs that have ended, and passes their ends on.
#[derive(Default)]
pub(super) struct Tally {
    recorder: Mutex<Option<Arc<Recorder>>>,
    sum: Mutex<Sum>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    calls: u64,
    errors: u64,
    denials: u64,
    cost: Usd,
}

impl Tally {
    /// Ends of runs are passed on to the recorder from now on.
    pub fn tell(&self, recorder: Arc<Recorder>) {
        *self.recorder.lock() = Some(recorder);
    }

    /// The line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, run: &RunId, err: &mut dyn io::Write) -> io::Result<()> {
        let Sum { calls, errors, denials, cost } = *self.sum.lock();
        let calls_text = if calls == 1 { "call" } else { "calls" };
        writeln!(
            err,
            "toolgate: {}: {calls} {calls_text}, {errors} failed, {denials} denied, {:.4} USD",
            run.0,
            cost.dollars(),
        )
    }
}

impl RunEnds for Tally {
    fn run_ended(&self, run: EndedRun) {
        let mut sum = self.sum.lock();
        sum.calls = sum.calls.saturating_add(run.usage.calls);
        sum.errors = sum.errors.saturating_add(run.usage.errors);
        sum.denials = sum.denials.saturating_add(run.usage.denials);
        sum.cost = sum.cost.plus(run.usage.cost_usd);
        drop(sum);
        let recorder = self.recorder.lock().clone();
        if let Some(recorder) = recorder {
            recorder.run_ended(run);
        }
    }

    fn approval_changed(&self, change: &ApprovalChange) {
        let recorder = self.recorder.lock().clone();
        if let Some(recorder) = recorder {
            recorder.approval_changed(change);
        }
    }
}
