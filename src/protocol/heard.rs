//! What an answer says beyond its status: read off a copy of it, piece by piece, while it passes.

use std::sync::Arc;

use bytes::Bytes;

use crate::call::{ErrorClass, Tokens};

/// What an answer said, in so far as its protocol says it.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The result as rules read it, where the body holds more than it; absent when it is too long,
    /// or did not come.
    pub result: Option<Bytes>,
    /// It says that the call failed, whatever its status.
    pub failure: Option<ErrorClass>,
    /// The model that answered.
    pub model: Option<Arc<str>>,
    /// What the model used.
    pub tokens: Option<Tokens>,
}

/// Listens to an answer. What it keeps is bounded, whatever the answer's length.
pub trait Listen: Send {
    /// The next piece, as it came from the tool.
    fn hear(&mut self, piece: &[u8]);

    /// What was said, now that no more comes. `whole`: the answer has come to its own end.
    fn heard(self: Box<Self>, whole: bool) -> Heard;
}
