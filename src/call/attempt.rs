//! What came of one attempt to reach a tool.

use serde::{Serialize, Serializer};
use smallvec::SmallVec;

use crate::call::ErrorClass;

/// What came of each attempt, in order.
pub type Attempts = SmallVec<[Attempt; 4]>;

/// What came of one attempt. Shown as a status (`503`) or as an error class (`"timeout"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The tool answered with this status.
    Status(u16),
    /// It did not answer.
    Failed(ErrorClass),
}

impl Serialize for Attempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Status(status) => serializer.serialize_u16(*status),
            Self::Failed(class) => serializer.serialize_str(class.name()),
        }
    }
}
