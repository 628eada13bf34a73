//! One JSON Schema, compiled: bounded in time, without reach beyond its own text.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use super::bounds::{Effort, Work};
use super::complaint::{self, Complaint};

/// Complaints listed about one value.
pub(super) const COMPLAINTS_LIMIT: usize = 16;

/// Largest regular expression, compiled, in bytes.
const PATTERN_LIMIT_BYTES: usize = 1024 * 1024;

/// Why a schema cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SchemaFault {
    /// Which schema of the definition, and where in it, as a JSON pointer: `/args/0/properties/x`.
    pub pointer: String,
    pub message: String,
}

impl SchemaFault {
    pub(super) fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }

    /// The same fault, seen from further out.
    pub(super) fn within(mut self, part: &str) -> Self {
        self.pointer = format!("/{part}{}", self.pointer);
        self
    }
}

/// A schema that values can be checked against.
#[derive(Debug)]
pub(super) struct Checker {
    schema: Value,
    validator: Validator,
    /// What it can make of a value.
    work: Work,
}

impl Checker {
    /// Compiles a schema. Without `$schema` it is read as draft 2020-12, the one of OpenAPI 3.1.
    ///
    /// # Errors
    /// When it is no schema, refers to what it does not hold, or has a pattern that cannot be
    /// matched in linear time.
    pub fn compile(schema: Value) -> Result<Self, SchemaFault> {
        let work = Work::of(&schema)?;
        let mut options = jsonschema::options()
            .offline()
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_LIMIT_BYTES));
        if schema.get("$schema").is_none() {
            options = options.with_draft(Draft::Draft202012);
        }
        let validator = options.build(&schema).map_err(|error| {
            let message = complaint::of_schema(&error);
            SchemaFault::new(error.instance_path().as_str(), message)
        })?;
        Ok(Self { schema, validator, work })
    }

    /// The schema as it was given.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Whether a value fits. One that would take too long to be checked does not.
    pub fn fits(&self, value: &Value) -> bool {
        match self.work.effort(value) {
            Effort::Excessive => false,
            Effort::Small | Effort::Large => self.validator.is_valid(value),
        }
    }

    /// What is wrong with a value that stands at `root`; nothing when it fits.
    pub fn complaints(&self, value: &Value, root: &str) -> Vec<Complaint> {
        let effort = self.work.effort(value);
        match effort {
            Effort::Excessive => return vec![Complaint::too_much(root)],
            Effort::Small | Effort::Large if self.validator.is_valid(value) => return Vec::new(),
            Effort::Large => return vec![Complaint::unfit(root)],
            Effort::Small => {}
        }
        let errors = self.validator.iter_errors(value).take(COMPLAINTS_LIMIT);
        errors.flat_map(|error| complaint::of_value(&error, &self.schema, root)).collect()
    }
}
