//! What stands there, in words.

use super::super::node::{Kind, Node};
use super::super::scalar::{Meaning, meaning};

/// What a value is. Its text is not repeated: where the file is shown is for others to say, and it
/// may be a secret that stands in the wrong place.
pub(super) fn describe(node: &Node) -> &'static str {
    match (&node.kind, meaning(node)) {
        (Kind::Sequence(_), _) => "a list",
        (Kind::Mapping(_), _) | (Kind::Scalar { .. }, None) => "a mapping",
        (Kind::Scalar { value, .. }, Some(meaning)) => match meaning {
            Meaning::Null if value.is_empty() => "nothing",
            Meaning::Null => "null",
            Meaning::Bool(_) => "a boolean",
            Meaning::Int(_) | Meaning::UInt(_) | Meaning::NotANumber(_) => "a number",
            Meaning::Float(_) => "a number with a fraction",
            Meaning::Text(_) => "text",
        },
    }
}

/// Most words of a list.
const LIST_LIMIT_WORDS: usize = 16;

/// The words in back-quotes, with commas between; of many, the first.
pub(super) fn list(words: &[&str]) -> String {
    let quoted = words.iter().take(LIST_LIMIT_WORDS).map(|word| format!("`{word}`"));
    let more = (words.len() > LIST_LIMIT_WORDS).then(|| "…".to_owned());
    quoted.chain(more).collect::<Vec<_>>().join(", ")
}
