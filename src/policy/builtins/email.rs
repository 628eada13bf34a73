//! Mail addresses: the strict subset that every mail system reads alike.

use super::BuiltinError;

/// A mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// Before the `@`, as written: upper and lower case may be two mailboxes.
    pub local: String,
    /// After the `@`, in lower case.
    pub domain: String,
}

/// Reads one bare address, `name@example.com`.
///
/// # Errors
/// Text that is not exactly one address of the strict form.
pub fn email(_text: &str) -> Result<Email, BuiltinError> {
    Err(BuiltinError::new("not an address"))
}
