//! Functions whose arguments are values: which module answers, and what reads notations.

use std::net::IpAddr;
use std::rc::Rc;

use super::cost::{Budget, Evaluated, fault, mismatch};
use super::program::Function;
use super::value::{Text, Value};
use super::{EvalError, EvalErrorKind, convert, lists, strings};
use crate::policy::builtins::net::{self, Cidr};
use crate::policy::builtins::{BuiltinError, email, paths, shell, sql};

/// Units that reading text in a notation of its own costs, and the bytes that cost one more.
const NOTATION_UNITS: usize = 20;
const NOTATION_BYTES_A_UNIT: usize = 4;

/// Calls a function. The receiver of a method is its first argument.
///
/// # Errors
/// Arguments of the wrong type, text that cannot be read, an exhausted budget.
pub fn call<'a>(
    function: Function,
    args: &[Value<'a>],
    budget: &mut Budget,
) -> Evaluated<Value<'a>> {
    use Function as F;
    match function {
        F::Contains if matches!(args, [Value::Cidr(_), _]) => range_contains(args),
        F::Contains
        | F::StartsWith
        | F::EndsWith
        | F::Lower
        | F::Upper
        | F::Trim
        | F::Split
        | F::Replace
        | F::IndexOf
        | F::LastIndexOf
        | F::Substring => strings::call(function, args, budget),
        F::Size
        | F::Join
        | F::Sum
        | F::Distinct
        | F::Flatten
        | F::Sort
        | F::Least
        | F::Greatest
        | F::Absolute => lists::call(function, args, budget),
        F::ToText
        | F::ToInt
        | F::ToUInt
        | F::ToDouble
        | F::ToBool
        | F::ToTimestamp
        | F::ToDuration => convert::call(function, first(args)?, budget),
        F::ToDyn => first(args).cloned(),
        F::TypeOf => Ok(Value::Kind(first(args)?.type_name())),
        F::Shell | F::Sql | F::Url | F::Host | F::Ip | F::Cidr | F::Email => {
            read(function, text(args, 0)?, budget)
        }
        F::Under => {
            let (path, dir) = (text(args, 0)?, text(args, 1)?);
            budget.take((path.len() + dir.len()) / NOTATION_BYTES_A_UNIT)?;
            Ok(Value::Bool(paths::under(path, dir)))
        }
        F::CommandHas => command_has(args),
        F::RangeContains => range_contains(args),
        F::IpIsPrivate => address(args, 0).map(net::is_private).map(Value::Bool),
        F::IpIsLoopback => address(args, 0).map(net::is_loopback).map(Value::Bool),
        F::IpIsLinkLocal => address(args, 0).map(net::is_link_local).map(Value::Bool),
        F::OptionalOf => first(args).cloned().map(Value::some),
        F::OptionalNone => Ok(Value::Optional(None)),
        F::OptionalHasValue | F::OptionalValue | F::OptionalOr | F::OptionalOrValue => {
            Err(mismatch("an optional value", first(args)?.kind()))
        }
    }
}

/// The first argument.
pub fn first<'v, 'a>(args: &'v [Value<'a>]) -> Evaluated<&'v Value<'a>> {
    args.first().ok_or_else(missing)
}

/// An argument that must be text.
pub fn text<'v>(args: &'v [Value<'_>], at: usize) -> Evaluated<&'v Text<'v>> {
    match args.get(at) {
        Some(Value::Text(text)) => Ok(text),
        Some(other) => Err(mismatch("text", other.kind())),
        None => Err(missing()),
    }
}

/// An argument that must be an int.
pub fn int(args: &[Value<'_>], at: usize) -> Evaluated<i64> {
    match args.get(at) {
        Some(Value::Int(value)) => Ok(*value),
        Some(other) => Err(mismatch("an int", other.kind())),
        None => Err(missing()),
    }
}

fn missing() -> EvalError {
    fault(EvalErrorKind::Type, "an argument is missing")
}

fn read<'a>(function: Function, text: &str, budget: &mut Budget) -> Evaluated<Value<'a>> {
    budget.take(NOTATION_UNITS + text.len() / NOTATION_BYTES_A_UNIT)?;
    let value = match function {
        Function::Shell => shell::shell(text).map(|commands| {
            let commands = commands.into_iter().map(|command| Value::Command(Rc::new(command)));
            Value::list(commands.collect())
        }),
        Function::Sql => sql::sql(text).map(|statements| {
            let statements = statements.into_iter().map(|one| Value::Statement(Rc::new(one)));
            Value::list(statements.collect())
        }),
        Function::Url => net::url(text).map(|url| Value::Url(Rc::new(url))),
        Function::Host => net::host(text).map(|host| Value::text(&host)),
        Function::Ip => net::ip(text).map(Value::Ip),
        Function::Cidr => net::cidr(text).map(Value::Cidr),
        Function::Email => email::email(text).map(|email| Value::Email(Rc::new(email))),
        _ => Err(BuiltinError { message: "this reads no text".to_owned() }),
    };
    value.map_err(unreadable)
}

fn unreadable(error: BuiltinError) -> EvalError {
    fault(EvalErrorKind::Text, error.message)
}

/// Whether any of several flags was given.
fn command_has<'a>(args: &[Value<'_>]) -> Evaluated<Value<'a>> {
    let [Value::Command(command), flags @ ..] = args else {
        return Err(mismatch("a command", first(args)?.kind()));
    };
    for at in 0..flags.len() {
        if command.has(text(flags, at)?) {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn range_contains<'a>(args: &[Value<'_>]) -> Evaluated<Value<'a>> {
    let range: Cidr = match first(args)? {
        Value::Cidr(range) => *range,
        other => return Err(mismatch("a range of addresses", other.kind())),
    };
    let address = match args.get(1) {
        Some(Value::Text(text)) => net::ip(text).map_err(unreadable)?,
        _ => address(args, 1)?,
    };
    Ok(Value::Bool(range.contains(address)))
}

fn address(args: &[Value<'_>], at: usize) -> Evaluated<IpAddr> {
    match args.get(at) {
        Some(Value::Ip(address)) => Ok(*address),
        Some(other) => Err(mismatch("an IP address", other.kind())),
        None => Err(missing()),
    }
}
