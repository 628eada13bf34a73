//! Values of a document as cheap copies: scalars by value, containers as positions on the tape.

use std::fmt;

use crate::json::document::{Document, Node};
use crate::json::{canonical, python_float};

/// In objects of up to so many members a name is looked for one by one: most names already differ
/// in length, which is cheaper to see than their order.
const ONE_BY_ONE_LIMIT_MEMBERS: usize = 16;

/// A JSON value. Integers keep their 64 bits; `1` and `1.0` are told apart.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX` only.
    UInt(u64),
    /// Always finite.
    Float(f64),
    Str(&'a str),
    Array(Array<'a>),
    Object(Object<'a>),
}

/// A JSON array.
#[derive(Clone, Copy)]
pub struct Array<'a> {
    document: &'a Document,
    at: u32,
    len: u32,
}

/// A JSON object. No member name occurs twice.
#[derive(Clone, Copy)]
pub struct Object<'a> {
    document: &'a Document,
    at: u32,
    len: u32,
}

impl<'a> Value<'a> {
    pub(super) fn at(document: &'a Document, at: u32) -> Self {
        match document.node(at) {
            Node::Null => Self::Null,
            Node::Bool(value) => Self::Bool(value),
            Node::Int(value) => Self::Int(value),
            Node::UInt(value) => Self::UInt(value),
            Node::Float(value) => Self::Float(value),
            Node::Plain { .. } | Node::Decoded { .. } => Self::Str(document.string(at)),
            Node::Array { len, .. } => Self::Array(Array { document, at, len }),
            Node::Object { len, .. } => Self::Object(Object { document, at, len }),
        }
    }

    /// A compact copy of this value alone, independent of the document it came from.
    pub fn to_document(self) -> Document {
        let mut copy = Document::default();
        copy.push_value(self);
        copy.shrink();
        copy
    }

    /// Appends the canonical form: what Python's
    /// `json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)` prints.
    pub fn write_canonical(self, out: &mut Vec<u8>) {
        canonical::write(self, python_float::write, out);
    }

    /// Roughly the memory that [`Value::to_document`] would take, in bytes.
    pub fn size_bytes(self) -> usize {
        let (document, at) = match self {
            Self::Str(text) => return size_of::<Node>() + text.len(),
            Self::Array(array) => array.place(),
            Self::Object(object) => object.place(),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::UInt(_) | Self::Float(_) => {
                return size_of::<Node>();
            }
        };
        let end = document.next(at) as usize;
        let nodes = document.nodes.get(at as usize..end).unwrap_or_default();
        nodes.iter().fold(0usize, |sum, node| {
            let text = match node {
                Node::Plain { len, .. } | Node::Decoded { len, .. } => *len as usize,
                Node::Null
                | Node::Bool(_)
                | Node::Int(_)
                | Node::UInt(_)
                | Node::Float(_)
                | Node::Array { .. }
                | Node::Object { .. } => 0,
            };
            sum.saturating_add(size_of::<Node>()).saturating_add(text)
        })
    }

    /// The object, when this is one.
    pub fn as_object(self) -> Option<Object<'a>> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// The array, when this is one.
    pub fn as_array(self) -> Option<Array<'a>> {
        if let Self::Array(array) = self { Some(array) } else { None }
    }

    /// The string, when this is one.
    pub fn as_str(self) -> Option<&'a str> {
        if let Self::Str(text) = self { Some(text) } else { None }
    }
}

impl<'a> Array<'a> {
    /// Where it stands on the tape.
    pub(super) fn place(self) -> (&'a Document, u32) {
        (self.document, self.at)
    }

    /// How many elements it has.
    pub fn len(self) -> usize {
        self.len as usize
    }

    /// Whether it has no elements.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The element at an index from 0. Takes time in proportion to the index when elements are
    /// themselves arrays or objects: prefer [`Array::iter`] to walk.
    pub fn get(self, index: usize) -> Option<Value<'a>> {
        let index = u32::try_from(index).ok().filter(|index| *index < self.len)?;
        let first = self.at.saturating_add(1);
        let scalars_only = self.document.next(self.at) == first.saturating_add(self.len);
        if scalars_only {
            return Some(self.document.value(first.saturating_add(index)));
        }
        self.iter().nth(index as usize)
    }

    /// The elements in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Value<'a>> + Clone {
        let document = self.document;
        Walk { document, at: self.at.saturating_add(1), left: self.len }
            .map(move |at| document.value(at))
    }
}

impl<'a> Object<'a> {
    /// How many members it has.
    pub fn len(self) -> usize {
        self.len as usize
    }

    /// Whether it has no members.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The member with exactly this name.
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        let names = self.sorted_names();
        let at = if names.len() <= ONE_BY_ONE_LIMIT_MEMBERS {
            names.iter().find(|at| self.document.is_string(**at, name))
        } else {
            let found = names.binary_search_by(|at| self.document.string(*at).cmp(name));
            found.ok().and_then(|found| names.get(found))
        };
        at.map(|at| self.document.value(at.saturating_add(1)))
    }

    /// The members in source order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = (&'a str, Value<'a>)> + Clone {
        let document = self.document;
        let names = MemberWalk(Walk { document, at: self.at.saturating_add(1), left: self.len });
        names.map(move |at| (document.string(at), document.value(at.saturating_add(1))))
    }

    /// The names of the members, sorted by code point.
    pub fn names(self) -> impl ExactSizeIterator<Item = &'a str> {
        let document = self.document;
        self.sorted_names().iter().map(move |at| document.string(*at))
    }

    /// The members sorted by code point of their names.
    pub(super) fn iter_sorted(self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        let document = self.document;
        let names = self.sorted_names().iter();
        names.map(move |at| (document.string(*at), document.value(at.saturating_add(1))))
    }

    /// Where it stands on the tape.
    pub(super) fn place(self) -> (&'a Document, u32) {
        (self.document, self.at)
    }

    fn sorted_names(self) -> &'a [u32] {
        let Node::Object { order, len, .. } = self.document.node(self.at) else {
            return &[];
        };
        self.document.sorted_names(order, len)
    }
}

/// Nodes of the values that follow one another from `at`.
#[derive(Clone)]
struct Walk<'a> {
    document: &'a Document,
    at: u32,
    left: u32,
}

impl Iterator for Walk<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        let at = self.at;
        self.at = self.document.next(at);
        Some(at)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Walk<'_> {}

/// Nodes of member names; the value of each stands right after it.
#[derive(Clone)]
struct MemberWalk<'a>(Walk<'a>);

impl Iterator for MemberWalk<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let walk = &mut self.0;
        walk.left = walk.left.checked_sub(1)?;
        let at = walk.at;
        walk.at = walk.document.next(at.saturating_add(1));
        Some(at)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for MemberWalk<'_> {}

impl fmt::Debug for Array<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
