//! YAML files as serde values that know where they stand, and the faults found in them.
//!
//! [`read`] turns a [`Source`] into any type that derives `Deserialize` and reports every fault at
//! once: unknown keys, duplicate keys, missing keys and wrong types, each as a [`Diagnostic`] with
//! the place and a suggestion. A bad value is reported and left out; reading goes on. [`Shape`] adds
//! what the types do not say, and [`read_partial`] gives what could be read despite faults.
//!
//! Types to use in files' models: [`Field`] (a value and its place), [`Text`] (a scalar whose
//! inside has places of its own, such as an expression), [`Entries`] (a mapping with names chosen
//! by the user), [`Either`] (a scalar or something longer), [`Period`] and [`ByteSize`]. `#[serde(flatten)]` and `#[serde(untagged)]` lose
//! places and must not be used.

pub mod codes;
mod de;
mod diagnostic;
mod either;
mod entries;
mod fault;
mod field;
mod load;
mod node;
mod read;
mod render;
mod repair;
mod scalar;
mod source;
mod suggest;
mod syntax;
mod text;
mod text_map;
mod tree;
mod units;

pub use self::diagnostic::{Diagnostic, Severity};
pub use self::either::Either;
pub use self::entries::Entries;
pub use self::fault::{ScalarFault, parse_scalar};
pub use self::field::Field;
pub use self::read::{Shape, read, read_partial, read_shaped};
pub use self::source::{Source, Span};
pub use self::suggest::closest;
pub use self::text::Text;
pub use self::tree::{Tree, TreeValue};
pub use self::units::{ByteSize, Period};

#[cfg(test)]
mod tests;
