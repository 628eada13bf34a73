//! Which tools of a request its client carries out. What the provider's own find is added to the
//! prompt, and nobody knows its length before.

use super::estimate::is_named;
use crate::json::{Object, Value};

/// Members of a tool that say no more than how the client is to be asked, without underscores.
const DECLARING: [&str; 14] = [
    "name",
    "title",
    "description",
    "inputschema",
    "inputexamples",
    "outputschema",
    "parameters",
    "strict",
    "cachecontrol",
    "function",
    "functiondeclarations",
    "computeruse",
    "deferloading",
    "eagerinputstreaming",
];

/// Whether each of the tools is one that the client carries out.
pub(super) fn are_clients_own(tools: Value<'_>) -> bool {
    match tools {
        Value::Null => true,
        Value::Array(tools) => tools.iter().all(|tool| tool.as_object().is_some_and(is_clients)),
        Value::Object(tool) => is_clients(tool),
        Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Float(_) | Value::Str(_) => false,
    }
}

fn is_clients(tool: Object<'_>) -> bool {
    let kind = match tool.get("type") {
        None | Some(Value::Null) => "",
        Some(Value::Str(kind)) => kind,
        Some(_) => return false,
    };
    let is_declared = |name: &str| DECLARING.iter().any(|known| is_named(name, known));
    match kind {
        "" => tool.iter().all(|(name, _)| is_declared(name) || name == "type"),
        "function" | "custom" => true,
        "local_shell" | "apply_patch" | "computer" | "computer_use_preview" => true,
        "shell" => {
            let place = tool.get("environment").and_then(Value::as_object);
            place.and_then(|place| place.get("type")).and_then(Value::as_str) == Some("local")
        }
        // Those of Anthropic's that a client carries out have a version behind their names.
        _ => ["bash_", "text_editor_", "computer_", "memory_"]
            .iter()
            .filter_map(|family| kind.strip_prefix(family))
            .any(|version| version.bytes().all(|byte| byte.is_ascii_digit())),
    }
}
