//! A key that is equal for calls that mean the same, for telling repetition from progress.
//!
//! Unlike the digest it equates `1`, `1.0` and `1e0`, and it can leave out arguments that an agent
//! varies on purpose or by habit (nonces, timestamps).

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::LazyLock;

use crate::json::value::Value;

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
    let mut hasher = KEYED.build_hasher();
    tool.hash(&mut hasher);
    match args {
        Value::Object(object) if !ignore.is_empty() => {
            let members = object.iter_sorted();
            let counted =
                members.filter(|(name, _)| !ignore.iter().any(|ignored| ignored.as_ref() == *name));
            hash_object(counted, &mut hasher);
        }
        other => hash_value(other, &mut hasher),
    }
    hasher.finish()
}

/// What comes next in the hashed stream. Each mark is followed by contents of a fixed or
/// self-delimiting form, so that different values never hash the same bytes.
#[derive(Clone, Copy)]
enum Mark {
    Null,
    False,
    True,
    Natural,
    Negative,
    Float,
    Str,
    Array,
    Object,
    Member,
    End,
}

fn mark(mark: Mark, hasher: &mut impl Hasher) {
    hasher.write_u8(mark as u8);
}

/// Recursion is bounded by the depth limit that the document was read with.
fn hash_value(value: Value<'_>, hasher: &mut impl Hasher) {
    match value {
        Value::Null => mark(Mark::Null, hasher),
        Value::Bool(true) => mark(Mark::True, hasher),
        Value::Bool(false) => mark(Mark::False, hasher),
        Value::Int(value) => hash_integer(value, hasher),
        Value::UInt(value) => hash_natural(value, hasher),
        Value::Float(value) => hash_float(value, hasher),
        Value::Str(text) => {
            mark(Mark::Str, hasher);
            text.hash(hasher);
        }
        Value::Array(array) => {
            mark(Mark::Array, hasher);
            array.iter().for_each(|element| hash_value(element, hasher));
            mark(Mark::End, hasher);
        }
        Value::Object(object) => hash_object(object.iter_sorted(), hasher),
    }
}

fn hash_object<'a>(members: impl Iterator<Item = (&'a str, Value<'a>)>, hasher: &mut impl Hasher) {
    mark(Mark::Object, hasher);
    for (name, value) in members {
        mark(Mark::Member, hasher);
        name.hash(hasher);
        hash_value(value, hasher);
    }
    mark(Mark::End, hasher);
}

fn hash_integer(value: i64, hasher: &mut impl Hasher) {
    match u64::try_from(value) {
        Ok(natural) => hash_natural(natural, hasher),
        Err(_) => {
            mark(Mark::Negative, hasher);
            hasher.write_i64(value);
        }
    }
}

fn hash_natural(value: u64, hasher: &mut impl Hasher) {
    mark(Mark::Natural, hasher);
    hasher.write_u64(value);
}

/// A double without a fraction hashes as the integer it equals; `-0.0` as 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "only whole doubles within the target's range are converted, which is exact"
)]
fn hash_float(value: f64, hasher: &mut impl Hasher) {
    let whole = value.fract() == 0.0;
    if whole && (0.0..TWO_POW_64).contains(&value) {
        hash_natural(value as u64, hasher);
    } else if whole && (MINUS_TWO_POW_63..0.0).contains(&value) {
        hash_integer(value as i64, hasher);
    } else {
        mark(Mark::Float, hasher);
        hasher.write_u64(value.to_bits());
    }
}
