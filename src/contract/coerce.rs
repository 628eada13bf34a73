//! From our values to those that schemas are checked with.
//!
//! Numbers keep their value: our reader takes integers of 64 bits only and refuses wider ones, and
//! both sides hold those exactly; a number with a fraction or an exponent is the same `f64`.
//! What came in a path or a query is text. For the check alone it becomes what its schema asks for,
//! as OpenAPI serialises parameters; rules go on seeing text.

use serde_json::{Map, Number, Value};

use super::surface;
use crate::json;

/// A value as JSON, whose nesting is that of a document we read and so bounded.
pub(super) fn to_serde(value: json::Value<'_>) -> Value {
    match value {
        json::Value::Null => Value::Null,
        json::Value::Bool(value) => Value::Bool(value),
        json::Value::Int(value) => Value::from(value),
        json::Value::UInt(value) => Value::from(value),
        json::Value::Float(value) => Number::from_f64(value).map_or(Value::Null, Value::Number),
        json::Value::Str(text) => Value::String(text.to_owned()),
        json::Value::Array(items) => Value::Array(items.iter().map(to_serde).collect()),
        json::Value::Object(members) => object(members),
    }
}

fn object(members: json::Object<'_>) -> Value {
    let members = members.iter().map(|(name, value)| (name.to_owned(), to_serde(value)));
    Value::Object(members.collect::<Map<_, _>>())
}

/// Text of a path or query as what `schema`, a part of `whole`, asks for; the text itself when it
/// may be text or is nothing else.
pub(super) fn from_text(text: &str, schema: &Value, whole: &Value) -> Value {
    let types = surface::types(schema, whole);
    if types.is_empty() || types.contains("string") {
        return Value::String(text.to_owned());
    }
    if types.contains("array") {
        let items = surface::resolve(schema, whole).and_then(|schema| schema.get("items"));
        // The gate takes a name once in a query, so a list is one value, split at its commas as
        // `explode: false` has it.
        let one = |item: &str| match items {
            Some(items) => scalar(item, &surface::types(items, whole)),
            None => Value::String(item.to_owned()),
        };
        return Value::Array(text.split(',').map(one).collect());
    }
    scalar(text, &types)
}

fn scalar(text: &str, types: &surface::Types) -> Value {
    let same = || Value::String(text.to_owned());
    if types.is_empty() || types.contains("string") {
        return same();
    }
    match text {
        "true" if types.contains("boolean") => return Value::Bool(true),
        "false" if types.contains("boolean") => return Value::Bool(false),
        "null" | "" if types.contains("null") => return Value::Null,
        _ => {}
    }
    if !types.contains("integer") && !types.contains("number") {
        return same();
    }
    // Only what is a number in JSON: no `+5`, `0x5`, ` 5` or `5.`; and none that would lose digits.
    // What is an integer is written as one: a tool's parser need not read `1e3` or `5.0` so.
    let digits = text.strip_prefix('-').unwrap_or(text);
    let only_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let begins_and_ends = digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.ends_with(|last: char| last.is_ascii_digit());
    if !begins_and_ends || (!types.contains("number") && !only_digits) {
        return same();
    }
    match serde_json::from_str::<Number>(text) {
        Ok(number) if text.contains(['.', 'e', 'E']) || !number.is_f64() => Value::Number(number),
        Ok(_) | Err(_) => same(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_plain_numbers_in_text_are_numbers() {
        for (kind, text, expected) in [
            ("integer", "-5", json!(-5)),
            ("integer", "5.0", json!("5.0")),
            ("integer", "1e3", json!("1e3")),
            ("number", "1e3", json!(1e3)),
            ("number", "2.5", json!(2.5)),
            ("number", " 5", json!(" 5")),
            ("number", "5\n", json!("5\n")),
            ("integer", "5 ", json!("5 ")),
            ("integer", "-", json!("-")),
        ] {
            let schema = json!({ "type": kind });
            assert_eq!(from_text(text, &schema, &schema), expected, "{kind} {text:?}");
        }
    }
}
