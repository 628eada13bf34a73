//! What came of one attempt to reach a tool.

use serde::{Serialize, Serializer};
use smallvec::SmallVec;

use crate::call::ErrorClass;
use crate::clock::Now;

/// What came of each attempt, in order. One is the rule.
pub type Attempts = SmallVec<[Attempt; 1]>;

/// One attempt. Shown as a status (`503`) or as an error class (`"timeout"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The span that the tool was told to be below, never zero; `None` where that was the call's own.
    pub span: Option<u64>,
    /// When it was handed over to be sent.
    pub begun: Now,
    /// When the head of the answer was there, or it was known that there is none.
    pub ended: Now,
    pub came: Came,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// The tool answered with this status.
    Status(u16),
    /// It did not answer.
    Failed(ErrorClass),
}

/// An attempt of which nothing has come yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// As in [`Attempt::span`].
    pub span: Option<u64>,
    pub begun: Now,
}

impl UnderWay {
    /// The attempt, now that something came of it.
    pub fn ended(self, came: Came, now: Now) -> Attempt {
        Attempt { span: self.span, begun: self.begun, ended: now, came }
    }
}

impl Serialize for Attempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.came {
            Came::Status(status) => serializer.serialize_u16(status),
            Came::Failed(class) => serializer.serialize_str(class.name()),
        }
    }
}
