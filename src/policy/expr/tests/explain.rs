//! What a refused agent is told would pass.

use super::{Site, World, program};

/// Path, limit, actual, passes.
type Expected<'a> = (&'a str, &'a str, Option<&'a str>, &'a str);

fn told(source: &str, expected: &[Expected<'_>]) {
    let world = World::new(
        r#"{"amount": 900, "f": 0.5, "currency": "USD", "to": ["a", "b", "c"], "force": true,
            "nested": {"a/b": 5, "c~d": 6}, "url": "http://secret", "pair": 900}"#,
    );
    let program = program(source, Site::Rule);
    assert_eq!(program.eval_bool(&world.env()), Ok(true), "{source}");
    let found = program.violations(&world.env());
    let found: Vec<Expected<'_>> = found
        .iter()
        .map(|v| (v.path.as_str(), v.limit.as_str(), v.actual.as_deref(), v.passes.as_str()))
        .collect();
    assert_eq!(found, expected, "{source}");
}

#[test]
fn comparisons_are_negated_exactly() {
    let amount = |limit, passes| ("/args/amount", limit, Some("900"), passes);
    told("args.amount > 500", &[amount("500", "<= 500")]);
    told("args.amount >= 500", &[amount("500", "< 500")]);
    told("args.amount < 1000", &[amount("1000", ">= 1000")]);
    told("args.amount <= 900", &[amount("900", "> 900")]);
    told("args.amount == 900", &[amount("900", "!= 900")]);
    told("args.amount != 5", &[amount("5", "== 5")]);
    told("500 < args.amount", &[amount("500", "<= 500")]);
    told("500 <= args.amount", &[amount("500", "< 500")]);
    told("!(args.amount <= 500)", &[amount("500", "<= 500")]);
    told("!(500 >= args.amount)", &[amount("500", "<= 500")]);
    told("args.amount > 400 + 100", &[amount("500", "<= 500")]);
    told("args.amount > run.calls * 10", &[amount("70", "<= 70")]);
    told("args.amount in [900, 901]", &[amount("[900,901]", "none of [900,901]")]);
    told("!(args.amount in [1, 2])", &[amount("[1,2]", "one of [1,2]")]);
    told("int(args.amount) > 500", &[amount("500", "<= 500")]);
    told("args.?amount.orValue(0) > 500", &[amount("500", "<= 500")]);
}

#[test]
fn only_what_decided_is_listed() {
    told(
        "args.amount > 500 && args.currency == \"USD\"",
        &[("/args/amount", "500", Some("900"), "<= 500")],
    );
    told(
        "has(args.amount) && args.currency == \"USD\" && !(args.f < 0.1 || args.f > 0.9)",
        &[("/args/f", "0.1", Some("0.5"), "< 0.1")],
    );
    told(
        "has(args.amount) && args.currency == \"USD\"",
        &[("/args/currency", "\"USD\"", None, "!= \"USD\"")],
    );
    told(
        "args.amount > 500 || args.f < 1.0 || args.currency == \"EUR\"",
        &[("/args/amount", "500", Some("900"), "<= 500"), ("/args/f", "1", Some("0.5"), ">= 1")],
    );
    told(
        "args.amount > 500 || args.amount < 100",
        &[("/args/amount", "500", Some("900"), "<= 500")],
    );
    told(
        "!(args.amount <= 500 && args.currency == \"USD\")",
        &[("/args/amount", "500", Some("900"), "<= 500")],
    );
    told(
        "args.missing > 5 || args.amount > 500",
        &[("/args/amount", "500", Some("900"), "<= 500")],
    );
    told(
        "tool.effect == \"write\" ? args.amount > 500 : args.f > 0.1",
        &[("/args/amount", "500", Some("900"), "<= 500")],
    );
    told("tool.effect == \"write\"", &[]);
}

#[test]
fn other_tests() {
    told("run.calls >= 5", &[("/run/calls", "5", Some("7"), "< 5")]);
    told("run.age > duration(\"15m\")", &[("/run/age", "\"900s\"", None, "<= \"900s\"")]);
    told("args.to.size() > 2", &[("/args/to", "2", Some("3"), "size <= 2")]);
    told("args.nested[\"a/b\"] > 1", &[("/args/nested/a~1b", "1", Some("5"), "<= 1")]);
    told("args.nested[\"c~d\"] > 1", &[("/args/nested/c~0d", "1", Some("6"), "<= 1")]);
    told("args.force", &[("/args/force", "true", Some("true"), "== false")]);
    told("has(args.force)", &[("/args/force", "null", None, "absent")]);
    told("!has(args.reason)", &[("/args/reason", "null", None, "present")]);
    told(
        "args.url.startsWith(\"http:\")",
        &[("/args/url", "\"http:\"", None, "not: starts with \"http:\"")],
    );
    told(
        "!args.url.endsWith(\".example\")",
        &[("/args/url", "\".example\"", None, "ends with \".example\"")],
    );
}

#[test]
fn texts_of_the_call_are_never_shown() {
    told("args.url != args.currency", &[]);
    told(
        "args.currency in args.to || args.amount == args.pair",
        &[("/args/amount", "900", Some("900"), "!= 900")],
    );
    told(
        "args.url == \"http://secret\"",
        &[("/args/url", "\"http://secret\"", None, "!= \"http://secret\"")],
    );
}

#[test]
fn long_lists_are_cut() {
    let many: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let source = format!("!(args.amount in [{}])", many.join(", "));
    let world = World::new(r#"{"amount": 900}"#);
    let found = program(&source, Site::Rule).violations(&world.env());
    assert_eq!(found[0].limit, format!("[{}]", many[..16].join(",")));
}
