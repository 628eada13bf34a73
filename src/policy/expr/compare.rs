//! Equality and order of values.
//!
//! Numbers are compared by their mathematical value, whatever their types (CEL language definition,
//! "Numeric values"); values of different kinds are unequal, and to order them is an error.

use std::cmp::Ordering;

use super::EvalErrorKind;
use super::cost::{Budget, Evaluated, fault};
use super::program::Comparison;
use super::value::{List, Map, Value};

/// Applies a comparison.
///
/// # Errors
/// Values that have no order between them; an exhausted budget.
pub fn compare(
    comparison: Comparison,
    left: &Value<'_>,
    right: &Value<'_>,
    budget: &mut Budget,
) -> Evaluated<bool> {
    match comparison {
        Comparison::Equal => equal(left, right, budget),
        Comparison::NotEqual => equal(left, right, budget).map(|equal| !equal),
        Comparison::Less
        | Comparison::LessOrEqual
        | Comparison::Greater
        | Comparison::GreaterOrEqual => {
            Ok(order(left, right, budget)?.is_some_and(|order| comparison.holds(order)))
        }
    }
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }

    /// The comparison that holds exactly when this one does not.
    pub fn negated(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
        }
    }

    /// The same comparison with its sides exchanged.
    pub fn mirrored(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }

    /// How it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// The order of two values; `None` when one is not a number (NaN).
///
/// # Errors
/// Values that have no order between them.
pub fn order(
    left: &Value<'_>,
    right: &Value<'_>,
    budget: &mut Budget,
) -> Evaluated<Option<Ordering>> {
    if let Some(order) = numeric_order(left, right) {
        return Ok(order);
    }
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => {
            budget.take_text(a.len().min(b.len()))?;
            Ok(Some((**a).cmp(&**b)))
        }
        (Value::Bool(a), Value::Bool(b)) => Ok(Some(a.cmp(b))),
        (Value::Timestamp(a), Value::Timestamp(b)) => Ok(Some(a.cmp(b))),
        (Value::Duration(a), Value::Duration(b)) => Ok(Some(a.cmp(b))),
        _ => {
            let message = format!("{} cannot be compared with {}", left.kind(), right.kind());
            Err(fault(EvalErrorKind::Type, message))
        }
    }
}

/// The order of two numbers; `None` when one of them is no number, `Some(None)` for NaN.
pub fn numeric_order(left: &Value<'_>, right: &Value<'_>) -> Option<Option<Ordering>> {
    let order = match (left, right) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::UInt(a), Value::UInt(b)) => Some(a.cmp(b)),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::UInt(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::UInt(a), Value::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Int(a), Value::Double(b)) => whole_order(i128::from(*a), *b),
        (Value::UInt(a), Value::Double(b)) => whole_order(i128::from(*a), *b),
        (Value::Double(a), Value::Int(b)) => whole_order(i128::from(*b), *a).map(Ordering::reverse),
        (Value::Double(a), Value::UInt(b)) => {
            whole_order(i128::from(*b), *a).map(Ordering::reverse)
        }
        _ => return None,
    };
    Some(order)
}

/// The exact order of a whole number of 64 bits and a double.
fn whole_order(whole: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    // Casting saturates, and no 64-bit number reaches the ends of 128 bits.
    let floor = double.floor();
    Some(whole.cmp(&(floor as i128)).then(if double > floor {
        Ordering::Less
    } else {
        Ordering::Equal
    }))
}

/// Whether two values are equal.
///
/// # Errors
/// An exhausted budget, or values that cannot be looked into.
pub fn equal(left: &Value<'_>, right: &Value<'_>, budget: &mut Budget) -> Evaluated<bool> {
    if let Some(order) = numeric_order(left, right) {
        return Ok(order == Some(Ordering::Equal));
    }
    Ok(match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => {
            if a.len() == b.len() {
                budget.take_text(a.len())?;
            }
            **a == **b
        }
        (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
        (Value::Duration(a), Value::Duration(b)) => a == b,
        (Value::Kind(a), Value::Kind(b)) => a == b,
        (Value::Ip(a), Value::Ip(b)) => a == b,
        (Value::Cidr(a), Value::Cidr(b)) => a == b,
        (Value::Command(a), Value::Command(b)) => a == b,
        (Value::Statement(a), Value::Statement(b)) => a == b,
        (Value::Url(a), Value::Url(b)) => a == b,
        (Value::Email(a), Value::Email(b)) => a == b,
        (Value::Step(_), Value::Step(_)) => {
            let message = "earlier calls cannot be compared as a whole";
            return Err(fault(EvalErrorKind::Type, message));
        }
        (Value::Optional(a), Value::Optional(b)) => match (a, b) {
            (Some(a), Some(b)) => equal(a, b, budget)?,
            (a, b) => a.is_none() && b.is_none(),
        },
        (Value::List(a), Value::List(b)) => equal_lists(a, b, budget)?,
        (Value::Map(a), Value::Map(b)) => equal_maps(a, b, budget)?,
        _ => false,
    })
}

fn equal_lists(left: &List<'_>, right: &List<'_>, budget: &mut Budget) -> Evaluated<bool> {
    if left.len() != right.len() {
        return Ok(false);
    }
    budget.take(left.len())?;
    for (a, b) in left.to_vec().iter().zip(right.to_vec().iter()) {
        if !equal(a, b, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_maps(left: &Map<'_>, right: &Map<'_>, budget: &mut Budget) -> Evaluated<bool> {
    if left.len() != right.len() {
        return Ok(false);
    }
    budget.take(left.len())?;
    for (key, value) in left.entries() {
        match lookup(right, &key, budget)? {
            Some(other) if equal(&value, &other, budget)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// The value under a key of any kind.
///
/// # Errors
/// An exhausted budget.
pub fn lookup<'a>(
    map: &Map<'a>,
    key: &Value<'_>,
    budget: &mut Budget,
) -> Evaluated<Option<Value<'a>>> {
    if let Value::Text(name) = key {
        if !matches!(map, Map::Json(_)) {
            budget.take(map.len())?;
        }
        return Ok(map.member(name));
    }
    if matches!(map, Map::Json(_)) {
        return Ok(None);
    }
    budget.take(map.len())?;
    for (known, value) in map.entries() {
        if equal(&known, key, budget)? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// Whether a list holds a value.
///
/// # Errors
/// An exhausted budget.
pub fn contains(list: &List<'_>, wanted: &Value<'_>, budget: &mut Budget) -> Evaluated<bool> {
    let mut found = false;
    list.visit(&mut |item| {
        budget.take(1)?;
        found = equal(&item, wanted, budget)?;
        Ok(!found)
    })?;
    Ok(found)
}
