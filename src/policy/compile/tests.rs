//! What the goldens do not show: names, several files, follow-up faults.

use std::sync::Arc;

use super::{Catalogue, compile};
use crate::policy::sample::tool;
use crate::yaml::{Diagnostic, Severity, Source};

fn policy(name: &str, body: &str) -> Arc<Source> {
    let text =
        format!("apiVersion: toolgate/v1\nkind: Policy\nmetadata: {{ name: {name} }}\n{body}");
    Arc::new(Source { name: format!("{name}.yaml"), text })
}

fn faults(sources: &[Arc<Source>], catalogue: Option<&Catalogue>) -> Vec<Diagnostic> {
    match compile(sources, catalogue) {
        Ok((_, warnings)) => {
            assert!(warnings.iter().all(|fault| fault.severity == Severity::Warning));
            warnings
        }
        Err(faults) => {
            assert!(faults.iter().any(|fault| fault.severity == Severity::Error));
            faults
        }
    }
}

fn codes(body: &str, catalogue: Option<&Catalogue>) -> Vec<&'static str> {
    faults(&[policy("p", body)], catalogue).iter().map(|fault| fault.code).collect()
}

const NAMING: &str = r#"
rules:
- { id: a, tools: [pay.refnd], then: deny, message: no }
- { id: b, tools: ["pay.x*"], then: deny, message: no }
- { id: c, tools: ["tag:mony"], then: deny, message: no }
- { id: d, tools: [shell.anything, "sh*"], then: deny, message: no }
"#;

#[test]
fn names_are_checked_against_the_tools_there_are() {
    let mut catalogue = Catalogue {
        tools: vec![tool("pay.refund")],
        open_servers: Vec::new(),
        ..Catalogue::default()
    };
    assert_eq!(codes(NAMING, None), [""; 0]);
    assert_eq!(codes(NAMING, Some(&catalogue)), ["TG302", "TG304", "TG303", "TG302", "TG304"]);
    // Every operation of an open server may exist, and its tools may have any tag.
    catalogue.open_servers.push(Arc::from("shell"));
    assert_eq!(codes(NAMING, Some(&catalogue)), ["TG302", "TG304", "TG303"]);
    let found = faults(&[policy("p", NAMING)], Some(&catalogue));
    let severities: Vec<Severity> = found.iter().map(|fault| fault.severity).collect();
    assert_eq!(severities, [Severity::Error, Severity::Warning, Severity::Warning]);
    catalogue.open_servers.push(Arc::from("pay"));
    assert_eq!(codes(NAMING, Some(&catalogue)), ["TG303"]);
}

#[test]
fn nothing_is_half_loaded() {
    let good = policy("good", "rules:\n- { id: a, then: deny, message: no }\n");
    let bad = policy("bad", "rules:\n- { id: b, then: deny }\n");
    assert!(compile(std::slice::from_ref(&good), None).is_ok());
    assert!(compile(&[good, bad], None).is_err());
}

#[test]
fn no_policies_are_an_empty_set() {
    let (set, warnings) = compile(&[], None).unwrap();
    assert!(set.is_empty() && warnings.is_empty());
}

#[test]
fn an_allow_in_one_policy_serves_the_default_of_another() {
    let default = policy("a", "default: deny\n");
    let allow = policy("b", "rules:\n- { id: x, then: allow }\n");
    assert!(faults(&[default, allow], None).is_empty());
}

#[test]
fn a_rule_that_cannot_be_read_causes_no_further_faults() {
    // `message` is unreadable, not absent; `tools` is not empty.
    let body = "rules:\n- { id: a, tools: [7], then: deny, message: [no] }\n";
    assert_eq!(codes(body, None), ["TG014", "TG014"]);
}

#[test]
fn faults_of_several_files_come_file_by_file() {
    let sources = [
        policy("a", "rules:\n- { id: x, then: deny }\n- { id: x, then: dny }\n"),
        policy("b", "rules:\n- { id: x, when: arg.y, then: deny, message: no }\n"),
    ];
    let found = faults(&sources, None);
    let places: Vec<(String, &str)> = found
        .iter()
        .map(|fault| (fault.source.as_ref().unwrap().name.clone(), fault.code))
        .collect();
    let expected = [
        ("a.yaml", "TG305"),
        ("a.yaml", "TG301"),
        ("a.yaml", "TG015"),
        ("b.yaml", "TG301"),
        ("b.yaml", "TG202"),
    ];
    assert_eq!(places, expected.map(|(file, code)| (file.to_owned(), code)));
}

#[test]
fn a_limit_that_could_never_be_reached_is_a_fault() {
    let limit = |max: &str, within: &str| {
        let body = format!(
            "limits:\n- {{ id: x, per: run, max: {{ {max} }}, within: {within}, then: deny }}\n"
        );
        codes(&body, None)
    };
    for (max, within) in [
        ("errors: 1025", "1h"),
        ("denials_same_rule: 2000", "24h"),
        ("identical_calls: 21", "20 steps"),
    ] {
        assert_eq!(limit(max, within), ["TG308"], "{max} within {within}");
    }
    for (max, within) in [("errors: 1024", "1h"), ("identical_calls: 20", "20 steps")] {
        assert_eq!(limit(max, within), [""; 0], "{max} within {within}");
    }
}

#[test]
fn a_name_that_no_path_can_give_is_not_a_tool_of_an_open_server() {
    let catalogue =
        Catalogue { tools: Vec::new(), open_servers: vec![Arc::from("x")], ..Catalogue::default() };
    for (name, expected) in
        [("x.y", None), ("x.y ", Some("TG302")), ("x.?", Some("TG302")), ("x.(y|z)", Some("TG302"))]
    {
        let body = format!("rules:\n- {{ id: x, tools: ['{name}'], then: deny, message: no }}\n");
        assert_eq!(codes(&body, Some(&catalogue)).first().copied(), expected, "{name}");
    }
}
