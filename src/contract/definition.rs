//! What is declared of a tool, as it is written: names, words and JSON Schemas.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::json::{self, Document};

/// Deepest nesting of a definition: that of our reader.
const DEPTH_LIMIT_LEVELS: usize = 126;

/// What is declared of one tool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definition {
    /// The operation, without its server.
    pub name: String,
    /// What it is for: a summary, a description.
    pub description: String,
    /// Schemas of its arguments; empty when nothing is declared.
    pub args: Vec<Part>,
    /// Schemas of its answers by status.
    pub results: Vec<(Statuses, Value)>,
}

/// A schema over some of a tool's arguments. Path and query of an HTTP operation are one part, its
/// body another: each closes its own names.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The arguments it is about; `None` for all that no other part names.
    pub names: Option<BTreeSet<String>>,
    /// A JSON Schema of an object.
    pub schema: Value,
    /// Whether it may be left out as a whole: a body that is not required.
    pub optional: bool,
}

/// Which statuses a response schema is for (OpenAPI 3.1, "Responses Object").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Statuses {
    One(u16),
    /// `2XX`: the hundreds.
    Hundred(u16),
    /// Those of success, for tools that declare one result.
    Success,
    Default,
}

impl Part {
    /// A schema over all arguments.
    pub fn whole(schema: Value) -> Self {
        Self { names: None, schema, optional: false }
    }
}

impl Statuses {
    /// The name of a response in OpenAPI: `200`, `2XX`, `default`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "default" {
            return Some(Self::Default);
        }
        if text.len() != 3 {
            return None;
        }
        let hundreds =
            text.get(..1)?.parse::<u16>().ok().filter(|digit| (1..=5).contains(digit))?;
        if text.get(1..)?.eq_ignore_ascii_case("xx") {
            return Some(Self::Hundred(hundreds));
        }
        text.parse().ok().map(Self::One)
    }

    /// Whether a status is one of them.
    pub fn include(self, status: u16) -> bool {
        match self {
            Self::One(one) => one == status,
            Self::Hundred(hundreds) => status / 100 == hundreds,
            Self::Success => (200..300).contains(&status),
            Self::Default => true,
        }
    }

    fn name(self) -> String {
        match self {
            Self::One(status) => status.to_string(),
            Self::Hundred(hundreds) => format!("{hundreds}XX"),
            Self::Success => "success".to_owned(),
            Self::Default => "default".to_owned(),
        }
    }
}

impl Definition {
    /// Its digest: the first 24 hex digits of SHA-256 over its canonical JSON, in the form in which
    /// arguments are digested. The order of keys in the file does not matter; any word does.
    pub fn version(&self) -> Arc<str> {
        let args = self.args.iter().map(
            |part| json!({ "names": part.names, "schema": part.schema, "optional": part.optional }),
        );
        let results: serde_json::Map<String, Value> = self
            .results
            .iter()
            .map(|(statuses, schema)| (statuses.name(), schema.clone()))
            .collect();
        let whole = json!({
            "name": self.name,
            "description": self.description,
            "args": args.collect::<Vec<_>>(),
            "results": results,
        });
        digest_of(&whole)
    }

    /// The digest of the schema of its arguments, in the same form; `None` when there is none, or one
    /// for each place that arguments stand in.
    pub fn args_version(&self) -> Option<Arc<str>> {
        match self.args.as_slice() {
            [Part { names: None, schema, optional: _ }] => Some(digest_of(schema)),
            _ => None,
        }
    }
}

fn digest_of(value: &Value) -> Arc<str> {
    let text = value.to_string();
    match Document::parse(Bytes::from(text.clone()), DEPTH_LIMIT_LEVELS) {
        Ok(document) => Arc::from(json::digest(document.root(), None).to_string()),
        // Deeper than any file we read; its own text is as good a form.
        Err(_) => {
            let mut hasher = json::Hasher::new(None);
            hasher.update(text.as_bytes());
            Arc::from(hasher.finish().to_string())
        }
    }
}
