//! The functions of the rule language that read text: commands, SQL, addresses, paths.
//!
//! Each is pure, bounded, and strict: text that two readers could take two ways is an error, and an
//! expression that meets an error refuses the call. `shell` and `sql` are heuristics: they see
//! through spelling, not through a program that decides at run time what to do.

pub mod email;
pub mod net;
pub mod paths;
pub mod shell;
pub mod sql;

/// Why a function could not read its text. The message quotes no more than a few characters of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BuiltinError {
    /// What is wrong, for the author of the rule and the agent.
    pub message: String,
}

impl BuiltinError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}
