//! Reading into values: arguments, fields, elements, and what may be absent.

use super::compare::lookup;
use super::cost::{Evaluated, fault, mismatch};
use super::eval::Machine;
use super::program::Node;
use super::value::{List, Map, Text, Value};
use super::{EvalError, EvalErrorKind};
use crate::json;
use crate::policy::lookalike::reads_as;

/// Names compared for one unit.
const NAMES_A_UNIT: usize = 8;

impl<'a> Machine<'a> {
    pub(super) fn argument(&mut self, path: &'a [Box<str>]) -> Evaluated<Value<'a>> {
        let mut value = self.env.call.args;
        for (depth, name) in path.iter().enumerate() {
            value = match value {
                json::Value::Object(object) => match self.named(object, name)? {
                    Some(value) => value,
                    None => return Err(no_argument(path, depth)),
                },
                other => return Err(no_member(path, depth, &other.into())),
            };
        }
        Ok(value.into())
    }

    pub(super) fn has_argument(&mut self, path: &'a [Box<str>]) -> Evaluated<bool> {
        let Some((last, parents)) = path.split_last() else {
            return Ok(true);
        };
        match self.argument(parents)? {
            Value::Map(Map::Json(object)) => Ok(self.named(object, last)?.is_some()),
            other => Err(no_member(path, parents.len(), &other)),
        }
    }

    pub(super) fn select(&mut self, of: &Value<'a>, name: &str) -> Evaluated<Value<'a>> {
        self.member(of, name)?
            .ok_or_else(|| fault(EvalErrorKind::Missing, format!("there is no `{name}`")))
    }

    /// The member of a JSON object that a rule names.
    ///
    /// # Errors
    /// When the object has another member that the tool may read in its place.
    fn named(
        &mut self,
        object: json::Object<'a>,
        name: &str,
    ) -> Evaluated<Option<json::Value<'a>>> {
        self.budget.take(object.len() / NAMES_A_UNIT)?;
        if object.names().any(|other| reads_as(other, name)) {
            return Err(ambiguous(name));
        }
        Ok(object.get(name))
    }

    /// A field of a value; `None` when it has none of that name.
    pub(super) fn member(&mut self, of: &Value<'a>, name: &str) -> Evaluated<Option<Value<'a>>> {
        let text = |text: &str| Some(Value::text(text));
        let texts = |texts: &[String]| {
            Some(Value::list(texts.iter().map(|text| Value::text(text)).collect()))
        };
        Ok(match (of, name) {
            (Value::Map(Map::Json(object)), _) => self.named(*object, name)?.map(Value::from),
            (Value::Map(map), _) => {
                self.budget.take(map.len())?;
                map.member(name)
            }
            (Value::Command(command), "name") => text(&command.name),
            (Value::Command(command), "args") => texts(&command.args),
            (Value::Command(command), "flags") => texts(&command.flags),
            (Value::Command(command), "paths") => texts(&command.paths),
            (Value::Command(command), "writes") => texts(&command.writes),
            (Value::Statement(statement), "kind") => text(&statement.kind),
            (Value::Statement(statement), "tables") => texts(&statement.tables),
            (Value::Statement(statement), "functions") => texts(&statement.functions),
            (Value::Url(url), "scheme") => text(&url.scheme),
            (Value::Url(url), "host") => text(&url.host),
            (Value::Url(url), "port") => url.port.map(|port| Value::Int(i64::from(port))),
            (Value::Url(url), "path") => text(&url.path),
            (Value::Url(url), "query") => url.query.as_deref().and_then(text),
            (Value::Url(url), "user") => url.user.as_deref().and_then(text),
            (Value::Email(email), "local") => text(&email.local),
            (Value::Email(email), "domain") => text(&email.domain),
            (Value::Step(step), "tool") => Some(Value::Text(Text::Borrowed(&step.tool))),
            (Value::Step(step), "age") => Some(self.age(step)),
            (Value::Step(_), "args" | "result") => {
                let message = "what is read of earlier calls must be clear from the rule alone";
                return Err(fault(EvalErrorKind::Type, message));
            }
            _ => {
                let message = format!("{} has no `{name}`", of.kind());
                return Err(fault(EvalErrorKind::Type, message));
            }
        })
    }

    /// An element of a list or map; `None` when it is not there.
    pub(super) fn element(
        &mut self,
        of: &Value<'a>,
        index: &Value<'a>,
    ) -> Evaluated<Option<Value<'a>>> {
        match (of, index) {
            (Value::Map(map), key) => lookup(map, key, &mut self.budget),
            (Value::List(list), index) => {
                let index = match index {
                    Value::Int(index) => usize::try_from(*index).ok(),
                    Value::UInt(index) => usize::try_from(*index).ok(),
                    Value::Double(index) if index.fract() == 0.0 && *index >= 0.0 => {
                        Some(*index as usize)
                    }
                    Value::Double(_) => None,
                    other => return Err(mismatch("an int", other.kind())),
                };
                let Some(index) = index else {
                    return Ok(None);
                };
                if let List::Json(array) = list {
                    self.budget.take(index.min(array.len()) / 16)?;
                }
                Ok(list.get(index))
            }
            (other, _) => Err(mismatch("a list or a map", other.kind())),
        }
    }

    /// The value of a node that is there or not, without wrapping it.
    pub(super) fn optional(&mut self, node: &'a Node) -> Evaluated<Option<Value<'a>>> {
        match node {
            Node::OptionalSelect(of, name) => match self.base(of)? {
                None | Some(Value::Null) => Ok(None),
                Some(of) => self.member(&of, name),
            },
            Node::OptionalIndex(pair) => {
                let [of, index] = &**pair;
                match self.base(of)? {
                    None | Some(Value::Null) => Ok(None),
                    Some(of) => {
                        let index = self.eval(index)?;
                        self.element(&of, &index)
                    }
                }
            }
            Node::OptionalCaptured(capture) => self.find_captured(capture),
            other => match self.eval(other)? {
                Value::Optional(value) => Ok(value.map(|value| (*value).clone())),
                other => Err(mismatch("an optional value", other.kind())),
            },
        }
    }

    /// What an optional selection starts from: a value, or an optional one.
    fn base(&mut self, node: &'a Node) -> Evaluated<Option<Value<'a>>> {
        let optional = matches!(
            node,
            Node::OptionalSelect(..) | Node::OptionalIndex(_) | Node::OptionalCaptured(_)
        );
        if optional {
            self.budget.take(1)?;
            return self.optional(node);
        }
        match self.eval(node)? {
            Value::Optional(value) => Ok(value.map(|value| (*value).clone())),
            value => Ok(Some(value)),
        }
    }
}

#[cold]
fn ambiguous(name: &str) -> EvalError {
    let message = format!("another name than `{name}` could be read as it");
    fault(EvalErrorKind::Ambiguous, message)
}

#[cold]
fn no_argument(path: &[Box<str>], depth: usize) -> EvalError {
    let known = path.get(..=depth).unwrap_or(path).join(".");
    fault(EvalErrorKind::Missing, format!("the call has no `args.{known}`"))
}

#[cold]
fn no_member(path: &[Box<str>], depth: usize, value: &Value<'_>) -> EvalError {
    let mut owner = String::from("args");
    for name in path.iter().take(depth) {
        owner.push('.');
        owner.push_str(name);
    }
    let name = path.get(depth).map_or("", |name| name);
    let message = format!("`{owner}` is {}: it has no `{name}`", value.kind());
    fault(EvalErrorKind::Type, message)
}
