//! The codes of faults.
//!
//! | range | about |
//! |---|---|
//! | TG0xx | YAML and structure: syntax, keys, types, units |
//! | TG1xx | what a config means |
//! | TG2xx | expressions |
//! | TG3xx | what policies and policy tests mean |

/// A file cannot be read.
pub const UNREADABLE: &str = "TG001";
/// Not YAML.
pub const SYNTAX: &str = "TG002";
/// A YAML tag (`!name`); most often an expression that begins with `!`.
pub const TAG: &str = "TG003";
/// An alias without an anchor, or one that grows beyond bounds.
pub const ALIAS: &str = "TG004";
/// Too large, too deep, or too many values.
pub const BOUNDS: &str = "TG005";
/// Empty, or more than one document.
pub const DOCUMENT: &str = "TG006";
/// A key twice in one mapping.
pub const DUPLICATE_KEY: &str = "TG010";
/// A key that does not exist here.
pub const UNKNOWN_KEY: &str = "TG011";
/// A required key is absent.
pub const MISSING_KEY: &str = "TG012";
/// A key or a value that exists in the design of the format but not in this version.
pub const UNSUPPORTED: &str = "TG013";
/// A value of another type than expected.
pub const TYPE: &str = "TG014";
/// A word that is none of the accepted ones.
pub const CHOICE: &str = "TG015";
/// A number out of range, or a unit missing or wrong.
pub const VALUE: &str = "TG016";
/// More faults than are shown.
pub const MORE: &str = "TG019";
