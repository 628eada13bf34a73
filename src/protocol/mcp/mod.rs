//! The Model Context Protocol over streamable HTTP, both eras: with sessions (2025-03-26 to
//! 2025-11-25) and stateless (2026-07-28). Pure: what a message says, what an answer says, how a
//! call is refused.

pub mod answer;
pub mod headers;
pub mod list;
pub mod listen;
pub mod message;
pub mod meta;
pub mod methods;
pub mod name;
pub mod refuse;
mod tell;

pub use answer::{Ending, Told};
pub use message::{Id, Message};
pub use tell::{conceal, tell};

/// The text is no JSON (JSON-RPC 2.0, section 5.1).
pub const PARSE_ERROR: i64 = -32700;
/// The JSON is no message (JSON-RPC 2.0, section 5.1).
pub const INVALID_REQUEST: i64 = -32600;
/// There is no such method (JSON-RPC 2.0, section 5.1).
pub const METHOD_NOT_FOUND: i64 = -32601;
/// The parameters are not what the method takes (JSON-RPC 2.0, section 5.1).
pub const INVALID_PARAMS: i64 = -32602;
/// Header fields and body disagree (MCP 2026-07-28, "Error Codes").
pub const HEADER_MISMATCH: i64 = -32020;
