//! Keys that a struct does not have, and required ones that are absent.

use super::super::codes;
use super::super::diagnostic::Diagnostic;
use super::super::node::Entry;
use super::super::suggest::closest;
use super::Reader;
use super::describe::list;

/// The words listed under a name.
pub(super) fn lookup(
    table: &'static [(&'static str, &'static [&'static str])],
    name: &str,
) -> &'static [&'static str] {
    table.iter().find(|(owner, _)| *owner == name).map_or(&[], |(_, words)| words)
}

/// The fault of an absent key.
pub(super) fn missing(name: &str) -> Diagnostic {
    Diagnostic::error(codes::MISSING_KEY, format!("missing key `{name}`"))
}

/// Reports the keys that the struct `name` with these fields does not have, and the required ones
/// that are absent, each once.
pub(super) fn check(
    reader: Reader<'_>,
    entries: &[Entry],
    name: &str,
    fields: &'static [&'static str],
) {
    let context = reader.context;
    let known = |entry: &&Entry| fields.contains(&entry.key.text.as_str());
    for entry in entries.iter().filter(|entry| !known(entry)) {
        let key = entry.key.text.as_str();
        if context.is_bad(&entry.value) {
            continue;
        }
        context.bad.borrow_mut().insert(entry.value.id);
        let fault = if context.planned(name, key) {
            let message = format!("`{key}` is not supported by this version");
            Diagnostic::error(codes::UNSUPPORTED, message)
        } else {
            let fault = Diagnostic::error(codes::UNKNOWN_KEY, format!("unknown key `{key}`"));
            fault.help(match meant(key, fields) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known here: {}", list(fields)),
            })
        };
        context.push(fault, entry.key.span);
    }
    // One fault, not two: `nam:` for `name:`, and `mcp:` in place of `http:`.
    let explained = |absent: &str| {
        entries.iter().filter(|entry| !known(entry)).any(|entry| {
            let key = entry.key.text.as_str();
            context.planned(name, key) || meant(key, fields) == Some(absent)
        })
    };
    let present = |key: &str| entries.iter().any(|entry| entry.key.text == key);
    let required = lookup(context.shape.required, name).iter();
    let absent: Vec<&str> = required.copied().filter(|key| !present(key)).collect();
    if absent.is_empty() || !context.incomplete.borrow_mut().insert(reader.node.id) {
        return;
    }
    let place = reader.key.map_or(reader.node.span, |key| key.span);
    for key in absent.into_iter().filter(|key| !explained(key)) {
        context.push(missing(key), place);
    }
}

fn meant(key: &str, fields: &'static [&'static str]) -> Option<&'static str> {
    closest(key, fields.iter().copied())
}
