//! What is usual for each agent and tool, and what moves away from it.
//!
//! Each baseline has learned how one signal is spread or mixed ([`spread`], [`mix`]), holds back what
//! it has not learned yet, and gathers evidence that it has changed ([`stream`]). A change is told
//! once, when it begins, and again only after it was over or has become what is usual ([`course`]).
//! Everything lives in memory of a fixed size and starts anew with the process.

mod course;
mod histogram;
mod mix;
mod runs;
mod signal;
mod spread;
mod stream;
mod table;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::call::{ErrorClass, RunEnd, RunId};
use crate::clock::Now;

pub use course::{ADOPTED_AFTER, LEARNED_TIME_MIN, LEARNED_VALUES_MIN};
pub use runs::COUNTED_LIMIT_RUNS;
pub use signal::{Change, Moved, Shift, Signal, Sort};

use mix::Mix;
use runs::Runs;
use spread::{Spread, Usualness};
use table::Table;

/// Tools, agents and pairs of them that baselines are kept of; beyond them the least recently seen
/// ones are forgotten.
pub const TOOLS_LIMIT: usize = 1_024;
pub const AGENTS_LIMIT: usize = 1_024;
pub const PAIRS_LIMIT: usize = 4_096;

/// Most memory that one baseline takes, in bytes.
pub const BASELINE_LIMIT_BYTES: usize = 3_072;

/// Latencies are counted in steps of so many microseconds.
const LATENCY_STEP_MICROS: u128 = 100;

/// Shorter latencies are all the same: what differs below it says more of the machine than of a tool.
const LATENCY_FLOOR: Duration = Duration::from_millis(1);

/// Changes that are to be told now: of one call or one run's end there are hardly ever any.
pub type Moves = SmallVec<[Moved; 1]>;

/// What is usual for every agent and tool.
#[derive(Debug)]
pub struct Baselines {
    tools: Table<Tool>,
    agents: Table<Agent>,
    /// Calls per run of an agent to one tool.
    pairs: Table<Spread>,
    runs: Runs,
}

/// Kept by tool.
#[derive(Debug, Default)]
struct Tool {
    latency: Spread,
    errors: Mix,
    shapes: Mix,
}

/// Kept by agent.
#[derive(Debug, Default)]
struct Agent {
    calls: Spread,
    tokens: Spread,
    ends: Mix,
}

/// A forwarded call that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub run: Option<&'a RunId>,
    pub tool: &'a Arc<str>,
    /// Time spent waiting for the tool.
    pub upstream: Duration,
    /// Absent when it ended well.
    pub error: Option<ErrorClass>,
    /// Digest of the form of the answer: of its structure where it has one. Absent when there was no answer.
    pub form: Option<u64>,
}

/// A run that has ended, or what it did since an earlier end.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    pub id: &'a RunId,
    pub agent: &'a Arc<str>,
    pub end: RunEnd,
    /// Admitted calls.
    pub calls: u64,
    pub tokens: u64,
}

/// Whether a call or a run is far from what is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlier {
    /// Too little is known to say.
    Unknown,
    Usual,
    /// The call took longer than 99 of 100 to the tool.
    Slow,
    /// The run made more calls, all in all or to one tool, than 99 of 100 of the agent.
    ManyCalls,
}

impl Outlier {
    /// Whether it is one.
    pub fn is_one(self) -> bool {
        matches!(self, Self::Slow | Self::ManyCalls)
    }
}

impl Default for Baselines {
    fn default() -> Self {
        Self {
            tools: Table::new(TOOLS_LIMIT),
            agents: Table::new(AGENTS_LIMIT),
            pairs: Table::new(PAIRS_LIMIT),
            runs: Runs::default(),
        }
    }
}

impl Baselines {
    /// Takes a forwarded call in. What of its tool has changed and is to be told now.
    pub fn call(&self, call: &Call<'_>, now: Now) -> Moves {
        if let Some(run) = call.run {
            self.runs.count(run, call.tool, now);
        }
        let mut moves = Moves::new();
        // Who hung up says nothing of the tool.
        if matches!(call.error, Some(ErrorClass::Cancelled)) {
            return moves;
        }
        let Call { tool, upstream, error, form, .. } = *call;
        self.tools.with(&**tool, now, Tool::default, |held| {
            let mut tell = |signal, shift: Option<Shift>| {
                let moved = |shift| Moved { signal, agent: None, tool: Some(tool.clone()), shift };
                moves.extend(shift.map(moved));
            };
            if tells_latency(error) {
                tell(Signal::Latency, held.latency.note(steps(upstream), now));
            }
            tell(Signal::ErrorMix, held.errors.note(error.map_or(Sort::Ok, Sort::Error), now));
            if let Some(form) = form {
                tell(Signal::ResponseShape, held.shapes.note(Sort::Shape(form), now));
            }
        });
        moves
    }

    /// Takes the end of a run in. What of its agent has changed and is to be told now.
    pub fn run_ended(&self, run: &Run<'_>, now: Now) -> Moves {
        let counts = self.runs.take(run.id);
        let mut moves = Moves::new();
        match run.end {
            RunEnd::Stopped(_) | RunEnd::Completed | RunEnd::Idle => {}
            // The gate has ended them, and they might have gone on.
            RunEnd::Evicted | RunEnd::Shutdown => return moves,
        }
        let Run { agent, .. } = *run;
        let mut tell = |signal, tool: Option<&Arc<str>>, shift: Option<Shift>| {
            let moved =
                |shift| Moved { signal, agent: Some(agent.clone()), tool: tool.cloned(), shift };
            moves.extend(shift.map(moved));
        };
        self.agents.with(&**agent, now, Agent::default, |held| {
            tell(Signal::CallsPerRun, None, held.calls.note(run.calls, now));
            if run.tokens > 0 {
                tell(Signal::TokensPerRun, None, held.tokens.note(run.tokens, now));
            }
            tell(Signal::StopReasonMix, None, held.ends.note(Sort::End(run.end), now));
        });
        for (tool, calls) in &counts {
            let calls = u64::from(*calls);
            let note = |held: &mut Spread| held.note(calls, now);
            let shift = self.pairs.with((&**agent, &**tool), now, Spread::default, note);
            tell(Signal::CallsPerRun, Some(tool), shift);
        }
        moves
    }

    /// Whether a call has taken longer than is usual for its tool. `upstream`: the time spent waiting
    /// for it.
    pub fn is_outlier_call(&self, tool: &str, upstream: Duration) -> Outlier {
        let usualness = self.tools.look(tool, |held| held.latency.usualness(steps(upstream)));
        outlier(usualness, Outlier::Slow)
    }

    /// Whether a run has made more calls than is usual for its agent, all in all or to one tool. To be
    /// asked before [`Self::run_ended`]: the calls by tool are forgotten with it.
    pub fn is_outlier_run(&self, agent: &str, run: &RunId, calls: u64) -> Outlier {
        let usualness = self.agents.look(agent, |held| held.calls.usualness(calls));
        let whole = outlier(usualness, Outlier::ManyCalls);
        if whole.is_one() {
            return whole;
        }
        let one_of = |(tool, calls): &(Arc<str>, u32)| {
            let look = |held: &Spread| held.usualness(u64::from(*calls));
            self.pairs.look((agent, &**tool), look) == Some(Usualness::Unusual)
        };
        match self.runs.look(run, |counts| counts.iter().any(one_of)) {
            Some(true) => Outlier::ManyCalls,
            Some(false) | None => whole,
        }
    }
}

fn outlier(usualness: Option<Usualness>, which: Outlier) -> Outlier {
    match usualness {
        None | Some(Usualness::Unknown) => Outlier::Unknown,
        Some(Usualness::Usual) => Outlier::Usual,
        Some(Usualness::Unusual) => which,
    }
}

/// A call that failed otherwise says nothing of how long the tool takes to answer.
fn tells_latency(error: Option<ErrorClass>) -> bool {
    matches!(
        error,
        None | Some(
            ErrorClass::Timeout
                | ErrorClass::ToolError
                | ErrorClass::ContractViolation
                | ErrorClass::MalformedResponse
        )
    )
}

/// A latency in steps of [`LATENCY_STEP_MICROS`].
fn steps(upstream: Duration) -> u64 {
    let steps = upstream.max(LATENCY_FLOOR).as_micros() / LATENCY_STEP_MICROS;
    u64::try_from(steps).unwrap_or(u64::MAX)
}
