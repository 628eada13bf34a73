//! Rules that change what passes instead of deciding over it: `set` and `redact`.

mod apply;
mod path;

use std::sync::Arc;

pub use apply::{Asked, Changed, Wanted, ask};
pub use path::{PathFault, Segment, ValuePath};

use crate::policy::detect::Detector;
use crate::policy::expr::{EvalError, Program};
use crate::policy::matcher::Matcher;
use crate::policy::message::Message;
use crate::policy::model::Mode;
use crate::policy::view::Env;

/// When a rule is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Before the call is forwarded.
    Call,
    /// Before the answer reaches the agent.
    Result,
}

/// A rule that changes arguments, or takes something out of them or of a result.
#[derive(Debug)]
pub struct Rewrite {
    pub id: Arc<str>,
    /// `policy/id`, as agents and records see it.
    pub name: Arc<str>,
    pub phase: Phase,
    pub tools: Matcher,
    /// Absent means always.
    pub when: Option<Program>,
    /// New values of arguments; none in [`Phase::Result`].
    pub set: Vec<Assignment>,
    pub redact: Option<Redaction>,
    /// What the agent is told instead of that something was changed.
    pub message: Message,
    pub mode: Mode,
}

/// `set`: an argument and its new value.
#[derive(Debug)]
pub struct Assignment {
    pub path: ValuePath,
    pub value: Program,
}

/// `redact`: what is replaced, and by what. At least one of detector and path is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    /// Absent: the whole value at `path`.
    pub detector: Option<Detector>,
    /// Absent: everywhere.
    pub path: Option<ValuePath>,
    pub with: Arc<str>,
}

impl Rewrite {
    /// Whether the rule applies to this call.
    ///
    /// # Errors
    /// As [`Program::eval_bool`].
    pub fn fires(&self, env: &Env<'_>) -> Result<bool, EvalError> {
        self.when.as_ref().map_or(Ok(true), |when| when.eval_bool(env))
    }

    /// What the agent is told of it.
    pub fn note(&self, env: &Env<'_>) -> String {
        if !self.message.is_empty() {
            return self.message.render(env);
        }
        let what = match (self.phase, self.set.is_empty()) {
            (Phase::Call, false) => "arguments were changed before the call was sent",
            (Phase::Call, true) => "something was taken out of the arguments",
            (Phase::Result, _) => "something was taken out of the result",
        };
        what.to_owned()
    }
}
