//! Hides secrets in the text that faults show.
//!
//! A secret that is written into the file is a fault; showing the line with the fault must not
//! print it. The text is masked byte for byte, so that all places hold.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::yaml::Span;

/// The text with everything hidden that stands where a secret belongs, that looks like credentials
/// in a URL, or that lies in `secrets`. References such as `${env:NAME}` stay.
pub(super) fn mask(text: &str, secrets: &[Span]) -> String {
    let mut hidden: Vec<Range<usize>> = secrets.iter().map(|span| span.start..span.end).collect();
    if let Some(patterns) = PATTERNS.as_ref() {
        for pattern in patterns {
            let found = pattern.captures_iter(text).filter_map(|found| found.get(1));
            hidden.extend(
                found.filter(|part| !part.as_str().contains("${")).map(|part| part.range()),
            );
        }
    }
    let mut masked = text.as_bytes().to_vec();
    for range in hidden {
        for byte in masked.get_mut(range).into_iter().flatten() {
            if !byte.is_ascii_whitespace() {
                *byte = b'*';
            }
        }
    }
    // A span that cuts a character in two would leave half of it: then show nothing.
    String::from_utf8(masked).unwrap_or_else(|_| "*".repeat(text.len()))
}

static PATTERNS: LazyLock<Option<[Regex; 2]>> = LazyLock::new(|| {
    let keys = r#"(?i)\b(?:auth|bearer|value|digest|key|password|token|secret)["']?\s*:[ \t]+((?:"[^"\n]*"?)|(?:'[^'\n]*'?)|(?:[^\s"'{\[,}#][^,}\n]*))"#;
    let credentials = r#"([^\s/"'@,{}\[\]]+:[^\s/"'@]*)@"#;
    Some([Regex::new(keys).ok()?, Regex::new(credentials).ok()?])
});
