//! The compact tree an expression is compiled to: names resolved, constants computed, patterns and
//! time zones ready.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use regex::Regex;

use super::facts::Fact;
use super::json_path::JsonPath;
use super::time::{TimePart, Zone};
use crate::policy::builtins::net::Cidr;
use crate::policy::glob::Glob;

/// A value known when the expression is loaded.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    Text(Box<str>),
    Timestamp(DateTime<Utc>),
    /// Nanoseconds.
    Duration(i64),
    List(Box<[Constant]>),
    Map(Box<[(Constant, Constant)]>),
    Kind(&'static str),
    Ip(IpAddr),
    Cidr(Cidr),
}

/// One operation.
#[derive(Clone, Debug)]
pub enum Node {
    Constant(Constant),
    /// A variable of a comprehension, by its position among those in scope.
    Slot(usize),
    Fact(Fact),
    /// `has(tool.version)`: known, and not empty text.
    HasFact(Fact),
    /// A path into the arguments; all of them when it is empty.
    Argument(Box<[Box<str>]>),
    /// The decoded body of the tool's answer.
    Result,
    /// `has(args.x.y)`
    HasArgument(Box<[Box<str>]>),
    Select(Box<Node>, Box<str>),
    Has(Box<Node>, Box<str>),
    OptionalSelect(Box<Node>, Box<str>),
    Index(Box<[Node; 2]>),
    OptionalIndex(Box<[Node; 2]>),
    /// A value of an earlier call.
    Captured(Capture),
    HasCaptured(Capture),
    OptionalCaptured(Capture),
    /// The earlier call that a precondition tests.
    Prior,
    /// `run.last(glob)`
    LastStep(Glob),
    /// `run.prior(glob)`
    PriorSteps(Glob),
    Tally(Tally),
    Not(Box<Node>),
    Negate(Box<Node>),
    /// Two or more; an error counts only when no other term decides.
    And(Box<[Node]>),
    Or(Box<[Node]>),
    Conditional(Box<[Node; 3]>),
    Compare(Comparison, Box<[Node; 2]>),
    /// An element and where to look for it.
    In(Box<[Node; 2]>),
    Arithmetic(Arithmetic, Box<[Node; 2]>),
    List(Box<[Node]>),
    Map(Box<[(Node, Node)]>),
    Comprehension(Box<Comprehension>),
    Matches(Box<Node>, Box<Regex>),
    /// The values at a path, as a list.
    JsonPath(Box<Node>, Box<JsonPath>),
    TimePart(TimePart, Box<Node>, ZoneOf),
    Call(Function, Box<[Node]>),
}

/// A path of an earlier call: `args.payment_id`, `result.status`.
#[derive(Clone, Debug)]
pub struct Capture {
    /// Gives the earlier call, or an optional one.
    pub step: Box<Node>,
    pub path: Arc<str>,
}

/// How often tools were called.
#[derive(Clone, Debug)]
pub struct Tally {
    pub question: TallyQuestion,
    pub tool: ToolPattern,
    /// How far back to look; the whole run when absent.
    pub within: Option<Box<Node>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TallyQuestion {
    Called,
    Succeeded,
    Count,
}

/// Which tools are meant.
#[derive(Clone, Debug)]
pub enum ToolPattern {
    Glob(Glob),
    /// Computed text is one tool's name: a star in it, which a caller may have put there, is only
    /// a star.
    Name(Box<Node>),
}

/// The time zone of `getHours("…")`.
#[derive(Clone, Debug)]
pub enum ZoneOf {
    Known(Zone),
    Computed(Box<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// A macro over a list, or over the keys of a map.
#[derive(Clone, Debug)]
pub struct Comprehension {
    pub kind: ComprehensionKind,
    pub range: Node,
    /// The condition; of a plain `map` always true.
    pub test: Node,
    /// What `map` collects.
    pub collect: Option<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComprehensionKind {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
}

/// Functions whose arguments are all evaluated first, the receiver of a method being the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Lower,
    Upper,
    Trim,
    Split,
    Join,
    Replace,
    IndexOf,
    LastIndexOf,
    Substring,
    ToText,
    ToInt,
    ToUInt,
    ToDouble,
    ToBool,
    ToTimestamp,
    ToDuration,
    ToDyn,
    TypeOf,
    Sum,
    Distinct,
    Flatten,
    Sort,
    Least,
    Greatest,
    Absolute,
    Shell,
    Sql,
    Url,
    Host,
    Under,
    Ip,
    Cidr,
    Email,
    CommandHas,
    RangeContains,
    IpIsPrivate,
    IpIsLoopback,
    IpIsLinkLocal,
    OptionalOf,
    OptionalNone,
    OptionalHasValue,
    OptionalValue,
    OptionalOr,
    OptionalOrValue,
}
