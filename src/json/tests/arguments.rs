//! Arguments joined from body, path and query.

use crate::json::{ArgumentsBuilder, ArgumentsError, Document, digest};

/// Names and values from path and query.
type Pairs = &'static [(&'static str, &'static str)];

fn build(body: Option<&str>, pairs: &[(&str, &str)]) -> Result<String, ArgumentsError> {
    let mut builder = ArgumentsBuilder::new();
    if let Some(body) = body {
        builder = builder.body(Document::from_text(body).unwrap());
    }
    for (name, value) in pairs {
        builder = builder.pair(name, value);
    }
    let args = builder.build()?;
    let mut out = Vec::new();
    args.root().write_canonical(&mut out);
    let text = String::from_utf8(out).unwrap();
    let read = Document::from_text(&text).unwrap();
    assert_eq!(digest(args.root(), None), digest(read.root(), None));
    let object = args.root().as_object().unwrap();
    assert_eq!(object.iter().count(), object.len());
    assert!(object.iter().all(|(name, _)| object.get(name).is_some()));
    Ok(text)
}

#[test]
fn the_parts_make_one_object() {
    let cases: [(Option<&str>, Pairs, &str); 9] = [
        (None, &[], "{}"),
        (None, &[("id", "7"), ("b", "x y")], r#"{"b":"x y","id":"7"}"#),
        (Some("{}"), &[], "{}"),
        (Some("{}"), &[("id", "")], r#"{"id":""}"#),
        (
            Some(r#"{"b":{"z":1,"a":2},"a":[{}]}"#),
            &[("aa", "1")],
            r#"{"a":[{}],"aa":"1","b":{"a":2,"z":1}}"#,
        ),
        (Some("[1,{\"k\":2}]"), &[("id", "7")], r#"{"body":[1,{"k":2}],"id":"7"}"#),
        (Some("null"), &[], r#"{"body":null}"#),
        (Some("\"\\n\""), &[], r#"{"body":"\n"}"#),
        (Some("{}"), &[("quote\"", "\u{1}\\")], r#"{"quote\"":"\u0001\\"}"#),
    ];
    for (body, pairs, expected) in cases {
        assert_eq!(build(body, pairs).unwrap(), expected);
    }
}

#[test]
fn a_name_given_twice_is_refused() {
    let cases: [(Option<&str>, Pairs, &str); 4] = [
        (None, &[("id", "1"), ("id", "1")], "id"),
        (Some(r#"{"id":1}"#), &[("id", "1")], "id"),
        (Some(r#"{"\u0069d":1}"#), &[("x", ""), ("id", "1")], "id"),
        (Some("[]"), &[("body", "1")], "body"),
    ];
    for (body, pairs, name) in cases {
        let error = build(body, pairs).unwrap_err();
        assert_eq!(error, ArgumentsError::Duplicate { name: name.to_owned() });
        assert_eq!(error.to_string(), format!("the argument \"{name}\" is given twice"));
    }
}

#[test]
fn a_body_alone_is_taken_as_it_is() {
    let body = Document::from_text(r#"{"b":1,"a":2}"#).unwrap();
    let expected = digest(body.root(), None);
    let args = ArgumentsBuilder::new().body(body).build().unwrap();
    assert_eq!(digest(args.root(), None), expected);
    let names: Vec<_> = args.root().as_object().unwrap().iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["b", "a"]);
}
