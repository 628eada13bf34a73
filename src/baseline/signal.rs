//! What is watched, and how a change of it is told: in figures, never in contents.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::call::{ErrorClass, RunEnd};

/// What a baseline is kept of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    /// Admitted calls of an ended run: of an agent, or of an agent to one tool that it used.
    CallsPerRun,
    /// Tokens of an ended run in which a model was asked.
    TokensPerRun,
    /// Time spent waiting for a tool, retries included.
    Latency,
    /// Shares of error classes in the forwarded calls of a tool.
    ErrorMix,
    /// Shares of stop reasons in the ended runs of an agent.
    StopReasonMix,
    /// Shares of structures in the answers of a tool.
    ResponseShape,
}

impl Signal {
    /// Every signal.
    pub const ALL: [Self; 6] = [
        Self::CallsPerRun,
        Self::TokensPerRun,
        Self::Latency,
        Self::ErrorMix,
        Self::StopReasonMix,
        Self::ResponseShape,
    ];

    /// The name users see.
    pub fn name(self) -> &'static str {
        match self {
            Self::CallsPerRun => "calls_per_run",
            Self::TokensPerRun => "tokens_per_run",
            Self::Latency => "latency",
            Self::ErrorMix => "error_mix",
            Self::StopReasonMix => "stop_reason_mix",
            Self::ResponseShape => "response_shape",
        }
    }
}

/// What kinds of things shares are kept of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A call that ended well.
    Ok,
    Error(ErrorClass),
    End(RunEnd),
    /// A digest of an answer's structure.
    Shape(u64),
    /// Any that had not been seen before.
    New,
    /// Any but the usual one.
    Unusual,
}

impl fmt::Display for Sort {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => out.write_str("ok"),
            Self::Error(class) => out.write_str(class.name()),
            Self::End(end) => out.write_str(end.name()),
            Self::Shape(digest) => write!(out, "shape {:08x}", digest >> 32),
            Self::New => out.write_str("not seen before"),
            Self::Unusual => out.write_str("other than the usual one"),
        }
    }
}

/// How something has changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    pub change: Change,
    /// How long the baseline had been learned for.
    pub over: Duration,
}

/// What has changed of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// A quantile (0 to 1), in the signal's unit: 100 microseconds of a latency, else a number.
    Quantile { q: f64, now: f64, was: f64 },
    /// The share of one sort, 0 to 1.
    Share { sort: Sort, now: f64, was: f64 },
}

/// Something that has moved away from its baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    pub signal: Signal,
    /// Absent of what is kept by tool alone.
    pub agent: Option<Arc<str>>,
    /// Absent of what is kept by agent alone.
    pub tool: Option<Arc<str>>,
    pub shift: Shift,
}

/// `latency of crm.get: p95 120 ms, was 40 ms over 3 h`
impl fmt::Display for Moved {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, unit) = match self.signal {
            Signal::CallsPerRun => ("calls per run", ""),
            Signal::TokensPerRun => ("tokens per run", ""),
            Signal::Latency => ("latency", ""),
            Signal::ErrorMix => ("errors", " of calls"),
            Signal::StopReasonMix => ("stop reasons", " of runs"),
            Signal::ResponseShape => ("response shape", " of answers"),
        };
        out.write_str(what)?;
        match (self.agent.as_deref().filter(|agent| !agent.is_empty()), self.tool.as_deref()) {
            (Some(agent), Some(tool)) => write!(out, " of {agent} to {tool}: ")?,
            (Some(name), None) | (None, Some(name)) => write!(out, " of {name}: ")?,
            (None, None) => out.write_str(": ")?,
        }
        match self.shift.change {
            Change::Quantile { q, now, was } => {
                let percent = (q * 100.0).round();
                let [now, was] = [now, was].map(|value| shown(self.signal, value));
                write!(out, "p{percent} {now}, was {was}")?;
            }
            Change::Share { sort, now, was } => {
                let [now, was] = [now, was].map(|share| (share * 1_000.0).round() / 10.0);
                write!(out, "{sort} {now} %{unit}, was {was} %")?;
            }
        }
        write!(out, " over {}", span(self.shift.over))
    }
}

/// A value in the signal's unit.
fn shown(signal: Signal, value: f64) -> String {
    match signal {
        Signal::Latency if value >= 100_000.0 => format!("{:.1} s", value / 10_000.0),
        Signal::Latency if value >= 100.0 => format!("{:.0} ms", value / 10.0),
        Signal::Latency => format!("{:.1} ms", value / 10.0),
        Signal::CallsPerRun
        | Signal::TokensPerRun
        | Signal::ErrorMix
        | Signal::StopReasonMix
        | Signal::ResponseShape => format!("{value:.0}"),
    }
}

fn span(over: Duration) -> String {
    let minutes = over.as_secs() / 60;
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2_880 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1_440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_reads_as_a_sentence() {
        let moved = |signal, agent: Option<&str>, tool: Option<&str>, change, minutes: u64| {
            let shift = Shift { change, over: Duration::from_secs(minutes * 60) };
            Moved { signal, agent: agent.map(Arc::from), tool: tool.map(Arc::from), shift }
                .to_string()
        };
        let latency = Change::Quantile { q: 0.95, now: 1_200.0, was: 400.0 };
        assert_eq!(
            moved(Signal::Latency, None, Some("crm.get"), latency, 185),
            "latency of crm.get: p95 120 ms, was 40 ms over 3 h"
        );
        let calls = Change::Quantile { q: 0.5, now: 12.2, was: 6.0 };
        assert_eq!(
            moved(Signal::CallsPerRun, Some("support"), Some("crm.get"), calls, 45),
            "calls per run of support to crm.get: p50 12, was 6 over 45 min"
        );
        let sort = Sort::Error(ErrorClass::Http5xx);
        let errors = Change::Share { sort, now: 0.1034, was: 0.0098 };
        assert_eq!(
            moved(Signal::ErrorMix, None, Some("crm.get"), errors, 3 * 1_440),
            "errors of crm.get: http_5xx 10.3 % of calls, was 1 % over 3 d"
        );
        let ends = Change::Share { sort: Sort::End(RunEnd::Idle), now: 0.5, was: 0.0 };
        assert_eq!(
            moved(Signal::StopReasonMix, Some(""), None, ends, 30),
            "stop reasons: idle 50 % of runs, was 0 % over 30 min"
        );
    }
}
