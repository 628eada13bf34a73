//! What an evaluation may cost, and the errors it may end with.
//!
//! Every operation takes units from a budget in proportion to the work it does, so that no
//! expression, over no arguments, holds a call up for long: a unit is worth some tens of
//! nanoseconds at most.

use super::{EvalError, EvalErrorKind};

/// Units one evaluation may take.
pub const EVALUATION_LIMIT_UNITS: usize = 50_000;

/// Bytes of text copied, compared or searched for one unit.
const TEXT_BYTES_A_UNIT: usize = 64;

/// The result of an operation.
pub type Evaluated<T> = Result<T, EvalError>;

/// What is left of an evaluation's units.
#[derive(Debug)]
pub struct Budget {
    left: usize,
}

impl Budget {
    pub fn new() -> Self {
        Self { left: EVALUATION_LIMIT_UNITS }
    }

    /// Takes units.
    ///
    /// # Errors
    /// When there are not as many left.
    #[inline]
    pub fn take(&mut self, units: usize) -> Evaluated<()> {
        match self.left.checked_sub(units) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(exhausted()),
        }
    }

    /// Takes the units that reading so many bytes of text costs.
    ///
    /// # Errors
    /// When there are not as many left.
    #[inline]
    pub fn take_text(&mut self, bytes: usize) -> Evaluated<()> {
        self.take(bytes / TEXT_BYTES_A_UNIT)
    }
}

#[cold]
fn exhausted() -> EvalError {
    fault(EvalErrorKind::Cost, "the expression takes too many steps on this call")
}

/// Makes an error. The message must not quote values of the call.
#[cold]
pub fn fault(kind: EvalErrorKind, message: impl Into<String>) -> EvalError {
    EvalError { kind, message: message.into() }
}

/// An error for a value of the wrong type.
#[cold]
pub fn mismatch(expected: &str, given: &str) -> EvalError {
    fault(EvalErrorKind::Type, format!("expected {expected}, this is {given}"))
}
