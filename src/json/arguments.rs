//! The arguments of a call, assembled from its JSON body and from what its path and query carry.

use crate::json::document::{Document, Node};
use crate::json::value::Value;

/// The argument that a body becomes which is not a JSON object.
pub const BODY_ARGUMENT: &str = "body";

/// Why the parts of a call do not make one set of arguments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentsError {
    /// Path, query and body name the same argument: an upstream may read either.
    #[error("the argument \"{}\" is given twice", .name.escape_debug())]
    Duplicate { name: String },
}

/// Assembles `args` as one document.
#[derive(Debug, Default)]
pub struct ArgumentsBuilder<'p> {
    body: Option<Document>,
    pairs: Vec<(&'p str, &'p str)>,
}

impl<'p> ArgumentsBuilder<'p> {
    /// No arguments yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the members of a JSON object as arguments, or any other value as the one argument
    /// [`BODY_ARGUMENT`].
    #[must_use]
    pub fn body(mut self, body: Document) -> Self {
        self.body = Some(body);
        self
    }

    /// Adds a string argument from the path or the query, decoded.
    #[must_use]
    pub fn pair(mut self, name: &'p str, value: &'p str) -> Self {
        self.pairs.push((name, value));
        self
    }

    /// The arguments: an object.
    ///
    /// # Errors
    /// When a name occurs twice, within one place or across places.
    pub fn build(self) -> Result<Document, ArgumentsError> {
        let mut args = match self.body {
            Some(body) if matches!(body.root(), Value::Object(_)) => body,
            Some(body) => Document::wrapping(BODY_ARGUMENT, body.root()),
            None => Document::empty_object(),
        };
        args.append_members(&self.pairs)?;
        Ok(args)
    }
}

impl Document {
    /// `{}`
    fn empty_object() -> Self {
        let nodes = vec![Node::Object {
            len: 0,
            end: 1,
            order: 0,
        }];
        Self {
            nodes,
            ..Self::default()
        }
    }

    /// `{name: value}`
    fn wrapping(name: &str, value: Value<'_>) -> Self {
        let mut wrapper = Self {
            nodes: vec![Node::Null],
            ..Self::default()
        };
        let name = wrapper.push_string(name);
        wrapper.push_value(value);
        let order = wrapper.push_order(&[name]);
        let end = wrapper.position();
        wrapper.set_node(0, Node::Object { len: 1, end, order });
        wrapper
    }

    /// Adds string members to the object at the root.
    fn append_members(&mut self, pairs: &[(&str, &str)]) -> Result<(), ArgumentsError> {
        let Node::Object { len, order, .. } = self.node(0) else {
            return Ok(());
        };
        if pairs.is_empty() {
            return Ok(());
        }
        let mut names = self.sorted_names(order, len).to_vec();
        for (name, value) in pairs {
            names.push(self.push_string(name));
            self.push_string(value);
        }
        names.sort_by(|left, right| self.string(*left).cmp(self.string(*right)));
        let mut neighbours = names.iter().zip(names.iter().skip(1));
        let twice = neighbours.find(|(left, right)| self.string(**left) == self.string(**right));
        if let Some((name, _)) = twice {
            return Err(ArgumentsError::Duplicate {
                name: self.string(*name).to_owned(),
            });
        }
        // The root closes last, so its names end the list: the longer list takes their place.
        self.order.truncate(order as usize);
        let order = self.push_order(&names);
        let len = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let end = self.position();
        self.set_node(0, Node::Object { len, end, order });
        Ok(())
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
                let end = self.position();
                let len = u32::try_from(array.len()).unwrap_or(u32::MAX);
                self.set_node(at, Node::Array { len, end });
                at
            }
            Value::Object(object) => {
                let at = self.push_node(Node::Null);
                let mut names = Vec::with_capacity(object.len());
                for (name, value) in object.iter() {
                    names.push(self.push_string(name));
                    self.push_value(value);
                }
                names.sort_by(|left, right| self.string(*left).cmp(self.string(*right)));
                let order = self.push_order(&names);
                let end = self.position();
                let len = u32::try_from(names.len()).unwrap_or(u32::MAX);
                self.set_node(at, Node::Object { len, end, order });
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

    fn push_string(&mut self, text: &str) -> u32 {
        let start = u32::try_from(self.decoded.len()).unwrap_or(u32::MAX);
        let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.decoded.push_str(text);
        self.push_node(Node::Decoded { start, len })
    }

    fn push_node(&mut self, node: Node) -> u32 {
        let at = self.position();
        self.nodes.push(node);
        at
    }

    fn push_order(&mut self, names: &[u32]) -> u32 {
        let start = u32::try_from(self.order.len()).unwrap_or(u32::MAX);
        self.order.extend_from_slice(names);
        start
    }

    fn position(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)
    }

    fn set_node(&mut self, at: u32, node: Node) {
        if let Some(slot) = self.nodes.get_mut(at as usize) {
            *slot = node;
        }
    }
}
