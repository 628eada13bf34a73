//! The one function that takes secrets out of text, for spans and whatever else may tell contents.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::CONTENT_LIMIT_BYTES;
use crate::policy::detect::Detector;

/// Stands for a value whose name says that it is secret.
pub const REDACTED: &str = "[redacted]";

/// How much more of a text is looked at than is told, in bytes: what is only half within it might
/// not be known for what it is. Longer than whatever a detector finds, but for whole keys in PEM,
/// which are found from their beginning on.
const MARGIN_BYTES: usize = 4 * 1024;

/// What is looked for, in this order; `Secret` holds the detectors of all kinds of keys.
const DETECTORS: [Detector; 7] = [
    Detector::Secret,
    Detector::Iban,
    Detector::CardNumber,
    Detector::Email,
    Detector::UsSsn,
    Detector::IpAddress,
    Detector::Phone,
];

/// Names that say so, in lower case and without what separates words.
const SECRET_WORDS: [&str; 16] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "cookie",
    "credential",
    "token",
    "bearer",
    "jwt",
    "otp",
    "sessionid",
];

/// Short names that say so only as a whole.
const SECRET_NAMES: [&str; 6] = ["pwd", "pass", "pin", "auth", "cvv", "cvc"];

/// `name=value` and `"name": "value"`, also within a string of JSON, with or without quotes.
#[expect(clippy::expect_used, reason = "the expression is a constant that the tests compile")]
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    let name = r#"[A-Za-z0-9_.\-]*(?:pass(?:word|wd|phrase|code)|secret|api[_\-]?key|access[_\-]?key|private[_\-]?key|credentials?|token|bearer|jwt|session[_\-]?id|\bpwd|\bpin|\bcvv|\bcvc|\botp)"#;
    let joint = r#"["'\\]*\s*[:=]\s*"#;
    let value = r#"(?s:"(?:[^"\\]|\\.)*|\\+"[^"\\]*|\\*'[^'\\]*|[^\s"'\\,;&}\]]+)"#;
    Regex::new(&format!("(?i)({name}{joint})({value})")).expect("a regular expression")
});

/// Header lines: their value goes on to the end of the line, or of the string that holds it.
#[expect(clippy::expect_used, reason = "the expression is a constant that the tests compile")]
static HEADERS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?i)((?:proxy-)?authorization|(?:set-)?cookie)(["'\\]*\s*[:=]\s*["'\\]*)[^\r\n"'\\]+"#,
    )
    .expect("a regular expression")
});

/// A credential behind the name of its scheme.
#[expect(clippy::expect_used, reason = "the expression is a constant that the tests compile")]
static SCHEMES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=\-]{8,}").expect("a regular expression")
});

/// The user information of a URL (RFC 3986, section 3.2.1), of any scheme, also with the slashes
/// escaped as within a string of JSON. It ends at the last `@` of the authority. A password that has
/// `/`, `?` or `#` in it as they are is found where what stands before them can be no port.
#[expect(clippy::expect_used, reason = "the expression is a constant that the tests compile")]
static USER_INFORMATION: LazyLock<Regex> = LazyLock::new(|| {
    let scheme = r"[A-Za-z][A-Za-z0-9+.\-]*:\\*/\\*/";
    let proper = r#"[^\s/?#"<>]+"#;
    let unescaped = r#"[^\s/?#"<>:@]*:[^\s/?#"<>]*[^\s/?#"<>0-9\\][^\s/?#"<>]*[/?#][^\s"<>]*"#;
    Regex::new(&format!("({scheme})(?:{proper}|{unescaped})@")).expect("a regular expression")
});

/// The text without secrets: whatever a detector of policies finds, the user information of URLs, and
/// values that stand under names such as `password`, `token` or `authorization`. What stands in their
/// place says what it was.
///
/// Heuristic: a secret that looks like an ordinary word and has an ordinary name stays.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    let named = |found: &Captures<'_>| {
        format!("{}{REDACTED}", found.get(1).map_or("", |name| name.as_str()))
    };
    let header = |found: &Captures<'_>| {
        let part = |at| found.get(at).map_or("", |part| part.as_str());
        format!("{}{}{REDACTED}", part(1), part(2))
    };
    let scheme = |found: &Captures<'_>| {
        format!("{} {REDACTED}", found.get(1).map_or("", |name| name.as_str()))
    };
    let user = |found: &Captures<'_>| {
        format!("{}{REDACTED}@", found.get(1).map_or("", |scheme| scheme.as_str()))
    };
    // Before e-mail addresses: what stands around the `@` may look like one.
    text = replaced(text, &USER_INFORMATION, user);
    text = replaced(text, &HEADERS, header);
    text = replaced(text, &SCHEMES, scheme);
    // Before names: it finds a key up to its end, however many lines that takes.
    for detector in DETECTORS {
        if let Some((without, _)) = detector.replace(&text, &format!("[{}]", detector.name())) {
            text = Cow::Owned(without);
        }
    }
    replaced(text, &NAMED, named)
}

fn replaced<'t>(
    text: Cow<'t, str>,
    pattern: &Regex,
    with: impl Fn(&Captures<'_>) -> String,
) -> Cow<'t, str> {
    match pattern.replace_all(&text, with) {
        Cow::Borrowed(_) => text,
        Cow::Owned(without) => Cow::Owned(without),
    }
}

/// Whether a value is a secret by its name.
pub(super) fn is_secret_name(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    SECRET_NAMES.contains(&&*plain) || SECRET_WORDS.iter().any(|word| plain.contains(word))
}

/// As much of a text as is looked at.
pub(super) fn window(text: &str) -> &str {
    let end = text.floor_char_boundary(CONTENT_LIMIT_BYTES.saturating_add(MARGIN_BYTES));
    text.get(..end).unwrap_or_default()
}

/// As much of a redacted window as may be told, and whether that is not all: its end may be the
/// beginning of something that was not known for what it is.
pub(super) fn without_margin(redacted: &str, is_cut: bool) -> (&str, bool) {
    if !is_cut {
        return (redacted, false);
    }
    let end = redacted.floor_char_boundary(redacted.len().saturating_sub(MARGIN_BYTES));
    (redacted.get(..end).unwrap_or_default(), true)
}
