//! Approvals in the admin API. What is approved has to be seen: holders of a token that may write
//! are shown the exact call; nobody else is, and no event or log ever is.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::admin::auth::Scope;
use crate::admin::reply::{self, Fault, Reply};
use crate::admin::{Admin, request};
use crate::clock::Now;
use crate::ledger::{ApprovalRecord, ApprovalStatus, Decided, Decision, Undecidable};

/// What a human says of an approval.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    actor: Option<String>,
    note: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShownApprovals<'a> {
    approvals: Vec<Shown<'a>>,
}

/// An approval as it is shown.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    id: &'a str,
    status: &'static str,
    tool: &'a str,
    run_id: &'a str,
    tenant: &'a str,
    project: &'a str,
    user: &'a str,
    agent: &'a str,
    /// The first of `rules`.
    rule: &'a str,
    rules: &'a [Arc<str>],
    message: &'a str,
    approvers: &'a [Arc<str>],
    policy_version: &'a str,
    asked_ms: i64,
    expires_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    args_sha: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<ExactCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<ShownDecision<'a>>,
}

/// The call, byte for byte.
#[derive(Debug, Serialize)]
struct ExactCall<'a> {
    method: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    /// Absent when it is too long to be kept, and when the approval is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    body_bytes: u64,
}

#[derive(Debug, Serialize)]
struct ShownDecision<'a> {
    actor: &'a str,
    note: &'a str,
    at_ms: i64,
}

impl Admin {
    pub(super) fn list_approvals(&self, query: &str, scope: Scope) -> Result<Reply, Fault> {
        let wanted = match query.split_once('=') {
            None if query.is_empty() => None,
            Some(("status", name)) => Some(status(name)?),
            Some(_) | None => return Err(Fault::invalid("The only parameter is `status`.")),
        };
        let now = self.expire_approvals();
        let mut records = self.gate.ledger.approvals.list();
        records.retain(|record| wanted.is_none_or(|wanted| record.status == wanted));
        let approvals = records.iter().map(|record| Shown::of(record, scope, now)).collect();
        Ok(reply::json(StatusCode::OK, &ShownApprovals { approvals }))
    }

    pub(super) fn show_approval(&self, id: &str, scope: Scope) -> Result<Reply, Fault> {
        let now = self.expire_approvals();
        let record = self.gate.ledger.approvals.get(id);
        let record = record.ok_or_else(|| Fault::not_found("There is no such approval."))?;
        Ok(reply::json(StatusCode::OK, &Shown::of(&record, scope, now)))
    }

    pub(super) fn decide(
        &self,
        id: &str,
        decision: Decision,
        body: &Bytes,
    ) -> Result<Reply, Fault> {
        let Said { actor, note } = request::read(body)?;
        let now = self.gate.clock.now();
        let by = Decided {
            actor: request::actor(actor)?,
            note: request::text("note", note)?,
            at_ms: now.wall_ms,
        };
        let version = Arc::clone(&self.gate.snapshot().policies.version);
        let ledger = &self.gate.ledger;
        let (decided, changes) = ledger.approvals.decide(id, decision, by, &version, now);
        ledger.report_approvals(changes);
        let record = decided.map_err(|why| match why {
            Undecidable::Unknown => Fault::not_found(why.to_string()),
            Undecidable::Denied
            | Undecidable::Used
            | Undecidable::Expired
            | Undecidable::Superseded => Fault::conflict(why.to_string()),
        })?;
        Ok(reply::json(StatusCode::OK, &Shown::of(&record, Scope::Write, now)))
    }

    /// What is shown as pending can be decided.
    fn expire_approvals(&self) -> Now {
        let now = self.gate.clock.now();
        let ledger = &self.gate.ledger;
        ledger.report_approvals(ledger.approvals.expire(now));
        now
    }
}

fn status(name: &str) -> Result<ApprovalStatus, Fault> {
    let found = ApprovalStatus::ALL.into_iter().find(|status| status.name() == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = ApprovalStatus::ALL.iter().map(|status| status.name()).collect();
        Fault::invalid(format!("`status` is one of {}.", names.join(", ")))
    })
}

impl<'a> Shown<'a> {
    fn of(record: &'a ApprovalRecord, scope: Scope, now: Now) -> Self {
        let subject = &record.subject;
        let caller = &subject.caller;
        let left = record.deadline.saturating_sub(now.mono);
        let left_ms = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
        let call = ExactCall {
            method: &subject.method,
            path: &subject.path,
            query: subject.query.as_deref(),
            body: subject.body.as_deref().and_then(|body| std::str::from_utf8(body).ok()),
            body_bytes: subject.body_bytes,
        };
        Self {
            id: &record.id,
            status: record.status.name(),
            tool: &subject.tool,
            run_id: &subject.run,
            tenant: &caller.tenant,
            project: &caller.project,
            user: &caller.user,
            agent: &caller.agent,
            rule: record.rules.first().map(|rule| &**rule).unwrap_or_default(),
            rules: &record.rules,
            message: &record.message,
            approvers: &record.approvers,
            policy_version: &record.policy_version,
            asked_ms: record.asked_ms,
            expires_ms: now.wall_ms.saturating_add(left_ms),
            args_sha: subject.args.map(|(digest, _)| digest.to_string()),
            args_bytes: subject.args.map(|(_, bytes)| bytes),
            call: (scope == Scope::Write).then_some(call),
            decision: record.decided.as_ref().map(|decided| ShownDecision {
                actor: &decided.actor,
                note: &decided.note,
                at_ms: decided.at_ms,
            }),
        }
    }
}
