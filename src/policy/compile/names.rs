//! Names of policies, ids of rules and limits: what they may look like, and that none stands twice.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Compiler, File, Place, codes};
use crate::yaml::{Diagnostic, Field, Source};

/// Longest name or id. They stand in headers, metrics and every record.
const NAME_LIMIT_BYTES: usize = 64;

/// Stands for `default: deny` where a rule's id would.
pub(super) const DEFAULT: &str = "default";

/// What was named so far, and where.
#[derive(Default)]
pub(super) struct Names {
    policies: HashMap<String, Place>,
    ids: HashMap<String, Place>,
}

impl Compiler<'_> {
    pub(super) fn policy_name(&mut self, source: &Arc<Source>, name: &Field<String>) {
        let place = Place { source: source.clone(), span: name.span };
        let faults = [
            ill_formed("the name of a policy", &name.value),
            twice("the policy", &mut self.names.policies, &name.value, &place),
        ];
        self.faults.extend(faults.into_iter().flatten().map(|fault| fault.at(source, name.span)));
    }

    /// Checks the id of a rule or limit.
    pub(super) fn id(&mut self, file: &File<'_>, id: &Field<String>) -> Arc<str> {
        let place = file.place(id.span);
        let reserved = (id.value == DEFAULT)
            .then(|| Diagnostic::error(codes::NAME, "`default` is reserved for `default: deny`"));
        let faults = [
            reserved,
            ill_formed("an id", &id.value),
            twice("the id", &mut self.names.ids, &id.value, &place),
        ];
        for fault in faults.into_iter().flatten() {
            self.fault(file, id.span, fault);
        }
        Arc::from(id.value.as_str())
    }
}

fn ill_formed(what: &str, name: &str) -> Option<Diagnostic> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let well_formed = begins && name.bytes().all(allowed) && name.len() <= NAME_LIMIT_BYTES;
    (!well_formed).then(|| {
        Diagnostic::error(codes::NAME, format!("`{name}` cannot be {what}")).help(format!(
            "up to {NAME_LIMIT_BYTES} of A-Z, a-z, 0-9, `-`, `_`, `.`, a letter or digit first"
        ))
    })
}

fn twice(
    what: &str,
    seen: &mut HashMap<String, Place>,
    name: &str,
    place: &Place,
) -> Option<Diagnostic> {
    if let Some(first) = seen.get(name) {
        let note = format!("the first is at {}", first.text());
        let fault = Diagnostic::error(codes::DUPLICATE, format!("{what} `{name}` stands twice"));
        return Some(fault.help("it must be unique across all policies").note(note));
    }
    seen.insert(name.to_owned(), place.clone());
    None
}
