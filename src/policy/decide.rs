//! The ruling over one call: every applicable rule is asked, the strongest verb decides.
//!
//! Pure: it sees the rules and a view of the call, and nothing is allocated when nothing fires.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use crate::policy::expr::{EvalError, Program, Violation};
use crate::policy::history::Step;
use crate::policy::model::{DefaultDeny, Mode, Requirement, Rule, Verb};
use crate::policy::reason::StopReason;
use crate::policy::set::Applicable;
use crate::policy::view::Env;
use crate::weaken::Hole;

/// One rule that fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `policy/id`
    pub rule: Arc<str>,
    pub verb: Verb,
    pub reason: StopReason,
    /// What the model is told. Empty when an `allow` or `warn` rule has no message.
    pub message: String,
    /// The comparisons that made the rule fire, with what would have passed.
    pub violations: Vec<Violation>,
}

/// What the rules say about one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruling {
    /// Enforced rules that fired with `warn`, `deny` or `stop`, strongest first, then by name.
    pub findings: Vec<Finding>,
    /// The same of rules in observe mode: what would have happened.
    pub observed: Vec<Finding>,
    /// The first enforced `allow` rule that fired.
    pub allowed_by: Option<Arc<str>>,
}

impl Ruling {
    /// The finding that refuses the call, if one does.
    pub fn decisive(&self) -> Option<&Finding> {
        self.findings.first().filter(|finding| finding.verb.refuses())
    }

    /// The findings that let the call pass with a word to the agent.
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.verb == Verb::Warn)
    }
}

/// What makes `default: deny` give way.
#[derive(Clone, Copy, Debug, Default)]
struct Lifting {
    /// A rule in any mode would allow the call, or have it approved.
    would_allow: bool,
    /// An enforced rule has the call approved.
    approvable: bool,
}

/// Asks every applicable rule about the call.
///
/// An expression that cannot be evaluated does not pass: its rule refuses as
/// [`StopReason::RuleError`], whatever its verb is.
pub fn judge(applicable: &Applicable, env: &Env<'_>) -> Ruling {
    let mut ruling = Ruling::default();
    let lifting = ruling.ask(&applicable.rules, env);
    let default_deny = applicable.default_deny.as_ref();
    if let Some(default) = default_deny.filter(|_| !Hole::DefaultAllow.is_open()) {
        let lifted = match default.mode {
            Mode::Enforce => lifting.approvable || ruling.allowed_by.is_some(),
            Mode::Observe | Mode::Off => lifting.would_allow,
        };
        if !lifted {
            ruling.add_default(default, env);
        }
    }
    ruling
}

/// Asks every rule of `phase: result` about the answer, which `env` has; otherwise like [`judge`].
pub fn judge_answer(applicable: &Applicable, env: &Env<'_>) -> Ruling {
    let mut ruling = Ruling::default();
    ruling.ask(&applicable.result_rules, env);
    ruling
}

/// The strongest verb first, then by name. Among equals a rule that could be evaluated stands before
/// one that could not, for it says what would pass.
fn by_precedence(a: &Finding, b: &Finding) -> Ordering {
    let broken = |finding: &Finding| finding.reason == StopReason::RuleError;
    let verb = b.verb.cmp(&a.verb);
    verb.then_with(|| broken(a).cmp(&broken(b))).then_with(|| a.rule.cmp(&b.rule))
}

impl Ruling {
    /// Asks rules and adds what they find, sorted.
    fn ask(&mut self, rules: &[Arc<Rule>], env: &Env<'_>) -> Lifting {
        let mut lifting = Lifting::default();
        for rule in rules {
            let finding = match (fires(rule, env), rule.then) {
                (Ok(false), _) => continue,
                (Ok(true), Verb::Allow) => {
                    lifting.would_allow = true;
                    if rule.mode == Mode::Enforce && self.allowed_by.is_none() {
                        self.allowed_by = Some(rule.name.clone());
                    }
                    continue;
                }
                (Ok(true), Verb::Approve) => {
                    // Whoever approves a call allows it: `default: deny` gives way.
                    lifting.would_allow = true;
                    lifting.approvable |= rule.mode == Mode::Enforce;
                    fired(rule, env)
                }
                (Ok(true), Verb::Warn | Verb::Deny | Verb::Stop) => fired(rule, env),
                (Err(_), _) if Hole::PassUnevaluable.is_open() => continue,
                (Err(error), _) => unevaluable(rule, &error),
            };
            self.add(rule.mode, finding);
        }
        self.findings.sort_by(by_precedence);
        self.observed.sort_by(by_precedence);
        lifting
    }

    fn add(&mut self, mode: Mode, finding: Finding) {
        match mode {
            Mode::Enforce => self.findings.push(finding),
            Mode::Observe => self.observed.push(finding),
            Mode::Off => {}
        }
    }

    /// Behind whatever else refuses, for that says more.
    fn add_default(&mut self, default: &DefaultDeny, env: &Env<'_>) {
        let findings = match default.mode {
            Mode::Enforce => &mut self.findings,
            Mode::Observe => &mut self.observed,
            Mode::Off => return,
        };
        let refusing = findings.partition_point(|finding| finding.verb.refuses());
        findings.insert(refusing, by_default(default, env));
    }
}

fn fires(rule: &Rule, env: &Env<'_>) -> Result<bool, EvalError> {
    if let Some(when) = &rule.when
        && !when.eval_bool(env)?
    {
        return Ok(false);
    }
    if let Some(schema) = &rule.schema {
        // Without an answer there is nothing that satisfies it.
        return Ok(env.answer.is_none_or(|answer| !schema.fits(answer.result)));
    }
    Ok(rule.requires.is_empty() || rule.requires.iter().any(|required| !is_met(required, env)))
}

/// Were there enough earlier calls? One for which `where` cannot be evaluated does not count.
fn is_met(required: &Requirement, env: &Env<'_>) -> bool {
    let calls = |step: &&Step| {
        (step.succeeded || Hole::CountFailures.is_open()) && required.call.matches(&step.tool)
    };
    if required.last {
        let latest = env.run.history.steps().rev().find(calls);
        return latest.is_some_and(|step| satisfies(required, step, env));
    }
    if required.within.is_none() && required.condition.is_none() {
        // Tallies reach back further than the remembered steps.
        let tallied = env.run.history.tallies().filter(|(tool, _)| required.call.matches(tool));
        if tallied.fold(0u64, |sum, (_, tally)| sum.saturating_add(tally.succeeded))
            >= required.count
        {
            return true;
        }
    }
    let wanted = usize::try_from(required.count).unwrap_or(usize::MAX);
    let found = env.run.history.steps().rev().filter(calls);
    found.filter(|step| satisfies(required, step, env)).take(wanted).count() >= wanted
}

fn satisfies(required: &Requirement, step: &Step, env: &Env<'_>) -> bool {
    let recent = |within: Duration| env.now.since(step.ended) <= within;
    required.within.is_none_or(recent)
        && required.condition.as_ref().is_none_or(|condition| {
            condition.eval_bool(&Env { prior: Some(step), ..*env }).unwrap_or(false)
        })
}

fn fired(rule: &Rule, env: &Env<'_>) -> Finding {
    let explain = |when: &Program| when.violations(env);
    let when = rule.when.as_ref().filter(|_| rule.explain && rule.then.refuses());
    Finding {
        rule: rule.name.clone(),
        verb: rule.then,
        reason: rule.reason,
        message: rule.message.render(env),
        violations: when.map(explain).unwrap_or_default(),
    }
}

fn unevaluable(rule: &Rule, error: &EvalError) -> Finding {
    Finding {
        rule: rule.name.clone(),
        verb: Verb::Deny,
        reason: StopReason::RuleError,
        message: format!("The rule {} could not be evaluated: {error}.", rule.name),
        violations: Vec::new(),
    }
}

fn by_default(default: &DefaultDeny, env: &Env<'_>) -> Finding {
    Finding {
        rule: default.name.clone(),
        verb: Verb::Deny,
        reason: StopReason::ToolNotAllowed,
        message: format!("No rule allows {} here. Use another tool.", env.call.tool.name),
        violations: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
