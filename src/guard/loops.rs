//! Repetition, judged with results: a poll whose answer changes is not a loop.

use std::sync::Arc;

use crate::call::StopReason;
use crate::guard::Findings;
use crate::guard::limits::{self, Excess};
use crate::policy::history::History;
use crate::policy::model::{Limit, Maximum, Within};
use crate::policy::view::Env;

/// Finds the limits on `identical_calls` that the call would break.
pub(super) fn judge(limits: &[Arc<Limit>], call_key: u64, env: &Env<'_>, found: &mut Findings) {
    for limit in limits {
        for maximum in &limit.max {
            let Maximum::IdenticalCalls(max) = maximum else { continue };
            let window = match limit.within {
                Some(Within::Steps(steps)) => steps,
                Some(Within::Duration(_)) | None => usize::MAX,
            };
            let repeated = identical_calls(env.run.history, call_key, window);
            if repeated >= u64::from(*max) {
                let excess = Excess {
                    reason: StopReason::LoopDetected,
                    path: "/run/identical_calls",
                    limit: u64::from(*max),
                    actual: repeated,
                    default_message: format!(
                        "{} was called {repeated} times with the same arguments and gave the same \
                         result each time. Change the arguments, or say what blocks you.",
                        env.call.tool.name
                    ),
                };
                limits::report(limit, excess, env, found);
            }
        }
    }
}

/// Earlier calls, among the last `window` steps, with the same tool and arguments and with the
/// result that the latest of them gave.
fn identical_calls(history: &History, call_key: u64, window: usize) -> u64 {
    let mut latest = None;
    let mut count = 0_u64;
    for step in history.steps().rev().take(window) {
        if step.call_key != call_key {
            continue;
        }
        if *latest.get_or_insert(step.result_key) == step.result_key {
            count = count.saturating_add(1);
        }
    }
    count
}
