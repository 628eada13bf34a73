//! The remembered definitions as they are kept across restarts.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::book::server_of;
use super::{Known, PINS_LIMIT, Pin, Pins};
use crate::call::Effect;
use crate::contract::OnBreach;
use crate::protocol::mcp::list::Listed;

/// All of them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    pins: Vec<KeptPin>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptPin {
    /// `server.tool`
    tool: Arc<str>,
    agreed: KeptDefinition,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed: Option<KeptDefinition>,
    since_ms: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptDefinition {
    digest: Arc<str>,
    effect: KeptEffect,
    description: Box<str>,
    #[serde(default)]
    beside: Box<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<serde_json::Value>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeptEffect {
    Read,
    Write,
}

impl KeptDefinition {
    fn of(known: &Known) -> Self {
        Self {
            digest: Arc::clone(&known.digest),
            effect: match known.effect {
                Effect::Read => KeptEffect::Read,
                Effect::Write => KeptEffect::Write,
            },
            description: known.description.clone(),
            beside: known.beside.clone(),
            input: known.input.clone(),
            output: known.output.clone(),
        }
    }

    fn into_known(self, tool: &Arc<str>, room_bytes: usize) -> Arc<Known> {
        let text = |schema: serde_json::Value| schema.to_string().into_boxed_str();
        let listed = Listed {
            name: Arc::clone(tool),
            digest: self.digest,
            description: self.description,
            beside: self.beside,
            input: self.input.map(text),
            output: self.output.map(text),
            effect: match self.effect {
                KeptEffect::Read => Effect::Read,
                KeptEffect::Write => Effect::Write,
            },
        };
        Arc::new(Known::of(&listed, OnBreach::Observe, room_bytes))
    }
}

impl Pins {
    /// What is to be kept.
    pub fn kept(&self) -> Kept {
        let pins = self.list().into_iter().map(|(tool, pin)| KeptPin {
            tool,
            agreed: KeptDefinition::of(&pin.agreed),
            changed: pin.changed.as_deref().map(KeptDefinition::of),
            since_ms: pin.since_ms,
        });
        Kept { pins: pins.collect() }
    }

    /// Puts back what was kept, and says how many tools that are.
    pub fn restore(&self, kept: Kept) -> usize {
        let _adding = self.adding.lock();
        for KeptPin { tool, agreed, changed, since_ms } in kept.pins.into_iter().take(PINS_LIMIT) {
            let mut room = self.book.read().room(server_of(&tool)).bytes;
            let agreed = agreed.into_known(&tool, room);
            room = room.saturating_sub(agreed.kept_bytes());
            let changed = changed.map(|changed| changed.into_known(&tool, room));
            self.book.write().insert(tool, Pin { agreed, changed, since_ms });
        }
        self.book.read().pins.len()
    }
}
