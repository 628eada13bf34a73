//! What is known of a value before it exists.

use std::fmt;

use crate::policy::glob::Glob;

/// The type of an expression. [`Type::Dyn`] is known only at run time: arguments, results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    Dyn,
    Null,
    Bool,
    Int,
    UInt,
    Double,
    Text,
    Timestamp,
    Duration,
    List(Box<Type>),
    /// Keys are text; the type is that of the values.
    Map(Box<Type>),
    Optional(Box<Type>),
    /// What `type(x)` gives.
    Kind,
    /// An earlier call, and the tools it may be of (`None`: the precondition's own).
    Step(Vec<Option<Glob>>),
    Command,
    Statement,
    Url,
    Email,
    Ip,
    Cidr,
}

impl Type {
    pub fn list(of: Self) -> Self {
        Self::List(Box::new(of))
    }

    pub fn optional(of: Self) -> Self {
        Self::Optional(Box::new(of))
    }

    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::UInt | Self::Double)
    }

    /// Whether a value of one type can equal a value of the other. Numbers of any kind can.
    pub fn comparable(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dyn, _) | (_, Self::Dyn) => true,
            (Self::List(a), Self::List(b))
            | (Self::Map(a), Self::Map(b))
            | (Self::Optional(a), Self::Optional(b)) => a.comparable(b),
            (Self::Step(_), _) | (_, Self::Step(_)) => false,
            (a, b) => a == b || (a.is_number() && b.is_number()),
        }
    }

    /// Whether values of both types have an order between them.
    pub fn ordered(&self, other: &Self) -> bool {
        let orderable = |one: &Self| {
            let simple = matches!(
                one,
                Self::Dyn | Self::Bool | Self::Text | Self::Timestamp | Self::Duration
            );
            simple || one.is_number()
        };
        orderable(self) && orderable(other) && self.comparable(other)
    }

    /// The type of a value that has one of two types.
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Step(mut a), Self::Step(b)) => {
                for tools in b {
                    if !a.contains(&tools) {
                        a.push(tools);
                    }
                }
                Self::Step(a)
            }
            (Self::List(a), Self::List(b)) => Self::list(a.join(*b)),
            (Self::Map(a), Self::Map(b)) => Self::Map(Box::new(a.join(*b))),
            (Self::Optional(a), Self::Optional(b)) => Self::optional(a.join(*b)),
            _ => Self::Dyn,
        }
    }

    /// Fields of the structured types; none for the others.
    pub fn fields(&self) -> &'static [&'static str] {
        match self {
            Self::Step(_) => &["tool", "args", "result", "age"],
            Self::Command => &["name", "args", "flags", "paths", "writes"],
            Self::Statement => &["kind", "tables", "functions"],
            Self::Url => &["scheme", "host", "port", "path", "query", "user"],
            Self::Email => &["local", "domain"],
            Self::Dyn
            | Self::Null
            | Self::Bool
            | Self::Int
            | Self::UInt
            | Self::Double
            | Self::Text
            | Self::Timestamp
            | Self::Duration
            | Self::List(_)
            | Self::Map(_)
            | Self::Optional(_)
            | Self::Kind
            | Self::Ip
            | Self::Cidr => &[],
        }
    }

    /// The type of a field; `None` when the type has no such field.
    pub fn field(&self, name: &str) -> Option<Self> {
        if matches!(self, Self::Dyn) {
            return Some(Self::Dyn);
        }
        if let Self::Map(values) = self {
            return Some((**values).clone());
        }
        self.fields().contains(&name).then(|| match (self, name) {
            (Self::Command, "args" | "flags" | "paths" | "writes")
            | (Self::Statement, "tables" | "functions") => Self::list(Self::Text),
            (Self::Step(_), "age") => Self::Duration,
            (Self::Step(_), "args" | "result") => Self::Dyn,
            (Self::Url, "port") => Self::Int,
            _ => Self::Text,
        })
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Dyn => "any value",
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Int => "an int",
            Self::UInt => "a uint",
            Self::Double => "a double",
            Self::Text => "text",
            Self::Timestamp => "a timestamp",
            Self::Duration => "a duration",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Optional(_) => "an optional value",
            Self::Kind => "a type",
            Self::Step(_) => "an earlier call",
            Self::Command => "a command",
            Self::Statement => "a statement",
            Self::Url => "a URL",
            Self::Email => "a mail address",
            Self::Ip => "an IP address",
            Self::Cidr => "a range of addresses",
        };
        f.write_str(name)
    }
}
