//! What authors are told about their mistakes, and where it points.

use super::{Site, faults};

/// Code, the text pointed at, a part of the message, a part of the help.
type Expected<'a> = (&'a str, &'a str, &'a str, &'a str);

fn told(site: Site, source: &str, expected: &[Expected<'_>]) {
    let found = faults(source, site);
    assert_eq!(found.len(), expected.len(), "{source}: {found:#?}");
    for ((code, at, message, help), wanted) in found.iter().zip(expected) {
        assert_eq!((*code, at.as_str()), (wanted.0, wanted.1), "{source}: {message}");
        assert!(message.contains(wanted.2), "{source}: {message}");
        assert!(help.contains(wanted.3), "{source}: {help}");
    }
}

#[test]
fn unknown_names() {
    for (source, at, message, help) in [
        ("arg.amount > 500", "arg", "`arg` is not a variable", "did you mean `args`?"),
        ("amount > 500", "amount", "`amount` is not a variable", "`args.amount`"),
        ("tool.nmae == \"x\"", "nmae", "`tool` has no field `nmae`", "did you mean `name`?"),
        ("has(tool.nmae)", "nmae", "`tool` has no field `nmae`", "did you mean `name`?"),
        ("tool[\"nmae\"] == \"\"", "\"nmae\"", "no field `nmae`", "did you mean `name`?"),
        ("args.list.all(x, y > 1)", "y", "`y` is not a variable", "`args.y`"),
        ("args.list.all(item, itm > 1)", "itm", "`itm` is not", "did you mean `item`?"),
        (
            "shell(args.c).exists(c, c.nme == \"rm\")",
            "nme",
            "a command has no field `nme`",
            "did you mean `name`?",
        ),
        ("url(args.u).hots == \"\"", "hots", "a URL has no field", "did you mean `host`?"),
        ("caller.group == \"\"", "group", "no field `group`", "tenant, project, user, agent"),
    ] {
        told(Site::Rule, source, &[("TG202", at, message, help)]);
    }
}

#[test]
fn unknown_functions() {
    for (source, at, help) in [
        ("args.x.startswith(\"a\")", "startswith", "did you mean `startsWith`?"),
        ("startsWith(args.x, \"a\")", "startsWith", "write value.startsWith(…)"),
        ("args.x.shell() == []", "shell", "write shell(…)"),
        ("run.caled(\"x\")", "caled", "did you mean `run.called`?"),
        ("getHours(now) > 5", "getHours", "write now.getHours()"),
        ("math.lest(1, 2) == 1", "math.lest", "did you mean `math.least`?"),
        ("args.x.exist(c, c > 1)", "exist", "did you mean `exists`?"),
    ] {
        let found = faults(source, Site::Rule);
        let first = found.first().unwrap();
        assert_eq!((first.0, first.1.as_str()), ("TG203", at), "{source}: {found:?}");
        assert!(first.3.contains(help), "{source}: {found:?}");
    }
}

#[test]
fn wrong_types() {
    for (source, at, message) in [
        ("1 + 1", "1 + 1", "expected a boolean, this is an int"),
        ("args.x ? 1 : 2", "args.x ? 1 : 2", "expected a boolean, this is an int"),
        ("!run.calls", "run.calls", "expected a boolean"),
        ("args.x && tool.name", "tool.name", "expected a boolean, this is text"),
        ("tool.name > 5", "tool.name > 5", "text cannot be compared with an int"),
        ("run.calls == \"5\"", "run.calls == \"5\"", "an int cannot be compared with text"),
        ("run.age > 5", "run.age > 5", "a duration cannot be compared with an int"),
        ("tool.tags == \"a\"", "tool.tags == \"a\"", "a list cannot be compared with text"),
        ("tool.name == null", "tool.name == null", "text cannot be compared with null"),
        ("run.calls + tool.name == 5", "run.calls + tool.name", "cannot add an int and text"),
        ("run.calls * 1.5 > 3.0", "run.calls * 1.5", "cannot multiply an int and a double"),
        ("now + now > now", "now + now", "cannot add a timestamp and a timestamp"),
        ("-tool.name == \"\"", "tool.name", "text has no negative"),
        ("tool.name.x == 1", "x", "text has no fields"),
        ("tool.name[0] == 1", "tool.name", "text has no elements"),
        ("tool.tags[\"a\" + \"b\"] == \"\"", "\"a\" + \"b\"", "expected an int"),
        ("\"a\" in tool.name", "tool.name", "expected a list or a map, this is text"),
        ("5 in tool.tags", "5", "an int is never in this list"),
        ("size(1) > 2", "1", "`size` takes text, a list or a map, this is an int"),
        ("int(true) > 2", "true", "`int` takes a number"),
        ("tool.name.contains(5)", "5", "`contains` takes text, this is an int"),
        ("shell(args.c).exists(c, c.has())", "has", "`has` takes 1 argument(s), not 0"),
        ("size(args.x, 1) > 2", "size", "`size` takes 1 argument(s), not 2"),
        ("args.x.exists(c)", "exists", "`exists` is not used this way"),
        ("tool.name.all(x, x)", "tool.name", "expected a list, this is text"),
        ("tool", "tool", "`tool` has no value of its own"),
        ("run.called", "called", "`run.called` is a function"),
        ("run.called()", "called", "takes the name of a tool"),
        ("run.called(5)", "5", "expected text, this is an int"),
        ("run.count(\"x\", 5) > 1", "5", "expected a duration"),
        ("run.last(args.x).tool == \"\"", "args.x", "the name of a tool in quotes"),
        ("args.x.matches(args.y)", "args.y", "must be text in quotes"),
        ("args.x.matches(\"(a\")", "\"(a\"", "not a pattern: unclosed group"),
        ("tool.effect == \"delete\"", "\"delete\"", "`tool.effect` is never \"delete\""),
        (
            "tool.effect in [\"read\", \"wrote\"]",
            "[\"read\", \"wrote\"]",
            "`tool.effect` is never \"wrote\"",
        ),
        ("run.age > duration(\"5 min\")", "duration(\"5 min\")", "not a duration"),
        ("now > timestamp(\"today\")", "timestamp(\"today\")", "not a timestamp"),
        ("now.getHours(\"Europe/Berln\") > 5", "\"Europe/Berln\"", "no such time zone"),
        ("now.getHours(5) > 5", "5", "expected a time zone"),
        ("run.age.getFullYear() > 5", "run.age", "expected a timestamp"),
    ] {
        told(Site::Rule, source, &[("TG204", at, message, "")]);
    }
    told(Site::Message, "run.last(\"x\")", &[("TG204", "run.last(\"x\")", "can be shown", "")]);
    told(Site::Key, "[1.5]", &[("TG204", "[1.5]", "a number or a boolean", "")]);
    told(Site::Amount, "\"5\"", &[("TG204", "\"5\"", "expected a number", "")]);
}

#[test]
fn names_that_are_not_available_here() {
    for (source, at) in [
        ("\"untrusted\" in run.taint", "taint"),
        ("result.status == 1", "result"),
        ("response.status == 1", "response"),
        ("prior.age > duration(\"1m\")", "prior"),
        ("origin(args.x) == []", "origin"),
        ("b\"abc\" == args.x", "b\"abc\""),
    ] {
        let found = faults(source, Site::Rule);
        assert_eq!((found[0].0, found[0].1.as_str()), ("TG206", at), "{source}");
        assert_eq!(found.len(), 1, "{source}: {found:?}");
    }
}

#[test]
fn syntax() {
    for (source, at, message, help) in [
        ("args.x == 5 and args.y == 6", "and", "did not expect `and`", "write `&&`"),
        ("args.x = 5", "=", "`=` means nothing here", "compare with `==`"),
        ("args.x & args.y", "&", "means nothing", "write `&&`"),
        ("args.x == ", "==", "ends too early", ""),
        ("args.x == (5", "(", "`)` is missing", ""),
        ("args.x == 5)", ")", "closes nothing", ""),
        ("args.x == [5)", ")", "expected `]`", ""),
        ("args.x == \"abc", "\"", "no closing quote", ""),
        ("args.x == \"a\nb\"", "\"", "no closing quote", ""),
        ("args.x.matches(\"\\d\")", "\\d", "is not an escape", "r\"…\""),
        ("has(args)", "args", "`has` takes a field", "write has(args.name)"),
        ("", "", "an expression is missing", ""),
        ("// nothing", "// nothing", "an expression is missing", ""),
        ("if == 1", "if", "`if` is a reserved word", ""),
        ("args.é == 1", "é", "means nothing", "args[\"…\"]"),
        ("args.x == “a”", "“", "means nothing", "quote with"),
        ("9999999999999999999 > 1", "9999999999999999999", "invalid int literal", ""),
    ] {
        told(Site::Rule, source, &[("TG201", at, message, help)]);
    }
    let keyword = faults("args.in == 1", Site::Rule);
    assert!(keyword[0].3.contains("write [\"in\"] instead of .in"), "{keyword:?}");
}

#[test]
fn everything_wrong_is_reported_in_the_order_of_the_text() {
    told(
        Site::Rule,
        "\"é\" == tool.nmae && tool.efect == \"read\" || foo(1)",
        &[
            ("TG202", "nmae", "no field", "name"),
            ("TG202", "efect", "no field", "effect"),
            ("TG203", "foo", "not a function", ""),
        ],
    );
}

#[test]
fn too_much() {
    let deep = format!("{}1{} == 1", "(".repeat(60), ")".repeat(60));
    let long = format!("args.x == \"{}\"", "a".repeat(5_000));
    let nested = format!("{}true{}", "args.x.all(a, ".repeat(9), ")".repeat(9));
    let pattern = "args.x.matches(\"\\\\w{900}{900}\")";
    for source in [deep.as_str(), long.as_str(), nested.as_str(), pattern] {
        let found = faults(source, Site::Rule);
        assert_eq!(found[0].0, "TG205", "{found:?}");
    }
}
