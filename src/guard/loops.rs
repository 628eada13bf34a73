//! Repetition, judged with results: a poll whose answer changes is not a loop.

use crate::call::StopReason;
use crate::guard::Findings;
use crate::guard::limits::{self, Excess};
use crate::ledger::Look;
use crate::policy::amount::Amount;
use crate::policy::history::{History, Step};
use crate::policy::model::{Limit, Maximum, Within};
use crate::policy::view::Env;
use crate::weaken::Hole;

/// Longest cycle that is looked for, in calls.
const PERIOD_LIMIT: usize = 6;

/// What repeats, and how often it has.
struct Repetition {
    count: u64,
    /// What the agent is told.
    said: String,
}

/// Finds the limits on repetition that the call would break: first those on identical calls, which
/// say more of one call that is repeated alone.
pub(super) fn judge(look: &Look<'_>, call_key: u64, env: &Env<'_>, found: &mut Findings) {
    for limit in look.draws().map(|drawn| drawn.limit) {
        for maximum in &limit.max {
            if let Maximum::IdenticalCalls(max) = maximum {
                let repetition = identical_calls(limit, call_key, env);
                judge_one(limit, maximum, *max, repetition, env, found);
            }
        }
    }
    for limit in look.draws().map(|drawn| drawn.limit) {
        for maximum in &limit.max {
            if let Maximum::CycleRepeats(max) = maximum {
                let repetition = cycle(env.run.history, call_key, *max, window(limit));
                judge_one(limit, maximum, *max, repetition, env, found);
            }
        }
    }
}

/// A first word of advice, then the limit's verb.
fn judge_one(
    limit: &Limit,
    maximum: &Maximum,
    max: u32,
    repetition: Option<Repetition>,
    env: &Env<'_>,
    found: &mut Findings,
) {
    let max = u64::from(max);
    let Some(Repetition { count, said }) = repetition else { return };
    if count >= max {
        let excess = Excess {
            reason: StopReason::LoopDetected,
            path: format!("/run/{}", &*maximum.measure()),
            limit: max.to_string(),
            actual: count.to_string(),
            passes: format!("< {max}"),
            default_message: said,
            wait: None,
        };
        limits::report(limit, excess, env, found);
    } else if limits::near(limit, Amount::from(count), Amount::from(max)) {
        limits::advise(limit, StopReason::LoopDetected, said, found);
    }
}

fn window(limit: &Limit) -> usize {
    match limit.within {
        Some(Within::Steps(steps)) => steps,
        Some(Within::Duration(_)) | None => usize::MAX,
    }
}

/// Earlier calls, among the latest steps, with the same tool and arguments and with the result that
/// the latest of them gave. One that has not ended is taken to give that result: else as many as are
/// asked for at once would pass.
fn identical_calls(limit: &Limit, call_key: u64, env: &Env<'_>) -> Option<Repetition> {
    let mut latest = None;
    let open = u64::try_from(env.run.history.open_alike(call_key)).unwrap_or(u64::MAX);
    let mut count = open;
    for step in env.run.history.steps().rev().take(window(limit)) {
        if step.call_key != call_key {
            continue;
        }
        if *latest.get_or_insert(step.result_key) == step.result_key
            || Hole::BlindToResults.is_open()
        {
            count = count.saturating_add(1);
        }
    }
    let tool = &env.call.tool.name;
    let said = match open {
        0 => format!(
            "{tool} was called {count} times with the same arguments and gave the same result each \
             time. Change the arguments, or say what blocks you."
        ),
        _ => format!(
            "{tool} was called {count} times with the same arguments, and {open} of the calls have \
             not ended. Wait for their results before you call it again."
        ),
    };
    (count > 0).then_some(Repetition { count, said })
}

/// The shortest cycle at the end of the history that the asked call would go on with, and how often
/// it stands there: at least `wanted` times, else the one that stands there most often.
fn cycle(history: &History, call_key: u64, wanted: u32, window: usize) -> Option<Repetition> {
    let mut best: Option<(usize, u64)> = None;
    for period in 1..=PERIOD_LIMIT {
        let count = repeats(history, call_key, period, window);
        if count >= 2 && best.is_none_or(|(_, most)| count > most) {
            best = Some((period, count));
        }
        if count >= u64::from(wanted) {
            best = Some((period, count));
            break;
        }
    }
    let (period, count) = best?;
    let mut tools: Vec<&str> = history.steps().rev().take(period).map(|step| &*step.tool).collect();
    tools.reverse();
    let what = match period {
        1 => format!("{} was called", tools.concat()),
        _ => format!("The calls {} were made", tools.join(", ")),
    };
    Some(Repetition {
        count,
        said: format!(
            "{what} {count} times in a row with the same arguments and the same results, and this \
             call begins it again. Do something else, or say what blocks you."
        ),
    })
}

/// How often the last `period` steps stand at the end of the history, when the asked call would be
/// the first of them again.
fn repeats(history: &History, call_key: u64, period: usize, window: usize) -> u64 {
    let latest = || history.steps().rev().take(window);
    if latest().nth(period.saturating_sub(1)).is_none_or(|first| first.call_key != call_key) {
        return 0;
    }
    let same = |(one, other): &(&Step, &Step)| {
        one.call_key == other.call_key
            && (one.result_key == other.result_key || Hole::BlindToResults.is_open())
    };
    let alike = latest().zip(latest().skip(period)).take_while(same).count();
    u64::try_from(alike / period).unwrap_or(u64::MAX).saturating_add(1)
}
