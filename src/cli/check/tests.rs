//! What `check` and `test` say and how they exit.

use std::fs;
use std::path::PathBuf;

use super::{CheckOptions, run};
use crate::cli::report::{Exit, Format};
use crate::cli::test::{self, TestOptions};

const CONFIG: &str = r#"apiVersion: toolgate/v1
kind: Config
policies: [policies]
upstreams:
  pay:
    http: http://pay.internal
    tools: [{ name: refund, match: "POST /refunds" }]
"#;

/// A folder with a config, one policy and one test.
struct Place(tempfile::TempDir);

impl Place {
    fn new(rule: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.path("policies")).unwrap();
        fs::write(place.path("toolgate.yaml"), CONFIG).unwrap();
        let policy = "apiVersion: toolgate/v1\nkind: Policy\nmetadata: { name: p }\nrules:\n";
        fs::write(place.path("policies/p.yaml"), format!("{policy}- {{ {rule} }}\n")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn check(&self, strict: bool, config: &str, policies: &[&str]) -> (Exit, String, String) {
        let options = CheckOptions {
            config: self.path(config),
            policies: policies.iter().map(|name| self.path(name)).collect(),
            strict,
            format: Format::Text,
            color: false,
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = run(&options, &mut out, &mut err);
        (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    fn test(&self, test: &str) -> (Exit, String) {
        let head = "apiVersion: toolgate/v1\nkind: PolicyTest\npolicies: [p.yaml]\n";
        fs::write(self.path("policies/p.test.yaml"), format!("{head}{test}")).unwrap();
        let options =
            TestOptions { paths: vec![self.path("policies")], format: Format::Text, color: false };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = test::run(&options, None, &mut out, &mut err);
        (exit, String::from_utf8(out).unwrap())
    }
}

#[test]
fn what_is_right_is_said_on_standard_output() {
    let place = Place::new("id: a, tools: [pay.refund], then: deny, message: no");
    let (exit, out, err) = place.check(true, "toolgate.yaml", &[]);
    assert_eq!((exit, err.as_str()), (Exit::Ok, ""));
    assert!(out.starts_with("1 rule, 0 limits, 0 warnings: policy set "), "{out}");
}

#[test]
fn names_are_checked_only_with_a_config() {
    let place = Place::new("id: a, tools: [pay.refnd], then: deny, message: no");
    let (exit, out, err) = place.check(false, "toolgate.yaml", &[]);
    assert_eq!((exit, out.as_str()), (Exit::Findings, "1 error, 0 warnings\n"));
    assert!(err.contains("TG302") && err.contains("policies/p.yaml:5:20"), "{err}");
    assert_eq!(place.check(true, "toolgate.yaml", &["policies"]).0, Exit::Ok);
}

#[test]
fn warnings_count_when_strict() {
    let place = Place::new("id: a, tools: [pay.refund], then: allow");
    assert_eq!(place.check(false, "toolgate.yaml", &[]).0, Exit::Ok);
    let (exit, out, _) = place.check(true, "toolgate.yaml", &[]);
    assert_eq!((exit, out.as_str()), (Exit::Findings, "1 error, 0 warnings\n"));
}

#[test]
fn what_cannot_be_read_is_a_matter_of_usage() {
    let place = Place::new("id: a, then: deny, message: no");
    assert_eq!(place.check(false, "other.yaml", &[]).0, Exit::Usage);
    assert_eq!(place.check(false, "toolgate.yaml", &["nowhere"]).0, Exit::Usage);
    assert_eq!(place.check(false, "toolgate.yaml", &["policies", "nowhere"]).0, Exit::Usage);
    fs::write(place.path("toolgate.yaml"), CONFIG.replace("kind", "knd")).unwrap();
    assert_eq!(place.check(false, "toolgate.yaml", &[]).0, Exit::Findings);
}

#[test]
fn policies_are_checked_although_the_config_is_at_fault() {
    let place = Place::new("id: a, then: deny");
    fs::write(place.path("toolgate.yaml"), CONFIG.replace("http://", "ftp://")).unwrap();
    let (exit, out, err) = place.check(false, "toolgate.yaml", &[]);
    assert_eq!((exit, out.as_str()), (Exit::Findings, "2 errors, 0 warnings\n"));
    assert!(err.contains("TG102") && err.contains("TG305"), "{err}");
}

#[test]
fn tests_pass_fail_or_cannot_be_played() {
    let place = Place::new("id: a, tools: [pay.refund], then: deny, message: no");
    let test = "tests:\n- name: t\n  steps: [{ call: pay.refund, expect: deny }]\n";
    let (exit, out) = place.test(test);
    assert_eq!(exit, Exit::Ok);
    assert!(out.starts_with("ok ") && out.ends_with("1 test passed in 1 file\n"), "{out}");
    let (exit, out) = place.test(&test.replace("expect: deny", "expect: allow"));
    assert_eq!(exit, Exit::Findings);
    assert!(out.starts_with("FAILED ") && out.ends_with("1 test failed, 0 passed\n"), "{out}");
    assert_eq!(place.test("tests: []\n").0, Exit::Findings);
    let nothing = TestOptions { paths: Vec::new(), format: Format::Text, color: false };
    assert_eq!(test::run(&nothing, None, &mut Vec::new(), &mut Vec::new()), Exit::Usage);
}

#[test]
fn tests_take_what_they_do_not_say_of_tools_from_the_config() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let policy = "apiVersion: toolgate/v1\nkind: Policy\nmetadata: { name: p }\nmode: enforce\n\
        rules: [{ id: r, tools: [\"tag:money\"], when: tool.effect == \"read\", then: deny, message: No. }]\n";
    let test = "apiVersion: toolgate/v1\nkind: PolicyTest\npolicies: [p.yaml]\ntests:\n\
        - name: money\n  steps: [{ call: crm.get, args: {}, expect: deny, rule: r }]\n";
    let config = "apiVersion: toolgate/v1\nkind: Config\nupstreams:\n  crm:\n    http: http://crm\n    \
        auth: { bearer: \"${env:NOT_SET_HERE}\" }\n    \
        tools: [{ name: get, match: GET /x, tags: [money] }]\n";
    for (name, text) in [("p.yaml", policy), ("p.test.yaml", test), ("toolgate.yaml", config)] {
        fs::write(at(name), text).unwrap();
    }
    let options =
        TestOptions { paths: vec![at("p.test.yaml")], format: Format::Text, color: false };
    let known = test::catalogue(Some(&at("toolgate.yaml")), &mut Vec::new()).unwrap();
    assert_eq!(test::run(&options, known.as_ref(), &mut Vec::new(), &mut Vec::new()), Exit::Ok);
    assert_eq!(test::run(&options, None, &mut Vec::new(), &mut Vec::new()), Exit::Findings);
    fs::write(at("toolgate.yaml"), "kind: Confg\n").unwrap();
    let mut said = Vec::new();
    assert_eq!(test::catalogue(Some(&at("toolgate.yaml")), &mut said).err(), Some(Exit::Usage));
    assert!(String::from_utf8(said).unwrap().contains("Confg"));
}
