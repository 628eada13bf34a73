//! Which functions there are, what they take and what they give.
//!
//! Standard functions follow the CEL language definition ("List of Standard Definitions") and the
//! strings, lists, math and optional extensions of cel-go under their usual names.

use super::program::Function;
use super::types::Type;

/// One way to call a function. A method's receiver is its first argument.
pub struct Signature {
    pub name: &'static str,
    pub method: bool,
    pub takes: &'static [Class],
    /// Whether the last argument may be repeated.
    pub repeats: bool,
    pub gives: fn(&[Type]) -> Type,
    pub function: Function,
}

/// A class of types that an argument may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Any,
    Number,
    Int,
    Text,
    List,
    Optional,
    Command,
    Cidr,
    Ip,
    /// Text, list or map.
    Sized,
    /// IP address, or its text.
    Address,
    /// What can be written as text.
    Scalar,
    /// What can be a number.
    Countable,
    /// What can be a boolean.
    Truth,
    /// Text or a timestamp, or seconds.
    Moment,
    Span,
}

impl Class {
    /// Whether a value of that type may be passed.
    pub fn accepts(self, given: &Type) -> bool {
        if matches!(given, Type::Dyn) {
            return true;
        }
        match self {
            Self::Any => true,
            Self::Number => given.is_number(),
            Self::Int => matches!(given, Type::Int),
            Self::Text => matches!(given, Type::Text),
            Self::List => matches!(given, Type::List(_)),
            Self::Optional => matches!(given, Type::Optional(_)),
            Self::Command => matches!(given, Type::Command),
            Self::Cidr => matches!(given, Type::Cidr),
            Self::Ip => matches!(given, Type::Ip),
            Self::Sized => matches!(given, Type::Text | Type::List(_) | Type::Map(_)),
            Self::Address => matches!(given, Type::Ip | Type::Text),
            Self::Scalar => {
                let timed = matches!(given, Type::Timestamp | Type::Duration | Type::Ip);
                timed || given.is_number() || matches!(given, Type::Text | Type::Bool)
            }
            Self::Countable => given.is_number() || matches!(given, Type::Text | Type::Timestamp),
            Self::Truth => matches!(given, Type::Text | Type::Bool),
            Self::Moment => matches!(given, Type::Text | Type::Timestamp | Type::Int),
            Self::Span => matches!(given, Type::Text | Type::Duration),
        }
    }

    /// What to call it in a message.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Number => "a number",
            Self::Int => "an int",
            Self::Text => "text",
            Self::List => "a list",
            Self::Optional => "an optional value",
            Self::Command => "a command",
            Self::Cidr => "a range of addresses",
            Self::Ip => "an IP address",
            Self::Sized => "text, a list or a map",
            Self::Address => "an IP address",
            Self::Scalar => "text, a number, a boolean or a time",
            Self::Countable => "a number, text or a timestamp",
            Self::Truth => "text or a boolean",
            Self::Moment => "text or a timestamp",
            Self::Span => "text or a duration",
        }
    }
}

const fn method(
    name: &'static str,
    takes: &'static [Class],
    gives: fn(&[Type]) -> Type,
    function: Function,
) -> Signature {
    Signature { name, method: true, takes, repeats: false, gives, function }
}

const fn global(
    name: &'static str,
    takes: &'static [Class],
    gives: fn(&[Type]) -> Type,
    function: Function,
) -> Signature {
    Signature { name, method: false, takes, repeats: false, gives, function }
}

const fn repeating(signature: Signature) -> Signature {
    Signature { repeats: true, ..signature }
}

fn boolean(_: &[Type]) -> Type {
    Type::Bool
}

fn int(_: &[Type]) -> Type {
    Type::Int
}

fn text(_: &[Type]) -> Type {
    Type::Text
}

fn texts(_: &[Type]) -> Type {
    Type::list(Type::Text)
}

fn anything(_: &[Type]) -> Type {
    Type::Dyn
}

/// The type of the first argument.
fn same(given: &[Type]) -> Type {
    given.first().cloned().unwrap_or(Type::Dyn)
}

/// The type of the first argument's elements, or of what it optionally holds.
fn content(given: &[Type]) -> Type {
    match given.first() {
        Some(Type::List(of) | Type::Optional(of)) => (**of).clone(),
        _ => Type::Dyn,
    }
}

/// A list of lists with one level less.
fn flattened(given: &[Type]) -> Type {
    match content(given) {
        Type::List(of) => Type::List(of),
        _ => Type::list(Type::Dyn),
    }
}

fn content_or_second(given: &[Type]) -> Type {
    content(given).join(given.get(1).cloned().unwrap_or(Type::Dyn))
}

/// The common type of all arguments, or of the elements of the only one.
fn common(given: &[Type]) -> Type {
    match given {
        [Type::List(of)] => (**of).clone(),
        [first, rest @ ..] => rest.iter().cloned().fold(first.clone(), Type::join),
        [] => Type::Dyn,
    }
}

use Class::{
    Address, Any, Countable, Int, List, Moment, Number, Optional, Scalar, Sized, Span, Text, Truth,
};
use Function as F;

/// Every function but the macros, the accessors of times and those of the run.
pub static SIGNATURES: &[Signature] = &[
    global("size", &[Sized], int, F::Size),
    method("size", &[Sized], int, F::Size),
    method("contains", &[Text, Text], boolean, F::Contains),
    method("startsWith", &[Text, Text], boolean, F::StartsWith),
    method("endsWith", &[Text, Text], boolean, F::EndsWith),
    method("lowerAscii", &[Text], text, F::Lower),
    method("upperAscii", &[Text], text, F::Upper),
    method("trim", &[Text], text, F::Trim),
    method("split", &[Text, Text], texts, F::Split),
    method("split", &[Text, Text, Int], texts, F::Split),
    method("join", &[List], text, F::Join),
    method("join", &[List, Text], text, F::Join),
    method("replace", &[Text, Text, Text], text, F::Replace),
    method("replace", &[Text, Text, Text, Int], text, F::Replace),
    method("indexOf", &[Text, Text], int, F::IndexOf),
    method("lastIndexOf", &[Text, Text], int, F::LastIndexOf),
    method("substring", &[Text, Int], text, F::Substring),
    method("substring", &[Text, Int, Int], text, F::Substring),
    global("string", &[Scalar], text, F::ToText),
    global("int", &[Countable], int, F::ToInt),
    global("uint", &[Countable], |_| Type::UInt, F::ToUInt),
    global("double", &[Countable], |_| Type::Double, F::ToDouble),
    global("bool", &[Truth], boolean, F::ToBool),
    global("timestamp", &[Moment], |_| Type::Timestamp, F::ToTimestamp),
    global("duration", &[Span], |_| Type::Duration, F::ToDuration),
    global("dyn", &[Any], anything, F::ToDyn),
    global("type", &[Any], |_| Type::Kind, F::TypeOf),
    method("sum", &[List], content, F::Sum),
    method("distinct", &[List], same, F::Distinct),
    method("flatten", &[List], flattened, F::Flatten),
    method("flatten", &[List, Int], |_| Type::list(Type::Dyn), F::Flatten),
    method("sort", &[List], same, F::Sort),
    repeating(global("math.least", &[Any], common, F::Least)),
    repeating(global("math.greatest", &[Any], common, F::Greatest)),
    global("math.abs", &[Number], same, F::Absolute),
    global("shell", &[Text], |_| Type::list(Type::Command), F::Shell),
    global("sql", &[Text], |_| Type::list(Type::Statement), F::Sql),
    global("url", &[Text], |_| Type::Url, F::Url),
    global("host", &[Text], text, F::Host),
    global("under", &[Text, Text], boolean, F::Under),
    global("ip", &[Text], |_| Type::Ip, F::Ip),
    global("cidr", &[Text], |_| Type::Cidr, F::Cidr),
    global("email", &[Text], |_| Type::Email, F::Email),
    repeating(method("has", &[Class::Command, Text], boolean, F::CommandHas)),
    method("containsIP", &[Class::Cidr, Address], boolean, F::RangeContains),
    method("contains", &[Class::Cidr, Address], boolean, F::RangeContains),
    method("isPrivate", &[Class::Ip], boolean, F::IpIsPrivate),
    method("isLoopback", &[Class::Ip], boolean, F::IpIsLoopback),
    method("isLinkLocal", &[Class::Ip], boolean, F::IpIsLinkLocal),
    global("optional.of", &[Any], |given| Type::optional(same(given)), F::OptionalOf),
    global("optional.none", &[], |_| Type::optional(Type::Dyn), F::OptionalNone),
    method("hasValue", &[Optional], boolean, F::OptionalHasValue),
    method("value", &[Optional], content, F::OptionalValue),
    method("or", &[Optional, Optional], common, F::OptionalOr),
    method("orValue", &[Optional, Any], content_or_second, F::OptionalOrValue),
];

/// Functions of the language that this version does not have yet.
pub const LATER_FUNCTIONS: [&str; 1] = ["origin"];

/// Macros, by the number of arguments they take; a mismatch comes here as a plain method.
pub const MACROS: [(&str, &str); 7] = [
    ("has", "has(args.name)"),
    ("all", "list.all(x, condition)"),
    ("exists", "list.exists(x, condition)"),
    ("exists_one", "list.exists_one(x, condition)"),
    ("existsOne", "list.existsOne(x, condition)"),
    ("map", "list.map(x, value)"),
    ("filter", "list.filter(x, condition)"),
];
