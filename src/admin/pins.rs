//! The remembered definitions of tools: shown, taken over when somebody has looked, and kept across
//! restarts.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::admin::reply::{self, Fault, Reply};
use crate::admin::state::{StateError, StateFolder};
use crate::admin::{Admin, request};
use crate::ledger::{KeptPins, Ledger, NotApproved, Pin, PinnedDefinition};

/// What a human says of a changed definition.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    actor: Option<String>,
    /// The digest of the definition that was looked at.
    version: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShownPins<'a> {
    pins: Vec<Shown<'a>>,
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    tool: &'a str,
    /// `agreed`, or `quarantined`.
    status: &'static str,
    since_ms: i64,
    agreed: ShownDefinition<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<ShownDefinition<'a>>,
}

#[derive(Debug, Serialize)]
struct ShownDefinition<'a> {
    digest: &'a str,
    effect: &'static str,
    description: &'a str,
    /// Title, annotations and `_meta`, as JSON.
    beside: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a serde_json::Value>,
    /// Why arguments and answers are not held against the schemas.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'a str>,
}

/// Puts back the definitions that were remembered when the gate ended, and says how many there are.
///
/// # Errors
/// When the file is there and does not hold what was written: it must not count as empty, for then
/// whatever servers say next would be taken for what they said first.
pub fn restore_pins(ledger: &Ledger, folder: &StateFolder) -> Result<usize, StateError> {
    let Some(text) = folder.read_pins()? else { return Ok(0) };
    let kept: KeptPins = serde_json::from_str(&text).map_err(|error| {
        folder.pins_unreadable(format!(
            "{error}. It says what tools were when somebody last looked, so the gate does not start \
             without it; repair it, or remove it to trust what servers say next"
        ))
    })?;
    Ok(ledger.pins.restore(kept))
}

/// Writes the definitions down whenever they change. Never ends.
pub async fn keep_pins(ledger: Arc<Ledger>, folder: StateFolder) {
    let mut changed = ledger.pins.changed();
    while changed.changed().await.is_ok() {
        let (ledger, folder) = (Arc::clone(&ledger), folder.clone());
        let written = tokio::task::spawn_blocking(move || {
            let text = serde_json::to_vec(&ledger.pins.kept()).unwrap_or_default();
            folder.write_pins(&text)
        });
        if let Ok(Err(error)) = written.await {
            tracing::warn!(%error, "a restart would forget what tools were said to be");
        }
    }
}

impl Admin {
    pub(super) fn list_pins(&self) -> Reply {
        let pins = self.gate.ledger.pins.list();
        let pins = pins.iter().map(|(tool, pin)| Shown::of(tool, pin)).collect();
        reply::json(StatusCode::OK, &ShownPins { pins })
    }

    pub(super) fn approve_pin(&self, tool: &str, body: &Bytes) -> Result<Reply, Fault> {
        let Said { actor, version } = request::read(body)?;
        let actor = request::actor(actor)?;
        let pins = &self.gate.ledger.pins;
        let now = self.gate.clock.now();
        let drift =
            pins.approve(tool, version.as_deref(), now.wall_ms).map_err(|why| match why {
                NotApproved::Unlisted => Fault::not_found(format!("{why}.")),
                NotApproved::Unchanged | NotApproved::Another => Fault::conflict(format!("{why}.")),
            })?;
        self.gate.recorder.drift_approved(&drift, &actor);
        let pins = pins.list();
        let pin = pins.iter().find(|(name, _)| *name == drift.tool);
        let (name, pin) = pin.ok_or_else(|| Fault::not_found("It is not listed any more."))?;
        Ok(reply::json(StatusCode::OK, &Shown::of(name, pin)))
    }
}

impl<'a> Shown<'a> {
    fn of(tool: &'a str, pin: &'a Pin) -> Self {
        Self {
            tool,
            status: if pin.changed.is_some() { "quarantined" } else { "agreed" },
            since_ms: pin.since_ms,
            agreed: ShownDefinition::of(&pin.agreed),
            changed: pin.changed.as_deref().map(ShownDefinition::of),
        }
    }
}

impl<'a> ShownDefinition<'a> {
    fn of(known: &'a PinnedDefinition) -> Self {
        Self {
            digest: &known.digest,
            effect: known.effect.name(),
            description: &known.description,
            beside: &known.beside,
            input: known.input(),
            output: known.output(),
            fault: known.fault.as_deref(),
        }
    }
}
