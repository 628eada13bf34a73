//! The interface in the simple case.

use crate::json::document::Node;
use crate::json::{Document, Value};

fn canonical(text: &str) -> String {
    let mut out = Vec::new();
    Document::from_text(text).unwrap().root().write_canonical(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_node_takes_sixteen_bytes() {
    assert_eq!(size_of::<Node>(), 16);
}

#[test]
fn values_read_back() {
    let text = r#"{"b":[1,[2,3],"x",1.5],"a":{"k\n":null},"u":18446744073709551615,"t":true}"#;
    let document = Document::from_text(text).unwrap();
    let root = document.root().as_object().unwrap();
    let names: Vec<_> = root.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["b", "a", "u", "t"]);
    let list = root.get("b").unwrap().as_array().unwrap();
    assert_eq!(list.len(), 4);
    assert!(matches!(list.get(2), Some(Value::Str("x"))));
    assert!(matches!(list.get(1).unwrap().as_array().unwrap().get(1), Some(Value::Int(3))));
    assert!(list.get(4).is_none());
    assert!(matches!(root.get("u"), Some(Value::UInt(u64::MAX))));
    let inner = root.get("a").unwrap().as_object().unwrap();
    assert!(matches!(inner.get("k\n"), Some(Value::Null)));
    assert!(inner.get("k").is_none());
}

#[test]
fn canonical_form_sorts_and_escapes() {
    let text = "{\"b\" : 1.0, \"a\\u0001\": [ -0, 1e16, 1e-5 ], \"é\":\"\\u00e9\\\"\"}";
    assert_eq!(canonical(text), "{\"a\\u0001\":[0,1e+16,1e-05],\"b\":1.0,\"é\":\"é\\\"\"}");
}

#[test]
fn a_copy_of_a_subtree_stands_alone() {
    let document = Document::from_text(r#"{"x":{"b":["\t",1],"a":"s"}}"#).unwrap();
    let copy = document.root().as_object().unwrap().get("x").unwrap().to_document();
    drop(document);
    let mut out = Vec::new();
    copy.root().write_canonical(&mut out);
    assert_eq!(out, br#"{"a":"s","b":["\t",1]}"#);
}

#[test]
fn sizes_follow_contents() {
    let size = |text: &str| Document::from_text(text).unwrap().root().size_bytes();
    assert_eq!(size("1"), 16);
    assert_eq!(size("\"abcd\""), 20);
    assert_eq!(size("[1,\"abcd\"]"), 16 + 16 + 20);
    let document = Document::from_text("[[1,2],[\"abcd\",{\"a\":null}]]").unwrap();
    let inner = document.root().as_array().unwrap().get(1).unwrap();
    assert_eq!(inner.size_bytes(), 16 + 20 + 16 + 17 + 16);
    assert_eq!(inner.to_document().root().size_bytes(), inner.size_bytes());
}

#[test]
fn documents_do_not_print_their_contents() {
    let document = Document::from_text("{\"password\":\"hunter2\"}").unwrap();
    assert!(!format!("{document:?}").contains("hunter2"));
    assert_eq!(format!("{:?}", document.root()), "Object({\"password\": Str(\"hunter2\")})");
}
