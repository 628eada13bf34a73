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
        let mut empty = Self::default();
        let root = empty.push_node(Node::Null);
        empty.close_object(root, std::iter::empty());
        empty
    }

    /// `{name: value}`
    fn wrapping(name: &str, value: Value<'_>) -> Self {
        let mut wrapper = Self::default();
        let root = wrapper.push_node(Node::Null);
        let name = wrapper.push_string(name);
        wrapper.push_value(value);
        wrapper.close_object(root, std::iter::once(name));
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
        if let Some(name) = self.sort_names(&mut names) {
            return Err(ArgumentsError::Duplicate { name: name.to_owned() });
        }
        // The root closed last, so its names end the list: the longer list takes their place.
        self.order.truncate(order as usize);
        self.close_object(0, names.into_iter());
        Ok(())
    }
}
