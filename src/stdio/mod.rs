//! MCP servers and clients that speak over standard input and output.
//!
//! The pipeline knows HTTP only. A server that is a command is hosted here as an in-process
//! streamable-HTTP service (`host`), and a client that speaks on our own standard input is fronted by
//! an in-process HTTP client (`front`). Both speak over memory: nothing listens that need not.

mod answer;
mod child;
mod feed;
mod front;
mod host;
mod lines;
mod link;
mod message;
mod origin;
mod queue;
//#[cfg(test)]
//mod tests;

pub use child::{Inherit, Spec};
pub use front::{Dial, Ended, Endpoint, Front};
pub use host::Host;

/// Longest message, in bytes: a line from a child or a client, and a body for a child.
pub const MESSAGE_LIMIT_BYTES: usize = 8 * 1024 * 1024;

/// Room in an in-memory connection, in bytes.
const CONNECTION_BYTES: usize = 64 * 1024;
