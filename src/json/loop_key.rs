//! A key that is equal for calls that mean the same, for telling repetition from progress.
//!
//! Unlike the digest it equates `1`, `1.0` and `1e0`, and it can leave out arguments that an agent
//! varies on purpose or by habit (nonces, timestamps). Where arguments have neither, their canonical
//! form, which every call has made for its digest, says all there is to say.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::LazyLock;

use crate::json::document::Node;
use crate::json::value::Value;
use crate::json::{canonical, python_float};

/// SipHash under a key drawn once a process: an agent cannot search for colliding calls. The keys
/// mean nothing to other processes.
static KEYED: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Doubles from here on have no `u64` counterpart.
const TWO_POW_64: f64 = 18_446_744_073_709_551_616.0;

/// Lowest double with an `i64` counterpart.
const MINUS_TWO_POW_63: f64 = -9_223_372_036_854_775_808.0;

/// The key of a call: equal for the same tool and arguments of equal meaning, whatever the order of
/// members. Top-level arguments named in `ignore` do not count.
pub fn loop_key<S: AsRef<str>>(tool: &str, args: Value<'_>, ignore: &[S]) -> u64 {
    let mut canonical = Vec::with_capacity(args.size_bytes());
    args.write_canonical(&mut canonical);
    loop_key_of_canonical(tool, args, ignore, &canonical)
}

/// The same for arguments whose canonical form is at hand.
pub fn loop_key_of_canonical<S: AsRef<str>>(
    tool: &str,
    args: Value<'_>,
    ignore: &[S],
    canonical: &[u8],
) -> u64 {
    let meaning = if ignore.is_empty() && !has_whole_doubles(args) {
        Cow::Borrowed(canonical)
    } else {
        let mut meaning = Vec::with_capacity(canonical.len());
        write_meaning(args, ignore, &mut meaning);
        Cow::Owned(meaning)
    };
    let mut hasher = KEYED.build_hasher();
    tool.hash(&mut hasher);
    hasher.write(&meaning);
    hasher.finish()
}

/// A key that is equal for arguments of one meaning, whoever wrote them down: a model, the client that
/// read them, the path and query of a request. Beyond what [`loop_key`] equates, a top-level
/// argument is its text (`7`, `7.0` and `"7"`; `true` and `"true"`), and one that is null is absent.
pub fn meaning_key(args: Value<'_>) -> u64 {
    let mut meaning = Vec::with_capacity(args.size_bytes());
    match args {
        Value::Object(object) => {
            for (name, value) in object.iter_sorted() {
                write_member(name, value, &mut meaning);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Str(_)
        | Value::Array(_) => {
            // No member begins like this, so that a value is never an object's only member.
            meaning.push(b'=');
            canonical::write(args, write_number, &mut meaning);
        }
    }
    let mut hasher = KEYED.build_hasher();
    hasher.write(&meaning);
    hasher.finish()
}

fn write_member(name: &str, value: Value<'_>, out: &mut Vec<u8>) {
    if matches!(value, Value::Null) {
        return;
    }
    canonical::write(Value::Str(name), write_number, out);
    out.push(b':');
    match value {
        // No text that stands in quotes here is anything but itself: quotes in it are escaped.
        Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Float(_) => {
            out.push(b'"');
            canonical::write(value, write_number, out);
            out.push(b'"');
        }
        Value::Null | Value::Str(_) | Value::Array(_) | Value::Object(_) => {
            canonical::write(value, write_number, out);
        }
    }
    out.push(b',');
}

fn has_whole_doubles(value: Value<'_>) -> bool {
    let (document, at) = match value {
        Value::Float(value) => return whole(value).is_some(),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Str(_) => {
            return false;
        }
        Value::Array(array) => array.place(),
        Value::Object(object) => object.place(),
    };
    let nodes = document.nodes.get(at as usize..document.next(at) as usize).unwrap_or_default();
    nodes.iter().any(|node| matches!(node, Node::Float(value) if whole(*value).is_some()))
}

/// The canonical form with whole doubles as integers and without ignored arguments.
fn write_meaning<S: AsRef<str>>(args: Value<'_>, ignore: &[S], out: &mut Vec<u8>) {
    let Value::Object(object) = args else {
        return canonical::write(args, write_number, out);
    };
    let counts = |name: &str| !ignore.iter().any(|ignored| ignored.as_ref() == name);
    out.push(b'{');
    for (index, (name, value)) in object.iter_sorted().filter(|(name, _)| counts(name)).enumerate()
    {
        if index > 0 {
            out.push(b',');
        }
        canonical::write(Value::Str(name), write_number, out);
        out.push(b':');
        canonical::write(value, write_number, out);
    }
    out.push(b'}');
}

fn write_number(value: f64, out: &mut Vec<u8>) {
    match whole(value) {
        Some(integer) => out.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes()),
        None => python_float::write(value, out),
    }
}

/// The integer that a double without a fraction equals; of `-0.0` it is 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "only whole doubles within the target's range are converted, which is exact"
)]
fn whole(value: f64) -> Option<i128> {
    if value.fract() != 0.0 {
        None
    } else if (0.0..TWO_POW_64).contains(&value) {
        Some(i128::from(value as u64))
    } else if (MINUS_TWO_POW_63..0.0).contains(&value) {
        Some(i128::from(value as i64))
    } else {
        None
    }
}
