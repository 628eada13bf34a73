//! The form of an answer in one number: its structure where it is short JSON, else what its head and
//! its size say. A tool whose answers change their form has changed.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};

use crate::forward::{Measure, Tail};
use crate::json::{Shape, shape};

/// What the head of an answer says of its form.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Of the class of its status and its content type.
    head: u64,
    is_json: bool,
}

impl Form {
    /// The form of an answer that begins like this.
    pub fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
        let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let is_json = kind.ends_with(b"json");
        Self { head: hash(&(status.as_u16() / 100, kind)), is_json }
    }

    /// Who looks at the structure of the body while it passes. Nobody needs to where all of it is
    /// `kept`, or listened to.
    pub fn reader(&self, is_kept: bool, is_heard: bool) -> Option<Box<Shape>> {
        (self.is_json && !is_kept && !is_heard).then(Box::default)
    }

    /// The form of the whole answer. `None` when it broke off.
    pub fn told(&self, measure: &Measure) -> Option<u64> {
        if !matches!(measure.tail, Tail::Whole) {
            return None;
        }
        let structure = measure.shape.or_else(|| shape(&measure.result()?));
        Some(match structure {
            Some(structure) => hash(&(self.head, structure)),
            // Sizes within a factor of sixteen are one.
            None => hash(&(self.head, measure.bytes.checked_ilog2().map(|size| size / 4))),
        })
    }
}

fn hash(value: &impl std::hash::Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;

    use super::*;
    use crate::json::Hasher;

    fn measure(tail: Tail, body: &str, kept: bool) -> Measure {
        let kept = kept.then(|| Bytes::copy_from_slice(body.as_bytes()));
        let bytes = body.len() as u64;
        let digest = Hasher::new(None).finish();
        Measure { tail, digest, bytes, kept, heard: None, first: None, shape: None }
    }

    fn form(status: u16, kind: &'static str) -> Form {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        Form::of(StatusCode::from_u16(status).unwrap(), &headers)
    }

    fn told(status: u16, kind: &'static str, body: &str) -> Option<u64> {
        let form = form(status, kind);
        let mut passed = measure(Tail::Whole, body, false);
        if let Some(mut reader) = form.reader(false, false) {
            reader.read(body.as_bytes());
            passed.shape = reader.finish();
            assert_eq!(form.told(&passed), form.told(&measure(Tail::Whole, body, true)));
        }
        form.told(&passed)
    }

    #[test]
    fn forms_are_told_apart_by_structure_or_else_by_head_and_size() {
        const JSON: &str = "application/json";
        assert_eq!(told(200, JSON, "{\"a\":1}"), told(201, JSON, "{\"a\":23}"));
        assert_eq!(told(200, JSON, "{\"a\":1}"), told(200, "application/json; x=1", "{\"a\":2}"));
        for (status, kind, body) in [
            (200, JSON, "{\"a\":\"1\"}"),
            (404, JSON, "{\"a\":1}"),
            (200, "application/problem+json", "{\"a\":1}"),
            (200, "text/html", "<html>"),
        ] {
            assert_ne!(told(200, JSON, "{\"a\":1}"), told(status, kind, body));
        }
        let html = |bytes| told(200, "text/html", &"x".repeat(bytes));
        assert_eq!(html(300), html(4_000));
        assert_ne!(html(0), html(1));
        assert_ne!(html(300), html(70_000));
        assert_eq!(form(200, JSON).told(&measure(Tail::Abandoned, "{\"a\":1}", true)), None);
        assert!(form(200, JSON).reader(true, false).is_none());
        assert!(form(200, JSON).reader(false, true).is_none());
    }
}
