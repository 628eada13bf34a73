//! What a text of SQL does, and to which tables.

use super::BuiltinError;

/// One statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// Its first keyword in lower case; the writing kind where a read hides a write.
    pub kind: String,
    /// Tables it names, in lower case, each once, in order of appearance.
    pub tables: Vec<String>,
}

/// The statements of `text`.
///
/// # Errors
/// Text that is not SQL, or beyond the bounds.
pub fn sql(_text: &str) -> Result<Vec<Statement>, BuiltinError> {
    Err(BuiltinError::new("not SQL"))
}
