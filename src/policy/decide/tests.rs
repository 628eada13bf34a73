//! Rulings, by example and against a slow evaluator of precedence.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{Ruling, judge};
use crate::policy::compile::compile;
use crate::policy::model::Verb;
use crate::policy::reason::StopReason;
use crate::policy::sample::Sample;
use crate::policy::set::PolicySet;
use crate::yaml::Source;

fn set(body: &str) -> PolicySet {
    let text = format!("apiVersion: toolgate/v1\nkind: Policy\nmetadata: {{ name: p }}\n{body}");
    let source = Arc::new(Source { name: "p.yaml".to_owned(), text });
    match compile(&[source], None) {
        Ok((set, _)) => set,
        Err(faults) => panic!("{faults:#?}"),
    }
}

fn ruling(set: &PolicySet, sample: &Sample) -> Ruling {
    judge(&set.applicable(&sample.tool), &sample.env())
}

#[test]
fn violations_name_what_would_pass_unless_the_rule_says_none() {
    let set = set(r#"
rules:
- { id: loud, tools: [t.loud], when: args.amount > 500, then: deny, message: no }
- { id: mute, tools: [t.mute], when: args.amount > 500, then: deny, message: no, explain: none }
- { id: kind, tools: [t.kind], when: args.amount > 500, then: warn }
"#);
    let found =
        |tool: &str| ruling(&set, &Sample::new(tool, r#"{"amount":900}"#)).findings.remove(0);
    let loud = found("t.loud");
    assert_eq!(loud.violations.len(), 1);
    assert_eq!(loud.violations[0].path, "/args/amount");
    assert_eq!(loud.violations[0].passes, "<= 500");
    assert!(found("t.mute").violations.is_empty());
    let kind = found("t.kind");
    assert!(kind.violations.is_empty() && kind.message.is_empty());
    assert_eq!(kind.verb, Verb::Warn);
}

#[test]
fn an_allow_is_named_without_being_a_finding() {
    let set = set("default: deny\nrules:\n- { id: b, then: allow }\n- { id: a, then: allow }\n");
    let ruling = ruling(&set, &Sample::new("t.op", "{}"));
    assert_eq!(ruling.allowed_by.as_deref(), Some("p/a"));
    assert!(ruling.findings.is_empty() && ruling.decisive().is_none());
}

#[test]
fn requirements_see_only_what_came_to_a_good_end() {
    let set = set(r#"
rules:
- id: r
  requires:
  - { call: t.read, within: 10m, where: prior.args.id == args.id, count: 2 }
  then: deny
  message: Read it twice first.
"#);
    let mut sample = Sample::new("t.op", r#"{"id":1}"#);
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    sample.step("t.read", minutes(11), true, &[("args.id", "1")]);
    sample.step("t.read", minutes(9), true, &[("args.id", "1")]);
    sample.step("t.read", minutes(8), false, &[("args.id", "1")]);
    sample.step("t.read", minutes(7), true, &[("args.id", "2")]);
    sample.step("t.read", minutes(6), true, &[]);
    sample.step("t.look", minutes(5), true, &[("args.id", "1")]);
    let refused = ruling(&set, &sample);
    assert_eq!(refused.decisive().map(|found| found.reason), Some(StopReason::PreconditionMissing));
    sample.step("t.read", minutes(10), true, &[("args.id", "1.0")]);
    assert!(ruling(&set, &sample).decisive().is_none());
}

/// A rule of the property test.
#[derive(Clone, Debug)]
struct Plain {
    tools: Option<&'static str>,
    /// What the call's argument of this name says: true, false, or it is absent.
    reads: &'static str,
    then: Verb,
    mode: &'static str,
}

/// What a call comes to, told the slow way.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    decisive: Option<(Verb, String, bool)>,
    warned: Vec<String>,
    observed: Vec<String>,
}

fn plain() -> impl Strategy<Value = Plain> {
    let tools = prop_oneof![
        Just(None),
        Just(Some("t.a")),
        Just(Some("t.b")),
        Just(Some("t.*")),
        Just(Some("*.b")),
    ];
    let reads = prop_oneof![Just("yes"), Just("no"), Just("absent")];
    let then = prop_oneof![Just(Verb::Allow), Just(Verb::Warn), Just(Verb::Deny), Just(Verb::Stop)];
    let mode = prop_oneof![3 => Just("enforce"), 2 => Just("observe"), 1 => Just("off")];
    (tools, reads, then, mode).prop_map(|(tools, reads, then, mode)| Plain {
        tools,
        reads,
        then,
        mode,
    })
}

fn yaml(rules: &[Plain], default: Option<&'static str>) -> String {
    let mut text = String::new();
    if let Some(mode) = default {
        text.push_str(&format!("mode: \"{mode}\"\ndefault: deny\n"));
    }
    text.push_str("rules:\n");
    for (number, rule) in rules.iter().enumerate() {
        let tools = rule.tools.map(|tools| format!("tools: [\"{tools}\"], ")).unwrap_or_default();
        let (reads, then, mode) = (rule.reads, rule.then.name(), rule.mode);
        text.push_str(&format!(
            "- {{ id: r{number:02}, {tools}when: args.{reads}, then: {then}, mode: \"{mode}\", message: m }}\n"
        ));
    }
    text
}

fn matches(pattern: Option<&str>, tool: &str) -> bool {
    match pattern {
        None | Some("t.*") => true,
        Some("*.b") => tool == "t.b",
        Some(name) => name == tool,
    }
}

fn slowly(rules: &[Plain], default: Option<&str>, tool: &str) -> Outcome {
    let mut refusing: Vec<(Verb, bool, String)> = Vec::new();
    let mut outcome = Outcome::default();
    let (mut allowed, mut would_allow) = (false, false);
    for (number, rule) in rules.iter().enumerate() {
        if rule.mode == "off" || rule.reads == "no" || !matches(rule.tools, tool) {
            continue;
        }
        let name = format!("p/r{number:02}");
        let broken = rule.reads == "absent";
        let verb = if broken { Verb::Deny } else { rule.then };
        if verb == Verb::Allow {
            would_allow = true;
            allowed |= rule.mode == "enforce";
        } else if rule.mode == "observe" {
            outcome.observed.push(name);
        } else if verb == Verb::Warn {
            outcome.warned.push(name);
        } else {
            refusing.push((verb, broken, name));
        }
    }
    refusing.sort_by_key(|(verb, broken, name)| (std::cmp::Reverse(*verb), *broken, name.clone()));
    outcome.decisive = refusing.into_iter().next().map(|(verb, broken, name)| (verb, name, broken));
    match default {
        Some("enforce") if !allowed && outcome.decisive.is_none() => {
            outcome.decisive = Some((Verb::Deny, "p/default".to_owned(), false));
        }
        Some("observe") if !would_allow => outcome.observed.push("p/default".to_owned()),
        _ => {}
    }
    outcome.observed.sort();
    outcome
}

fn told(ruling: &Ruling) -> Outcome {
    let names = |findings: &mut dyn Iterator<Item = &super::Finding>| -> Vec<String> {
        let mut names: Vec<String> = findings.map(|found| found.rule.to_string()).collect();
        names.sort();
        names
    };
    Outcome {
        decisive: ruling.decisive().map(|found| {
            (found.verb, found.rule.to_string(), found.reason == StopReason::RuleError)
        }),
        warned: names(&mut ruling.warnings()),
        observed: names(&mut ruling.observed.iter()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rulings_are_those_of_the_slow_way(
        rules in prop::collection::vec(plain(), 1..12),
        default in prop_oneof![Just(None), Just(Some("enforce")), Just(Some("observe")), Just(Some("off"))],
        tool in prop_oneof![Just("t.a"), Just("t.b"), Just("t.c")],
    ) {
        let set = set(&yaml(&rules, default));
        let sample = Sample::new(tool, r#"{"yes":true,"no":false}"#);
        let ruling = ruling(&set, &sample);
        prop_assert_eq!(told(&ruling), slowly(&rules, default, tool));
        let verbs: Vec<Verb> = ruling.findings.iter().map(|found| found.verb).collect();
        prop_assert!(verbs.is_sorted_by(|a, b| a >= b), "{:?}", verbs);
    }
}
