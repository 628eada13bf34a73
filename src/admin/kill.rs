//! The kill switch in the admin API, and the file that keeps it across restarts.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::admin::reply::{self, Fault, Reply};
use crate::admin::state::{StateError, StateFolder};
use crate::admin::{Admin, request};
use crate::call::{RunId, StopReason, ToolFacts};
use crate::ledger::{Kill, KillTarget, Kills};
use crate::record::{Event, Kind};

/// What may be switched off.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ScopeWord {
    All,
    Writes,
    Tool,
    Run,
    Tenant,
}

/// A kill switch as it is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    scope: ScopeWord,
    tool: Option<String>,
    run: Option<String>,
    tenant: Option<String>,
    reason: Option<String>,
    actor: Option<String>,
}

/// A kill switch as it is shown and kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    id: Arc<str>,
    scope: ScopeWord,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<Arc<str>>,
    reason: Arc<str>,
    actor: Arc<str>,
    since_ms: i64,
}

/// What comes of a kill switch that was asked for.
#[derive(Debug, Serialize)]
struct Engaged<'a> {
    #[serde(flatten)]
    kill: Shown,
    /// The tools of the config that a kill switch of tools is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    matches: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'static str>,
}

/// All that are on: the answer of the API, and the content of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShownKills {
    kills: Vec<Shown>,
}

/// Puts the kill switches that were on when the gate ended back on.
///
/// # Errors
/// When the file is there and does not hold what was written: it must not count as empty.
pub fn restore(kills: &Kills, folder: &StateFolder) -> Result<usize, StateError> {
    let Some(text) = folder.read_kills()? else { return Ok(0) };
    let kept: ShownKills = serde_json::from_str(&text).map_err(|error| {
        folder.kills_unreadable(format!(
            "{error}. It says what is switched off, so the gate does not start without it; \
             repair it, or remove it if nothing is to stay switched off"
        ))
    })?;
    let count = kept.kills.len();
    for shown in kept.kills {
        let kill = shown.into_kill().map_err(|fault| folder.kills_unreadable(fault))?;
        kills.engage(Arc::new(kill)).map_err(|fault| folder.kills_unreadable(fault))?;
    }
    Ok(count)
}

impl Admin {
    pub(super) fn list_kills(&self) -> Reply {
        reply::json(StatusCode::OK, &shown(&self.gate.ledger.kills.list()))
    }

    /// Switches off at once, and then sees that it stays so.
    pub(super) fn kill(&self, body: &Bytes) -> Result<Reply, Fault> {
        let Asked { scope, tool, run, tenant, reason, actor } = request::read(body)?;
        let target = target(scope, tool.as_deref(), run.as_deref(), tenant.as_deref());
        let target = target.and_then(|target| readable(&target).map(|()| target));
        let kill = Arc::new(Kill {
            id: self.fresh_id("kill"),
            target: target.map_err(Fault::invalid)?,
            reason: request::text("reason", reason)?,
            actor: request::actor(actor)?,
            since_ms: self.gate.clock.now().wall_ms,
        });
        let kills = &self.gate.ledger.kills;
        let _one_at_a_time = self.kept.lock();
        kills.engage(Arc::clone(&kill)).map_err(|full| Fault::conflict(full.to_string()))?;
        if let KillTarget::Run(run) = &kill.target {
            self.gate.ledger.stop_run(&RunId(Arc::clone(run)), StopReason::Killed);
        }
        self.note_kill(&kill, "engaged", &kill.actor);
        self.keep(&kills.list()).map_err(|error| {
            let detail = format!("It is switched off, but a restart would forget it: {error}.");
            Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "not-kept", detail)
        })?;
        let snapshot = self.gate.snapshot();
        Ok(reply::json(StatusCode::CREATED, &Engaged::of(&kill, &snapshot.tools)))
    }

    /// Lifts a kill switch, first on disk: one that could not be lifted there stays on.
    pub(super) fn lift_kill(&self, id: &str, actor: &str) -> Result<Reply, Fault> {
        let kills = &self.gate.ledger.kills;
        let _one_at_a_time = self.kept.lock();
        let on = kills.list();
        if !on.iter().any(|kill| &*kill.id == id) {
            return Err(Fault::not_found("No kill switch of this id is on."));
        }
        let rest: Vec<_> = on.into_iter().filter(|kill| &*kill.id != id).collect();
        self.keep(&rest).map_err(|error| {
            let detail = format!("It stays switched off: {error}.");
            Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "not-kept", detail)
        })?;
        let lifted = kills.lift(id);
        let lifted = lifted.ok_or_else(|| Fault::not_found("No kill switch of this id is on."))?;
        self.note_kill(&lifted, "lifted", actor);
        Ok(reply::json(StatusCode::OK, &Shown::of(&lifted)))
    }

    fn keep(&self, kills: &[Arc<Kill>]) -> Result<(), String> {
        let text = serde_json::to_vec_pretty(&shown(kills)).map_err(|error| error.to_string())?;
        self.folder.write_kills(&text).map_err(|error| error.to_string())
    }

    fn note_kill(&self, kill: &Kill, what: &str, actor: &str) {
        let target = &kill.target;
        let scope = target.scope();
        let detail = format!("{what} {} scope={scope} reason={}", kill.id, kill.reason);
        let name = target.name().map(|name| &**name);
        let mut event = Event {
            ts_ms: self.gate.clock.now().wall_ms,
            kind: Kind::Kill,
            detail: Some(&detail),
            actor: Some(actor),
            ..Event::default()
        };
        match target {
            KillTarget::Everything | KillTarget::Writes => {}
            KillTarget::Tool { .. } => event.tool = name,
            KillTarget::Run(_) => event.run_id = name,
            KillTarget::Tenant(_) => event.tenant = name,
        }
        self.gate.recorder.note(&event);
    }
}

fn shown(kills: &[Arc<Kill>]) -> ShownKills {
    ShownKills { kills: kills.iter().map(|kill| Shown::of(kill)).collect() }
}

/// The target that the words name; each scope has one name of its own and no other.
fn target(
    scope: ScopeWord,
    tool: Option<&str>,
    run: Option<&str>,
    tenant: Option<&str>,
) -> Result<KillTarget, String> {
    let short = |name: &str| !name.is_empty() && name.chars().count() <= request::TEXT_LIMIT_CHARS;
    if ![tool, run, tenant].into_iter().flatten().all(short) {
        return Err("A name is empty or too long.".to_owned());
    }
    match (scope, tool, run, tenant) {
        (ScopeWord::All, None, None, None) => Ok(KillTarget::Everything),
        (ScopeWord::Writes, None, None, None) => Ok(KillTarget::Writes),
        (ScopeWord::Tool, Some(tool), None, None) => Ok(KillTarget::tool(tool)),
        (ScopeWord::Run, None, Some(run), None) => Ok(KillTarget::Run(Arc::from(run))),
        (ScopeWord::Tenant, None, None, Some(tenant)) => Ok(KillTarget::Tenant(Arc::from(tenant))),
        (ScopeWord::All | ScopeWord::Writes, _, _, _) => {
            Err("`tool`, `run` and `tenant` do not go with this scope.".to_owned())
        }
        (ScopeWord::Tool, _, _, _) => Err("The scope `tool` goes with `tool` alone.".to_owned()),
        (ScopeWord::Run, _, _, _) => Err("The scope `run` goes with `run` alone.".to_owned()),
        (ScopeWord::Tenant, _, _, _) => {
            Err("The scope `tenant` goes with `tenant` alone.".to_owned())
        }
    }
}

/// Refuses tool patterns of other dialects, which would match nothing here and look as if they did.
fn readable(target: &KillTarget) -> Result<(), String> {
    match target {
        KillTarget::Tool { pattern, .. } if pattern.contains(['?', '[', ']', '{', '}']) => {
            Err("A tool is a name, a glob whose only wildcard is `*`, or `tag:NAME`.".to_owned())
        }
        KillTarget::Tool { .. }
        | KillTarget::Everything
        | KillTarget::Writes
        | KillTarget::Run(_)
        | KillTarget::Tenant(_) => Ok(()),
    }
}

impl<'a> Engaged<'a> {
    fn of(kill: &Kill, tools: &'a [ToolFacts]) -> Self {
        let mut matches = None;
        for tool in tools {
            let Some(named) = kill.target.names(tool) else { break };
            let matches: &mut Vec<&str> = matches.get_or_insert_default();
            if named {
                matches.push(&tool.name);
            }
        }
        let nothing = matches.as_ref().is_some_and(Vec::is_empty);
        let warning = nothing.then_some(
            "It is switched off, but no tool that the config names is meant: check the spelling.",
        );
        Self { kill: Shown::of(kill), matches, warning }
    }
}

impl Shown {
    fn of(kill: &Kill) -> Self {
        let (mut tool, mut run, mut tenant) = (None, None, None);
        let scope = match &kill.target {
            KillTarget::Everything => ScopeWord::All,
            KillTarget::Writes => ScopeWord::Writes,
            KillTarget::Tool { pattern, .. } => {
                tool = Some(Arc::clone(pattern));
                ScopeWord::Tool
            }
            KillTarget::Run(name) => {
                run = Some(Arc::clone(name));
                ScopeWord::Run
            }
            KillTarget::Tenant(name) => {
                tenant = Some(Arc::clone(name));
                ScopeWord::Tenant
            }
        };
        let Kill { id, reason, actor, since_ms, .. } = kill.clone();
        Self { id, scope, tool, run, tenant, reason, actor, since_ms }
    }

    fn into_kill(self) -> Result<Kill, String> {
        let Self { id, scope, tool, run, tenant, reason, actor, since_ms } = self;
        let target = target(scope, tool.as_deref(), run.as_deref(), tenant.as_deref())?;
        Ok(Kill { id, target, reason, actor, since_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_is_not_taken_for_empty() {
        let place = tempfile::tempdir().unwrap();
        let folder = StateFolder::new(place.path());
        let kills = Kills::default();
        assert_eq!(restore(&kills, &folder).unwrap(), 0, "nothing was ever switched off");
        let kill = Kill {
            id: Arc::from("kill_1"),
            target: KillTarget::tool("pay.*"),
            reason: Arc::from("odd \"things\""),
            actor: Arc::from("ann"),
            since_ms: 7,
        };
        let text = serde_json::to_string(&shown(&[Arc::new(kill)])).unwrap();
        for end in 0..text.len() {
            folder.write_kills(&text.as_bytes()[..end]).unwrap();
            assert!(restore(&kills, &folder).is_err(), "cut at {end}");
        }
        let unknown = text.replace("pay.*\"", "pay.*\",\"more\":1");
        folder.write_kills(unknown.as_bytes()).unwrap();
        assert!(restore(&kills, &folder).is_err());
        folder.write_kills(text.as_bytes()).unwrap();
        assert_eq!(restore(&kills, &folder).unwrap(), 1);
        assert_eq!(kills.list()[0].target.name().map(|name| &**name), Some("pay.*"));
    }
}
