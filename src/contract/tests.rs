//! Contracts of tools: what they refuse, in which words, and what loading refuses.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::openapi::import;
use super::*;
use crate::json::Document;
use crate::policy::view::{Effect, ToolFacts};
use crate::yaml::{Severity, Source};

fn contract(schema: Value) -> Result<Contract, SchemaFault> {
    let definition = Definition {
        name: "t".to_owned(),
        args: vec![Part::whole(schema)],
        results: vec![
            (Statuses::One(200), json!({ "required": ["id"] })),
            (Statuses::Default, json!(false)),
        ],
        ..Definition::default()
    };
    Contract::build(&definition, OnBreach::Observe)
}

/// What is said of arguments, by path.
fn said(schema: &Value, args: &Value) -> Vec<(String, String)> {
    let contract = contract(schema.clone()).unwrap();
    let document = Document::from_text(&args.to_string()).unwrap();
    let complaints = contract.args().unwrap().check(document.root(), &[], Nulls::Are);
    complaints.into_iter().map(|one| (one.violation.path, one.text)).collect()
}

#[test]
fn names_are_closed_unless_they_are_explicitly_open() {
    let cases = [
        (json!({ "properties": { "a": {} } }), false),
        (json!({ "type": "object" }), false),
        (json!({}), false),
        (json!({ "properties": {}, "additionalProperties": false }), false),
        (json!({ "properties": { "a": {} }, "additionalProperties": true }), true),
        (json!({ "additionalProperties": { "type": "integer" } }), true),
        (json!({ "patternProperties": { "^x": {} } }), true),
        (json!({ "patternProperties": { "^y": {} } }), false),
        (json!({ "allOf": [{ "properties": { "a": {} } }, { "properties": { "x": {} } }] }), true),
        (
            json!({ "anyOf": [{ "$ref": "#/$defs/d" }], "$defs": { "d": { "properties": { "x": {} } } } }),
            true,
        ),
        (json!(true), true),
    ];
    for (schema, open) in cases {
        assert_eq!(said(&schema, &json!({ "x": 1 })).is_empty(), open, "{schema}");
    }
}

#[test]
fn numbers_keep_their_value_in_the_check() {
    let most =
        json!({ "properties": { "n": { "type": "integer", "maximum": 18446744073709551614u64 } } });
    assert!(!said(&most, &json!({ "n": u64::MAX })).is_empty());
    assert!(said(&most, &json!({ "n": u64::MAX - 1 })).is_empty());
    let ids = json!({ "properties": { "n": { "const": 9007199254740993u64 } } });
    assert!(said(&ids, &json!({ "n": 9007199254740993u64 })).is_empty());
    assert!(!said(&ids, &json!({ "n": 9007199254740992u64 })).is_empty(), "not as floats");
    let whole = json!({ "properties": { "n": { "type": "integer" } } });
    assert!(said(&whole, &json!({ "n": 1.0 })).is_empty(), "1.0 is an integer (draft 6 and later)");
    assert!(!said(&whole, &json!({ "n": 1.5 })).is_empty());
}

#[test]
fn complaints_are_few_and_quote_no_text() {
    let names: Value = (0..40).map(|n| (format!("a{n}"), json!({ "type": "integer" }))).collect();
    let schema = json!({ "properties": names });
    let args: Value = (0..40).map(|n| (format!("a{n}"), json!("canary"))).collect();
    let found = said(&schema, &args);
    assert_eq!(found.len(), 16);
    assert!(!format!("{found:?}").contains("canary"));
    let odd = said(&schema, &json!({ "a/b~c`\u{7}": 1 }));
    assert_eq!(odd[0].0, "/args/a~1b~0c  ");
}

#[test]
fn what_makes_checks_endless_or_is_not_here_is_refused() {
    for (schema, words) in [
        (json!({ "$ref": "#" }), "refers back to itself"),
        (
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "anyOf": [{ "$ref": "#/$defs/a" }] } } }),
            "refers back",
        ),
        (json!({ "$ref": "#/$defs/a" }), "leads nowhere"),
        (json!({ "properties": { "a": { "pattern": "(?=x)" } } }), "linear time"),
        (json!({ "properties": { "a": { "type": "integr" } } }), "not a JSON Schema"),
        (
            json!({ "properties": { "a": { "$ref": "https://example.com/x.json" } } }),
            "leads nowhere",
        ),
    ] {
        let fault = contract(schema.clone()).unwrap_err();
        assert!(fault.message.contains(words), "{schema}: {fault}");
    }
    // Doubling at each of 13 steps.
    let defs: Value = (0..13)
        .map(|n| {
            let next = json!({ "$ref": format!("#/$defs/d{}", n + 1) });
            (format!("d{n}"), json!({ "anyOf": [next, next] }))
        })
        .chain([("d13".to_owned(), json!({ "properties": {} }))])
        .collect();
    let fault = contract(json!({ "$ref": "#/$defs/d0", "$defs": defs })).unwrap_err();
    assert!(fault.message.contains("alternatives"), "{fault}");
}

#[test]
fn a_value_cannot_make_alternatives_explode() {
    // Every level is looked at twice as often as the one above it.
    let node = json!({ "oneOf": [
        { "properties": { "c": { "$ref": "#/$defs/n" }, "op": { "const": "and" } } },
        { "properties": { "c": { "$ref": "#/$defs/n" }, "op": { "const": "or" } } },
    ] });
    let schema = json!({ "properties": { "q": { "$ref": "#/$defs/n" } }, "$defs": { "n": node } });
    let nested = |levels: usize| {
        let mut value = json!({ "op": "and" });
        for _ in 0..levels {
            value = json!({ "op": "and", "c": value });
        }
        json!({ "q": value })
    };
    assert!(said(&schema, &nested(5)).is_empty());
    let found = said(&schema, &nested(50));
    assert!(found[0].1.contains("so that it can be checked"), "{found:?}");
    // What does not fit is said at once at every depth, alone and in a crowd.
    let wrong = |levels: usize| {
        let mut value = json!({ "op": 9 });
        for _ in 0..levels {
            value = json!({ "op": "or", "c": value });
        }
        value
    };
    for levels in 0..40 {
        assert!(!said(&schema, &json!({ "q": wrong(levels) })).is_empty(), "{levels}");
    }
    let list = json!({ "properties": { "l": { "items": { "$ref": "#/$defs/n" } } },
        "$defs": schema["$defs"] });
    let crowd: Vec<Value> = (0..400).map(|_| wrong(10)).collect();
    assert!(!said(&list, &json!({ "l": crowd })).is_empty());
    // A chain that does not lead back multiplies as well.
    let mut chain: Map<String, Value> = (0..22)
        .map(|n| {
            let next = json!({ "properties": { "c": { "$ref": format!("#/$defs/b{}", n + 1) } } });
            (format!("b{n}"), json!({ "anyOf": [next, next] }))
        })
        .collect();
    chain.insert("b22".to_owned(), json!({ "type": "string" }));
    let fault = contract(json!({ "$ref": "#/$defs/b0", "$defs": chain })).unwrap_err();
    assert!(fault.message.contains("alternatives"), "{fault}");
    let mut doubled: Map<String, Value> = (0..30)
        .map(|n| {
            let next = json!({ "$ref": format!("#/$defs/a{}", n + 1) });
            (format!("a{n}"), json!({ "allOf": [next, next] }))
        })
        .collect();
    doubled.insert("a30".to_owned(), json!({ "type": "string" }));
    let fault = contract(json!({ "$ref": "#/$defs/a0", "$defs": doubled })).unwrap_err();
    assert!(fault.message.contains("alternatives"), "{fault}");
    // Without alternatives a schema may go as deep as the reader does.
    let list = json!({ "properties": { "q": { "$ref": "#" }, "op": {}, "c": { "$ref": "#" } } });
    assert!(said(&list, &nested(60)).is_empty());
}

#[test]
fn answers_are_judged_by_the_most_exact_status() {
    let contract = contract(json!({})).unwrap();
    let body = |text: &str| Document::from_text(text).unwrap();
    assert!(contract.check_response(200, Some(body(r#"{"id":1}"#).root())).is_empty());
    let found = contract.check_response(200, Some(body("{}").root()));
    assert_eq!(found[0].text, "`result.id` is missing");
    assert_eq!(contract.check_response(200, None)[0].text, "`result` must be JSON");
    assert!(!contract.check_response(500, Some(body("{}").root())).is_empty(), "default");
    assert_eq!(Statuses::parse("2XX"), Some(Statuses::Hundred(2)));
    for text in ["2X", "600", "99", "", "2xx0", "ok"] {
        assert_eq!(Statuses::parse(text), None, "{text}");
    }
}

#[test]
fn a_version_is_the_definitions_alone() {
    let version = |definition: &Definition| definition.version();
    let one =
        Definition { name: "a".into(), description: "Looks.".into(), ..Definition::default() };
    let first = version(&one);
    assert_eq!(first.len(), 24);
    assert_eq!(&*first, "2baa63303b44cb9232a7ef6a", "as Python's json.dumps and hashlib have it");
    assert_ne!(first, version(&Definition { description: "Looks!".into(), ..one.clone() }));
    let schema = |text: &str| Definition {
        args: vec![Part::whole(serde_json::from_str(text).unwrap())],
        ..one.clone()
    };
    let (a, b) = (r#"{"type":"object","properties":{}}"#, r#"{"properties":{}, "type":"object"}"#);
    assert_eq!(version(&schema(a)), version(&schema(b)), "the order of keys says nothing");
    assert_ne!(version(&schema(a)), version(&schema("{}")));
}

#[test]
fn drift_names_what_changed() {
    let facts = |name: &str, version: &str| ToolFacts {
        name: Arc::from(name),
        server: Arc::from("s"),
        operation: Arc::from(name),
        tags: Arc::from([]),
        effect: Effect::Read,
        version: Arc::from(version),
    };
    let old = [facts("a", "1"), facts("b", "1"), facts("c", ""), facts("gone", "1")];
    let new = [facts("new", "1"), facts("b", "2"), facts("a", "1"), facts("c", "")];
    let found: Vec<(String, String, String)> = drift(&old, &new)
        .into_iter()
        .map(|one| (one.tool.to_string(), one.from.to_string(), one.to.to_string()))
        .collect();
    let row = |tool: &str, from: &str, to: &str| (tool.into(), from.into(), to.into());
    assert_eq!(found, [row("b", "1", "2"), row("gone", "1", ""), row("new", "", "1")]);
    assert!(drift(&old, &old).is_empty());
}

/// Severity, line and message of each fault of a document.
fn faults(text: &str) -> Vec<(Severity, usize, String)> {
    let source = Arc::new(Source { name: "api.yaml".to_owned(), text: text.to_owned() });
    let faults = import(&source).faults.into_iter();
    faults.map(|one| (one.severity, one.line_column().unwrap().0, one.message)).collect()
}

#[test]
fn documents_that_cannot_be_used_say_where() {
    let cases = [
        ("swagger: '2.0'\n", 1, "OpenAPI 2"),
        ("openapi: '4.0'\n", 1, "expected version"),
        ("openapi: 3.1.0\n", 1, "no `paths`"),
        ("openapi: 3.1.0\npaths:\n  pets: {}\n", 3, "begins with `/`"),
        ("openapi: 3.1.0\npaths:\n  /a:\n    gte: {}\n", 4, "`gte` is not a method"),
        (
            "openapi: 3.1.0\npaths:\n  /a:\n    post:\n      requestBody:\n        content:\n          \
             application/json:\n            schema: { $ref: 'other.yaml#/X' }\n",
            8,
            "is another document",
        ),
        (
            "openapi: 3.1.0\npaths:\n  /a:\n    get:\n      parameters:\n      - { $ref: '#/nowhere' }\n",
            6,
            "leads nowhere",
        ),
        (
            "openapi: 3.1.0\npaths:\n  /a:\n    get:\n      x-toolgate-effect: reed\n",
            5,
            "expected `read`",
        ),
    ];
    for (text, line, words) in cases {
        let found = faults(text);
        let hit = found.iter().find(|(_, at, message)| *at == line && message.contains(words));
        assert_eq!(hit.map(|one| one.0), Some(Severity::Error), "{text}: {found:?}");
    }
}

#[test]
fn null_may_say_that_an_argument_is_not_given() {
    let schema = json!({
        "properties": {
            "needed": { "type": "string" },
            "flag": { "type": "boolean" },
            "size": { "anyOf": [{ "type": "integer" }, { "type": "null" }] },
            "one": { "$ref": "#/$defs/one" },
            "any": {},
        },
        "required": ["needed"],
        "$defs": { "one": { "enum": ["a", "b"] } },
    });
    let contract = contract(schema).unwrap();
    let paths = |args: Value, nulls| {
        let document = Document::from_text(&args.to_string()).unwrap();
        let complaints = contract.args().unwrap().check(document.root(), &[], nulls);
        complaints.into_iter().map(|one| one.violation.path).collect::<Vec<_>>()
    };
    let nothing = json!({ "needed": "x", "flag": null, "size": null, "one": null, "any": null });
    assert_eq!(paths(nothing.clone(), Nulls::Omit), Vec::<String>::new());
    assert_eq!(paths(nothing, Nulls::Are), ["/args/flag", "/args/one"]);
    assert_eq!(paths(json!({ "needed": null }), Nulls::Omit), ["/args/needed"], "it is required");
    assert_eq!(paths(json!({ "needed": "x", "no": null }), Nulls::Omit), ["/args/no"], "unknown");
    assert_eq!(paths(json!({ "needed": "x", "flag": 1 }), Nulls::Omit), ["/args/flag"]);
}

proptest! {
    /// Whatever a document is, reading it ends and every operation of it can be checked.
    #[test]
    fn any_schema_builds_or_is_refused(schema in any_schema(3), args in any_json(4)) {
        let Ok(contract) = contract(schema) else { return Ok(()) };
        let document = Document::from_text(&json!({ "a": args, "b": args }).to_string()).unwrap();
        let found = contract.args().unwrap().check(document.root(), &["a"], Nulls::Are);
        prop_assert!(found.len() <= 16);
        prop_assert!(found.iter().all(|one| one.violation.path.starts_with("/args")));
    }
}

fn any_json(depth: u32) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(depth, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

fn any_schema(depth: u32) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({})),
        Just(json!(true)),
        Just(json!({ "type": "integer", "minimum": 3 })),
        Just(json!({ "type": ["string", "null"], "maxLength": 2 })),
        Just(json!({ "enum": ["a", 1, null] })),
        Just(json!({ "$ref": "#" })),
        Just(json!({ "$ref": "#/properties/a" })),
    ];
    let inner = leaf.prop_recursive(depth, 32, 3, |inner| {
        prop_oneof![
            prop::collection::btree_map("[a-c]", inner.clone(), 0..3)
                .prop_map(|members| json!({ "properties": members })),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|arms| json!({ "anyOf": arms })),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|arms| json!({ "oneOf": arms })),
            inner.clone().prop_map(|one| json!({ "items": one })),
            inner.prop_map(|one| json!({ "not": one })),
        ]
    });
    prop::collection::btree_map("[a-c]", inner, 0..3)
        .prop_map(|members| json!({ "properties": members }))
}
