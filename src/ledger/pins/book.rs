//! The remembered definitions and what they take: so many tools and so many bytes of a server, so
//! that none takes the room of the others, and so many in all.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{PINS_LIMIT, Pin, TOOLS_LIMIT};

/// Descriptions, schemas and what stands beside them, of one server, in bytes. What is more is known
/// by its digest.
pub(super) const SERVER_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// The same of all servers together.
const ALL_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// Pins by the tool's full name.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub pins: BTreeMap<Arc<str>, Pin>,
    /// INVARIANT: by server, what its pins take.
    servers: BTreeMap<Box<str>, Amount>,
    /// INVARIANT: the sum of `servers`.
    all: Amount,
}

/// What is taken, or left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub tools: usize,
    pub bytes: usize,
}

impl Amount {
    fn left(self, tools: usize, bytes: usize) -> Self {
        Self { tools: tools.saturating_sub(self.tools), bytes: bytes.saturating_sub(self.bytes) }
    }
}

impl Book {
    /// Adds a pin, or puts it in the place of the one that is there.
    pub fn insert(&mut self, tool: Arc<str>, pin: Pin) {
        let new = pin.kept_bytes();
        let server = self.servers.entry(server_of(&tool).into()).or_default();
        let before = self.pins.insert(tool, pin);
        let old = before.as_ref().map_or(0, Pin::kept_bytes);
        for amount in [server, &mut self.all] {
            amount.tools = amount.tools.saturating_add(usize::from(before.is_none()));
            amount.bytes = amount.bytes.saturating_sub(old).saturating_add(new);
        }
    }

    /// How much more of a server can be remembered.
    pub fn room(&self, server: &str) -> Amount {
        let of_server = self.servers.get(server).copied().unwrap_or_default();
        let of_server = of_server.left(TOOLS_LIMIT, SERVER_LIMIT_BYTES);
        let all = self.all.left(PINS_LIMIT, ALL_LIMIT_BYTES);
        Amount { tools: of_server.tools.min(all.tools), bytes: of_server.bytes.min(all.bytes) }
    }
}

/// The server of a tool, by its full name: names of servers have no dot.
pub(super) fn server_of(tool: &str) -> &str {
    tool.split_once('.').map_or(tool, |(server, _)| server)
}
