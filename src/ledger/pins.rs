//! What tool servers have said their tools are. The first definition that is seen of a tool is the
//! one that holds; another one puts the tool into quarantine until somebody has looked at it.

mod book;
mod kept;

use std::sync::Arc;

use book::Book;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

pub use kept::Kept;

use crate::call::Effect;
use crate::contract::{Contract, Definition, Drift, OnBreach, Part, Statuses};
use crate::protocol::mcp::headers::{self, Mirrored};
use crate::protocol::mcp::list::Listed;

/// Most tools of one server that are remembered.
pub const TOOLS_LIMIT: usize = 2_000;

/// Most tools of all servers together.
pub const PINS_LIMIT: usize = 10_000;

/// Longest schemas of one definition, in bytes of JSON. Longer ones are known by their digest, and
/// arguments are not checked against them.
const SCHEMAS_LIMIT_BYTES: usize = 128 * 1024;

/// Longest description that is kept, in bytes; the digest is over all of it.
const DESCRIPTION_LIMIT_BYTES: usize = 16 * 1024;

/// Longest text of title, annotations and `_meta` that is kept, in bytes.
const BESIDE_LIMIT_BYTES: usize = 4 * 1024;

/// A definition, ready for use.
#[derive(Debug)]
pub struct Known {
    pub digest: Arc<str>,
    pub description: Box<str>,
    /// The beginning of title, annotations and `_meta`, as JSON.
    pub beside: Box<str>,
    pub effect: Effect,
    /// What arguments and answers must be; absent when nothing usable is declared.
    pub contract: Option<Arc<Contract>>,
    /// Why a declared schema is not used.
    pub fault: Option<Box<str>>,
    /// Arguments that header fields repeat.
    pub mirrored: Vec<Mirrored>,
    input: Option<serde_json::Value>,
    output: Option<serde_json::Value>,
    /// Length of its schemas that are kept, in bytes of JSON.
    schemas_bytes: usize,
}

/// How things stand with a tool.
#[derive(Clone, Debug)]
pub enum Standing {
    /// No list that was seen names it.
    Unlisted,
    /// So much of its server is remembered that nothing new can be: what it is said to be could
    /// change, and nobody would know.
    NoRoom,
    /// It is what it was.
    Agreed(Arc<Known>),
    /// Its server says something else of it than before.
    Quarantined { agreed: Arc<Known>, changed: Arc<Known> },
}

/// A tool and what is remembered of it.
#[derive(Clone, Debug)]
pub struct Pin {
    /// The definition that holds.
    pub agreed: Arc<Known>,
    /// What its server says now, when that is something else.
    pub changed: Option<Arc<Known>>,
    /// When the last of the two was first seen, in milliseconds since the Unix epoch.
    pub since_ms: i64,
}

/// Why a changed definition is not taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotApproved {
    #[error("no tool of this name has been listed")]
    Unlisted,
    #[error("its definition has not changed")]
    Unchanged,
    #[error("its definition has changed again since: look at it once more")]
    Another,
}

/// The definitions that are remembered, by the tool's full name.
#[derive(Debug)]
pub struct Pins {
    book: RwLock<Book>,
    /// Held from the look at a pin to its change.
    adding: Mutex<()>,
    /// Counted up with every change that is worth keeping.
    changes: watch::Sender<u64>,
}

impl Default for Pins {
    fn default() -> Self {
        Self { book: RwLock::default(), adding: Mutex::default(), changes: watch::Sender::new(0) }
    }
}

impl Pin {
    fn kept_bytes(&self) -> usize {
        let changed = self.changed.as_ref().map_or(0, |changed| changed.kept_bytes());
        self.agreed.kept_bytes().saturating_add(changed)
    }
}

impl Known {
    /// The schema of its arguments, as it is listed.
    pub fn input(&self) -> Option<&serde_json::Value> {
        self.input.as_ref()
    }

    /// The schema of its results, as it is listed.
    pub fn output(&self) -> Option<&serde_json::Value> {
        self.output.as_ref()
    }

    /// Makes checks of what is listed. Of what it says, `room_bytes` are kept at most.
    pub fn of(listed: &Listed, on_breach: OnBreach, room_bytes: usize) -> Self {
        let size = |schema: &Option<Box<str>>| schema.as_ref().map_or(0, |schema| schema.len());
        let schemas_bytes = size(&listed.input).saturating_add(size(&listed.output));
        let is_kept = schemas_bytes <= SCHEMAS_LIMIT_BYTES.min(room_bytes);
        let schemas_bytes = if is_kept { schemas_bytes } else { 0 };
        let room_bytes = room_bytes.saturating_sub(schemas_bytes);
        let description = beginning(&listed.description, DESCRIPTION_LIMIT_BYTES.min(room_bytes));
        let room_bytes = room_bytes.saturating_sub(description.len());
        let beside = beginning(&listed.beside, BESIDE_LIMIT_BYTES.min(room_bytes));
        let read = |schema: &Option<Box<str>>| {
            let schema = schema.as_ref().filter(|_| is_kept)?;
            serde_json::from_str::<serde_json::Value>(schema).ok()
        };
        let (input, output) = (read(&listed.input), read(&listed.output));
        let definition = Definition {
            name: listed.name.to_string(),
            description: String::new(),
            args: input.clone().map(|schema| Part::whole(opened(schema))).into_iter().collect(),
            results: output.clone().map(|schema| (Statuses::Success, schema)).into_iter().collect(),
        };
        let is_declared = !definition.args.is_empty() || !definition.results.is_empty();
        let (contract, fault) = match is_declared.then(|| Contract::build(&definition, on_breach)) {
            None if is_kept => (None, None),
            None => (None, Some(Box::from("its schemas are too long"))),
            Some(Ok(contract)) => (Some(Arc::new(contract)), None),
            Some(Err(fault)) => (None, Some(Box::from(fault.to_string()))),
        };
        Self {
            digest: Arc::clone(&listed.digest),
            description: description.into(),
            beside: beside.into(),
            effect: listed.effect,
            contract,
            fault,
            mirrored: input.as_ref().map(headers::mirrored).unwrap_or_default(),
            input,
            output,
            schemas_bytes,
        }
    }

    /// What it takes of the room for definitions, in bytes.
    fn kept_bytes(&self) -> usize {
        let texts = self.description.len().saturating_add(self.beside.len());
        texts.saturating_add(self.schemas_bytes)
    }
}

/// The beginning of a text, in whole characters.
fn beginning(text: &str, limit_bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(limit_bytes)).unwrap_or_default()
}

/// A schema that names no arguments at all says nothing of them; it does not say that there are
/// none.
fn opened(mut schema: serde_json::Value) -> serde_json::Value {
    const SAYING: [&str; 6] =
        ["$ref", "additionalProperties", "allOf", "anyOf", "oneOf", "properties"];
    if let Some(members) = schema.as_object_mut()
        && !SAYING.iter().any(|keyword| members.contains_key(*keyword))
    {
        members.insert("additionalProperties".to_owned(), serde_json::Value::Bool(true));
    }
    schema
}

impl Pins {
    /// Takes note of what a server lists, and tells which tools it says something new of.
    pub fn note(
        &self,
        server: &str,
        listed: &[Listed],
        on_breach: OnBreach,
        now_ms: i64,
    ) -> Vec<Drift> {
        let mut drifts = Vec::new();
        if self.is_known(server, listed) {
            return drifts;
        }
        let mut is_changed = false;
        let _adding = self.adding.lock();
        for tool in listed {
            let name: Arc<str> = Arc::from(format!("{server}.{}", tool.name));
            let (stood, room) = {
                let book = self.book.read();
                (book.pins.get(&name).cloned(), book.room(server))
            };
            let made = || Arc::new(Known::of(tool, on_breach, room.bytes));
            let is_same = |known: &Arc<Known>| known.digest == tool.digest;
            let change = match &stood {
                Some(pin) if is_same(&pin.agreed) && pin.changed.is_none() => {
                    // The same words, but not harmless any more.
                    (tool.effect.changes() && !pin.agreed.effect.changes())
                        .then(|| Pin { agreed: made(), ..pin.clone() })
                }
                // It is again what it was.
                Some(pin) if is_same(&pin.agreed) => {
                    Some(Pin { changed: None, since_ms: now_ms, ..pin.clone() })
                }
                Some(Pin { changed: Some(changed), .. }) if is_same(changed) => None,
                Some(pin) => {
                    drifts.push(Drift {
                        tool: Arc::clone(&name),
                        from: Arc::clone(&pin.agreed.digest),
                        to: Arc::clone(&tool.digest),
                    });
                    let changed = Some(made());
                    Some(Pin { agreed: Arc::clone(&pin.agreed), changed, since_ms: now_ms })
                }
                None if room.tools == 0 => None,
                None => Some(Pin { agreed: made(), changed: None, since_ms: now_ms }),
            };
            if let Some(pin) = change {
                is_changed = true;
                self.book.write().insert(name, pin);
            }
        }
        if is_changed {
            self.tell();
        }
        drifts
    }

    /// How things stand with a tool, by its full name.
    pub fn look(&self, tool: &str) -> Standing {
        let book = self.book.read();
        match book.pins.get(tool) {
            None if book.room(book::server_of(tool)).tools == 0 => Standing::NoRoom,
            None => Standing::Unlisted,
            Some(Pin { agreed, changed: None, .. }) => Standing::Agreed(Arc::clone(agreed)),
            Some(Pin { agreed, changed: Some(changed), .. }) => {
                Standing::Quarantined { agreed: Arc::clone(agreed), changed: Arc::clone(changed) }
            }
        }
    }

    /// Whether a server has listed a tool of exactly this name.
    pub fn is_listed(&self, server: &str, operation: &str) -> bool {
        self.book.read().pins.contains_key(format!("{server}.{operation}").as_str())
    }

    /// Lets what a server says of a tool now be what holds. With a digest only if it is this one:
    /// what was looked at is what is taken over. Says which definition gives way to which.
    ///
    /// # Errors
    /// When there is nothing to take over, or something else than was looked at.
    pub fn approve(
        &self,
        tool: &str,
        digest: Option<&str>,
        now_ms: i64,
    ) -> Result<Drift, NotApproved> {
        let _adding = self.adding.lock();
        let mut book = self.book.write();
        let Some((name, pin)) = book.pins.get_key_value(tool) else {
            return Err(NotApproved::Unlisted);
        };
        let Some(changed) = &pin.changed else { return Err(NotApproved::Unchanged) };
        if digest.is_some_and(|digest| *digest != *changed.digest) {
            return Err(NotApproved::Another);
        }
        let drift = Drift {
            tool: Arc::clone(name),
            from: Arc::clone(&pin.agreed.digest),
            to: Arc::clone(&changed.digest),
        };
        let pin = Pin { agreed: Arc::clone(changed), changed: None, since_ms: now_ms };
        book.insert(Arc::clone(&drift.tool), pin);
        drop(book);
        self.tell();
        Ok(drift)
    }

    /// All of them by name.
    pub fn list(&self) -> Vec<(Arc<str>, Pin)> {
        self.book.read().pins.iter().map(|(name, pin)| (Arc::clone(name), pin.clone())).collect()
    }

    /// Tells of every change that is worth keeping.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Whether a list says nothing but what is agreed.
    fn is_known(&self, server: &str, listed: &[Listed]) -> bool {
        let book = self.book.read();
        listed.iter().all(|tool| {
            let pin = book.pins.get(format!("{server}.{}", tool.name).as_str());
            pin.is_some_and(|pin| {
                let is_milder = tool.effect.changes() && !pin.agreed.effect.changes();
                pin.changed.is_none() && pin.agreed.digest == tool.digest && !is_milder
            })
        })
    }

    fn tell(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }
}

#[cfg(test)]
mod tests;
