//! What rules mean: the files' model, expressions, and the ruling over one call.

pub mod builtins;
pub mod expr;
pub mod glob;
pub mod history;
pub mod reason;
pub mod view;
