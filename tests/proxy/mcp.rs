//! MCP servers behind the gate: messages of both eras, as JSON and as events.

mod answers;
mod calls;
mod hostile;
mod pins;
pub mod server;
mod streams;
