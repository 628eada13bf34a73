//! What an expression sees of one call: borrowed facts, gathered once by the guard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Now;
use crate::json;
use crate::policy::amount::Usd;
use crate::policy::history::{History, Step};

/// Whether an operation changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    Read,
    Write,
}

impl Effect {
    /// The name users see in YAML, expressions and events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// Whether a call may change something.
    pub fn changes(self) -> bool {
        match self {
            Self::Read => false,
            Self::Write => true,
        }
    }
}

/// What is known of a tool: `tool.*` in expressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolFacts {
    /// `server.operation`
    pub name: Arc<str>,
    pub server: Arc<str>,
    pub operation: Arc<str>,
    pub tags: Arc<[Arc<str>]>,
    pub effect: Effect,
    /// Digest of the tool's definition; empty when it has none.
    pub version: Arc<str>,
}

/// What the operation of a protocol's own message begins with: `payments.mcp:resources/read`. No
/// tool's does.
pub const PROTOCOL_PREFIX: &str = "mcp:";

impl ToolFacts {
    /// Whether it is no tool but what a protocol needs around its calls.
    pub fn is_protocol(&self) -> bool {
        self.operation.starts_with(PROTOCOL_PREFIX)
    }
}

/// Who calls: `caller.*` in expressions. Empty text where nothing is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Caller {
    pub tenant: Arc<str>,
    pub project: Arc<str>,
    pub user: Arc<str>,
    pub agent: Arc<str>,
}

/// The call itself: `call.*` and `args` in expressions.
#[derive(Clone, Copy)]
pub struct CallView<'a> {
    pub args: json::Value<'a>,
    /// Size of the arguments as received, in bytes.
    pub args_bytes: u64,
    /// `http`, `mcp` or `llm`.
    pub protocol: &'a str,
    /// The HTTP method, upper case.
    pub method: &'a str,
    /// The canonical path.
    pub path: &'a str,
    /// Position of this call in its run, from 1.
    pub step: u64,
    /// Was this call emitted by the model in this run? `None` when that is not known.
    pub intended: Option<bool>,
    /// The model that is asked for, as it is priced: by the path where that names one, else by the
    /// body. `None` where no model is asked, or none is named.
    pub model: Option<&'a str>,
    pub tool: &'a ToolFacts,
    pub caller: &'a Caller,
}

/// What whoever made a run says of it: names and values.
pub type Labels = BTreeMap<String, String>;

/// Those of a run that nobody labelled.
pub static NO_LABELS: Labels = Labels::new();

/// The run so far: `run.*` in expressions.
#[derive(Clone, Copy)]
pub struct RunView<'a> {
    pub id: &'a str,
    pub age: Duration,
    /// Calls admitted so far, this one excluded.
    pub calls: u64,
    pub errors: u64,
    pub denials: u64,
    /// Tokens and money that ended calls used.
    pub tokens: u64,
    pub cost_usd: Usd,
    pub labels: &'a Labels,
    pub history: &'a History,
}

/// What the tool answered: `result` and `response.*` in expressions of `phase: result`.
#[derive(Clone, Copy)]
pub struct AnswerView<'a> {
    /// The decoded body: a JSON value, or text.
    pub result: json::Value<'a>,
    /// The HTTP status.
    pub status: u16,
    /// Size of the body as the tool sent it, in bytes.
    pub bytes: u64,
    /// Answered from what the tool said earlier, because it does not answer now.
    pub stale: bool,
    /// The answer says that the call failed.
    pub is_error: bool,
}

/// Everything an expression may read.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    pub call: CallView<'a>,
    pub run: RunView<'a>,
    /// The earlier call under test in `requires.where`; `None` elsewhere.
    pub prior: Option<&'a Step>,
    /// The tool's answer, in `phase: result` and where a cost is read off it; `None` elsewhere.
    pub answer: Option<AnswerView<'a>>,
    pub now: Now,
}
