//! What applies to a tool, and what is remembered of it.

use std::sync::Arc;
use std::time::Duration;

use super::{CACHE_LIMIT_TOOLS, PolicySet};
use crate::policy::compile::compile;
use crate::policy::model::Verb;
use crate::policy::sample::tool;
use crate::policy::view::ToolFacts;
use crate::yaml::Source;

fn source(name: &str, body: &str) -> Arc<Source> {
    let text =
        format!("apiVersion: toolgate/v1\nkind: Policy\nmetadata: {{ name: {name} }}\n{body}");
    Arc::new(Source { name: format!("{name}.yaml"), text })
}

fn set(body: &str) -> PolicySet {
    compile(&[source("p", body)], None).unwrap().0
}

fn rules(set: &PolicySet, tool: &ToolFacts) -> Vec<String> {
    set.applicable(tool).rules.iter().map(|rule| rule.id.to_string()).collect()
}

fn tagged(name: &str, tags: &[&str]) -> ToolFacts {
    ToolFacts { tags: tags.iter().map(|tag| Arc::from(*tag)).collect(), ..tool(name) }
}

const RULES: &str = r#"
rules:
- { id: exact, tools: [pay.refund], then: deny, message: no }
- { id: glob, tools: ["pay.*"], then: deny, message: no }
- { id: either, tools: [pay.refund, "tag:money", pay.refund], then: warn }
- { id: every, then: stop, message: no }
- { id: other, tools: [crm.get], then: deny, message: no }
- { id: silent, tools: ["*"], then: deny, message: no, mode: "off" }
limits:
- { id: budget, per: run, max: { calls: 3 }, then: deny }
- { id: another, per: run, tools: [crm.get], max: { calls: 3 }, then: deny }
"#;

#[test]
fn a_tool_gets_what_names_it_strongest_first() {
    let set = set(RULES);
    assert_eq!(rules(&set, &tool("pay.refund")), ["every", "exact", "glob", "either"]);
    assert_eq!(rules(&set, &tool("pay.verify")), ["every", "glob"]);
    assert_eq!(rules(&set, &tool("crm.get")), ["every", "other"]);
    assert_eq!(rules(&set, &tagged("bank.look", &["eu", "money"])), ["every", "either"]);
    let applicable = set.applicable(&tool("pay.refund"));
    let limits: Vec<&str> = applicable.limits.iter().map(|limit| &*limit.name).collect();
    assert_eq!(limits, ["p/budget"]);
    assert_eq!(set.applicable(&tool("crm.get")).limits.len(), 2);
}

#[test]
fn the_same_name_with_other_tags_is_another_tool() {
    let set = set(RULES);
    assert_eq!(rules(&set, &tool("bank.look")), ["every"]);
    assert_eq!(rules(&set, &tagged("bank.look", &["money"])), ["every", "either"]);
    assert_eq!(rules(&set, &tool("bank.look")), ["every"]);
}

#[test]
fn what_applies_is_computed_once_and_the_memory_is_bounded() {
    let set = set(RULES);
    let first = set.applicable(&tool("pay.refund"));
    assert!(Arc::ptr_eq(&first, &set.applicable(&tool("pay.refund"))));
    for number in 0..CACHE_LIMIT_TOOLS * 2 {
        set.applicable(&tool(&format!("open.{number}")));
        assert!(set.cache.len() <= CACHE_LIMIT_TOOLS);
    }
    assert_eq!(rules(&set, &tool("pay.refund")).len(), 4);
}

#[test]
fn captures_are_those_that_rules_read_of_this_tool() {
    let set = set(r#"
rules:
- id: a
  tools: [book.confirm]
  requires: [{ call: "pay.*", where: prior.args.id == args.id && prior.result.state == "ok" }]
  then: deny
  message: 'last: {run.last("crm.get").result.name}'
- { id: b, when: 'run.prior("pay.verify").exists(p, p.result.state == "bad")', then: deny, message: no }
- { id: c, when: 'run.prior("pay.list").exists(p, p.args.x == 1)', then: deny, message: no, mode: "off" }
"#);
    let captures = |name: &str| -> Vec<String> {
        set.applicable(&tool(name)).captures.iter().map(ToString::to_string).collect()
    };
    assert_eq!(captures("pay.verify"), ["args.id", "result.state"]);
    assert_eq!(captures("pay.list"), ["args.id", "result.state"]);
    assert_eq!(captures("crm.get"), ["result.name"]);
    assert!(captures("book.confirm").is_empty());
    assert!(set.applicable(&tool("pay.verify")).reads_results());
    assert!(!set.applicable(&tool("book.confirm")).reads_results());
}

#[test]
fn the_version_depends_on_the_texts_and_not_on_their_order() {
    let (a, b) = (source("a", RULES), source("b", "default: deny\n"));
    let version =
        |sources: &[Arc<Source>]| PolicySet::new(sources, super::Parts::default()).version;
    let both = version(&[a.clone(), b.clone()]);
    assert_eq!(both.len(), 12);
    assert!(both.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    assert_eq!(both, version(&[b.clone(), a.clone()]));
    assert_ne!(both, version(std::slice::from_ref(&a)));
    let joined = Source { name: String::new(), text: format!("{}{}", a.text, b.text) };
    assert_ne!(both, version(&[Arc::new(joined)]));
}

#[test]
fn the_empty_set_says_nothing() {
    let set = PolicySet::empty();
    assert!(set.is_empty());
    let applicable = set.applicable(&tool("a.b"));
    assert!(applicable.rules.is_empty() && applicable.limits.is_empty());
    assert!(applicable.captures.is_empty() && applicable.default_deny.is_none());
    assert!(!self::set("default: deny\n").is_empty());
}

#[test]
fn modes_and_reasons_are_resolved() {
    let set = set(r#"
mode: observe
default: deny
rules:
- { id: inherits, then: deny, message: no }
- { id: own, then: allow, mode: enforce }
- { id: gone, then: stop, message: no, mode: "off" }
limits:
- { id: within, per: tenant, max: { calls: 3 }, within: 1h, then: warn, explain: none }
"#);
    let by_id = |id: &str| set.rules().iter().find(|rule| &*rule.id == id);
    assert_eq!(by_id("inherits").map(|rule| rule.mode), Some(super::Mode::Observe));
    assert_eq!(
        by_id("own").map(|rule| (rule.mode, rule.then)),
        Some((super::Mode::Enforce, Verb::Allow))
    );
    assert!(by_id("gone").is_none());
    let limit = &set.limits()[0];
    assert_eq!(
        limit.within,
        Some(crate::policy::model::Within::Duration(Duration::from_secs(3_600)))
    );
    assert_eq!((limit.mode, limit.explain), (super::Mode::Observe, false));
    assert_eq!(set.default_deny().map(|default| &*default.name), Some("p/default"));
}
