//! What stands there, in words.

use super::super::node::{Kind, Node};
use super::super::scalar::{Meaning, meaning};

/// Longest text that is repeated in a message.
const SHOWN_LIMIT_CHARS: usize = 40;

/// What a value is: `the text "abc"`, `the number 5`, `a list`.
pub(super) fn describe(node: &Node) -> String {
    match (&node.kind, meaning(node)) {
        (Kind::Sequence(_), _) => "a list".to_owned(),
        (Kind::Mapping(_), _) | (Kind::Scalar { .. }, None) => "a mapping".to_owned(),
        (Kind::Scalar { value, .. }, Some(meaning)) => match meaning {
            Meaning::Null if value.is_empty() => "nothing".to_owned(),
            Meaning::Null => format!("`{value}`"),
            Meaning::Bool(_) => format!("the boolean `{value}`"),
            Meaning::Int(_) | Meaning::UInt(_) | Meaning::Float(_) | Meaning::NotANumber(_) => {
                format!("the number `{value}`")
            }
            Meaning::Text(text) => format!("the text `{}`", short(text)),
        },
    }
}

/// `a`, `b` and `c`, each in back-quotes.
pub(super) fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let shown: String = line.chars().take(SHOWN_LIMIT_CHARS).collect();
    if shown.len() < text.len() { format!("{shown}…") } else { shown }
}
