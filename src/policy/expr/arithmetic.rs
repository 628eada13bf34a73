//! `+ - * / %` and unary minus.
//!
//! Overflow and division by zero of whole numbers are errors (CEL language definition, "Overflow").
//! JSON does not tell `2` from `2.0`, so numbers of two types met at run time are brought to a
//! common one: a double if there is one, else a whole number.

use super::EvalErrorKind;
use super::cost::{Budget, Evaluated, fault};
use super::program::Arithmetic;
use super::time::{between, shift};
use super::value::{List, Value};

/// Applies an operator.
///
/// # Errors
/// Overflow, division by zero, operands of types that do not go together.
pub fn apply<'a>(
    operator: Arithmetic,
    left: Value<'a>,
    right: Value<'a>,
    budget: &mut Budget,
) -> Evaluated<Value<'a>> {
    match (&left, &right) {
        (Value::Int(a), Value::Int(b)) => ints(operator, *a, *b).map(Value::Int),
        (Value::Double(a), Value::Double(b)) => doubles(operator, *a, *b).map(Value::Double),
        (Value::UInt(a), Value::UInt(b)) => uints(operator, *a, *b).map(Value::UInt),
        (Value::Int(a), Value::UInt(b)) => mixed(operator, i128::from(*a), i128::from(*b)),
        (Value::UInt(a), Value::Int(b)) => mixed(operator, i128::from(*a), i128::from(*b)),
        (Value::Double(a), Value::Int(b)) => doubles(operator, *a, *b as f64).map(Value::Double),
        (Value::Double(a), Value::UInt(b)) => doubles(operator, *a, *b as f64).map(Value::Double),
        (Value::Int(a), Value::Double(b)) => doubles(operator, *a as f64, *b).map(Value::Double),
        (Value::UInt(a), Value::Double(b)) => doubles(operator, *a as f64, *b).map(Value::Double),
        _ => match operator {
            Arithmetic::Add => add(&left, &right, budget),
            Arithmetic::Subtract => subtract(&left, &right),
            Arithmetic::Multiply | Arithmetic::Divide | Arithmetic::Remainder => {
                Err(incompatible(&left, &right))
            }
        },
    }
}

/// Unary minus.
///
/// # Errors
/// Overflow; a value without a negative.
pub fn negate<'a>(value: &Value<'a>) -> Evaluated<Value<'a>> {
    match value {
        Value::Int(value) => value.checked_neg().map(Value::Int).ok_or_else(overflow),
        Value::Duration(value) => value.checked_neg().map(Value::Duration).ok_or_else(overflow),
        Value::Double(value) => Ok(Value::Double(-value)),
        other => Err(fault(EvalErrorKind::Type, format!("{} has no negative", other.kind()))),
    }
}

fn ints(operator: Arithmetic, a: i64, b: i64) -> Evaluated<i64> {
    let result = match operator {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide if b == 0 => return Err(by_zero()),
        Arithmetic::Remainder if b == 0 => return Err(by_zero()),
        Arithmetic::Divide => a.checked_div(b),
        Arithmetic::Remainder => a.checked_rem(b),
    };
    result.ok_or_else(overflow)
}

fn uints(operator: Arithmetic, a: u64, b: u64) -> Evaluated<u64> {
    let result = match operator {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide if b == 0 => return Err(by_zero()),
        Arithmetic::Remainder if b == 0 => return Err(by_zero()),
        Arithmetic::Divide => a.checked_div(b),
        Arithmetic::Remainder => a.checked_rem(b),
    };
    result.ok_or_else(overflow)
}

/// An int and a uint: exact in 128 bits, an int again when it fits.
fn mixed<'a>(operator: Arithmetic, a: i128, b: i128) -> Evaluated<Value<'a>> {
    let result = match operator {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide if b == 0 => return Err(by_zero()),
        Arithmetic::Remainder if b == 0 => return Err(by_zero()),
        Arithmetic::Divide => a.checked_div(b),
        Arithmetic::Remainder => a.checked_rem(b),
    };
    let result = result.ok_or_else(overflow)?;
    if let Ok(int) = i64::try_from(result) {
        return Ok(Value::Int(int));
    }
    u64::try_from(result).map(Value::UInt).map_err(|_| overflow())
}

fn doubles(operator: Arithmetic, a: f64, b: f64) -> Evaluated<f64> {
    match operator {
        Arithmetic::Add => Ok(a + b),
        Arithmetic::Subtract => Ok(a - b),
        Arithmetic::Multiply => Ok(a * b),
        Arithmetic::Divide => Ok(a / b),
        Arithmetic::Remainder => {
            Err(fault(EvalErrorKind::Type, "doubles have no remainder: convert them with int(…)"))
        }
    }
}

fn add<'a>(left: &Value<'a>, right: &Value<'a>, budget: &mut Budget) -> Evaluated<Value<'a>> {
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => {
            budget.take_text(a.len().saturating_add(b.len()))?;
            Ok(Value::text(&[&**a, &**b].concat()))
        }
        (Value::List(a), Value::List(b)) => concat(a, b, budget),
        (Value::Timestamp(at), Value::Duration(by))
        | (Value::Duration(by), Value::Timestamp(at)) => {
            shift(*at, *by).map(Value::Timestamp).ok_or_else(overflow)
        }
        (Value::Duration(a), Value::Duration(b)) => {
            a.checked_add(*b).map(Value::Duration).ok_or_else(overflow)
        }
        _ => Err(incompatible(left, right)),
    }
}

fn concat<'a>(a: &List<'a>, b: &List<'a>, budget: &mut Budget) -> Evaluated<Value<'a>> {
    budget.take(a.len().saturating_add(b.len()))?;
    let mut items = a.to_vec();
    items.extend(b.to_vec());
    Ok(Value::list(items))
}

fn subtract<'a>(left: &Value<'a>, right: &Value<'a>) -> Evaluated<Value<'a>> {
    match (left, right) {
        (Value::Timestamp(at), Value::Duration(by)) => {
            let back = by.checked_neg().and_then(|back| shift(*at, back));
            back.map(Value::Timestamp).ok_or_else(overflow)
        }
        (Value::Timestamp(later), Value::Timestamp(earlier)) => {
            between(*later, *earlier).map(Value::Duration).ok_or_else(overflow)
        }
        (Value::Duration(a), Value::Duration(b)) => {
            a.checked_sub(*b).map(Value::Duration).ok_or_else(overflow)
        }
        _ => Err(incompatible(left, right)),
    }
}

fn incompatible(left: &Value<'_>, right: &Value<'_>) -> super::EvalError {
    let message = format!("cannot calculate with {} and {}", left.kind(), right.kind());
    fault(EvalErrorKind::Type, message)
}

fn overflow() -> super::EvalError {
    fault(EvalErrorKind::Arithmetic, "the result is out of range")
}

fn by_zero() -> super::EvalError {
    fault(EvalErrorKind::Arithmetic, "division by zero")
}
