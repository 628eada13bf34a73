//! The one record of a call, open from its arrival to its end.

use std::sync::Arc;
use std::time::Duration;

use crate::call::{
    Caller, Came, Ending, ErrorClass, Known, Outcome, Refusal, Status, StopReason, Verdict,
};
use crate::clock::Now;
use crate::record::journal::Slot;
use crate::record::told::{Close, Told};
use crate::record::{Recorder, ids};
use crate::weaken::Hole;

/// The open record. Dropped without being closed, it says that the client went away, or that a
/// task panicked.
pub struct Page {
    recorder: Arc<Recorder>,
    slot: Option<Slot>,
    opened: Now,
    call_id: String,
    caller: Caller,
    /// What is known so far.
    pub known: Known,
}

impl Page {
    pub(super) fn new(
        recorder: Arc<Recorder>,
        slot: Slot,
        opened: Now,
        sequence: u64,
        caller: Caller,
    ) -> Self {
        let call_id = ids::call_id(opened.wall_ms, sequence);
        Self { recorder, slot: Some(slot), opened, call_id, caller, known: Known::default() }
    }

    /// `dec_` and 26 characters; sorts by time.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// When the call arrived.
    pub fn opened(&self) -> Now {
        self.opened
    }

    /// Closes the record of a refused call.
    pub fn refused(mut self, refusal: &Refusal) {
        let outcome = Outcome {
            status: Status::Denied,
            error_class: Some(ErrorClass::of_refusal(refusal.reason)),
            http_status: None,
        };
        self.close(Close {
            outcome,
            verdict: Some(refusal.verdict()),
            rule: refusal.rule.clone(),
            stop_reason: Some(refusal.reason),
            retry_scope: Some(refusal.retry_scope()),
            result: None,
            upstream: Duration::ZERO,
            attempts: None,
            cost_usd: None,
            tokens: None,
        });
    }

    /// Closes the record of a call that took place and whose result the agent did not get.
    pub fn withheld(mut self, refusal: &Refusal, ending: &Ending) {
        let Ending { outcome, result, upstream, attempts, cost_usd, tokens } = *ending;
        let outcome = Outcome {
            status: Status::Denied,
            error_class: Some(ErrorClass::of_refusal(refusal.reason)),
            http_status: outcome.http_status,
        };
        self.close(Close {
            outcome,
            verdict: Some(refusal.verdict()),
            rule: refusal.rule.clone(),
            stop_reason: Some(refusal.reason),
            retry_scope: Some(refusal.retry_scope()),
            // Of a result that was not read to its end there is no digest.
            result: result.filter(|_| refusal.reason != StopReason::ResultTooLarge),
            upstream,
            attempts: Some(attempts),
            cost_usd,
            tokens,
        });
    }

    /// Closes the record of a forwarded call.
    pub fn ended(mut self, ending: &Ending) {
        let Ending { outcome, result, upstream, attempts, cost_usd, tokens } = *ending;
        let warned_by = self.known.warned_by.clone();
        self.close(Close {
            outcome,
            verdict: Some(passed(warned_by.as_deref())),
            rule: warned_by,
            stop_reason: None,
            retry_scope: None,
            result,
            upstream,
            attempts: Some(attempts),
            cost_usd,
            tokens,
        });
    }

    /// Attempts of a call that did not come to its end: those that failed, and the one under way.
    fn attempts_made(&self) -> u32 {
        u32::try_from(self.known.attempts.len()).unwrap_or(u32::MAX).max(1)
    }

    fn close(&mut self, close: Close) {
        let Some(slot) = self.slot.take() else { return };
        let told = Told {
            call_id: std::mem::take(&mut self.call_id),
            caller: self.caller.clone(),
            opened: self.opened,
            ended: self.recorder.clock.now(),
            known: std::mem::take(&mut self.known),
            close,
        };
        let digests = told.digests();
        slot.fill(&told.event(&digests));
        self.recorder.closed(told, &digests);
    }
}

/// The verdict over a call that was let pass.
fn passed(warned_by: Option<&str>) -> Verdict {
    if warned_by.is_some() { Verdict::Warn } else { Verdict::Allow }
}

impl Drop for Page {
    fn drop(&mut self) {
        if self.slot.is_none() || Hole::LoseAborted.is_open() {
            return;
        }
        let changes = self.known.tool.as_ref().is_some_and(|tool| tool.effect.changes());
        let (status, class) = if std::thread::panicking() {
            (Status::Error, ErrorClass::Internal)
        } else if self.known.sent && changes {
            (Status::Unknown, ErrorClass::Cancelled)
        } else {
            (Status::Cancelled, ErrorClass::Cancelled)
        };
        let outcome = Outcome { status, error_class: Some(class), http_status: None };
        if let Some(under_way) = self.known.under_way.take() {
            let now = self.recorder.clock.now();
            self.known.attempts.push(under_way.ended(Came::Failed(class), now));
        }
        let warned_by = self.known.warned_by.clone();
        // What it held was charged in full when it was dropped.
        let unanswered = self.known.unanswered.filter(|_| self.known.sent);
        let (cost_usd, tokens) =
            unanswered.map_or((None, None), |(cost, tokens)| (cost, Some(tokens)));
        self.close(Close {
            outcome,
            verdict: self.known.sent.then(|| passed(warned_by.as_deref())),
            rule: warned_by,
            stop_reason: None,
            retry_scope: None,
            result: None,
            upstream: Duration::ZERO,
            attempts: self.known.sent.then_some(self.attempts_made()),
            cost_usd,
            tokens,
        });
    }
}
