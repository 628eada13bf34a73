//! Tools that stay what they were, and tools that do not.

use serde_json::json;

use super::*;
use crate::contract::Nulls;
use crate::json::Document;

fn text(schema: &serde_json::Value) -> Option<Box<str>> {
    Some(schema.to_string().into())
}

fn tool(digest: &str, effect: Effect) -> Listed {
    Listed {
        name: Arc::from("get"),
        digest: Arc::from(digest),
        description: Box::from("reads"),
        beside: Box::from("{}"),
        input: text(&json!({"type": "object", "properties": {"x": {"type": "integer"}}})),
        output: None,
        effect,
    }
}

fn note(pins: &Pins, digest: &str, effect: Effect) -> usize {
    pins.note("s", &[tool(digest, effect)], OnBreach::Observe, 1).len()
}

#[test]
fn another_definition_waits_for_a_human() {
    let pins = Pins::default();
    assert!(matches!(pins.look("s.get"), Standing::Unlisted));
    assert_eq!(note(&pins, "a", Effect::Read), 0);
    assert!(pins.is_listed("s", "get") && !pins.is_listed("s", "put"));
    assert_eq!(note(&pins, "b", Effect::Read), 1);
    assert_eq!(note(&pins, "b", Effect::Read), 0, "told once");
    let Standing::Quarantined { agreed, changed } = pins.look("s.get") else { panic!("it passes") };
    assert_eq!((&*agreed.digest, &*changed.digest), ("a", "b"));
    assert_eq!(pins.approve("s.put", None, 2).unwrap_err(), NotApproved::Unlisted);
    assert_eq!(pins.approve("s.get", Some("c"), 2).unwrap_err(), NotApproved::Another);
    let drift = pins.approve("s.get", Some("b"), 2).unwrap();
    assert_eq!((&*drift.from, &*drift.to), ("a", "b"));
    assert!(matches!(pins.look("s.get"), Standing::Agreed(known) if &*known.digest == "b"));
    assert_eq!(pins.approve("s.get", None, 2).unwrap_err(), NotApproved::Unchanged);
}

#[test]
fn what_is_again_what_it_was_needs_nobody() {
    let pins = Pins::default();
    note(&pins, "a", Effect::Write);
    note(&pins, "b", Effect::Write);
    assert_eq!(note(&pins, "a", Effect::Write), 0);
    assert!(matches!(pins.look("s.get"), Standing::Agreed(known) if &*known.digest == "a"));
}

#[test]
fn a_hint_never_makes_a_tool_more_harmless_than_it_was() {
    let effect = |pins: &Pins| match pins.look("s.get") {
        Standing::Agreed(known) => known.effect,
        Standing::Unlisted | Standing::NoRoom | Standing::Quarantined { .. } => panic!("agreed"),
    };
    let pins = Pins::default();
    note(&pins, "a", Effect::Read);
    assert_eq!(effect(&pins), Effect::Read);
    note(&pins, "a", Effect::Write);
    assert_eq!(effect(&pins), Effect::Write);
    note(&pins, "a", Effect::Read);
    assert_eq!(effect(&pins), Effect::Write);
}

#[test]
fn arguments_are_held_against_the_listed_schema() {
    let known = Known::of(&tool("a", Effect::Read), OnBreach::Observe, usize::MAX);
    let contract = known.contract.unwrap();
    let complaints = |text: &str| {
        let args = Document::from_text(text).unwrap();
        contract.args().unwrap().check(args.root(), &[], Nulls::Omit).len()
    };
    assert_eq!(complaints(r#"{"x":1}"#), 0);
    assert_eq!(complaints(r#"{"x":"1"}"#), 1);
    assert_eq!(complaints(r#"{"y":1}"#), 1);
    let mut listed = tool("a", Effect::Read);
    listed.input = text(&json!({"type": "object"}));
    let open = Known::of(&listed, OnBreach::Observe, usize::MAX).contract.unwrap();
    let args = Document::from_text(r#"{"anything":1}"#).unwrap();
    assert!(open.args().unwrap().check(args.root(), &[], Nulls::Omit).is_empty());
    listed.input = text(&json!({"$ref": "https://elsewhere.example/schema"}));
    let unusable = Known::of(&listed, OnBreach::Observe, usize::MAX);
    assert!(unusable.contract.is_none() && unusable.fault.is_some());
}

#[test]
fn a_restart_forgets_nothing() {
    let pins = Pins::default();
    note(&pins, "a", Effect::Read);
    note(&pins, "b", Effect::Write);
    let text = serde_json::to_string(&pins.kept()).unwrap();
    let later = Pins::default();
    assert_eq!(later.restore(serde_json::from_str(&text).unwrap()), 1);
    assert_eq!(serde_json::to_string(&later.kept()).unwrap(), text);
    let Standing::Quarantined { agreed, .. } = later.look("s.get") else { panic!("it passes") };
    assert!(agreed.contract.is_some() && agreed.effect == Effect::Read);
}

#[test]
fn one_server_cannot_take_all_the_room() {
    let pins = Pins::default();
    let many: Vec<Listed> = (0..TOOLS_LIMIT + 5)
        .map(|at| Listed {
            name: Arc::from(format!("t{at}")),
            input: None,
            ..tool("a", Effect::Read)
        })
        .collect();
    pins.note("s", &many, OnBreach::Observe, 1);
    assert_eq!(pins.list().len(), TOOLS_LIMIT);
    note(&pins, "a", Effect::Read);
    assert!(!pins.is_listed("s", "get"));
    assert!(matches!(pins.look("s.get"), Standing::NoRoom), "it could change unseen");
    assert!(matches!(pins.look("s.t0"), Standing::Agreed(_)));
    assert!(matches!(pins.look("t.get"), Standing::Unlisted));
    pins.note("t", &[tool("a", Effect::Read)], OnBreach::Observe, 1);
    assert!(pins.is_listed("t", "get"));
}

#[test]
fn definitions_are_bounded_in_bytes() {
    let pins = Pins::default();
    let long = |digest: &str| -> Vec<Listed> {
        let schema = json!({"type": "object", "description": "y".repeat(8_000)});
        (0..400)
            .map(|at| Listed {
                name: Arc::from(format!("t{at}")),
                description: "x".repeat(16_000).into(),
                input: text(&schema),
                ..tool(digest, Effect::Read)
            })
            .collect()
    };
    for digest in ["a", "b", "c"] {
        pins.note("s", &long(digest), OnBreach::Observe, 1);
    }
    let taken = |pins: &Pins| pins.list().iter().map(|(_, pin)| pin.kept_bytes()).sum::<usize>();
    assert!((1..=book::SERVER_LIMIT_BYTES).contains(&taken(&pins)), "{}", taken(&pins));
    assert_eq!(pins.list().len(), 400, "each is known by its digest");
    let Standing::Quarantined { changed, .. } = pins.look("s.t399") else { panic!("it passes") };
    assert_eq!(&*changed.digest, "c");
    let text = serde_json::to_string(&pins.kept()).unwrap();
    let later = Pins::default();
    later.restore(serde_json::from_str(&text).unwrap());
    assert_eq!(taken(&later), taken(&pins));
    assert_eq!(book::SERVER_LIMIT_BYTES - pins.book.read().room("s").bytes, taken(&pins));
    pins.note("t", &[tool("a", Effect::Read)], OnBreach::Observe, 1);
    assert!(matches!(pins.look("t.get"), Standing::Agreed(known) if known.contract.is_some()));
}
