//! MCP servers that are commands: what is started, with what, and where.

use std::sync::Arc;

use http::uri::{Authority, Scheme};
use secrecy::SecretString;

use super::address::Target;
use super::codes;
use super::raw;
use super::validate::{Check, secret};
use crate::stdio::{Inherit, Spec};
use crate::yaml::{Field, ScalarFault, Text};

/// Most environment variables and arguments of one command.
const ENTRIES_LIMIT: usize = 1_024;

/// The command, with its faults reported.
pub(super) fn command(name: &str, raw: &raw::Command, check: &mut Check<'_>) -> Option<Spec> {
    let words = raw.command.as_ref()?;
    let has_program = words.value.first().is_some_and(|program| !program.value.is_empty());
    if !has_program || words.value.len() > ENTRIES_LIMIT {
        let text =
            ScalarFault::new(format!("expected a program and up to {ENTRIES_LIMIT} arguments"));
        check.fault(codes::EMPTY, words.span, text.help("for example `[npx, -y, some-server]`"));
    }
    for word in words.value.iter().filter(|word| word.value.contains('\0')) {
        check.fault(codes::NAME, word.span, ScalarFault::new("an argument cannot have NUL in it"));
    }
    let env = raw.env.iter().filter_map(|(name, value)| variable(name, value, check)).collect();
    Some(Spec {
        name: Arc::from(name),
        command: words.value.iter().map(|word| word.value.clone()).collect(),
        env,
        cwd: raw.cwd.as_ref().map(|cwd| check.path(&cwd.value)),
        inherit: Inherit::Usual,
    })
}

fn variable(
    name: &Field<String>,
    value: &Text,
    check: &mut Check<'_>,
) -> Option<(String, SecretString)> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.value.is_empty() || !name.value.bytes().all(plain) {
        let text = ScalarFault::new(format!("`{}` is not the name of a variable", name.value));
        check.fault(codes::NAME, name.span, text);
        return None;
    }
    let value = match value.value.contains("${") {
        true => secret(value, check)?,
        // Most are no secrets: a level of logging, a folder.
        false => SecretString::from(value.value.clone()),
    };
    Some((name.value.clone(), value))
}

/// Where a command is reached: in memory. What stands here appears in `Host` headers only.
pub(super) fn target() -> Target {
    Target {
        scheme: Scheme::HTTP,
        authority: Authority::from_static("localhost"),
        base_path: "/mcp".to_owned(),
    }
}
