//! Expressions over the run's earlier calls.

use std::sync::Arc;
use std::time::Duration;

use super::{Site, World, kind, program, step};
use crate::policy::expr::EvalErrorKind as Kind;
use crate::policy::glob::Glob;
use crate::policy::history::Step;

/// Three calls, 50, 30 and 10 minutes ago, the last of them failed.
fn world() -> World {
    let mut world = World::new(r#"{"payment_id": "p1", "tool": "payments.verify", "star": "*"}"#);
    world.history.push(step(
        "payments.verify",
        600,
        &[("args.payment_id", Some("\"p0\"")), ("result.status", Some("\"verified\""))],
    ));
    world.history.push(step(
        "payments.verify",
        1_800,
        &[
            ("args.payment_id", Some("\"p1\"")),
            ("result.status", Some("\"pending\"")),
            ("result.items", None),
            ("result", Some(r#"{"status": "pending", "n": {"m": 3}}"#)),
        ],
    ));
    world.history.push(Step {
        succeeded: false,
        ..step("db.query", 3_000, &[("args.payment_id", Some("\"p1\""))])
    });
    world
}

fn holds(world: &World, vectors: &[&str]) {
    for source in vectors {
        assert_eq!(world.bool(source), Ok(true), "{source}");
    }
}

#[test]
fn tools_called_so_far() {
    let world = world();
    holds(
        &world,
        &[
            "run.called(\"payments.verify\") && run.called(\"payments.*\") && run.called(\"*\")",
            "run.succeeded(\"payments.*\") && run.called(\"db.query\")",
            "!run.succeeded(\"db.query\") && !run.called(\"web.*\")",
            "run.count(\"*\") == 3 && run.count(\"payments.*\") == 2 && run.count(\"x\") == 0",
            "run.count(\"*\", duration(\"10m\")) == 1",
            "run.count(\"*\", duration(\"30m\")) == 2",
            "run.count(\"*\", duration(\"-1s\")) == 0",
            "run.called(\"db.*\", duration(\"15m\")) && !run.called(\"db.*\", duration(\"5m\"))",
            "run.succeeded(\"payments.*\", duration(\"31m\"))",
            "!run.succeeded(\"payments.*\", duration(\"29m\"))",
            "run.count(args.tool) == 2",
            "run.count(args.star) == 0",
        ],
    );
    assert_eq!(kind(world.bool("run.called(args.missing)")), Kind::Missing);
}

#[test]
fn tallies_outlive_the_remembered_steps() {
    let mut world = World::new("{}");
    for at in 0..300 {
        world.history.push(step("a.b", at, &[]));
    }
    holds(&world, &["run.count(\"a.*\") == 300", "run.last(\"a.*\").tool == \"a.b\""]);
    assert_eq!(kind(world.bool("run.prior(\"a.*\").size() == 256")), Kind::Forgotten);
    for tool in 0..1_100 {
        world.history.push(step(&format!("t.{tool}"), 3_000, &[]));
    }
    for source in ["run.count(\"t.1090\") == 0", "run.called(\"t.2000\")"] {
        assert_eq!(kind(world.bool(source)), Kind::Forgotten, "{source}");
    }
}

#[test]
fn the_last_call_of_a_tool() {
    let world = world();
    holds(
        &world,
        &[
            "run.last(\"payments.*\").tool == \"payments.verify\"",
            "run.last(\"payments.*\").age == duration(\"30m\")",
            "run.last(\"payments.*\").args.payment_id == args.payment_id",
            "run.last(\"payments.*\").result.status == \"pending\"",
            "run.last(\"payments.*\").result[\"status\"] == \"pending\"",
            "run.last(\"payments.*\").result.n.m == 3",
            "run.last(\"payments.*\").result == {\"status\": \"pending\", \"n\": {\"m\": 3}}",
            "has(run.last(\"payments.*\").args) && has(run.last(\"payments.*\").result)",
            "has(run.last(\"payments.*\").args.payment_id)",
            "has(run.last(\"payments.*\").result.items)",
            "!has(run.last(\"payments.*\").args.other)",
            "!has(run.last(\"web.*\").args) && !has(run.last(\"web.*\").result.x)",
            "!has(run.last(\"db.*\").args)",
            "run.last(\"payments.*\").?args.?payment_id.orValue(\"\") == \"p1\"",
            "run.last(\"web.*\").?args.?payment_id.orValue(\"none\") == \"none\"",
            "run.last(\"payments.*\").result.?zzz.orValue(1) == 1",
        ],
    );
    for (source, expected) in [
        ("run.last(\"web.*\").args.x == 1", Kind::Missing),
        ("run.last(\"payments.*\").args.x == 1", Kind::Missing),
        ("run.last(\"payments.*\").result.items == []", Kind::Forgotten),
    ] {
        assert_eq!(kind(world.bool(source)), expected, "{source}");
    }
}

#[test]
fn all_earlier_calls_of_a_tool() {
    let world = world();
    holds(
        &world,
        &[
            "run.prior(\"payments.*\").size() == 2 && run.prior(\"db.*\") .size() == 0",
            "run.prior(\"payments.*\").exists(p, p.args.payment_id == args.payment_id)",
            "run.prior(\"payments.*\").exists(p, p.result.status == \"verified\")",
            "!run.prior(\"payments.*\").exists(p, p.args.payment_id == args.payment_id && \
             p.result.status == \"verified\")",
            "run.prior(\"payments.*\").all(p, p.tool == \"payments.verify\")",
            "run.prior(\"payments.*\").filter(p, p.age > duration(\"40m\")).size() == 1",
            "run.prior(\"payments.*\").filter(p, p.age < duration(\"40m\")) \
             .all(q, q.args.payment_id == \"p1\")",
            "run.prior(\"payments.*\").map(p, p.args.payment_id) == [\"p0\", \"p1\"]",
            "run.prior(\"payments.*\").map(p, p.result.status).exists(s, s == \"pending\")",
            "run.prior(\"payments.*\")[0].args.payment_id == \"p0\"",
            "run.prior(\"payments.*\")[?5].?args.?payment_id.orValue(\"-\") == \"-\"",
            "(run.calls > 0 ? run.last(\"payments.*\") : run.last(\"db.*\")).args.payment_id == \"p1\"",
            "(run.prior(\"payments.*\") + run.prior(\"db.*\")).exists(p, p.result.status == \"pending\")",
            "run.prior(\"payments.*\").exists_one(p, has(p.result.n.m))",
        ],
    );
}

#[test]
fn the_call_a_precondition_tests() {
    let mut world = World::new(r#"{"payment_id": "p1"}"#);
    world.prior = Some(step(
        "payments.verify",
        3_000,
        &[("args.payment_id", Some("\"p1\"")), ("result.status", Some("\"verified\""))],
    ));
    holds(
        &world,
        &[
            "prior.args.payment_id == args.payment_id && prior.result.status == \"verified\"",
            "prior.age == duration(\"10m\") && prior.tool == \"payments.verify\"",
            "has(prior.result.status) && !has(prior.result.other)",
            "prior.?result.?other.orValue(0) == 0",
        ],
    );
    assert_eq!(kind(world.bool("prior.result.other == 1")), Kind::Missing);
}

#[test]
fn paths_to_remember() {
    let paths = |source: &str, site: Site| -> Vec<(Option<String>, String)> {
        let program = program(source, site);
        let captured = program.captures_by_tool().iter();
        captured
            .map(|(glob, path)| (glob.as_ref().map(Glob::to_string), path.to_string()))
            .collect()
    };
    let of = |tool: Option<&str>, path: &str| (tool.map(str::to_owned), path.to_owned());
    assert_eq!(
        paths("prior.args.id == args.id && prior.result[\"status\"] == 1", Site::Where),
        [of(None, "args.id"), of(None, "result.status")]
    );
    for (source, expected) in [
        ("run.last(\"a.*\").result.x.y == 1", vec![of(Some("a.*"), "result.x.y")]),
        ("has(run.last(\"a\").result.x)", vec![of(Some("a"), "result.x")]),
        ("has(run.last(\"a\").result)", vec![]),
        ("run.last(\"a\").result == 1", vec![of(Some("a"), "result")]),
        ("run.last(\"a\").tool == \"a\" && run.last(\"a\").age > run.age", vec![]),
        ("run.last(\"a\").result.list[0].x == 1", vec![of(Some("a"), "result.list")]),
        ("run.last(\"a\").result[\"a.b\"] == 1", vec![of(Some("a"), "result")]),
        ("run.last(\"a\").result.x[\"a.b\"] == 1", vec![of(Some("a"), "result.x")]),
        ("run.last(\"a\").?result.?x.orValue(1) == 1", vec![of(Some("a"), "result.x")]),
        ("run.prior(\"a\").exists(p, p.args.x == 1)", vec![of(Some("a"), "args.x")]),
        (
            "run.prior(\"a\").filter(p, p.args.x == 1).all(q, q.args.y == q.args.x)",
            vec![of(Some("a"), "args.x"), of(Some("a"), "args.y")],
        ),
        ("run.prior(\"a\").map(p, p.result).all(r, r.x == 1)", vec![of(Some("a"), "result")]),
        (
            "[run.last(\"a\"), run.last(\"b\")].all(p, p.args.x == 1)",
            vec![of(Some("a"), "args.x"), of(Some("b"), "args.x")],
        ),
        (
            "[run.prior(\"a\"), run.prior(\"b\")].flatten().all(p, p.args.x == 1)",
            vec![of(Some("a"), "args.x"), of(Some("b"), "args.x")],
        ),
        (
            "(run.prior(\"a\") + run.prior(\"b\")).all(p, p.args.x == 1)",
            vec![of(Some("a"), "args.x"), of(Some("b"), "args.x")],
        ),
    ] {
        assert_eq!(paths(source, Site::Rule), expected, "{source}");
    }
    let program = program("prior.args.id == run.last(\"a\").args.id", Site::Where);
    assert_eq!(program.captures(), [Arc::from("args.id")]);
    assert_eq!(program.captures_by_tool().len(), 2);
}

#[test]
fn arguments_that_are_named() {
    let paths = |source: &str| -> Vec<(String, String)> {
        let program = program(source, Site::Rule);
        let paths = program.argument_paths().iter();
        paths.map(|(path, span)| (path.to_string(), source[span.clone()].to_owned())).collect()
    };
    let pair = |path: &str, at: &str| (path.to_owned(), at.to_owned());
    assert_eq!(paths("args.amount > 500"), [pair("args.amount", "amount")]);
    assert_eq!(paths("has(args.to)"), [pair("args.to", "to")]);
    assert_eq!(
        paths("args.user[\"id\"] == 1 && args.?x.orValue(1) == 1 && args.to[0].y == 1"),
        [
            pair("args.user", "user"),
            pair("args.user.id", "\"id\""),
            pair("args.x", "x"),
            pair("args.to", "to"),
        ]
    );
}

#[test]
fn ages_count_from_the_end_of_a_call() {
    let mut world = world();
    world.now.mono = Duration::from_secs(0);
    assert_eq!(world.bool("run.last(\"payments.*\").age == duration(\"0s\")"), Ok(true));
}

#[test]
fn a_window_over_forgotten_calls_is_not_counted_short() {
    let mut world = World::new("{}");
    world.history.push(step("pay.refund", 2_500, &[]));
    for _ in 0..256 {
        world.history.push(step("pay.look", 3_000, &[]));
    }
    let in_an_hour = "run.count(\"pay.refund\", duration(\"1h\")) < 1";
    assert_eq!(kind(world.bool(in_an_hour)), Kind::Forgotten);
    holds(
        &world,
        &[
            "run.count(\"pay.refund\") == 1",
            "run.count(\"pay.refund\", duration(\"5m\")) == 0",
            "run.count(\"web.*\", duration(\"1h\")) == 0",
        ],
    );
}

#[test]
fn a_call_that_has_not_ended_was_called_and_did_not_succeed() {
    let mut world = World::new("{}");
    world.history.open(1, &Arc::from("pay.refund"), 1);
    holds(
        &world,
        &[
            "run.called(\"pay.refund\") && run.count(\"pay.*\", duration(\"1m\")) == 1",
            "!run.succeeded(\"pay.refund\") && run.prior(\"pay.*\").size() == 0",
        ],
    );
}

#[test]
fn calls_that_no_rule_reads_do_not_push_out_those_that_rules_go_by() {
    let mut world = World::new("{}");
    world.history.push(step("crm.get", 600, &[("result.status", Some("\"blocked\""))]));
    for _ in 0..1_000 {
        world.history.push(step("web.search", 700, &[]));
    }
    holds(&world, &["run.prior(\"crm.get\").exists(p, p.result.status == \"blocked\")"]);
    for _ in 0..256 {
        world.history.push(step("crm.get", 800, &[("result.status", Some("\"open\""))]));
    }
    let blocked = "run.prior(\"crm.get\").exists(p, p.result.status == \"blocked\")";
    assert_eq!(kind(world.bool(blocked)), Kind::Forgotten);
    holds(&world, &["run.last(\"crm.get\").result.status == \"open\""]);
    assert_eq!(kind(world.bool("!has(run.last(\"web.search\").args)")), Kind::Forgotten);
}
