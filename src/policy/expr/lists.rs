//! Functions over lists, sizes included, and the least and greatest of numbers.

use std::cmp::Ordering;

use super::EvalErrorKind;
use super::arithmetic;
use super::compare::{equal, numeric_order};
use super::cost::{Budget, Evaluated, fault, mismatch};
use super::functions::{first, text};
use super::program::{Arithmetic, Function};
use super::value::{List, Value};

/// Comparisons of a sort for one unit.
const COMPARISONS_A_UNIT: usize = 4;

/// Levels that one `flatten` removes at most; JSON arguments nest no deeper.
const FLATTEN_LIMIT_DEPTH: u32 = 64;

/// Calls a function over a list.
///
/// # Errors
/// Arguments of the wrong type, elements that cannot be added or ordered, an exhausted budget.
pub fn call<'a>(
    function: Function,
    args: &[Value<'a>],
    budget: &mut Budget,
) -> Evaluated<Value<'a>> {
    match function {
        Function::Size => size(first(args)?, budget),
        Function::Absolute => absolute(first(args)?),
        Function::Least => extreme(args, Ordering::Less, budget),
        Function::Greatest => extreme(args, Ordering::Greater, budget),
        Function::Join => join(list(args)?, args, budget),
        Function::Sum => sum(list(args)?, budget),
        Function::Distinct => distinct(list(args)?, budget),
        Function::Flatten => flatten(list(args)?, args.get(1), budget),
        Function::Sort => sort(list(args)?, budget),
        _ => Err(mismatch("a list", "another value")),
    }
}

fn list<'v, 'a>(args: &'v [Value<'a>]) -> Evaluated<&'v List<'a>> {
    match first(args)? {
        Value::List(list) => Ok(list),
        other => Err(mismatch("a list", other.kind())),
    }
}

/// Elements of a list, entries of a map, characters of text.
fn size<'a>(of: &Value<'a>, budget: &mut Budget) -> Evaluated<Value<'a>> {
    let size = match of {
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::Text(text) => {
            budget.take_text(text.len())?;
            text.chars().count()
        }
        other => return Err(mismatch("text, a list or a map", other.kind())),
    };
    Ok(Value::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

fn absolute<'a>(of: &Value<'a>) -> Evaluated<Value<'a>> {
    match of {
        Value::Int(value) => value
            .checked_abs()
            .map(Value::Int)
            .ok_or_else(|| fault(EvalErrorKind::Arithmetic, "the result is out of range")),
        Value::UInt(value) => Ok(Value::UInt(*value)),
        Value::Double(value) => Ok(Value::Double(value.abs())),
        other => Err(mismatch("a number", other.kind())),
    }
}

/// The least or greatest of several numbers, or of the elements of one list.
fn extreme<'a>(args: &[Value<'a>], wanted: Ordering, budget: &mut Budget) -> Evaluated<Value<'a>> {
    let listed;
    let numbers = match args {
        [Value::List(list)] => {
            budget.take(list.len())?;
            listed = list.to_vec();
            listed.as_slice()
        }
        numbers => numbers,
    };
    let mut best: Option<&Value<'a>> = None;
    for number in numbers {
        if !matches!(number, Value::Int(_) | Value::UInt(_) | Value::Double(_)) {
            return Err(mismatch("a number", number.kind()));
        }
        let better = best.is_none_or(|best| numeric_order(number, best) == Some(Some(wanted)));
        if better {
            best = Some(number);
        }
    }
    best.cloned().ok_or_else(|| fault(EvalErrorKind::Missing, "the list has no elements"))
}

fn join<'a>(of: &List<'a>, args: &[Value<'a>], budget: &mut Budget) -> Evaluated<Value<'a>> {
    let separator = if args.len() > 1 { &**text(args, 1)? } else { "" };
    let mut joined = String::new();
    let mut between = "";
    of.visit(&mut |item| {
        let Value::Text(item) = item else {
            return Err(mismatch("text", item.kind()));
        };
        budget.take(1)?;
        budget.take_text(item.len().saturating_add(separator.len()))?;
        joined.push_str(between);
        joined.push_str(&item);
        between = separator;
        Ok(true)
    })?;
    Ok(Value::text(&joined))
}

/// Of no elements 0.
fn sum<'a>(of: &List<'a>, budget: &mut Budget) -> Evaluated<Value<'a>> {
    let mut total: Option<Value<'a>> = None;
    of.visit(&mut |item| {
        budget.take(1)?;
        let summable =
            matches!(item, Value::Int(_) | Value::UInt(_) | Value::Double(_) | Value::Duration(_));
        if !summable {
            return Err(mismatch("a number", item.kind()));
        }
        total = Some(match total.take() {
            Some(total) => arithmetic::apply(Arithmetic::Add, total, item, budget)?,
            None => item,
        });
        Ok(true)
    })?;
    Ok(total.unwrap_or(Value::Int(0)))
}

/// The elements in order, each once.
fn distinct<'a>(of: &List<'a>, budget: &mut Budget) -> Evaluated<Value<'a>> {
    let mut kept: Vec<Value<'a>> = Vec::new();
    of.visit(&mut |item| {
        budget.take(kept.len().saturating_add(1))?;
        for known in &kept {
            if equal(known, &item, budget)? {
                return Ok(true);
            }
        }
        kept.push(item);
        Ok(true)
    })?;
    Ok(Value::list(kept))
}

/// The elements, those that are lists replaced by theirs, `depth` times (once when not given).
fn flatten<'a>(
    of: &List<'a>,
    depth: Option<&Value<'a>>,
    budget: &mut Budget,
) -> Evaluated<Value<'a>> {
    let depth = match depth {
        None => 1,
        Some(Value::Int(depth)) => u32::try_from(*depth)
            .map_err(|_| fault(EvalErrorKind::Arithmetic, "the depth is out of range"))?,
        Some(other) => return Err(mismatch("an int", other.kind())),
    };
    let mut flat = of.to_vec();
    for _ in 0..depth.min(FLATTEN_LIMIT_DEPTH) {
        let mut next = Vec::with_capacity(flat.len());
        for item in flat {
            budget.take(1)?;
            match item {
                Value::List(inner) => {
                    budget.take(inner.len())?;
                    next.extend(inner.to_vec());
                }
                other => next.push(other),
            }
        }
        flat = next;
    }
    Ok(Value::list(flat))
}

/// Numbers, or values of one kind that has an order.
fn sort<'a>(of: &List<'a>, budget: &mut Budget) -> Evaluated<Value<'a>> {
    let mut items = of.to_vec();
    let depth = usize::BITS - items.len().leading_zeros();
    budget.take(items.len().saturating_mul(depth as usize) / COMPARISONS_A_UNIT)?;
    // Sorting needs a total order, so whatever has none is found before.
    if let Some(first) = items.first() {
        for item in &items {
            if let Value::Text(text) = item {
                budget.take_text(text.len().saturating_mul(depth as usize))?;
            }
            if plain_order(item, item).is_none() || plain_order(first, item).is_none() {
                let message = format!("{} cannot be sorted with {}", item.kind(), first.kind());
                return Err(fault(EvalErrorKind::Type, message));
            }
        }
    }
    items.sort_by(|a, b| plain_order(a, b).unwrap_or(Ordering::Equal));
    Ok(Value::list(items))
}

/// The order of two values, where there is one; NaN has none.
fn plain_order(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => Some((**a).cmp(&**b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
        (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
        _ => numeric_order(a, b).flatten(),
    }
}
