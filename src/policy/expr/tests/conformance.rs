//! Vectors in the manner of the CEL specification's conformance tests, for what we support.

use super::World;
use crate::policy::expr::{EvalErrorKind as Kind, Site, compile};

fn holds(vectors: &[&str]) {
    let world = World::new(
        r#"{"n": 7, "f": 1.5, "whole": 2.0, "big": 18446744073709551615, "s": "héllo", "t": true,
            "nil": null, "list": [1, 2, 3], "words": ["b", "a", "b"], "mixed": [1, "a", null],
            "map": {"a": 1, "b": {"c": "d"}}, "empty": [], "objects": [{"v": 1}, {"v": 2}]}"#,
    );
    for source in vectors {
        match world.bool(source) {
            Ok(true) => {}
            other => panic!("{source}: {other:?}"),
        }
    }
}

fn fails(vectors: &[(&str, Kind)]) {
    let world = World::new(r#"{"n": 7, "f": 1.5, "s": "text", "list": [1, 2], "zero": 0}"#);
    for (source, kind) in vectors {
        match world.bool(source) {
            Err(error) if error.kind == *kind => {}
            other => panic!("{source}: {other:?}, expected {kind:?}"),
        }
    }
}

#[test]
fn arithmetic_is_exact() {
    holds(&[
        "1 + 2 * 3 == 7",
        "(1 + 2) * 3 == 9",
        "7 / 2 == 3",
        "-7 / 2 == -3",
        "7 % 4 == 3",
        "-7 % 4 == -3",
        "7u / 2u == 3u",
        "1.5 + 2.5 == 4.0",
        "1.0 / 0.0 > 1e308",
        "-(5) == 0 - 5",
        "--5 == 5",
        "2 - -3 == 5",
        "0x10 == 16",
        "0xFFu == 255u",
        "9223372036854775807 - 1 == 9223372036854775806",
        "-9223372036854775808 + 1 == -9223372036854775807",
        "args.n * 2 == 14",
        "args.f * 2.0 == 3.0",
        "\"a\" + \"b\" == \"ab\"",
        "[1] + [2, 3] == [1, 2, 3]",
    ]);
}

#[test]
fn json_numbers_meet_numbers_of_any_type() {
    holds(&[
        "args.f * 2 == 3.0",
        "args.n + 0.5 == 7.5",
        "args.whole == 2",
        "args.whole * 3 == 6",
        "args.big > 9223372036854775807",
        "args.big == 18446744073709551615u",
        "args.big - 1 == 18446744073709551614u",
    ]);
}

#[test]
fn overflow_and_division_by_zero_are_errors() {
    fails(&[
        ("9223372036854775807 + 1 > 0", Kind::Arithmetic),
        ("-9223372036854775808 - 1 > 0", Kind::Arithmetic),
        ("9223372036854775807 * 2 > 0", Kind::Arithmetic),
        ("-(-9223372036854775808) > 0", Kind::Arithmetic),
        ("0u - 1u > 0u", Kind::Arithmetic),
        ("1 / 0 > 0", Kind::Arithmetic),
        ("1 % 0 > 0", Kind::Arithmetic),
        ("args.n / args.zero == 1", Kind::Arithmetic),
        ("args.n + args.s == 1", Kind::Type),
        ("args.f % 2 == 1", Kind::Type),
    ]);
}

#[test]
fn numbers_compare_by_value_across_types() {
    holds(&[
        "1 == 1.0",
        "1 == 1u",
        "1u == 1.0",
        "!(1 == 2.0)",
        "1 < 1.1",
        "1.1 > 1u",
        "2u > 1",
        "-1 < 0u",
        "9223372036854775807 < 9223372036854775808.0",
        "9007199254740993 != 9007199254740992.0",
        "9007199254740993 > 9007199254740992.0",
        "18446744073709551615u < 18446744073709551616.0",
        "!(0.0 / 0.0 == 0.0 / 0.0)",
        "!(0.0 / 0.0 < 1)",
        "0.0 == -0.0",
        "-1.5 < -1",
        "-2 < -1.5",
        "1.0 in [1, 2]",
        "args.whole in [1, 2]",
    ]);
}

#[test]
fn equality_tells_kinds_apart() {
    holds(&[
        "args.n != args.s",
        "args.nil == null",
        "args.n != null",
        "args.list == [1, 2, 3]",
        "args.list == [1.0, 2u, 3]",
        "args.list != [1, 2]",
        "args.map == {\"b\": {\"c\": \"d\"}, \"a\": 1}",
        "args.map != {\"a\": 1}",
        "{1: \"a\"} == {1u: \"a\"}",
        "args.mixed == [1, \"a\", null]",
        "\"a\" < \"b\" && \"a\" < \"aa\"",
        "false < true",
        "dyn(1) != dyn(\"1\")",
    ]);
    fails(&[("args.n < args.s", Kind::Type), ("args.list < args.n", Kind::Type)]);
}

#[test]
fn logic_absorbs_errors() {
    holds(&[
        "true || 1 / 0 > 0",
        "1 / 0 > 0 || true",
        "!(false && 1 / 0 > 0)",
        "!(1 / 0 > 0 && false)",
        "args.t || args.missing",
        "args.missing || args.t",
        "!(args.missing && !args.t)",
        "true ? true : 1 / 0 > 0",
        "args.t ? args.n == 7 : args.missing",
        "args.list.exists(x, 10 / (x - 1) > 9)",
        "!args.list.all(x, 10 / (x - 1) > 9)",
    ]);
    fails(&[
        ("args.missing || false", Kind::Missing),
        ("args.missing && true", Kind::Missing),
        ("args.n || false", Kind::Type),
        ("args.missing ? true : true", Kind::Missing),
        ("args.list.all(x, 10 / (x - 1) > 5)", Kind::Arithmetic),
        ("args.list.exists(x, 10 / (x - 1) > 50)", Kind::Arithmetic),
        ("args.list.exists_one(x, 10 / (x - 1) > 5)", Kind::Arithmetic),
    ]);
}

#[test]
fn macros_walk_lists_and_keys() {
    holds(&[
        "[1, 2, 3].all(x, x > 0)",
        "[].all(x, x > 0)",
        "![].exists(x, true)",
        "[1, 2, 3].exists(x, x == 2)",
        "[1, 2, 3].exists_one(x, x > 2)",
        "[1, 2, 3].existsOne(x, x > 2)",
        "![1, 2, 3].exists_one(x, x > 1)",
        "[1, 2, 3].map(x, x * 2) == [2, 4, 6]",
        "[1, 2, 3].map(x, x > 1, x * 2) == [4, 6]",
        "[1, 2, 3].filter(x, x > 1) == [2, 3]",
        "[1, 2, 3].map(x, x > 1, x) == [2, 3]",
        "args.map.exists(k, k == \"a\")",
        "{\"a\": 1, \"b\": 2}.all(k, k in [\"a\", \"b\"])",
        "args.objects.map(o, o.v) == [1, 2]",
        "[[1], [2]].all(x, x.all(y, y > 0))",
        "[1, 2].all(x, [3, 4].all(y, y > x))",
        "[1, 2].all(x, [3].exists(x, x == 3) && x < 3)",
        "args.list.filter(x, x in [1, 3]).size() == 2",
        "[1].all(args, args == 1)",
    ]);
}

#[test]
fn members_and_elements() {
    holds(&[
        "args.map.b.c == \"d\"",
        "args[\"map\"][\"b\"].c == \"d\"",
        "args.list[0] == 1",
        "args.list[args.n - 5] == 3",
        "args.list[1.0] == 2",
        "args.objects[1].v == 2",
        "{\"a\": 1}[\"a\"] == 1",
        "{\"a\": 1}.a == 1",
        "{1: \"x\"}[1] == \"x\"",
        "\"a\" in args.map",
        "!(\"z\" in args.map)",
        "2 in args.list",
        "\"n\" in args",
        "size(args.list) == 3 && args.list.size() == 3 && size(args.map) == 2",
        "size(args.s) == 5",
        "has(args.map.a) && !has(args.map.z) && !has(args.zz)",
        "has(args.nil)",
        "has({\"a\": 1}.a)",
    ]);
    fails(&[
        ("args.missing == 1", Kind::Missing),
        ("args.list[9] == 1", Kind::Missing),
        ("args.list[-1] == 1", Kind::Missing),
        ("args.list[\"a\" + \"b\"] == 1", Kind::Type),
        ("args.s.x == 1", Kind::Type),
        ("has(args.missing.x)", Kind::Missing),
        ("{\"a\": 1}[\"b\"] == 1", Kind::Missing),
        ("{\"a\": 1, \"a\": args.n}.a == 1", Kind::Text),
    ]);
}

#[test]
fn optional_values() {
    holds(&[
        "args.?zz.orValue(5) == 5",
        "args.?n.orValue(5) == 7",
        "args.?map.?b.?c.orValue(\"\") == \"d\"",
        "args.?map.b.c.orValue(\"\") == \"d\"",
        "args.?zz.?b.?c.orValue(\"none\") == \"none\"",
        "args.?nil.?b.orValue(1) == 1",
        "args.list[?0].orValue(9) == 1",
        "args.list[?7].orValue(9) == 9",
        "args.map[?\"a\"].orValue(9) == 1",
        "args.?n.hasValue() && !args.?zz.hasValue()",
        "args.?n.value() == 7",
        "args.?zz.or(args.?n).value() == 7",
        "optional.of(1).value() == 1",
        "optional.none().orValue(3) == 3",
        "args.?n == optional.of(7)",
    ]);
    fails(&[("args.?zz.value() == 1", Kind::Missing), ("args.?s.?x.orValue(1) == 1", Kind::Type)]);
}

#[test]
fn text_functions() {
    holds(&[
        "\"hello\".contains(\"ell\") && \"hello\".startsWith(\"he\") && \"hello\".endsWith(\"lo\")",
        "args.s.contains(\"éll\")",
        "\"hello\".matches(\"^h.*o$\") && \"xhello\".matches(\"hel\")",
        "matches(\"hello\", \"l+\")",
        "!\"hello\".matches(r\"\\d\")",
        "\"HéY\".lowerAscii() == \"héy\" && \"hey\".upperAscii() == \"HEY\"",
        "\" a \".trim() == \"a\"",
        "\"a,b,c\".split(\",\") == [\"a\", \"b\", \"c\"]",
        "\"a,b,c\".split(\",\", 2) == [\"a\", \"b,c\"]",
        "\"a,b\".split(\",\", 0) == []",
        "\"héy\".split(\"\") == [\"h\", \"é\", \"y\"]",
        "\"héy\".split(\"\", 2) == [\"h\", \"éy\"]",
        "[\"a\", \"b\"].join() == \"ab\" && [\"a\", \"b\"].join(\"-\") == \"a-b\"",
        "\"aaa\".replace(\"a\", \"b\") == \"bbb\" && \"aaa\".replace(\"a\", \"b\", 2) == \"bba\"",
        "\"tacocat\".indexOf(\"c\") == 2 && \"tacocat\".lastIndexOf(\"c\") == 4",
        "args.s.indexOf(\"l\") == 2 && \"a\".indexOf(\"z\") == -1",
        "args.s.substring(1) == \"éllo\" && args.s.substring(1, 3) == \"él\"",
        "'single' == \"single\" && '''a\"b''' == \"a\\\"b\"",
        "\"\\u00e9\" == \"é\" && \"\\x41\\101\" == \"AA\"",
        "r'\\n'.size() == 2",
    ]);
    fails(&[
        ("args.s.substring(9) == \"\"", Kind::Missing),
        ("args.s.substring(2, 1) == \"\"", Kind::Missing),
        ("args.n.contains(\"a\")", Kind::Type),
    ]);
}

#[test]
fn conversions() {
    holds(&[
        "string(1) == \"1\" && string(1u) == \"1\" && string(true) == \"true\"",
        "string(1.5) == \"1.5\" && string(args.s) == \"héllo\"",
        "int(\"-12\") == -12 && int(3.9) == 3 && int(-3.9) == -3 && int(5u) == 5",
        "uint(\"12\") == 12u && uint(3.9) == 3u && uint(5) == 5u",
        "double(\"1.5\") == 1.5 && double(2) == 2.0",
        "bool(\"true\") && !bool(\"f\") && bool(true)",
        "int(timestamp(\"1970-01-01T00:01:00Z\")) == 60",
        "string(duration(\"90m\")) == \"5400s\" && string(duration(\"1.5s\")) == \"1.5s\"",
        "string(timestamp(\"2030-01-31T12:00:00+02:00\")) == \"2030-01-31T10:00:00Z\"",
        "type(1) == int && type(\"\") == string && type(1.0) == double && type(1u) == uint",
        "type(args.list) == list && type(args.map) == map && type(args.nil) == null_type",
        "type(args.n) == int && type(args.f) == double && type(true) == bool",
        "type(1) != type(1u)",
    ]);
    fails(&[
        ("int(\"x\") == 1", Kind::Text),
        ("int(1e30) == 1", Kind::Arithmetic),
        ("int(9223372036854775808.0) == 1", Kind::Arithmetic),
        ("uint(-1) == 1u", Kind::Arithmetic),
        ("double(\"x\") == 1.0", Kind::Text),
        ("bool(\"yes\")", Kind::Text),
        ("timestamp(args.s) > now", Kind::Text),
        ("duration(args.s) > run.age", Kind::Text),
        ("timestamp(253402300800) > now", Kind::Arithmetic),
    ]);
}

#[test]
fn lists_and_numbers() {
    holds(&[
        "args.list.sum() == 6 && [].sum() == 0 && [1.5, 2.5].sum() == 4.0",
        "args.words.distinct() == [\"b\", \"a\"]",
        "args.words.sort() == [\"a\", \"b\", \"b\"] && [3, 1, 2].sort() == [1, 2, 3]",
        "math.least(3, 1, 2) == 1 && math.greatest(3, 1, 2) == 3 && math.greatest([1, 5]) == 5",
        "math.least(1, 0.5) == 0.5 && math.abs(-3) == 3",
    ]);
    fails(&[
        ("args.s.sum() == 1", Kind::Type),
        ("[dyn(1), dyn(\"a\")].sort() == []", Kind::Type),
        ("math.least([dyn(\"a\")]) == 1", Kind::Type),
    ]);
}

#[test]
fn times() {
    holds(&[
        "timestamp(\"2026-03-04T05:06:07.089Z\") == now",
        "now.getFullYear() == 2026 && now.getMonth() == 2 && now.getDate() == 4",
        "now.getDayOfMonth() == 3 && now.getDayOfWeek() == 3 && now.getDayOfYear() == 62",
        "now.getHours() == 5 && now.getMinutes() == 6 && now.getSeconds() == 7",
        "now.getMilliseconds() == 89",
        "now.getHours(\"Europe/Berlin\") == 6 && now.getHours(\"America/New_York\") == 0",
        "now.getHours(\"-08:00\") == 21 && now.getDate(\"-08:00\") == 3",
        "now.getMinutes(\"+05:30\") == 36 && now.getHours(\"UTC\") == 5",
        "timestamp(\"2026-07-01T12:00:00Z\").getHours(\"Europe/Berlin\") == 14",
        "duration(\"1h\") == duration(\"60m\") && duration(\"1h30m\") > duration(\"89m\")",
        "duration(\"-1.5h\") == duration(\"-90m\") && duration(\"0\") == duration(\"0s\")",
        "duration(\"1h30m\").getHours() == 1 && duration(\"1h30m\").getMinutes() == 90",
        "duration(\"1.5s\").getMilliseconds() == 1500",
        "now + duration(\"1h\") > now && now - duration(\"1h\") < now",
        "duration(\"1h\") + now == now + duration(\"1h\")",
        "now - timestamp(\"2026-03-04T05:06:07Z\") == duration(\"89ms\")",
        "duration(\"1h\") - duration(\"15m\") == duration(\"45m\")",
        "-duration(\"1h\") == duration(\"-1h\")",
        "run.age == duration(\"1h\")",
        "timestamp(0) == timestamp(\"1970-01-01T00:00:00Z\")",
        "now.getDayOfWeek(\"Europe/Berlin\") in [1, 2, 3, 4, 5]",
    ]);
    fails(&[
        ("timestamp(\"9999-12-31T23:59:59Z\") + duration(\"1s\") > now", Kind::Arithmetic),
        ("timestamp(\"0001-01-01T00:00:00Z\") - duration(\"1s\") < now", Kind::Arithmetic),
        (
            "timestamp(\"9999-01-01T00:00:00Z\") - timestamp(\"0001-01-01T00:00:00Z\") > run.age",
            Kind::Arithmetic,
        ),
        ("now.getHours(args.s) == 1", Kind::Text),
    ]);
}

#[test]
fn facts_of_the_call() {
    holds(&[
        "tool.name == \"payments.refund\" && tool.server == \"payments\"",
        "tool.operation == \"refund\" && tool.effect == \"write\" && \"money\" in tool.tags",
        "tool.tags.exists(t, t.startsWith(\"egr\")) && tool.tags.size() == 2",
        "call.protocol == \"http\" && call.method == \"POST\" && call.path == \"/refunds\"",
        "call.step == 8 && call.args_bytes == 321",
        "run.id == \"run-1\" && run.calls == 7 && run.errors == 1 && run.denials == 2",
        "caller.tenant == \"acme\" && caller.user == \"ann\" && caller.agent == \"support\"",
        "has(caller.tenant) && !has(caller.project) && !has(call.intended)",
        "args.n > 5 && args.t && tool.effect == \"write\" && run.calls < 10",
    ]);
    fails(&[("call.intended", Kind::Unknown)]);
    let mut world = World::new("{}");
    fails(&[("call.model == 'dear'", Kind::Unknown)]);
    world.model = Some("dear");
    assert_eq!(world.bool("call.model.startsWith('de') && has(call.model)"), Ok(true));
    world.intended = Some(false);
    assert_eq!(world.bool("!call.intended && has(call.intended)"), Ok(true));
}

#[test]
fn constants_are_computed_when_loaded() {
    for (source, expected) in [
        ("1 > 2", Some(false)),
        ("args.x > 1 && false", Some(false)),
        ("args.x > 1 || true", Some(true)),
        ("true && args.x", None),
        ("\"a\" in [\"b\"]", Some(false)),
        ("!(duration(\"1h\") < duration(\"1m\"))", Some(true)),
        ("false ? args.x : 1 == 1", Some(true)),
        ("\"abc\".matches(\"b\")", Some(true)),
        ("args.x > 1", None),
    ] {
        assert_eq!(compile(source, Site::Rule).unwrap().constant(), expected, "{source}");
    }
}

#[test]
fn text_for_keys_and_messages() {
    let world = World::new(r#"{"amount": 900, "name": "x", "list": [1, {"a": "b\""}], "f": 0.5}"#);
    for (source, expected) in [
        ("args.amount", "900"),
        ("args.name + \"!\"", "x!"),
        ("args.list", r#"[1,{"a":"b\""}]"#),
        ("args.f", "0.5"),
        ("run.age", "3600s"),
        ("now", "2026-03-04T05:06:07.089Z"),
        ("args.?zz", ""),
        ("args.?name", "x"),
        ("null", "null"),
        ("tool.tags", r#"["money","egress"]"#),
    ] {
        assert_eq!(world.text(source).as_deref(), Ok(expected), "{source}");
    }
    let key = |source: &str| compile(source, Site::Key).unwrap().eval_text(&world.env());
    assert_eq!(key("caller.tenant + \"/\" + tool.name").as_deref(), Ok("acme/payments.refund"));
    assert_eq!(key("args.amount").as_deref(), Ok("900"));
    assert_eq!(key("args.list").unwrap_err().kind, Kind::Type);

    let long = World::new(&format!(r#"{{"name": "{}"}}"#, "é".repeat(300)));
    let shown = long.text("args.name").unwrap();
    assert!(shown.len() <= 260 && shown.ends_with("é…"));
    let key = compile("args.name", Site::Key).unwrap().eval_text(&long.env());
    assert_eq!(key.unwrap_err().kind, Kind::Cost);
}

#[test]
fn labels_of_a_run_are_a_map_of_text() {
    let mut world = World::new("{}");
    for source in [
        "run.labels.team == \"refunds\" && run.labels[\"tier\"] == \"2\"",
        "\"team\" in run.labels && !(\"user\" in run.labels)",
        "has(run.labels.team) && !has(run.labels.user)",
        "run.labels.?user.orValue(\"\") == \"\" && run.labels.size() == 2",
        "run.labels.all(name, name.startsWith(\"t\")) && int(run.labels.tier) > 1",
        "run.labels == {\"tier\": \"2\", \"team\": \"refunds\"}",
    ] {
        assert_eq!(world.bool(source).ok(), Some(true), "{source}");
    }
    assert_eq!(world.text("run.labels.team").as_deref(), Ok("refunds"));
    assert!(world.bool("run.labels.user == \"ann\"").is_err(), "a label that is not there");
    world.labels.clear();
    assert_eq!(world.bool("run.labels == {} && !has(run.labels.team)").ok(), Some(true));
    assert!(compile("run.labels.tier > 1", Site::Rule).is_err(), "it is text");
}
