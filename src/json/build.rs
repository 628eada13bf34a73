//! How a document grows: used by the reader, by copies of subtrees and by assembled arguments.

use crate::json::document::{Document, Node};
use crate::json::value::Value;

impl Document {
    /// The node that comes next. Fits 32 bits for what the reader accepts: no node takes less than
    /// a byte of a text that is at most 4 GiB long.
    pub(super) fn position(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)
    }

    /// Appends a node and says where it stands.
    pub(super) fn push_node(&mut self, node: Node) -> u32 {
        let at = self.position();
        self.nodes.push(node);
        at
    }

    /// Appends a string, kept in the side string.
    pub(super) fn push_string(&mut self, text: &str) -> u32 {
        let start = u32::try_from(self.decoded.len()).unwrap_or(u32::MAX);
        let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.decoded.push_str(text);
        self.push_node(Node::Decoded { start, len })
    }

    /// Fills in the array that was begun at `at`, now that all its elements follow.
    pub(super) fn close_array(&mut self, at: u32, len: u32) {
        let end = self.position();
        self.set_node(at, Node::Array { len, end });
    }

    /// Fills in the object that was begun at `at`, now that all its members follow.
    pub(super) fn close_object(&mut self, at: u32, sorted_names: impl Iterator<Item = u32>) {
        let start = self.order.len();
        self.order.extend(sorted_names);
        let len = u32::try_from(self.order.len().saturating_sub(start)).unwrap_or(u32::MAX);
        let order = u32::try_from(start).unwrap_or(u32::MAX);
        let end = self.position();
        self.set_node(at, Node::Object { len, end, order });
    }

    /// Sorts names as the canonical form does and returns one that occurs twice.
    pub(super) fn sort_names(&self, names: &mut [u32]) -> Option<&str> {
        names.sort_unstable_by(|one, other| self.string(*one).cmp(self.string(*other)));
        let mut neighbours = names.iter().zip(names.iter().skip(1));
        let twice = neighbours.find(|(one, other)| self.string(**one) == self.string(**other));
        twice.map(|(name, _)| self.string(*name))
    }

    /// Appends a copy of a value. Recursion is bounded by the depth limit it was read with.
    pub(super) fn push_value(&mut self, value: Value<'_>) {
        match value {
            Value::Null => self.push_node(Node::Null),
            Value::Bool(value) => self.push_node(Node::Bool(value)),
            Value::Int(value) => self.push_node(Node::Int(value)),
            Value::UInt(value) => self.push_node(Node::UInt(value)),
            Value::Float(value) => self.push_node(Node::Float(value)),
            Value::Str(text) => self.push_string(text),
            Value::Array(array) => {
                let at = self.push_node(Node::Null);
                array.iter().for_each(|element| self.push_value(element));
                self.close_array(at, u32::try_from(array.len()).unwrap_or(u32::MAX));
                at
            }
            Value::Object(object) => {
                let at = self.push_node(Node::Null);
                let mut names = Vec::with_capacity(object.len());
                for (name, value) in object.iter() {
                    names.push(self.push_string(name));
                    self.push_value(value);
                }
                self.sort_names(&mut names);
                self.close_object(at, names.into_iter());
                at
            }
        };
    }

    /// Gives back what growing reserved and nothing filled.
    pub(super) fn shrink(&mut self) {
        self.nodes.shrink_to_fit();
        self.order.shrink_to_fit();
        self.decoded.shrink_to_fit();
    }

    fn set_node(&mut self, at: u32, node: Node) {
        if let Some(slot) = self.nodes.get_mut(at as usize) {
            *slot = node;
        }
    }
}
