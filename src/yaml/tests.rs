//! Values and their places, every fault at once, aliases, units and suggestions.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::*;

mod random;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Verb {
    Allow,
    Deny,
}

#[derive(Debug, Deserialize)]
struct Rule {
    id: Field<String>,
    #[serde(default)]
    tools: Option<Field<Vec<Field<String>>>>,
    #[serde(default)]
    when: Option<Text>,
    then: Field<Verb>,
    #[serde(default)]
    within: Option<Field<Period>>,
    #[serde(default)]
    max: Entries<Field<serde_json::Value>>,
    #[serde(default)]
    size: Option<Field<ByteSize>>,
    #[serde(default)]
    count: Option<Field<u16>>,
}

#[derive(Debug, Deserialize)]
struct File {
    kind: Field<String>,
    #[serde(default)]
    rules: Vec<Rule>,
}

const SHAPE: Shape = Shape {
    required: &[("File", &["kind"]), ("Rule", &["id", "then"])],
    planned: &[("Rule", &["redact"]), ("Verb", &["approve"])],
};

fn source(text: &str) -> Arc<Source> {
    Arc::new(Source { name: "p.yaml".to_owned(), text: text.to_owned() })
}

fn read_file(text: &str) -> (Option<File>, Vec<Diagnostic>) {
    let mut faults = Vec::new();
    let file = read_shaped(&source(text), SHAPE, &mut faults);
    (file, faults)
}

/// One line a fault: `line:column code message | help`.
fn faults(text: &str) -> Vec<String> {
    let (file, faults) = read_file(text);
    assert!(file.is_none() && !faults.is_empty(), "{faults:?}");
    let line = |fault: &Diagnostic| {
        let (line, column) = fault.line_column().unwrap();
        let help = fault.help.as_deref().unwrap_or("-");
        format!("{line}:{column} {} {} | {help}", fault.code, fault.message)
    };
    faults.iter().map(line).collect()
}

#[test]
fn a_good_file_has_values_and_places() {
    let text = "kind: Policy\nrules:\n- id: a\n  tools: [x, \"*.y\"]\n  when: args.x > 5\n  then: deny\n  \
                within: 1h30m\n  max: { calls: 120, \"sum(x)\": 2.5, off: null }\n  size: 16KiB\n  count: 7\n";
    let (file, faults) = read_file(text);
    assert!(faults.is_empty(), "{faults:?}");
    let file = file.unwrap();
    assert_eq!(file.kind.value, "Policy");
    let [rule] = file.rules.as_slice() else { panic!() };
    assert_eq!(rule.id.value, "a");
    let tools = rule.tools.as_ref().unwrap();
    assert_eq!(&text[tools.span.start..tools.span.end], "[x, \"*.y\"]");
    assert_eq!(&text[tools.value[1].span.start..tools.value[1].span.end], "\"*.y\"");
    assert_eq!(rule.then.value, Verb::Deny);
    assert_eq!(rule.within.unwrap().value.0, Duration::from_secs(5400));
    assert_eq!(rule.size.unwrap().value.0, 16 * 1024);
    assert_eq!(rule.count.unwrap().value, 7);
    let max: Vec<_> = rule.max.iter().map(|(k, v)| (k.value.as_str(), &v.value)).collect();
    assert_eq!(
        format!("{max:?}"),
        "[(\"calls\", Number(120)), (\"sum(x)\", Number(2.5)), (\"off\", Null)]"
    );
    let key = rule.max.0[1].0.span;
    assert_eq!(&text[key.start..key.end], "\"sum(x)\"");
    let when = rule.when.as_ref().unwrap();
    let place = when.locate(5..6);
    assert_eq!(&text[place.start..place.end], "x");
}

#[test]
fn every_fault_is_reported_at_once() {
    let text = "kind: P\nrules:\n- id: a\n  then: deyn\n  wen: x\n- id: 5\n  then: deny\n  within: 30\n\
                - tools: [a, {b: 1}]\n  count: 70000\n- { id: d, then: approve, redact: {} }\nrule: 1\n";
    assert_eq!(
        faults(text),
        [
            "4:9 TG015 expected one of `allow`, `deny`, found `deyn` | did you mean `deny`?",
            "5:3 TG011 unknown key `wen` | did you mean `when`?",
            "6:7 TG014 expected text, found a number | quote it: \"5\"",
            "8:11 TG016 expected a length of time with a unit, found `30` | did you mean `30s`?",
            "9:3 TG012 missing key `id` | -",
            "9:3 TG012 missing key `then` | -",
            "9:14 TG014 expected text, found a mapping | -",
            "10:10 TG016 expected a whole number from 0 to 65535, found the number `70000` | -",
            "11:18 TG013 `approve` is not supported by this version | -",
            "11:27 TG013 `redact` is not supported by this version | -",
            "12:1 TG011 unknown key `rule` | did you mean `rules`?",
        ]
    );
}

#[test]
fn syntax_errors_do_not_hide_what_is_behind_them() {
    let text = "kind: P\nrules:\n- { id: x, when: !run.called(\"x\"), then: deny }\n- id: a\n  \
                when: \"x\" in run.taint\n  then: dey\n- id: b\n  tools: [*.get]\n  then: deny\n- id: c\n  \
                then: deny\n  when: !foo(x)\n  id: c\n- id: d\n  then: deny\n  when: has(x) ? y : z\n";
    assert_eq!(
        faults(text),
        [
            "3:18 TG003 a value that begins with `!` is a YAML tag, not an expression | quote the expression or use `|`",
            "5:13 TG002 text after the closing quote | quote the whole value, or put it below `|`",
            "6:9 TG015 expected one of `allow`, `deny`, found `dey` | did you mean `deny`?",
            "8:11 TG004 a value that begins with `*` is a YAML alias, and there is no such anchor | quote the value: \"*.get\"",
            "12:9 TG003 a value that begins with `!` is a YAML tag, not an expression | quote the expression or use `|`",
            "13:3 TG010 `id` stands twice | remove one; the first is on line 10",
            "16:20 TG002 a `:` where no key can stand | quote the value if `: ` is part of it; otherwise check the indentation",
        ]
    );
}

#[test]
fn files_that_are_no_mapping() {
    assert_eq!(faults(""), ["1:1 TG006 the file is empty | -"]);
    assert_eq!(faults("# nothing\n"), ["1:1 TG006 the file is empty | -"]);
    assert_eq!(
        faults("- a\n"),
        ["1:1 TG014 expected a mapping with `kind`, `rules`, found a list | -"]
    );
    assert_eq!(
        faults("kind: a\n---\nkind: b\n"),
        ["2:1 TG006 a second document; one file holds one document | -"]
    );
    assert_eq!(
        faults("kind: \"a\nrules: []\n"),
        ["1:7 TG002 the quoted text is not closed | add the closing quote"]
    );
    assert_eq!(
        faults("kind: P\nrules:\n\t- id: a\n"),
        ["3:2 TG002 a tab where only spaces can stand | indent with spaces"]
    );
}

#[test]
fn absent_values_are_faults_at_their_keys() {
    assert_eq!(
        faults("kind:\nrules:\n"),
        [
            "1:1 TG014 expected text, found nothing | -",
            "2:1 TG014 expected a list, found nothing | -",
        ]
    );
}

#[test]
fn aliases_are_bounded() {
    let good = "kind: P\nrules:\n- id: a\n  tools: &t [x]\n  then: deny\n- id: b\n  tools: *t\n  then: deny\n";
    let (file, found) = read_file(good);
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(file.unwrap().rules[1].tools.as_ref().unwrap().value[0].value, "x");

    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let below = level - 1;
        let items = vec![format!("*a{below}"); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert!(faults(&bomb)[0].contains("TG005 the file holds more than 200000 values"));
    assert!(faults("a: &a [*a]\n")[0].contains("an alias inside its own anchor"));
    let deep = format!("a: {}{}\n", "[".repeat(40), "]".repeat(40));
    assert!(faults(&deep)[0].contains("TG005 too many levels of nesting"), "{:?}", faults(&deep));
}

#[test]
fn too_many_faults_are_cut_off() {
    let many: String = (0..300).map(|i| format!("zzz{i}: 1\n")).collect();
    let found = faults(&format!("kind: P\n{many}"));
    assert_eq!(found.len(), 101);
    assert!(found[100].contains("200 more faults are not shown"));
}

#[test]
fn places_inside_scalars() {
    let part = |yaml: &str, needle: &str| {
        let text = format!("kind: P\nrules:\n- id: a\n  then: deny\n  when: {yaml}\n  count: 1\n");
        let (file, faults) = read_file(&text);
        assert!(faults.is_empty(), "{faults:?}");
        let when = file.unwrap().rules.remove(0).when.unwrap();
        let at = when.value.find(needle).unwrap_or_else(|| panic!("{needle} in {:?}", when.value));
        let place = when.locate(at..at + needle.len());
        text[place.start..place.end].to_owned()
    };
    assert_eq!(part("args.amout > 5", "amout"), "amout");
    assert_eq!(part("args.x\n    == args.amout\n    && y", "amout"), "amout");
    assert_eq!(part("'a == \"it''s\" && amout'", "amout"), "amout");
    assert_eq!(part("'a == \"it''s\" && amout'", "it's"), "it''s");
    assert_eq!(part("\"a == \\\"é\\\" && \\u0061mout\"", "amout"), "\\u0061mout");
    assert_eq!(part("\"a\\tb \\\n    amout\"", "amout"), "amout");
    assert_eq!(part("\"a\n\n    b amout\"", "amout"), "amout");
    assert_eq!(part("|\n    a\n      && b\n\n    || amout > 5", "amout"), "amout");
    assert_eq!(part("|-\n\n    é amout", "amout"), "amout");
    assert_eq!(
        part(">-\n    a.exists(c, c.name == \"rm\"\n      && !c.paths)\n    || amout", "amout"),
        "amout"
    );
    assert_eq!(
        part(">-\n    a.exists(c, c.name == \"rm\"\n      && !c.paths)\n    || amout", "paths"),
        "paths"
    );
    assert_eq!(part(">\n    one\n    two\n\n    amout\n", "amout"), "amout");
    assert_eq!(part("|\r\n    a\r\n    && amout\r", "amout"), "amout");
    assert_eq!(part(">-\n    one\n    two", "one two"), "one\n    two");
}

#[test]
fn the_end_of_an_expression_has_a_place() {
    let text = "kind: P\nrules:\n- id: a\n  then: deny\n  when: args.x ==\n";
    let (file, _) = read_file(text);
    let when = file.unwrap().rules.remove(0).when.unwrap();
    let place = when.locate(when.value.len()..when.value.len());
    assert_eq!(source(text).line_column(place.start), (5, 18));
    assert_eq!(place.start, place.end);
}

#[test]
fn periods() {
    let ok = |text: &str| Period::parse(text).unwrap().0.as_millis();
    assert_eq!(ok("250ms"), 250);
    assert_eq!(ok("30s"), 30_000);
    assert_eq!(ok("1h30m"), 5_400_000);
    assert_eq!(ok("7d"), 604_800_000);
    let bad = |text: &str| Period::parse(text).unwrap_err().help.unwrap();
    assert_eq!(bad("5 min"), "did you mean `5m`?");
    assert_eq!(bad("10 seconds"), "did you mean `10s`?");
    assert_eq!(bad("30"), "did you mean `30s`?");
    assert!(bad("30m1h").starts_with("for example"));
    assert!(bad("1m1m").starts_with("for example"));
    assert!(bad("-5s").starts_with("for example"));
    assert!(bad("1.5h").starts_with("for example"));
    assert!(Period::parse("99999999999999999999s").is_err());
    assert!(Period::parse("999999999999999999d").is_err());
}

#[test]
fn sizes() {
    assert_eq!(ByteSize::parse("1MiB").unwrap().0, 1 << 20);
    assert_eq!(ByteSize::parse("512").unwrap().0, 512);
    assert_eq!(ByteSize::parse("10kB").unwrap().0, 10_000);
    assert_eq!(ByteSize::parse("1 mib").unwrap_err().help.unwrap(), "did you mean `1MiB`?");
    assert_eq!(ByteSize::parse("1M").unwrap_err().help.unwrap(), "did you mean `1MiB`?");
    assert!(ByteSize::parse("-1").is_err());
    assert!(ByteSize::parse("99999999999GiB").is_err());
}

#[test]
fn suggestions() {
    let of = |word: &str| {
        closest(word, ["upstreams", "listen", "admin", "policies", "on_error"].into_iter())
    };
    assert_eq!(of("upstream"), Some("upstreams"));
    assert_eq!(of("lsiten"), Some("listen"));
    assert_eq!(of("onError"), Some("on_error"));
    assert_eq!(of("on-error"), Some("on_error"));
    assert_eq!(of("policy"), Some("policies"));
    assert_eq!(of("zebra"), None);
}

#[test]
fn numbers_follow_the_core_schema() {
    let json = |text: &str| {
        let mut faults = Vec::new();
        let value: Option<serde_json::Value> = read(&source(&format!("[{text}]")), &mut faults);
        value.map_or_else(|| faults[0].message.clone(), |value| value.to_string())
    };
    assert_eq!(
        json("1, -1, +1, 0x1F, 0o17, 1.5, .5, 1., 1e3"),
        "[1,-1,1,31,15,1.5,0.5,1.0,1000.0]"
    );
    assert_eq!(
        json("18446744073709551615, 9007199254740993"),
        "[18446744073709551615,9007199254740993]"
    );
    assert_eq!(
        json("yes, on, 1_000, e5, 1.2.3, '1'"),
        "[\"yes\",\"on\",\"1_000\",\"e5\",\"1.2.3\",\"1\"]"
    );
    assert_eq!(json("18446744073709551616"), "a number that JSON cannot hold");
    assert_eq!(json(".inf"), "a number that JSON cannot hold");
    assert_eq!(json("1e999"), "a number that JSON cannot hold");
}

#[test]
fn a_diagnostic_serialises_flat() {
    let text = "kind: P\nrules: 5\n";
    let (_, faults) = read_file(text);
    assert_eq!(
        serde_json::to_string(&faults[0]).unwrap(),
        "{\"code\":\"TG014\",\"severity\":\"error\",\"message\":\"expected a list, found a number\",\
         \"file\":\"p.yaml\",\"line\":2,\"column\":8,\"end_line\":2,\"end_column\":9,\"help\":null,\"notes\":[]}"
    );
    let without = Diagnostic::warning("TG101", "m").note("n");
    assert_eq!(without.render(false), "warning[TG101]: m\n |\n = note: n");
}

#[test]
fn debug_of_a_source_does_not_print_its_text() {
    assert_eq!(format!("{:?}", source("secret")), "Source { name: \"p.yaml\", .. }");
}
