//! Faults that a value's own parser finds.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, Expected, Unexpected, Visitor};

use super::codes;
use super::source::Span;

/// The name under which a scalar with a syntax of its own asks our deserializer for its text.
pub(super) const SCALAR: &str = "toolgate::yaml::Scalar";

/// Between the parts of a [`ScalarFault`] when serde carries it as text. A unit separator cannot
/// stand in YAML (section 5.1), so no message contains one by accident.
const SEPARATOR: char = '\u{1f}';

/// What is wrong with a scalar; its place is known to the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalarFault {
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl ScalarFault {
    /// A fault without help.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Takes apart what [`fmt::Display`] wrote; a text without a separator is a message alone.
    pub(super) fn decode(text: &str) -> Self {
        match text.split_once(SEPARATOR) {
            Some((message, help)) => Self::new(message).help(help),
            None => Self::new(text),
        }
    }
}

impl fmt::Display for ScalarFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "{SEPARATOR}{help}"),
            None => Ok(()),
        }
    }
}

/// Deserializes a value that is written as one scalar with a syntax of its own. Numbers and
/// booleans reach `parse` as they are written.
///
/// # Errors
/// What `parse` says, as [`codes::VALUE`] at the scalar; [`codes::TYPE`] for a list or mapping.
pub fn parse_scalar<'de, D, T>(
    deserializer: D,
    parse: fn(&str) -> Result<T, ScalarFault>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_newtype_struct(SCALAR, ScalarVisitor(parse, PhantomData))
}

struct ScalarVisitor<T>(fn(&str) -> Result<T, ScalarFault>, PhantomData<T>);

impl<'de, T> Visitor<'de> for ScalarVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<T, D::Error> {
        (self.0)(&String::deserialize(inner)?).map_err(D::Error::custom)
    }
}

/// A fault on its way through serde.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was reported; what encloses it goes on.
    Reported,
    /// It follows from one that was reported: nothing is to be said of this value.
    Follows,
    /// A required key is absent.
    Missing(&'static str),
    New(Box<Fault>),
}

/// A fault that is not yet reported.
#[derive(Debug)]
pub(super) struct Fault {
    pub code: &'static str,
    pub text: ScalarFault,
    /// The value it is about, when not the one being read.
    pub span: Option<Span>,
}

impl Failure {
    pub fn new(code: &'static str, text: ScalarFault) -> Self {
        Self::New(Box::new(Fault { code, text, span: None }))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reported | Self::Follows => f.write_str("reported"),
            Self::Missing(key) => write!(f, "missing key `{key}`"),
            Self::New(fault) => f.write_str(&fault.text.message),
        }
    }
}

impl std::error::Error for Failure {}

impl Error for Failure {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::new(codes::VALUE, ScalarFault::decode(&text.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(codes::TYPE, unexpected(&found, expected))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(codes::VALUE, unexpected(&found, expected))
    }

    fn missing_field(key: &'static str) -> Self {
        Self::Missing(key)
    }
}

fn unexpected(found: &Unexpected<'_>, expected: &dyn Expected) -> ScalarFault {
    let expected = expected.to_string();
    let range = match expected.as_str() {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, not negative",
        "i64" | "isize" => "a whole number of 64 bits",
        "f64" => "a number",
        other => other,
    };
    let found = match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("the number `{value}`"),
        Unexpected::Signed(value) => format!("the number `{value}`"),
        Unexpected::Float(value) => format!("the number `{value}`"),
        Unexpected::Str(_) => "text".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        Unexpected::Unit => "nothing".to_owned(),
        other => other.to_string(),
    };
    ScalarFault::new(format!("expected {range}, found {found}"))
}
