//! What the runs of one program came to, in one line.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::call::RunId;
use crate::ledger::{ApprovalChange, EndedRun, RunEnds, Unreported};
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
        let Unreported { calls, errors, denials, cost_usd, .. } = run.unreported();
        let mut sum = self.sum.lock();
        sum.calls = sum.calls.saturating_add(calls);
        sum.errors = sum.errors.saturating_add(errors);
        sum.denials = sum.denials.saturating_add(denials);
        sum.cost = sum.cost.plus(cost_usd);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::call::{Caller, RunEnd};
    use crate::ledger::Usage;

    #[test]
    fn a_run_that_completes_twice_is_counted_once() {
        let usage =
            |calls, nanos| Usage { calls, cost_usd: Usd::from_nanos(nanos), ..Usage::default() };
        let ended = |usage, before| EndedRun {
            id: RunId("r".into()),
            id_source: "token",
            caller: Caller::default(),
            end: RunEnd::Completed,
            rule: None,
            parent: None,
            duration: Duration::ZERO,
            usage,
            before,
            root: None,
        };
        let tally = Tally::default();
        tally.run_ended(ended(usage(2, 10_000_000), None));
        tally.run_ended(ended(usage(3, 30_000_000), Some(usage(2, 10_000_000))));
        let mut told = Vec::new();
        tally.write(&RunId("r".into()), &mut told).unwrap();
        let told = String::from_utf8(told).unwrap();
        assert_eq!(told, "toolgate: r: 3 calls, 0 failed, 0 denied, 0.0300 USD\n");
    }
}
