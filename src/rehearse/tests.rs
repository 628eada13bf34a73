//! Where facts of tools come from.

use std::fs;
use std::sync::Arc;

use super::files::read;
use super::rehearse;
use crate::policy::compile::Catalogue;
use crate::policy::view::{Effect, ToolFacts};

const POLICY: &str = r#"apiVersion: toolgate/v1
kind: Policy
metadata: { name: p }
rules:
- { id: writes, when: tool.effect == "write", then: deny, message: read only }
- { id: money, tools: ["tag:money"], then: stop, message: no }
"#;

const TEST: &str = r#"apiVersion: toolgate/v1
kind: PolicyTest
policies: [p.yaml]
tools: { pay.own: { effect: read } }
tests:
- name: what the file says
  steps: [{ call: pay.own, expect: allow }]
- name: what the catalogue says
  steps: [{ call: pay.listed, expect: stop, rule: money }]
- name: what nobody says
  steps: [{ call: pay.unknown, expect: deny, rule: writes }]
"#;

fn failing(catalogue: Option<&Catalogue>) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.yaml"), POLICY).unwrap();
    let path = folder.path().join("p.test.yaml");
    fs::write(&path, TEST).unwrap();
    let rehearsals = rehearse(&read(&path).unwrap(), catalogue);
    assert_eq!(rehearsals.len(), 3);
    let failed = rehearsals.into_iter().filter(|rehearsal| !rehearsal.faults.is_empty());
    failed.map(|rehearsal| rehearsal.name).collect()
}

#[test]
fn tools_are_known_by_the_file_then_the_catalogue_then_by_nothing() {
    let facts = |name: &str, effect, tags: &[&str]| ToolFacts {
        name: Arc::from(name),
        server: Arc::from("pay"),
        operation: Arc::from("x"),
        tags: tags.iter().map(|tag| Arc::from(*tag)).collect(),
        effect,
        version: Arc::from(""),
    };
    let tools = vec![
        facts("pay.own", Effect::Write, &["money"]),
        facts("pay.listed", Effect::Read, &["money"]),
    ];
    let catalogue = Catalogue { tools, open_servers: Vec::new(), ..Catalogue::default() };
    assert_eq!(failing(Some(&catalogue)), [""; 0]);
    assert_eq!(failing(None), ["what the catalogue says"]);
}

const LABELLED: &str = r#"apiVersion: toolgate/v1
kind: PolicyTest
policies: [labels.yaml]
tests:
- name: of the team
  labels: { team: refunds }
  steps: [{ call: pay.refund, expect: allow, repeat: 2 }]
- name: of another
  labels: { team: sales }
  steps: [{ call: pay.refund, expect: deny, rule: team, message: "not sales" }]
- name: of nobody
  steps: [{ call: pay.refund, expect: deny, reason: rule_error }]
- name: expects what is not so
  labels: { team: sales }
  steps: [{ call: pay.refund, expect: allow }]
"#;

#[test]
fn a_test_may_label_its_run() {
    let folder = tempfile::tempdir().unwrap();
    let policy = "apiVersion: toolgate/v1\nkind: Policy\nmetadata: { name: labels }\nrules:\n\
        - { id: team, when: run.labels.team != \"refunds\", then: deny, \
        message: \"For refunds, not {run.labels.team}.\" }\n";
    fs::write(folder.path().join("labels.yaml"), policy).unwrap();
    let path = folder.path().join("labels.test.yaml");
    fs::write(&path, LABELLED).unwrap();
    let rehearsals = rehearse(&read(&path).unwrap(), None);
    let failed = rehearsals.iter().filter(|rehearsal| !rehearsal.faults.is_empty());
    let failed: Vec<_> = failed.map(|one| (one.name.as_str(), &one.faults[0].message)).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0].0, "expects what is not so", "{failed:?}");
}
