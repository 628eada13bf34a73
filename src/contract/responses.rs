//! Whether an answer is what the tool declares.

use serde_json::Value;

use super::coerce;
use super::complaint::Complaint;
use super::definition::Statuses;
use super::schema::{Checker, SchemaFault};
use crate::json;

/// Schemas of answers, the more exact statuses first.
#[derive(Debug, Default)]
pub(super) struct Responses(Vec<(Statuses, Checker)>);

impl Responses {
    pub fn build(results: &[(Statuses, Value)]) -> Result<Self, SchemaFault> {
        let mut checkers = Vec::new();
        for (position, (statuses, schema)) in results.iter().enumerate() {
            let checker = Checker::compile(schema.clone());
            checkers.push((
                *statuses,
                checker.map_err(|fault| fault.within(&format!("results/{position}")))?,
            ));
        }
        checkers.sort_by_key(|(statuses, _)| *statuses);
        Ok(Self(checkers))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn check(&self, status: u16, body: Option<json::Value<'_>>) -> Vec<Complaint> {
        let Some((_, checker)) = self.0.iter().find(|(statuses, _)| statuses.include(status))
        else {
            return Vec::new();
        };
        match body {
            Some(body) => checker.complaints(&coerce::to_serde(body), "/result"),
            None => vec![Complaint::not_json()],
        }
    }
}
