//! Conversions: `string()`, `int()`, `double()`, `timestamp()` … and values as text or JSON.

use super::cost::{Budget, Evaluated, fault, mismatch};
use super::program::Function;
use super::time::{
    read_duration, read_timestamp, timestamp_of_seconds, write_duration, write_timestamp,
};
use super::value::{List, Map, Value};
use super::{EvalError, EvalErrorKind};

/// 2^63 and 2^64, exact as doubles.
const INT_LIMIT: f64 = 9_223_372_036_854_775_808.0;
const UINT_LIMIT: f64 = 18_446_744_073_709_551_616.0;

/// Calls a conversion.
///
/// # Errors
/// Values that have no such form, numbers out of range, text that is not one.
pub fn call<'a>(function: Function, of: &Value<'a>, budget: &mut Budget) -> Evaluated<Value<'a>> {
    if let Value::Text(text) = of {
        budget.take_text(text.len())?;
    }
    match function {
        Function::ToText => to_text(of),
        Function::ToInt => to_int(of).map(Value::Int),
        Function::ToUInt => to_uint(of).map(Value::UInt),
        Function::ToDouble => to_double(of).map(Value::Double),
        Function::ToBool => to_bool(of).map(Value::Bool),
        Function::ToTimestamp => match of {
            Value::Timestamp(at) => Ok(Value::Timestamp(*at)),
            Value::Int(seconds) => {
                timestamp_of_seconds(*seconds).map(Value::Timestamp).ok_or_else(out_of_range)
            }
            Value::Text(text) => read_timestamp(text)
                .map(Value::Timestamp)
                .ok_or_else(|| not_a("timestamp such as 2030-01-31T00:00:00Z")),
            other => Err(mismatch("text or a timestamp", other.kind())),
        },
        Function::ToDuration => match of {
            Value::Duration(ns) => Ok(Value::Duration(*ns)),
            Value::Text(text) => read_duration(text)
                .map(Value::Duration)
                .ok_or_else(|| not_a("duration such as 90s, 15m or 1h30m")),
            other => Err(mismatch("text or a duration", other.kind())),
        },
        _ => Err(mismatch("another value", of.kind())),
    }
}

fn to_text<'a>(of: &Value<'a>) -> Evaluated<Value<'a>> {
    match of {
        Value::Text(_) => Ok(of.clone()),
        other => match scalar_text(other) {
            Some(text) => Ok(Value::text(&text)),
            None => Err(mismatch("text, a number, a boolean or a time", other.kind())),
        },
    }
}

/// The text of a value that has one of its own.
fn scalar_text(of: &Value<'_>) -> Option<String> {
    Some(match of {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::UInt(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::Text(text) => text.to_string(),
        Value::Timestamp(at) => write_timestamp(*at),
        Value::Duration(ns) => write_duration(*ns),
        Value::Kind(name) => (*name).to_owned(),
        Value::Ip(address) => address.to_string(),
        _ => return None,
    })
}

fn to_int(of: &Value<'_>) -> Evaluated<i64> {
    match of {
        Value::Int(value) => Ok(*value),
        Value::UInt(value) => i64::try_from(*value).map_err(|_| out_of_range()),
        Value::Double(value) if *value > -INT_LIMIT && *value < INT_LIMIT => Ok(*value as i64),
        Value::Double(_) => Err(out_of_range()),
        Value::Text(text) => text.parse().map_err(|_| not_a("whole number")),
        Value::Timestamp(at) => Ok(at.timestamp()),
        other => Err(mismatch("a number, text or a timestamp", other.kind())),
    }
}

fn to_uint(of: &Value<'_>) -> Evaluated<u64> {
    match of {
        Value::Int(value) => u64::try_from(*value).map_err(|_| out_of_range()),
        Value::UInt(value) => Ok(*value),
        Value::Double(value) if *value > -1.0 && *value < UINT_LIMIT => Ok(*value as u64),
        Value::Double(_) => Err(out_of_range()),
        Value::Text(text) => text.parse().map_err(|_| not_a("whole number")),
        other => Err(mismatch("a number or text", other.kind())),
    }
}

fn to_double(of: &Value<'_>) -> Evaluated<f64> {
    match of {
        Value::Int(value) => Ok(*value as f64),
        Value::UInt(value) => Ok(*value as f64),
        Value::Double(value) => Ok(*value),
        Value::Text(text) => text.parse().map_err(|_| not_a("number")),
        other => Err(mismatch("a number or text", other.kind())),
    }
}

fn to_bool(of: &Value<'_>) -> Evaluated<bool> {
    match of {
        Value::Bool(value) => Ok(*value),
        Value::Text(text) => match &**text {
            "true" | "True" | "TRUE" | "t" | "1" => Ok(true),
            "false" | "False" | "FALSE" | "f" | "0" => Ok(false),
            _ => Err(not_a("boolean")),
        },
        other => Err(mismatch("a boolean or text", other.kind())),
    }
}

/// A value as a message shows it: text as it is, lists and maps as JSON, cut at about
/// `limit_bytes`. `None` when it cannot be shown.
pub fn shown(of: &Value<'_>, limit_bytes: usize) -> Option<String> {
    match of {
        Value::List(_) | Value::Map(_) => {
            let mut out = String::new();
            write_json(of, &mut out, limit_bytes).then_some(out)
        }
        Value::Optional(Some(value)) => shown(value, limit_bytes),
        Value::Optional(None) => Some(String::new()),
        other => scalar_text(other),
    }
}

/// Appends a value as JSON; stops writing elements once `out` is longer than `limit_bytes`.
/// `false` when the value has no JSON form.
pub fn write_json(of: &Value<'_>, out: &mut String, limit_bytes: usize) -> bool {
    match of {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::UInt(value) => out.push_str(&value.to_string()),
        Value::Double(value) if value.is_finite() => out.push_str(&value.to_string()),
        Value::List(list) => return write_list(list, out, limit_bytes),
        Value::Map(map) => return write_map(map, out, limit_bytes),
        other => match scalar_text(other) {
            Some(text) => write_quoted(&text, out),
            None => return false,
        },
    }
    true
}

fn write_list(list: &List<'_>, out: &mut String, limit_bytes: usize) -> bool {
    out.push('[');
    let mut between = "";
    let written = list.visit(&mut |item| {
        if out.len() > limit_bytes {
            return Ok(false);
        }
        out.push_str(between);
        between = ",";
        if write_json(&item, out, limit_bytes) { Ok(true) } else { Err(()) }
    });
    out.push(']');
    written.is_ok()
}

fn write_map(map: &Map<'_>, out: &mut String, limit_bytes: usize) -> bool {
    out.push('{');
    let mut between = "";
    for (key, value) in map.entries() {
        if out.len() > limit_bytes {
            break;
        }
        out.push_str(between);
        between = ",";
        let Some(key) = scalar_text(&key) else {
            return false;
        };
        write_quoted(&key, out);
        out.push(':');
        if !write_json(&value, out, limit_bytes) {
            return false;
        }
    }
    out.push('}');
    true
}

/// Appends text as a JSON string (RFC 8259, section 7).
fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn not_a(what: &str) -> EvalError {
    fault(EvalErrorKind::Text, format!("this text is not a {what}"))
}

fn out_of_range() -> EvalError {
    fault(EvalErrorKind::Arithmetic, "the number is out of range")
}
