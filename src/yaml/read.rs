//! Reading a file into a type, with every fault at once.
//!
//! serde stops at the first error. So the value it is about is noted as bad and the whole is read
//! again without it, until nothing new goes wrong; a struct that lacks a key only because the
//! key's value was bad is bad itself, without a fault of its own.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::codes;
use super::de::{Context, Reader};
use super::diagnostic::Diagnostic;
use super::fault::Failure;
use super::load::load;
use super::source::{Source, Span};

/// Most faults of one file that are reported.
const FAULT_LIMIT: usize = 100;
/// Most attempts at one file: each finds one fault, or what follows from one.
const ATTEMPT_LIMIT: usize = 200;

/// What the types alone do not say, by the name of the struct or enum.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// Required keys, so that all absent ones are reported at once. Keys not listed here are
    /// required when serde says so, and reported one at a time.
    pub required: &'static [(&'static str, &'static [&'static str])],
    /// Keys and words that the format knows and this version does not.
    pub planned: &'static [(&'static str, &'static [&'static str])],
}

/// Reads the file into `T`, adding every fault. `None` if there was one that is an error.
pub fn read<T: DeserializeOwned>(source: &Arc<Source>, faults: &mut Vec<Diagnostic>) -> Option<T> {
    read_shaped(source, Shape::default(), faults)
}

/// As [`read`], with what the types do not say.
pub fn read_shaped<T: DeserializeOwned>(
    source: &Arc<Source>,
    shape: Shape,
    faults: &mut Vec<Diagnostic>,
) -> Option<T> {
    let before = faults.len();
    // A value without a key that stood twice, or with a tag ignored, is not what was written.
    read_partial(source, shape, faults).filter(|_| faults.len() == before)
}

/// As [`read_shaped`], but what could be read comes despite faults, so that it can be checked
/// further. It lacks what was at fault and must not be used.
pub fn read_partial<T: DeserializeOwned>(
    source: &Arc<Source>,
    shape: Shape,
    faults: &mut Vec<Diagnostic>,
) -> Option<T> {
    let mut found = Vec::new();
    let document = load(source, &mut found);
    let mut value = None;
    if let Some(document) = document {
        let context = Context::new(source, shape, document.repaired, document.tagged);
        value = attempts(&context, &document.root);
        found.append(&mut context.into_faults());
    }
    found.sort_by_key(|fault| fault.span.start);
    if found.len() > FAULT_LIMIT {
        let more = found.len() - FAULT_LIMIT;
        found.truncate(FAULT_LIMIT);
        let message = format!("{more} more faults are not shown");
        found.push(Diagnostic::error(codes::MORE, message).at(source, Span::default()));
    }
    faults.append(&mut found);
    value
}

fn attempts<T: DeserializeOwned>(context: &Context<'_>, root: &super::node::Node) -> Option<T> {
    for _ in 0..ATTEMPT_LIMIT {
        match T::deserialize(Reader::new(root, context)) {
            Ok(value) => return Some(value),
            Err(Failure::Reported) => {}
            Err(Failure::Follows) => return None,
            Err(failure) => {
                context.report(failure, root, None);
                return None;
            }
        }
    }
    None
}
