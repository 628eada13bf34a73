//! `jsonpath`: what paths select, after the examples of RFC 9535, and what is no path.

use super::{World, kind};
use crate::json::Document;
use crate::policy::expr::EvalErrorKind as Kind;
use crate::policy::expr::cost::Budget;
use crate::policy::expr::json_path::JsonPath;
use crate::policy::expr::value::Value;

/// What a path selects of a value, each as JSON.
fn select(json: &str, path: &str) -> String {
    let document = Document::from_text(json).unwrap();
    let path = JsonPath::parse(path).unwrap();
    let found = path.select(Value::from(document.root()), &mut Budget::new()).unwrap();
    let shown = found.iter().map(|value| match value {
        Value::Int(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::Text(text) => format!("{:?}", &**text),
        Value::Null => "null".to_owned(),
        Value::List(list) => format!("[{}]", list.len()),
        Value::Map(map) => format!("{{{}}}", map.len()),
        other => other.kind().to_owned(),
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// The bookstore of RFC 9535, section 1.5.
const STORE: &str = r#"{"store": {"book": [
  {"category": "reference", "author": "Nigel Rees", "price": 8.95},
  {"category": "fiction", "author": "Evelyn Waugh", "price": 12.99},
  {"category": "fiction", "author": "Herman Melville", "isbn": "0-553-21311-3", "price": 8.99},
  {"category": "fiction", "author": "J. R. R. Tolkien", "isbn": "0-395-19395-8", "price": 22.99}],
  "bicycle": {"color": "red", "price": 399}}}"#;

#[test]
fn the_examples_of_the_standard() {
    for (path, expected) in [
        (
            "$.store.book[*].author",
            r#""Nigel Rees" "Evelyn Waugh" "Herman Melville" "J. R. R. Tolkien""#,
        ),
        ("$..author", r#""Nigel Rees" "Evelyn Waugh" "Herman Melville" "J. R. R. Tolkien""#),
        ("$.store.*", "[4] {2}"),
        ("$.store..price", "8.95 12.99 8.99 22.99 399"),
        ("$..book[2].author", r#""Herman Melville""#),
        ("$..book[2].publisher", ""),
        ("$..book[-1].price", "22.99"),
        ("$..book[0,1].price", "8.95 12.99"),
        ("$..book[:2].price", "8.95 12.99"),
        ("$['store'][\"bicycle\"]['color', 'price']", r#""red" 399"#),
        ("$", "{1}"),
    ] {
        assert_eq!(select(STORE, path), expected, "{path}");
    }
}

/// RFC 9535, sections 2.3.3.3, 2.3.4.3 and 2.5.2.3.
#[test]
fn indexes_slices_and_descendants() {
    let letters = r#"["a", "b", "c", "d", "e", "f", "g"]"#;
    for (path, expected) in [
        ("$[1]", r#""b""#),
        ("$[-2]", r#""f""#),
        ("$[7]", ""),
        ("$[-8]", ""),
        ("$[1:3]", r#""b" "c""#),
        ("$[5:]", r#""f" "g""#),
        ("$[1:5:2]", r#""b" "d""#),
        ("$[5:1:-2]", r#""f" "d""#),
        ("$[::-1]", r#""g" "f" "e" "d" "c" "b" "a""#),
        ("$[::0]", ""),
        ("$[ 0 , 0 ]", r#""a" "a""#),
        ("$.a", ""),
        ("$.*.x", ""),
    ] {
        assert_eq!(select(letters, path), expected, "{path}");
    }
    let nested = r#"{"o": {"j": 1, "k": 2}, "a": [5, 3, [{"j": 4}, {"k": 6}]]}"#;
    assert_eq!(select(nested, "$..j"), "1 4");
    assert_eq!(select(nested, "$..[0]"), "5 {1}");
    assert_eq!(select(nested, "$..*"), "{2} [3] 1 2 5 3 [2] {1} {1} 4 6");
    let names = r#"{"a b": 1, "it's": 2, "\"": 3, "é": 4, "0": 5, "a.b": 6}"#;
    for (path, expected) in [
        ("$['a b']", "1"),
        (r"$['it\'s']", "2"),
        (r#"$["\""]"#, "3"),
        ("$.é", "4"),
        ("$['0']", "5"),
        ("$[0]", ""),
        ("$['a.b']", "6"),
        ("$.a.b", ""),
    ] {
        assert_eq!(select(names, path), expected, "{path}");
    }
}

#[test]
fn what_is_no_path_is_refused() {
    for path in [
        "",
        "a",
        " $",
        "$ ",
        "$.",
        "$..",
        "$...a",
        "$a",
        "$.0a",
        "$.a-b",
        "$[",
        "$[]",
        "$[1",
        "$['a]",
        "$['a'",
        "$[01]",
        "$[-0]",
        "$[9007199254740992]",
        "$[1,]",
        "$[a]",
        r"$['\u0041']",
        "$[?@.a]",
        "$.a[(@.length)]",
        "$..a..b..c",
    ] {
        assert!(JsonPath::parse(path).is_err(), "{path:?}");
    }
    assert!(JsonPath::parse(&format!("${}", ".a".repeat(33))).is_err());
    assert!(JsonPath::parse(&format!("$.{}", "a".repeat(600))).is_err());
}

#[test]
fn it_is_a_list_in_expressions() {
    let world = World::new(r#"{"items": [{"n": 1}, {"n": 5}, {"m": 2}], "text": "t"}"#);
    for source in [
        "jsonpath(args, \"$.items[*].n\") == [1, 5]",
        "jsonpath(args, \"$..n\").exists(n, n > 4) && jsonpath(args, \"$..z\").size() == 0",
        "jsonpath(args.items, \"$[-1]\")[0].m == 2",
        "jsonpath(args.text, \"$.a\") == []",
        "jsonpath(args, \"$.items[*]\").filter(i, has(i.n)).size() == 2",
        "jsonpath([1, 2, 3], \"$[1:]\").sum() == 5",
    ] {
        assert_eq!(world.bool(source), Ok(true), "{source}");
    }
}

#[test]
fn it_costs_what_it_looks_at() {
    let wide: Vec<String> = (0..30_000).map(|n| n.to_string()).collect();
    let world = World::new(&format!(r#"{{"wide": [[{}]]}}"#, wide.join(",")));
    assert_eq!(kind(world.bool("size(jsonpath(args, \"$..*\")) > 0")), Kind::Cost);
    assert_eq!(world.bool("jsonpath(args, \"$.wide[0][-1]\") == [29999]"), Ok(true));
    let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    let world = World::new(&format!(r#"{{"deep": {deep}}}"#));
    assert_eq!(world.bool("size(jsonpath(args, \"$..*..*\")) > 60"), Ok(true));
}
