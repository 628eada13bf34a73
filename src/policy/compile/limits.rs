//! Limits, checked and compiled.

use std::time::Duration;

use super::{Compiler, File, codes};
use crate::policy::history::{HISTORY_LIMIT_STEPS, TIMES_LIMIT};
use crate::policy::model::{Limit, Maximum, Mode, Per, Verb, Within};
use crate::policy::raw::{RawLimit, RawVerb};
use crate::yaml::{Diagnostic, Field, Period, Text, closest, codes as yaml_codes};

const MEASURES: [&str; 5] =
    ["calls", "wall_time", "identical_calls", "denials_same_rule", "errors"];

/// Measures that the format knows and this version does not.
const PLANNED_MEASURES: [&str; 7] =
    ["cost_usd", "tokens", "rate", "burst", "in_flight", "denials", "cycle_repeats"];

/// Measures with an expression, of which the same is true.
const PLANNED_EXPRESSIONS: [&str; 2] = ["sum(", "distinct("];

const PERS: [Per; 4] = [Per::Run, Per::Agent, Per::Tenant, Per::Global];

/// Words of `per` that the format knows and this version does not.
const PLANNED_PERS: [&str; 3] = ["tool", "user", "project"];

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
        let mut max = Vec::new();
        for (name, value) in &raw.max.value {
            let Some(maximum) = self.maximum(file, name, value) else {
                continue;
            };
            self.check_per(file, name, maximum, per);
            max.push(maximum);
        }
        let within = raw.within.as_ref().and_then(|text| self.within(file, text, &max));
        let then = Verb::from(raw.then.value);
        if raw.then.value == RawVerb::Allow {
            let fault = Diagnostic::error(codes::CONTRADICTION, "a limit cannot allow");
            self.fault(file, raw.then.span, fault.help("`warn`, `approve`, `deny` or `stop`"));
        }
        // Without one, the guard says what was used up.
        let message = raw.message.as_ref().map(|text| self.message(file, text)).unwrap_or_default();
        let mode = Self::mode(file, raw.mode.as_ref());
        if mode != Mode::Off {
            for program in message.programs() {
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
            then,
            message,
            mode,
            explain: raw.explain.is_none(),
            approving,
        });
    }

    fn per(&mut self, file: &File<'_>, text: &Text) -> Per {
        let word = text.value.trim();
        if let Some(per) = PERS.into_iter().find(|per| per.name() == word) {
            return per;
        }
        let names = PERS.iter().map(|per| per.name());
        let is_word = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let fault = if PLANNED_PERS.contains(&word) || !is_word {
            let message = format!("`per: {word}` is not supported by this version");
            let fault = Diagnostic::error(yaml_codes::UNSUPPORTED, message);
            fault.help("`run`, `agent`, `tenant` or `global`")
        } else {
            let message = format!("limits cannot be counted per `{word}`");
            Diagnostic::error(codes::PER, message).help(match closest(word, names) {
                Some(close) => format!("did you mean `{close}`?"),
                None => "`run`, `agent`, `tenant` or `global`".to_owned(),
            })
        };
        self.fault(file, text.span, fault);
        Per::Run
    }

    fn maximum(&mut self, file: &File<'_>, name: &Field<String>, value: &Text) -> Option<Maximum> {
        let read = match name.value.as_str() {
            "calls" => count(value).map(Maximum::Calls),
            "denials_same_rule" => count(value).map(Maximum::DenialsSameRule),
            "errors" => count(value).map(Maximum::Errors),
            "identical_calls" => repeats(value).map(Maximum::IdenticalCalls),
            "wall_time" => period(value).map(Maximum::WallTime),
            unknown => {
                self.fault(file, name.span, unknown_measure(unknown));
                return None;
            }
        };
        read.map_err(|fault| self.fault(file, value.span, fault)).ok()
    }

    /// Some measures exist of runs only.
    fn check_per(&mut self, file: &File<'_>, name: &Field<String>, maximum: Maximum, per: Per) {
        let of_runs_only = match maximum {
            Maximum::WallTime(_) | Maximum::IdenticalCalls(_) => true,
            Maximum::Calls(_) | Maximum::DenialsSameRule(_) | Maximum::Errors(_) => false,
        };
        if of_runs_only && per != Per::Run {
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
            if let Some(most) = most_within(*maximum, within).filter(|most| most.0 < most.1) {
                let message = format!(
                    "`{}` never comes to {} within {}: at most {} are remembered",
                    maximum.name(),
                    most.1,
                    text.value,
                    most.0,
                );
                let fault = Diagnostic::error(codes::WITHIN, message);
                self.fault(file, text.span, fault.help("a lower maximum"));
            }
            if let Some(help) = unfit(*maximum, within) {
                let message =
                    format!("`{}` cannot be counted within {}", maximum.name(), text.value);
                let fault = Diagnostic::error(codes::WITHIN, message);
                self.fault(file, text.span, fault.help(help));
            }
        }
        Some(within)
    }
}

fn unknown_measure(name: &str) -> Diagnostic {
    let begins = |prefix: &&str| name.trim_start().starts_with(*prefix);
    if PLANNED_MEASURES.contains(&name) || PLANNED_EXPRESSIONS.iter().any(begins) {
        let message = format!("the measure `{name}` is not supported by this version");
        return Diagnostic::error(yaml_codes::UNSUPPORTED, message)
            .help(format!("supported: `{}`", MEASURES.join("`, `")));
    }
    let fault = Diagnostic::error(codes::MEASURE, format!("there is no measure `{name}`"));
    fault.help(match closest(name, MEASURES.into_iter()) {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("supported: `{}`", MEASURES.join("`, `")),
    })
}

fn count(value: &Text) -> Result<u64, Diagnostic> {
    match value.value.parse() {
        Ok(0) => Err(Diagnostic::error(codes::EMPTY, "a maximum of 0 lets no call pass")
            .help("refuse the tools with a rule instead")),
        Ok(count) => Ok(count),
        Err(_) => {
            let message = format!("expected a whole number from 1, found `{}`", value.value);
            Err(Diagnostic::error(codes::MEASURE, message))
        }
    }
}

/// A number of identical calls: no more than are remembered.
fn repeats(value: &Text) -> Result<u32, Diagnostic> {
    let wanted = count(value)?;
    let repeats = u32::try_from(wanted).ok();
    let remembered = |repeats: &u32| {
        usize::try_from(*repeats).is_ok_and(|repeats| repeats <= HISTORY_LIMIT_STEPS)
    };
    repeats.filter(remembered).ok_or_else(|| {
        let message = format!("a run remembers {HISTORY_LIMIT_STEPS} calls, fewer than {wanted}");
        Diagnostic::error(codes::MEASURE, message)
    })
}

fn period(value: &Text) -> Result<Duration, Diagnostic> {
    match Period::parse(&value.value) {
        Ok(Period(duration)) if duration.is_zero() => {
            Err(Diagnostic::error(codes::EMPTY, "a maximum of 0 lets no call pass"))
        }
        Ok(Period(duration)) => Ok(duration),
        Err(error) => {
            let mut fault = Diagnostic::error(codes::MEASURE, error.message);
            fault.help = error.help;
            Err(fault)
        }
    }
}

/// `24h` or `20 steps`.
fn window(text: &str) -> Result<Within, Diagnostic> {
    let steps = text.trim().strip_suffix("steps").or_else(|| text.trim().strip_suffix("step"));
    if let Some(number) = steps {
        let steps = number.trim().parse::<usize>().ok();
        let remembered = |steps: &usize| (1..=HISTORY_LIMIT_STEPS).contains(steps);
        return steps.filter(remembered).map(Within::Steps).ok_or_else(|| {
            let message = format!("expected 1 to {HISTORY_LIMIT_STEPS} steps, found `{text}`");
            Diagnostic::error(codes::WITHIN, message)
        });
    }
    match Period::parse(text) {
        Ok(Period(duration)) if duration.is_zero() => {
            Err(Diagnostic::error(codes::WITHIN, "a window of no length"))
        }
        Ok(Period(duration)) => Ok(Within::Duration(duration)),
        Err(error) => {
            let help = error.help.unwrap_or_else(|| "for example `24h` or `20 steps`".to_owned());
            Err(Diagnostic::error(codes::WITHIN, error.message).help(help))
        }
    }
}

/// How many a window can hold at most, and how many the limit waits for.
fn most_within(maximum: Maximum, within: Within) -> Option<(u64, u64)> {
    match (maximum, within) {
        (Maximum::Errors(max) | Maximum::DenialsSameRule(max), Within::Duration(_)) => {
            Some((u64::try_from(TIMES_LIMIT).unwrap_or(u64::MAX), max))
        }
        (Maximum::IdenticalCalls(max), Within::Steps(steps)) => {
            Some((u64::try_from(steps).unwrap_or(u64::MAX), u64::from(max)))
        }
        (
            Maximum::Calls(_)
            | Maximum::WallTime(_)
            | Maximum::IdenticalCalls(_)
            | Maximum::Errors(_)
            | Maximum::DenialsSameRule(_),
            Within::Duration(_) | Within::Steps(_),
        ) => None,
    }
}

/// Why a measure cannot have this kind of window.
fn unfit(maximum: Maximum, within: Within) -> Option<&'static str> {
    match (maximum, within) {
        (
            Maximum::Calls(_) | Maximum::Errors(_) | Maximum::DenialsSameRule(_),
            Within::Duration(_),
        )
        | (Maximum::IdenticalCalls(_), Within::Steps(_)) => None,
        (Maximum::WallTime(_), Within::Duration(_) | Within::Steps(_)) => {
            Some("it is the time since the run's first call: remove `within`")
        }
        (Maximum::IdenticalCalls(_), Within::Duration(_)) => Some("for example `within: 20 steps`"),
        (
            Maximum::Calls(_) | Maximum::Errors(_) | Maximum::DenialsSameRule(_),
            Within::Steps(_),
        ) => Some("for example `within: 24h`"),
    }
}
