//! Live runs in the admin API: what they have used, and their end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::admin::mint::ShownMinted;
use crate::admin::reply::{self, Fault, Reply};
use crate::admin::{Admin, request};
use crate::call::{RunId, StopReason};
use crate::ledger::{LiveRun, Stopped};
use crate::record::{Event, Kind, UsageTotals};

/// Most runs in one answer: those seen last.
const SHOWN_LIMIT: usize = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedStop {
    reason: Option<String>,
    actor: Option<String>,
}

#[derive(Serialize)]
struct ShownRuns<'a> {
    runs: Vec<Shown<'a>>,
    /// How many are remembered, shown or not.
    total: usize,
}

/// A run as it is shown.
#[derive(Serialize)]
struct Shown<'a> {
    run_id: &'a str,
    run_id_source: &'a str,
    tenant: &'a str,
    project: &'a str,
    user: &'a str,
    agent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minted: Option<ShownMinted<'a>>,
    /// Calls in the gate right now.
    in_flight: u32,
    age_ms: u64,
    idle_ms: u64,
    usage: UsageTotals<'a>,
}

impl Admin {
    pub(super) fn list_runs(&self) -> Reply {
        let runs = self.gate.ledger.runs(self.gate.clock.now());
        let shown = runs.iter().take(SHOWN_LIMIT).map(Shown::of).collect();
        reply::json(StatusCode::OK, &ShownRuns { runs: shown, total: runs.len() })
    }

    pub(super) fn show_run(&self, id: &str) -> Result<Reply, Fault> {
        let run = self.gate.ledger.run(&RunId(Arc::from(id)), self.gate.clock.now());
        let run = run.ok_or_else(unknown)?;
        Ok(reply::json(StatusCode::OK, &Shown::of(&run)))
    }

    /// Ends a run: it takes no more calls.
    pub(super) fn stop_run(&self, id: &str, body: &Bytes) -> Result<Reply, Fault> {
        let AskedStop { reason, actor } = request::read(body)?;
        let (reason, actor) = (request::text("reason", reason)?, request::actor(actor)?);
        let run = RunId(Arc::from(id));
        match self.gate.ledger.stop_run(&run, StopReason::RunStopped) {
            Stopped::Unknown => return Err(unknown()),
            Stopped::Before => {}
            Stopped::Now => {
                let detail = format!("stopped run reason={reason}");
                self.gate.recorder.note(&Event {
                    ts_ms: self.gate.clock.now().wall_ms,
                    kind: Kind::Kill,
                    run_id: Some(id),
                    detail: Some(&detail),
                    actor: Some(&actor),
                    ..Event::default()
                });
            }
        }
        self.show_run(id)
    }
}

fn unknown() -> Fault {
    Fault::not_found("No run of this id is remembered.")
}

impl<'a> Shown<'a> {
    fn of(run: &'a LiveRun) -> Self {
        let stopped = run.stopped.as_ref();
        Self {
            run_id: &run.id.0,
            run_id_source: run.id_source,
            tenant: &run.caller.tenant,
            project: &run.caller.project,
            user: &run.caller.user,
            agent: &run.caller.agent,
            stop_reason: stopped.map(|(reason, _)| reason.name()),
            stopped_by: stopped.and_then(|(_, rule)| rule.as_deref()),
            minted: run.minted.as_ref().map(ShownMinted::of),
            in_flight: run.active,
            age_ms: millis(run.age),
            idle_ms: millis(run.idle),
            usage: UsageTotals::from(&run.usage),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
