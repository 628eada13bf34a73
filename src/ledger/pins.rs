//! What tool servers have said their tools are. The first definition that is seen of a tool is the
//! one that holds; another one puts the tool into quarantine until somebody has looked at it.

mod kept;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
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

/// Longest schemas of all definitions together, in bytes of JSON.
const ALL_SCHEMAS_LIMIT_BYTES: usize = 32 * 1024 * 1024;

/// Longest description that is kept, in bytes; the digest is over all of it.
const DESCRIPTION_LIMIT_BYTES: usize = 16 * 1024;

/// A definition, ready for use.
#[derive(Debug)]
pub struct Known {
    pub digest: Arc<str>,
    pub description: Box<str>,
    pub effect: Effect,
    /// What arguments and answers must be; absent when nothing usable is declared.
    pub contract: Option<Arc<Contract>>,
    /// Why a declared schema is not used.
    pub fault: Option<Box<str>>,
    /// Arguments that header fields repeat.
    pub mirrored: Vec<Mirrored>,
    input: Option<serde_json::Value>,
    output: Option<serde_json::Value>,
    /// Length of its schemas, in bytes of JSON.
    schemas_bytes: usize,
}

/// How things stand with a tool.
#[derive(Clone, Debug)]
pub enum Standing {
    /// No list that was seen names it.
    Unlisted,
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
    pins: RwLock<BTreeMap<Arc<str>, Pin>>,
    /// Counted up with every change that is worth keeping.
    changes: watch::Sender<u64>,
}

impl Default for Pins {
    fn default() -> Self {
        Self { pins: RwLock::default(), changes: watch::Sender::new(0) }
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

    /// Makes checks of what is listed. Schemas are kept up to `room_bytes`.
    pub fn of(listed: &Listed, on_breach: OnBreach, room_bytes: usize) -> Self {
        let size = |schema: &Option<serde_json::Value>| {
            schema.as_ref().map_or(0, |schema| schema.to_string().len())
        };
        let schemas_bytes = size(&listed.input).saturating_add(size(&listed.output));
        let is_kept = schemas_bytes <= SCHEMAS_LIMIT_BYTES.min(room_bytes);
        let input = listed.input.clone().filter(|_| is_kept);
        let output = listed.output.clone().filter(|_| is_kept);
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
        let end = listed.description.floor_char_boundary(DESCRIPTION_LIMIT_BYTES);
        Self {
            digest: Arc::clone(&listed.digest),
            description: listed.description.get(..end).unwrap_or_default().into(),
            effect: listed.effect,
            contract,
            fault,
            mirrored: input.as_ref().map(headers::mirrored).unwrap_or_default(),
            input,
            output,
            schemas_bytes: if is_kept { schemas_bytes } else { 0 },
        }
    }
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
        let mut is_changed = false;
        for tool in listed {
            let name: Arc<str> = Arc::from(format!("{server}.{}", tool.name));
            let stood = self.pins.read().get(&name).cloned();
            let made = || Arc::new(Known::of(tool, on_breach, self.room_bytes()));
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
                None if !self.has_room(server) => None,
                None => Some(Pin { agreed: made(), changed: None, since_ms: now_ms }),
            };
            if let Some(pin) = change {
                is_changed = true;
                self.pins.write().insert(name, pin);
            }
        }
        if is_changed {
            self.tell();
        }
        drifts
    }

    /// How things stand with a tool, by its full name.
    pub fn look(&self, tool: &str) -> Standing {
        match self.pins.read().get(tool) {
            None => Standing::Unlisted,
            Some(Pin { agreed, changed: None, .. }) => Standing::Agreed(Arc::clone(agreed)),
            Some(Pin { agreed, changed: Some(changed), .. }) => {
                Standing::Quarantined { agreed: Arc::clone(agreed), changed: Arc::clone(changed) }
            }
        }
    }

    /// Whether a server has listed a tool of exactly this name.
    pub fn is_listed(&self, server: &str, operation: &str) -> bool {
        self.pins.read().contains_key(format!("{server}.{operation}").as_str())
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
        let mut pins = self.pins.write();
        let Some((name, pin)) = pins.get_key_value(tool) else { return Err(NotApproved::Unlisted) };
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
        pins.insert(Arc::clone(&drift.tool), pin);
        drop(pins);
        self.tell();
        Ok(drift)
    }

    /// All of them by name.
    pub fn list(&self) -> Vec<(Arc<str>, Pin)> {
        self.pins.read().iter().map(|(name, pin)| (Arc::clone(name), pin.clone())).collect()
    }

    /// Tells of every change that is worth keeping.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// How long more schemas may be.
    fn room_bytes(&self) -> usize {
        let pins = self.pins.read();
        let known = pins.values().flat_map(|pin| [Some(&pin.agreed), pin.changed.as_ref()]);
        let taken: usize = known.flatten().map(|known| known.schemas_bytes).sum();
        ALL_SCHEMAS_LIMIT_BYTES.saturating_sub(taken)
    }

    fn has_room(&self, server: &str) -> bool {
        let pins = self.pins.read();
        let from: Arc<str> = Arc::from(format!("{server}."));
        let of_server = pins.range(Arc::clone(&from)..);
        let of_server = of_server.take_while(|(name, _)| name.starts_with(&*from));
        pins.len() < PINS_LIMIT && of_server.count() < TOOLS_LIMIT
    }

    fn tell(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }
}

#[cfg(test)]
mod tests;
