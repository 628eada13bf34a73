//! Whatever the text, reading neither panics nor hangs, and every fault can be shown.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;

use super::{SHAPE, read_file};
use crate::yaml::{Field, Source, Text, read, read_shaped};

/// Pieces that mean something to YAML, to the model under test, or to a terminal.
const PIECES: [&str; 52] = [
    "kind", "rules", "id", "then", "when", "tools", "max", "deny", "approve", ": ", ":", "\n",
    "\n  ", "\n- ", "\n  - ", "- ", "{", "}", "[", "]", ", ", "\"", "'", "|", "|-\n    ", ">",
    ">-\n  ", "!", "!x", "*a", "&a ", "#", " # c", "\t", "\r\n", "\r", "%", "@", "`", "? ",
    "---\n", "...\n", "é", "漢", "\u{feff}", "\u{202e}", "\0", "\\", "\\u00e9", "5", "true", "~",
];

fn text() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(&PIECES[..]);
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// A file of the model's shape with one scalar replaced.
fn shaped() -> impl Strategy<Value = String> {
    (text(), 0..3_usize).prop_map(|(scalar, place)| match place {
        0 => format!("kind: {scalar}\nrules: []\n"),
        1 => format!(
            "kind: P\nrules:\n- id: a\n  when: {scalar}\n  then: deny\n- id: 5\n  then: deny\n"
        ),
        _ => format!("kind: P\nrules:\n- {{ id: a, then: {scalar}, count: x }}\n"),
    })
}

fn holds(text: &str) -> Result<(), TestCaseError> {
    let (file, faults) = read_file(text);
    prop_assert_eq!(file.is_none(), !faults.is_empty());
    for fault in &faults {
        prop_assert!(!fault.render(false).is_empty() && !fault.render(true).is_empty());
        let source = fault.source.as_ref().unwrap();
        prop_assert!(fault.span.start <= fault.span.end && fault.span.end <= source.text.len());
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_read(text in text()) {
        holds(&text)?;
    }

    #[test]
    fn any_scalar_is_read(text in shaped()) {
        holds(&text)?;
    }

    #[test]
    fn every_part_of_a_value_has_its_place(scalar in text(), from in 0..30_usize, length in 0..10_usize) {
        let source = Arc::new(Source { name: "p.yaml".to_owned(), text: format!("- {scalar}\n") });
        let texts: Option<Vec<Text>> = read(&source, &mut Vec::new());
        for text in texts.unwrap_or_default() {
            let place = text.locate(from..from + length);
            prop_assert!(text.span.start <= place.start && place.start <= place.end && place.end <= text.span.end);
            // A part without blanks and escapes reads the same in the file.
            let part = text.value.get(from..from + length);
            let plain = |c: char| c.is_alphanumeric() || matches!(c, '[' | ']' | '*' | '@');
            if let Some(part) = part.filter(|part| part.chars().all(plain) && !source.text.contains('\\')) {
                prop_assert_eq!(source.text.get(place.start..place.end), Some(part));
            }
        }
    }

    #[test]
    fn json_is_read_as_json(text in r#"[\[\]{}",:0-9a-z \n-]{0,30}"#) {
        if let Ok(json) = serde_json::from_str::<Value>(&text) {
            let source = Arc::new(Source { name: "p.json".to_owned(), text });
            let mut faults = Vec::new();
            let read: Option<Field<Value>> = read_shaped(&source, SHAPE, &mut faults);
            // YAML is stricter about keys that stand twice, and reads no break inside quotes.
            if faults.is_empty() {
                prop_assert_eq!(read.map(|field| field.value), Some(json));
            }
        }
    }
}
