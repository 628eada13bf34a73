//! Who listens to the answer of a model.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};

use super::{Asked, Failure, Provider, Reader, errors, shown_model};
use crate::call::ErrorClass;
use crate::protocol::{Heard, Listen};

/// Reads an answer of a model as it passes.
pub(in crate::protocol) struct Listener {
    status: StatusCode,
    reader: Reader,
}

impl Listener {
    pub fn new(provider: Provider, status: StatusCode, headers: &HeaderMap) -> Self {
        Self { status, reader: Reader::new(provider, headers) }
    }
}

impl Listen for Listener {
    fn hear(&mut self, piece: &[u8]) {
        self.reader.feed(piece);
    }

    fn news(&mut self) -> Vec<Asked> {
        self.reader.news()
    }

    fn heard(self: Box<Self>, whole: bool) -> Heard {
        let said = self.reader.finish(whole);
        let failure = errors::failure(self.status, &said).map(|failure| match failure {
            Failure::ContextOverflow => ErrorClass::ContextOverflow,
            Failure::RateLimit => ErrorClass::RateLimit,
            Failure::ModelUnavailable => ErrorClass::ModelUnavailable,
            Failure::ValidationFailed => ErrorClass::ValidationFailed,
        });
        Heard {
            failure,
            model: said.model.as_deref().map(shown_model).map(Arc::from),
            said: Some(Box::new(said)),
            ..Heard::default()
        }
    }
}
