//! The interface in the simple case.

use crate::json::document::Node;
use crate::json::{ArgumentsBuilder, Document, Value, digest, loop_key};

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
fn arguments_join_body_and_pairs() {
    let body = Document::from_text(r#"{"z":{"q":1},"a":2}"#).unwrap();
    let args = ArgumentsBuilder::new().body(body).pair("id", "7").pair("b", "\"").build().unwrap();
    let mut out = Vec::new();
    args.root().write_canonical(&mut out);
    assert_eq!(out, br#"{"a":2,"b":"\"","id":"7","z":{"q":1}}"#);
}

#[test]
fn digests_and_loop_keys_work() {
    let one = Document::from_text(r#"{"a":1,"nonce":7}"#).unwrap();
    let two = Document::from_text(r#"{"nonce":8,"a":1.0}"#).unwrap();
    assert_ne!(digest(one.root(), None), digest(two.root(), None));
    assert_eq!(digest(one.root(), None).to_string().len(), 24);
    assert_eq!(loop_key("t", one.root(), &["nonce"]), loop_key("t", two.root(), &["nonce"]));
    assert_ne!(loop_key::<&str>("t", one.root(), &[]), loop_key::<&str>("t", two.root(), &[]));
}
