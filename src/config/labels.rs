//! Names and labels: which characters they may have.

use crate::yaml::ScalarFault;

/// Longest name or label.
const LABEL_LIMIT_CHARS: usize = 128;

/// The name of an upstream: it is a segment of callers' paths and the first half of tool names.
///
/// # Errors
/// What is wrong, with a name that would do.
pub(super) fn upstream(name: &str) -> Result<(), ScalarFault> {
    let holds = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    length(name)?;
    if name.starts_with('_') {
        return Err(ScalarFault::new(format!("`{name}`: names that begin with `_` are reserved"))
            .help(format!("did you mean `{}`?", name.trim_start_matches('_'))));
    }
    if name.chars().all(holds) {
        return Ok(());
    }
    let better: String =
        name.to_lowercase().chars().map(|c| if holds(c) { c } else { '_' }).collect();
    Err(ScalarFault::new(format!("`{name}` is not a name for an upstream"))
        .help(format!("lower-case letters, digits, `_` and `-`, such as `{better}`")))
}

/// The name of an operation: the second half of a tool's name.
///
/// # Errors
/// What is wrong.
pub(super) fn operation(name: &str) -> Result<(), ScalarFault> {
    let holds = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    length(name)?;
    if name.chars().all(holds) && !name.starts_with('.') && !name.ends_with('.') {
        return Ok(());
    }
    Err(ScalarFault::new(format!("`{name}` is not a name for a tool"))
        .help("letters, digits, `_`, `-` and `.`, or one `{parameter}` of the path"))
}

/// A tag, as in `tag:NAME`.
///
/// # Errors
/// What is wrong.
pub(super) fn tag(name: &str) -> Result<(), ScalarFault> {
    let holds = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    length(name)?;
    if name.chars().all(holds) {
        return Ok(());
    }
    let fault = ScalarFault::new(format!("`{name}` is not a tag"));
    Err(match name.strip_prefix("tag:") {
        Some(rest) => fault.help(format!("did you mean `{rest}`?")),
        None => fault.help("letters, digits, `_`, `-` and `.`"),
    })
}

/// The name of a member of baggage: a token (RFC 9110, section 5.6.2).
///
/// # Errors
/// What is wrong.
pub(super) fn baggage(name: &str) -> Result<(), ScalarFault> {
    let holds = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    length(name)?;
    if name.chars().all(holds) {
        return Ok(());
    }
    let fault = ScalarFault::new(format!("`{name}` is not the name of a member of baggage"));
    Err(match name.split_once('=') {
        Some((name, _)) => fault.help(format!("names alone, without values: `{name}`")),
        None => fault.help("letters, digits, `_`, `-` and `.`, such as `session.id`"),
    })
}

/// A label of a caller: any text without control characters.
///
/// # Errors
/// What is wrong.
pub(super) fn label(text: &str) -> Result<(), ScalarFault> {
    length(text)?;
    if text.chars().any(char::is_control) {
        return Err(ScalarFault::new("a label has no control characters"));
    }
    Ok(())
}

fn length(text: &str) -> Result<(), ScalarFault> {
    if text.is_empty() {
        return Err(ScalarFault::new("a name cannot be empty"));
    }
    if text.chars().count() > LABEL_LIMIT_CHARS {
        return Err(ScalarFault::new(format!("longer than {LABEL_LIMIT_CHARS} characters")));
    }
    Ok(())
}
