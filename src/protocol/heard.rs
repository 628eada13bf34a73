//! What an answer says beyond its status: read off a copy of it, piece by piece, while it passes.

use std::sync::Arc;

use bytes::Bytes;

use crate::call::{ErrorClass, Tokens};
use crate::protocol::llm::{Asked, Said};

/// What an answer said, in so far as its protocol says it.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The result as rules read it, where the body holds more than it; absent when it is too long,
    /// or did not come.
    pub result: Option<Bytes>,
    /// What the result is known by, where that is not every byte of the answer: the same for the
    /// same result, whatever stands around it.
    pub basis: Option<Bytes>,
    /// All that the call was made for has come, whatever may still follow: a client that now hangs up
    /// has its answer.
    pub is_settled: bool,
    /// It says that the call failed, whatever its status.
    pub failure: Option<ErrorClass>,
    /// The code of the JSON-RPC error that it is.
    pub rpc_code: Option<i64>,
    /// The model that answered.
    pub model: Option<Arc<str>>,
    /// What the model used.
    pub tokens: Option<Tokens>,
    /// All that an answer of a model said.
    pub said: Option<Box<Said>>,
}

impl Heard {
    /// Why a model stopped; of several answers, each reason once.
    pub fn finish(&self) -> Option<Arc<str>> {
        let said = self.said.as_deref().filter(|said| !said.finish.is_empty())?;
        Some(Arc::from(said.finish.join(",")))
    }
}

/// Listens to an answer. What it keeps is bounded, whatever the answer's length.
pub trait Listen: Send {
    /// The next piece, as it came from the tool.
    fn hear(&mut self, piece: &[u8]);

    /// Tool calls that a model has asked for since this was last called: an agent may act on them
    /// before the answer has ended.
    fn news(&mut self) -> Vec<Asked> {
        Vec::new()
    }

    /// What was said, now that no more comes. `whole`: the answer has come to its own end.
    fn heard(self: Box<Self>, whole: bool) -> Heard;
}
