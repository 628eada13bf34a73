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
    pub baggage: Option<&'d str>,
}

/// Reads it.
pub fn carried(document: &Document) -> Carried<'_> {
    let Some(meta) = message::meta(document) else { return Carried::default() };
    let text = |name| Object::get(meta, name).and_then(Value::as_str);
    Carried {
        traceparent: text("traceparent"),
        tracestate: text("tracestate"),
        baggage: text("baggage"),
    }
}

/// The message with another place in a trace. Nothing but members of `params._meta` changes; `None`
/// when there is no such object.
pub fn with_trace(text: &str, traceparent: &str, tracestate: Option<&str>) -> Option<String> {
    let path = |name: &str| [Box::from("params"), Box::from("_meta"), Box::from(name)];
    let written = splice::assign(text, &path("traceparent"), &splice::quoted(traceparent))?;
    let stood = splice::place(text, &["params", "_meta", "tracestate"]).is_some();
    match tracestate {
        // A state without the parent that it belonged to says nothing.
        None if stood => splice::assign(&written, &path("tracestate"), "\"\""),
        None => Some(written),
        Some(state) => splice::assign(&written, &path("tracestate"), &splice::quoted(state)),
    }
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
    fn only_the_trace_changes() {
        let text = r#"{"params" : {"arguments":{"traceparent":1.0}, "_meta":{"a":1}},"id":1}"#;
        assert_eq!(
            with_trace(text, "00-x", Some("k=v")).unwrap(),
            r#"{"params" : {"arguments":{"traceparent":1.0}, "_meta":{"a":1,"traceparent":"00-x","tracestate":"k=v"}},"id":1}"#
        );
        let text = r#"{"params":{"_meta":{"traceparent":"00-a","tracestate":"z=1"}}}"#;
        let written = with_trace(text, "00-b", None).unwrap();
        assert_eq!(written, r#"{"params":{"_meta":{"traceparent":"00-b","tracestate":""}}}"#);
        let document = Document::from_text(&written).unwrap();
        assert_eq!(carried(&document).traceparent, Some("00-b"));
        assert_eq!(with_trace(r#"{"params":{}}"#, "00-b", None), None);
        assert_eq!(with_trace("{}", "00-b", None), None);
    }
}
