//! The tree of values as a serde deserializer that notes every fault and where it is.

mod access;
mod describe;
mod keys;

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

use serde::de::{Deserializer, Visitor};

use self::access::{Elements, Members, Parts, Variant};
use self::describe::{describe, list};
use super::codes;
use super::diagnostic::Diagnostic;
use super::either::EITHER;
use super::fault::{Failure, SCALAR, ScalarFault};
use super::field::FIELD;
use super::node::{Key, Kind, Node};
use super::read::Shape;
use super::scalar::{Meaning, meaning};
use super::source::{Source, Span};
use super::suggest::closest;
use super::text::TEXT;

/// What all readers of one file share.
pub(super) struct Context<'a> {
    source: &'a Arc<Source>,
    shape: Shape,
    repaired: Vec<Span>,
    faults: RefCell<Vec<Diagnostic>>,
    /// Ids of values that were found bad and are left out from then on.
    bad: RefCell<HashSet<usize>>,
    /// Ids of mappings whose absent keys were reported.
    incomplete: RefCell<HashSet<usize>>,
}

/// Reads one value.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    node: &'a Node,
    /// The key that leads to the value, if one does.
    key: Option<&'a Key>,
    context: &'a Context<'a>,
}

impl<'a> Context<'a> {
    pub fn new(
        source: &'a Arc<Source>,
        shape: Shape,
        repaired: Vec<Span>,
        bad: HashSet<usize>,
    ) -> Self {
        Self {
            source,
            shape,
            repaired,
            faults: RefCell::default(),
            bad: RefCell::new(bad),
            incomplete: RefCell::default(),
        }
    }

    pub fn into_faults(self) -> Vec<Diagnostic> {
        self.faults.into_inner()
    }

    /// Notes that a value is bad, with a fault unless it follows from another.
    pub fn report(&self, failure: Failure, node: &Node, key: Option<&Key>) {
        self.bad.borrow_mut().insert(node.id);
        let introduced = key.map_or(node.span, |key| key.span);
        match failure {
            Failure::Reported | Failure::Follows => {}
            Failure::Missing(name) => self.push(keys::missing(name), introduced),
            Failure::New(fault) => {
                let empty = node.span.start == node.span.end;
                let place = if empty { introduced } else { node.span };
                let mut diagnostic = Diagnostic::error(fault.code, fault.text.message);
                diagnostic.help = fault.text.help;
                self.push(diagnostic, fault.span.unwrap_or(place));
            }
        }
    }

    fn push(&self, diagnostic: Diagnostic, span: Span) {
        self.faults.borrow_mut().push(diagnostic.at(self.source, span));
    }

    /// Bad, or standing where the text was overwritten after a syntax error.
    fn is_bad(&self, node: &Node) -> bool {
        let inside = |span: &Span| span.start <= node.span.start && node.span.start < span.end;
        self.bad.borrow().contains(&node.id) || self.repaired.iter().any(inside)
    }

    fn planned(&self, name: &str, word: &str) -> bool {
        keys::lookup(self.shape.planned, name).contains(&word)
    }
}

impl<'a> Reader<'a> {
    pub fn new(node: &'a Node, context: &'a Context<'a>) -> Self {
        Self { node, key: None, context }
    }

    fn wrong_type(self, expected: &str) -> Failure {
        let text = ScalarFault::new(format!("expected {expected}, found {}", describe(self.node)));
        Failure::New(Box::new(super::fault::Fault { code: codes::TYPE, text, span: None }))
    }

    /// Text, or a fault that teaches to quote it.
    fn text(self) -> Result<&'a str, Failure> {
        let Kind::Scalar { value, .. } = &self.node.kind else {
            return Err(self.wrong_type("text"));
        };
        match meaning(self.node) {
            Some(Meaning::Text(text)) => Ok(text),
            Some(Meaning::Null) if value.is_empty() => Err(self.wrong_type("text")),
            _ => {
                let text =
                    ScalarFault::new(format!("expected text, found {}", describe(self.node)))
                        .help(format!("quote it: \"{value}\""));
                Err(Failure::new(codes::TYPE, text))
            }
        }
    }

    fn integer<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Failure> {
        match meaning(self.node) {
            Some(Meaning::Int(value)) => visitor.visit_i64(value),
            Some(Meaning::UInt(value)) => visitor.visit_u64(value),
            _ => Err(self.wrong_type("a whole number")),
        }
    }

    fn float<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Failure> {
        match meaning(self.node) {
            Some(Meaning::Float(value)) => visitor.visit_f64(value),
            Some(Meaning::Int(value)) => visitor.visit_i64(value),
            Some(Meaning::UInt(value)) => visitor.visit_u64(value),
            _ => Err(self.wrong_type("a number")),
        }
    }

    /// The parts that [`super::Text`] and [`super::Field`] are made of.
    fn parts<V: Visitor<'a>>(self, visitor: V, text: bool) -> Result<V::Value, Failure> {
        let raw = self.context.source.text.get(self.node.span.start..self.node.span.end);
        let raw = raw.unwrap_or_default();
        match &self.node.kind {
            Kind::Scalar { value, style } if text => {
                if value.is_empty() && raw.is_empty() {
                    return Err(self.wrong_type("text"));
                }
                visitor.visit_seq(Parts::text(self.node.span, style.name(), raw, value))
            }
            Kind::Sequence(_) | Kind::Mapping(_) if text => Err(self.wrong_type("text")),
            Kind::Scalar { .. } | Kind::Sequence(_) | Kind::Mapping(_) => {
                visitor.visit_seq(Parts::value(self))
            }
        }
    }
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.node.kind {
            Kind::Sequence(items) => visitor.visit_seq(Elements::new(items, self.context)),
            Kind::Mapping(entries) => visitor.visit_map(Members::new(entries, self.context)),
            Kind::Scalar { value, .. } => match meaning(self.node) {
                Some(Meaning::Null) | None => visitor.visit_unit(),
                Some(Meaning::Bool(value)) => visitor.visit_bool(value),
                Some(Meaning::Int(value)) => visitor.visit_i64(value),
                Some(Meaning::UInt(value)) => visitor.visit_u64(value),
                Some(Meaning::Float(value)) => visitor.visit_f64(value),
                Some(Meaning::Text(text)) => visitor.visit_borrowed_str(text),
                Some(Meaning::NotANumber(_)) => Err(Failure::new(
                    codes::VALUE,
                    ScalarFault::new("a number that JSON cannot hold")
                        .help(format!("quote it if it is text: \"{value}\"")),
                )),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match meaning(self.node) {
            Some(Meaning::Bool(value)) => visitor.visit_bool(value),
            _ => Err(self.wrong_type("`true` or `false`")),
        }
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.integer(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.integer(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.integer(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.integer(visitor)
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.integer(visitor)
    }

    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.integer(visitor)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.integer(visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.integer(visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.float(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.float(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        // A key without a value is a mistake, not an absent key: the inner type says so.
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match name {
            TEXT => self.parts(visitor, true),
            FIELD => self.parts(visitor, false),
            EITHER => match &self.node.kind {
                Kind::Scalar { .. } => visitor.visit_some(self),
                Kind::Sequence(_) | Kind::Mapping(_) => visitor.visit_newtype_struct(self),
            },
            SCALAR => match &self.node.kind {
                Kind::Scalar { value, .. } if !value.is_empty() => visitor.visit_str(value),
                Kind::Scalar { .. } | Kind::Sequence(_) | Kind::Mapping(_) => {
                    Err(self.wrong_type("text"))
                }
            },
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let Kind::Sequence(items) = &self.node.kind else {
            let single = matches!(meaning(self.node), Some(Meaning::Text(_)));
            return Err(match self.wrong_type("a list") {
                Failure::New(mut fault) if single => {
                    fault.text.help = Some("write it in `[ ]`, also when it is alone".to_owned());
                    Failure::New(fault)
                }
                failure => failure,
            });
        };
        visitor.visit_seq(Elements::new(items, self.context))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let Kind::Mapping(entries) = &self.node.kind else {
            return Err(self.wrong_type("a mapping"));
        };
        visitor.visit_map(Members::new(entries, self.context))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let Kind::Mapping(entries) = &self.node.kind else {
            return Err(self.wrong_type(&format!("a mapping with {}", list(fields))));
        };
        keys::check(self, entries, name, fields);
        let incomplete = || self.context.incomplete.borrow().contains(&self.node.id);
        match visitor.visit_map(Members::new(entries, self.context)) {
            Err(Failure::Missing(key)) => {
                let present = entries.iter().any(|entry| entry.key.text == key);
                Err(if present || incomplete() { Failure::Follows } else { Failure::Missing(key) })
            }
            other => other,
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let (word, content) = match &self.node.kind {
            Kind::Scalar { .. } => (self.text()?, None),
            Kind::Mapping(entries) => match entries.as_slice() {
                [entry] => (entry.key.text.as_str(), Some(entry)),
                _ => return Err(self.wrong_type(&format!("one of {}", list(variants)))),
            },
            Kind::Sequence(_) => return Err(self.wrong_type(&format!("one of {}", list(variants)))),
        };
        if variants.contains(&word) {
            return visitor.visit_enum(Variant::new(word, content, self.context));
        }
        if self.context.planned(name, word) {
            let text = ScalarFault::new(format!("`{word}` is not supported by this version"));
            return Err(Failure::new(codes::UNSUPPORTED, text));
        }
        let expected = match variants {
            [only] => format!("`{only}`"),
            _ => format!("one of {}", list(variants)),
        };
        let text = ScalarFault::new(format!("expected {expected}, found `{word}`"));
        Err(Failure::new(
            codes::CHOICE,
            match closest(word, variants.iter().copied()) {
                Some(close) => text.help(format!("did you mean `{close}`?")),
                None => text,
            },
        ))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match meaning(self.node) {
            Some(Meaning::Null) => visitor.visit_unit(),
            _ => Err(self.wrong_type("nothing")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit_struct tuple_struct
    }
}
