//! JSON read once and strictly: a flat document that borrows its text, its canonical form and digest.
//!
//! Everything that judges, hashes or records a call reads the same [`Document`], so that no two
//! readers can see different arguments in the same bytes.

mod arguments;
mod build;
mod canonical;
mod digest;
mod document;
mod error;
mod loop_key;
mod number;
mod parse;
mod python_float;
mod shape;
pub mod splice;
mod tape;
mod value;

pub use arguments::{ArgumentsBuilder, ArgumentsError, BODY_ARGUMENT};
pub use digest::{DIGEST_BYTES, Digest, Hasher, HmacKey, digest};
pub use document::{Document, JSON_DEPTH_LIMIT};
pub use error::{JsonError, JsonErrorKind};
pub use loop_key::{loop_key, loop_key_of_canonical, meaning_key};
pub use shape::{SHAPE_LIMIT_BYTES, Shape, shape};
pub use value::{Array, Object, Value};

#[cfg(test)]
mod tests;
