//! Playing one test: each step is one call through the guards and, when it passes, into the history.

use std::sync::Arc;
use std::time::Duration;

use super::expect::Said;
use super::suite::{Answer, Step, Suite, Test};
use crate::call::{RunId, Status, Verdict};
use crate::classify;
use crate::clock::{Clock, ManualClock};
use crate::guard::{self, Granted, Refused};
use crate::json;
use crate::ledger::{Asked, Bounds, EndedRun, Ledger, RunEnds, Settlement};
use crate::policy::set::Applicable;
use crate::policy::view::CallView;
use crate::yaml::Diagnostic;

const BOUNDS: Bounds = Bounds { live_runs: 1, idle_end: Duration::MAX };

/// Nobody is told of the end of a rehearsed run.
struct Unheard;

impl RunEnds for Unheard {
    fn run_ended(&self, _: EndedRun) {}
}

/// Plays a test up to the first step that is not as expected, and says how it differs.
pub(super) fn play(suite: &Suite, test: &Test) -> Vec<Diagnostic> {
    let clock = ManualClock::new(test.start_ms);
    let ledger = Ledger::new(Clock::Manual(clock.clone()), BOUNDS, Arc::new(Unheard));
    let player = Player { suite, test, clock, ledger };
    for (position, step) in test.steps.iter().enumerate() {
        for round in 1..=step.repeat {
            player.clock.advance(step.advance);
            let said = player.call(step);
            if let Some(mut fault) = step.expected.check(&said, &suite.source, step.span) {
                let rounds = match step.repeat {
                    1 => String::new(),
                    all => format!(" ({round} of {all})"),
                };
                let place = format!("{}, step {}{rounds}", test.name, position + 1);
                fault.message = format!("{place}: {}", fault.message);
                return vec![fault];
            }
        }
    }
    Vec::new()
}

struct Player<'t> {
    suite: &'t Suite,
    test: &'t Test,
    clock: ManualClock,
    ledger: Arc<Ledger>,
}

impl Player<'_> {
    fn call(&self, step: &Step) -> Said {
        let now = self.clock.now();
        let applicable = self.suite.set.applicable(&step.tool);
        let run = RunId(Arc::from("rehearsal"));
        let visit = self.ledger.enter(run, "test", &self.test.caller, now);
        let args = step.args.root();
        let call = CallView {
            args,
            args_bytes: step.args_bytes,
            protocol: "http",
            method: "POST",
            path: "",
            step: visit.step(),
            intended: None,
            tool: &step.tool,
            caller: &self.test.caller,
        };
        let call_key = json::loop_key::<&str>(&step.tool.name, args, &[]);
        let asked = Asked { tool: step.tool.name.clone(), call_key, sizes: step.sizes };
        let decided = visit.decide(asked, call, &applicable.limits, now, |look| {
            guard::judge(call, call_key, &applicable, look, now)
        });
        match decided {
            Ok((granted, reservation)) => {
                reservation.mark_sent();
                reservation.settle(settlement(step, &applicable), now);
                said_granting(granted)
            }
            Err(refused) => said_refusing(refused),
        }
    }
}

fn settlement(step: &Step, applicable: &Applicable) -> Settlement {
    let Answer { status, body } = &step.answer;
    let mut hasher = json::Hasher::new(None);
    hasher.update(body.as_deref().unwrap_or(status.name().as_bytes()));
    Settlement {
        status: *status,
        succeeded: *status == Status::Ok,
        result_key: hasher.finish().short(),
        captured: classify::captured(&applicable.captures, step.args.root(), body.clone()),
        upstream: Duration::ZERO,
        cost: Some(step.sizes.cost),
        tokens: Some(step.sizes.tokens),
    }
}

fn said_granting(granted: Granted) -> Said {
    let warned = !granted.warnings.is_empty();
    let messages: Vec<&str> =
        granted.warnings.iter().map(|warning| warning.message.as_str()).collect();
    Said {
        verdict: if warned { Verdict::Warn } else { Verdict::Allow },
        message: messages.join("\n"),
        rules: granted.warnings.iter().map(|warning| warning.rule.clone()).collect(),
        reason: None,
        violations: Vec::new(),
        observed: granted.observed.into_iter().collect(),
    }
}

fn said_refusing(refused: Refused) -> Said {
    let Refused { refusal, observed, budgets: _ } = refused;
    Said {
        verdict: refusal.verdict(),
        rules: refusal.rule.into_iter().collect(),
        reason: Some(refusal.reason),
        message: refusal.message,
        violations: refusal.violations,
        observed: observed.into_iter().collect(),
    }
}
