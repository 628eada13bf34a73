//! A parsed document: one flat tape of nodes over the text it was read from.
//!
//! A tree of owned values costs an allocation a string and a node; the tape costs four in all, and
//! a string without escapes is never copied.

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;

use crate::json::error::JsonError;
use crate::json::parse;
use crate::json::value::Value;

/// Nested arrays and objects a document may have unless the caller says otherwise.
pub const JSON_DEPTH_LIMIT: usize = 64;

/// One entry of the tape. Containers stand before their contents; an object's members alternate
/// name, value. Positions are 32 bits, so a text may be at most 4 GiB: parsing checks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX` only.
    UInt(u64),
    /// Always finite.
    Float(f64),
    /// Stands in the text between quotes and without escapes, so its canonical form is itself.
    Plain {
        start: u32,
        len: u32,
    },
    /// Stands in the side string.
    Decoded {
        start: u32,
        len: u32,
    },
    /// `len` counts elements; `end` is the node after the last one.
    Array {
        len: u32,
        end: u32,
    },
    /// `len` counts members; `order` is where their names, sorted, start in [`Document::order`].
    Object {
        len: u32,
        end: u32,
        order: u32,
    },
}

/// A JSON document, read strictly. Cloning it copies the tape but not the text.
#[derive(Clone, Default)]
pub struct Document {
    pub(super) text: ByteString,
    /// Strings whose escapes had to be decoded, one after the other.
    pub(super) decoded: String,
    pub(super) nodes: Vec<Node>,
    /// For each object the nodes of its member names, sorted by their bytes. UTF-8 sorts as its
    /// code points do, which is the order of the canonical form.
    pub(super) order: Vec<u32>,
}

impl Document {
    /// Reads `bytes` as exactly one JSON text (RFC 8259) nested at most `depth_limit` deep.
    ///
    /// Limits above 126 act as 126.
    ///
    /// # Errors
    /// Anything two decoders could read differently is refused; [`crate::json::JsonErrorKind`]
    /// lists it.
    pub fn parse(bytes: Bytes, depth_limit: usize) -> Result<Self, JsonError> {
        parse::parse(bytes, depth_limit)
    }

    /// Reads a text with the default depth limit.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn from_text(text: &str) -> Result<Self, JsonError> {
        Self::parse(Bytes::copy_from_slice(text.as_bytes()), JSON_DEPTH_LIMIT)
    }

    /// The outermost value.
    pub fn root(&self) -> Value<'_> {
        self.value(0)
    }

    /// The value at a node. Nodes that do not exist read as null.
    pub(super) fn value(&self, at: u32) -> Value<'_> {
        Value::at(self, at)
    }

    pub(super) fn node(&self, at: u32) -> Node {
        usize::try_from(at).ok().and_then(|at| self.nodes.get(at)).copied().unwrap_or(Node::Null)
    }

    /// The node after the value at `at` and everything inside it.
    pub(super) fn next(&self, at: u32) -> u32 {
        match self.node(at) {
            Node::Array { end, .. } | Node::Object { end, .. } => end,
            Node::Null
            | Node::Bool(_)
            | Node::Int(_)
            | Node::UInt(_)
            | Node::Float(_)
            | Node::Plain { .. }
            | Node::Decoded { .. } => at.saturating_add(1),
        }
    }

    /// The string at a node; empty when the node is none.
    pub(super) fn string(&self, at: u32) -> &str {
        string_of(self.node(at), &self.text, &self.decoded)
    }

    /// Whether a node is a string with exactly this text.
    pub(super) fn is_string(&self, at: u32, text: &str) -> bool {
        let node = self.node(at);
        match node {
            Node::Plain { len, .. } | Node::Decoded { len, .. } => {
                len as usize == text.len() && string_of(node, &self.text, &self.decoded) == text
            }
            Node::Null
            | Node::Bool(_)
            | Node::Int(_)
            | Node::UInt(_)
            | Node::Float(_)
            | Node::Array { .. }
            | Node::Object { .. } => false,
        }
    }

    /// A plain string as it stands in the text, quotes included.
    pub(super) fn quoted(&self, start: u32, len: u32) -> &[u8] {
        let before = (start as usize).saturating_sub(1);
        let after = (start as usize).saturating_add(len as usize).saturating_add(1);
        self.text.as_bytes().get(before..after).unwrap_or(b"\"\"")
    }

    /// The nodes of an object's member names in canonical order.
    pub(super) fn sorted_names(&self, order: u32, len: u32) -> &[u32] {
        let start = order as usize;
        self.order.get(start..start.saturating_add(len as usize)).unwrap_or_default()
    }
}

/// The string that a node stands for, given the two places strings live in.
pub(super) fn string_of<'a>(node: Node, text: &'a str, decoded: &'a str) -> &'a str {
    let (home, start, len) = match node {
        Node::Plain { start, len } => (text, start, len),
        Node::Decoded { start, len } => (decoded, start, len),
        Node::Null
        | Node::Bool(_)
        | Node::Int(_)
        | Node::UInt(_)
        | Node::Float(_)
        | Node::Array { .. }
        | Node::Object { .. } => return "",
    };
    let start = start as usize;
    home.get(start..start.saturating_add(len as usize)).unwrap_or_default()
}

impl fmt::Debug for Document {
    /// Sizes only: documents hold arguments and results, which do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("nodes", &self.nodes.len())
            .field("text_bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}
