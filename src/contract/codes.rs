//! The codes of faults in what is declared of tools: TG13x.

/// Not an OpenAPI document that can be used, or a part of one that cannot.
pub const OPENAPI: &str = "TG130";
/// A reference to another document, or one that leads nowhere.
pub const REFERENCE: &str = "TG131";
/// A JSON Schema that cannot be used.
pub const SCHEMA: &str = "TG132";
/// An operation that cannot be a tool here; it is left out.
pub const LEFT_OUT: &str = "TG133";
/// Not a catalogue of functions.
pub const CATALOGUE: &str = "TG134";
