//! How much a tool may answer.

/// The bound on what comes back from a tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputPlan {
    /// Longest answer that is handed on, in bytes; a longer one is withheld as a whole.
    pub max_bytes: Option<usize>,
}
