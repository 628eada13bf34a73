//! A JSON Schema that a rule holds an answer against.

use super::coerce;
use super::schema::{Checker, SchemaFault};
use crate::json;

/// What a value must be like.
#[derive(Debug)]
pub struct ValueShape(Checker);

impl ValueShape {
    /// Compiles a schema that stands on its own. Without `$schema` it is read as draft 2020-12.
    ///
    /// # Errors
    /// A schema that cannot be used, or whose checks could go on without an end.
    pub fn compile(schema: serde_json::Value) -> Result<Self, SchemaFault> {
        Checker::compile(schema).map(Self)
    }

    /// Whether a value is like that. One that is too large or too deep to be checked is not.
    pub fn fits(&self, value: json::Value<'_>) -> bool {
        self.0.fits(&coerce::to_serde(value))
    }
}
