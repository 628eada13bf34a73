//! Limits, checked and compiled.

use std::collections::HashSet;
use std::sync::Arc;

use super::measures::{self, count, most_within, repeats, unfit, window};
use super::{Compiler, File, codes};
use crate::policy::amount::{self, Amount, BILLION, Usd};
use crate::policy::expr::Site;
use crate::policy::model::{Limit, Maximum, Measured, Mode, Per, Verb, Within};
use crate::policy::raw::{RawLimit, RawVerb};
use crate::policy::view::ToolFacts;
use crate::yaml::{Diagnostic, Field, ScalarFault, Text, closest};

/// Measures that stand alone.
const MEASURES: [&str; 12] = [
    "calls",
    "cost_usd",
    "tokens",
    "wall_time",
    "rate",
    "burst",
    "in_flight",
    "errors",
    "denials",
    "denials_same_rule",
    "identical_calls",
    "cycle_repeats",
];

/// Most values that `distinct(…)` tells apart in one window.
const DISTINCT_LIMIT: Amount = 4_096;

/// What is done with the values of an expression.
#[derive(Clone, Copy)]
enum Measures {
    Sum,
    Distinct,
}

impl Compiler<'_> {
    pub(super) fn limit(&mut self, file: &File<'_>, raw: &Field<RawLimit>) {
        let raw = &raw.value;
        let id = self.id(file, &raw.id);
        let per = self.per(file, &raw.per);
        let tools = self.tools(file, raw.tools.as_ref());
        self.subject = tools.clone();
        if raw.max.value.0.is_empty() && file.is_whole(raw.max.span) {
            let fault = Diagnostic::error(codes::EMPTY, "`max` names no measure");
            self.fault(file, raw.max.span, fault.help("for example `max: { calls: 100 }`"));
        }
        let max = self.maxima(file, raw, &per);
        let within = raw.within.as_ref().and_then(|text| self.within(file, text, &max));
        let warn_at = raw.warn_at.as_ref().and_then(|text| self.warn_at(file, text));
        let then = Verb::from(raw.then.value);
        if raw.then.value == RawVerb::Allow {
            let fault = Diagnostic::error(codes::CONTRADICTION, "a limit cannot allow");
            self.fault(file, raw.then.span, fault.help("`warn`, `approve`, `deny` or `stop`"));
        }
        // Without one, the guard says what was used up.
        let message = raw.message.as_ref().map(|text| self.message(file, text)).unwrap_or_default();
        let mode = Self::mode(file, raw.mode.as_ref());
        if mode != Mode::Off {
            let keys = match &per {
                Per::Key(program) => Some(program),
                Per::Run
                | Per::Tool
                | Per::Agent
                | Per::User
                | Per::Tenant
                | Per::Project
                | Per::Global => None,
            };
            let measured = max.iter().filter_map(|maximum| match maximum {
                Maximum::Sum(measured) | Maximum::Distinct(measured) => Some(&measured.program),
                Maximum::Calls(_)
                | Maximum::CostUsd(_)
                | Maximum::Tokens(_)
                | Maximum::WallTime(_)
                | Maximum::Rate(_)
                | Maximum::InFlight(_)
                | Maximum::Errors(_)
                | Maximum::Denials(_)
                | Maximum::DenialsSameRule(_)
                | Maximum::IdenticalCalls(_)
                | Maximum::CycleRepeats(_) => None,
            });
            for program in message.programs().chain(keys).chain(measured) {
                self.capture_of(program, None);
            }
        }
        let approving = self.approving(file, then, raw.approvers.as_ref(), raw.expires.as_ref());
        self.parts.limits.push(Limit {
            name: file.name(&id),
            id,
            policy: file.policy.clone(),
            per,
            tools,
            max,
            within,
            warn_at,
            then,
            message,
            mode,
            explain: raw.explain.is_none(),
            approving,
        });
    }

    /// A word, or else an expression.
    fn per(&mut self, file: &File<'_>, text: &Text) -> Per {
        const HELP: &str =
            "`run`, `tool`, `agent`, `user`, `tenant`, `project`, `global` or an expression";
        const WORDS: [&str; 7] = ["run", "tool", "agent", "user", "tenant", "project", "global"];
        let word = text.value.trim();
        match word {
            "run" => return Per::Run,
            "tool" => return Per::Tool,
            "agent" => return Per::Agent,
            "user" => return Per::User,
            "tenant" => return Per::Tenant,
            "project" => return Per::Project,
            "global" => return Per::Global,
            _ => {}
        }
        if word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            let message = format!("limits cannot be counted per `{word}`");
            let fault = Diagnostic::error(codes::PER, message).help(
                match closest(word, WORDS.into_iter()) {
                    Some(close) => format!("did you mean `{close}`?"),
                    None => HELP.to_owned(),
                },
            );
            self.fault(file, text.span, fault);
            return Per::Run;
        }
        self.expression(file, text, Site::Key).map_or(Per::Run, Per::Key)
    }

    fn maxima(&mut self, file: &File<'_>, raw: &RawLimit, per: &Per) -> Vec<Maximum> {
        let entries = &raw.max.value;
        let burst = entries.iter().find(|(name, _)| name.value == "burst").map(|(_, value)| value);
        let mut max = Vec::new();
        for (name, value) in entries {
            if name.value == "burst" {
                if !entries.iter().any(|(name, _)| name.value == "rate") {
                    let fault = Diagnostic::error(codes::CONTRADICTION, "`burst` without `rate`");
                    let help = "for example `max: { rate: 5/s, burst: 10 }`";
                    self.fault(file, name.span, fault.help(help));
                }
                continue;
            }
            let Some(maximum) = self.maximum(file, name, value, burst) else { continue };
            self.check_per(file, name, &maximum, per);
            max.push(maximum);
        }
        max
    }

    fn maximum(
        &mut self,
        file: &File<'_>,
        name: &Field<String>,
        value: &Text,
        burst: Option<&Text>,
    ) -> Option<Maximum> {
        let read = match name.value.as_str() {
            "calls" => count(value).map(Maximum::Calls),
            "cost_usd" => {
                self.check_cost(file, name);
                usd(value).map(Maximum::CostUsd)
            }
            "tokens" => {
                self.check_tokens(file, name);
                count(value).map(Maximum::Tokens)
            }
            "wall_time" => measures::period(value).map(Maximum::WallTime),
            "rate" => {
                let burst = burst.and_then(|text| {
                    count(text).map_err(|fault| self.fault(file, text.span, fault)).ok()
                });
                measures::rate(value, burst).map(Maximum::Rate)
            }
            "in_flight" => count(value).map(Maximum::InFlight),
            "errors" => count(value).map(Maximum::Errors),
            "denials" => count(value).map(Maximum::Denials),
            "denials_same_rule" => count(value).map(Maximum::DenialsSameRule),
            "identical_calls" => repeats(value).map(Maximum::IdenticalCalls),
            "cycle_repeats" => measures::cycles(value).map(Maximum::CycleRepeats),
            other => return self.measured(file, other, name, value),
        };
        read.map_err(|fault| self.fault(file, value.span, fault)).ok()
    }

    /// Tokens count where a model is called.
    fn check_tokens(&mut self, file: &File<'_>, name: &Field<String>) {
        let Some(catalogue) = self.catalogue else { return };
        let counts = |tool: &ToolFacts| catalogue.meters.tokens.contains(&tool.name);
        if !catalogue.tools.iter().any(|tool| counts(tool) && self.subject.matches(tool)) {
            let message = "no tool of this limit reports tokens: this never fires";
            let fault = Diagnostic::warning(codes::UNMEASURED, message);
            self.fault(file, name.span, fault.help("calls of `llm` upstreams do"));
        }
    }

    /// Money counts where a call has a cost.
    fn check_cost(&mut self, file: &File<'_>, name: &Field<String>) {
        let Some(catalogue) = self.catalogue else { return };
        let meters = &catalogue.meters;
        let about = |names: &HashSet<Arc<str>>| {
            let mut tools = catalogue.tools.iter().filter(|tool| names.contains(&tool.name));
            tools.any(|tool| self.subject.matches(tool))
        };
        // Tools of an open server have names that nobody knows: any pattern may be about one.
        let never = !about(&meters.costs) && meters.cost_servers.is_empty();
        let (message, help) = if about(&meters.unpriced) {
            let message = "no price is known of any model: this lets no call to one pass";
            (message, "name a file of `prices`, or give the upstream a `cost_usd`")
        } else if never {
            let message = "no tool of this limit has a cost: this never fires";
            (message, "give its tools a `cost_usd`, or models their `prices`")
        } else {
            return;
        };
        let fault = Diagnostic::warning(codes::UNMEASURED, message);
        self.fault(file, name.span, fault.help(help));
    }

    /// `sum(EXPR)` or `distinct(EXPR)`.
    fn measured(
        &mut self,
        file: &File<'_>,
        text: &str,
        name: &Field<String>,
        value: &Text,
    ) -> Option<Maximum> {
        let text = text.trim();
        let inside = |prefix: &str| text.strip_prefix(prefix)?.strip_suffix(')');
        let (source, kind, site) = match (inside("sum("), inside("distinct(")) {
            (Some(source), _) => (source, Measures::Sum, Site::Amount),
            (None, Some(source)) => (source, Measures::Distinct, Site::Key),
            (None, None) => {
                self.fault(file, name.span, unknown_measure(text));
                return None;
            }
        };
        let max = match kind {
            Measures::Sum => number(value),
            Measures::Distinct => distinct(value),
        };
        let max = max.map_err(|fault| self.fault(file, value.span, fault)).ok();
        let program = match crate::policy::expr::compile(source, site) {
            Ok(program) => program,
            Err(errors) => {
                for error in errors {
                    let mut fault = Diagnostic::error(error.code, error.message);
                    fault.help = error.help;
                    self.fault(file, name.span, fault);
                }
                return None;
            }
        };
        let measured = Measured { name: Arc::from(text), program, max: max? };
        Some(match kind {
            Measures::Sum => Maximum::Sum(measured),
            Measures::Distinct => Maximum::Distinct(measured),
        })
    }

    /// Some measures exist of runs only.
    fn check_per(&mut self, file: &File<'_>, name: &Field<String>, maximum: &Maximum, per: &Per) {
        let of_runs_only = match maximum {
            Maximum::WallTime(_) | Maximum::IdenticalCalls(_) | Maximum::CycleRepeats(_) => true,
            Maximum::Calls(_)
            | Maximum::CostUsd(_)
            | Maximum::Tokens(_)
            | Maximum::Rate(_)
            | Maximum::InFlight(_)
            | Maximum::Errors(_)
            | Maximum::Denials(_)
            | Maximum::DenialsSameRule(_)
            | Maximum::Sum(_)
            | Maximum::Distinct(_) => false,
        };
        if of_runs_only && !matches!(per, Per::Run) {
            let message = format!("`{}` is measured per run, not per {}", name.value, per.name());
            let fault = Diagnostic::error(codes::PER, message);
            self.fault(file, name.span, fault.help("write `per: run`"));
        }
    }

    fn within(&mut self, file: &File<'_>, text: &Text, max: &[Maximum]) -> Option<Within> {
        let within = match window(&text.value) {
            Ok(within) => within,
            Err(fault) => {
                self.fault(file, text.span, fault);
                return None;
            }
        };
        for maximum in max {
            if let Some(most) = most_within(maximum, within).filter(|most| most.0 < most.1) {
                let message = format!(
                    "`{}` never comes to {} within {}: at most {} are remembered",
                    &*maximum.measure(),
                    most.1,
                    text.value,
                    most.0,
                );
                let fault = Diagnostic::error(codes::WITHIN, message);
                self.fault(file, text.span, fault.help("a lower maximum"));
            }
            if let Some(help) = unfit(maximum, within) {
                let message =
                    format!("`{}` cannot be counted within {}", &*maximum.measure(), text.value);
                let fault = Diagnostic::error(codes::WITHIN, message);
                self.fault(file, text.span, fault.help(help));
            }
        }
        Some(within)
    }

    /// A share of the maximum between 0 and 1.
    fn warn_at(&mut self, file: &File<'_>, text: &Text) -> Option<Amount> {
        let share = amount::billionths(&text.value);
        if let Some(share) = share.ok().filter(|share| (1..BILLION).contains(share)) {
            return Some(share);
        }
        let message = format!("expected a share between 0 and 1, found `{}`", text.value);
        let fault = Diagnostic::error(codes::MEASURE, message);
        self.fault(file, text.span, fault.help("for example `warn_at: 0.8`"));
        None
    }
}

fn unknown_measure(name: &str) -> Diagnostic {
    let fault = Diagnostic::error(codes::MEASURE, format!("there is no measure `{name}`"));
    fault.help(match closest(name, MEASURES.into_iter()) {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("`{}`, `sum(…)` or `distinct(…)`", MEASURES.join("`, `")),
    })
}

fn usd(value: &Text) -> Result<Usd, Diagnostic> {
    match Usd::parse(&value.value) {
        Ok(usd) if usd == Usd::ZERO => Err(measures::nothing_passes()),
        Ok(usd) => Ok(usd),
        Err(fault) => Err(diagnostic(fault)),
    }
}

fn number(value: &Text) -> Result<Amount, Diagnostic> {
    match amount::billionths(&value.value) {
        Ok(0) => Err(measures::nothing_passes()),
        Ok(number) => Ok(number),
        Err(fault) => Err(diagnostic(fault)),
    }
}

fn distinct(value: &Text) -> Result<Amount, Diagnostic> {
    let wanted = Amount::from(count(value)?);
    if wanted <= DISTINCT_LIMIT {
        return Ok(wanted);
    }
    let message = format!("at most {DISTINCT_LIMIT} values are told apart, fewer than {wanted}");
    Err(Diagnostic::error(codes::MEASURE, message))
}

fn diagnostic(fault: ScalarFault) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(codes::MEASURE, fault.message);
    diagnostic.help = fault.help;
    diagnostic
}
