//! Model APIs: what a request asks for and may cost, what an answer used and asked for, and how a
//! call is refused in the provider's own words.

mod anthropic;
pub mod errors;
mod estimate;
mod gather;
mod gemini;
mod hints;
mod lines;
mod listener;
mod openai;
pub mod operation;
mod order;
mod parts;
mod reader;
mod refusal;
mod request;
mod said;
mod skim;
mod tools;
mod words;

pub use self::errors::Failure;
pub use self::hints::{Hints, hints};
pub(super) use self::listener::Listener;
pub use self::operation::{Kind, Operation, Routed};
pub use self::order::{Charge, Order};
pub use self::reader::Reader;
pub use self::refusal::refusal;
pub use self::request::{Facts, facts};
pub use self::said::{Asked, Counted, Fault, Said};
use crate::call::Provider;

/// Longest name of a model that is recorded, in bytes.
const MODEL_LIMIT_BYTES: usize = 128;

/// The name of a model as it is recorded. What is none might be any text.
pub fn shown_model(name: &str) -> &str {
    let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:/@+".contains(&byte);
    if name.len() <= MODEL_LIMIT_BYTES && name.bytes().all(is_of_a_name) { name } else { "other" }
}

#[cfg(test)]
mod tests;
