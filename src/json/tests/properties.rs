//! Properties over random texts: same meaning as serde_json, and no panic on any bytes.

use bytes::Bytes;
use proptest::prelude::*;

use super::generate::{Random, damaged_document, document};
use crate::json::{Document, JSON_DEPTH_LIMIT, Value, digest, loop_key};

/// Whether our value means what serde_json's does.
fn same(ours: Value<'_>, theirs: &serde_json::Value) -> bool {
    use serde_json::Value as Theirs;
    match (ours, theirs) {
        (Value::Null, Theirs::Null) => true,
        (Value::Bool(one), Theirs::Bool(other)) => one == *other,
        // serde_json reads `-0` as a double.
        (Value::Int(0), Theirs::Number(other)) => other.as_f64() == Some(0.0),
        (Value::Int(one), Theirs::Number(other)) => other.as_i64() == Some(one),
        (Value::UInt(one), Theirs::Number(other)) => {
            one > i64::MAX as u64 && other.as_u64() == Some(one)
        }
        (Value::Float(one), Theirs::Number(other)) => {
            other.is_f64() && other.as_f64().map(f64::to_bits) == Some(one.to_bits())
        }
        (Value::Str(one), Theirs::String(other)) => one == other,
        (Value::Array(one), Theirs::Array(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| same(one, other))
                && (0..one.len()).all(|at| same(one.get(at).unwrap(), &other[at]))
        }
        (Value::Object(one), Theirs::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| same(value, &other[name]))
                && other.iter().all(|(name, value)| same(one.get(name).unwrap(), value))
        }
        _ => false,
    }
}

fn canonical(value: Value<'_>) -> String {
    let mut out = Vec::new();
    value.write_canonical(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn documents_mean_what_serde_json_reads() {
    let mut random = Random::seeded(7);
    for _ in 0..2_000 {
        let text = document(&mut random);
        let ours = Document::from_text(&text).unwrap();
        let theirs: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(same(ours.root(), &theirs), "{text}");
    }
}

#[test]
fn the_canonical_form_is_its_own_canonical_form() {
    let mut random = Random::seeded(8);
    for _ in 0..2_000 {
        let text = document(&mut random);
        let once = canonical(Document::from_text(&text).unwrap().root());
        let twice = Document::from_text(&once).unwrap();
        assert_eq!(canonical(twice.root()), once);
        let first = Document::from_text(&text).unwrap();
        assert_eq!(digest(first.root(), None), digest(twice.root(), None));
        let none: &[&str] = &[];
        assert_eq!(loop_key("t", first.root(), none), loop_key("t", twice.root(), none));
    }
}

#[test]
fn damaged_documents_are_refused_or_mean_what_serde_json_reads() {
    let mut random = Random::seeded(9);
    let mut taken = 0;
    for _ in 0..8_000 {
        let bytes = damaged_document(&mut random);
        if let Ok(ours) = Document::parse(Bytes::from(bytes.clone()), JSON_DEPTH_LIMIT) {
            let theirs: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert!(same(ours.root(), &theirs), "{:?}", String::from_utf8_lossy(&bytes));
            taken += 1;
        }
    }
    assert!(taken > 400, "only {taken} damaged documents were still JSON");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Document::parse(Bytes::from(bytes), JSON_DEPTH_LIMIT);
    }

    #[test]
    fn no_json_like_text_makes_it_panic(text in r#"[\[\]{}":,0-9eE.\-+\\untrfals \n]{0,60}"#) {
        if let Ok(read) = Document::from_text(&text) {
            let _ = canonical(read.root());
        }
    }
}
