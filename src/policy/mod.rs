//! What rules mean: the files' model, expressions, and the ruling over one call.

pub mod amount;
pub mod builtins;
pub mod compile;
pub mod decide;
pub mod detect;
pub mod expr;
pub mod glob;
pub mod history;
pub mod lookalike;
pub mod matcher;
pub mod message;
pub mod model;
pub mod raw;
pub mod reason;
pub mod rewrite;
pub mod set;
pub mod view;

#[cfg(test)]
pub(crate) mod sample;
