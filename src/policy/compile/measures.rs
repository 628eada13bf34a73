//! The values of measures and windows as they are written, and which of them fit together.

use std::time::Duration;

use super::codes;
use crate::policy::history::{HISTORY_LIMIT_STEPS, TIMES_LIMIT};
use crate::policy::model::{Maximum, Rate, Within};
use crate::yaml::{Diagnostic, Period, Text};

/// Most repetitions of a cycle: of six calls they are among the latest, which are never forgotten.
const CYCLES_LIMIT: u64 = 20;

pub(super) fn nothing_passes() -> Diagnostic {
    Diagnostic::error(codes::EMPTY, "a maximum of 0 lets no call pass")
        .help("refuse the tools with a rule instead")
}

pub(super) fn count(value: &Text) -> Result<u64, Diagnostic> {
    match value.value.parse() {
        Ok(0) => Err(nothing_passes()),
        Ok(count) => Ok(count),
        Err(_) => {
            let message = format!("expected a whole number from 1, found `{}`", value.value);
            Err(Diagnostic::error(codes::MEASURE, message))
        }
    }
}

/// A number of identical calls: no more than are remembered.
pub(super) fn repeats(value: &Text) -> Result<u32, Diagnostic> {
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

/// Repetitions of a cycle: one alone is none.
pub(super) fn cycles(value: &Text) -> Result<u32, Diagnostic> {
    let wanted = count(value)?;
    let within = Some(wanted).filter(|wanted| (2..=CYCLES_LIMIT).contains(wanted));
    within.and_then(|wanted| u32::try_from(wanted).ok()).ok_or_else(|| {
        let message = format!("expected 2 to {CYCLES_LIMIT} repetitions, found {wanted}");
        Diagnostic::error(codes::MEASURE, message)
    })
}

pub(super) fn period(value: &Text) -> Result<Duration, Diagnostic> {
    match Period::parse(&value.value) {
        Ok(Period(duration)) if duration.is_zero() => Err(nothing_passes()),
        Ok(Period(duration)) => Ok(duration),
        Err(error) => {
            let mut fault = Diagnostic::error(codes::MEASURE, error.message);
            fault.help = error.help;
            Err(fault)
        }
    }
}

/// `5/s`, `100/m`, `10/30s`. Without a burst, the calls of one stretch may come at once.
pub(super) fn rate(value: &Text, burst: Option<u64>) -> Result<Rate, Diagnostic> {
    let fault = || {
        let message = format!("expected calls in a time, found `{}`", value.value);
        Diagnostic::error(codes::MEASURE, message).help("for example `5/s`, `100/m`, `10/30s`")
    };
    let (calls, time) = value.value.split_once('/').ok_or_else(fault)?;
    let calls = calls.trim().parse::<u32>().ok().filter(|calls| *calls > 0).ok_or_else(fault)?;
    let time = time.trim();
    let unit = time.bytes().all(|byte| byte.is_ascii_alphabetic());
    let text = if unit { format!("1{time}") } else { time.to_owned() };
    let Ok(Period(time)) = Period::parse(&text) else { return Err(fault()) };
    // Rounded up, so that never more calls pass than are allowed.
    let nanos = time.as_nanos().div_ceil(u128::from(calls));
    let interval = u64::try_from(nanos).ok().filter(|nanos| *nanos > 0).ok_or_else(fault)?;
    let burst = u32::try_from(burst.unwrap_or(u64::from(calls))).map_err(|_| fault())?;
    Ok(Rate { interval: Duration::from_nanos(interval), burst })
}

/// `24h` or `20 steps`.
pub(super) fn window(text: &str) -> Result<Within, Diagnostic> {
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
pub(super) fn most_within(maximum: &Maximum, within: Within) -> Option<(u64, u64)> {
    match (maximum, within) {
        (
            Maximum::Errors(max) | Maximum::Denials(max) | Maximum::DenialsSameRule(max),
            Within::Duration(_),
        ) => Some((u64::try_from(TIMES_LIMIT).unwrap_or(u64::MAX), *max)),
        (Maximum::IdenticalCalls(max) | Maximum::CycleRepeats(max), Within::Steps(steps)) => {
            Some((u64::try_from(steps).unwrap_or(u64::MAX), u64::from(*max)))
        }
        (
            Maximum::Calls(_)
            | Maximum::CostUsd(_)
            | Maximum::Tokens(_)
            | Maximum::WallTime(_)
            | Maximum::Rate(_)
            | Maximum::InFlight(_)
            | Maximum::IdenticalCalls(_)
            | Maximum::CycleRepeats(_)
            | Maximum::Errors(_)
            | Maximum::Denials(_)
            | Maximum::DenialsSameRule(_)
            | Maximum::Sum(_)
            | Maximum::Distinct(_),
            Within::Duration(_) | Within::Steps(_),
        ) => None,
    }
}

/// Why a measure cannot have this kind of window.
pub(super) fn unfit(maximum: &Maximum, within: Within) -> Option<&'static str> {
    match (maximum, within) {
        (
            Maximum::Calls(_)
            | Maximum::CostUsd(_)
            | Maximum::Tokens(_)
            | Maximum::Errors(_)
            | Maximum::Denials(_)
            | Maximum::DenialsSameRule(_)
            | Maximum::Sum(_)
            | Maximum::Distinct(_),
            Within::Duration(_),
        )
        | (Maximum::IdenticalCalls(_) | Maximum::CycleRepeats(_), Within::Steps(_)) => None,
        (Maximum::WallTime(_), Within::Duration(_) | Within::Steps(_)) => {
            Some("it is the time since the run's first call: remove `within`")
        }
        (Maximum::Rate(_) | Maximum::InFlight(_), Within::Duration(_) | Within::Steps(_)) => {
            Some("it has a time of its own: put it in a limit without `within`")
        }
        (Maximum::IdenticalCalls(_) | Maximum::CycleRepeats(_), Within::Duration(_)) => {
            Some("for example `within: 20 steps`")
        }
        (
            Maximum::Calls(_)
            | Maximum::CostUsd(_)
            | Maximum::Tokens(_)
            | Maximum::Errors(_)
            | Maximum::Denials(_)
            | Maximum::DenialsSameRule(_)
            | Maximum::Sum(_)
            | Maximum::Distinct(_),
            Within::Steps(_),
        ) => Some("for example `within: 24h`"),
    }
}
