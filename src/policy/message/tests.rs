//! Braces, values that are not there, bounds, and places of faults.

use proptest::prelude::*;

use super::{MESSAGE_LIMIT_BYTES, Message};
use crate::policy::sample::Sample;

fn render(template: &str, args: &str) -> String {
    let sample = Sample::new("t.op", args);
    Message::parse(template).unwrap().render(&sample.env())
}

fn faults(template: &str) -> Vec<(&'static str, std::ops::Range<usize>)> {
    let errors = Message::parse(template).unwrap_err();
    errors.into_iter().map(|error| (error.code, error.span)).collect()
}

#[test]
fn braces_hold_expressions_and_doubled_braces_are_braces() {
    let args = r#"{"who":"ada","n":3}"#;
    assert_eq!(render("plain", args), "plain");
    assert_eq!(render("{args.who} has {args.n + 1}.", args), "ada has 4.");
    assert_eq!(render("{{args.who}} {{}}", args), "{args.who} {}");
    assert_eq!(render("{ {'a}': 1, '{': 2}['a}'] }", args), "1");
    assert_eq!(render(r#"{ "quoted \" }" }!"#, args), "quoted \" }!");
}

#[test]
fn a_value_that_cannot_be_had_never_blocks() {
    assert_eq!(render("{args.who}, {args.list[9]} and {tool.name}", "{}"), "{?}, {?} and t.op");
}

#[test]
fn a_rendered_message_is_bounded() {
    let long = format!(r#"{{"a":"{}"}}"#, "é".repeat(400));
    let text = render(&"{args.a}".repeat(8), &long);
    assert!(text.len() <= MESSAGE_LIMIT_BYTES, "{}", text.len());
    assert!(text.ends_with('…'));
    assert_eq!(faults(&"x".repeat(MESSAGE_LIMIT_BYTES + 1)), [("TG313", 0..1025)]);
    assert!(Message::parse(&"x".repeat(MESSAGE_LIMIT_BYTES)).is_ok());
}

#[test]
fn every_fault_has_its_place() {
    assert_eq!(faults("a } b } c"), [("TG312", 2..3), ("TG312", 6..7)]);
    assert_eq!(
        faults("{} and { } and {args.x"),
        [("TG312", 0..2), ("TG312", 7..10), ("TG312", 15..16),]
    );
    assert_eq!(faults("é {arg.x} {runs.calls}"), [("TG202", 4..7), ("TG202", 12..16)]);
}

#[test]
fn nothing_to_say_is_known() {
    assert!(Message::default().is_empty());
    assert!(!Message::literal("x").is_empty());
    let sample = Sample::new("t.op", "{}");
    assert_eq!(Message::literal("{args.x}").render(&sample.env()), "{args.x}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_message_or_has_faults_within_it(text in "[{}\"'\\\\ax.é ]{0,24}") {
        match Message::parse(&text) {
            Ok(message) => {
                let sample = Sample::new("t.op", "{}");
                prop_assert!(message.render(&sample.env()).len() <= MESSAGE_LIMIT_BYTES);
            }
            Err(errors) => {
                for error in errors {
                    prop_assert!(text.get(error.span.clone()).is_some(), "{error:?}");
                }
            }
        }
    }

    #[test]
    fn doubled_braces_are_the_text_itself(text in "[{}aé ]{0,24}") {
        let doubled = text.replace('{', "{{").replace('}', "}}");
        let sample = Sample::new("t.op", "{}");
        prop_assert_eq!(Message::parse(&doubled).unwrap().render(&sample.env()), text);
    }
}
