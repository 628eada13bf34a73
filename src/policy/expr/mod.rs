//! Expressions: parsed by `cel`, checked against the environment, compiled to our own program.
//!
//! The language is CEL, the Common Expression Language (<https://github.com/google/cel-spec>), with
//! the variables and functions of a tool call. `parse` bounds and reads the text, `lower` checks
//! names and types and builds the tree of `program`, `eval` walks it over borrowed values, and
//! `explain` finds the comparisons that made a rule fire.

mod access;
mod arithmetic;
mod calls;
mod compare;
mod comprehension;
mod convert;
mod cost;
mod eval;
mod explain;
mod facts;
mod figures;
mod fold;
mod functions;
mod history;
mod json_path;
mod lists;
mod lower;
mod nesting;
mod operators;
mod parse;
mod program;
mod run_calls;
mod scan;
mod select;
mod signatures;
mod strings;
mod time;
mod types;
mod value;
mod walk;

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::panic::catch_unwind;
use std::sync::Arc;

use self::cost::{fault, mismatch};
use self::eval::Machine;
use self::lower::Lowering;
use self::program::Node;
use self::types::Type;
use self::value::Value;
use crate::policy::glob::Glob;
use crate::policy::view::Env;

/// Longest expression, in bytes.
pub const SOURCE_LIMIT_BYTES: usize = 4_096;

/// Longest key of a limit (`per: "…"`), in bytes; a longer one is an error, so that no two merge.
pub const KEY_LIMIT_BYTES: usize = 256;

/// Longest text that one `{…}` of a message may contribute, in bytes; a longer one is cut.
pub const TEXT_LIMIT_BYTES: usize = 256;

/// Longest value that `set` may give an argument, in bytes as JSON.
pub const VALUE_LIMIT_BYTES: usize = 16_384;

/// Stack to compile an expression on, in bytes; only what is used is ever backed by memory.
const COMPILE_STACK_BYTES: usize = 16 * 1_024 * 1_024;

/// Where an expression stands: decides what it sees and what it may come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// `when`: a boolean.
    Rule,
    /// `where` of a precondition: a boolean that also sees `prior`.
    Where,
    /// `per` of a limit, and `distinct(…)`: text, a number or a boolean.
    Key,
    /// `sum(…)` of a limit: a number.
    Amount,
    /// What a call has cost: a number. Sees `result` and nothing else.
    Cost,
    /// `{…}` in a message: anything that can be shown.
    Message,
    /// `set`: a value that JSON can hold.
    Value,
    /// `when` of a rule of `phase: result`: a boolean that also sees `result` and `response`.
    Answer,
    /// `{…}` in a message of such a rule: it sees `response`, but not the result it may withhold.
    AnswerMessage,
}

impl Site {
    /// Is the decoded answer known here?
    fn sees_result(self) -> bool {
        match self {
            Self::Answer => true,
            Self::Rule
            | Self::Where
            | Self::Key
            | Self::Amount
            | Self::Cost
            | Self::Message
            | Self::Value
            | Self::AnswerMessage => false,
        }
    }

    /// Are status and size of the answer known here?
    fn sees_response(self) -> bool {
        match self {
            Self::Answer | Self::AnswerMessage => true,
            Self::Rule
            | Self::Where
            | Self::Key
            | Self::Amount
            | Self::Cost
            | Self::Message
            | Self::Value => false,
        }
    }
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
    /// A name beside which stands another that some servers take for it.
    Ambiguous,
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
    root: Node,
    site: Site,
    captures: Vec<Arc<str>>,
    captures_by_tool: Vec<(Option<Glob>, Arc<str>)>,
    argument_paths: Vec<(Arc<str>, Range<usize>)>,
    tool_patterns: Vec<(Glob, Range<usize>)>,
    reads_arguments: bool,
    reads_now: bool,
}

/// Reads and checks an expression.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn compile(source: &str, site: Site) -> Result<Program, Vec<ExprError>> {
    // The generated parser takes up to 200 KiB of stack for each level of brackets, and a panic in
    // it must stay with this one expression.
    let outcome =
        catch_unwind(|| stacker::grow(COMPILE_STACK_BYTES, || compile_here(source, site)));
    outcome.unwrap_or_else(|_| Err(vec![parse::syntax("this cannot be parsed", 0..source.len())]))
}

fn compile_here(source: &str, site: Site) -> Result<Program, Vec<ExprError>> {
    let parsed = parse::parse(source)?;
    let mut lowering = Lowering::new(site, parsed.places);
    let (root, of) = lowering.lower(&parsed.tree);
    if let Some(message) = unfit(site, &of) {
        let span = lowering.places.extent(&parsed.tree);
        lowering.fail("TG204", message, span);
    }
    if site == Site::Cost && !lowering.tool_patterns.is_empty() {
        lowering.fail("TG206", "a cost is read from `result` alone", 0..source.len());
    }
    if !lowering.errors.is_empty() {
        lowering.errors.sort_by_key(|error| (error.span.start, error.span.end));
        return Err(lowering.errors);
    }
    let mut captures: Vec<Arc<str>> = Vec::new();
    for (_, path) in &lowering.captures {
        if !captures.contains(path) {
            captures.push(path.clone());
        }
    }
    Ok(Program {
        root,
        site,
        captures,
        captures_by_tool: lowering.captures,
        argument_paths: lowering.argument_paths,
        tool_patterns: lowering.tool_patterns,
        reads_arguments: lowering.reads_arguments,
        reads_now: lowering.reads_now,
    })
}

/// Why a value of that type is no use at that site.
fn unfit(site: Site, of: &Type) -> Option<String> {
    let fits = match site {
        Site::Rule | Site::Where | Site::Answer => matches!(of, Type::Bool | Type::Dyn),
        Site::Key => matches!(of, Type::Text | Type::Bool | Type::Dyn) || of.is_number(),
        Site::Amount | Site::Cost => of.is_number() || *of == Type::Dyn,
        Site::Message | Site::AnswerMessage | Site::Value => showable(of),
    };
    let expected = match site {
        Site::Rule | Site::Where | Site::Answer => "a boolean",
        Site::Key => "text, a number or a boolean",
        Site::Amount | Site::Cost => "a number",
        Site::Message | Site::AnswerMessage => "a value that can be shown",
        Site::Value => "a value that JSON can hold",
    };
    (!fits).then(|| format!("expected {expected}, this is {of}"))
}

fn showable(of: &Type) -> bool {
    match of {
        Type::List(of) | Type::Map(of) | Type::Optional(of) => showable(of),
        Type::Step(_) | Type::Command | Type::Statement | Type::Url | Type::Email | Type::Cidr => {
            false
        }
        Type::Dyn
        | Type::Null
        | Type::Bool
        | Type::Int
        | Type::UInt
        | Type::Double
        | Type::Text
        | Type::Timestamp
        | Type::Duration
        | Type::Kind
        | Type::Ip => true,
    }
}

impl Program {
    /// Evaluates an expression of [`Site::Rule`], [`Site::Where`] or [`Site::Answer`].
    ///
    /// # Errors
    /// See [`EvalErrorKind`]; also a result that is not a boolean.
    pub fn eval_bool(&self, env: &Env<'_>) -> Result<bool, EvalError> {
        Machine::new(env).test(&self.root)
    }

    /// Evaluates an expression of [`Site::Key`] or [`Site::Message`] to text.
    ///
    /// # Errors
    /// See [`EvalErrorKind`]; also a value that cannot be shown, and for a key any value but text,
    /// a number or a boolean, and text of more than [`KEY_LIMIT_BYTES`].
    pub fn eval_text(&self, env: &Env<'_>) -> Result<String, EvalError> {
        let value = Machine::new(env).eval(&self.root)?;
        if self.site != Site::Key {
            let shown = convert::shown(&value, TEXT_LIMIT_BYTES);
            return shown
                .map(cut)
                .ok_or_else(|| mismatch("a value that can be shown", value.kind()));
        }
        figures::key(&value)
    }

    /// Evaluates an expression of [`Site::Value`] to JSON.
    ///
    /// # Errors
    /// See [`EvalErrorKind`]; also a value without a JSON form, and one of more than
    /// [`VALUE_LIMIT_BYTES`].
    pub fn eval_json(&self, env: &Env<'_>) -> Result<String, EvalError> {
        let value = match Machine::new(env).eval(&self.root)? {
            Value::Optional(Some(value)) => (*value).clone(),
            value => value,
        };
        let mut json = String::new();
        if !convert::write_json(&value, &mut json, VALUE_LIMIT_BYTES) {
            return Err(mismatch("a value that JSON can hold", value.kind()));
        }
        if json.len() > VALUE_LIMIT_BYTES {
            let message = format!("a value may have {VALUE_LIMIT_BYTES} bytes");
            return Err(fault(EvalErrorKind::Cost, message));
        }
        Ok(json)
    }

    /// The comparisons that made an expression true, each with the smallest change that passes.
    pub fn violations(&self, env: &Env<'_>) -> Vec<Violation> {
        explain::violations(&self.root, env)
    }

    /// The value this expression always has, when it does not depend on the call.
    pub fn constant(&self) -> Option<bool> {
        explain::constant(&self.root)
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

    /// The tools this expression asks the run's history for, and where they are written.
    pub fn tool_patterns(&self) -> &[(Glob, Range<usize>)] {
        &self.tool_patterns
    }

    /// Does its value depend on the arguments of the call?
    pub fn reads_arguments(&self) -> bool {
        self.reads_arguments
    }

    /// Does its value depend on the time of day?
    pub fn reads_now(&self) -> bool {
        self.reads_now
    }
}

/// Cuts text to [`TEXT_LIMIT_BYTES`] at a character.
fn cut(mut text: String) -> String {
    if text.len() > TEXT_LIMIT_BYTES {
        text.truncate(text.floor_char_boundary(TEXT_LIMIT_BYTES));
        text.push('…');
    }
    text
}
