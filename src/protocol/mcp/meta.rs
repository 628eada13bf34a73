//! The trace context that a message carries in its body, and writing ours into it.
//!
//! Format: MCP 2026-07-28, "General fields", `_meta`: `traceparent`, `tracestate`, `baggage`.

use super::message;
use super::refuse::DECISION_KEY;
use crate::json::{Document, Object, Value, splice};

/// What a message says of its place in a trace. Nothing in it has been checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried<'d> {
    pub traceparent: Option<&'d str>,
    pub tracestate: Option<&'d str>,
    pub baggage: Carry<'d>,
}

/// The baggage of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carry<'d> {
    #[default]
    None,
    Text(&'d str),
    /// There is something in its place that is no text.
    Unreadable,
}

impl<'d> Carry<'d> {
    /// The text, if it is one.
    pub fn text(self) -> Option<&'d str> {
        match self {
            Self::Text(text) => Some(text),
            Self::None | Self::Unreadable => None,
        }
    }
}

/// Reads it.
pub fn carried(document: &Document) -> Carried<'_> {
    let Some(meta) = message::meta(document) else { return Carried::default() };
    let text = |name| Object::get(meta, name).and_then(Value::as_str);
    let baggage = Object::get(meta, "baggage").map(|value| match value.as_str() {
        Some(text) => Carry::Text(text),
        None => Carry::Unreadable,
    });
    Carried {
        traceparent: text("traceparent"),
        tracestate: text("tracestate"),
        baggage: baggage.unwrap_or_default(),
    }
}

/// What becomes of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member<'m> {
    /// It has this value.
    Is(&'m str),
    /// It is left out.
    Gone,
}

/// The message with these members of `params._meta`. Nothing else changes; `None` when there is no
/// such object, or nothing to do.
pub fn with_members(text: &str, members: &[(&str, Member<'_>)]) -> Option<String> {
    let range = splice::place(text, &["params", "_meta"])?;
    let mut meta = text.get(range.clone())?.to_owned();
    let mut changed = false;
    for (name, member) in members {
        let written = match member {
            Member::Is(value) => splice::assign(&meta, &[name], &splice::quoted(value)),
            Member::Gone => splice::without(&meta, name),
        };
        if let Some(written) = written {
            meta = written;
            changed = true;
        }
    }
    let (before, after) = (text.get(..range.start)?, text.get(range.end..)?);
    changed.then(|| [before, &meta, after].concat())
}

/// A response with what is to be known of the decision in `result._meta`. `None` when it has no
/// result that could hold it.
pub fn with_decision(text: &str, decision: &str) -> Option<String> {
    let path = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect::<Vec<_>>();
    if splice::place(text, &["result", "_meta"]).is_some() {
        return splice::assign(text, &path(&["result", "_meta", DECISION_KEY]), decision);
    }
    let meta = format!("{{{}:{decision}}}", splice::quoted(DECISION_KEY));
    splice::assign(text, &path(&["result", "_meta"]), &meta)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_told_beside_what_it_says() {
        assert_eq!(
            with_decision(r#"{"id":1,"result":{"content":[]}}"#, "{}").unwrap(),
            r#"{"id":1,"result":{"content":[],"_meta":{"dev.toolgate/decision":{}}}}"#
        );
        assert_eq!(
            with_decision(r#"{"result":{"_meta":{"a":1},"x":2}}"#, "{}").unwrap(),
            r#"{"result":{"_meta":{"a":1,"dev.toolgate/decision":{}},"x":2}}"#
        );
        assert_eq!(with_decision(r#"{"error":{}}"#, "{}"), None);
    }

    #[test]
    fn only_what_is_written_changes() {
        let ours = [("traceparent", Member::Is("00-x")), ("tracestate", Member::Is("k=v"))];
        let text = r#"{"params" : {"arguments":{"traceparent":1.0}, "_meta":{"a":1}},"id":1}"#;
        assert_eq!(
            with_members(text, &ours).unwrap(),
            r#"{"params" : {"arguments":{"traceparent":1.0}, "_meta":{"a":1,"traceparent":"00-x","tracestate":"k=v"}},"id":1}"#
        );
        let text =
            r#"{"params":{"_meta":{"traceparent":"00-a", "baggage":"s=1","tracestate":"z=1"}}}"#;
        let written =
            with_members(text, &[ours, [("baggage", Member::Gone), ("x", Member::Gone)]].concat());
        let written = written.unwrap();
        assert_eq!(written, r#"{"params":{"_meta":{"traceparent":"00-x","tracestate":"k=v"}}}"#);
        let document = Document::from_text(&written).unwrap();
        let carried = carried(&document);
        assert_eq!((carried.traceparent, carried.baggage), (Some("00-x"), Carry::None));
        for text in [r#"{"params":{}}"#, "{}", r#"{"params":{"_meta":1}}"#] {
            assert_eq!(with_members(text, &ours), None, "{text}");
        }
        let text = r#"{"params":{"_meta":{"a":1}}}"#;
        assert_eq!(with_members(text, &[("baggage", Member::Gone)]), None);
    }

    #[test]
    fn baggage_that_is_no_text_is_seen() {
        for (text, expected) in [
            (r#"{"params":{"_meta":{"baggage":"a=1"}}}"#, Carry::Text("a=1")),
            (r#"{"params":{"_meta":{"baggage":["a=1"]}}}"#, Carry::Unreadable),
            (r#"{"params":{"_meta":{}}}"#, Carry::None),
            (r#"{"params":{}}"#, Carry::None),
        ] {
            let document = Document::from_text(text).unwrap();
            assert_eq!(carried(&document).baggage, expected, "{text}");
        }
    }
}
