//! What a tool is declared to take and to answer, and whether a call keeps to it.
//!
//! A [`Definition`] is what an OpenAPI document ([`openapi`]), a catalogue of functions
//! ([`catalogue`]) or the config itself says of a tool: JSON Schemas as they are written. From it a
//! [`Contract`] is built when the config is loaded: [`ArgsContract`] judges arguments before a call
//! is made, [`Contract::check_response`] the answer after it. Nothing is fetched and no file is
//! opened here: a schema that refers to another document is refused.
//!
//! Arguments that no schema names are refused unless the schema says that it allows more. JSON
//! Schema would let them pass; but an argument that a tool does not know is a mistake of the model's
//! or something smuggled past the rules, which read arguments by name.

mod args;
mod bounds;
pub mod catalogue;
pub mod codes;
mod coerce;
mod complaint;
mod definition;
pub mod dialect;
mod drift;
pub mod openapi;
mod responses;
mod schema;
mod shape;
mod surface;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use self::args::{ArgsContract, Declared, Nulls};
pub use self::complaint::Complaint;
pub use self::definition::{Definition, Part, Statuses};
pub use self::drift::{Drift, drift};
pub use self::schema::SchemaFault;
pub use self::shape::ValueShape;

use self::responses::Responses;
use crate::json;

/// What is done about an answer that breaks its schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBreach {
    /// It is passed on, and the record says so.
    #[default]
    Observe,
    /// It is withheld.
    Refuse,
}

/// What one tool takes and answers.
#[derive(Debug)]
pub struct Contract {
    /// Digest of the definition: 24 hex digits of SHA-256 over its canonical JSON.
    pub version: Arc<str>,
    /// The same over the schema of its arguments alone; `None` when they have not exactly one.
    pub args_version: Option<Arc<str>>,
    pub on_breach: OnBreach,
    args: Option<Arc<ArgsContract>>,
    responses: Responses,
}

impl Contract {
    /// Builds the checks of a definition.
    ///
    /// # Errors
    /// The first schema that cannot be used, and where in the definition.
    pub fn build(definition: &Definition, on_breach: OnBreach) -> Result<Self, SchemaFault> {
        let args = if definition.args.is_empty() {
            None
        } else {
            Some(Arc::new(ArgsContract::build(&definition.args)?))
        };
        let responses = Responses::build(&definition.results)?;
        let args_version = definition.args_version();
        Ok(Self { version: definition.version(), args_version, on_breach, args, responses })
    }

    /// What the tool's arguments must be, if that is declared.
    pub fn args(&self) -> Option<&Arc<ArgsContract>> {
        self.args.as_ref()
    }

    /// Whether some answer has a schema, so that answers must be looked at whole.
    pub fn has_responses(&self) -> bool {
        !self.responses.is_empty()
    }

    /// Whether an answer that breaks its schema must not be handed on.
    pub fn withholds(&self) -> bool {
        match self.on_breach {
            OnBreach::Observe => false,
            OnBreach::Refuse => self.has_responses(),
        }
    }

    /// What is wrong with an answer. `body` is `None` when it is not JSON. An answer with a status
    /// for which nothing is declared is not judged.
    pub fn check_response(&self, status: u16, body: Option<json::Value<'_>>) -> Vec<Complaint> {
        self.responses.check(status, body)
    }
}
