//! Expressions: parsed by `cel`, checked against the environment, compiled to our own program.
//!
//! The language is CEL, the Common Expression Language (<https://github.com/google/cel-spec>), with
//! the variables and functions of a tool call. `parse` bounds and reads the text, `lower` checks
//! names and types and builds the tree of `program`, `eval` walks it over borrowed values, and
//! `explain` finds the comparisons that made a rule fire.

use std::ops::Range;
use std::sync::Arc;

use crate::policy::glob::Glob;
use crate::policy::view::Env;

/// Longest expression, in bytes.
pub const SOURCE_LIMIT_BYTES: usize = 4_096;

/// Longest key of a limit (`per: "…"`), in bytes; a longer one is an error, so that no two merge.
pub const KEY_LIMIT_BYTES: usize = 256;

/// Longest text that one `{…}` of a message may contribute, in bytes; a longer one is cut.
pub const TEXT_LIMIT_BYTES: usize = 256;

/// Where an expression stands: decides what it sees and what it may come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// `when`: a boolean.
    Rule,
    /// `where` of a precondition: a boolean that also sees `prior`.
    Where,
    /// `per` of a limit: text, a number or a boolean.
    Key,
    /// `{…}` in a message: anything that can be shown.
    Message,
}

/// What is wrong with an expression, found when it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprError {
    /// `TG201` syntax, `TG202` unknown name, `TG203` unknown function, `TG204` type or number of
    /// arguments, `TG205` too costly, `TG206` known but not available here.
    pub code: &'static str,
    pub message: String,
    /// Bytes in the expression's source.
    pub span: Range<usize>,
    pub help: Option<String>,
}

/// Why an expression could not be evaluated. The call is then refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    pub kind: EvalErrorKind,
    /// Safe to show: never quotes a value of the call.
    pub message: String,
}

/// What kind of thing went wrong during an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvalErrorKind {
    /// A field, key or list element that is not there.
    Missing,
    /// A value of another type than the operation takes.
    Type,
    /// Overflow, division by zero, or a number out of range.
    Arithmetic,
    /// Text that a function could not read.
    Text,
    /// The evaluation took more steps than one call may cost, or its result was too long.
    Cost,
    /// A value of an earlier call that was too large to remember.
    Forgotten,
    /// Something that is not known of this call.
    Unknown,
}

/// A comparison that made a rule fire, and the smallest change that would have kept it from firing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer (RFC 6901) such as `/args/amount`.
    pub path: String,
    /// The other side of the comparison, as JSON.
    pub limit: String,
    /// The value at `path`, as JSON; only numbers and booleans are shown, for text may be a secret.
    pub actual: Option<String>,
    /// What would pass: `<= 500`.
    pub passes: String,
}

/// A checked expression, ready to be evaluated any number of times.
#[derive(Debug)]
pub struct Program {
    captures: Vec<Arc<str>>,
    captures_by_tool: Vec<(Option<Glob>, Arc<str>)>,
    argument_paths: Vec<(Arc<str>, Range<usize>)>,
}

/// Reads and checks an expression.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn compile(source: &str, site: Site) -> Result<Program, Vec<ExprError>> {
    let _ = site;
    Err(vec![ExprError {
        code: "TG201",
        message: "not an expression".to_owned(),
        span: 0..source.len(),
        help: None,
    }])
}

impl Program {
    /// Evaluates an expression of [`Site::Rule`] or [`Site::Where`].
    ///
    /// # Errors
    /// See [`EvalErrorKind`]; also a result that is not a boolean.
    pub fn eval_bool(&self, _env: &Env<'_>) -> Result<bool, EvalError> {
        Err(EvalError {
            kind: EvalErrorKind::Type,
            message: "not a boolean".to_owned(),
        })
    }

    /// Evaluates an expression of [`Site::Key`] or [`Site::Message`] to text.
    ///
    /// # Errors
    /// See [`EvalErrorKind`]; also a key of more than [`KEY_LIMIT_BYTES`].
    pub fn eval_text(&self, _env: &Env<'_>) -> Result<String, EvalError> {
        Err(EvalError {
            kind: EvalErrorKind::Type,
            message: "not text".to_owned(),
        })
    }

    /// The comparisons that made an expression true, each with the smallest change that passes.
    pub fn violations(&self, _env: &Env<'_>) -> Vec<Violation> {
        Vec::new()
    }

    /// The value this expression always has, when it does not depend on the call.
    pub fn constant(&self) -> Option<bool> {
        None
    }

    /// The paths of earlier calls this expression reads, as in `history::Captured::path`.
    pub fn captures(&self) -> &[Arc<str>] {
        &self.captures
    }

    /// The same paths with the tools they are read of; `None` for those of `prior`, whose tools
    /// are the precondition's own `call`.
    pub fn captures_by_tool(&self) -> &[(Option<Glob>, Arc<str>)] {
        &self.captures_by_tool
    }

    /// The arguments this expression names, `args.amount`, and where the last name stands. A path
    /// of several names is listed once for each of its beginnings.
    pub fn argument_paths(&self) -> &[(Arc<str>, Range<usize>)] {
        &self.argument_paths
    }
}
