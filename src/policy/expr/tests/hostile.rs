//! Expressions and arguments that are made to hurt.

use proptest::prelude::*;

use super::{World, kind};
use crate::policy::expr::{EvalErrorKind as Kind, Site, compile};

/// Arguments with a list of `n` numbers, one of `n` objects, and text of `n` letters.
fn big(n: usize) -> World {
    let numbers: Vec<String> = (0..n).map(|n| n.to_string()).collect();
    let objects: Vec<String> = (0..n).map(|n| format!("{{\"v\": [{n}]}}")).collect();
    let text = "a".repeat(n);
    World::new(&format!(
        r#"{{"l": [{}], "o": [{}], "s": "{text}", "small": "x"}}"#,
        numbers.join(","),
        objects.join(",")
    ))
}

#[test]
fn an_evaluation_that_costs_too_much_ends_with_an_error() {
    let world = big(5_000);
    for source in [
        "args.l.all(a, args.l.all(b, a + b >= 0))",
        "args.l.exists(a, args.l.exists(b, args.l.exists(c, a + b + c < 0)))",
        "args.l.map(a, args.l.map(b, args.l.map(c, args.l.map(d, d)))).size() > 0",
        "args.l.exists(a, args.l.map(b, b).distinct().size() == 1)",
        "args.l.distinct().size() == 1",
        "args.l.all(a, !args.s.contains(\"b\" + args.s))",
        "args.l.all(a, !args.s.matches(\"(a|b)*c\"))",
        "args.l.all(a, args.l == args.l)",
        "args.l.all(a, !(-1 in args.l))",
        "args.l.all(a, args.l.sort()[0] == 0)",
        "args.l.all(a, args.o[a].v[0] == a)",
        "args.l.map(a, args.s + args.s).size() == 1",
        "args.s.replace(\"a\", args.s.replace(\"a\", args.s)).size() == 1",
        "args.l.map(a, args.s).join().size() == 1",
        "args.l.all(a, args.s.split(\"\").size() > 0)",
        "args.l.all(a, run.prior(\"*\").all(p, true) && args.s.lowerAscii() == args.s)",
    ] {
        assert_eq!(kind(world.bool(source)), Kind::Cost, "{source}");
    }
}

#[test]
fn the_cost_limit_is_not_absorbed() {
    let world = big(5_000);
    let bomb = "args.l.all(a, args.l.all(b, a + b >= 0))";
    for source in [format!("{bomb} || true"), format!("!({bomb} && false || {bomb})")] {
        let outcome = world.bool(&source);
        assert!(
            compile(&source, Site::Rule).unwrap().constant().is_some()
                || outcome.as_ref().is_err_and(|error| error.kind == Kind::Cost),
            "{source}: {outcome:?}"
        );
    }
    let source = format!("{bomb} || args.small == \"x\"");
    assert_eq!(kind(world.bool(&source)), Kind::Cost);
}

#[test]
fn ordinary_work_over_large_arguments_is_within_the_limit() {
    let world = big(5_000);
    for source in [
        "args.l.all(a, a >= 0 && a < 5000)",
        "args.o.exists(o, o.v[0] == 4999)",
        "args.l.sum() > 0",
        "!args.s.contains(\"b\") && args.s.size() == 5000",
        "!args.s.matches(\"b+\")",
        "4999 in args.l",
        "args.l.sort().size() == 5000",
    ] {
        assert_eq!(world.bool(source), Ok(true), "{source}");
    }
    let world = World::new(&format!(r#"{{"s": "{}"}}"#, "a".repeat(1 << 20)));
    assert_eq!(world.bool("args.s.contains(\"b\")"), Ok(false));
}

#[test]
fn errors_do_not_quote_the_call() {
    let world = World::new(r#"{"s": "hunter2", "l": ["hunter2"], "m": {"hunter2": 1}}"#);
    for source in [
        "args.s > 5",
        "int(args.s) > 5",
        "double(args.s) > 5.0",
        "bool(args.s)",
        "timestamp(args.s) > now",
        "duration(args.s) > run.age",
        "now.getHours(args.s) > 5",
        "args.m[args.s + \"x\"] == 1",
        "args.l[0].x == 1",
        "args.s",
        "args.l.sum() == 1",
        "ip(args.s).isPrivate()",
        "cidr(args.s).contains(\"10.0.0.1\")",
        "{args.s: 1, \"hunter2\": 2}.a == 1",
    ] {
        let error = world.bool(source).expect_err(source);
        assert!(!error.message.contains("hunter2"), "{source}: {error}");
    }
}

/// The deepest text of each shape that the scanner lets through must not exhaust the stack of a
/// worker thread, here or in the parser.
#[test]
fn the_deepest_accepted_expressions_fit_the_stack() {
    let shapes: [&dyn Fn(usize) -> String; 12] = [
        &|n| format!("{}args.x{}", "(".repeat(n), ")".repeat(n)),
        &|n| format!("{}args.x{}", "(true || ".repeat(n), ")".repeat(n)),
        &|n| format!("{}args.x{} == []", "[".repeat(n), "]".repeat(n)),
        &|n| format!("{}1{} == {{}}", "{\"a\": ".repeat(n), "}".repeat(n)),
        &|n| format!("{}args.x{} == 1", "size(".repeat(n), ")".repeat(n)),
        &|n| format!("{}args.x", "!".repeat(n)),
        &|n| format!("{}1 == 1", "-".repeat(n)),
        &|n| format!("args{} == 1", ".x".repeat(n)),
        &|n| format!("args{} == 1", "[0]".repeat(n)),
        &|n| format!("args{} == 1", ".trim()".repeat(n)),
        &|n| format!("1{} == 1", " + 1".repeat(n)),
        &|n| format!("{}args.x", "args.x ? args.y : ".repeat(n)),
    ];
    let work = move || {
        for shape in shapes.iter().enumerate() {
            let accepted = (1..64).rev().find_map(|n| {
                let source = shape.1(n);
                let outcome = compile(&source, Site::Rule);
                let bounded = outcome.as_ref().is_err_and(|e| e[0].code == "TG205");
                (!bounded).then_some((n, outcome))
            });
            let (n, outcome) = accepted.expect("some depth is accepted");
            assert!(n >= 8, "shape {}: only {n} levels", shape.0);
            if let Ok(program) = outcome {
                let world = World::new("{}");
                let _ = program.eval_bool(&world.env());
            }
        }
    };
    work();
}

#[test]
fn a_chain_of_many_terms_is_not_deep() {
    let terms: Vec<String> = (0..150).map(|n| format!("args.x == \"{n}\"")).collect();
    let world = World::new(r#"{"x": "149"}"#);
    assert_eq!(world.bool(&terms.join(" || ")), Ok(true));
}

/// Pieces that random expressions are made of.
const PIECES: [&str; 64] = [
    "args",
    "args.x",
    "tool",
    "run",
    "call",
    "prior",
    "now",
    ".",
    ".name",
    "?",
    ":",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    "+",
    "-",
    "*",
    "/",
    "%",
    "!",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "&&",
    "||",
    "in",
    "1",
    "2u",
    "1.5",
    "\"a\"",
    "'b'",
    "r\"\\d\"",
    "true",
    "false",
    "null",
    "has(",
    "exists(x, x)",
    ".all(y, ",
    ".map(",
    ".filter(z, z)",
    "size(",
    ".matches(\"a\")",
    "run.last(\"a\")",
    "run.prior(\"a\")",
    "duration(\"1h\")",
    "timestamp(",
    ".getHours(\"UTC\")",
    ".?x",
    "[?0]",
    ".orValue(1)",
    "\"",
    "\\",
    "//",
    "\n",
    " ",
    "é",
    "0x",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_soup_of_tokens_panics(picks in proptest::collection::vec(0..PIECES.len(), 0..40)) {
        let source: Vec<&str> = picks.iter().map(|pick| PIECES[*pick]).collect();
        for source in [source.concat(), source.join(" ")] {
            for site in [Site::Rule, Site::Where, Site::Key, Site::Message] {
                check(&source, site);
            }
        }
    }

    #[test]
    fn no_text_panics(source in "\\PC{0,60}") {
        check(&source, Site::Where);
    }
}

fn check(source: &str, site: Site) {
    match compile(source, site) {
        Ok(program) => {
            let world = World::new(r#"{"x": [1, 2.5, "a", null]}"#);
            let _ = program.eval_bool(&world.env());
            let _ = program.eval_text(&world.env());
            let _ = program.violations(&world.env());
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!(source.get(error.span.clone()).is_some(), "{source:?}: {error:?}");
            }
        }
    }
}

#[test]
fn an_argument_that_a_lenient_server_reads_elsewhere_is_not_judged() {
    for (args, source) in [
        (r#"{"amount": 1, "Amount": 900}"#, "args.amount > 500"),
        (r#"{"Amount": 900}"#, "has(args.amount) && args.amount > 500"),
        (r#"{"amount[]": "900"}"#, "int(args.?amount.orValue(\"0\")) > 500"),
        (r#"{"order": {"amount": 1, "AMOUNT": 900}}"#, "args.order.amount > 500"),
        (r#"{"order": {"AMOUNT": 900}}"#, "has(args.order.amount)"),
        (r#"{"items": [{"price": 1, "Price": 9}]}"#, "args.items.exists(i, i.price > 5)"),
        (r#"{"items": [{"Price": 9}]}"#, "args.items.exists(i, has(i.price) && i.price > 5)"),
        (r#"{"user_id": "me", "userId": "you"}"#, "args.user_id != \"me\""),
    ] {
        let outcome = World::new(args).bool(source);
        assert_eq!(kind(outcome), Kind::Ambiguous, "{source} on {args}");
    }
    let told_apart = World::new(r#"{"amount": 1, "amounts": 900, "A": 1, "a": 2}"#);
    assert_eq!(told_apart.bool("args.amount > 500"), Ok(false));
}
