//! What the gate goes by and how its tools are, for operators: policies, breakers, writes of which
//! nobody knows whether they happened.

use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;

use crate::admin::Admin;
use crate::admin::reply::{self, Fault, Reply};
use crate::ledger::UnknownWrite;
use crate::policy::model::{Mode, Verb};
use crate::record::{Event, Kind, RuleCount};

#[derive(Serialize)]
struct ShownPolicies<'a> {
    version: &'a str,
    rules: Vec<ShownRule<'a>>,
    limits: Vec<ShownRule<'a>>,
}

/// A rule or a limit.
#[derive(Serialize)]
struct ShownRule<'a> {
    /// `policy/id`
    name: &'a str,
    mode: &'static str,
    then: &'static str,
    /// Calls that it refused or warned of, where it was the first to.
    fired: u64,
    /// Calls that it would have refused or warned of, were it not only observed.
    would_have: u64,
    /// Calls over which it could not be evaluated.
    errors: u64,
}

#[derive(Serialize)]
struct ShownBreakers {
    breakers: Vec<ShownBreaker>,
}

#[derive(Serialize)]
struct ShownBreaker {
    tool: Arc<str>,
    state: &'static str,
}

#[derive(Serialize)]
struct ShownUnknowns<'a> {
    unknown: Vec<ShownUnknown<'a>>,
}

#[derive(Serialize)]
struct ShownUnknown<'a> {
    id: &'a str,
    tool: &'a str,
    run_id: &'a str,
    tenant: &'a str,
    agent: &'a str,
    since_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<&'a str>,
    /// Tools of which one success clears it.
    read_back: &'a [Arc<str>],
}

impl Admin {
    pub(super) fn list_policies(&self) -> Reply {
        let snapshot = self.gate.snapshot();
        let policies = &snapshot.policies;
        let counts = self.gate.recorder.rule_counts();
        let shown = |name, mode, then: Verb| {
            let counted = counts.binary_search_by(|count| (*count.rule).cmp(name));
            let count = counted.ok().and_then(|place| counts.get(place));
            let figure = |of: fn(&RuleCount) -> u64| count.map_or(0, of);
            ShownRule {
                name,
                mode,
                then: then.name(),
                fired: figure(|count| count.fired),
                would_have: figure(|count| count.would_have),
                errors: figure(|count| count.errors),
            }
        };
        let rules = policies.rules().iter().chain(policies.result_rules());
        let limits = policies.limits().iter();
        let rules = rules.map(|rule| shown(&rule.name, mode(rule.mode), rule.then)).collect();
        let limits = limits.map(|limit| shown(&limit.name, mode(limit.mode), limit.then)).collect();
        let shown = ShownPolicies { version: &policies.version, rules, limits };
        reply::json(StatusCode::OK, &shown)
    }

    pub(super) fn list_breakers(&self) -> Reply {
        let mut states = self.gate.ledger.breakers.states(self.gate.clock.now());
        states.sort_by(|a, b| a.0.cmp(&b.0));
        let shown = states.into_iter();
        let shown = shown.map(|(tool, state)| ShownBreaker { tool, state: state.name() });
        reply::json(StatusCode::OK, &ShownBreakers { breakers: shown.collect() })
    }

    pub(super) fn list_unknown(&self) -> Reply {
        let list = self.gate.ledger.unknown.list();
        let unknown = list.iter().map(ShownUnknown::of).collect();
        reply::json(StatusCode::OK, &ShownUnknowns { unknown })
    }

    /// Lets the identical write be tried again, because an operator has looked what became of it.
    pub(super) fn clear_unknown(&self, id: &str, actor: &str) -> Result<Reply, Fault> {
        let cleared = self.gate.ledger.unknown.clear(id);
        let cleared = cleared.ok_or_else(|| Fault::not_found("No unknown outcome has this id."))?;
        let detail = format!("cleared {id}");
        self.gate.recorder.note(&Event {
            ts_ms: self.gate.clock.now().wall_ms,
            kind: Kind::Approval,
            run_id: Some(&cleared.run.0),
            tool: Some(&cleared.tool),
            detail: Some(&detail),
            actor: Some(actor),
            ..Event::default()
        });
        Ok(reply::json(StatusCode::OK, &ShownUnknown::of(&cleared)))
    }
}

impl<'a> ShownUnknown<'a> {
    fn of(write: &'a UnknownWrite) -> Self {
        Self {
            id: &write.id,
            tool: &write.tool,
            run_id: &write.run.0,
            tenant: &write.tenant,
            agent: &write.agent,
            since_ms: write.since_ms,
            idempotency_key: write.idempotency_key.as_deref(),
            read_back: &write.read_back,
        }
    }
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "observe",
        Mode::Enforce => "enforce",
        Mode::Off => "off",
    }
}
