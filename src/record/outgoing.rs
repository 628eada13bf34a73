//! What is on its way to the collector, and why.

use http::{HeaderName, HeaderValue};

use crate::clock::Now;
use crate::evaluate::Evaluation;
use crate::ledger::EndedRun;
use crate::record::told::{Interest, Told};

/// What becomes one or more spans. Made on the path, turned into spans off it.
#[derive(Debug)]
pub enum Outgoing {
    Call(Box<Told>, Kept),
    Run(Box<RunTold>, Kept),
    /// What was said of an ended run: always kept, as few are made.
    Evaluation(Box<Evaluation>),
}

/// An ended run.
#[derive(Debug)]
pub struct RunTold {
    pub ended: EndedRun,
    /// When its end was told of.
    pub at: Now,
}

/// That a run is kept, and with what probability it would have been.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    pub why: Why,
    /// What one such run stands for is its inverse: over 0, up to 1.
    pub ratio: f64,
}

/// Why a run is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is among the share of ordinary runs.
    Share,
    Denied,
    Failed,
    Outlier,
    Stopped,
}

/// Where spans go. Nothing here may wait: calls are under way.
pub trait Sink: Send + Sync {
    /// Takes it, or counts it as dropped.
    fn push(&self, outgoing: Outgoing);

    /// Sends other headers from now on.
    fn renew_headers(&self, _headers: Vec<(HeaderName, HeaderValue)>) {}

    /// So many calls belonged to runs that are not kept.
    fn sampled_out(&self, calls: u64);

    /// So many spans were lost for want of room before it was known whether they are kept.
    fn lost(&self, spans: u64);
}

impl Outgoing {
    pub(super) fn call(told: Told, kept: Kept) -> Self {
        Self::Call(Box::new(told), kept)
    }

    pub(super) fn run(ended: EndedRun, at: Now, kept: Kept) -> Self {
        Self::Run(Box::new(RunTold { ended, at }), kept)
    }

    /// What it takes of memory, in bytes.
    pub fn weight_bytes(&self) -> usize {
        let own = match self {
            Self::Call(told, _) => told.weight_bytes(),
            Self::Run(run, _) => {
                let rules = run.ended.usage.denials_by_rule.len();
                size_of::<RunTold>().saturating_add(rules.saturating_mul(64))
            }
            Self::Evaluation(evaluation) => evaluation.weight_bytes(),
        };
        own.saturating_add(size_of::<Self>())
    }
}

impl Kept {
    /// Certain to be kept.
    pub fn always(why: Why) -> Self {
        Self { why, ratio: 1.0 }
    }

    /// Kept by chance.
    pub fn share(ratio: f64) -> Self {
        Self { why: Why::Share, ratio }
    }
}

impl Why {
    /// Why a run with such a call is kept for it alone, if it is.
    pub(super) fn of(interest: Interest) -> Option<Self> {
        match interest {
            Interest::Ordinary => None,
            Interest::Denied => Some(Self::Denied),
            Interest::Failed => Some(Self::Failed),
            Interest::Outlier => Some(Self::Outlier),
        }
    }

    /// The name users see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Denied => "denied",
            Self::Failed => "error",
            Self::Outlier => "outlier",
            Self::Stopped => "stopped",
        }
    }
}
