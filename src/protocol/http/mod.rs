//! Plain HTTP: a call is a method and a path, its end is a status, its refusal a problem document.

mod ending;
mod problem;
mod routes;

pub use ending::ending;
pub use problem::{Problem, Shown, reason_phrase};
pub use routes::{Route, Routed, Routes, ToolName};
