//! Playing one test: each step is one call through the guards and, when it passes, into the history.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::codes;
use super::expect::Said;
use super::suite::{Answer, Step, Suite, Test};
use crate::call::{Known, Observed, Refusal, RunId, Status, StopReason, Verdict};
use crate::classify;
use crate::clock::{Clock, ManualClock, Now};
use crate::guard::{self, Granted, Refused};
use crate::json;
use crate::ledger::{
    Asked, Bounds, Denial, EndedRun, Ledger, MintSpec, Reservation, RunEnds, Settlement, Visit,
    Work,
};
use crate::policy::rewrite::{self, Changed};
use crate::policy::set::Applicable;
use crate::policy::view::{CallView, Env};
use crate::review::{self, Passed};
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
    if !test.labels.is_empty() {
        // A run is labelled by whoever makes it before its first call.
        let spec = MintSpec { labels: test.labels.clone(), ..MintSpec::default() };
        let made = ledger.mint(rehearsal(), &test.caller, spec, Duration::ZERO, clock.now());
        if let Err(error) = made {
            return vec![Diagnostic::error(codes::FAILED, error.to_string())];
        }
    }
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

/// The run that is rehearsed.
fn rehearsal() -> RunId {
    RunId(Arc::from("rehearsal"))
}

struct Player<'t> {
    suite: &'t Suite,
    test: &'t Test,
    clock: ManualClock,
    ledger: Arc<Ledger>,
}

/// Arguments as they are judged and sent, and what was said of changing them.
struct Sent {
    text: String,
    args: json::Document,
    notes: Vec<Changed>,
    observed: Vec<Observed>,
}

impl Player<'_> {
    fn call(&self, step: &Step) -> Said {
        let now = self.clock.now();
        let applicable = self.suite.set.applicable(&step.tool);
        let visit = self.ledger.enter(rehearsal(), "test", &self.test.caller, now);
        let number = visit.step();
        let sent = match self.rewritten(step, &visit, &applicable, now) {
            Ok(sent) => sent,
            Err(refusal) => {
                visit.refuse(&Denial::of(&refusal), now);
                return said_refusing(Refused {
                    refusal: *refusal,
                    observed: Vec::new(),
                    budgets: Vec::new(),
                });
            }
        };
        let call = self.view(step, number, sent.args.root(), sent.text.len());
        let call_key = json::loop_key::<&str>(&step.tool.name, sent.args.root(), &[]);
        let (tool, sizes) = (step.tool.name.clone(), step.sizes);
        let asked = Asked { tool, call_key, sizes, work: Work::Tool };
        let decided = visit.decide(asked, call, &applicable.limits, now, |look| {
            guard::judge(call, call_key, &applicable, look, now)
        });
        match decided {
            Ok((granted, reservation)) if !granted.needs_approval.is_empty() => {
                let rule = granted.needs_approval.first().map(|finding| finding.rule.clone());
                reservation.refuse(&Denial { key: rule.unwrap_or_default(), stop: None }, now);
                said_holding(granted)
            }
            Ok((mut granted, reservation)) => {
                granted.warnings.extend(sent.notes.iter().cloned().map(guard::finding));
                granted.observed.extend(sent.observed.iter().cloned());
                reservation.mark_sent();
                let said = answered(step, call, &applicable, &reservation, granted, now);
                reservation.settle(settlement(step, &applicable, sent.args.root()), now);
                Said { args: Some(sent.text), ..said }
            }
            Err(refused) => said_refusing(refused),
        }
    }

    fn view<'a>(
        &'a self,
        step: &'a Step,
        number: u64,
        args: json::Value<'a>,
        bytes: usize,
    ) -> CallView<'a> {
        CallView {
            args,
            args_bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
            protocol: "http",
            method: "POST",
            path: "",
            step: number,
            intended: None,
            model: None,
            tool: &step.tool,
            caller: &self.test.caller,
        }
    }

    /// The arguments as rules want them.
    fn rewritten(
        &self,
        step: &Step,
        visit: &Visit,
        applicable: &Applicable,
        now: Now,
    ) -> Result<Sent, Box<Refusal>> {
        let call = self.view(step, visit.step(), step.args.root(), step.text.len());
        let asked = visit.look(now, |run| {
            let env = Env { call, run, prior: None, answer: None, now };
            rewrite::ask(&applicable.rewrites, &env)
        });
        let asked = asked.map_err(|(rule, error)| unapplied(Some(rule), error.to_string()))?;
        let rewrite::Asked { wanted, would, observed } = asked;
        let mut observed: Vec<Observed> = observed.into_iter().map(Observed::unevaluable).collect();
        let mut tally = would.tally();
        would.rewrite_json(&step.text, &mut tally);
        observed
            .extend(tally.into_iter().filter(|one| one.any).map(|one| Observed::change(one.rule)));
        let mut tally = wanted.tally();
        let text = match wanted.ambiguous(step.args.root()) {
            Some(_) => None,
            None => wanted.rewrite_json(&step.text, &mut tally),
        };
        let rule = tally.first().map(|changed| changed.rule.clone());
        let text = text.ok_or_else(|| unapplied(rule.clone(), "no place to set".to_owned()))?;
        let args =
            json::Document::from_text(&text).map_err(|error| unapplied(rule, error.to_string()))?;
        Ok(Sent { text, args, notes: tally.into_iter().filter(|one| one.any).collect(), observed })
    }
}

fn unapplied(rule: Option<Arc<str>>, why: String) -> Box<Refusal> {
    Box::new(Refusal { rule, ..Refusal::without_rule(StopReason::RuleError, why) })
}

/// What is said once the tool has answered.
fn answered(
    step: &Step,
    call: CallView<'_>,
    applicable: &Applicable,
    reservation: &Reservation,
    mut granted: Granted,
    now: Now,
) -> Said {
    let Some(body) = &step.answer.body else { return said_granting(granted) };
    let headers = HeaderMap::new();
    let status = step.answer.http_status;
    let answer =
        review::Answer { headers: &headers, body, status, is_error: status >= 400, stale: false };
    let mut known = Known::default();
    let text = |body: &[u8]| Some(String::from_utf8_lossy(body).into_owned());
    if !applicable.judges_results() {
        return Said { result: text(body), ..said_granting(granted) };
    }
    let decided = reservation
        .look(now, |run| review::decide(applicable, &answer, call, run, now, &mut known));
    granted.observed.append(&mut known.observed);
    match decided {
        Ok(Passed { changed, notes }) => {
            granted.warnings.extend(notes);
            Said { result: text(changed.as_ref().unwrap_or(body)), ..said_granting(granted) }
        }
        Err(refusal) => {
            reservation.withhold(&Denial::of(&refusal), now);
            said_refusing(Refused {
                refusal: *refusal,
                observed: granted.observed,
                budgets: granted.budgets,
            })
        }
    }
}

fn settlement(step: &Step, applicable: &Applicable, args: json::Value<'_>) -> Settlement {
    let Answer { status, body, http_status: _ } = &step.answer;
    let mut hasher = json::Hasher::new(None);
    hasher.update(body.as_deref().unwrap_or(status.name().as_bytes()));
    Settlement {
        status: *status,
        succeeded: *status == Status::Ok,
        result_key: hasher.finish().short(),
        captured: classify::captured(&applicable.captures, args, body.clone()),
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
        observed: granted.observed.into_iter().map(|observed| observed.rule).collect(),
        args: None,
        result: None,
    }
}

/// A call that a human has to see first.
fn said_holding(granted: Granted) -> Said {
    let Granted { needs_approval, observed, .. } = granted;
    let messages: Vec<&str> =
        needs_approval.iter().map(|finding| finding.message.as_str()).collect();
    Said {
        verdict: Verdict::Approve,
        message: messages.join("\n"),
        rules: needs_approval.iter().map(|finding| finding.rule.clone()).collect(),
        reason: Some(StopReason::ApprovalRequired),
        violations: needs_approval.into_iter().flat_map(|finding| finding.violations).collect(),
        observed: observed.into_iter().map(|observed| observed.rule).collect(),
        args: None,
        result: None,
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
        observed: observed.into_iter().map(|observed| observed.rule).collect(),
        args: None,
        result: None,
    }
}
