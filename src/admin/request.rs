//! Requests to the admin side, read as strictly as calls are.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;

use crate::admin::reply::Fault;
use crate::json::Document;

/// Longest text in a request: a reason, a note, a name.
pub(super) const TEXT_LIMIT_CHARS: usize = 500;

/// Deepest nesting of a request.
const DEPTH_LIMIT: usize = 8;

/// Who did something, when nobody says.
pub(super) const UNNAMED_ACTOR: &str = "admin";

/// Refuses what a form of a foreign page could send: a write carries JSON and says so.
pub(super) fn declares_json(method: &Method, headers: &HeaderMap) -> Result<(), Fault> {
    let mut types = headers.get_all(CONTENT_TYPE).iter().map(|value| value.as_bytes());
    let declared = match (types.next(), types.next()) {
        (Some(only), None) => only,
        (None, _) if *method == Method::DELETE => return Ok(()),
        (Some(_) | None, _) => b"",
    };
    let essence = declared.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if !essence.eq_ignore_ascii_case(b"application/json") || headers.contains_key(CONTENT_ENCODING)
    {
        let detail = "A write is `Content-Type: application/json`, without Content-Encoding.";
        return Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-type", detail));
    }
    Ok(())
}

/// Refuses a query where none is taken.
pub(super) fn no_query(query: &str) -> Result<(), Fault> {
    if query.is_empty() { Ok(()) } else { Err(Fault::invalid("This takes no query.")) }
}

/// The body as what is expected: unknown members, repeated ones and wrong types are refused.
pub(super) fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Fault> {
    let malformed = |why: String| Fault::new(StatusCode::BAD_REQUEST, "malformed", why);
    let not_json = |why: String| malformed(format!("The body is not acceptable JSON: {why}."));
    let document = Document::parse(body.clone(), DEPTH_LIMIT);
    let document = document.map_err(|fault| not_json(fault.to_string()))?;
    if document.root().as_object().is_none() {
        return Err(malformed("The body must be a JSON object.".to_owned()));
    }
    serde_json::from_slice(body).map_err(|fault| Fault::invalid(format!("{fault}.")))
}

/// A text that somebody wrote, bounded.
pub(super) fn text(name: &str, text: Option<String>) -> Result<Arc<str>, Fault> {
    let text = text.unwrap_or_default();
    if text.chars().count() > TEXT_LIMIT_CHARS {
        let detail = format!("`{name}` is longer than {TEXT_LIMIT_CHARS} characters.");
        return Err(Fault::invalid(detail));
    }
    if text.chars().any(|letter| letter.is_control() && letter != '\n') {
        return Err(Fault::invalid(format!("`{name}` has control characters in it.")));
    }
    Ok(Arc::from(text.as_str()))
}

/// Who says that they do it. The token proves that they may, not who they are.
pub(super) fn actor(actor: Option<String>) -> Result<Arc<str>, Fault> {
    let actor = text("actor", actor)?;
    Ok(if actor.trim().is_empty() { Arc::from(UNNAMED_ACTOR) } else { actor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it is read matters")]
    struct Sample {
        a: u32,
    }

    #[test]
    fn bodies_are_read_in_one_way_only() {
        let reads =
            |text: &'static str| read::<Sample>(&Bytes::from_static(text.as_bytes())).is_ok();
        assert!(reads(r#"{"a":1}"#));
        for wrong in ["", "{}", r#"{"a":1,"a":2}"#, r#"{"a":1,"b":2}"#, r#"{"a":"1"}"#, "[1]"] {
            assert!(!reads(wrong), "{wrong}");
        }
        assert!(!reads(r#"{"a":1,"\u0061":2}"#));
    }

    #[test]
    fn writes_say_that_they_are_json() {
        let says = |method: Method, value: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(CONTENT_TYPE, value.parse().unwrap());
            }
            declares_json(&method, &headers).is_ok()
        };
        assert!(says(Method::POST, Some("application/json")));
        assert!(says(Method::POST, Some("Application/JSON; charset=utf-8")));
        assert!(says(Method::DELETE, None));
        for form in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
            assert!(!says(Method::POST, Some(form)), "{form}");
            assert!(!says(Method::DELETE, Some(form)), "{form}");
        }
        assert!(!says(Method::POST, None));
    }
}
