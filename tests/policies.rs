//! Policies from outside: what is said of those that are wrong, and what those that ship decide.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod mind2web;
mod support;

use std::path::Path;
use std::sync::Arc;

use support::goldens;
use toolgate::policy::compile::{Catalogue, compile};
use toolgate::policy::view::{Effect, ToolFacts};
use toolgate::rehearse::files::{self, Wanted};
use toolgate::rehearse::rehearse;
use toolgate::yaml::Diagnostic;

#[test]
fn what_is_wrong_with_a_policy_is_said() {
    goldens::check("policy", |case| {
        rendered(&match compile(&case.sources, Some(&catalogue())) {
            Ok((_, warnings)) => warnings,
            Err(faults) => faults,
        })
    });
}

#[test]
fn what_is_wrong_with_a_policy_test_is_said() {
    goldens::check("policy-test", |case| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/policy-test");
        let mut said = String::new();
        for source in case.sources.iter().filter(|source| source.name.contains(".test.")) {
            // Paths in messages must not depend on where the repository lies.
            let read = files::read(&root.join(&source.name)).unwrap();
            for rehearsal in rehearse(&read, None) {
                said.push_str(&format!("=== {}\n{}", rehearsal.name, rendered(&rehearsal.faults)));
            }
        }
        said.replace(&format!("{}/", root.display()), "")
    });
}

#[test]
fn shipped_policies_pass_their_tests() {
    all_pass("policies");
}

#[test]
fn decisions_are_as_their_tables_say() {
    all_pass("tests/decisions");
}

#[test]
fn shipped_policies_load_without_a_warning() {
    let mut faults = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    for source in files::read_all(&[folder], Wanted::Policies, &mut faults) {
        match compile(&[source], None) {
            Ok((_, warnings)) => faults.extend(warnings),
            Err(errors) => faults.extend(errors),
        }
    }
    assert!(faults.is_empty(), "{}", rendered(&faults));
}

fn all_pass(folder: &str) {
    let mut faults = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    for source in files::read_all(&[folder], Wanted::Tests, &mut faults) {
        for rehearsal in rehearse(&source, None) {
            faults.extend(rehearsal.faults);
        }
    }
    assert!(faults.is_empty(), "{}", rendered(&faults));
}

fn rendered(faults: &[Diagnostic]) -> String {
    faults.iter().map(|fault| format!("{}\n\n", fault.render(false).trim_end())).collect()
}

fn catalogue() -> Catalogue {
    let tools = [
        ("booking.confirm", Effect::Write, ["booking"].as_slice()),
        ("booking.get", Effect::Read, &["booking"]),
        ("db.query", Effect::Read, &["pii"]),
        ("payments.refund", Effect::Write, &["money"]),
        ("payments.verify", Effect::Read, &["money"]),
        ("shell.exec", Effect::Write, &[]),
        ("web.fetch", Effect::Read, &["untrusted", "egress"]),
    ];
    Catalogue {
        tools: tools.into_iter().map(|(name, effect, tags)| facts(name, effect, tags)).collect(),
        ..Catalogue::default()
    }
}

fn facts(name: &str, effect: Effect, tags: &[&str]) -> ToolFacts {
    let (server, operation) = name.split_once('.').unwrap();
    ToolFacts {
        name: Arc::from(name),
        server: Arc::from(server),
        operation: Arc::from(operation),
        tags: tags.iter().map(|tag| Arc::from(*tag)).collect(),
        effect,
        version: Arc::from(""),
    }
}
