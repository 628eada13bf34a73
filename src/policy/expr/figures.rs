//! What limits take from expressions: exact amounts, and keys that keep values apart.

use super::cost::{fault, mismatch};
use super::eval::Machine;
use super::program::Node;
use super::value::Value;
use super::{EvalError, EvalErrorKind, KEY_LIMIT_BYTES, Program};
use crate::policy::amount::{self, Amount, BILLION};
use crate::policy::view::Env;

/// Whole numbers that every double below it tells apart: 2^53.
const EXACT_LIMIT: f64 = 9_007_199_254_740_992.0;

impl Program {
    /// The argument that the expression is, as a JSON pointer, when it is nothing else.
    pub fn argument(&self) -> Option<String> {
        match &self.root {
            Node::Argument(path) => {
                let mut pointer = String::from("/args");
                for name in path {
                    pointer.push('/');
                    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                }
                Some(pointer)
            }
            _ => None,
        }
    }

    /// Evaluates an expression of `Site::Amount` or `Site::Cost` to billionths, rounded up.
    ///
    /// # Errors
    /// See [`EvalErrorKind`]; also a value that is no number, is not finite or is below zero: it
    /// would give back what others have used.
    pub fn eval_amount(&self, env: &Env<'_>) -> Result<Amount, EvalError> {
        let amount = match Machine::new(env).eval(&self.root)? {
            Value::Int(value) => Amount::try_from(value).ok().map(whole),
            Value::UInt(value) => Some(whole(Amount::from(value))),
            Value::Double(value) => amount::billionths_of(value),
            other => return Err(mismatch("a number", other.kind())),
        };
        amount.ok_or_else(|| fault(EvalErrorKind::Arithmetic, "an amount is a number from 0"))
    }
}

fn whole(value: Amount) -> Amount {
    value.saturating_mul(BILLION)
}

/// A value as a limit's key. A whole number is the same key however it is written.
///
/// # Errors
/// Any value but text, a number or a boolean, and text of more than [`KEY_LIMIT_BYTES`].
pub(super) fn key(value: &Value<'_>) -> Result<String, EvalError> {
    let key = match value {
        Value::Text(text) => text.to_string(),
        Value::Int(value) => value.to_string(),
        Value::UInt(value) => value.to_string(),
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and within the range")]
        Value::Double(value) if value.fract() == 0.0 && value.abs() < EXACT_LIMIT => {
            (*value as i64).to_string()
        }
        Value::Double(value) => value.to_string(),
        Value::Bool(value) => value.to_string(),
        other => return Err(mismatch("text, a number or a boolean", other.kind())),
    };
    if key.len() > KEY_LIMIT_BYTES {
        let message = format!("a key may have {KEY_LIMIT_BYTES} bytes");
        return Err(fault(EvalErrorKind::Cost, message));
    }
    Ok(key)
}
