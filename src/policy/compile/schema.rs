//! `schema` of a rule: what the result must be like.

use super::{Compiler, File, codes};
use crate::contract::catalogue::standalone;
use crate::contract::dialect::Direction;
use crate::contract::{SchemaFault, ValueShape, codes as contract_codes};
use crate::policy::model::Phase;
use crate::policy::raw::RawRule;
use crate::yaml::{Diagnostic, Severity};

impl Compiler<'_> {
    /// The schema of a rule, if it has one that can be used.
    pub(super) fn schema(
        &mut self,
        file: &File<'_>,
        raw: &RawRule,
        phase: Phase,
    ) -> Option<ValueShape> {
        let tree = raw.schema.as_ref()?;
        if phase == Phase::Call {
            let message = "`schema` is held against a result, and there is none before the call";
            let fault = Diagnostic::error(codes::PHASE, message).help(
                "add `phase: result`; what a tool takes is declared in the config: `args` or `schema`",
            );
            self.fault(file, tree.span, fault);
            return None;
        }
        let before = self.faults.len();
        let schema = standalone(file.source, tree, Direction::Response, &mut self.faults);
        let broken = self.faults.iter().skip(before).any(|fault| fault.severity == Severity::Error);
        if broken {
            return None;
        }
        if is_open(&schema) {
            let fault = Diagnostic::error(codes::NEVER, "this rule can never fire");
            self.fault(file, tree.span, fault.help("every result satisfies this schema"));
            return None;
        }
        match ValueShape::compile(schema) {
            Ok(shape) => Some(shape),
            Err(SchemaFault { pointer, message }) => {
                let place = tree.nearest(&pointer).span;
                let message = format!("this schema cannot be used: {message}");
                self.fault(file, place, Diagnostic::error(contract_codes::SCHEMA, message));
                None
            }
        }
    }
}

/// Whether a schema says nothing.
fn is_open(schema: &serde_json::Value) -> bool {
    schema.as_bool() == Some(true) || schema.as_object().is_some_and(serde_json::Map::is_empty)
}
