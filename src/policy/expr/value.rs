//! Values while an expression runs: borrowed from the call, the history or the program wherever
//! possible, and cheap to copy where not.

use std::net::IpAddr;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::time;

use chrono::{DateTime, Utc};

use super::program::Constant;
use crate::json;
use crate::policy::builtins::email::Email;
use crate::policy::builtins::net::{Cidr, Url};
use crate::policy::builtins::shell::Command;
use crate::policy::builtins::sql::Statement;
use crate::policy::history::Step;
use crate::policy::view::Labels;

/// A value of an expression.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    Text(Text<'a>),
    Timestamp(DateTime<Utc>),
    /// Nanoseconds.
    Duration(i64),
    List(List<'a>),
    Map(Map<'a>),
    Optional(Option<Rc<Value<'a>>>),
    /// The name of a type, as CEL spells it.
    Kind(&'static str),
    Step(&'a Step),
    Command(Rc<Command>),
    Statement(Rc<Statement>),
    Url(Rc<Url>),
    Email(Rc<Email>),
    Ip(IpAddr),
    Cidr(Cidr),
}

/// Text, borrowed or made on the way.
#[derive(Clone, Debug)]
pub enum Text<'a> {
    Borrowed(&'a str),
    Shared(Rc<str>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

/// A list, whatever holds it.
#[derive(Clone, Debug)]
pub enum List<'a> {
    Json(json::Array<'a>),
    Constants(&'a [Constant]),
    Names(&'a [Arc<str>]),
    Shared(Rc<[Value<'a>]>),
}

/// A map, whatever holds it. Keys are unique.
#[derive(Clone, Debug)]
pub enum Map<'a> {
    Json(json::Object<'a>),
    Constants(&'a [(Constant, Constant)]),
    Labels(&'a Labels),
    Shared(Rc<[(Value<'a>, Value<'a>)]>),
}

impl<'a> Value<'a> {
    /// Text made during the evaluation.
    pub fn text(text: &str) -> Self {
        Self::Text(Text::Shared(Rc::from(text)))
    }

    /// A list made during the evaluation.
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(List::Shared(Rc::from(items)))
    }

    /// A duration; beyond 292 years it stays there.
    pub fn duration(duration: time::Duration) -> Self {
        Self::Duration(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }

    /// An optional value that is there.
    pub fn some(value: Self) -> Self {
        Self::Optional(Some(Rc::new(value)))
    }

    /// What it is, for error messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an int",
            Self::UInt(_) => "a uint",
            Self::Double(_) => "a double",
            Self::Text(_) => "text",
            Self::Timestamp(_) => "a timestamp",
            Self::Duration(_) => "a duration",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Optional(_) => "an optional value",
            Self::Kind(_) => "a type",
            Self::Step(_) => "an earlier call",
            Self::Command(_) => "a command",
            Self::Statement(_) => "a statement",
            Self::Url(_) => "a URL",
            Self::Email(_) => "a mail address",
            Self::Ip(_) => "an IP address",
            Self::Cidr(_) => "a range of addresses",
        }
    }

    /// The name of its type in CEL (language definition, "Types").
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::UInt(_) => "uint",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Optional(_) => "optional_type",
            Self::Kind(_) => "type",
            Self::Step(_) => "call",
            Self::Command(_) => "command",
            Self::Statement(_) => "statement",
            Self::Url(_) => "url",
            Self::Email(_) => "email",
            Self::Ip(_) => "ip",
            Self::Cidr(_) => "cidr",
        }
    }
}

impl<'a> From<json::Value<'a>> for Value<'a> {
    fn from(value: json::Value<'a>) -> Self {
        match value {
            json::Value::Null => Self::Null,
            json::Value::Bool(value) => Self::Bool(value),
            json::Value::Int(value) => Self::Int(value),
            json::Value::UInt(value) => Self::UInt(value),
            json::Value::Float(value) => Self::Double(value),
            json::Value::Str(text) => Self::Text(Text::Borrowed(text)),
            json::Value::Array(array) => Self::List(List::Json(array)),
            json::Value::Object(object) => Self::Map(Map::Json(object)),
        }
    }
}

impl<'a> From<&'a Constant> for Value<'a> {
    fn from(constant: &'a Constant) -> Self {
        match constant {
            Constant::Null => Self::Null,
            Constant::Bool(value) => Self::Bool(*value),
            Constant::Int(value) => Self::Int(*value),
            Constant::UInt(value) => Self::UInt(*value),
            Constant::Double(value) => Self::Double(*value),
            Constant::Text(text) => Self::Text(Text::Borrowed(text)),
            Constant::Timestamp(value) => Self::Timestamp(*value),
            Constant::Duration(value) => Self::Duration(*value),
            Constant::List(items) => Self::List(List::Constants(items)),
            Constant::Map(entries) => Self::Map(Map::Constants(entries)),
            Constant::Kind(name) => Self::Kind(name),
            Constant::Ip(address) => Self::Ip(*address),
            Constant::Cidr(range) => Self::Cidr(*range),
        }
    }
}

impl<'a> List<'a> {
    pub fn len(&self) -> usize {
        match self {
            Self::Json(array) => array.len(),
            Self::Constants(items) => items.len(),
            Self::Names(names) => names.len(),
            Self::Shared(items) => items.len(),
        }
    }

    pub fn get(&self, index: usize) -> Option<Value<'a>> {
        match self {
            Self::Json(array) => array.get(index).map(Value::from),
            Self::Constants(items) => items.get(index).map(Value::from),
            Self::Names(names) => names.get(index).map(|name| Value::Text(Text::Borrowed(name))),
            Self::Shared(items) => items.get(index).cloned(),
        }
    }

    /// Walks the elements in order until `visit` fails or answers `false`.
    pub fn visit<E>(&self, visit: &mut dyn FnMut(Value<'a>) -> Result<bool, E>) -> Result<(), E> {
        match self {
            Self::Json(array) => walk(array.iter().map(Value::from), visit),
            Self::Constants(items) => walk(items.iter().map(Value::from), visit),
            Self::Names(names) => {
                walk(names.iter().map(|name| Value::Text(Text::Borrowed(name))), visit)
            }
            Self::Shared(items) => walk(items.iter().cloned(), visit),
        }
    }

    /// The elements, copied out.
    pub fn to_vec(&self) -> Vec<Value<'a>> {
        match self {
            Self::Json(array) => array.iter().map(Value::from).collect(),
            Self::Constants(items) => items.iter().map(Value::from).collect(),
            Self::Names(names) => {
                names.iter().map(|name| Value::Text(Text::Borrowed(name))).collect()
            }
            Self::Shared(items) => items.to_vec(),
        }
    }
}

impl<'a> Map<'a> {
    pub fn len(&self) -> usize {
        match self {
            Self::Json(object) => object.len(),
            Self::Constants(entries) => entries.len(),
            Self::Labels(labels) => labels.len(),
            Self::Shared(entries) => entries.len(),
        }
    }

    /// The value under a text key.
    pub fn member(&self, name: &str) -> Option<Value<'a>> {
        match self {
            Self::Json(object) => object.get(name).map(Value::from),
            Self::Constants(entries) => entries
                .iter()
                .find(|(key, _)| matches!(key, Constant::Text(key) if **key == *name))
                .map(|(_, value)| Value::from(value)),
            Self::Labels(labels) => {
                labels.get(name).map(|value| Value::Text(Text::Borrowed(value)))
            }
            Self::Shared(entries) => entries
                .iter()
                .find(|(key, _)| matches!(key, Value::Text(key) if **key == *name))
                .map(|(_, value)| value.clone()),
        }
    }

    /// The entries, copied out.
    pub fn entries(&self) -> Vec<(Value<'a>, Value<'a>)> {
        match self {
            Self::Json(object) => {
                let entries = object.iter();
                entries.map(|(k, v)| (Value::Text(Text::Borrowed(k)), Value::from(v))).collect()
            }
            Self::Constants(entries) => {
                entries.iter().map(|(k, v)| (Value::from(k), Value::from(v))).collect()
            }
            Self::Labels(labels) => {
                let text = |text: &'a str| Value::Text(Text::Borrowed(text));
                labels.iter().map(|(k, v)| (text(k), text(v))).collect()
            }
            Self::Shared(entries) => entries.to_vec(),
        }
    }

    /// Walks the keys until `visit` fails or answers `false`.
    pub fn visit_keys<E>(
        &self,
        visit: &mut dyn FnMut(Value<'a>) -> Result<bool, E>,
    ) -> Result<(), E> {
        match self {
            Self::Json(object) => {
                walk(object.iter().map(|(name, _)| Value::Text(Text::Borrowed(name))), visit)
            }
            Self::Constants(entries) => walk(entries.iter().map(|(key, _)| key.into()), visit),
            Self::Labels(labels) => {
                walk(labels.keys().map(|name| Value::Text(Text::Borrowed(name))), visit)
            }
            Self::Shared(entries) => walk(entries.iter().map(|(key, _)| key.clone()), visit),
        }
    }
}

fn walk<'a, E>(
    items: impl Iterator<Item = Value<'a>>,
    visit: &mut dyn FnMut(Value<'a>) -> Result<bool, E>,
) -> Result<(), E> {
    for item in items {
        if !visit(item)? {
            break;
        }
    }
    Ok(())
}
