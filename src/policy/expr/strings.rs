//! Functions over text. Positions count characters (code points), as CEL does.

use super::EvalErrorKind;
use super::cost::{Budget, Evaluated, fault, mismatch};
use super::functions::{int, text};
use super::program::Function;
use super::value::Value;

/// Calls a function over text.
///
/// # Errors
/// Arguments of the wrong type, positions out of range, an exhausted budget.
pub fn call<'a>(
    function: Function,
    args: &[Value<'a>],
    budget: &mut Budget,
) -> Evaluated<Value<'a>> {
    let of = text(args, 0)?;
    budget.take_text(of.len())?;
    match function {
        Function::Contains => Ok(Value::Bool(of.contains(&**text(args, 1)?))),
        Function::StartsWith => Ok(Value::Bool(of.starts_with(&**text(args, 1)?))),
        Function::EndsWith => Ok(Value::Bool(of.ends_with(&**text(args, 1)?))),
        Function::Lower => Ok(Value::text(&of.to_ascii_lowercase())),
        Function::Upper => Ok(Value::text(&of.to_ascii_uppercase())),
        Function::Trim => Ok(Value::text(of.trim())),
        Function::Split => split(of, args, budget),
        Function::Replace => replace(of, args, budget),
        Function::IndexOf => {
            let at = of.find(&**text(args, 1)?);
            Ok(position(of, at))
        }
        Function::LastIndexOf => {
            let at = of.rfind(&**text(args, 1)?);
            Ok(position(of, at))
        }
        Function::Substring => {
            let start = int(args, 1)?;
            let end = if args.len() > 2 { Some(int(args, 2)?) } else { None };
            substring(of, start, end)
        }
        _ => Err(mismatch("text", "another value")),
    }
}

fn position<'a>(of: &str, at: Option<usize>) -> Value<'a> {
    let count = |at: usize| of.get(..at).map_or(0, |before| before.chars().count());
    Value::Int(at.map_or(-1, |at| i64::try_from(count(at)).unwrap_or(i64::MAX)))
}

fn substring<'a>(of: &str, start: i64, end: Option<i64>) -> Evaluated<Value<'a>> {
    let length = of.chars().count();
    let index = |at: i64| usize::try_from(at).ok().filter(|at| *at <= length);
    let end = end.map_or(Some(length), index);
    let (Some(start), Some(end)) = (index(start), end) else {
        return Err(fault(EvalErrorKind::Missing, "a position lies beyond the text"));
    };
    if start > end {
        return Err(fault(EvalErrorKind::Missing, "a substring ends before it starts"));
    }
    let part: String = of.chars().skip(start).take(end - start).collect();
    Ok(Value::text(&part))
}

/// At most `limit` pieces when there is one that is not negative.
fn split<'a>(of: &str, args: &[Value<'a>], budget: &mut Budget) -> Evaluated<Value<'a>> {
    let separator = text(args, 1)?;
    let limit = if args.len() > 2 { int(args, 2)? } else { -1 };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut pieces = Vec::new();
    let mut push = |piece: &str, budget: &mut Budget| {
        budget.take(1)?;
        pieces.push(Value::text(piece));
        Ok(())
    };
    if separator.is_empty() {
        // Every character is a piece; the last one takes what the limit leaves.
        let mut rest = of;
        let mut made = 0usize;
        while let Some(first) = rest.chars().next().filter(|_| made < limit) {
            made += 1;
            let len = if made == limit { rest.len() } else { first.len_utf8() };
            let (piece, tail) = rest.split_at_checked(len).unwrap_or((rest, ""));
            push(piece, budget)?;
            rest = tail;
        }
    } else {
        for piece in of.splitn(limit, &**separator) {
            push(piece, budget)?;
        }
    }
    Ok(Value::list(pieces))
}

/// Replaces at most `limit` occurrences when there is one that is not negative.
fn replace<'a>(of: &str, args: &[Value<'a>], budget: &mut Budget) -> Evaluated<Value<'a>> {
    let (from, to) = (text(args, 1)?, text(args, 2)?);
    let limit = if args.len() > 3 { int(args, 3)? } else { -1 };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let found = of.matches(&**from).take(limit).count();
    budget.take(found)?;
    budget.take_text(found.saturating_mul(to.len()))?;
    Ok(Value::text(&of.replacen(&**from, to, limit)))
}
